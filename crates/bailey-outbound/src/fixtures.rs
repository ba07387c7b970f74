//! A network of answers somebody wrote down: what a plugin meets in a script, where nothing leaves the machine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::TaskTracker;

use crate::fetch::FetchError;
use crate::request::Request;

/// Requests remembered for whoever wants to know what was asked.
const REMEMBERED: usize = 1_000;
/// Bytes between the two ends of a connection.
const PIPE_BYTES: usize = 64 * 1024;

/// One answer, and what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// HTTP method; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The address; with `*` at its end, all that begin so.
    pub url: String,
    /// HTTP status of the answer.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers of the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as JSON, in place of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// The body as base64, in place of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_b64: Option<String>,
    /// How often it answers; then the next one that fits does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// There is no answer, and this is why: `timeout` or `refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<Failing>,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failing {
    /// Nobody answers in time. It is said at once.
    Timeout,
    /// Nobody listens.
    Refused,
}

fn ok() -> u16 {
    200
}

/// A server for WebSockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketFixture {
    /// The address.
    pub url: String,
    /// Frames it begins every connection with.
    #[serde(default)]
    pub greets: Vec<String>,
    /// What it says to what.
    #[serde(default)]
    pub replies: Vec<Reply>,
    /// It takes no connection.
    #[serde(default)]
    pub refuses: bool,
}

/// What a server says to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// A frame that has this text in it...
    pub to: String,
    /// ...is answered with this one.
    pub with: String,
}

/// A frame as it would have left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenFrame {
    /// The address.
    pub url: String,
    /// The frame, as text.
    pub text: String,
}

/// A request as it would have left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// HTTP method.
    pub method: String,
    /// The address.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
}

/// The answers, and what was asked so far.
#[derive(Debug, Default)]
pub struct Fixtures {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fixtures: Vec<Ready>,
    seen: Vec<Seen>,
    sockets: Vec<SocketFixture>,
    open: Vec<Open>,
    told: Vec<SeenFrame>,
}

#[derive(Debug)]
struct Ready {
    fixture: Fixture,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    left: Option<u32>,
}

pub(crate) struct Canned {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Fixtures {
    /// Adds an answer; of two that fit, the one added first answers.
    ///
    /// # Errors
    /// A sentence when it cannot be given.
    pub fn add(&self, fixture: Fixture) -> Result<(), String> {
        let ready = Ready::read(fixture)?;
        self.lock().fixtures.push(ready);
        Ok(())
    }

    /// What was asked, in order: the latest thousand.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a server for WebSockets; of two for the same address, the one added last answers.
    pub fn add_socket(&self, fixture: SocketFixture) {
        self.lock().sockets.push(fixture);
    }

    /// Has the server of an address send a frame on every connection to it. Returns how many there are.
    pub fn push(&self, url: &str, text: &str) -> usize {
        self.order(url, &Order::Send(text.to_owned()))
    }

    /// Has the server of an address end every connection to it. Returns how many there were.
    pub fn drop_sockets(&self, url: &str) -> usize {
        self.order(url, &Order::Drop)
    }

    /// What was sent over WebSockets, in order: the latest thousand.
    pub fn told(&self) -> Vec<SeenFrame> {
        self.lock().told.clone()
    }

    /// Completes when everything that was sent either way was seen to.
    pub async fn settled(&self) {
        loop {
            let open: Vec<Arc<Traffic>> = {
                let mut state = self.lock();
                state.open.retain(|open| !open.orders.is_closed() || !open.traffic.is_quiet());
                state.open.iter().map(|open| Arc::clone(&open.traffic)).collect()
            };
            let Some(busy) = open.into_iter().find(|traffic| !traffic.is_quiet()) else { return };
            busy.quiet().await;
        }
    }

    /// Whether everything that was sent either way was seen to.
    pub fn is_quiet(&self) -> bool {
        self.lock().open.iter().all(|open| open.traffic.is_quiet())
    }

    fn order(&self, url: &str, order: &Order) -> usize {
        let state = self.lock();
        let there = state.open.iter().filter(|open| open.url == url);
        there
            .filter(|open| {
                open.traffic.on_its_way.fetch_add(1, Ordering::AcqRel);
                let given = open.orders.send(order.clone()).is_ok();
                if !given {
                    open.traffic.less();
                }
                given
            })
            .count()
    }

    /// A connection to a server that was written down.
    pub(crate) fn open(self: &Arc<Self>, url: &str) -> Result<(DuplexStream, Arc<Traffic>), FetchError> {
        let mut state = self.lock();
        let found = state.sockets.iter().rev().find(|fixture| fixture.url == url);
        let fixture = found
            .cloned()
            .ok_or_else(|| FetchError::NoFixture { method: "WebSocket".to_owned(), url: url.to_owned() })?;
        if fixture.refuses {
            return Err(FetchError::Broken("no connection: Connection refused".to_owned()));
        }
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let (orders, ordered) = mpsc::unbounded_channel();
        let traffic = Arc::new(Traffic::default());
        state.open.push(Open { url: url.to_owned(), orders, traffic: Arc::clone(&traffic) });
        let server = Server { fixtures: Arc::clone(self), fixture, ordered, traffic: Arc::clone(&traffic) };
        TaskTracker::new().spawn(server.serve(theirs));
        Ok((ours, traffic))
    }

    pub(crate) fn answer(&self, request: &Request, headers: &HeaderMap) -> Result<Canned, FetchError> {
        let (method, url) = (request.method.as_str(), request.url.as_str());
        let mut state = self.lock();
        if state.seen.len() < REMEMBERED {
            let flat = headers
                .iter()
                .map(|(name, value)| {
                    let shown = if value.is_sensitive() {
                        "(a secret)".into()
                    } else {
                        String::from_utf8_lossy(value.as_bytes())
                    };
                    (name.as_str().to_owned(), shown.into_owned())
                })
                .collect();
            let body = request.body.as_deref().map(|body| String::from_utf8_lossy(body).into_owned());
            state.seen.push(Seen {
                method: method.to_owned(),
                url: url.to_owned(),
                headers: flat,
                body: body.unwrap_or_default(),
            });
        }
        let fits = |ready: &&mut Ready| ready.left != Some(0) && ready.fits(method, url);
        let Some(ready) = state.fixtures.iter_mut().find(fits) else {
            return Err(FetchError::NoFixture { method: method.to_owned(), url: url.to_owned() });
        };
        if let Some(left) = &mut ready.left {
            *left -= 1;
        }
        match ready.fixture.fails {
            Some(Failing::Timeout) => Err(FetchError::TimedOut("connect timeout")),
            Some(Failing::Refused) => Err(FetchError::Broken("no connection: Connection refused".to_owned())),
            None => {
                Ok(Canned { status: ready.status, headers: ready.headers.clone(), body: ready.body.clone() })
            }
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
struct Open {
    url: String,
    orders: mpsc::UnboundedSender<Order>,
    traffic: Arc<Traffic>,
}

#[derive(Debug, Clone)]
enum Order {
    Send(String),
    Drop,
}

/// Counts what is on its way over one connection, so that somebody can wait until nothing is.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Sent by one side, and not yet seen to by the other.
    on_its_way: AtomicUsize,
    /// The client is gone: nobody will see to anything.
    is_over: AtomicBool,
    changed: Notify,
}

impl Traffic {
    /// One more from the client.
    pub(crate) fn sent(&self) {
        self.on_its_way.fetch_add(1, Ordering::AcqRel);
    }

    /// The client has seen to one.
    pub(crate) fn taken(&self) {
        self.less();
    }

    fn less(&self) {
        self.on_its_way.fetch_sub(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    fn is_quiet(&self) -> bool {
        self.is_over.load(Ordering::Acquire) || self.on_its_way.load(Ordering::Acquire) == 0
    }

    /// The client is gone.
    pub(crate) fn over(&self) {
        self.is_over.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    async fn quiet(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_quiet() {
                return;
            }
            changed.await;
        }
    }
}

/// The other end of a connection.
struct Server {
    fixtures: Arc<Fixtures>,
    fixture: SocketFixture,
    ordered: mpsc::UnboundedReceiver<Order>,
    traffic: Arc<Traffic>,
}

impl Server {
    async fn serve(mut self, stream: DuplexStream) {
        // Greetings are on their way before anybody can look.
        self.traffic.on_its_way.fetch_add(self.fixture.greets.len(), Ordering::AcqRel);
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
        for greeting in self.fixture.greets.clone() {
            let _it_may_be_gone = socket.send(Message::text(greeting)).await;
        }
        loop {
            tokio::select! {
                order = self.ordered.recv() => match order {
                    // It was counted when it was ordered.
                    Some(Order::Send(text)) => drop(socket.send(Message::text(text)).await),
                    // The end is seen to like a frame.
                    Some(Order::Drop) => {
                        let _it_may_be_gone = socket.close(None).await;
                        // The client says goodbye too.
                        while let Some(Ok(_)) = socket.next().await {}
                        return;
                    }
                    None => return,
                },
                message = socket.next() => match message {
                    Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                        let text = String::from_utf8_lossy(&message.into_data()).into_owned();
                        let replies = self.fixture.replies.iter().filter(|reply| text.contains(&reply.to));
                        for reply in replies {
                            self.traffic.sent();
                            let _it_may_be_gone = socket.send(Message::text(reply.with.clone())).await;
                        }
                        let mut state = self.fixtures.lock();
                        if state.told.len() < REMEMBERED {
                            state.told.push(SeenFrame { url: self.fixture.url.clone(), text });
                        }
                        drop(state);
                        self.traffic.less();
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
            }
        }
    }
}

impl Ready {
    fn read(fixture: Fixture) -> Result<Self, String> {
        let shown = &fixture.url;
        let status = StatusCode::from_u16(fixture.status)
            .map_err(|_| format!("{} is no HTTP status (fixture for {shown})", fixture.status))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &fixture.headers {
            let wrong = || format!("{name:?} is no header (fixture for {shown})");
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?,
                HeaderValue::from_str(value).map_err(|_| wrong())?,
            );
        }
        let body = match (&fixture.body, &fixture.json, &fixture.body_b64) {
            (None, None, None) => Bytes::new(),
            (Some(text), None, None) => Bytes::from(text.clone()),
            (None, Some(json), None) => {
                headers.entry("content-type").or_insert(HeaderValue::from_static("application/json"));
                Bytes::from(json.to_string())
            }
            (None, None, Some(text)) => STANDARD
                .decode(text)
                .map_err(|_| format!("body_b64 is no base64 (fixture for {shown})"))?
                .into(),
            _ => return Err(format!("a fixture has one of body, json and body_b64 (fixture for {shown})")),
        };
        Ok(Self { status, headers, body, left: fixture.times, fixture })
    }

    fn fits(&self, method: &str, url: &str) -> bool {
        let fixture = &self.fixture;
        fixture.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && match fixture.url.strip_suffix('*') {
                Some(beginning) => url.starts_with(beginning),
                None => url == fixture.url || url.strip_suffix('/') == Some(&fixture.url),
            }
    }
}
