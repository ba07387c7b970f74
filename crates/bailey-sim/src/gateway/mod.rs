//! One gateway connection: hello, identify or resume, heartbeats, and everything the session is told.
//! What sessions are told is decided in `state::sessions`; here it only travels.

pub(crate) mod sharding;
pub(crate) mod transport;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Snowflake;
use crate::shared::{Shared, lock};
use crate::state::model::intent;
use crate::state::sessions::Signal;
use transport::Transport;

/// Largest frame a client may send.
const MOST_FRAME: usize = 4096;
/// Frames a client may send per window.
const MOST_FRAMES: usize = 120;
/// That window.
const FRAMES_WINDOW: Duration = Duration::from_secs(60);
/// A client that does not read for this long is cut off.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// Members per GUILD_MEMBERS_CHUNK.
const CHUNK: usize = 1000;

/// The query of the gateway URL.
#[derive(Debug, Deserialize)]
pub(crate) struct Params {
    v: Option<String>,
    encoding: Option<String>,
    compress: Option<String>,
}

/// Answers the WebSocket upgrade.
pub(crate) async fn upgrade(
    Extract(shared): Extract<Arc<Shared>>,
    Query(params): Query<Params>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if shared.state().refuses_connection() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no gateway connections for now, as ordered")
            .into_response();
    }
    let Ok(permit) = Arc::clone(&shared.connections).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many gateway connections").into_response();
    };
    // Frames somewhat above Discord's limit are still read, to be refused with the right close code.
    upgrade.max_message_size(16 * MOST_FRAME).max_frame_size(16 * MOST_FRAME).on_upgrade(
        move |socket| async move {
            Connection::new(socket, shared, &params).run(&params).await;
            drop(permit);
        },
    )
}

/// Why a connection ends.
enum End {
    /// Send this close code.
    Close(u16, &'static str),
    /// The client closed with this code, if it gave one.
    ByClient(Option<u16>),
    /// The line is gone, or is to be cut.
    Cut,
}

struct Connection {
    socket: WebSocket,
    transport: Transport,
    shared: Arc<Shared>,
    number: u64,
    session: Option<(String, Arc<Notify>)>,
    sent: u64,
    heartbeat: Duration,
    heartbeat_due: Instant,
    window: (Instant, usize),
}

impl Connection {
    fn new(socket: WebSocket, shared: Arc<Shared>, params: &Params) -> Self {
        let number = shared.state().new_connection();
        let heartbeat = shared.heartbeat();
        Self {
            socket,
            transport: Transport::named(params.compress.as_deref()),
            shared,
            number,
            session: None,
            sent: 0,
            heartbeat,
            heartbeat_due: Instant::now() + heartbeat * 3 / 2,
            window: (Instant::now(), 0),
        }
    }

    async fn run(mut self, params: &Params) {
        let end = match self.talk(params).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if let Some((id, _)) = &self.session {
            // 1000 and 1001 from the client give the session up; anything else keeps it for resuming.
            let gone = matches!(end, End::ByClient(Some(1000 | 1001)))
                || matches!(end, End::Close(code, _) if matches!(code, 4003 | 4004 | 4007 | 4009));
            self.shared.state().disconnect(self.number, id, gone);
        }
        if let End::Close(code, reason) = end {
            let frame = CloseFrame { code, reason: reason.into() };
            let closing = async {
                self.socket.send(Message::Close(Some(frame))).await.ok()?;
                while self.socket.recv().await?.is_ok() {}
                Some(())
            };
            // The client's own close frame is waited for, but not for long.
            timeout(Duration::from_secs(1), closing).await.ok();
        }
    }

    async fn talk(&mut self, params: &Params) -> Result<std::convert::Infallible, End> {
        if params.v.as_deref().is_some_and(|version| version != "10") {
            return Err(End::Close(4012, "Invalid API version"));
        }
        if params.encoding.as_deref().is_some_and(|encoding| encoding != "json") {
            return Err(End::Close(4002, "Only encoding=json is simulated"));
        }
        let hello = json!({"heartbeat_interval": self.heartbeat.as_millis() as u64, "_trace": ["simulator"]});
        self.say(&json!({"t": null, "s": null, "op": 10, "d": hello})).await?;
        let stop = self.shared.stop.clone();
        loop {
            let wake = self.session.as_ref().map(|(_, wake)| Arc::clone(wake));
            let woken = async {
                match wake {
                    Some(wake) => wake.notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Err(End::Close(1001, "The simulator stops")),
                () = sleep_until(self.heartbeat_due) => return Err(End::Close(4009, "Session timed out")),
                () = woken => self.flush().await?,
                frame = self.socket.recv() => self.receive(frame).await?,
            }
        }
    }

    async fn send(&mut self, text: &str) -> Result<(), End> {
        let message = self.transport.pack(text).map_err(|_| End::Cut)?;
        match timeout(SEND_DEADLINE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Cut),
        }
    }

    /// Sends what the session was told since the last time, then carries out orders.
    async fn flush(&mut self) -> Result<(), End> {
        let Some((id, _)) = &self.session else { return Ok(()) };
        let (mut due, signals) = {
            let mut state = self.shared.state();
            let Some(session) = state.sessions.by_id.get_mut(id) else {
                return Err(End::Close(4009, "Session timed out"));
            };
            if session.connection != Some(self.number) {
                return Err(End::Close(4000, "The session was resumed elsewhere"));
            }
            if session.ring.front().is_some_and(|(sequence, _)| *sequence > self.sent + 1) {
                return Err(End::Close(4000, "The client reads too slowly"));
            }
            let sent = self.sent;
            let due: VecDeque<_> =
                session.ring.iter().filter(|(sequence, _)| *sequence > sent).cloned().collect();
            (due, std::mem::take(&mut session.signals))
        };
        for (after, signal) in signals {
            self.send_through(&mut due, after).await?;
            self.obey(signal).await?;
        }
        self.send_through(&mut due, u64::MAX).await
    }

    /// Sends what is due up to a sequence number.
    async fn send_through(&mut self, due: &mut VecDeque<(u64, Arc<str>)>, last: u64) -> Result<(), End> {
        while due.front().is_some_and(|(sequence, _)| *sequence <= last) {
            let Some((sequence, text)) = due.pop_front() else { break };
            self.send(&text).await?;
            self.sent = sequence;
        }
        Ok(())
    }

    async fn obey(&mut self, signal: Signal) -> Result<(), End> {
        match signal {
            Signal::Reconnect | Signal::RequestHeartbeat => self.send(&signal.frame().to_string()).await,
            Signal::InvalidSession(resumable) => {
                if !resumable && let Some((id, _)) = self.session.take() {
                    self.shared.state().disconnect(self.number, &id, true);
                }
                self.send(&signal.frame().to_string()).await
            }
            Signal::Close(Some(code)) => Err(End::Close(code, "Closed by the simulator's driver")),
            Signal::Close(None) => Err(End::Cut),
        }
    }

    /// Sends a frame that belongs to no session.
    async fn say(&mut self, frame: &Value) -> Result<(), End> {
        self.shared.recorder.sent(self.number, frame);
        self.send(&frame.to_string()).await
    }

    async fn receive(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let text = match frame {
            None => return Err(End::ByClient(None)),
            Some(Err(_)) => return Err(End::Close(4002, "Error while decoding payload")),
            Some(Ok(Message::Close(frame))) => return Err(End::ByClient(frame.map(|frame| frame.code))),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
            Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
        };
        if self.window.0.elapsed() > FRAMES_WINDOW {
            self.window = (Instant::now(), 0);
        }
        self.window.1 += 1;
        if self.window.1 > MOST_FRAMES {
            return Err(End::Close(4008, "You are being rate limited"));
        }
        const UNREADABLE: End = End::Close(4002, "Error while decoding payload");
        if text.len() > MOST_FRAME {
            return Err(UNREADABLE);
        }
        self.shared.recorder.received(self.number, &text);
        let frame: Value = serde_json::from_slice(&text).map_err(|_| UNREADABLE)?;
        let Some(op) = frame.get("op").and_then(Value::as_u64) else { return Err(UNREADABLE) };
        let data = frame.get("d").unwrap_or(&Value::Null);
        match op {
            1 => self.heartbeat(data).await,
            2 => self.identify(data).await,
            6 => self.resume(data).await,
            3 | 4 | 8 | 31 | 43 if self.session.is_none() => Err(End::Close(4003, "Not authenticated")),
            8 => self.request_members(data).await,
            // Presence, voice state and soundboard requests have nothing to act on here.
            3 | 4 | 31 | 43 => Ok(()),
            _ => Err(End::Close(4001, "Unknown opcode")),
        }
    }

    async fn heartbeat(&mut self, data: &Value) -> Result<(), End> {
        self.heartbeat_due = Instant::now() + self.heartbeat * 3 / 2;
        if let (Some((id, _)), Some(sequence)) = (&self.session, data.as_u64()) {
            let shared = Arc::clone(&self.shared);
            let mut state = shared.state();
            if let Some(session) = state.sessions.by_id.get_mut(id) {
                session.acknowledged = session.acknowledged.max(sequence.min(session.sequence));
            }
            drop(state);
            shared.client_heard();
        }
        self.say(&json!({"t": null, "s": null, "op": 11, "d": null})).await
    }

    async fn identify(&mut self, data: &Value) -> Result<(), End> {
        if self.session.is_some() {
            return Err(End::Close(4005, "Already authenticated"));
        }
        let Some(token) = data.get("token").and_then(Value::as_str) else {
            return Err(End::Close(4002, "Error while decoding payload"));
        };
        let shard = match data.get("shard") {
            None | Some(Value::Null) => (0, 1),
            Some(shard) => {
                let part = |index: usize| shard.get(index).and_then(Value::as_u64);
                match (part(0), part(1)) {
                    (Some(id), Some(count)) if id < count => (id, count),
                    _ => return Err(End::Close(4010, "Invalid shard")),
                }
            }
        };
        let Some(intents) =
            data.get("intents").and_then(Value::as_u64).filter(|bits| bits & !intent::KNOWN == 0)
        else {
            return Err(End::Close(4013, "Invalid intent(s)"));
        };
        let shared = Arc::clone(&self.shared);
        if !lock(&shared.pace).allows(shard) {
            return self.say(&Signal::InvalidSession(false).frame()).await;
        }
        {
            let mut state = shared.state();
            if token.trim_start_matches("Bot ") != state.application.token {
                return Err(End::Close(4004, "Authentication failed"));
            }
            if intents & intent::PRIVILEGED & !state.application.allowed_privileged != 0 {
                return Err(End::Close(4014, "Disallowed intent(s)"));
            }
            self.session = Some(state.identify(self.number, intents, shard));
            self.sent = 0;
        }
        shared.client_heard();
        self.flush().await
    }

    async fn resume(&mut self, data: &Value) -> Result<(), End> {
        if self.session.is_some() {
            return Err(End::Close(4005, "Already authenticated"));
        }
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let (Some(token), Some(id), Some(sequence)) =
            (text("token"), text("session_id"), data.get("seq").and_then(Value::as_u64))
        else {
            return Err(End::Close(4002, "Error while decoding payload"));
        };
        let shared = Arc::clone(&self.shared);
        let resumed = {
            let mut state = shared.state();
            if token.trim_start_matches("Bot ") != state.application.token {
                return Err(End::Close(4004, "Authentication failed"));
            }
            if state.sessions.by_id.get(id).is_some_and(|session| sequence > session.sequence) {
                state.sessions.by_id.shift_remove(id);
                return Err(End::Close(4007, "Invalid seq"));
            }
            state.resume(self.number, id, sequence)
        };
        let Some(wake) = resumed else { return self.say(&Signal::InvalidSession(false).frame()).await };
        self.session = Some((id.to_owned(), wake));
        self.sent = sequence;
        shared.client_heard();
        self.flush().await
    }

    /// Op 8: sends a server's members in chunks of 1,000, as dispatches of this session only.
    async fn request_members(&mut self, data: &Value) -> Result<(), End> {
        let ids = |key: &str| -> Option<Vec<Snowflake>> {
            match data.get(key)? {
                Value::String(id) => id.parse().ok().map(|id| vec![id]),
                Value::Array(list) => Some(list.iter().filter_map(|id| id.as_str()?.parse().ok()).collect()),
                _ => None,
            }
        };
        let guild_id = ids("guild_id").and_then(|ids| ids.first().copied());
        let wanted = ids("user_ids");
        let query = data.get("query").and_then(Value::as_str).unwrap_or("");
        let limit = data.get("limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let Some((session_id, _)) = &self.session else { return Ok(()) };
        let Some(guild) = guild_id.and_then(|id| state.guild_for_bot(id).ok()) else { return Ok(()) };
        let guild_id = guild.id;
        let privileged = state
            .sessions
            .by_id
            .get(session_id)
            .is_some_and(|session| session.intents & intent::GUILD_MEMBERS != 0);
        let everybody = wanted.is_none() && query.is_empty();
        let fits = |id: Snowflake| match &wanted {
            Some(wanted) => wanted.contains(&id),
            None => state.name_of(id).starts_with(query),
        };
        let members: Vec<Value> = guild
            .members
            .values()
            .filter(|member| (privileged || !everybody) && fits(member.user))
            .take(limit)
            .map(|member| state.render_member(member))
            .collect();
        let missing: Vec<&Snowflake> =
            wanted.iter().flatten().filter(|id| !guild.members.contains_key(*id)).take(100).collect();
        let chunks: Vec<&[Value]> =
            if members.is_empty() { vec![&[]] } else { members.chunks(CHUNK).collect() };
        let count = chunks.len();
        let mut payloads = Vec::new();
        for (index, members) in chunks.into_iter().enumerate() {
            let mut chunk = json!({
                "guild_id": guild_id, "members": members, "chunk_index": index, "chunk_count": count,
                "not_found": missing, "presences": [],
            });
            if let (Some(nonce), Some(map)) = (data.get("nonce"), chunk.as_object_mut()) {
                map.insert("nonce".to_owned(), nonce.clone());
            }
            payloads.push(chunk);
        }
        let state = &mut *state;
        if let Some(session) = state.sessions.by_id.get_mut(session_id) {
            for chunk in &payloads {
                session.push("GUILD_MEMBERS_CHUNK", chunk, state.dispatch_faults.take("GUILD_MEMBERS_CHUNK"));
            }
        }
        Ok(())
    }
}
