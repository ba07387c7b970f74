//! What the way to other people's servers costs: `proxy.request` against the same request by the HTTP client it is
//! made of, to a server on loopback that answers at once.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use bailey_outbound::{NameServers, Network, Outbound, OutboundConfig, Trust};
use bailey_protocol::method::proxy::ProxyRequest;
use bailey_protocol::{CallError, Capability, Grants, GuildId, Tenant};
use bailey_services::{AllowedHosts, Database, DatabaseOptions, Http, Keys, OwnAuthorization, Secrets};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::Bench;
use crate::clock::WallClock;
use crate::plugin::BenchError;
use crate::table::{Table, Target};

/// Requests of all callers together.
const REQUESTS: usize = 4_000;
/// Taken in turn; the best of the rounds counts for both sides.
const ROUNDS: usize = 5;
/// Callers at once, and bytes of the answer.
const ROWS: [(usize, usize); 4] = [(1, 100), (1, 100_000), (8, 100), (8, 100_000)];

/// A row for each number of callers and size of the answer.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let name = |callers: usize, bytes: usize| format!("proxy.request, {bytes} B, {callers} at once, µs");
    let wanted: Vec<_> =
        ROWS.into_iter().filter(|(callers, bytes)| bench.wants(&name(*callers, *bytes))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let failed = |error: String| BenchError::part("outbound")(error.into());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let mut server = JoinSet::new();
    let routes = Router::new()
        .route("/100", get(async || "x".repeat(100)))
        .route("/100000", get(async || "x".repeat(100_000)));
    server.spawn(async move { axum::serve(listener, routes).await });
    let outbound = Outbound::open(OutboundConfig {
        name_servers: NameServers::At(Vec::new()),
        permits: vec![
            format!("127.0.0.1:{port}=127.0.0.1").parse().map_err(|_| failed("a permit".to_owned()))?,
        ],
        trust: Trust::of_this_machine(Vec::new()).map_err(failed)?,
        network: Network::Internet,
    })
    .map_err(failed)?;
    let urls = bench.cluster().await?.urls();
    let database = Database::connect(&urls.plugins, &DatabaseOptions::default()).await;
    let database = database.map_err(|error| BenchError::part("database")(error.into()))?;
    let clock = Arc::new(WallClock);
    let secrets = Secrets::new(database.clone(), Keys::of_this_run(), Arc::clone(&clock) as _);
    let hosts = AllowedHosts::new(database, outbound.clone(), clock);
    let http = Http::new(outbound, hosts, secrets, OwnAuthorization::Sent, NonZeroU32::MAX);
    bailey_discord::install_tls_provider();
    let direct = reqwest::Client::builder().no_proxy().build().map_err(|error| failed(error.to_string()))?;
    let tenant = Tenant {
        plugin: "bench".parse().map_err(|_| failed("a plugin's id".to_owned()))?,
        guild: GuildId(1),
    };
    let capabilities = [Capability::ProxyHttp].into_iter().collect();
    let grants = Grants::new(tenant, capabilities).with_domains(["127.0.0.1".to_owned()]);
    for (callers, bytes) in wanted {
        let url = format!("http://127.0.0.1:{port}/{bytes}");
        let (mut ours, mut floor) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..bench.sizes.rounds(ROUNDS) {
            let asked = async || {
                let answer = direct.get(&url).send().await?.bytes().await?;
                assert_eq!(answer.len(), bytes);
                Ok::<_, reqwest::Error>(())
            };
            floor = floor.min(request_us(callers, &asked).await.map_err(|error| failed(error.to_string()))?);
            let asked = async || {
                let request = ProxyRequest {
                    method: "GET".to_owned(),
                    url: url.clone(),
                    headers: Vec::new(),
                    body: None,
                    auth: None,
                };
                let unused = Err(CallError::CapabilityDenied(Capability::StorageSecrets));
                let answer = http.request(&grants.require()?, unused, grants.domains(), request).await?;
                assert_eq!(answer.body.len(), bytes);
                Ok::<_, CallError>(())
            };
            ours = ours.min(request_us(callers, &asked).await.map_err(|error| failed(error.to_string()))?);
        }
        table.row(&name(callers, bytes), ours, floor, Target::AtMost(1.3));
    }
    Ok(())
}

/// Time of one request, when so many ask at once.
async fn request_us<E>(callers: usize, ask: &impl AsyncFn() -> Result<(), E>) -> Result<f64, E> {
    let each = REQUESTS / callers;
    let caller = async || {
        for _ in 0..each {
            ask().await?;
        }
        Ok(())
    };
    ask().await?; // the connection is there
    let began = Instant::now();
    futures_util::future::try_join_all((0..callers).map(|_| caller())).await?;
    Ok(began.elapsed().as_secs_f64() * 1e6 / each as f64)
}
