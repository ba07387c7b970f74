//! `ws.*`: connections kept for plugins, which have no network and come and go.
//!
//! A connection outlives the process that asked for it: its frames wake the plugin, and it is made again after it broke
//! and after Bailey started anew. Frames are told one at a time, in their order; `link` is one connection from the
//! first try to the last, `outbox` what waits to be told, `records` what is remembered.

mod link;
mod outbox;
mod records;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bailey_outbound::{Frame, Outbound, SocketAddress};
use bailey_protocol::capability::{ProxyWebsocket, StorageSecrets};
use bailey_protocol::host_message::SocketEvent;
use bailey_protocol::method::Done;
use bailey_protocol::method::websocket::{
    Ensure, Ensured, FrameData, SendFrame, SocketName, SocketNameOnly, SocketState,
};
use bailey_protocol::{CallError, Clock, Grants, GuildId, Tenant, limits};
use futures_util::future::BoxFuture;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::link::{Link, Order};
use self::outbox::Outbox;
use crate::database::Database;
use crate::hosts::{AllowedHosts, Way};
use crate::http::{refused, wrong};
use crate::secrets::Secrets;

/// How long a server may take to take a frame before `ws.send` is told that it does not.
const SEND_TIME: Duration = Duration::from_secs(10);

/// Where news of connections go: to the plugin.
pub trait SocketSink: Send + Sync {
    /// Tells a plugin on a server, starting it if need be; completes when it has handled it.
    fn tell(&self, tenant: &Tenant, event: SocketEvent) -> BoxFuture<'_, Result<(), String>>;
}

/// The connections. A cheap clone.
#[derive(Clone)]
pub struct Websockets {
    shared: Arc<Shared>,
}

struct Shared {
    outbound: Outbound,
    hosts: AllowedHosts,
    secrets: Secrets,
    database: Database,
    clock: Arc<dyn Clock>,
    sink: OnceLock<Arc<dyn SocketSink>>,
    kept: Mutex<Kept>,
    /// For names of connections, and waits that are not all alike.
    rng: Mutex<StdRng>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Plugins can act: until then no connection is made.
    begun: watch::Sender<bool>,
    /// Connections that are being made at this moment, and news that are not told yet.
    under_way: UnderWay,
}

/// Counts what is under way, for whoever waits until nothing is.
#[derive(Clone)]
struct UnderWay(Arc<watch::Sender<usize>>);

/// One thing that is under way; given back by dropping it.
struct Held(UnderWay);

impl UnderWay {
    fn hold(&self) -> Held {
        self.0.send_modify(|count| *count += 1);
        Held(self.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

#[derive(Default)]
struct Kept {
    tenants: HashMap<Tenant, BTreeMap<SocketName, Handle>>,
}

/// A connection as others hold it.
struct Handle {
    wanted: Arc<Ensure>,
    id: String,
    state: watch::Receiver<SocketState>,
    orders: mpsc::Sender<Order>,
    /// When it is made again, if it waits for that; far away otherwise.
    due: Arc<AtomicI64>,
    end: CancellationToken,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Websockets {
    /// No connections yet. Whoever brings plugins alive is told by [`Websockets::attach`].
    pub fn new(
        outbound: Outbound,
        hosts: AllowedHosts,
        secrets: Secrets,
        database: Database,
        clock: Arc<dyn Clock>,
        rng: StdRng,
    ) -> Self {
        let shared = Shared {
            outbound,
            hosts,
            secrets,
            database,
            clock,
            sink: OnceLock::new(),
            kept: Mutex::default(),
            rng: Mutex::new(rng),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            begun: watch::Sender::new(false),
            under_way: UnderWay(Arc::new(watch::Sender::new(0))),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Says where news go. Once; without it they are lost.
    pub fn attach(&self, sink: Arc<dyn SocketSink>) {
        let _is_set_once = self.shared.sink.set(sink);
    }

    /// Makes connections from now on. Before, plugins could not act on what comes: nothing is known of their servers.
    pub fn begin(&self) {
        self.shared.begun.send_replace(true);
    }

    /// `ws.ensure`: the connection of this name, made if there is none, made anew if it is to be another.
    ///
    /// # Errors
    /// [`CallError::HostNotAllowed`], [`CallError::Secret`], [`CallError::Validation`] for what can never be, and for
    /// one more connection than there may be. Whether the server answers is told later.
    pub async fn ensure(&self, grants: &Arc<Grants>, params: Ensure) -> Result<Ensured, CallError> {
        grants.require::<ProxyWebsocket>()?;
        let tenant = grants.tenant();
        let address = SocketAddress::new(&params.url).map_err(wrong)?;
        let reach = self.shared.hosts.reach(tenant, Way::Websocket, grants.domains()).await?;
        let host = self.shared.outbound.may_connect(&reach, &address).map_err(refused)?;
        if let Some(auth) = &params.auth {
            let grant = grants.require::<StorageSecrets>()?;
            self.shared.secrets.credential(&grant, auth, &host).await?;
        }
        if let Some(there) = self.there(tenant, &params) {
            return Ok(there);
        }
        self.room(tenant, &params.name)?;
        self.shared.remember(tenant, &params).await?;
        Ok(self.keep(Arc::clone(grants), params))
    }

    /// `ws.send`: one frame.
    ///
    /// # Errors
    /// [`CallError::Socket`] when there is no such connection or it is not open, [`CallError::RateLimited`] when the
    /// server does not take frames as fast as they are sent.
    pub async fn send(&self, grants: &Grants, params: SendFrame) -> Result<Done, CallError> {
        grants.require::<ProxyWebsocket>()?;
        let failed =
            |reason: &str| CallError::Socket { name: params.name.to_string(), reason: reason.to_owned() };
        let (orders, state) = {
            let kept = self.shared.lock();
            let found = kept.tenants.get(grants.tenant()).and_then(|named| named.get(&params.name));
            let handle = found.ok_or_else(|| failed("there is none of this name; ws.ensure makes one"))?;
            (handle.orders.clone(), *handle.state.borrow())
        };
        if state != SocketState::Open {
            return Err(failed(&format!(
                "it is not open but {}; on_ws_open tells when it is",
                state.as_str()
            )));
        }
        let frame = match params.data {
            FrameData::Text(text) => Frame::Text(text),
            FrameData::Binary(bytes) => Frame::Binary(bytes.into()),
        };
        let (reply, sent) = oneshot::channel();
        if orders.try_send(Order { frame, reply }).is_err() {
            let retry_after = Duration::from_secs(1);
            return Err(CallError::RateLimited { scope: "ws.send".to_owned(), retry_after });
        }
        let name = params.name.to_string();
        match tokio::time::timeout(SEND_TIME, sent).await {
            Ok(Ok(Ok(()))) => Ok(Done::OK),
            Ok(Ok(Err(reason))) => Err(CallError::Socket { name, reason }),
            Ok(Err(_)) => {
                Err(CallError::Socket { name, reason: "it ended before the frame was sent".to_owned() })
            }
            Err(_) => Err(CallError::Timeout { what: "the server" }),
        }
    }

    /// `ws.close`: ends a connection for good; one that is not there is fine.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn close(&self, grants: &Grants, params: &SocketNameOnly) -> Result<Done, CallError> {
        grants.require::<ProxyWebsocket>()?;
        self.shared.forget(grants.tenant(), Some(&params.name)).await?;
        self.shared.take_out(grants.tenant(), &params.name);
        Ok(Done::OK)
    }

    /// Makes the connections again that a plugin on a server wanted kept; if it may not have any more, they are
    /// forgotten. For a plugin that is brought alive, or has other grants than before.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn restore(&self, grants: &Arc<Grants>) -> Result<(), CallError> {
        let tenant = grants.tenant();
        self.shared.lock().tenants.remove(tenant);
        if grants.require::<ProxyWebsocket>().is_err() {
            return self.shared.forget(tenant, None).await;
        }
        for wanted in self.shared.remembered(tenant).await? {
            if self.room(tenant, &wanted.name).is_ok() {
                self.keep(Arc::clone(grants), wanted);
            }
        }
        Ok(())
    }

    /// Ends those connections of a plugin on a server that it may not have any more, because a host was revoked.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn recheck(&self, grants: &Grants) -> Result<(), CallError> {
        let tenant = grants.tenant();
        let reach = self.shared.hosts.reach(tenant, Way::Websocket, grants.domains()).await?;
        let wanted: Vec<Arc<Ensure>> = {
            let kept = self.shared.lock();
            let own = kept.tenants.get(tenant).into_iter().flat_map(BTreeMap::values);
            own.map(|handle| Arc::clone(&handle.wanted)).collect()
        };
        for wanted in wanted {
            let address = SocketAddress::new(&wanted.url).map_err(wrong)?;
            if self.shared.outbound.may_connect(&reach, &address).is_err() {
                self.shared.forget(tenant, Some(&wanted.name)).await?;
                self.shared.take_out(tenant, &wanted.name);
            }
        }
        Ok(())
    }

    /// Connections there are.
    pub fn count(&self) -> usize {
        self.shared.lock().tenants.values().map(BTreeMap::len).sum()
    }

    /// Whether no connection is being made, none that waits is due by now, and all news are told.
    pub fn is_settled(&self) -> bool {
        let now = self.shared.clock.now().0;
        let is_due = |handle: &Handle| handle.due.load(Ordering::Acquire) <= now;
        let any_due = self.shared.lock().tenants.values().flat_map(BTreeMap::values).any(is_due);
        !any_due && *self.shared.under_way.0.borrow() == 0
    }

    /// Completes when [`Websockets::is_settled`].
    pub async fn settled(&self) {
        let mut under_way = self.shared.under_way.0.subscribe();
        while !self.is_settled() {
            let _its_sender_is_here = under_way.changed().await;
        }
    }

    /// Ends all connections; they are made again by the next Bailey.
    pub async fn shut_down(&self) {
        self.shared.stop.cancel();
        self.shared.lock().tenants.clear();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// The connection of this name, if it is the one that is wanted.
    fn there(&self, tenant: &Tenant, wanted: &Ensure) -> Option<Ensured> {
        let kept = self.shared.lock();
        let handle = kept.tenants.get(tenant)?.get(&wanted.name)?;
        let state = *handle.state.borrow();
        (*handle.wanted == *wanted && state != SocketState::Closed).then(|| Ensured {
            connection: handle.id.clone(),
            name: wanted.name.clone(),
            state,
        })
    }

    /// Whether one more connection of this name may be kept.
    fn room(&self, tenant: &Tenant, name: &SocketName) -> Result<(), CallError> {
        let kept = self.shared.lock();
        let own = kept.tenants.get(tenant);
        if own.is_some_and(|own| own.contains_key(name)) {
            return Ok(());
        }
        let on_server = |guild: GuildId| {
            let there = kept.tenants.iter().filter(|(tenant, _)| tenant.guild == guild);
            there.map(|(_, named)| named.len()).sum::<usize>()
        };
        let full = |most: usize, whose: &str| {
            Err(CallError::validation(
                "name",
                format!("that of a connection there is already: {whose} keeps at most {most}"),
            ))
        };
        if own.is_some_and(|own| own.len() >= limits::SOCKETS) {
            return full(limits::SOCKETS, "a plugin on a server");
        }
        if on_server(tenant.guild) >= limits::SOCKETS_PER_SERVER {
            return full(limits::SOCKETS_PER_SERVER, "a server");
        }
        if kept.tenants.values().map(BTreeMap::len).sum::<usize>() >= limits::SOCKETS_IN_ALL {
            return full(limits::SOCKETS_IN_ALL, "this Bailey");
        }
        Ok(())
    }

    fn keep(&self, grants: Arc<Grants>, wanted: Ensure) -> Ensured {
        let shared = &self.shared;
        let (tenant, wanted) = (grants.tenant().clone(), Arc::new(wanted));
        let id = format!("{:016x}", shared.rng().random::<u64>());
        let (said, state) = watch::channel(SocketState::Connecting);
        let (orders, ordered) = mpsc::channel(limits::SOCKET_SEND_QUEUE);
        let (end, due) = (shared.stop.child_token(), Arc::new(AtomicI64::new(i64::MAX)));
        let outbox = Outbox::new(tenant.clone(), wanted.name.clone(), id.clone(), shared.under_way.clone());
        let link = Link {
            shared: Arc::clone(shared),
            grants,
            wanted: Arc::clone(&wanted),
            outbox: Arc::clone(&outbox),
            state: said,
            orders: ordered,
            due: Arc::clone(&due),
            end: end.clone(),
        };
        let making = shared.under_way.hold();
        shared.tasks.spawn(link.run(making));
        let delivering = Arc::clone(shared);
        shared.tasks.spawn(async move { outbox.deliver(&delivering).await });
        let ensured =
            Ensured { connection: id.clone(), name: wanted.name.clone(), state: SocketState::Connecting };
        let handle = Handle { id, state, orders, due, end, wanted };
        // One of this name that was another ends by being dropped.
        shared.lock().tenants.entry(tenant).or_default().insert(ensured.name.clone(), handle);
        ensured
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rng(&self) -> MutexGuard<'_, StdRng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_out(&self, tenant: &Tenant, name: &SocketName) {
        let mut kept = self.lock();
        if let Some(named) = kept.tenants.get_mut(tenant) {
            named.remove(name);
            if named.is_empty() {
                kept.tenants.remove(tenant);
            }
        }
    }
}
