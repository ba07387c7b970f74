//! News of WebSocket connections on their way to the plugin: told as requests, each answered when its handler has
//! finished. Not events: they are not acknowledged, and never told again.

use std::collections::{HashMap, VecDeque};

use bailey_protocol::host_message::SocketEvent;
use tokio::sync::oneshot;

use crate::quiet::Busy;

/// News on their way.
pub(crate) struct News {
    pub(crate) event: SocketEvent,
    pub(crate) reply: oneshot::Sender<Result<(), String>>,
    pub(crate) _busy: Busy,
}

/// News that wait for a process.
#[derive(Default)]
pub(crate) struct Waiting(VecDeque<News>);

impl Waiting {
    pub(crate) fn push(&mut self, news: News) {
        self.0.push_back(news);
    }

    /// The next that somebody still waits for.
    pub(crate) fn pop(&mut self) -> Option<News> {
        while let Some(news) = self.0.pop_front() {
            if !news.reply.is_closed() {
                return Some(news);
            }
        }
        None
    }

    /// Whether there is something to tell.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.0.retain(|news| !news.reply.is_closed());
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// News a process was told and has not answered.
#[derive(Default)]
pub(super) struct Telling {
    told: HashMap<String, News>,
    count: u64,
}

impl Telling {
    /// Counts news as told; the id of its request.
    pub(super) fn begin(&mut self, news: News) -> String {
        self.count += 1;
        let id = format!("h-ws-{}", self.count);
        self.told.retain(|_, news| !news.reply.is_closed());
        self.told.insert(id.clone(), news);
        id
    }

    /// An answer; false if it is to something else.
    pub(super) fn answered(&mut self, id: &str, outcome: &Result<(), String>) -> bool {
        let Some(news) = self.told.remove(id) else { return false };
        let _ = news.reply.send(outcome.clone()); // whoever waited may have lost patience
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.values().all(|news| news.reply.is_closed())
    }
}
