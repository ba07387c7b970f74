//! Gateway sessions: who listens with which intents, what they were sent, and what they may resume.
//! A connection reads its session's ring by sequence number, so sending late and resuming are the same thing.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::State;
use super::dispatch_faults::DispatchFault;
use super::model::{Guild, intent};
use crate::clock::Snowflake;
use crate::recording::recorder::Recorder;

/// Dispatches a session can replay.
pub(crate) const RING: usize = 1000;
/// Sessions kept, connected or not; the oldest disconnected one gives way.
const MOST_SESSIONS: usize = 64;
/// Orders that wait for a connection to carry them out.
const MOST_SIGNALS: usize = 16;

/// All sessions by id.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    pub(crate) by_id: IndexMap<String, Session>,
    pub(crate) identified: u64,
    connections: u64,
    /// Connections that are still to be refused.
    pub(crate) refuse: u32,
    /// Resumed sessions whose line is still to be cut.
    pub(crate) cut_resumed: u32,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) intents: u64,
    pub(crate) shard: (u64, u64),
    pub(crate) sequence: u64,
    pub(crate) acknowledged: u64,
    pub(crate) ring: VecDeque<(u64, Arc<str>)>,
    /// A dispatch that waits for the next one to go first.
    held: Option<(String, Value)>,
    recorder: Arc<Recorder>,
    /// The connection that carries it now.
    pub(crate) connection: Option<u64>,
    pub(crate) wake: Arc<Notify>,
    /// Each with the sequence number after which it is carried out: drivers expect their orders in order.
    pub(crate) signals: VecDeque<(u64, Signal)>,
}

/// What a connection is told to do besides sending dispatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Send op 7.
    Reconnect,
    /// Send op 9 with this `d`.
    InvalidSession(bool),
    /// Send op 1: ask for a heartbeat.
    RequestHeartbeat,
    /// Close with this code, or cut the line (`None`).
    Close(Option<u16>),
}

impl Signal {
    /// What a connection is sent for it; null for a close.
    pub(crate) fn frame(self) -> Value {
        match self {
            Self::Reconnect => json!({"t": null, "s": null, "op": 7, "d": null}),
            Self::InvalidSession(resumable) => json!({"t": null, "s": null, "op": 9, "d": resumable}),
            Self::RequestHeartbeat => json!({"t": null, "s": null, "op": 1, "d": null}),
            Self::Close(_) => Value::Null,
        }
    }
}

/// A gateway session as drivers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Session id.
    pub session_id: String,
    /// Whether a client is connected to it.
    pub connected: bool,
    /// The number of that connection; no two have the same.
    pub connection: Option<u64>,
    /// Sequence number of the last dispatch.
    pub sequence: u64,
    /// The sequence number in the client's latest heartbeat or resume: it has read at least that far.
    pub acknowledged: u64,
    /// Intents it identified with.
    pub intents: u64,
    /// Shard id and number of shards.
    pub shard: (u64, u64),
}

/// Something to tell sessions.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) event: &'static str,
    pub(crate) guild: Option<Snowflake>,
    /// Sessions need one of these; 0: everybody gets it.
    pub(crate) intents: u64,
    pub(crate) data: Value,
    /// Whether `content` and friends must be hidden without MESSAGE_CONTENT.
    pub(crate) strip: bool,
}

impl Session {
    /// Tells the session something, or does with it what was ordered.
    pub(crate) fn push(&mut self, event: &str, data: &Value, fault: Option<DispatchFault>) {
        match fault {
            Some(DispatchFault::Drop) => return,
            Some(DispatchFault::Reorder) if self.held.is_none() => {
                self.held = Some((event.to_owned(), data.clone()));
                return;
            }
            _ => {}
        }
        let text = self.append(event, data);
        if fault == Some(DispatchFault::Duplicate) {
            self.keep(text);
        }
        self.release();
    }

    fn append(&mut self, event: &str, data: &Value) -> Arc<str> {
        self.sequence += 1;
        let text: Arc<str> = json!({"t": event, "s": self.sequence, "op": 0, "d": data}).to_string().into();
        self.keep(Arc::clone(&text));
        text
    }

    fn keep(&mut self, text: Arc<str>) {
        self.recorder.told(&self.id, &text);
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back((self.sequence, text));
        self.wake.notify_one();
    }

    /// Sends what was held back.
    pub(crate) fn release(&mut self) {
        if let Some((event, data)) = self.held.take() {
            self.append(&event, &data);
        }
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.signals.len() < MOST_SIGNALS {
            match signal {
                Signal::Close(code) => self.recorder.cut(&self.id, code),
                // How often a heartbeat is asked for depends on real time; it is no part of the story.
                Signal::RequestHeartbeat => {}
                Signal::Reconnect | Signal::InvalidSession(_) => {
                    self.recorder.told(&self.id, &signal.frame().to_string());
                }
            }
            self.signals.push_back((self.sequence, signal));
            self.wake.notify_one();
        }
    }

    fn carries(&self, guild: Option<Snowflake>) -> bool {
        guild.is_none_or(|guild| (guild.0 >> 22) % self.shard.1.max(1) == self.shard.0)
    }
}

impl State {
    pub(crate) fn new_connection(&mut self) -> u64 {
        self.sessions.connections += 1;
        self.sessions.connections
    }

    /// Opens a session and puts READY and one GUILD_CREATE per server into it.
    pub(crate) fn identify(
        &mut self,
        connection: u64,
        intents: u64,
        shard: (u64, u64),
    ) -> (String, Arc<Notify>) {
        while self.sessions.by_id.len() >= MOST_SESSIONS {
            let Some(at) = self.sessions.by_id.values().position(|session| session.connection.is_none())
            else {
                break;
            };
            self.sessions.by_id.shift_remove_index(at);
        }
        self.sessions.identified += 1;
        let wake = Arc::new(Notify::new());
        let id = self.random_hex(16);
        let mut session = Session {
            id: id.clone(),
            intents,
            shard,
            sequence: 0,
            acknowledged: 0,
            ring: VecDeque::new(),
            held: None,
            recorder: Arc::clone(&self.recorder),
            connection: Some(connection),
            wake: Arc::clone(&wake),
            signals: VecDeque::new(),
        };
        let guilds: Vec<Snowflake> =
            self.bot_guilds().map(|guild| guild.id).filter(|guild| session.carries(Some(*guild))).collect();
        let fault = self.dispatch_faults.take("READY");
        session.push("READY", &self.render_ready(&session, &guilds), fault);
        if intents & intent::GUILDS != 0 {
            for guild in guilds.iter().filter_map(|guild| self.guilds.get(guild)) {
                let fault = self.dispatch_faults.take("GUILD_CREATE");
                session.push("GUILD_CREATE", &self.render_guild_create(guild, intents), fault);
            }
        }
        self.sessions.by_id.insert(id.clone(), session);
        (id, wake)
    }

    /// Takes a session over onto another connection; `None` when it cannot be resumed from there.
    pub(crate) fn resume(&mut self, connection: u64, id: &str, sequence: u64) -> Option<Arc<Notify>> {
        let session = self.sessions.by_id.get_mut(id)?;
        let oldest = session.ring.front().map_or(session.sequence + 1, |(sequence, _)| *sequence);
        if sequence > session.sequence || sequence + 1 < oldest {
            return None;
        }
        // Whoever carried it before wakes up, sees that it no longer does, and closes.
        session.wake.notify_one();
        session.wake = Arc::new(Notify::new());
        session.connection = Some(connection);
        session.acknowledged = session.acknowledged.max(sequence);
        session.push("RESUMED", &json!({"_trace": ["simulator"]}), self.dispatch_faults.take("RESUMED"));
        if self.sessions.cut_resumed > 0 {
            self.sessions.cut_resumed -= 1;
            session.signal(Signal::Close(None));
        }
        Some(Arc::clone(&session.wake))
    }

    /// Whether the connection that is being made is to be refused; counts it.
    pub(crate) fn refuses_connection(&mut self) -> bool {
        let refuses = self.sessions.refuse > 0;
        self.sessions.refuse = self.sessions.refuse.saturating_sub(1);
        refuses
    }

    /// The connection is gone; the session waits to be resumed unless `end` says that it was given up.
    pub(crate) fn disconnect(&mut self, connection: u64, id: &str, end: bool) {
        let Some(session) = self.sessions.by_id.get_mut(id) else { return };
        if session.connection != Some(connection) {
            return;
        }
        session.connection = None;
        session.signals.clear();
        if end {
            self.sessions.by_id.shift_remove(id);
        }
    }

    /// Tells every session that may know.
    pub(crate) fn dispatch(&mut self, dispatch: &Dispatch) {
        let told = |session: &&mut Session| {
            session.carries(dispatch.guild)
                && (dispatch.intents == 0 || session.intents & dispatch.intents != 0)
        };
        // Nobody tells a bot of servers it is not on.
        let elsewhere = |guild| {
            let guild = self.guilds.get(&guild);
            guild.is_some_and(|guild: &Guild| !guild.members.contains_key(&self.application.id))
        };
        if dispatch.guild.is_some_and(elsewhere) {
            return;
        }
        // What nobody is told uses up no fault, nor does what changes places with a dispatch held back.
        let mut listeners = self.sessions.by_id.values_mut().filter(told).peekable();
        let swapping = listeners.peek().is_none_or(|session| session.held.is_some());
        let fault = if swapping { None } else { self.dispatch_faults.take(dispatch.event) };
        for session in listeners {
            if dispatch.strip && session.intents & intent::MESSAGE_CONTENT == 0 {
                session.push(dispatch.event, &without_content(&dispatch.data), fault);
            } else {
                session.push(dispatch.event, &dispatch.data, fault);
            }
        }
    }

    /// Tells every session of a server the bot is on now.
    pub(crate) fn tell_guild_create(&mut self, guild: Snowflake) {
        let Some(entry) = self.guilds.get(&guild) else { return };
        let told = |session: &&Session| session.carries(Some(guild)) && session.intents & intent::GUILDS != 0;
        let created: Vec<(String, Value)> = self
            .sessions
            .by_id
            .values()
            .filter(told)
            .map(|session| (session.id.clone(), self.render_guild_create(entry, session.intents)))
            .collect();
        let fault = if created.is_empty() { None } else { self.dispatch_faults.take("GUILD_CREATE") };
        for (id, data) in created {
            if let Some(session) = self.sessions.by_id.get_mut(&id) {
                session.push("GUILD_CREATE", &data, fault);
            }
        }
    }

    pub(crate) fn session_views(&self) -> Vec<SessionView> {
        let view = |session: &Session| SessionView {
            session_id: session.id.clone(),
            connection: session.connection,
            connected: session.connection.is_some(),
            sequence: session.sequence,
            acknowledged: session.acknowledged,
            intents: session.intents,
            shard: session.shard,
        };
        self.sessions.by_id.values().map(view).collect()
    }
}

/// A message as a bot without MESSAGE_CONTENT gets it.
pub(crate) fn without_content(message: &Value) -> Value {
    let mut message = message.clone();
    if let Some(map) = message.as_object_mut() {
        map.insert("content".to_owned(), json!(""));
        for list in ["embeds", "attachments", "components"] {
            map.insert(list.to_owned(), json!([]));
        }
        if let Some(referenced) =
            map.get_mut("referenced_message").filter(|referenced| referenced.is_object())
        {
            *referenced = without_content(referenced);
        }
    }
    message
}
