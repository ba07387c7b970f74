//! The circuit breaker of one version of a plugin on all servers of this host: a version that fails on many of
//! them is started on none, until one server has tried it again. Pure: it is told what happened and when.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bailey_protocol::GuildId;
use tokio::time::Instant;

use super::breaker::{Opened, Passage, open_for};
use crate::timings::BreakerLimits;

/// A server that tries the plugin may take this long; then another may.
const TRIAL: Duration = Duration::from_secs(120);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct PluginBreaker {
    /// Where deliveries were stopped, and when.
    stops: VecDeque<(Instant, GuildId)>,
    crashes: VecDeque<(Instant, GuildId)>,
    opened: Option<Opened>,
    /// The server that tries it, and since when.
    trial: Option<(GuildId, Instant)>,
    openings: u32,
}

impl PluginBreaker {
    /// Whether nothing is known of the plugin that matters.
    pub(crate) fn is_forgotten(&self, now: Instant, limits: &BreakerLimits) -> bool {
        let old = |moments: &VecDeque<(Instant, GuildId)>| {
            moments.back().is_none_or(|(at, _)| now.duration_since(*at) > limits.crashes_within)
        };
        // A version nobody has tried since is no longer in use, or gets as many crashes as a new one.
        let over = |opened: &Opened| opened.until + limits.open_for_most < now;
        self.opened.as_ref().is_none_or(over) && old(&self.stops) && old(&self.crashes)
    }

    /// Whether a process may start on a server at `now`, without claiming the trial.
    pub(crate) fn passage(&self, guild: GuildId, now: Instant) -> Passage {
        let Some(opened) = &self.opened else { return Passage::Free };
        let taken = self.trial.filter(|(other, since)| *other != guild && now < *since + TRIAL);
        match taken {
            Some((_, since)) => {
                Passage::Closed(Opened { until: (since + TRIAL).max(opened.until), why: opened.why.clone() })
            }
            None if opened.until <= now => Passage::Trial(opened.why.clone()),
            None => Passage::Closed(opened.clone()),
        }
    }

    /// The same, and the trial is this server's if there is one.
    pub(crate) fn claim(&mut self, guild: GuildId, now: Instant) -> Passage {
        let passage = self.passage(guild, now);
        if matches!(passage, Passage::Trial(_)) && self.trial.is_none_or(|(holder, _)| holder != guild) {
            self.trial = Some((guild, now));
        }
        passage
    }

    /// The server does not try it any more, for whatever reason.
    pub(crate) fn release(&mut self, guild: GuildId) {
        self.trial = self.trial.filter(|(holder, _)| *holder != guild);
    }

    /// A server that was to try it handled an event well. True if that closed the breaker.
    pub(crate) fn succeeded(&mut self, guild: GuildId) -> bool {
        let closes = self.opened.is_some() && self.trial.is_some_and(|(holder, _)| holder == guild);
        if closes {
            *self = Self::default();
        }
        closes
    }

    /// Deliveries were stopped on a server.
    pub(crate) fn stopped(&mut self, guild: GuildId, now: Instant, limits: &BreakerLimits) -> Option<Opened> {
        let servers = remember(&mut self.stops, guild, now, limits.plugin_servers, limits);
        self.judge(guild, now, limits, servers >= limits.plugin_servers, || {
            format!("it was stopped on {servers} servers within {:?}", limits.crashes_within)
        })
    }

    /// A process ended without being asked, or did not start.
    pub(crate) fn crashed(&mut self, guild: GuildId, now: Instant, limits: &BreakerLimits) -> Option<Opened> {
        let servers = remember(&mut self.crashes, guild, now, limits.plugin_crashes, limits);
        let crashes = self.crashes.len();
        let enough = crashes >= limits.plugin_crashes && servers >= limits.plugin_crash_servers;
        self.judge(guild, now, limits, enough, || {
            format!("it crashed {crashes} times on {servers} servers within {:?}", limits.crashes_within)
        })
    }

    fn judge(
        &mut self,
        guild: GuildId,
        now: Instant,
        limits: &BreakerLimits,
        enough: bool,
        why: impl FnOnce() -> String,
    ) -> Option<Opened> {
        let trial_failed = self.opened.is_some() && self.trial.is_some_and(|(holder, _)| holder == guild);
        if !(trial_failed || enough && self.opened.is_none()) {
            return None;
        }
        let why = match &self.opened {
            Some(opened) => opened.why.clone(),
            None => why(),
        };
        let opened = Opened { until: now + open_for(self.openings, limits), why };
        self.openings = self.openings.saturating_add(1);
        self.trial = None;
        self.stops.clear();
        self.crashes.clear();
        self.opened = Some(opened.clone());
        Some(opened)
    }
}

/// Adds a moment to those remembered, at most `most` servers or moments of them, none too old; answers on
/// how many servers they were.
fn remember(
    moments: &mut VecDeque<(Instant, GuildId)>,
    guild: GuildId,
    now: Instant,
    most: usize,
    limits: &BreakerLimits,
) -> usize {
    moments.push_back((now, guild));
    // One server that fails again and again does not push the others out.
    while moments.len() > most.max(1) * 4 {
        let again = moments.iter().position(|(_, other)| *other == guild).unwrap_or(0);
        moments.remove(again);
    }
    moments.retain(|(at, _)| now.duration_since(*at) <= limits.crashes_within);
    moments.iter().map(|(_, guild)| guild).collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn many_servers_open_it_and_one_alone_never_does() {
        let (now, limits) = (Instant::now(), BreakerLimits::default());
        // Who was stopped or crashed at which second; whether the last one opens it.
        let stopped = |all: &[(u64, u64)]| {
            let mut breaker = PluginBreaker::default();
            let verdicts =
                all.iter().map(|(at, guild)| breaker.stopped(GuildId(*guild), now + seconds(*at), &limits));
            verdicts.last().flatten().is_some()
        };
        assert!(stopped(&[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]));
        assert!(!stopped(&[(0, 1), (1, 2), (2, 3), (3, 4), (4, 4)]));
        assert!(!stopped(&[(0, 1), (1, 2), (2, 3), (3, 4), (301, 5)]));
        let crashed = |servers: u64, crashes: u64| {
            let mut breaker = PluginBreaker::default();
            let verdicts =
                (0..crashes).map(|n| breaker.crashed(GuildId(n % servers), now + seconds(n), &limits));
            verdicts.last().flatten().is_some()
        };
        assert!(crashed(3, 20));
        assert!(!crashed(3, 19));
        assert!(!crashed(2, 20));
        assert!(!crashed(1, 500));
    }

    #[tokio::test(start_paused = true)]
    async fn one_server_tries_it_for_all() {
        let (now, limits) = (Instant::now(), BreakerLimits::default());
        let mut breaker = PluginBreaker::default();
        assert_eq!(breaker.claim(GuildId(9), now), Passage::Free);
        for guild in 1..=5 {
            breaker.stopped(GuildId(guild), now, &limits);
        }
        assert!(matches!(breaker.claim(GuildId(9), now), Passage::Closed(_)));
        let later = now + seconds(60);
        assert!(matches!(breaker.claim(GuildId(9), later), Passage::Trial(_)));
        assert!(matches!(breaker.claim(GuildId(8), later), Passage::Closed(_)), "the trial is taken");
        assert!(!breaker.succeeded(GuildId(8)), "one that was running proves nothing about a start");
        // It fails, and the wait doubles.
        let again = breaker.crashed(GuildId(9), later, &limits).unwrap();
        assert_eq!(again.until, later + seconds(120));
        assert!(matches!(breaker.passage(GuildId(9), later), Passage::Closed(_)));
        // The next one holds the trial and vanishes; another takes over.
        let (third, fourth) = (later + seconds(120), later + seconds(240));
        assert!(matches!(breaker.claim(GuildId(7), third), Passage::Trial(_)));
        assert!(matches!(breaker.claim(GuildId(6), third), Passage::Closed(_)));
        assert!(matches!(breaker.claim(GuildId(6), fourth), Passage::Trial(_)));
        breaker.release(GuildId(6));
        assert!(matches!(breaker.claim(GuildId(5), fourth), Passage::Trial(_)));
        assert!(breaker.succeeded(GuildId(5)));
        assert_eq!(breaker.claim(GuildId(1), fourth), Passage::Free);
        assert!(breaker.is_forgotten(fourth, &limits));
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_that_failed_and_was_left_is_forgotten_in_the_end() {
        let (now, limits) = (Instant::now(), BreakerLimits::default());
        let mut breaker = PluginBreaker::default();
        (1..=5).for_each(|guild| drop(breaker.stopped(GuildId(guild), now, &limits)));
        assert!(!breaker.is_forgotten(now + seconds(600), &limits), "it may be tried, and fail again");
        assert!(breaker.is_forgotten(now + seconds(60) + limits.open_for_most + seconds(1), &limits));
    }
}
