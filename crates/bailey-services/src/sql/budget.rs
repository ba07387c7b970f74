//! How many changes of the schema a tenant may make in an hour.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bailey_protocol::{CallError, Tenant, Timestamp};

/// The time looked back at.
const HOUR: Duration = Duration::from_secs(3600);

/// See the module. Kept by each host for itself.
pub(super) struct Budget {
    most: usize,
    spent: Mutex<HashMap<Tenant, VecDeque<Timestamp>>>,
}

impl Budget {
    pub(super) fn new(most: u32) -> Self {
        Self { most: most as usize, spent: Mutex::default() }
    }

    /// Takes one change, or says when there is one again.
    pub(super) fn spend(&self, tenant: &Tenant, now: Timestamp) -> Result<(), CallError> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.retain(|_, times| times.back().is_some_and(|last| now.since(*last) < HOUR));
        let times = spent.entry(tenant.clone()).or_default();
        while times.front().is_some_and(|first| now.since(*first) >= HOUR) {
            times.pop_front();
        }
        if times.len() >= self.most {
            let first = times.front().copied().unwrap_or(now);
            return Err(CallError::RateLimited {
                scope: format!("schema changes of sql.execute ({} per hour)", self.most),
                retry_after: (first + HOUR).since(now),
            });
        }
        times.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bailey_protocol::GuildId;

    use super::*;

    #[test]
    fn one_server_at_its_end_says_when_and_leaves_the_other_alone() {
        let tenant = |guild| Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(guild) };
        let budget = Budget::new(2);
        let start = Timestamp(1_000_000);
        budget.spend(&tenant(1), start).unwrap();
        budget.spend(&tenant(1), start + Duration::from_secs(600)).unwrap();
        let refused = budget.spend(&tenant(1), start + Duration::from_secs(1200)).unwrap_err();
        assert!(
            matches!(refused, CallError::RateLimited { retry_after, .. } if retry_after == Duration::from_secs(2400)),
            "{refused:?}"
        );
        budget.spend(&tenant(2), start + Duration::from_secs(1200)).unwrap();
        budget.spend(&tenant(1), start + HOUR).unwrap();
    }
}
