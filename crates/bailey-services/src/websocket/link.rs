//! One connection from the first try to the last: made, kept alive, made again after a wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bailey_outbound::{Arrival, FetchError, Frame, Socket, SocketAddress, limits as outbound_limits};
use bailey_protocol::capability::StorageSecrets;
use bailey_protocol::host_message::SocketNews;
use bailey_protocol::method::websocket::{Ensure, SocketState};
use bailey_protocol::{CallError, Grants};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::outbox::Outbox;
use super::{Held, Shared};
use crate::hosts::Way;
use crate::http::{refused, wrong};

/// Waits before a connection is made again, by how often it failed in a row; the last one repeats. Up to half as much is
/// added at random, so that those a server lost together do not come back together.
const WAITS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
];
/// A connection that was open this long counts as a success.
const STABLE: Duration = Duration::from_secs(60);

/// A frame to be sent.
pub(super) struct Order {
    pub(super) frame: Frame,
    pub(super) reply: oneshot::Sender<Result<(), String>>,
}

pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    pub(super) grants: Arc<Grants>,
    pub(super) wanted: Arc<Ensure>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) state: watch::Sender<SocketState>,
    pub(super) orders: mpsc::Receiver<Order>,
    /// When it is made again, as others see it.
    pub(super) due: Arc<AtomicI64>,
    pub(super) end: CancellationToken,
}

/// How a connection ended.
enum Ending {
    /// Nobody wants it any more.
    Unwanted,
    /// It broke.
    Broken(String),
}

impl Link {
    /// `making` says that it is being made, since it was asked for.
    pub(super) async fn run(mut self, making: Held) {
        let mut first = Some(making);
        let mut failures = 0;
        // What is broken is told once, however often it is tried again.
        let mut told = false;
        let end = self.end.clone();
        let mut begun = self.shared.begun.subscribe();
        tokio::select! {
            _its_sender_is_here = begun.wait_for(|begun| *begun) => {}
            () = end.cancelled() => return self.outbox.end(),
        }
        loop {
            let mut making = Some(first.take().unwrap_or_else(|| self.shared.under_way.hold()));
            self.due.store(i64::MAX, Ordering::Release);
            self.state.send_replace(SocketState::Connecting);
            let connected = tokio::select! {
                connected = self.connect() => Some(connected),
                () = end.cancelled() => None,
            };
            if let Some(Ok(_)) = connected {
                self.state.send_replace(SocketState::Open);
                self.outbox.add(SocketNews::Open, None);
            }
            // What is broken stays until it is said so.
            let mut broken = None;
            let reason = match connected {
                None => break,
                Some(Ok(mut socket)) => {
                    making = None;
                    (told, failures) = (false, failures + 1);
                    let opened = Instant::now();
                    match self.pump(&mut socket).await {
                        Ending::Unwanted => {
                            socket.close().await;
                            break;
                        }
                        Ending::Broken(reason) => {
                            if opened.elapsed() >= STABLE {
                                failures = 1;
                            }
                            broken = Some(socket);
                            reason
                        }
                    }
                }
                Some(Err(error)) if is_final(&error) => {
                    let (tenant, name) = (self.grants.tenant().clone(), self.wanted.name.clone());
                    tracing::info!(%tenant, %name, %error, "a connection is given up");
                    self.outbox
                        .add(SocketNews::Closed { reason: error.to_string(), will_reconnect: false }, None);
                    self.state.send_replace(SocketState::Closed);
                    if self.shared.forget(&tenant, Some(&name)).await.is_ok() {
                        self.outbox.end();
                        self.shared.take_out(&tenant, &name);
                    }
                    break;
                }
                Some(Err(error)) => {
                    failures += 1;
                    error.to_string()
                }
            };
            self.state.send_replace(SocketState::Waiting);
            if !std::mem::replace(&mut told, true) {
                let reason = self.shared.secrets.blot(self.grants.tenant(), &reason).into_owned();
                self.outbox.add(SocketNews::Closed { reason, will_reconnect: true }, None);
            }
            let usual = WAITS[(failures.max(1) - 1).min(WAITS.len() - 1)];
            let wait = usual + usual.mul_f64(self.shared.rng().random_range(0.0..0.5));
            let due = self.shared.clock.now() + wait;
            self.due.store(due.0, Ordering::Release);
            drop((broken, making));
            tokio::select! {
                () = self.shared.clock.sleep_until(due) => {}
                () = end.cancelled() => break,
            }
        }
        self.state.send_replace(SocketState::Closed);
        self.outbox.end();
    }

    /// Makes the connection by the rules that hold now, which may not be those of before.
    async fn connect(&self) -> Result<Socket, CallError> {
        let (shared, tenant) = (&self.shared, self.grants.tenant());
        let address = SocketAddress::new(&self.wanted.url).map_err(wrong)?;
        let reach = shared.hosts.reach(tenant, Way::Websocket, self.grants.domains()).await?;
        let credential = match (&self.wanted.auth, address.host()) {
            (Some(auth), Some(host)) => {
                let grant = self.grants.require::<StorageSecrets>()?;
                Some(shared.secrets.credential(&grant, auth, &host).await?)
            }
            _ => None,
        };
        let connected = shared.outbound.connect(&reach, &address, credential.as_ref()).await;
        let mut socket = connected.map_err(|error| match error {
            // Of a server that is away nobody needs to hear as of a plugin's mistake.
            FetchError::Broken(reason) => CallError::Socket { name: self.wanted.name.to_string(), reason },
            error => refused(error),
        })?;
        for frame in &self.wanted.subscribe {
            let sent = socket.send(Frame::Text(frame.clone())).await;
            sent.map_err(|reason| CallError::Socket { name: self.wanted.name.to_string(), reason })?;
        }
        Ok(socket)
    }

    /// Moves frames both ways until the end.
    async fn pump(&mut self, socket: &mut Socket) -> Ending {
        let mut alive = Instant::now();
        let mut ping = alive + outbound_limits::SOCKET_PING;
        loop {
            tokio::select! {
                arrival = socket.next() => match arrival {
                    Arrival::Frame(frame) => {
                        alive = Instant::now();
                        self.outbox.add(self.news(frame), Some(socket.receipt()));
                    }
                    Arrival::Alive => alive = Instant::now(),
                    Arrival::Closed(reason) => return Ending::Broken(reason),
                },
                order = self.orders.recv() => match order {
                    Some(Order { frame, reply }) => {
                        let sent = tokio::select! {
                            sent = socket.send(frame) => sent,
                            () = sleep_until(Instant::now() + outbound_limits::SOCKET_CONNECT_TIME) => {
                                Err("the server takes no frames".to_owned())
                            }
                            () = self.end.cancelled() => return Ending::Unwanted,
                        };
                        let failed = sent.as_ref().err().cloned();
                        let _nobody_may_wait_any_more = reply.send(sent);
                        if let Some(reason) = failed {
                            return Ending::Broken(reason);
                        }
                    }
                    None => return Ending::Unwanted,
                },
                () = self.end.cancelled() => return Ending::Unwanted,
                () = sleep_until(ping) => {
                    ping = Instant::now() + outbound_limits::SOCKET_PING;
                    if alive.elapsed() > outbound_limits::SOCKET_SILENCE {
                        return Ending::Broken("no sign of life".to_owned());
                    }
                    if let Err(reason) = socket.ping().await {
                        return Ending::Broken(reason);
                    }
                }
            }
        }
    }

    /// A frame as the plugin is told of it, without secrets it must not read.
    fn news(&self, frame: Frame) -> SocketNews {
        let (secrets, tenant) = (&self.shared.secrets, self.grants.tenant());
        match frame {
            Frame::Text(text) if !self.wanted.binary => {
                let data = secrets.blot_bound_text(tenant, &text).into_owned();
                SocketNews::Message { data, binary: false }
            }
            Frame::Text(text) => self.bytes(text.into_bytes()),
            Frame::Binary(bytes) => self.bytes(bytes.into()),
        }
    }

    fn bytes(&self, bytes: Vec<u8>) -> SocketNews {
        let bytes = self.shared.secrets.blot_bound(self.grants.tenant(), bytes, false);
        SocketNews::Message { data: STANDARD.encode(bytes), binary: true }
    }
}

/// Whether trying again is of no use: the rules say no.
fn is_final(error: &CallError) -> bool {
    matches!(
        error,
        CallError::HostNotAllowed { .. }
            | CallError::Validation { .. }
            | CallError::Secret { .. }
            | CallError::CapabilityDenied(_)
    )
}
