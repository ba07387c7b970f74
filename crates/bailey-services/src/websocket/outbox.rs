//! News of one connection that wait to be told: in their order, one at a time, the oldest dropped when there are too many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bailey_outbound::Receipt;
use bailey_protocol::host_message::{SocketEvent, SocketNews};
use bailey_protocol::method::websocket::SocketName;
use bailey_protocol::{Tenant, limits};
use tokio::sync::Notify;

use super::{Held, Shared, UnderWay};

/// See the module.
pub(super) struct Outbox {
    tenant: Tenant,
    name: SocketName,
    connection: String,
    state: Mutex<State>,
    wake: Notify,
    under_way: UnderWay,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Frames dropped since the plugin was told last.
    dropped: u64,
    /// Nothing comes any more.
    ended: bool,
}

struct Item {
    news: SocketNews,
    /// Given back when the plugin has seen to it.
    _receipt: Option<Receipt>,
    _under_way: Held,
}

impl Outbox {
    pub(super) fn new(
        tenant: Tenant,
        name: SocketName,
        connection: String,
        under_way: UnderWay,
    ) -> Arc<Self> {
        Arc::new(Self { tenant, name, connection, state: Mutex::default(), wake: Notify::new(), under_way })
    }

    /// Adds news. Past the number that may wait, the oldest frame goes.
    pub(super) fn add(&self, news: SocketNews, receipt: Option<Receipt>) {
        let mut state = self.lock();
        if state.waiting.len() >= limits::SOCKET_QUEUE {
            let oldest =
                state.waiting.iter().position(|item| matches!(item.news, SocketNews::Message { .. }));
            if let Some(oldest) = oldest {
                state.waiting.remove(oldest);
                state.dropped += 1;
            }
        }
        state.waiting.push_back(Item { news, _receipt: receipt, _under_way: self.under_way.hold() });
        drop(state);
        self.wake.notify_one();
    }

    /// Nothing more is added; what waits is still told.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.wake.notify_one();
    }

    /// Tells what waits until nothing comes any more.
    pub(super) async fn deliver(&self, shared: &Shared) {
        loop {
            let (item, ended) = {
                let mut state = self.lock();
                (state.waiting.pop_front(), state.ended)
            };
            let Some(Item { news, _receipt, _under_way }) = item else {
                if ended {
                    return;
                }
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = shared.stop.cancelled() => return,
                }
                continue;
            };
            let dropped = std::mem::take(&mut self.lock().dropped);
            if dropped > 0 {
                let (tenant, name) = (&self.tenant, &self.name);
                tracing::warn!(%tenant, %name, dropped, "{dropped} frames of {name} were dropped: the plugin is slower than they come");
            }
            let Some(sink) = shared.sink.get() else { continue };
            let event =
                SocketEvent { name: self.name.to_string(), connection: self.connection.clone(), news };
            let telling = tokio::time::timeout(limits::SOCKET_FRAME_TIME, sink.tell(&self.tenant, event));
            tokio::select! {
                told = telling => match told {
                    Ok(Ok(())) => {}
                    Ok(Err(reason)) => {
                        let (tenant, name) = (&self.tenant, &self.name);
                        tracing::debug!(%tenant, %name, reason, "news of a connection did not arrive");
                    }
                    Err(_) => {
                        let (tenant, name) = (&self.tenant, &self.name);
                        tracing::warn!(%tenant, %name, "the plugin is not done with a frame of {name}; the next one comes all the same");
                    }
                },
                () = shared.stop.cancelled() => return,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bailey_protocol::GuildId;

    use super::*;

    #[test]
    fn the_oldest_frames_go_and_what_says_how_the_connection_is_stays() {
        let tenant = Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(1) };
        let counted = UnderWay(Arc::new(tokio::sync::watch::Sender::new(0)));
        let outbox =
            Outbox::new(tenant, SocketName::new("feed".to_owned()).unwrap(), "c".to_owned(), counted);
        outbox.add(SocketNews::Open, None);
        for number in 0..limits::SOCKET_QUEUE + 10 {
            outbox.add(SocketNews::Message { data: number.to_string(), binary: false }, None);
        }
        let state = outbox.lock();
        assert_eq!((state.waiting.len(), state.dropped), (limits::SOCKET_QUEUE, 11));
        assert_eq!(state.waiting[0].news, SocketNews::Open);
        assert_eq!(state.waiting[1].news, SocketNews::Message { data: "11".to_owned(), binary: false });
    }
}
