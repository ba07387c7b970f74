//! A simulated Discord: a gateway and REST API to point a bot at, people to act as, a clock to move, faults to order.
//!
//! One process, one port, everything in memory. It never talks to the real Discord and shares no code with the
//! client that does, so that neither can hide the other's mistakes. Start reading at [`Simulator`], which puts the
//! parts together; [`Control`] is how tests and scripts act as people; `state` is what is true right now. [`Recording`] is
//! what was said, [`Replay`] says it again.

mod cdn;
mod clock;
mod control;
mod endpoint;
mod error;
mod gateway;
mod oauth2;
mod payload;
mod recording;
mod rest;
mod shared;
mod state;
pub mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub use clock::{ClockMode, Snowflake};
pub use control::administer::{Administer, Change, InVoice};
pub use control::recordings::Repeated;
pub use control::scenarios::{Scenario, Step};
pub use control::{
    Attachment, Choose, Click, CommandUse, Control, Membership, React, Receipt, Say, SequenceView, Submit,
};
pub use error::{ControlError, SimError};
pub use gateway::sharding::{Identified, Sharding};
pub use recording::replay::Replay;
pub use recording::{Record, Recording, RecordingError};
pub use rest::faults::{Fault, FaultRule};
pub use rest::log::Entry as RequestEntry;
pub use state::dispatch_faults::{DispatchFault, DispatchFaultRule};
pub use state::feed::{Observed, SeenField, SeenFile, SeenMessage, Sight};
pub use state::sessions::SessionView;
pub use world::World;

use clock::Clock;
use shared::Shared;
use state::State;

/// How a simulator starts.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Real or manual time.
    pub clock: ClockMode,
    /// Decides session ids and tokens. Same seed, same world, same inputs: same bytes.
    pub seed: u64,
    /// Loopback address to listen on; port 0 picks a free one.
    pub bind: SocketAddr,
    /// What exists at the start.
    pub world: World,
    /// How many shards are recommended, and how fast they may begin.
    pub sharding: Sharding,
}

impl Default for SimConfig {
    /// Real time, seed 0, a free port on 127.0.0.1, the default world.
    fn default() -> Self {
        Self {
            clock: ClockMode::Real,
            seed: 0,
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            world: World::default(),
            sharding: Sharding::default(),
        }
    }
}

/// A running simulator. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// How long `shutdown` waits for connections to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);
/// How often interactions are checked for expiry under real time.
const EXPIRY_TICK: Duration = Duration::from_millis(100);

impl Simulator {
    /// Starts listening.
    ///
    /// # Errors
    /// When the address is not loopback or not free, or the world contradicts itself.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        if !config.bind.ip().is_loopback() {
            return Err(SimError::NotLoopback(config.bind));
        }
        config.world.check()?;
        let bind = |source| SimError::Bind { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let clock = Arc::new(Clock::new(config.clock));
        let (feed_sender, feed_changed) = watch::channel(0);
        let base = format!("http://{address}");
        let state = State::new(&config.world, Arc::clone(&clock), config.seed, base, feed_sender);
        let shared = Arc::new(Shared::new(state, clock, feed_changed, config.sharding));
        let tasks = TaskTracker::new();
        let (delivering, stop) = (endpoint::start(&shared), shared.stop.clone());
        tasks.spawn(async move { stop.run_until_cancelled(delivering).await });
        let stop = shared.stop.clone();
        let app = app(&shared);
        tasks.spawn(async move {
            let serving = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
            if let Err(error) = serving.await {
                tracing::error!(%address, %error, "the simulator stopped listening on {address}");
            }
        });
        if !shared.clock.is_manual() {
            tasks.spawn(expire(Arc::clone(&shared)));
        }
        tasks.close();
        Ok(Self { address, shared, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`; REST is below `/api/v10`.
    pub fn http_base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `ws://127.0.0.1:port`, for `?v=10&encoding=json`.
    pub fn gateway_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The bot's token.
    pub fn bot_token(&self) -> String {
        self.shared.state().application.token.clone()
    }

    /// The application's id: `client_id` of a login, and the bot's user id.
    pub fn client_id(&self) -> Snowflake {
        self.shared.state().application.id
    }

    /// What the application proves itself with after a login.
    pub fn client_secret(&self) -> String {
        self.shared.state().application.client_secret.clone()
    }

    /// The public key that interactions sent to an endpoint are signed for.
    pub fn public_key(&self) -> String {
        endpoint::shown(&self.shared.state().key)
    }

    /// The hand that acts as people, moves the clock and orders faults.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.shared))
    }

    /// Closes every connection and waits until it is done, at most five seconds.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        let ended = async {
            self.tasks.wait().await;
            // Gateway connections hold one permit each; all permits back means that all have ended.
            self.shared.connections.acquire_many(shared::MOST_CONNECTIONS).await.map(drop)
        };
        if tokio::time::timeout(SHUTDOWN_DEADLINE, ended).await.is_err() {
            tracing::warn!(address = %self.address, "the simulator left connections open at shutdown");
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

fn app(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(gateway::upgrade))
        .route("/resume", get(gateway::upgrade))
        .route("/resume/", get(gateway::upgrade))
        .route("/attachments/{channel}/{attachment}/{name}", get(rest::attachment))
        .nest("/api/v10", rest::router(shared))
        .nest("/api", rest::router(shared))
        .merge(cdn::router())
        .merge(oauth2::router())
        .merge(control::http::router())
        .fallback(|| async { error::ApiError::not_found() })
        .with_state(Arc::clone(shared))
}

async fn expire(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(EXPIRY_TICK);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = tick.tick() => shared.state().expire(),
        }
    }
}
