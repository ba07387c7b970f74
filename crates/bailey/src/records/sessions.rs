//! Publishes what the host's sessions do, once a second as far as it changed, and that the host lives.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bailey_host::{Host, SessionView};
use bailey_protocol::{Tenant, Timestamp};
use bailey_store::{SessionReport, StoreError};

use super::{LOOK_AGAIN, Shared};
use crate::error::chain;

/// Looks between two heartbeats.
const HEARTBEAT_EVERY: u32 = 3;
/// Memory is told in steps of this many bytes, so that it does not change with every look.
const MEMORY_STEP: u64 = 1024 * 1024;
/// Milliseconds by which a time to come must differ to be told anew.
const UNTIL_STEP: u64 = 500;

/// Publishes until it is to stop.
pub(super) async fn publish(shared: Arc<Shared>, host: Host) {
    let ending = shared.ending.clone();
    let mut publisher = Publisher { shared, host, published: HashMap::new() };
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut looks, mut away) = (0_u32, false);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ending.cancelled() => return,
        }
        let heartbeat = looks.is_multiple_of(HEARTBEAT_EVERY) || away;
        looks = looks.wrapping_add(1);
        match publisher.look(heartbeat).await {
            Ok(()) => away = false,
            Err(error) => {
                if !away {
                    tracing::warn!("what the sessions do is not published: {}", chain(&error));
                }
                away = true;
            }
        }
    }
}

struct Publisher {
    shared: Arc<Shared>,
    host: Host,
    /// What the database knows.
    published: HashMap<Tenant, SessionReport>,
}

impl Publisher {
    async fn look(&mut self, heartbeat: bool) -> Result<(), StoreError> {
        let Shared { store, host, letters, .. } = &*self.shared;
        if heartbeat && !store.host_lives(&host.id, letters.lost()).await? {
            // It was away for so long that it was forgotten.
            store.host_started(host).await?;
            self.published.clear();
        }
        let views = self.host.sessions();
        let present: HashSet<&Tenant> = views.iter().map(|view| &view.tenant).collect();
        let ended: Vec<Tenant> =
            self.published.keys().filter(|tenant| !present.contains(tenant)).cloned().collect();
        let mut changed = Vec::new();
        for view in &views {
            let before = self.published.get(&view.tenant);
            let report = report(view, before, heartbeat);
            if before != Some(&report) {
                changed.push(report);
            }
        }
        if changed.is_empty() && ended.is_empty() {
            return Ok(());
        }
        store.publish_sessions(&host.id, &changed, &ended).await?;
        for tenant in &ended {
            self.published.remove(tenant);
        }
        self.published.extend(changed.into_iter().map(|report| (report.tenant.clone(), report)));
        Ok(())
    }
}

/// A session in the words of the records; its memory is told anew only if asked to.
fn report(view: &SessionView, before: Option<&SessionReport>, weigh: bool) -> SessionReport {
    let same_process = before.filter(|before| before.pid == view.pid && view.pid.is_some());
    let memory = match same_process {
        Some(before) if !weigh => before.memory,
        _ => view.memory.map(|bytes| bytes.next_multiple_of(MEMORY_STEP)),
    };
    // What is still to come is reckoned anew at each look, and comes out a little different: that is no change.
    let near = |now: &Timestamp, then: &Timestamp| now.0.abs_diff(then.0) < UNTIL_STEP;
    let until = match (view.until, before.and_then(|before| before.until)) {
        (Some(now), Some(then)) if near(&now, &then) => Some(then),
        (now, _) => now,
    };
    SessionReport {
        tenant: view.tenant.clone(),
        state: view.state.as_str().to_owned(),
        reason: Some(view.reason.clone()),
        since: view.since,
        until,
        pid: view.pid,
        memory,
        queued: view.queued as u64,
        in_flight: view.in_flight as u64,
        dropped: view.dropped + view.refused,
        restarts: view.restarts,
    }
}

#[cfg(test)]
mod tests {
    use bailey_host::SessionState;
    use bailey_protocol::GuildId;

    use super::*;

    fn broken(until: i64) -> SessionView {
        SessionView {
            tenant: Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(1) },
            state: SessionState::Broken,
            reason: "it crashed 3 times within 300s".to_owned(),
            since: Timestamp(1000),
            until: Some(Timestamp(until)),
            on_trial: false,
            pid: None,
            started_at: None,
            memory: None,
            last_event_at: None,
            queued: 0,
            in_flight: 0,
            oldest_unacknowledged: None,
            dropped: 0,
            refused: 0,
            restarts: 3,
            failed_in_a_row: 3,
            last_exit: None,
        }
    }

    #[test]
    fn a_session_that_waits_is_not_written_down_at_each_look() {
        let first = report(&broken(61_000), None, true);
        assert_eq!(
            report(&broken(61_001), Some(&first), true),
            first,
            "two clocks, read one after the other"
        );
        assert_ne!(report(&broken(121_000), Some(&first), true), first);
    }
}
