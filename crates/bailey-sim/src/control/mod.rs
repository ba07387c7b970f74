//! The control side: act as people, move the clock, order faults, read what people saw. [`Control`] does it in
//! process; `http` offers the same under `/sim/api`.

mod actions;
pub(crate) mod administer;
mod components;
mod find;
pub(crate) mod http;
mod operations;
mod options;
pub(crate) mod recordings;
pub(crate) mod scenarios;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use crate::clock::Snowflake;
use crate::error::ControlError;
use crate::rest::faults::FaultRule;
use crate::rest::log::Entry;
use crate::shared::{Shared, lock};
use crate::state::State;
use crate::state::dispatch_faults::{DispatchFaultRule, EVENTS};
use crate::state::feed::{Observed, SeenMessage};
use crate::state::logins::wrong_redirect_uri;
use crate::state::sessions::{Session, SessionView, Signal};

/// The most that Discord's clock is wrong, a day.
const MOST_SKEW_SECONDS: u64 = 86_400;
/// Connections that suffer from one order.
const MOST_CONNECTION_FAULTS: u32 = 1000;

/// Acts on one simulator; cheap to clone. People, servers, channels and roles are named by name or id. Where the
/// person is left out it is alice (or else the first person), the server the first one, the channel its first text
/// channel.
#[derive(Debug, Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

/// A message to send as a person.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Say {
    /// Who speaks.
    #[serde(rename = "as")]
    pub person: Option<String>,
    /// In which server.
    pub guild: Option<String>,
    /// In which channel.
    pub channel: Option<String>,
    /// The text, at most 2,000 characters.
    pub content: String,
    /// Id of the message this replies to.
    pub reply_to: Option<Snowflake>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// A file a person sends.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attachment {
    /// File name.
    pub filename: String,
    /// What is in it, as text.
    pub content: String,
    /// What is in it, in base64, instead of `content`.
    pub base64: Option<String>,
    /// Its media type; `application/octet-stream` when left out.
    pub content_type: Option<String>,
}

/// A registered command to use.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommandUse {
    /// Who uses it.
    #[serde(rename = "as")]
    pub person: Option<String>,
    /// In which server.
    pub guild: Option<String>,
    /// In which channel.
    pub channel: Option<String>,
    /// The command with its subcommands: `greet`, `trivia play`. A leading `/` is fine.
    pub name: String,
    /// Values by option name. People, channels and roles by name or id; files as [`Attachment`] objects.
    pub options: Map<String, Value>,
    /// For commands on a user or a message: the person's name, or the message's id.
    pub target: Option<String>,
    /// Ask for suggestions for this option instead of using the command.
    pub focused: Option<String>,
}

/// A button to press.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Click {
    /// Who presses it.
    #[serde(rename = "as")]
    pub person: Option<String>,
    /// In which server.
    pub guild: Option<String>,
    /// The button's custom id.
    pub custom_id: Option<String>,
    /// Or its label.
    pub label: Option<String>,
    /// On which message; the newest one that has such a button when left out.
    pub message: Option<Snowflake>,
}

/// Values to choose in a select.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choose {
    /// Who chooses.
    #[serde(rename = "as")]
    pub person: Option<String>,
    /// In which server.
    pub guild: Option<String>,
    /// The select's custom id.
    pub custom_id: String,
    /// Values or labels; names or ids for people, roles and channels.
    pub values: Vec<String>,
    /// On which message; the newest one that has such a select when left out.
    pub message: Option<Snowflake>,
}

/// The form in front of a person, filled.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Submit {
    /// Whose form.
    #[serde(rename = "as")]
    pub person: Option<String>,
    /// The form's custom id, checked when given.
    pub custom_id: Option<String>,
    /// Values by field id or label: text, or a list for selects.
    pub values: Map<String, Value>,
}

/// A reaction to leave or take back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct React {
    /// Whose.
    #[serde(rename = "as")]
    pub person: Option<String>,
    /// In which server.
    pub guild: Option<String>,
    /// In which channel.
    pub channel: Option<String>,
    /// A Unicode emoji.
    pub emoji: String,
    /// On which message; the channel's newest when left out.
    pub message: Option<Snowflake>,
}

/// Somebody joining or leaving a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Membership {
    /// Who; made when nobody has that name.
    pub name: String,
    /// Which server.
    pub guild: Option<String>,
}

/// What an action did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The message that was sent or acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Snowflake>,
    /// The interaction that was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<Snowflake>,
    /// The person who acted, or who joined or left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Snowflake>,
    /// The feed's latest index before the action: what follows from it has greater indexes.
    pub feed_index: u64,
    /// Where each gateway session stands after it.
    pub sessions: Vec<SequenceView>,
}

/// A session's last dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SequenceView {
    /// Session id.
    pub session_id: String,
    /// Sequence number of the last dispatch.
    pub sequence: u64,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs an action under the lock and writes its receipt.
    fn act(
        &self,
        action: impl FnOnce(&mut State, &mut Receipt) -> Result<(), ControlError>,
    ) -> Result<Receipt, ControlError> {
        let feed_index = *self.shared.feed_changed.borrow();
        let mut receipt = Receipt {
            message_id: None,
            interaction_id: None,
            user_id: None,
            feed_index,
            sessions: Vec::new(),
        };
        let mut state = self.shared.state();
        state.expire();
        action(&mut state, &mut receipt)?;
        let sequence =
            |view: SessionView| SequenceView { session_id: view.session_id, sequence: view.sequence };
        receipt.sessions = state.session_views().into_iter().map(sequence).collect();
        Ok(receipt)
    }

    /// Moves a manual clock and lets interaction windows close. Gives the new time in Unix milliseconds.
    ///
    /// # Errors
    /// Under real time, which cannot be moved.
    pub fn advance(&self, by: Duration) -> Result<u64, ControlError> {
        self.shared.recorder.control("advance", &json!({"seconds": by.as_secs_f64()}));
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let Some(now) = self.shared.clock.advance(by) else {
            let hint = "start it with ClockMode::Manual to move time yourself";
            return Err(ControlError::new("this simulator follows real time, which cannot be moved", hint));
        };
        self.shared.state().expire();
        Ok(now)
    }

    /// The simulated time in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.steady_ms()
    }

    /// Sends interactions to this address from now on instead of the gateway, or to the gateway again (`None`). The
    /// address is tried first, as Discord does: with a ping, and with a wrong signature.
    ///
    /// # Errors
    /// When it does not answer as it must.
    pub async fn set_interactions_endpoint(&self, url: Option<&str>) -> Result<(), ControlError> {
        if let Some(url) = url {
            crate::endpoint::probe(&self.shared, url).await?;
        }
        self.shared.state().endpoint = url.map(str::to_owned);
        Ok(())
    }

    /// Lets people be sent back to this address after logging in.
    ///
    /// # Errors
    /// When it is no http(s) address without a fragment, or 100 are registered already.
    pub fn register_redirect_uri(&self, uri: &str) -> Result<(), ControlError> {
        self.shared.recorder.control("register_redirect_uri", &json!({"uri": uri}));
        if let Some(wrong) = wrong_redirect_uri(uri) {
            let text = format!("people cannot be sent back to `{uri}`: {wrong}");
            return Err(ControlError::new(
                text,
                "give the whole address, e.g. http://127.0.0.1:8080/callback",
            ));
        }
        if self.shared.state().register_redirect_uri(uri) {
            return Ok(());
        }
        Err(ControlError::new("100 redirect addresses are registered already", "use one of them"))
    }

    /// Tells connected clients to reconnect and resume (op 7).
    pub fn reconnect(&self) -> Vec<SessionView> {
        self.shared.recorder.control("reconnect", &json!({}));
        self.signal(Signal::Reconnect)
    }

    /// Tells connected clients that their session is invalid (op 9).
    pub fn invalidate_session(&self, resumable: bool) -> Vec<SessionView> {
        self.shared.recorder.control("invalidate_session", &json!({"resumable": resumable}));
        self.signal(Signal::InvalidSession(resumable))
    }

    /// Closes gateway connections with this code (1000-4999), or cuts the line without a word (`None`).
    /// Sessions can be resumed, unless the code is 4003, 4004, 4007 or 4009.
    pub fn drop_connection(&self, code: Option<u16>) -> Vec<SessionView> {
        self.shared.recorder.control("drop_connection", &json!({"code": code}));
        self.signal(Signal::Close(code.map(|code| code.clamp(1000, 4999))))
    }

    /// Refuses the next so many gateway connections with 503 before they begin; at most 1,000.
    pub fn refuse_connections(&self, times: u32) {
        self.shared.recorder.control("refuse_connections", &json!({"times": times}));
        self.shared.state().sessions.refuse = times.min(MOST_CONNECTION_FAULTS);
    }

    /// Cuts the line of the next so many sessions right after they were resumed and told what they missed; at most
    /// 1,000.
    pub fn cut_resumed(&self, times: u32) {
        self.shared.recorder.control("cut_resumed", &json!({"times": times}));
        self.shared.state().sessions.cut_resumed = times.min(MOST_CONNECTION_FAULTS);
    }

    fn signal(&self, signal: Signal) -> Vec<SessionView> {
        let mut state = self.shared.state();
        let connected = state.sessions.by_id.values_mut().filter(|session| session.connection.is_some());
        connected.for_each(|session| session.signal(signal));
        state.session_views()
    }

    /// The heartbeat interval that connections made from now on are told; 10 ms to 41.25 s.
    pub fn set_heartbeat_interval(&self, interval: Duration) {
        self.shared.set_heartbeat(interval);
    }

    /// Orders a fault for coming REST requests.
    ///
    /// # Errors
    /// When 100 rules are waiting already.
    pub fn fault(&self, rule: FaultRule) -> Result<(), ControlError> {
        self.shared.recorder.control("fault", &rule);
        if lock(&self.shared.faults).add(rule) {
            return Ok(());
        }
        Err(ControlError::new("100 fault rules are waiting already", "clear them first"))
    }

    /// Orders a fault for coming dispatches of the gateway.
    ///
    /// # Errors
    /// When the event is none the simulator dispatches, or 100 rules are waiting already.
    pub fn dispatch_fault(&self, rule: DispatchFaultRule) -> Result<(), ControlError> {
        self.shared.recorder.control("dispatch_fault", &rule);
        if let Some(event) = rule.event.as_deref().filter(|event| !EVENTS.contains(event)) {
            let known = format!("there are: {}", EVENTS.join(", "));
            return Err(ControlError::new(format!("no event is called `{event}`"), known));
        }
        if self.shared.state().dispatch_faults.add(rule) {
            return Ok(());
        }
        Err(ControlError::new("100 dispatch fault rules are waiting already", "clear them first"))
    }

    /// Forgets every fault that has not happened yet, for requests, dispatches and
    /// connections; what is held back is sent.
    pub fn clear_faults(&self) {
        self.shared.recorder.control("clear_faults", &json!({}));
        lock(&self.shared.faults).clear();
        let mut state = self.shared.state();
        state.dispatch_faults.clear();
        (state.sessions.refuse, state.sessions.cut_resumed) = (0, 0);
        state.sessions.by_id.values_mut().for_each(Session::release);
    }

    /// Lets Discord's clock run ahead by so many seconds, or behind (less than 0): ids, times in payloads, signatures,
    /// the `Date` header and the ends of rate limits. How long things last does not change. 0: it is right again.
    ///
    /// # Errors
    /// When it is more than a day.
    pub fn clock_skew(&self, seconds: i64) -> Result<(), ControlError> {
        self.shared.recorder.control("clock_skew", &json!({"seconds": seconds}));
        if seconds.unsigned_abs() > MOST_SKEW_SECONDS {
            let hint = format!("give -{MOST_SKEW_SECONDS} to {MOST_SKEW_SECONDS} seconds");
            return Err(ControlError::new(format!("{seconds} seconds is more than a clock is wrong"), hint));
        }
        self.shared.state().set_skew(seconds * 1000);
        Ok(())
    }

    /// Answers everything but interaction endpoints with a global 429 for a while of real time, at most ten minutes.
    pub fn global_rate_limit(&self, how_long: Duration) {
        self.shared.recorder.control("global_rate_limit", &json!({"seconds": how_long.as_secs_f64()}));
        lock(&self.shared.limits).block_globally(how_long.min(Duration::from_secs(600)));
    }

    /// Gateway sessions, connected or waiting to be resumed.
    pub fn sessions(&self) -> Vec<SessionView> {
        self.shared.state().session_views()
    }

    /// Waits until a client has identified or resumed; false when `within` passed first.
    pub async fn wait_for_client(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut heard = self.shared.heard.subscribe();
        loop {
            heard.mark_unchanged();
            if self.sessions().iter().any(|session| session.connected) {
                return true;
            }
            if timeout_at(deadline, heard.changed()).await.is_err() {
                return false;
            }
        }
    }

    /// Asks connected clients for heartbeats until each has acknowledged everything it was sent before this call;
    /// false when `within` passed first.
    pub async fn wait_until_acknowledged(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let wanted: Vec<(String, u64)> =
            self.sessions().into_iter().map(|session| (session.session_id, session.sequence)).collect();
        let mut heard = self.shared.heard.subscribe();
        loop {
            heard.mark_unchanged();
            let behind = self.sessions().into_iter().any(|session| {
                session.connected
                    && wanted
                        .iter()
                        .any(|(id, sequence)| *id == session.session_id && session.acknowledged < *sequence)
            });
            if !behind {
                return true;
            }
            self.signal(Signal::RequestHeartbeat);
            let again = deadline.min(Instant::now() + Duration::from_millis(250));
            if timeout_at(again, heard.changed()).await.is_err() && Instant::now() >= deadline {
                return false;
            }
        }
    }

    /// What people saw, after the item with this index (0: from the start). The latest 4,096 items are kept.
    pub fn observed_since(&self, index: u64) -> Vec<Observed> {
        self.shared.state().feed.since(index)
    }

    /// The same, waiting for at least one item; empty when `within` passed first.
    pub async fn wait_observed(&self, index: u64, within: Duration) -> Vec<Observed> {
        let mut changed = self.shared.feed_changed.clone();
        tokio::time::timeout(within, changed.wait_for(|last| *last > index)).await.ok();
        self.observed_since(index)
    }

    /// Whether an interaction was acknowledged or has failed; `None` when it is unknown.
    pub fn is_answered(&self, interaction: Snowflake) -> Option<bool> {
        let mut state = self.shared.state();
        state.expire();
        state.is_answered(interaction)
    }

    /// The latest REST requests, oldest first; at most 200.
    pub fn requests(&self) -> Vec<Entry> {
        lock(&self.shared.log).list()
    }

    /// Registered commands: those of a server, or the global ones.
    pub fn commands(&self, guild: Option<Snowflake>) -> Vec<Value> {
        self.shared.state().commands.list(guild).to_vec()
    }

    /// A channel's messages as people see them, oldest first, ephemeral ones included.
    pub fn messages(&self, channel: Snowflake) -> Vec<SeenMessage> {
        let state = self.shared.state();
        let channel = state.channels.get(&channel);
        channel
            .into_iter()
            .flat_map(|channel| channel.messages.values())
            .map(|message| state.seen(message))
            .collect()
    }
}
