//! Faults on order for what the gateway tells: the next so many dispatches of an event are lost, come twice, or change
//! places with the one after. Which dispatch suffers is decided here, what a session does about it in `sessions`.

use serde::{Deserialize, Serialize};

/// Rules waiting at once.
const MOST_RULES: usize = 100;

/// Every event the simulator dispatches.
pub(crate) const EVENTS: [&str; 30] = [
    "CHANNEL_CREATE",
    "CHANNEL_DELETE",
    "CHANNEL_PINS_UPDATE",
    "CHANNEL_UPDATE",
    "GUILD_BAN_ADD",
    "GUILD_BAN_REMOVE",
    "GUILD_CREATE",
    "GUILD_MEMBERS_CHUNK",
    "GUILD_MEMBER_ADD",
    "GUILD_MEMBER_REMOVE",
    "GUILD_MEMBER_UPDATE",
    "GUILD_ROLE_CREATE",
    "GUILD_ROLE_DELETE",
    "GUILD_ROLE_UPDATE",
    "INTERACTION_CREATE",
    "MESSAGE_CREATE",
    "MESSAGE_DELETE",
    "MESSAGE_DELETE_BULK",
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_REACTION_REMOVE_ALL",
    "MESSAGE_REACTION_REMOVE_EMOJI",
    "MESSAGE_UPDATE",
    "READY",
    "RESUMED",
    "THREAD_CREATE",
    "THREAD_DELETE",
    "THREAD_UPDATE",
    "VOICE_STATE_UPDATE",
    "WEBHOOKS_UPDATE",
];

/// What happens to a dispatch that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchFault {
    /// Lost before it reaches the session: never sent, not when resuming either, and no number is missing.
    Drop,
    /// Sent twice, with the same sequence number.
    Duplicate,
    /// Held back until the session is told something else, and sent right after that. Sequence numbers keep growing:
    /// they are given in the order of sending.
    Reorder,
}

/// Which dispatches, how many of them, and what happens. Each counts once, however many sessions are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DispatchFaultRule {
    /// The event's name, e.g. `MESSAGE_CREATE`. Any but READY and RESUMED when absent; these must be named.
    #[serde(default)]
    pub event: Option<String>,
    /// How many dispatches.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to them.
    pub fault: DispatchFault,
}

fn once() -> u32 {
    1
}

/// Rules in order; the first that matches counts.
#[derive(Debug, Default)]
pub(crate) struct DispatchFaults {
    rules: Vec<DispatchFaultRule>,
}

impl DispatchFaults {
    /// False when too many rules wait.
    pub(crate) fn add(&mut self, rule: DispatchFaultRule) -> bool {
        if self.rules.len() >= MOST_RULES {
            return false;
        }
        self.rules.push(rule);
        true
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// What is to happen to a dispatch of this event, counted.
    pub(crate) fn take(&mut self, event: &str) -> Option<DispatchFault> {
        let fits = |rule: &DispatchFaultRule| match &rule.event {
            Some(wanted) => wanted == event,
            None => !matches!(event, "READY" | "RESUMED"),
        };
        let rule = self.rules.iter_mut().find(|rule| rule.times > 0 && fits(rule))?;
        rule.times -= 1;
        let fault = rule.fault;
        self.rules.retain(|rule| rule.times > 0);
        Some(fault)
    }
}
