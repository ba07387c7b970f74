//! What a process says: acknowledgements, log lines, calls, answers, and noise.

use std::collections::VecDeque;
use std::sync::Arc;

use bailey_protocol::frame::{PluginFrame, RequestId};
use bailey_protocol::lines::{self, Found};
use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::method::{Done, EventIds};
use bailey_protocol::{CallError, InteractionId, Method, Params};
use futures_util::FutureExt;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::flight::InFlight;
use super::life::Life;
use super::lock;
use super::slots::Slot;
use super::streams::{Line, Outgoing};
use crate::broker::{self, Answer, Call, Caller, Unanswered};
use crate::bucket::Bucket;
use crate::dead_letters::Settled;
use crate::observation::{Observation, shown};

/// What a line costs beside its bytes, so that many short ones are no cheaper than few long ones.
pub(super) const LINE_COST: f64 = 256.0;

/// What was read and not yet worked off, and how fast more may be read.
pub(super) struct Inbox {
    found: VecDeque<Found>,
    /// A slot for the call at the front.
    pub(super) slot: Option<Slot>,
    /// The process says too much: nothing is read before.
    pub(super) resumes_at: Option<Instant>,
    calls: Bucket,
    chatter: Bucket,
    warned_of_foreign_hint: bool,
}

impl Inbox {
    pub(super) fn new(calls: Bucket, chatter: Bucket) -> Self {
        Self {
            found: VecDeque::new(),
            slot: None,
            resumes_at: None,
            calls,
            chatter,
            warned_of_foreign_hint: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn take_line(&mut self, line: Line) {
        let found = if line.cut { lines::read_cut(&line.bytes) } else { lines::read(&line.bytes) };
        self.found.extend(found);
    }

    /// The size of the call at the front that has no slot yet.
    pub(super) fn wants_slot(&self) -> Option<usize> {
        if self.slot.is_some() {
            return None;
        }
        self.found.front().and_then(size_of_call)
    }

    /// Counts output that is neither call nor acknowledgement.
    fn spend(&mut self, bytes: usize) {
        if let Some(wait) = self.chatter.spend(bytes as f64 + LINE_COST) {
            self.resumes_at = Some(Instant::now() + wait);
        }
    }
}

/// The bytes of a message that takes a slot; `None` for one that does not.
fn size_of_call(found: &Found) -> Option<usize> {
    match found {
        Found::Frame(PluginFrame::Request { method, params, .. }) => {
            Some(method.len() + lines::params_of(params.as_deref()).len())
        }
        Found::Refused { .. } => Some(0),
        _ => None,
    }
}

impl Life {
    /// Works off what was read, as far as there are slots.
    pub(super) fn work_off(&mut self) {
        while let Some(found) = self.inbox.found.front() {
            let slot = match size_of_call(found) {
                None => None,
                Some(bytes) => match self.inbox.slot.take().or_else(|| self.slots.try_take(bytes)) {
                    Some(slot) => Some(slot),
                    None => return,
                },
            };
            let Some(found) = self.inbox.found.pop_front() else { return };
            self.take(found, slot);
        }
    }

    fn take(&mut self, found: Found, slot: Option<Slot>) {
        if !matches!(found, Found::Output(_)) {
            self.heard();
        }
        match found {
            Found::Frame(PluginFrame::Request { id, method, params }) => {
                self.request(id, &method, params.as_deref(), slot);
            }
            Found::Frame(PluginFrame::Notification { method, params }) => {
                self.notification(&method, params.as_deref());
            }
            Found::Frame(PluginFrame::Response { id, outcome }) => {
                if !self.answered(&id, outcome.map(|_| ())) {
                    self.noise(&format!("an answer to a request nobody made: {id:?}"));
                }
            }
            Found::Refused { id, method, error } => {
                self.inbox.spend(0);
                self.refuse(&id, &method, error, slot);
            }
            Found::Output(text) => self.noise(&text),
        }
    }

    fn noise(&mut self, text: &str) {
        self.inbox.spend(text.len());
        self.noise.take(LogLevel::Stdout, text);
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>) {
        let size = lines::params_of(params).len();
        let Ok(params) = Params::parse(params) else {
            self.inbox.spend(size);
            return self.noise(&format!("{method} with parameters that are no object"));
        };
        match method.parse() {
            Ok(Method::EventAck) => self.ack(&params),
            Ok(Method::EventFail) => self.fail(&params),
            Ok(Method::PluginLog) => self.log(&params, size),
            // A call sent as a notification wants no answer, so nobody would learn how it went.
            Ok(_) | Err(_) => {
                self.inbox.spend(size);
                tracing::debug!(tenant = %self.shared.tenant, method, "a notification nobody knows");
            }
        }
    }

    fn ack(&mut self, params: &Params) {
        let Ok(named) = EventIds::parse(params) else { return self.inbox.spend(0) };
        for id in &named.ids {
            match self.flight.ack(id) {
                Some(done) => self.settled(done, !named.single),
                None => self.inbox.spend(id.len()),
            }
        }
    }

    /// An event is done with: what it held is given back.
    pub(super) fn settled(&mut self, mut done: InFlight, handled: bool) {
        done.delivery.settle(Settled::Acknowledged);
        let event = &done.delivery.event;
        if !handled && !done.failed && self.boot_answered {
            self.shared.unhandled.learn(event.kind);
        }
        if let Some(interaction) = &event.interaction {
            match (done.failed, handled || !self.boot_answered) {
                (true, _) => self.shared.give_up(interaction.id, Unanswered::Failed),
                (false, true) => self.shared.handled(interaction.id),
                (false, false) => self.shared.give_up(interaction.id, Unanswered::NoHandler),
            }
        }
        self.shared.world.observer.tell(|| Observation::EventAcked {
            tenant: self.shared.tenant.clone(),
            event: event.id.clone(),
            handled: handled || done.failed,
        });
        // What nobody handles says nothing about how well it is handled.
        if handled || done.failed {
            self.judge(done.failed);
        }
    }

    /// Tells the breakers how an event went.
    fn judge(&mut self, failed: bool) {
        let shared = Arc::clone(&self.shared);
        let limits = &shared.world.timings.breakers;
        let opened = lock(&shared.breaker).handled(Instant::now(), failed, limits);
        match opened {
            Some(opened) => self.trip(opened.why),
            None if !failed => self.trial_passed(),
            None => {}
        }
    }

    fn fail(&mut self, params: &Params) {
        let Ok(named) = EventIds::parse(params) else { return self.inbox.spend(0) };
        let reason = params.text_or_empty("reason").unwrap_or_default();
        let reason = self.shared.world.calls.blot(&self.shared.tenant, reason);
        let due = Instant::now() + self.shared.world.timings.fail_settle;
        for id in &named.ids {
            match self.flight.fail(id, due) {
                Some(failed) => self.shared.world.observer.tell(|| Observation::EventFailed {
                    tenant: self.shared.tenant.clone(),
                    event: failed.delivery.event.id.clone(),
                    reason: reason.chars().take(200).collect(),
                }),
                None => self.inbox.spend(id.len()),
            }
        }
    }

    fn log(&mut self, params: &Params, size: usize) {
        self.inbox.spend(size);
        self.shared.log(&self.installation.version, LogLine::parse(params));
    }

    fn request(&mut self, id: RequestId, method: &str, raw: Option<&RawValue>, slot: Option<Slot>) {
        let known = match method.parse::<Method>() {
            Ok(known) => known,
            Err(error) => {
                self.inbox.spend(lines::params_of(raw).len());
                return self.refuse(&id, method, error, slot);
            }
        };
        let params = match Params::parse(raw) {
            Ok(params) => params,
            Err(error) => return self.refuse(&id, method, error, slot),
        };
        match known {
            // The oldest SDKs acknowledge by a request.
            Method::EventAck => self.ack(&params),
            Method::EventFail => self.fail(&params),
            Method::PluginLog => self.log(&params, lines::params_of(raw).len()),
            _ => return self.call(id, known, params, raw, slot),
        }
        let answer = broker::to_raw(&Done::OK);
        self.answer(&id, &answer, slot);
    }

    fn call(
        &mut self,
        id: RequestId,
        method: Method,
        params: Params,
        raw: Option<&RawValue>,
        slot: Option<Slot>,
    ) {
        if let Err(retry_after) = self.inbox.calls.take(1.0) {
            self.inbox.spend(lines::params_of(raw).len());
            let error = CallError::RateLimited { scope: "calls".to_owned(), retry_after };
            return self.refuse(&id, method.as_str(), error, slot);
        }
        self.check_hint(&params);
        let caller = Caller {
            grants: Arc::clone(&self.grants),
            interaction: self.flight.current_interaction(params.event_id.as_deref()),
        };
        let answers_interaction = answered_interaction(method, &params, &caller)
            .and_then(|interaction| self.flight.answered_mark(interaction));
        let world = Arc::clone(&self.shared.world);
        let shown_params =
            if world.observer.listens() { shown(lines::params_of(raw)) } else { String::new() };
        let call = Call { caller, id, method, params, shown_params };
        let (answers, busy) = (self.answers(), world.quiet.hold());
        let waiting = self.waits.begin();
        self.last_active = Instant::now();
        let mut carrying_out = Box::pin(async move {
            let deadline = world.timings.call_deadline;
            let calls = Arc::clone(&world.calls);
            let (line, succeeded) = broker::carry_out(calls, world.observer.clone(), call, deadline).await;
            if let Some(mark) = answers_interaction.filter(|_| succeeded) {
                mark.store(true, std::sync::atomic::Ordering::Release);
            }
            drop(waiting);
            if let Some(sender) = answers.and_then(|answers| answers.upgrade()) {
                // Failing means that the process is gone, and its questions with it.
                let _ = sender.send(Outgoing { line, held: slot.map(|slot| (slot, busy)) }).await;
            }
        });
        // As far as it gets at once, here: a task of its own costs a wake-up of another thread.
        if carrying_out.as_mut().now_or_never().is_none() {
            self.shared.world.tasks.spawn(carrying_out);
        }
    }

    /// The server an SDK names is a hint and never decides; one that is wrong is worth a look.
    fn check_hint(&mut self, params: &Params) {
        let Some(hint) = &params.server_id else { return };
        if *hint != self.shared.tenant.guild.to_string() && !self.inbox.warned_of_foreign_hint {
            self.inbox.warned_of_foreign_hint = true;
            tracing::warn!(tenant = %self.shared.tenant, "a call of {} names another server; ignored", self.shared.tenant);
        }
    }

    fn refuse(&mut self, id: &RequestId, method: &str, error: CallError, slot: Option<Slot>) {
        self.shared.world.observer.tell(|| broker::refused(&self.shared.tenant, method, &error));
        self.answer(id, &Err(error), slot);
    }

    fn answer(&mut self, id: &RequestId, answer: &Answer, slot: Option<Slot>) {
        let busy = self.shared.world.quiet.hold();
        self.send(Outgoing { line: broker::answer_line(id, answer), held: slot.map(|slot| (slot, busy)) });
    }
}

/// The interaction a call answers if it succeeds.
fn answered_interaction(method: Method, params: &Params, caller: &Caller) -> Option<InteractionId> {
    let answers = matches!(
        method,
        Method::InteractionRespond
            | Method::InteractionDefer
            | Method::InteractionFollowup
            | Method::InteractionSendModal
    );
    if !answers {
        return None;
    }
    let named = || params.optional_id("_interaction_id").ok().flatten();
    match caller.interaction {
        Some(current) if current.certain => Some(current.id),
        current => named().or(current.map(|current| current.id)),
    }
}
