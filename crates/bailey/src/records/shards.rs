//! Publishes how the host's connections to Discord are doing, once a second as far as it changed.

use std::sync::Arc;

use bailey_discord::{GatewayState, GatewayStatus, ShardId};
use bailey_store::ShardReport;
use tokio::sync::watch;

use super::{LOOK_AGAIN, Shared};
use crate::error::chain;

/// Looks after which everything is said again: the database may have forgotten this host.
const SAY_AGAIN: usize = 30;

/// A shard, and where its gateway says how it is doing.
pub(crate) type Watched = (ShardId, watch::Receiver<GatewayStatus>);

/// Publishes until it is to stop.
pub(super) async fn publish(shared: Arc<Shared>, gateways: Vec<Watched>) {
    let mut published: Vec<Option<ShardReport>> = vec![None; gateways.len()];
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    for look in (0..SAY_AGAIN).cycle() {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.ending.cancelled() => return,
        }
        if look == 0 {
            published.fill(None);
        }
        let reports: Vec<ShardReport> =
            gateways.iter().map(|(shard, status)| report(*shard, &status.borrow())).collect();
        let changed: Vec<ShardReport> = reports
            .iter()
            .zip(&published)
            .filter(|(now, before)| before.as_ref() != Some(now))
            .map(|(now, _)| now.clone())
            .collect();
        if changed.is_empty() {
            continue;
        }
        match shared.store.publish_shards(&shared.host.id, &changed).await {
            Ok(()) => {
                published = reports.into_iter().map(Some).collect();
                away = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!("how Discord is connected is not published: {}", chain(&error));
                }
            }
        }
    }
}

/// A gateway in the words of the records.
fn report(shard: ShardId, status: &GatewayStatus) -> ShardReport {
    let (state, reason) = match &status.state {
        GatewayState::Connecting => ("connecting", None),
        GatewayState::Ready => ("ready", None),
        GatewayState::Resuming => ("resuming", None),
        GatewayState::Fatal(reason) => ("ended", Some(reason.clone())),
    };
    ShardReport {
        shard: shard.number(),
        shards: shard.total(),
        state: state.to_owned(),
        reason,
        guilds: status.guilds as u64,
        latency: status.latency,
        last_event_at: status.last_event_at,
    }
}
