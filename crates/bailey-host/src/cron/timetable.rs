//! Whose schedules are due when: each distinct schedule is looked at once a minute, whoever has it. Pure.

use std::collections::HashMap;

use bailey_protocol::{CronSpec, Schedule, Tenant, Timestamp};

use super::Due;

/// The schedules of all installations.
#[derive(Debug, Default)]
pub struct Timetable {
    tenants: HashMap<Tenant, Vec<Schedule>>,
    /// By schedule, made anew when something changed.
    by_spec: Option<Vec<Group>>,
}

/// Everybody with the same schedule.
#[derive(Debug)]
struct Group {
    spec: CronSpec,
    members: Vec<Due>,
}

impl Timetable {
    /// Sets the schedules of an installation; none takes it out.
    pub fn set(&mut self, tenant: Tenant, schedules: Vec<Schedule>) {
        let changed = match schedules.is_empty() {
            true => self.tenants.remove(&tenant).is_some(),
            false => self.tenants.insert(tenant, schedules.clone()) != Some(schedules),
        };
        if changed {
            self.by_spec = None;
        }
    }

    /// The schedules of an installation.
    pub fn of(&self, tenant: &Tenant) -> &[Schedule] {
        self.tenants.get(tenant).map_or(&[], Vec::as_slice)
    }

    /// One schedule of an installation.
    pub fn schedule(&self, due: &Due) -> Option<&Schedule> {
        self.of(&due.tenant).iter().find(|schedule| schedule.name == *due.name)
    }

    /// The schedules of all installations, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&Tenant, &[Schedule])> {
        self.tenants.iter().map(|(tenant, schedules)| (tenant, schedules.as_slice()))
    }

    /// Who is due in a minute.
    pub fn due(&mut self, minute: Timestamp) -> Vec<Due> {
        let groups = self.by_spec.get_or_insert_with(|| group(&self.tenants));
        let due = groups.iter().filter(|group| group.spec.is_due(minute));
        due.flat_map(|group| group.members.iter().cloned()).collect()
    }
}

fn group(tenants: &HashMap<Tenant, Vec<Schedule>>) -> Vec<Group> {
    let mut groups: HashMap<&str, Group> = HashMap::new();
    for (tenant, schedules) in tenants {
        for schedule in schedules {
            let group = groups
                .entry(schedule.spec.as_str())
                .or_insert_with(|| Group { spec: schedule.spec.clone(), members: Vec::new() });
            group.members.push(Due { tenant: tenant.clone(), name: schedule.name.as_str().into() });
        }
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use bailey_protocol::schedule::Missed;

    use super::*;
    use crate::testing::tenant;

    fn schedule(name: &str, spec: &str) -> Schedule {
        Schedule { name: name.to_owned(), spec: spec.parse().unwrap(), missed: Missed::Skip }
    }

    #[test]
    fn each_is_due_at_its_own_times() {
        let mut timetable = Timetable::default();
        timetable.set(tenant("one", 1), vec![schedule("a", "0 9 * * *"), schedule("b", "*/5 * * * *")]);
        timetable.set(tenant("one", 2), vec![schedule("a", "0 9 * * *")]);
        let mut due = |at: &str| {
            let due = timetable.due(at.parse().unwrap());
            let mut shown: Vec<_> =
                due.iter().map(|due| format!("{} {}", due.tenant.guild, due.name)).collect();
            shown.sort();
            shown
        };
        assert_eq!(due("2026-01-01T09:00:00"), ["1 a", "1 b", "2 a"]);
        assert_eq!(due("2026-01-01T09:05:00"), ["1 b"]);
        assert_eq!(due("2026-01-01T09:01:00"), [""; 0]);
        timetable.set(tenant("one", 1), Vec::new());
        assert_eq!(timetable.due("2026-01-01T09:00:00".parse().unwrap()).len(), 1);
        assert!(timetable.of(&tenant("one", 1)).is_empty());
    }
}
