//! Events a plugin will not handle, and the people who wait for an answer to them: they are told so.

use bailey_protocol::{InteractionId, limits};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::queue::Delivery;
use super::{SessionState, Shared, lock};
use crate::broker::Unanswered;
use crate::observation::Observation;
use crate::supervisor::breaker::Opened;

impl Shared {
    /// An event that comes while deliveries are stopped: counted, and whoever waits for an answer is told. That
    /// it happens is told once.
    pub(super) fn refuse(&self, delivery: Delivery, opened: &Opened) {
        let tell = {
            let mut status = lock(&self.status);
            status.refused += 1;
            !std::mem::replace(&mut status.told_of_refusal, true)
        };
        if tell {
            self.problem(format!(
                "events for plugin `{}` are not delivered for now, only counted: {}",
                self.tenant.plugin, opened.why
            ));
        }
        self.world.observer.tell(|| Observation::EventRefused {
            tenant: self.tenant.clone(),
            event: delivery.event.id.clone(),
            reason: opened.why.clone(),
        });
        if let Some(interaction) = &delivery.event.interaction {
            self.give_up(interaction.id, Unanswered::NotRunning);
        }
    }

    /// Puts a delivery aside for good, and tells whoever waits for an answer.
    pub(super) fn abandon(&self, delivery: Delivery, reason: &str, why: Unanswered) {
        if let Some(interaction) = &delivery.event.interaction {
            self.give_up(interaction.id, why);
        }
        self.bury(delivery, reason.to_owned());
    }

    /// The plugin will not answer this any more.
    pub(super) fn give_up(&self, interaction: InteractionId, why: Unanswered) {
        self.follow(self.world.calls.give_up(&self.tenant, interaction, why));
    }

    /// The plugin is done with this.
    pub(super) fn handled(&self, interaction: InteractionId) {
        self.follow(self.world.calls.handled(&self.tenant, interaction));
    }

    /// Carries on beside the session; the host is not quiet meanwhile.
    fn follow(&self, mut telling: BoxFuture<'static, ()>) {
        if telling.as_mut().now_or_never().is_some() {
            return;
        }
        let (busy, deadline) = (self.world.quiet.hold(), self.world.timings.call_deadline);
        self.world.tasks.spawn(async move {
            if tokio::time::timeout(deadline, telling).await.is_err() {
                tracing::warn!(
                    "a person could not be told within {deadline:?} that a plugin does not answer"
                );
            }
            drop(busy);
        });
    }

    /// Whether it waits longer after a crash than a person should.
    pub(super) fn is_far_from_starting(&self) -> bool {
        let status = lock(&self.status);
        status.state == SessionState::Backoff
            && status.until.is_some_and(|until| until > Instant::now() + limits::INTERACTION_AUTO_DEFER)
    }

    /// Gives up the interactions that wait, those of them that are wanted.
    pub(super) fn give_up_waiting(&self, reason: &str, why: Unanswered, wanted: impl Fn(&Delivery) -> bool) {
        let waiting =
            lock(&self.queue).take(|delivery| delivery.event.interaction.is_some() && wanted(delivery));
        for delivery in waiting {
            self.abandon(delivery, reason, why);
        }
    }
}
