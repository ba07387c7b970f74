//! How gateways are doing, each and all together, for whoever wants to know.

use std::time::Duration;

use bailey_protocol::Timestamp;
use tokio::sync::watch;

/// How a gateway is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GatewayStatus {
    /// Whether it is connected.
    pub state: GatewayState,
    /// Servers of its shard the bot is in, as far as told.
    pub guilds: usize,
    /// Sequence number of the last dispatch of the session that was dealt with: its events, if it
    /// made any, were handed on. Begins anew with each new session.
    pub processed_sequence: u64,
    /// Events handed on, since the start; those of everything up to `processed_sequence`.
    pub events: u64,
    /// Frames that could not be read, since the start. They are left out and logged.
    pub unparsable: u64,
    /// Dispatches left out because they happened in private conversations, since the start.
    pub direct_messages: u64,
    /// Discord did not keep the session that was to go on: what happened in between was not heard.
    pub missed: bool,
    /// How long Discord took to answer the last heartbeat of this connection; `None` before the first answer.
    pub latency: Option<Duration>,
    /// When the last dispatch came that was dealt with.
    pub last_event_at: Option<Timestamp>,
}

/// Whether a gateway is connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GatewayState {
    /// Not yet, or not any more; it keeps trying.
    #[default]
    Connecting,
    /// Connected, and told of everything new.
    Ready,
    /// Connected again, being told of what was missed.
    Resuming,
    /// Ended for good: why, and what to change.
    Fatal(String),
}

/// How a bot's gateways are doing all together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardsStatus {
    /// The state of each shard's gateway, by the shard's number.
    pub states: Vec<GatewayState>,
    /// Servers the bot is in, as far as told.
    pub guilds: usize,
    /// Whether all have been ready at one time.
    pub complete: bool,
}

impl ShardsStatus {
    /// The state of all as one: ready when each is, ended when one is.
    pub fn state(&self) -> GatewayState {
        let is = |wanted: &GatewayState| self.states.iter().any(|state| state == wanted);
        let ended = self.states.iter().find(|state| matches!(state, GatewayState::Fatal(_)));
        match ended {
            Some(ended) => ended.clone(),
            None if self.states.is_empty() || is(&GatewayState::Connecting) => GatewayState::Connecting,
            None if is(&GatewayState::Resuming) => GatewayState::Resuming,
            None => GatewayState::Ready,
        }
    }

    /// How many are ready.
    pub fn ready(&self) -> usize {
        self.states.iter().filter(|state| **state == GatewayState::Ready).count()
    }
}

/// Where the gateways of one bot say how they are doing. Clones are the same place.
#[derive(Debug, Clone)]
pub(super) struct Overview(watch::Sender<ShardsStatus>);

impl Overview {
    /// For so many gateways that are about to connect, with servers known from before.
    pub(super) fn of(shards: u32, guilds: usize) -> (Self, watch::Receiver<ShardsStatus>) {
        let states = (0..shards).map(|_| GatewayState::Connecting).collect();
        let (sender, receiver) = watch::channel(ShardsStatus { states, guilds, complete: false });
        (Self(sender), receiver)
    }

    /// A gateway's state. Says whether it is the first that has ended for good.
    pub(super) fn note_state(&self, shard: u32, state: &GatewayState) -> bool {
        let mut first = false;
        self.0.send_if_modified(|status| {
            first = matches!(state, GatewayState::Fatal(_))
                && !status.states.iter().any(|state| matches!(state, GatewayState::Fatal(_)));
            let place = usize::try_from(shard).ok().and_then(|shard| status.states.get_mut(shard));
            let Some(place) = place.filter(|place| *place != state) else { return false };
            *place = state.clone();
            status.complete |= status.state() == GatewayState::Ready;
            true
        });
        first
    }

    /// Servers came or went, and so many are known of.
    pub(super) fn note_guilds(&self, guilds: usize) {
        self.0.send_modify(|status| status.guilds = guilds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_ready_when_each_is_and_ended_when_one_is() {
        use GatewayState::{Connecting, Fatal, Ready, Resuming};
        let state = |states: &[GatewayState]| {
            ShardsStatus { states: states.to_vec(), ..ShardsStatus::default() }.state()
        };
        let ended = Fatal("wrong token".to_owned());
        assert_eq!(state(&[]), Connecting);
        assert_eq!(state(&[Ready, Ready]), Ready);
        assert_eq!(state(&[Ready, Resuming]), Resuming);
        assert_eq!(state(&[Resuming, Connecting, Ready]), Connecting);
        assert_eq!(state(&[Ready, ended.clone(), Connecting]), ended);
    }

    #[test]
    fn it_is_complete_once_all_were_ready_at_one_time() {
        let (overview, status) = Overview::of(2, 0);
        overview.note_state(0, &GatewayState::Ready);
        overview.note_state(0, &GatewayState::Connecting);
        overview.note_state(1, &GatewayState::Ready);
        assert!(!status.borrow().complete, "not at one time");
        overview.note_state(0, &GatewayState::Ready);
        overview.note_state(0, &GatewayState::Connecting);
        assert!(status.borrow().complete);
    }

    #[test]
    fn only_the_first_that_ends_is_told_so() {
        let (overview, status) = Overview::of(2, 0);
        let ended = GatewayState::Fatal("wrong token".to_owned());
        assert!(overview.note_state(1, &ended));
        assert!(!overview.note_state(0, &ended));
        assert_eq!(status.borrow().states, [ended.clone(), ended]);
    }
}
