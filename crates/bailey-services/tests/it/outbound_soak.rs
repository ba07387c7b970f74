//! The way to other servers under load for a while: connections that talk, requests that are answered, memory that
//! stays as it was. Short in an ordinary run; `make soak` makes it ten minutes of 1,000 connections and 200 requests a
//! second (`BAILEY_OUTBOUND_SECONDS`, `BAILEY_OUTBOUND_SOCKETS`, `BAILEY_OUTBOUND_REQUESTS`).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::{any, get};
use bailey_outbound::{NameServers, Network, Outbound, OutboundConfig, Trust};
use bailey_protocol::host_message::{SocketEvent, SocketNews};
use bailey_protocol::method::proxy::ProxyRequest;
use bailey_protocol::method::websocket::Ensure;
use bailey_protocol::{CallError, Capability, Grants, Tenant};
use bailey_services::{AllowedHosts, Http, Keys, OwnAuthorization, Secrets, SocketSink, Websockets};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, interval};
use tokio_util::task::TaskTracker;

use crate::support::{Scratch, params, tenant};

/// Between two frames of one connection.
const PACE: Duration = Duration::from_millis(500);
/// What memory may grow by from a fifth of the time to its end, beside a tenth of what it was.
const GROWTH: u64 = 8 << 20;

struct Count(AtomicUsize);

impl SocketSink for Count {
    fn tell(&self, _tenant: &Tenant, event: SocketEvent) -> BoxFuture<'_, Result<(), String>> {
        if matches!(event.news, SocketNews::Message { .. }) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        async { Ok(()) }.boxed()
    }
}

#[expect(clippy::disallowed_methods, reason = "how much is for whoever runs the tests")]
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Memory of this process, in bytes.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

async fn talk(mut socket: WebSocket) {
    let mut ticks = interval(PACE);
    loop {
        ticks.tick().await;
        if socket.send(Message::Text("tick".into())).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_requests_for_a_while_take_no_more_memory() {
    let seconds = setting("BAILEY_OUTBOUND_SECONDS", 4);
    let sockets = setting("BAILEY_OUTBOUND_SOCKETS", 100);
    let per_second = setting("BAILEY_OUTBOUND_REQUESTS", 100);
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: most.maximum, maximum: most.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let routes = Router::new()
        .route("/page", get(async || "x".repeat(2_000)))
        .route("/live", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(talk)));
    TaskTracker::new().spawn(async move { axum::serve(listener, routes).await });
    let scratch = Scratch::new().await;
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
    let kept = Websockets::new(
        outbound.clone(),
        hosts.clone(),
        secrets.clone(),
        scratch.database.clone(),
        clock as _,
        rand::make_rng(),
    );
    let http = Http::new(outbound, hosts, secrets, OwnAuthorization::Sent, NonZeroU32::MAX);
    let plugin = Arc::new(Count(AtomicUsize::new(0)));
    kept.attach(Arc::clone(&plugin) as _);
    kept.begin();
    let grants = |server: u64| {
        let capabilities = [Capability::ProxyWebsocket, Capability::ProxyHttp].into_iter().collect();
        Arc::new(Grants::new(tenant("demo", server), capabilities).with_domains(["127.0.0.1".to_owned()]))
    };
    for server in 0..sockets {
        let wanted = json!({"name": "feed", "url": format!("ws://127.0.0.1:{port}/live")});
        kept.ensure(&grants(server), Ensure::parse(&params(wanted)).unwrap()).await.unwrap();
    }
    let began = Instant::now();
    let (mut asked, mut before) = (0_u64, None);
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(per_second).unwrap());
    let (answered, tracker) = (Arc::new(AtomicUsize::new(0)), TaskTracker::new());
    while began.elapsed() < Duration::from_secs(seconds) {
        ticks.tick().await;
        let (http, grants, answered) = (http.clone(), grants(asked % 20), Arc::clone(&answered));
        asked += 1;
        let url = format!("http://127.0.0.1:{port}/page");
        let request =
            ProxyRequest { method: "GET".to_owned(), url, headers: Vec::new(), body: None, auth: None };
        tracker.spawn(async move {
            let unused = Err(CallError::CapabilityDenied(Capability::StorageSecrets));
            let answer =
                http.request(&grants.require().unwrap(), unused, grants.domains(), request).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, 2_000));
            answered.fetch_add(1, Ordering::Relaxed);
        });
        if before.is_none() && began.elapsed() > Duration::from_secs(seconds) / 5 {
            before = Some(memory());
        }
    }
    tracker.close();
    tracker.wait().await;
    let (before, after) = (before.unwrap(), memory());
    let frames = plugin.0.load(Ordering::Relaxed) as u64;
    println!(
        "{sockets} connections, {frames} frames, {asked} requests in {seconds} s; {} KiB of memory, then {}",
        before / 1024,
        after / 1024
    );
    assert_eq!(answered.load(Ordering::Relaxed) as u64, asked, "a request was not answered");
    assert_eq!(kept.count() as u64, sockets, "a connection was lost");
    let expected = sockets * seconds * 1_000 / u64::try_from(PACE.as_millis()).unwrap();
    assert!(frames >= expected * 8 / 10, "{frames} of {expected} frames");
    assert!(after <= before + before / 10 + GROWTH, "memory grew from {before} to {after} bytes");
    kept.shut_down().await;
}
