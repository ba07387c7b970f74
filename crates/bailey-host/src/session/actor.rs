//! Decides when a session has a process: on demand, when there is room, not too soon after a crash, not at
//! all for a while when it does harm, and never again after it was stopped. What follows from the end of a
//! process is in `settle`.

mod settle;

use std::collections::VecDeque;
use std::sync::Arc;

use bailey_protocol::limits;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::life::{self, Start};
use super::restarts::Restarts;
use super::state::everywhere;
use super::{AnnounceError, Announcement, Command, Reply, SessionState, Shared, lock};
use crate::broker::Unanswered;
use crate::installation::Installation;
use crate::supervisor::Place;
use crate::supervisor::breaker::{Opened, Passage};
use crate::supervisor::room::{Full, WaitsFor};

/// Runs a session until it is stopped or its handle is gone.
pub(super) async fn run(
    shared: Arc<Shared>,
    installation: Arc<Installation>,
    commands: mpsc::Receiver<Command>,
) {
    let actor = Actor {
        shared,
        installation,
        commands,
        restarts: Restarts::default(),
        not_before: None,
        rest: "nothing has happened yet".to_owned(),
        announcements: VecDeque::new(),
    };
    actor.run().await;
}

struct Actor {
    shared: Arc<Shared>,
    installation: Arc<Installation>,
    commands: mpsc::Receiver<Command>,
    restarts: Restarts,
    /// It may not start before, and why.
    not_before: Option<(Instant, String)>,
    /// Why there is no process, when nothing forbids one.
    rest: String,
    announcements: VecDeque<Announcement>,
}

/// What waiting led to.
enum Step<T> {
    Go(T),
    Again,
    Stop(Reply<()>),
}

impl Actor {
    async fn run(mut self) {
        let stopped = loop {
            let trial = match self.wait_for_work().await {
                Step::Go(trial) => trial,
                Step::Again => continue,
                Step::Stop(stopped) => break stopped,
            };
            let place = match self.wait_for_place().await {
                Step::Go(place) => place,
                Step::Again => continue,
                Step::Stop(stopped) => break stopped,
            };
            let announcements = std::mem::take(&mut self.announcements);
            let start = Start { announcements, trial, place };
            self.not_before = None;
            let end = life::run(&self.shared, &self.installation, &mut self.commands, start).await;
            if let Some(command) = self.settle(end)
                && let Some(stopped) = self.obey(command)
            {
                break stopped;
            }
        };
        let shared = &self.shared;
        shared.world.plugins.release(&shared.tenant, &self.installation.version);
        shared.set_state(SessionState::Cold, "it was asked to end", None);
        // The installation is gone, or the host ends: nobody will handle what waits.
        shared.give_up_waiting("the plugin was stopped", Unanswered::Stopped, |_| true);
        lock(&shared.news).clear();
        let left = lock(&shared.queue).clear();
        // With its installation an event is gone; a host that ends leaves it behind. One that had been put aside
        // before is simply not delivered yet.
        if shared.world.closing.is_cancelled() {
            for delivery in left.into_iter().filter(|delivery| delivery.tell.is_none()) {
                shared.bury(delivery, "Bailey was stopped before the plugin was done with it".to_owned());
            }
        }
        drop(self.announcements);
        let _ = stopped.send(()); // whoever asked may have lost interest
    }

    /// Waits until there is something to do and it may be done, and says whether it is done on trial.
    async fn wait_for_work(&mut self) -> Step<Option<String>> {
        let shared = Arc::clone(&self.shared);
        loop {
            let wanted = !self.announcements.is_empty()
                || lock(&shared.queue).len() > 0
                || !lock(&shared.news).is_empty();
            let now = Instant::now();
            let until = match self.hindrance(now, wanted) {
                Ok(trial) if wanted => return Step::Go(trial),
                Ok(_) => None,
                Err(until) => Some(until),
            };
            let command = tokio::select! {
                command = self.commands.recv() => Some(command.unwrap_or_else(|| Command::Stop(oneshot::channel().0))),
                () = shared.wake.notified() => None,
                () = sleep_until(until.unwrap_or(now)), if until.is_some() => None,
            };
            if let Some(stopped) = command.and_then(|command| self.obey(command)) {
                return Step::Stop(stopped);
            }
        }
    }

    /// What forbids a start, until when; else whether it would be on trial. The state says so too.
    fn hindrance(&mut self, now: Instant, wanted: bool) -> Result<Option<String>, Instant> {
        let shared = Arc::clone(&self.shared);
        let own = lock(&shared.breaker).passage(now);
        let own_trial = match own {
            Passage::Closed(opened) => return Err(self.broken(opened)),
            Passage::Trial(why) => Some(why),
            Passage::Free => None,
        };
        if let Some((until, why)) = self.not_before.clone().filter(|(until, _)| *until > now) {
            shared.set_state(SessionState::Backoff, why, Some(until));
            return Err(until);
        }
        self.not_before = None;
        let (plugins, version) = (&shared.world.plugins, &self.installation.version);
        let everywhere_trial = match if wanted {
            plugins.claim(&shared.tenant, version)
        } else {
            plugins.passage(&shared.tenant, version)
        } {
            Passage::Closed(opened) => return Err(self.broken(everywhere(opened))),
            Passage::Trial(why) => Some(why),
            Passage::Free => None,
        };
        let trial = own_trial.or(everywhere_trial);
        if !wanted {
            let rest = match &trial {
                Some(why) => format!("the next event is a trial, because {why}"),
                None => self.rest.clone(),
            };
            shared.set_state(SessionState::Cold, rest, None);
        }
        Ok(trial)
    }

    /// Deliveries are stopped: who waits for an answer is told. Events that a process was given and did not
    /// acknowledge stay, for the trial.
    fn broken(&mut self, opened: Opened) -> Instant {
        let shared = &self.shared;
        let last_exit = lock(&shared.status).last_exit.clone();
        let why = match last_exit.filter(|exit| !exit.contains(&opened.why)) {
            Some(exit) => format!("{}; the last time it {exit}", opened.why),
            None => opened.why,
        };
        shared.set_state(SessionState::Broken, why.clone(), Some(opened.until));
        let waiting = lock(&shared.queue)
            .take(|delivery| delivery.attempts == 0 || delivery.event.interaction.is_some());
        for delivery in waiting {
            shared.abandon(delivery, &why, Unanswered::NotRunning);
        }
        for announcement in self.announcements.drain(..) {
            let _ = announcement.reply.send(Err(AnnounceError::NotRunning(why.clone())));
        }
        opened.until
    }

    /// Waits for room, which is found at once unless memory is short or many start at the same time.
    async fn wait_for_place(&mut self) -> Step<Place> {
        let shared = Arc::clone(&self.shared);
        let world = &shared.world;
        let room = &world.rates.room;
        let urgent = lock(&shared.queue).has_interaction();
        let mut place = match world.gate.ask(&shared.tenant.plugin, urgent) {
            Ok(place) => place,
            Err(Full::Line(waiting)) => {
                return self.no_place(format!("more than {waiting} plugins wait for their turn to start"));
            }
            Err(Full::Share(waiting)) => {
                let why = format!("it waits for its turn to start on {waiting} other servers already");
                return self.no_place(why);
            }
        };
        let given_up = Instant::now() + room.patience;
        loop {
            // Looked at first, so that nobody is told of a wait that is none.
            if futures_util::FutureExt::now_or_never(place.granted()).is_some() {
                // Others of the plugin may have failed meanwhile: the place goes to the next in line.
                let version = &self.installation.version;
                if let Passage::Closed(_) = world.plugins.passage(&shared.tenant, version) {
                    return Step::Again;
                }
                shared.set_state(SessionState::Starting, "there is something to do", None);
                return Step::Go(place);
            }
            let what = match place.waits_for() {
                WaitsFor::Memory => "waiting for memory",
                WaitsFor::Turn => "waiting for its turn to start",
            };
            // Here and not in an arm below: events that keep coming would put it off for ever.
            if Instant::now() >= given_up {
                return self.no_place(format!("{what} for {:?} was in vain", room.patience));
            }
            shared.set_state(SessionState::Starting, what, Some(given_up));
            // "Thinking" covers a command for longer; a button must be answered now.
            shared.give_up_waiting(what, Unanswered::Busy, |delivery| {
                delivery.since.elapsed() >= limits::INTERACTION_AUTO_DEFER
                    && delivery.event.interaction.as_ref().is_some_and(|one| one.command.is_none())
            });
            let command = tokio::select! {
                () = place.granted() => continue,
                command = self.commands.recv() => command.unwrap_or_else(|| Command::Stop(oneshot::channel().0)),
                () = shared.wake.notified() => {
                    if lock(&shared.queue).has_interaction() {
                        place.promote();
                    }
                    continue;
                }
                () = sleep_until(given_up.min(Instant::now() + limits::INTERACTION_AUTO_DEFER)) => continue,
            };
            let begins_anew = matches!(command, Command::Replace(..));
            if let Some(stopped) = self.obey(command) {
                return Step::Stop(stopped);
            }
            if begins_anew {
                return Step::Again;
            }
        }
    }

    /// There was no room. Events wait for the next try; people do not.
    fn no_place(&mut self, why: String) -> Step<Place> {
        let shared = &self.shared;
        shared.give_up_waiting(&why, Unanswered::Busy, |_| true);
        for announcement in self.announcements.drain(..) {
            let _ = announcement.reply.send(Err(AnnounceError::NotRunning(why.clone())));
        }
        shared.world.plugins.release(&shared.tenant, &self.installation.version);
        self.not_before = Some((Instant::now() + shared.world.rates.room.again_after, why));
        Step::Again
    }

    /// Carries out a command while there is no process; `Some` when it is to stop.
    fn obey(&mut self, command: Command) -> Option<Reply<()>> {
        match command {
            Command::Stop(reply) => return Some(reply),
            Command::Replace(installation, reply) => {
                self.shared.world.plugins.release(&self.shared.tenant, &self.installation.version);
                lock(&self.shared.status).version.clone_from(&installation.version);
                *lock(&self.shared.breaker) = Default::default();
                self.installation = installation;
                self.restarts = Restarts::default();
                self.not_before = None;
                self.rest = "it was installed anew".to_owned();
                self.shared.unhandled.forget();
                let _ = reply.send(()); // whoever asked may have lost interest
            }
            // One that cannot start now is answered when the loop looks at what hinders it.
            Command::Announce(announcement) => self.announcements.push_back(announcement),
        }
        None
    }
}
