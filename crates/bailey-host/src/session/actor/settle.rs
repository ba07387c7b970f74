//! What follows from the end of a process: when the next may start, what is delivered again, who is told.

use bailey_protocol::{EventKind, limits};
use tokio::time::Instant;

use super::Actor;
use crate::broker::Unanswered;
use crate::observation::Observation;
use crate::session::life::{self, End, EndKind};
use crate::session::queue::Delivery;
use crate::session::{AnnounceError, Command, lock};
use crate::supervisor::breaker::{Opened, Passage};

/// When the next process may start.
enum Verdict {
    /// After a wait.
    NotBefore(Instant),
    /// As a trial, when deliveries to this server are resumed.
    Stopped(Opened),
}

impl Actor {
    /// Draws the consequences of an end; hands on the command that caused it.
    pub(super) fn settle(&mut self, end: End) -> Option<Command> {
        let reason = end.kind.reason().to_owned();
        {
            let mut status = lock(&self.shared.status);
            (status.pid, status.started_at, status.memory) = (None, None, None);
            (status.in_flight, status.oldest_unacknowledged) = (0, None);
            status.last_exit = Some(reason.clone());
        }
        self.shared.world.observer.tell(|| Observation::SessionEnded {
            tenant: self.shared.tenant.clone(),
            reason: reason.clone(),
        });
        for interaction in end.abandoned {
            self.shared.give_up(interaction, end.kind.unanswered());
        }
        self.put_back(end.unacknowledged);
        let follow = match end.kind {
            EndKind::Asked | EndKind::Unloaded(_) => {
                let shared = &self.shared;
                shared.world.plugins.release(&shared.tenant, &self.installation.version);
                self.rest = reason;
                self.announcements.extend(end.unanswered); // for the next process, if there is one
                return end.follow;
            }
            EndKind::Tripped(_) | EndKind::FailedStart(_) | EndKind::Crashed { .. } => end.follow,
        };
        self.rest = format!("the last process {reason}");
        let verdict = self.judge(&end.kind, &reason);
        let sentence = self.sentence(&reason, &verdict);
        for announcement in end.unanswered {
            let _ = announcement.reply.send(Err(AnnounceError::NotRunning(sentence.clone())));
        }
        self.shared.problem(sentence);
        follow
    }

    /// Tells the breakers, and says when the next process may start.
    fn judge(&mut self, kind: &EndKind, reason: &str) -> Verdict {
        let shared = &self.shared;
        let (world, tenant, version) = (&shared.world, &shared.tenant, &self.installation.version);
        let (now, timings) = (Instant::now(), &world.timings);
        let opened = {
            let mut breaker = lock(&shared.breaker);
            match kind {
                EndKind::FailedStart(_) => breaker.start_failed(now, &timings.breakers),
                EndKind::Crashed { .. } => breaker.crashed(now, &timings.breakers),
                _ => match breaker.passage(now) {
                    Passage::Closed(opened) => Some(opened),
                    _ => None,
                },
            }
        };
        let lived = if let EndKind::Crashed { lived, .. } = kind { Some(*lived) } else { None };
        let mut everywhere = None;
        if !matches!(kind, EndKind::Tripped(_)) {
            let wait = self.restarts.ended(lived, timings);
            self.not_before = Some((now + wait, reason.to_owned()));
            everywhere = world.plugins.crashed(tenant, version);
        }
        if opened.is_some() {
            everywhere = world.plugins.stopped(tenant, version).or(everywhere);
        }
        {
            let mut status = lock(&shared.status);
            status.restarts += u64::from(!matches!(kind, EndKind::Tripped(_)));
            status.failed_in_a_row = self.restarts.in_a_row();
            status.told_of_refusal |= opened.is_some(); // by the sentence that follows
        }
        if let Some(everywhere) = everywhere {
            let wait = everywhere.until.duration_since(now).as_secs_f64();
            shared.problem(format!(
                "plugin `{}` {version} is started on no server for {wait:.0} s, then on one to try: {}",
                tenant.plugin, everywhere.why
            ));
        }
        match opened {
            Some(opened) => Verdict::Stopped(opened),
            None => {
                let until = self.not_before.as_ref().map_or(now, |(until, _)| *until);
                if until > now + limits::INTERACTION_AUTO_DEFER {
                    shared.give_up_waiting(
                        "the plugin does not start soon enough",
                        Unanswered::NotRunning,
                        |_| true,
                    );
                }
                Verdict::NotBefore(until)
            }
        }
    }

    fn sentence(&self, reason: &str, verdict: &Verdict) -> String {
        let (plugin, now) = (&self.shared.tenant.plugin, Instant::now());
        match verdict {
            Verdict::NotBefore(until) => {
                let wait = until.duration_since(now).as_secs_f64();
                format!("plugin `{plugin}` {reason}. It may start again in {wait:.0} s")
            }
            Verdict::Stopped(opened) => {
                let wait = opened.until.saturating_duration_since(now).as_secs_f64();
                let why = capitalised(&opened.why);
                format!(
                    "plugin `{plugin}` {reason}. {why}: the next try is not before {wait:.0} s from now, and events are only counted until then"
                )
            }
        }
    }

    /// Unacknowledged events go to the next process, unless it is too late or too often.
    fn put_back(&self, unacknowledged: Vec<Delivery>) {
        let mut again = Vec::new();
        for delivery in unacknowledged {
            if delivery.event.kind == EventKind::Cron {
                // A time is told once: whether the plugin was done with it is not known.
                let reason =
                    "the process that was told of it ended before it was done, and a time is not told twice";
                self.shared.abandon(delivery, reason, Unanswered::Died);
            } else if delivery.attempts >= limits::DELIVERY_ATTEMPTS {
                let reason = format!("it was delivered {} times and never acknowledged", delivery.attempts);
                self.shared.abandon(delivery, &reason, Unanswered::Died);
            } else if life::too_late(&delivery, self.shared.world.clock.now()) {
                self.shared.abandon(delivery, "it is too late to answer the interaction", Unanswered::Died);
            } else {
                again.push(delivery);
            }
        }
        lock(&self.shared.queue).put_back(again);
    }
}

/// A clause as the beginning of a sentence.
fn capitalised(clause: &str) -> String {
    let mut characters = clause.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
