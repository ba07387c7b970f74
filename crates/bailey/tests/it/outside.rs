//! What plugins ask other servers, by real SDKs in the sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::{any, get};
use bailey_testkit::{SDKS, example};
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast};
use tokio_util::task::TaskTracker;

use crate::serve::Place;
use crate::support::try_file;

#[tokio::test]
async fn other_servers_are_asked_under_the_oldest_and_the_newest_sdk() {
    let plugin = example("outside");
    let script = plugin.join("outside.jsonl");
    join_all([SDKS[0], SDKS[SDKS.len() - 1]].map(|sdk| {
        let (plugin, script) = (&plugin, &script);
        async move {
            let transcript = try_file(plugin, script, &["--sdk", &sdk.requirement()]).await;
            transcript.must_pass();
        }
    }))
    .await;
}

/// A secret that is bound to a host is in nothing the plugin or anybody reads.
#[tokio::test]
async fn secrets_go_out_and_do_not_come_back() {
    let plugin = example("outside");
    let transcript = try_file(&plugin, &plugin.join("secrets.jsonl"), &[]).await;
    transcript.must_pass();
    for line in &transcript.lines {
        // What people wrote themselves, and what the other server was written down to answer.
        if line["kind"] == "step" || line["kind"] == "message" && line["bot"] == false {
            continue;
        }
        let text = line.to_string();
        assert!(!text.contains("s3cret-k3y") && !text.contains("hook-0123456789"), "{text}");
    }
    assert!(!transcript.stderr.contains("s3cret-k3y"), "{}", transcript.stderr);
}

/// A server on loopback, and who came to it.
struct Outside {
    port: u16,
    /// Requests for `/slow`, which is never answered.
    slow: Arc<Visits>,
    /// Connections to `/live`.
    live: Arc<Visits>,
    frames: broadcast::Sender<String>,
}

#[derive(Default)]
struct Visits {
    count: AtomicUsize,
    came: Notify,
}

impl Visits {
    fn come(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.came.notify_waiters();
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    async fn at_least(&self, count: usize) {
        let waiting = async {
            loop {
                let came = self.came.notified();
                tokio::pin!(came);
                came.as_mut().enable();
                if self.count() >= count {
                    return;
                }
                came.await;
            }
        };
        tokio::time::timeout(crate::support::PATIENCE, waiting).await.expect("nobody came");
    }
}

impl Outside {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (slow, live) = (Arc::<Visits>::default(), Arc::<Visits>::default());
        let frames = broadcast::Sender::new(16);
        let (slowly, coming, feed) = (Arc::clone(&slow), Arc::clone(&live), frames.clone());
        let routes = Router::new()
            .route("/hello", get(async || "hello from outside"))
            .route(
                "/slow",
                get(move || {
                    slowly.come();
                    std::future::pending::<&str>()
                }),
            )
            .route(
                "/live",
                any(move |upgrade: WebSocketUpgrade| {
                    let (coming, feed) = (Arc::clone(&coming), feed.subscribe());
                    async move {
                        upgrade.on_upgrade(move |socket| {
                            coming.come();
                            say(socket, feed)
                        })
                    }
                }),
            );
        TaskTracker::new().spawn(async move { axum::serve(listener, routes).await });
        Self { port, slow, live, frames }
    }
}

/// Says what is to be said until nobody listens.
async fn say(mut socket: WebSocket, mut frames: broadcast::Receiver<String>) {
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Ok(frame) => drop(socket.send(Message::Text(frame.into())).await),
                Err(_) => return,
            },
            heard = socket.recv() => if !matches!(heard, Some(Ok(_))) { return },
        }
    }
}

/// A plugin that asks for what it is told to ask for, and posts what a connection says.
const CURIOUS: &str = "\
from yourbot_sdk import Plugin
plugin = Plugin()
@plugin.on_event('message_create')
def on_message(ctx, event):
    if event.get('author_bot'):
        return
    word, _, rest = event['content'].partition(' ')
    try:
        if word == '!get':
            said = ctx.http.get(rest)['body_bytes']
        elif word == '!live':
            ctx.kv.set('channel', event['channel_id'])
            said = ctx.ws.ensure('live', rest)['name']
        else:
            return
    except Exception as error:
        said = str(error)
    ctx.discord.send_message(channel_id=event['channel_id'], content=said)
@plugin.on_ws_message('live')
def on_frame(ctx, frame):
    ctx.discord.send_message(channel_id=ctx.kv.get('channel'), content=frame['data'])
plugin.run()
";

/// By a real Bailey and real connections: what an operator permits is reached, and nothing else on this machine; a
/// Bailey that is killed asks nobody twice, and the next one keeps the connections.
#[tokio::test]
async fn a_bailey_that_is_killed_asks_nobody_twice_and_keeps_connections() {
    let outside = Outside::start().await;
    let port = outside.port;
    let plugin = tempfile::tempdir().unwrap();
    let capabilities =
        ["events:message_content", "discord:send_message", "storage:kv", "proxy:http", "proxy:websocket"];
    let manifest = json!({"id": "curious", "name": "Curious", "version": "1.0.0",
        "capabilities_required": capabilities, "proxy_domains_requested": [format!("127.0.0.1:{port}"), "127.0.0.2"]});
    std::fs::write(plugin.path().join("manifest.json"), manifest.to_string()).unwrap();
    std::fs::write(plugin.path().join("__main__.py"), CURIOUS).unwrap();
    std::fs::write(plugin.path().join("requirements.txt"), "yourbot-sdk==0.10.1\n").unwrap();
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let permit = format!("127.0.0.1:{port}=127.0.0.1");
    let install = ["--plugin", plugin.path().to_str().unwrap(), "--server", &server, "--permit", &permit];
    let (bailey, _) = place.serve(&install).await;
    let people = &place.sim.people;
    people.say(json!({"content": format!("!get http://127.0.0.1:{port}/hello")})).await;
    people.hear("hello from outside", 1).await;
    people.say(json!({"content": "!get http://127.0.0.2/"})).await;
    let inside = "RPC error (proxy.request): host 127.0.0.2 is not allowed: it is at 127.0.0.2, which is not on the internet";
    people.hear(inside, 1).await;
    people.say(json!({"content": format!("!live ws://127.0.0.1:{port}/live")})).await;
    people.hear("live", 1).await;
    outside.live.at_least(1).await;
    outside.frames.send("before".to_owned()).unwrap();
    people.hear("before", 1).await;

    // In the middle of a request, and with a connection open.
    people.say(json!({"content": format!("!get http://127.0.0.1:{port}/slow")})).await;
    outside.slow.at_least(1).await;
    assert!(!bailey.end_by(Signal::KILL).await.success());
    let (bailey, _) = place.serve(&["--permit", &permit]).await;
    outside.live.at_least(2).await;
    outside.frames.send("after".to_owned()).unwrap();
    people.hear("after", 1).await;
    people.say(json!({"content": format!("!get http://127.0.0.1:{port}/hello")})).await;
    people.hear("hello from outside", 2).await;
    assert_eq!((outside.slow.count(), outside.live.count()), (1, 2));

    // Without the permit the next one reaches nothing of this machine, whatever was agreed to.
    assert!(bailey.end_by(Signal::TERM).await.success());
    let (bailey, _) = place.serve(&[]).await;
    people.say(json!({"content": format!("!get http://127.0.0.1:{port}/hello")})).await;
    people.hear(&inside.replace("127.0.0.2", "127.0.0.1"), 1).await;
    assert_eq!(outside.live.count(), 2);
    assert!(bailey.end_by(Signal::TERM).await.success());
}
