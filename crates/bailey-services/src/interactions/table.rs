//! The interactions that can still be answered, and by whom. Bounded by age and by number.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bailey_protocol::event::Interaction;
use bailey_protocol::{InteractionId, Tenant, Timestamp, limits};

use super::state::{State, Wish};
use super::unanswered::{Departed, Unanswered};

/// Interactions remembered at most; past this, the oldest can no longer be answered.
const MOST: usize = 50_000;

/// One interaction. The lock is held during a request to Discord, so that answers take turns.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) interaction: Interaction,
    pub(super) received_at: Timestamp,
    pub(super) progress: tokio::sync::Mutex<Progress>,
}

/// How far the answer to an interaction has come.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) state: State,
    /// The plugin that asked for the "thinking" of [`State::Deferred`].
    pub(super) deferred_by: Option<Tenant>,
    /// A plugin wanted its answer to be private after the host had deferred for everybody to see.
    pub(super) whisper: bool,
}

impl Progress {
    /// Remembers who is to see what follows: as on Discord, a deferral decides that for the answer
    /// that comes next.
    pub(super) fn heard(&mut self, wish: Wish, ephemeral: bool) {
        self.whisper = match wish {
            Wish::Defer => self.whisper || (ephemeral && self.state == State::AutoDeferred),
            Wish::Respond | Wish::Followup => false,
            Wish::Update | Wish::Modal => self.whisper,
        };
    }
}

#[derive(Debug)]
struct Row {
    entry: Arc<Entry>,
    tenants: Vec<Tenant>,
    /// Those of them that are done with it, and how. The latest word counts.
    left: HashMap<Tenant, Left>,
}

/// How a plugin leaves an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Handled; it may still answer.
    Handled,
    /// It will not answer.
    GaveUp(Unanswered),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: HashMap<InteractionId, Row>,
    /// Oldest first.
    order: VecDeque<InteractionId>,
}

impl Table {
    /// Lets a tenant answer an interaction. Returns it if it was not known before.
    pub(super) fn admit(
        &mut self,
        tenant: &Tenant,
        interaction: &Interaction,
        received_at: Timestamp,
        now: Timestamp,
    ) -> Option<Arc<Entry>> {
        if let Some(row) = self.rows.get_mut(&interaction.id) {
            if !row.tenants.contains(tenant) {
                row.tenants.push(tenant.clone());
            }
            return None;
        }
        self.forget_expired(now);
        if self.order.len() >= MOST {
            self.forget_oldest();
        }
        let entry = Arc::new(Entry {
            interaction: interaction.clone(),
            received_at,
            progress: tokio::sync::Mutex::new(Progress {
                state: State::New,
                deferred_by: None,
                whisper: false,
            }),
        });
        let row = Row { entry: Arc::clone(&entry), tenants: vec![tenant.clone()], left: HashMap::new() };
        self.rows.insert(interaction.id, row);
        self.order.push_back(interaction.id);
        Some(entry)
    }

    /// The interaction, if this tenant may answer it and its token lives.
    pub(super) fn find(&self, tenant: &Tenant, id: InteractionId, now: Timestamp) -> Option<Arc<Entry>> {
        let row = self.rows.get(&id).filter(|row| row.tenants.contains(tenant))?;
        (!is_expired(&row.entry, now)).then(|| Arc::clone(&row.entry))
    }

    /// Notes how a tenant leaves an interaction. Answers who will not answer it, if there is anyone.
    pub(super) fn leave(
        &mut self,
        tenant: &Tenant,
        id: InteractionId,
        how: Left,
        now: Timestamp,
    ) -> Option<(Arc<Entry>, Departed)> {
        let row = self.rows.get_mut(&id).filter(|row| row.tenants.contains(tenant))?;
        if is_expired(&row.entry, now) {
            return None;
        }
        row.left.insert(tenant.clone(), how);
        // Who has no handler was only asked because nobody knows beforehand whose a button is.
        let somebody_handled = row.left.values().any(|how| *how == Left::Handled);
        let gave_up = row.left.iter().filter_map(|(tenant, how)| match how {
            Left::GaveUp(Unanswered::NoHandler) if somebody_handled => None,
            Left::GaveUp(why) => Some((tenant.clone(), *why)),
            Left::Handled => None,
        });
        let mut tenants: Vec<_> = gave_up.collect();
        // The first one's reason is told: one that failed explains more than one that was not meant.
        tenants.sort_by_key(|(_, why)| *why == Unanswered::NoHandler);
        let all_left = row.tenants.iter().all(|tenant| row.left.contains_key(tenant));
        (!tenants.is_empty()).then(|| (Arc::clone(&row.entry), Departed { tenants, all_left }))
    }

    /// Who may answer an interaction.
    pub(super) fn tenants(&self, id: InteractionId) -> &[Tenant] {
        self.rows.get(&id).map_or(&[], |row| &row.tenants)
    }

    fn forget_expired(&mut self, now: Timestamp) {
        while let Some(row) = self.order.front().and_then(|id| self.rows.get(id)) {
            if !is_expired(&row.entry, now) {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(id) = self.order.pop_front() {
            self.rows.remove(&id);
        }
    }
}

fn is_expired(entry: &Entry, now: Timestamp) -> bool {
    now.since(entry.received_at) >= limits::INTERACTION_TOKEN
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bailey_protocol::event::{InteractionKind, InteractionToken};
    use bailey_protocol::{ApplicationId, GuildId};

    use super::*;

    fn interaction(id: u64) -> Interaction {
        Interaction {
            id: InteractionId(id),
            application: ApplicationId(1),
            token: InteractionToken::new("t"),
            kind: InteractionKind::Command,
            command: Some("greet".into()),
            custom_id: None,
            message: None,
            invoker: Default::default(),
        }
    }

    fn tenant(plugin: &str) -> Tenant {
        Tenant { plugin: plugin.parse().unwrap(), guild: GuildId(1) }
    }

    #[test]
    fn only_those_admitted_find_it_and_only_for_a_quarter_of_an_hour() {
        let mut table = Table::default();
        let start = Timestamp(1_000_000);
        assert!(table.admit(&tenant("one"), &interaction(5), start, start).is_some());
        assert!(table.admit(&tenant("two"), &interaction(5), start, start).is_none());
        assert!(table.find(&tenant("one"), InteractionId(5), start).is_some());
        assert!(table.find(&tenant("two"), InteractionId(5), start).is_some());
        assert!(table.find(&tenant("three"), InteractionId(5), start).is_none());
        assert!(table.find(&tenant("one"), InteractionId(6), start).is_none());
        let end = start + Duration::from_secs(15 * 60);
        assert!(table.find(&tenant("one"), InteractionId(5), Timestamp(end.0 - 1)).is_some());
        assert!(table.find(&tenant("one"), InteractionId(5), end).is_none());
        table.admit(&tenant("one"), &interaction(6), end, end);
        assert_eq!((table.rows.len(), table.order.len()), (1, 1));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut table = Table::default();
        for id in 1..=MOST as u64 + 10 {
            table.admit(&tenant("one"), &interaction(id), Timestamp(0), Timestamp(0));
        }
        assert_eq!((table.rows.len(), table.order.len()), (MOST, MOST));
        assert!(table.find(&tenant("one"), InteractionId(10), Timestamp(0)).is_none());
        assert!(table.find(&tenant("one"), InteractionId(11), Timestamp(0)).is_some());
    }
}
