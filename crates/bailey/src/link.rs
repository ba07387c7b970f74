//! The way from Discord to the host: the gateways of all shards, and what carries their events to the bus.

use std::sync::Arc;

use bailey_discord::{
    Checkpoints, Directory, DiscordConfig, GatewayStatus, ResumePoint, ShardId, ShardPlan, ShardStart,
    Shards, ShardsStatus,
};
use bailey_host::Host;
use bailey_protocol::{Clock, Event, Timestamp};
use bailey_services::Interactions;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::standing::{self, Found, Standing};
use crate::trace::Trace;

/// Events between the gateways and the bus; when it is full the gateways wait.
const EVENTS_IN_TRANSIT: usize = 256;

/// What a link is made of.
pub(crate) struct LinkOptions<'a> {
    pub(crate) discord: &'a DiscordConfig,
    pub(crate) plan: &'a ShardPlan,
    pub(crate) host: &'a Host,
    pub(crate) interactions: Interactions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) directory: &'a Directory,
    pub(crate) trace: Option<Trace>,
    /// By shard; none if it is not to be written down where they stand.
    pub(crate) standings: Vec<(Standing, Option<Found>)>,
}

/// Gateways whose events reach a host.
pub(crate) struct Link {
    shards: Shards,
    forwarded: watch::Receiver<u64>,
    tasks: TaskTracker,
    intake: Intake,
    /// By shard, if there are any.
    notes: Vec<JoinHandle<Standing>>,
    stop_notes: CancellationToken,
}

/// Where the gateways stood when they were left, to be written down once their events are done with.
pub(crate) struct Left(Vec<(Standing, ResumePoint)>);

impl Left {
    /// Writes it down, for the next Bailey to go on there.
    pub(crate) async fn write(self, directory: &Directory) {
        for (mut standing, point) in self.0 {
            standing.leave(point, directory).await;
        }
    }
}

impl Link {
    /// Connects in the background, and again whenever a connection is lost. With `standings`, goes on where an earlier
    /// Bailey stood, if it did, and writes down where it stands itself.
    pub(crate) fn start(options: LinkOptions<'_>) -> Self {
        let LinkOptions { discord, plan, host, interactions, clock, directory, trace, standings } = options;
        let (sink, events) = mpsc::channel(EVENTS_IN_TRANSIT);
        let (mut starts, mut keepers, mut saved) = (Vec::new(), Vec::new(), Vec::new());
        for (standing, found) in standings {
            let (point, saved_at) =
                found.map_or((None, None), |found| (Some(found.point), Some(found.saved_at)));
            starts.push(ShardStart { point, position: standing.position() });
            keepers.push(standing);
            saved.push(saved_at);
        }
        let shards = Shards::start(discord, plan, sink, clock, directory, starts);
        let (tasks, stop_notes) = (TaskTracker::new(), CancellationToken::new());
        for (gateway, saved_at) in shards.gateways().iter().zip(saved) {
            if let Some(saved_at) = saved_at {
                tasks.spawn(tell_of_a_gap(gateway.shard(), gateway.status(), saved_at));
            }
        }
        let notes = shards.gateways().iter().zip(keepers).map(|(gateway, standing)| {
            tasks.spawn(keep(standing, gateway.checkpoints(), stop_notes.clone()))
        });
        let notes = notes.collect();
        let (sender, forwarded) = watch::channel(0);
        let intake = Intake { host: host.clone(), interactions, trace };
        tasks.spawn(forward(events, intake.clone(), sender));
        tasks.close();
        Self { shards, forwarded, tasks, intake, notes, stop_notes }
    }

    /// Where interactions go that come another way.
    pub(crate) fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// How the gateways are doing together, now and from now on.
    pub(crate) fn status(&self) -> watch::Receiver<ShardsStatus> {
        self.shards.status()
    }

    /// How each is doing.
    pub(crate) fn each(&self) -> Vec<(ShardId, watch::Receiver<GatewayStatus>)> {
        self.shards.gateways().iter().map(|gateway| (gateway.shard(), gateway.status())).collect()
    }

    /// Waits until the gateway of a bot's one shard has handed over everything up to `sequence`, and the bus has it.
    pub(crate) async fn taken_in(&self, sequence: u64) {
        let Some(gateway) = self.shards.gateways().first() else { return };
        let mut status = gateway.status();
        let events = match status.wait_for(|status| status.processed_sequence >= sequence).await {
            Ok(status) => status.events,
            Err(_) => return, // the gateway has ended: nothing more comes
        };
        let _ = self.forwarded.clone().wait_for(|forwarded| *forwarded >= events).await;
    }

    /// Says goodbye to Discord; what was heard until then has reached the bus, if anybody reads it. Gives where the
    /// next Bailey can go on.
    pub(crate) async fn stop(self) -> Left {
        self.stop_notes.cancel();
        let mut standings = Vec::new();
        for keeper in self.notes {
            standings.push(keeper.await.ok());
        }
        let points = self.shards.shutdown().await;
        self.tasks.wait().await;
        Left(standings.into_iter().zip(points).filter_map(|(standing, point)| standing.zip(point)).collect())
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
async fn tell_of_a_gap(shard: ShardId, mut status: watch::Receiver<GatewayStatus>, saved_at: Timestamp) {
    if status.wait_for(|status| status.missed).await.is_ok() {
        tracing::warn!(
            shard = shard.number(),
            "Discord did not keep the session of the last Bailey: what happened since {saved_at} was not heard"
        );
    }
}

/// Moves events from the gateways to the bus.
async fn forward(mut events: mpsc::Receiver<Event>, intake: Intake, forwarded: watch::Sender<u64>) {
    while let Some(event) = events.recv().await {
        if !intake.take(event).await {
            return;
        }
        forwarded.send_modify(|count| *count += 1);
    }
}
