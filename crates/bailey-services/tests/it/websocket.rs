//! `ws.*` against a real server on loopback: order, limits, being made again, being remembered.

use std::sync::{Arc, Mutex};

use bailey_outbound::{NameServers, Network, Outbound, OutboundConfig, Trust};
use bailey_protocol::host_message::{SocketEvent, SocketNews};
use bailey_protocol::method::websocket::{Ensure, SendFrame, SocketNameOnly};
use bailey_protocol::{CallError, Capability, Grants, Tenant, limits};
use bailey_services::{AllowedHosts, Keys, Secrets, SocketSink, Websockets};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::TaskTracker;

use crate::support::{Scratch, params, tenant};

/// A server that says hello, then does what it is ordered on its newest connection, and tells what it hears.
struct Feed {
    port: u16,
    orders: mpsc::UnboundedSender<Message>,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Feed {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (orders, mut ordered) = mpsc::unbounded_channel();
        let (hearing, heard) = mpsc::unbounded_channel();
        TaskTracker::new().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { continue };
                loop {
                    tokio::select! {
                        order = ordered.recv() => match order {
                            Some(Message::Close(_)) => break, // without a word
                            Some(order) => socket.send(order).await.unwrap(),
                            None => return,
                        },
                        said = socket.next() => match said {
                            Some(Ok(Message::Text(text))) => drop(hearing.send(text.to_string())),
                            Some(Ok(_)) => {}
                            _ => break,
                        },
                    }
                }
            }
        });
        Self { port, orders, heard }
    }
}

/// The plugin: takes one piece of news for each permit.
struct Plugin {
    news: mpsc::UnboundedSender<SocketEvent>,
    pace: Semaphore,
    at_once: Mutex<(usize, usize)>,
}

impl SocketSink for Plugin {
    fn tell(&self, _tenant: &Tenant, event: SocketEvent) -> BoxFuture<'_, Result<(), String>> {
        async move {
            {
                let mut at_once = self.at_once.lock().unwrap();
                at_once.0 += 1;
                at_once.1 = at_once.1.max(at_once.0);
            }
            self.pace.acquire().await.unwrap().forget();
            self.at_once.lock().unwrap().0 -= 1;
            self.news.send(event).unwrap();
            Ok(())
        }
        .boxed()
    }
}

struct House {
    scratch: Scratch,
    feed: Feed,
    sockets: Websockets,
    plugin: Arc<Plugin>,
    news: mpsc::UnboundedReceiver<SocketEvent>,
}

fn sockets(scratch: &Scratch, port: u16) -> Websockets {
    let outbound = Outbound::open(OutboundConfig {
        name_servers: NameServers::At(Vec::new()),
        permits: vec![format!("127.0.0.1:{port}=127.0.0.1").parse().unwrap()],
        trust: Trust::of_this_machine(Vec::new()).unwrap(),
        network: Network::Internet,
    })
    .unwrap();
    let clock = Arc::new(scratch.clock.clone());
    let secrets = Secrets::new(scratch.database.clone(), Keys::of_this_run(), Arc::clone(&clock) as _);
    let hosts = AllowedHosts::new(scratch.database.clone(), outbound.clone(), Arc::clone(&clock) as _);
    let sockets =
        Websockets::new(outbound, hosts, secrets, scratch.database.clone(), clock, rand::make_rng());
    sockets.begin();
    sockets
}

fn grants(of: &Tenant, capabilities: &[Capability]) -> Arc<Grants> {
    let grants = Grants::new(of.clone(), capabilities.iter().copied().collect());
    Arc::new(grants.with_domains(["127.0.0.1".to_owned()]))
}

impl House {
    async fn new(permits: usize) -> Self {
        let (scratch, feed) = (Scratch::new().await, Feed::start().await);
        let sockets = sockets(&scratch, feed.port);
        let (sender, news) = mpsc::unbounded_channel();
        let plugin =
            Arc::new(Plugin { news: sender, pace: Semaphore::new(permits), at_once: Mutex::default() });
        sockets.attach(Arc::clone(&plugin) as _);
        Self { scratch, feed, sockets, plugin, news }
    }

    fn wanted(&self, name: &str) -> Ensure {
        let url = format!("ws://127.0.0.1:{}/", self.feed.port);
        Ensure::parse(&params(json!({"name": name, "url": url, "subscribe": [{"op": 1}]}))).unwrap()
    }

    fn push(&self, text: &str) {
        self.feed.orders.send(Message::text(text)).unwrap();
    }

    async fn news(&mut self) -> SocketNews {
        self.news.recv().await.unwrap().news
    }

    async fn is_closed(&mut self) -> bool {
        match self.news().await {
            SocketNews::Closed { will_reconnect, .. } => will_reconnect,
            other => panic!("{other:?}"),
        }
    }
}

fn message(text: &str) -> SocketNews {
    SocketNews::Message { data: text.to_owned(), binary: false }
}

const MAY: &[Capability] = &[Capability::ProxyWebsocket];

#[tokio::test]
async fn frames_come_in_their_order_one_at_a_time() {
    let mut house = House::new(10_000).await;
    let own = grants(&tenant("demo", 1), MAY);
    let made = house.sockets.ensure(&own, house.wanted("feed")).await.unwrap();
    assert_eq!(house.news().await, SocketNews::Open);
    assert_eq!(house.feed.heard.recv().await.unwrap(), r#"{"op":1}"#);
    let again = house.sockets.ensure(&own, house.wanted("feed")).await.unwrap();
    assert_eq!((again.connection, again.state.as_str()), (made.connection, "open"));
    for number in 0..200 {
        house.push(&number.to_string());
    }
    for number in 0..200 {
        assert_eq!(house.news().await, message(&number.to_string()));
    }
    assert_eq!(house.plugin.at_once.lock().unwrap().1, 1, "two at once");
    let send = SendFrame::parse(&params(json!({"name": "feed", "text": "hi"}))).unwrap();
    house.sockets.send(&own, send).await.unwrap();
    assert_eq!(house.feed.heard.recv().await.unwrap(), "hi");
    let other = grants(&tenant("demo", 2), MAY);
    let send = SendFrame::parse(&params(json!({"name": "feed", "text": "hi"}))).unwrap();
    assert!(
        matches!(house.sockets.send(&other, send).await, Err(CallError::Socket { .. })),
        "of another server"
    );
}

#[tokio::test]
async fn one_that_breaks_is_made_again_and_says_so_once() {
    let mut house = House::new(10_000).await;
    let own = grants(&tenant("demo", 1), MAY);
    house.sockets.ensure(&own, house.wanted("feed")).await.unwrap();
    assert_eq!(house.news().await, SocketNews::Open);
    house.feed.orders.send(Message::Close(None)).unwrap();
    assert!(house.is_closed().await);
    house.scratch.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(house.news().await, SocketNews::Open);
    house.push("after");
    assert_eq!(house.news().await, message("after"));
    let close = SocketNameOnly::parse(&params(json!({"name": "feed"}))).unwrap();
    for _ in 0..2 {
        house.sockets.close(&own, &close).await.unwrap();
    }
    assert_eq!(house.sockets.count(), 0);
}

#[tokio::test]
async fn a_slow_plugin_loses_the_oldest_frames_and_no_others() {
    let mut house = House::new(1).await; // it takes the news that the connection is open, and then rests
    let own = grants(&tenant("demo", 1), MAY);
    house.sockets.ensure(&own, house.wanted("feed")).await.unwrap();
    assert_eq!(house.news().await, SocketNews::Open);
    let all = limits::SOCKET_QUEUE + 100;
    for number in 0..all {
        house.push(&number.to_string());
    }
    // A frame that is heard back proves that those before it have arrived.
    house.feed.orders.send(Message::Ping(Vec::new().into())).unwrap();
    let send = SendFrame::parse(&params(json!({"name": "feed", "text": "sync"}))).unwrap();
    house.sockets.send(&own, send).await.unwrap();
    while house.feed.heard.recv().await.unwrap() != "sync" {}
    house.plugin.pace.add_permits(all);
    let SocketNews::Message { data: first, .. } = house.news().await else { panic!() };
    assert_eq!(first, "0", "the one in hand");
    let mut last = first;
    let mut count = 1;
    while last != (all - 1).to_string() {
        let SocketNews::Message { data, .. } = house.news().await else { panic!() };
        assert!(data.parse::<usize>().unwrap() > last.parse::<usize>().unwrap());
        (last, count) = (data, count + 1);
    }
    assert!(count <= limits::SOCKET_QUEUE + 1 + 64, "{count} of {all} were kept");
}

#[tokio::test]
async fn the_next_bailey_makes_them_again_for_whoever_still_may() {
    let mut house = House::new(10_000).await;
    let (own, other) = (grants(&tenant("demo", 1), MAY), grants(&tenant("demo", 2), MAY));
    house.sockets.ensure(&own, house.wanted("feed")).await.unwrap();
    assert_eq!(house.news().await, SocketNews::Open);
    house.sockets.shut_down().await;
    let next = sockets(&house.scratch, house.feed.port);
    next.attach(Arc::clone(&house.plugin) as _);
    next.restore(&other).await.unwrap();
    assert_eq!(next.count(), 0);
    next.restore(&own).await.unwrap();
    assert_eq!(house.news().await, SocketNews::Open);
    house.push("again");
    assert_eq!(house.news().await, message("again"));
    // One that lost the right to it has it no more, and not later either.
    next.restore(&grants(own.tenant(), &[])).await.unwrap();
    assert_eq!(next.count(), 0);
    next.restore(&own).await.unwrap();
    assert_eq!(next.count(), 0);
}

#[tokio::test]
async fn there_are_only_so_many() {
    let house = House::new(10_000).await;
    for plugin in 0..limits::SOCKETS_PER_SERVER / limits::SOCKETS {
        let own = grants(&tenant(&format!("plugin_{plugin}"), 1), MAY);
        for number in 0..limits::SOCKETS {
            house.sockets.ensure(&own, house.wanted(&format!("c{number}"))).await.unwrap();
        }
        let more = house.sockets.ensure(&own, house.wanted("more")).await;
        assert!(more.unwrap_err().to_string().contains(&limits::SOCKETS.to_string()));
        house.sockets.ensure(&own, house.wanted("c0")).await.unwrap();
    }
    let late = grants(&tenant("late", 1), MAY);
    let full = house.sockets.ensure(&late, house.wanted("c")).await.unwrap_err();
    assert!(full.to_string().contains(&limits::SOCKETS_PER_SERVER.to_string()), "{full}");
    house.sockets.ensure(&grants(&tenant("late", 2), MAY), house.wanted("c")).await.unwrap();
}
