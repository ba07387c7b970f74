//! The way from Discord to the host: the gateway, and what carries its events to the bus.

use std::sync::Arc;

use bailey_discord::{Directory, DiscordConfig, Gateway, GatewayStatus};
use bailey_host::Host;
use bailey_protocol::{Clock, Event};
use bailey_services::Interactions;
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

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
}

impl Link {
    /// Connects in the background, and again whenever the connection is lost.
    pub(crate) fn start(
        discord: &DiscordConfig,
        host: &Host,
        interactions: Interactions,
        clock: Arc<dyn Clock>,
        directory: Directory,
        trace: Option<Trace>,
    ) -> Self {
        let (sink, events) = mpsc::channel(EVENTS_IN_TRANSIT);
        let gateway = Gateway::start(discord, sink, clock, directory);
        let (sender, forwarded) = watch::channel(0);
        let tasks = TaskTracker::new();
        let intake = Intake { host: host.clone(), interactions, trace };
        tasks.spawn(forward(events, intake.clone(), sender));
        tasks.close();
        Self { status: gateway.status(), gateway, forwarded, tasks, intake }
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

    /// Says goodbye to Discord; what was heard until then has reached the bus, if anybody reads it.
    pub(crate) async fn stop(self) {
        let _ = self.gateway.shutdown().await; // where it left off is of no use to a process that ends
        self.tasks.wait().await;
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

/// Moves events from the gateway to the bus.
async fn forward(mut events: mpsc::Receiver<Event>, intake: Intake, forwarded: watch::Sender<u64>) {
    while let Some(event) = events.recv().await {
        if !intake.take(event).await {
            return;
        }
        forwarded.send_modify(|count| *count += 1);
    }
}
