//! How many lines each tenant may still write this minute. Pure: time comes in.

use std::collections::HashMap;
use std::time::Duration;

use bailey_protocol::{Tenant, Timestamp, limits};

const MINUTE: Duration = Duration::from_secs(60);

/// One tenant's minute.
#[derive(Debug)]
struct Minute {
    began: Timestamp,
    version: String,
    taken: u32,
    dropped: u64,
}

/// A minute that ended with lines missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) tenant: Tenant,
    pub(super) version: String,
    pub(super) dropped: u64,
}

/// The minutes of everybody who wrote lately; those long past are let go by [`Budget::end_minutes`].
#[derive(Debug, Default)]
pub(super) struct Budget(HashMap<Tenant, Minute>);

impl Budget {
    /// Takes one line's room, or counts it as dropped. Says what went missing in the tenant's
    /// minute before, if this line begins a new one.
    pub(super) fn take(&mut self, tenant: &Tenant, version: &str, now: Timestamp) -> (bool, Option<Missing>) {
        let fresh = || Minute { began: now, version: version.to_owned(), taken: 0, dropped: 0 };
        let minute = match self.0.get_mut(tenant) {
            Some(minute) => minute,
            None => self.0.entry(tenant.clone()).or_insert_with(fresh),
        };
        let mut missing = None;
        if now.since(minute.began) >= MINUTE {
            missing = std::mem::replace(minute, fresh()).missing(tenant);
        }
        if minute.taken < limits::LOG_LINES_PER_MINUTE {
            minute.taken += 1;
            (true, missing)
        } else {
            minute.dropped += 1;
            (false, missing)
        }
    }

    /// Counts a line as dropped that had room in its minute and none in the queue.
    pub(super) fn drop_taken(&mut self, tenant: &Tenant) {
        if let Some(minute) = self.0.get_mut(tenant) {
            minute.dropped += 1;
        }
    }

    /// Lets go of the minutes that are over, all of them with `None`, and says what went missing.
    pub(super) fn end_minutes(&mut self, now: Option<Timestamp>) -> Vec<Missing> {
        let over = |minute: &Minute| now.is_none_or(|now| now.since(minute.began) >= MINUTE);
        self.0
            .extract_if(|_, minute| over(minute))
            .filter_map(|(tenant, minute)| minute.missing(&tenant))
            .collect()
    }
}

impl Minute {
    fn missing(self, tenant: &Tenant) -> Option<Missing> {
        let Self { version, dropped, .. } = self;
        (dropped > 0).then(|| Missing { tenant: tenant.clone(), version, dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant { plugin: "demo".parse().unwrap(), guild: bailey_protocol::GuildId(1) }
    }

    #[test]
    fn a_minute_has_room_for_its_lines_and_counts_the_rest() {
        let mut budget = Budget::default();
        for number in 0..limits::LOG_LINES_PER_MINUTE + 7 {
            let (taken, missing) = budget.take(&tenant(), "1", Timestamp(i64::from(number)));
            assert_eq!(taken, number < limits::LOG_LINES_PER_MINUTE);
            assert_eq!(missing, None);
        }
        let expected = Missing { tenant: tenant(), version: "1".into(), dropped: 7 };
        assert_eq!(budget.take(&tenant(), "2", Timestamp(60_000)), (true, Some(expected)));
        assert_eq!(budget.end_minutes(Some(Timestamp(119_999))), []);
        assert_eq!(budget.0.len(), 1);
        assert_eq!(budget.end_minutes(Some(Timestamp(120_000))), []);
        assert!(budget.0.is_empty());
    }

    #[test]
    fn lines_lost_to_a_full_queue_count_as_well() {
        let mut budget = Budget::default();
        assert!(budget.take(&tenant(), "1", Timestamp(0)).0);
        budget.drop_taken(&tenant());
        assert_eq!(budget.end_minutes(None)[0].dropped, 1);
    }
}
