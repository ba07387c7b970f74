//! All shards of a bot in one process: a gateway each, which share the way out, the directory, and Discord's pace of
//! beginning sessions. What happens to one is none of the others' business.

use std::sync::Arc;

use bailey_protocol::{Clock, Event};
use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use twilight_gateway::ConfigBuilder;

use super::buckets::Buckets;
use super::status::{Overview, ShardsStatus};
use super::{Company, Gateway, Position, ResumePoint, connection};
use crate::config::DiscordConfig;
use crate::directory::Directory;
use crate::shard::ShardPlan;

/// What a shard begins with.
#[derive(Debug, Default)]
pub struct ShardStart {
    /// Where an earlier gateway of this shard left off; without it a new session is begun.
    pub point: Option<ResumePoint>,
    /// Where it writes how far it is.
    pub position: Option<Position>,
}

/// The gateways of all shards of a bot, kept up until they are shut down or dropped.
#[derive(Debug)]
pub struct Shards {
    gateways: Vec<Gateway>,
    status: watch::Receiver<ShardsStatus>,
}

impl Shards {
    /// Connects all shards in the background, and hands the events of all to `sink`: those of one server in order, for a
    /// server lives on one shard. Shards with a point go on at once. The others begin in the order of their numbers,
    /// as fast as the plan says; `starts` has what each begins with, and may be short of the last ones.
    pub fn start(
        config: &DiscordConfig,
        plan: &ShardPlan,
        sink: mpsc::Sender<Event>,
        clock: Arc<dyn Clock>,
        directory: &Directory,
        mut starts: Vec<ShardStart>,
    ) -> Self {
        starts.resize_with(plan.shards().count(), ShardStart::default);
        let anew = plan.shards().zip(&starts).filter(|(_, start)| start.point.is_none());
        let queue = Buckets::new(&plan.starts, anew.map(|(shard, _)| shard));
        let shared = connection(config).queue(queue).build();
        let (overview, status) = Overview::of(plan.shards.get(), directory.guild_count());
        let mut before: Option<CancellationToken> = None;
        let gateways = plan.shards().zip(starts).map(|(shard, start)| {
            let begun = CancellationToken::new();
            // Whoever resumes waits for nobody, and nobody for it: only new sessions have a pace.
            let turn = if start.point.is_none() { before.replace(begun.clone()) } else { None };
            let company = Company {
                sink: sink.clone(),
                clock: Arc::clone(&clock),
                directory: directory.clone(),
                overview: overview.clone(),
                turn,
                begun,
            };
            Gateway::connect(shard, ConfigBuilder::from(shared.clone()), company, start)
        });
        Self { gateways: gateways.collect(), status }
    }

    /// How all are doing together, now and from now on. The channel closes when all have ended.
    pub fn status(&self) -> watch::Receiver<ShardsStatus> {
        self.status.clone()
    }

    /// The gateway of each shard, by its number.
    pub fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }

    /// Disconnects all at once so that their sessions can be resumed for a while, and says where each stood. Takes at
    /// most a few seconds.
    pub async fn shutdown(self) -> Vec<Option<ResumePoint>> {
        join_all(self.gateways.into_iter().map(Gateway::shutdown)).await
    }
}
