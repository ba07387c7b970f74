//! A Discord that only says again what a recording holds: the same dispatches, the same answers, to whatever client
//! connects. It has no world and decides nothing. What causes what is kept: nothing is told before the requests that
//! came before it in the recording have come again, or were waited for long enough.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, Request, State as Extract};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, body::Bytes};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{ADDRESS, Record, Recording};
use crate::error::SimError;
use crate::gateway::transport::Transport;
use crate::rest::MOST_BODY;
use crate::shared::lock;

/// The heartbeat interval clients are told; missing heartbeats are not punished.
const HEARTBEAT_MS: u64 = 41_250;
/// The longest pause between two things that are told, however long it was then: bugs hide in milliseconds, not in
/// minutes.
const MOST_PAUSE: Duration = Duration::from_millis(250);
/// Fields whose values clients make up, often by chance: another one is no difference, and what is told and answered
/// later has the new one.
const MADE_UP: [&str; 2] = ["custom_id", "nonce"];
/// Differences kept; a client that does something else altogether makes more than anybody reads.
const MOST_DIFFERENCES: usize = 1000;

/// A running replay. Dropping it stops it.
#[derive(Debug)]
pub struct Replay {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    address: String,
    progress: Mutex<Progress>,
    /// Changes whenever the progress does.
    changed: watch::Sender<u64>,
    stop: CancellationToken,
}

/// How far it has come.
#[derive(Debug, Default)]
struct Progress {
    /// Recorded requests that have not come yet, in order.
    expected: Vec<Expected>,
    /// The latest answer to each GET, for clients that ask more often than they did then.
    repeatable: HashMap<String, (u16, Value)>,
    /// Sessions in the order they were begun, with what they were told up to now.
    sessions: Vec<Session>,
    /// Sessions that a client has begun.
    identified: usize,
    /// Frames with op 2 or 6 that came.
    handshakes: usize,
    differences: Vec<String>,
    finished: bool,
    /// What the client made up anew, by what it had made up then.
    renamed: HashMap<String, String>,
}

#[derive(Debug)]
struct Expected {
    number: u64,
    method: String,
    path: String,
    body: Value,
    answer: Option<(u16, Value)>,
}

#[derive(Debug)]
struct Session {
    id: String,
    told: Vec<Item>,
    /// The connection that carries it; the latest wins.
    connection: u64,
}

#[derive(Debug, Clone)]
enum Item {
    Frame { text: String, sequence: Option<u64> },
    Cut(Option<u16>),
}

impl Replay {
    /// Starts a replay on a loopback address; port 0 picks a free one. A client has as long as `patience` for each
    /// request it sent in the recording, from the moment it first asks for anything.
    ///
    /// # Errors
    /// When the address is not loopback or not free.
    pub async fn start(
        recording: &Recording,
        bind: SocketAddr,
        patience: Duration,
    ) -> Result<Self, SimError> {
        if !bind.ip().is_loopback() {
            return Err(SimError::NotLoopback(bind));
        }
        let failed = |source| SimError::Bind { address: bind, source };
        let listener = TcpListener::bind(bind).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            address: address.to_string(),
            progress: Mutex::new(Progress { expected: expected(recording), ..Progress::default() }),
            changed: watch::Sender::new(0),
            stop: CancellationToken::new(),
        });
        let app = Router::new()
            .route("/", get(upgrade))
            .route("/resume", get(upgrade))
            .route("/resume/", get(upgrade))
            .route("/api/v10/{*path}", any(answer))
            .with_state(Arc::clone(&shared));
        let tasks = TaskTracker::new();
        let stop = shared.stop.clone();
        tasks.spawn(async move {
            if let Err(error) =
                axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
            {
                tracing::error!(%address, %error, "the replay stopped listening on {address}");
            }
        });
        let (telling, records) = (Arc::clone(&shared), recording.records().to_vec());
        tasks.spawn(async move {
            let stop = telling.stop.clone();
            stop.run_until_cancelled(tell(telling, records, patience)).await;
        });
        tasks.close();
        Ok(Self { address, shared, tasks })
    }

    /// `http://127.0.0.1:port`; REST is below `/api/v10`.
    pub fn http_base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `ws://127.0.0.1:port`, for `?v=10&encoding=json`.
    pub fn gateway_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Waits until everything in the recording was said again; false when `within` passed first.
    pub async fn finished(&self, within: Duration) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let finished = changed.wait_for(|_| lock(&self.shared.progress).finished);
        timeout(within, finished).await.is_ok_and(|waited| waited.is_ok())
    }

    /// What the client did otherwise than in the recording, in words: requests that did not come, that nobody knows an
    /// answer for, or that had another body; sessions that nobody began.
    pub fn differences(&self) -> Vec<String> {
        lock(&self.shared.progress).differences.clone()
    }

    /// Stops it and waits until it has stopped listening.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

fn expected(recording: &Recording) -> Vec<Expected> {
    let mut answers: HashMap<u64, (u16, Value)> = HashMap::new();
    for record in recording.records() {
        if let Record::Answer { number, status, body, .. } = record {
            answers.insert(*number, (*status, body.clone()));
        }
    }
    let request = |record: &Record| match record {
        Record::Request { number, method, path, body, .. } => Some(Expected {
            number: *number,
            method: method.clone(),
            path: path.clone(),
            body: body.clone(),
            answer: answers.remove(number),
        }),
        _ => None,
    };
    recording.records().iter().filter_map(request).collect()
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        let done = change(&mut lock(&self.progress));
        self.changed.send_modify(|count| *count += 1);
        done
    }

    /// Waits until something is so about the progress; false when that took too long.
    async fn until(&self, patience: Option<Duration>, is_so: impl Fn(&Progress) -> bool) -> bool {
        let mut changed = self.changed.subscribe();
        let waiting = changed.wait_for(|_| is_so(&lock(&self.progress)));
        match patience {
            Some(patience) => timeout(patience, waiting).await.is_ok_and(|waited| waited.is_ok()),
            None => waiting.await.is_ok(),
        }
    }

    /// Text with this replay's address where the simulator's was, and with the names the client uses now.
    fn said_now(&self, value: &Value) -> String {
        let value = renamed(value, &lock(&self.progress).renamed);
        value.to_string().replace(ADDRESS, &self.address)
    }
}

impl Progress {
    fn differ(&mut self, what: String) {
        if self.differences.len() < MOST_DIFFERENCES {
            self.differences.push(what);
        }
    }
}

/// Goes through the recording and lets sessions be told, one thing after the other.
async fn tell(shared: Arc<Shared>, records: Vec<Record>, patience: Duration) {
    let all = lock(&shared.progress).expected.len();
    // Nobody is late before anybody is there.
    shared
        .until(None, |progress| {
            progress.handshakes > 0 || progress.expected.len() < all || !progress.differences.is_empty()
        })
        .await;
    let mut handshakes = 0;
    // When something was told last, then and now.
    let (mut then, mut now) = (records.first().map_or(0, Record::at_ms), Instant::now());
    for record in records {
        if matches!(record, Record::Told { .. } | Record::Cut { .. }) {
            let pause = Duration::from_millis(record.at_ms().saturating_sub(then)).min(MOST_PAUSE);
            sleep_until(now + pause).await;
            (then, now) = (record.at_ms(), Instant::now());
        }
        match record {
            Record::Received { frame, .. } if matches!(frame["op"].as_u64(), Some(2 | 6)) => {
                handshakes += 1;
                if !shared.until(Some(patience), |progress| progress.handshakes >= handshakes).await {
                    shared.with(|progress| {
                        progress.differ(format!("the client never sent {}", name_of(&frame)))
                    });
                }
            }
            Record::Request { number, method, path, .. } => {
                let came = |progress: &Progress| progress.expected.iter().all(|one| one.number != number);
                if !shared.until(Some(patience), came).await {
                    shared.with(|progress| {
                        progress.expected.retain(|one| one.number != number);
                        progress.differ(format!("request {number}, {method} {path}, never came"));
                    });
                }
            }
            Record::Told { session, frame, .. } => {
                let item = Item::Frame { text: shared.said_now(&frame), sequence: frame["s"].as_u64() };
                shared.with(|progress| progress.session(session).told.push(item));
            }
            Record::Cut { session, code, .. } => {
                shared.with(|progress| progress.session(session).told.push(Item::Cut(code)));
            }
            _ => {}
        }
    }
    shared.with(|progress| progress.finished = true);
}

fn name_of(frame: &Value) -> &'static str {
    if frame["op"] == 2 { "IDENTIFY" } else { "RESUME" }
}

impl Progress {
    fn session(&mut self, id: String) -> &mut Session {
        let at = self.sessions.iter().position(|session| session.id == id).unwrap_or_else(|| {
            self.sessions.push(Session { id, told: Vec::new(), connection: 0 });
            self.sessions.len() - 1
        });
        &mut self.sessions[at]
    }

    /// The answer to a request; `None` when the recording has none.
    fn answer(&mut self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let key = format!("{method} {path}");
        let Some(at) = self.expected.iter().position(|one| one.method == method && one.path == path) else {
            let again = self.repeatable.get(&key).cloned();
            if again.is_none() {
                self.differ(format!("{key} is not in the recording"));
            }
            return again;
        };
        let expected = self.expected.remove(at);
        learn_names(&expected.body, body, &mut self.renamed);
        let then = renamed(&expected.body, &self.renamed);
        if then != *body {
            self.differ(format!("request {}, {key}: its body was {then}, now {body}", expected.number));
        }
        let Some(answer) = expected.answer else {
            self.differ(format!("request {}, {key}, was never answered", expected.number));
            return None;
        };
        if method == "GET" {
            self.repeatable.insert(key, answer.clone());
        }
        Some(answer)
    }
}

/// Learns what the client calls things now.
fn learn_names(then: &Value, now: &Value, names: &mut HashMap<String, String>) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            for (field, then) in then {
                match (then, now.get(field)) {
                    (Value::String(then), Some(Value::String(now))) if MADE_UP.contains(&field.as_str()) => {
                        if then != now {
                            names.insert(then.clone(), now.clone());
                        }
                    }
                    (then, Some(now)) => learn_names(then, now, names),
                    (_, None) => {}
                }
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            then.iter().zip(now).for_each(|(then, now)| learn_names(then, now, names));
        }
        _ => {}
    }
}

/// A value with the names the client uses now.
fn renamed(value: &Value, names: &HashMap<String, String>) -> Value {
    match value {
        _ if names.is_empty() => value.clone(),
        Value::String(text) => Value::String(names.get(text).unwrap_or(text).clone()),
        Value::Array(list) => list.iter().map(|one| renamed(one, names)).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), renamed(value, names))).collect(),
        other => other.clone(),
    }
}

async fn answer(Extract(shared): Extract<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let full = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = full.strip_prefix("/api/v10").unwrap_or(full).to_owned();
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
    let bytes = to_bytes(body, MOST_BODY).await.unwrap_or_default();
    let body = crate::rest::recorded_body(&kind, &bytes);
    let answer = shared.with(|progress| progress.answer(parts.method.as_str(), &path, &body));
    let Some((status, body)) = answer else {
        let body = json!({"message": "501: this request is not in the recording", "code": 0});
        return (StatusCode::NOT_IMPLEMENTED, Json(body)).into_response();
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let wait = body["retry_after"].as_f64().filter(|_| status == StatusCode::TOO_MANY_REQUESTS);
    let mut response = match &body {
        Value::Null => status.into_response(),
        Value::String(page) => (status, [(header::CONTENT_TYPE, "text/html")], page.clone()).into_response(),
        json => {
            let text = Bytes::from(shared.said_now(json));
            (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
    };
    response.headers_mut().insert(header::VIA, HeaderValue::from_static("1.1 google"));
    if let Some(wait) = wait.and_then(|wait| HeaderValue::from_str(&format!("{:.0}", wait.ceil())).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

async fn upgrade(
    Extract(shared): Extract<Arc<Shared>>,
    Query(words): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let transport = Transport::named(words.get("compress").map(String::as_str));
        let number = *shared.changed.borrow() + 1;
        let stop = shared.stop.clone();
        let mut line = Line { socket, transport, shared, number, session: None, sent: 0 };
        if let Some(Some(code)) = stop.run_until_cancelled(line.talk()).await {
            let close = CloseFrame { code, reason: "As it was recorded".into() };
            // A client that is gone needs no goodbye.
            line.socket.send(Message::Close(Some(close))).await.ok();
        }
    })
}

/// One gateway connection.
struct Line {
    socket: WebSocket,
    transport: Transport,
    shared: Arc<Shared>,
    number: u64,
    session: Option<String>,
    /// Things its session was told that are behind it.
    sent: usize,
}

impl Line {
    async fn send(&mut self, text: &str) -> Option<()> {
        let message = self.transport.pack(text).ok()?;
        self.socket.send(message).await.ok()
    }

    /// Gives the code to close with; `None` when the line is gone or is to be cut.
    async fn talk(&mut self) -> Option<u16> {
        let hello = json!({"t": null, "s": null, "op": 10, "d": {"heartbeat_interval": HEARTBEAT_MS}});
        self.send(&hello.to_string()).await?;
        let mut changed = self.shared.changed.subscribe();
        loop {
            changed.mark_unchanged();
            while let Some(item) = self.next() {
                match item {
                    Ok(Item::Frame { text, .. }) => self.send(&text).await?,
                    Ok(Item::Cut(code)) => return code,
                    Err(taken_over) => return Some(taken_over),
                }
            }
            tokio::select! {
                waited = changed.changed() => waited.ok()?,
                message = self.socket.recv() => match message?.ok()? {
                    Message::Text(text) => self.receive(text.as_bytes()).await?,
                    Message::Binary(bytes) => self.receive(&bytes).await?,
                    Message::Close(_) => return None,
                    Message::Ping(_) | Message::Pong(_) => {}
                },
            }
        }
    }

    /// What comes next on this line; an error when another line took its session over.
    fn next(&mut self) -> Option<Result<Item, u16>> {
        let id = self.session.as_deref()?;
        let progress = lock(&self.shared.progress);
        let session = progress.sessions.iter().find(|session| session.id == id)?;
        if session.connection != self.number {
            return Some(Err(4000));
        }
        let item = session.told.get(self.sent).cloned()?;
        self.sent += 1;
        Some(Ok(item))
    }

    async fn receive(&mut self, text: &[u8]) -> Option<()> {
        let frame: Value = serde_json::from_slice(text).ok()?;
        let refused = json!({"t": null, "s": null, "op": 9, "d": false}).to_string();
        match frame["op"].as_u64() {
            Some(1) => self.send(&json!({"t": null, "s": null, "op": 11, "d": null}).to_string()).await,
            Some(2) => match self.identify().await {
                true => Some(()),
                false => self.send(&refused).await,
            },
            Some(6) => match self.resume(&frame["d"]) {
                true => Some(()),
                false => self.send(&refused).await,
            },
            _ => Some(()),
        }
    }

    /// Takes the next session of the recording, when there is one.
    async fn identify(&mut self) -> bool {
        let turn = self.shared.with(|progress| {
            progress.handshakes += 1;
            progress.identified += 1;
            progress.identified
        });
        let begun = |progress: &Progress| progress.sessions.len() >= turn || progress.finished;
        self.shared.until(None, begun).await;
        let number = self.number;
        let taken = self.shared.with(|progress| {
            let session = progress.sessions.get_mut(turn - 1)?;
            session.connection = number;
            Some(session.id.clone())
        });
        if taken.is_none() {
            self.shared.with(|progress| progress.differ("the client began a session too many".to_owned()));
        }
        self.sent = 0;
        self.session = taken;
        self.session.is_some()
    }

    /// Goes on with a session: after what it was told up to that sequence number, and without the ends of connections
    /// before.
    fn resume(&mut self, data: &Value) -> bool {
        let (Some(id), Some(sequence)) = (data["session_id"].as_str(), data["seq"].as_u64()) else {
            return false;
        };
        let number = self.number;
        let at = self.shared.with(|progress| {
            progress.handshakes += 1;
            let Some(session) = progress.sessions.iter_mut().find(|session| session.id == id) else {
                progress.differ("the client resumed a session that is not in the recording".to_owned());
                return None;
            };
            session.connection = number;
            let read =
                |item: &Item| matches!(item, Item::Frame { sequence: Some(at), .. } if *at <= sequence);
            let mut at = session.told.iter().rposition(read).map_or(0, |last| last + 1);
            // Orders of the connection that ended; what was told after it is still to come.
            let last_cut = session.told.iter().rposition(|item| matches!(item, Item::Cut(_)));
            if let Some(cut) = last_cut.filter(|cut| *cut >= at) {
                let missed: Vec<Item> = session
                    .told
                    .splice(at..=cut, [])
                    .filter(|item| matches!(item, Item::Frame { sequence: Some(_), .. }))
                    .collect();
                session.told.splice(at..at, missed);
            }
            while matches!(session.told.get(at), Some(Item::Frame { sequence: None, .. })) {
                at += 1;
            }
            Some(at)
        });
        let Some(at) = at else { return false };
        self.sent = at;
        self.session = Some(id.to_owned());
        true
    }
}
