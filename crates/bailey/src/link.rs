//! The way from Discord to the host: the gateway, and what carries its events to the bus.

use std::sync::Arc;

use bailey_discord::{Checkpoints, Directory, DiscordConfig, Gateway, GatewayStatus, ResumePoint};
use bailey_host::Host;
use bailey_protocol::{Clock, Event, Timestamp};
use bailey_services::Interactions;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::standing::{self, Found, Standing};
use crate::trace::Trace;

/// Events between the gateway and the bus; when it is full the gateway waits.
const EVENTS_IN_TRANSIT: usize = 256;

/// A gateway whose events reach a host.
pub(crate) struct Link {
    gateway: Gateway,
    status: watch::Receiver<GatewayStatus>,
    forwarded: watch::Receiver<u64>,
    tasks: TaskTracker,
    intake: Intake,
    notes: Option<Notes>,
}

/// Writes down where the gateway stands while it runs.
struct Notes {
    keeper: JoinHandle<Standing>,
    stop: CancellationToken,
}

/// Where the gateway stood when it was left, to be written down once its events are done with.
pub(crate) struct Left {
    standing: Standing,
    point: ResumePoint,
}

impl Left {
    /// Writes it down, for the next Bailey to go on there.
    pub(crate) async fn write(mut self, directory: &Directory) {
        self.standing.leave(self.point, directory).await;
    }
}

impl Link {
    /// Connects in the background, and again whenever the connection is lost. With a `standing`, goes on where an
    /// earlier Bailey stood, if it did, and writes down where it stands itself.
    pub(crate) fn start(
        discord: &DiscordConfig,
        host: &Host,
        interactions: Interactions,
        clock: Arc<dyn Clock>,
        directory: Directory,
        trace: Option<Trace>,
        standing: Option<(Standing, Option<Found>)>,
    ) -> Self {
        let (sink, events) = mpsc::channel(EVENTS_IN_TRANSIT);
        let (standing, found) = standing.map_or((None, None), |(standing, found)| (Some(standing), found));
        let position = standing.as_ref().and_then(Standing::position);
        let (point, saved_at) = found.map_or((None, None), |found| (Some(found.point), Some(found.saved_at)));
        let gateway = Gateway::resume(discord, sink, clock, directory, point, position);
        let tasks = TaskTracker::new();
        if let Some(saved_at) = saved_at {
            tasks.spawn(tell_of_a_gap(gateway.status(), saved_at));
        }
        let notes = standing.map(|standing| {
            let stop = CancellationToken::new();
            let keeper = tasks.spawn(keep(standing, gateway.checkpoints(), stop.clone()));
            Notes { keeper, stop }
        });
        let (sender, forwarded) = watch::channel(0);
        let intake = Intake { host: host.clone(), interactions, trace };
        tasks.spawn(forward(events, intake.clone(), sender));
        tasks.close();
        Self { status: gateway.status(), gateway, forwarded, tasks, intake, notes }
    }

    /// Where interactions go that come another way.
    pub(crate) fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// How the gateway is doing, now and from now on.
    pub(crate) fn status(&self) -> watch::Receiver<GatewayStatus> {
        self.status.clone()
    }

    /// Waits until the gateway has handed over everything up to `sequence`, and the bus has it.
    pub(crate) async fn taken_in(&self, sequence: u64) {
        let mut status = self.status();
        let events = match status.wait_for(|status| status.processed_sequence >= sequence).await {
            Ok(status) => status.events,
            Err(_) => return, // the gateway has ended: nothing more comes
        };
        let _ = self.forwarded.clone().wait_for(|forwarded| *forwarded >= events).await;
    }

    /// Says goodbye to Discord; what was heard until then has reached the bus, if anybody reads it. Gives where the
    /// next Bailey can go on.
    pub(crate) async fn stop(self) -> Option<Left> {
        let standing = match self.notes {
            Some(notes) => {
                notes.stop.cancel();
                notes.keeper.await.ok()
            }
            None => None,
        };
        let point = self.gateway.shutdown().await;
        self.tasks.wait().await;
        Some(Left { standing: standing?, point: point? })
    }
}

/// What is done with an event that has come, by whichever way.
#[derive(Clone)]
pub(crate) struct Intake {
    host: Host,
    interactions: Interactions,
    trace: Option<Trace>,
}

impl Intake {
    /// Hands it to the bus, which may make it wait. False once the host is shutting down.
    pub(crate) async fn take(&self, event: Event) -> bool {
        if let Some(trace) = &self.trace {
            trace.taken(&event);
        }
        match self.interactions.take_in(event) {
            Some(event) => self.host.publish(event).await.is_ok(),
            None => true,
        }
    }
}

/// Writes down where a gateway stands, again and again.
async fn keep(mut standing: Standing, checkpoints: Checkpoints, stop: CancellationToken) -> Standing {
    let mut rhythm = tokio::time::interval(standing::EVERY);
    rhythm.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return standing,
            _ = rhythm.tick() => standing.note(&checkpoints).await,
        }
    }
}

/// Says so when Discord did not keep the session for us.
async fn tell_of_a_gap(mut status: watch::Receiver<GatewayStatus>, saved_at: Timestamp) {
    if status.wait_for(|status| status.missed).await.is_ok() {
        tracing::warn!(
            "Discord did not keep the session of the last Bailey: what happened since {saved_at} was not heard"
        );
    }
}

/// Moves events from the gateway to the bus.
async fn forward(mut events: mpsc::Receiver<Event>, intake: Intake, forwarded: watch::Sender<u64>) {
    while let Some(event) = events.recv().await {
        if !intake.take(event).await {
            return;
        }
        forwarded.send_modify(|count| *count += 1);
    }
}
