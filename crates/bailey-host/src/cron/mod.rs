//! Tells plugins the time: once a minute it looks whose schedules are due, makes them this host's own, and hands each
//! an event.
//!
//! That nothing is told twice, neither after a restart nor by two hosts, is decided by a [`CronClaims`], which remembers
//! for good. What is due at once by the thousand is spread over a part of the minute.

mod timetable;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailey_protocol::schedule::{Missed, minute_of};
use bailey_protocol::{Clock, Event, EventId, EventKind, Schedule, Tenant, Timestamp, limits};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub use self::timetable::Timetable;
use crate::quiet::Quiet;

const MINUTE: Duration = Duration::from_secs(60);
/// So many are claimed and told together; what is more is spread.
const TOGETHER: usize = 500;
/// How often the claims are asked, and the rest in between.
const TRIES: u32 = 3;
const REST: Duration = Duration::from_secs(1);
/// How long, when minutes are made up for one after the other, plugins may take with one before the next.
const PATIENCE: Duration = Duration::from_secs(30);

/// A schedule of one plugin on one server that is due.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Due {
    /// Whose.
    pub tenant: Tenant,
    /// The schedule's name.
    pub name: Arc<str>,
}

/// A schedule and the minute up to which it was told, or from which on it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldUntil {
    /// Which.
    pub due: Due,
    /// The beginning of the minute.
    pub minute: Timestamp,
}

/// Remembers what was told.
pub trait CronClaims: Send + Sync {
    /// Makes a minute of these schedules the caller's own; answers those that nobody had made his own before, at this
    /// minute or a later one. What is answered is told by the caller and by nobody else, ever.
    fn claim(&self, minute: Timestamp, due: Vec<Due>) -> BoxFuture<'_, Result<Vec<Due>, String>>;

    /// The minutes up to which these were told. One that is new counts as told up to `minute`.
    fn told_until(
        &self,
        minute: Timestamp,
        schedules: Vec<Due>,
    ) -> BoxFuture<'_, Result<Vec<ToldUntil>, String>>;
}

/// How time is told.
#[derive(Debug, Clone)]
pub struct CronTimings {
    /// How late a minute may be told.
    pub late: Duration,
    /// Over what time much that is due is spread.
    pub spread: Duration,
}

impl Default for CronTimings {
    fn default() -> Self {
        Self { late: limits::CRON_LATE, spread: limits::CRON_SPREAD }
    }
}

/// Knows the schedules and tells the time.
pub(crate) struct Timekeeper {
    clock: Arc<dyn Clock>,
    claims: Arc<dyn CronClaims>,
    timings: CronTimings,
    state: Mutex<State>,
    changed: Notify,
    /// Plugins can act: until then nothing is told.
    begun: watch::Sender<bool>,
    /// The minute that was worked off last.
    done: watch::Sender<Timestamp>,
    quiet: Quiet,
}

#[derive(Default)]
struct State {
    timetable: Timetable,
    /// Schedules that make up for what they missed, and that nobody has asked about yet. One that is gone or does not
    /// any more is passed over when its turn comes.
    newcomers: BTreeSet<Due>,
}

impl State {
    /// A schedule that makes up for what it missed.
    fn making_up(&self, due: &Due) -> Option<&Schedule> {
        let schedule = self.timetable.schedule(due)?;
        (schedule.missed == Missed::RunOnce).then_some(schedule)
    }
}

impl Timekeeper {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        claims: Arc<dyn CronClaims>,
        timings: CronTimings,
        quiet: Quiet,
    ) -> Self {
        let done = watch::Sender::new(minute_of(clock.now()));
        Self {
            clock,
            claims,
            timings,
            state: Mutex::default(),
            changed: Notify::new(),
            begun: watch::Sender::new(false),
            done,
            quiet,
        }
    }

    /// Sets the schedules of an installation, at most as many as it may have.
    pub(crate) fn set(&self, tenant: &Tenant, schedules: &[Schedule]) {
        let schedules: Vec<Schedule> = schedules.iter().take(limits::CRON_SCHEDULES).cloned().collect();
        let mut state = self.lock();
        state.newcomers.extend(making_up(tenant, &schedules));
        state.timetable.set(tenant.clone(), schedules);
        drop(state);
        self.changed.notify_one();
    }

    /// Begins to tell the time.
    pub(crate) fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Completes when every minute up to that of `until` was worked off.
    pub(crate) async fn worked_off(&self, until: Timestamp) {
        let minute = minute_of(until);
        let mut done = self.done.subscribe();
        let _its_sender_is_here = done.wait_for(|done| *done >= minute).await;
    }

    /// Works off minute after minute. `tell` hands an event to an installation.
    pub(crate) async fn run(&self, closing: CancellationToken, tell: impl Fn(&Tenant, Event)) {
        let mut begun = self.begun.subscribe();
        tokio::select! {
            _its_sender_is_here = begun.wait_for(|begun| *begun) => {}
            () = closing.cancelled() => return,
        }
        let mut done = *self.done.borrow();
        loop {
            tokio::select! {
                () = self.clock.sleep_until(done + MINUTE) => {}
                () = self.changed.notified() => {}
                () = closing.cancelled() => return,
            }
            let now = minute_of(self.clock.now());
            if now.since(done) > self.timings.late + MINUTE {
                let from = minute_of(now - self.timings.late) - MINUTE;
                tracing::warn!("schedules due from {done} to {from} are missed: Bailey was held up");
                done = from;
                let mut state = self.lock();
                let everybody: Vec<Due> =
                    state.timetable.all().flat_map(|(of, all)| making_up(of, all)).collect();
                state.newcomers.extend(everybody);
            }
            self.make_up(done, &closing, &tell).await;
            while done < now && !closing.is_cancelled() {
                done = done + MINUTE;
                self.work_off(done, &closing, &tell).await;
                self.done.send_replace(done);
            }
        }
    }

    /// One minute.
    async fn work_off(&self, minute: Timestamp, closing: &CancellationToken, tell: &impl Fn(&Tenant, Event)) {
        let mut due = self.lock().timetable.due(minute);
        if due.is_empty() {
            return;
        }
        let _under_way = self.quiet.hold();
        // Always in the same order, and not the one in which plugins were installed.
        due.sort_by_cached_key(|due| {
            let mut hasher = DefaultHasher::new();
            due.hash(&mut hasher);
            hasher.finish()
        });
        let pause = self.pause(due.len());
        for (turn, some) in due.chunks(TOGETHER).enumerate() {
            if turn > 0 && tokio::time::timeout(pause, closing.cancelled()).await.is_ok() {
                return; // nobody has claimed the rest: another host may
            }
            self.claim_and_tell(minute, some.to_vec(), tell).await;
        }
        drop(_under_way);
        // Minutes that are made up for come one after the other.
        if minute < minute_of(self.clock.now()) {
            let _all_done = tokio::time::timeout(PATIENCE, self.quiet.reached()).await;
        }
    }

    /// How long to rest between those that are told together when there are so many.
    fn pause(&self, many: usize) -> Duration {
        self.timings.spread / u32::try_from(many.div_ceil(TOGETHER).max(1)).unwrap_or(u32::MAX)
    }

    async fn claim_and_tell(&self, minute: Timestamp, due: Vec<Due>, tell: &impl Fn(&Tenant, Event)) {
        match patiently(|| self.claims.claim(minute, due.clone())).await {
            Ok(own) => {
                for due in own {
                    if let Some(event) = self.event(&due, minute) {
                        tell(&due.tenant, event);
                    }
                }
            }
            Err(error) => {
                let count = due.len();
                tracing::error!(count, %error, "{count} schedules due at {minute} are not told: they could not be claimed");
            }
        }
    }

    /// Makes up, once, for the latest time each newcomer missed, up to the minute that was worked off last: from the next
    /// one on it is told with the others.
    async fn make_up(&self, done: Timestamp, closing: &CancellationToken, tell: &impl Fn(&Tenant, Event)) {
        let many = self.lock().newcomers.len();
        if many == 0 {
            return;
        }
        let _under_way = self.quiet.hold();
        let mut rest = false;
        loop {
            let asked = self.some_newcomers();
            if asked.is_empty() {
                return;
            }
            if rest && tokio::time::timeout(self.pause(many), closing.cancelled()).await.is_ok() {
                return; // they have missed it still at the next start
            }
            let told = match patiently(|| self.claims.told_until(done, asked.clone())).await {
                Ok(told) => told,
                Err(error) => {
                    tracing::error!(%error, "what schedules missed cannot be found out; it is tried again in a minute");
                    self.lock().newcomers.extend(asked);
                    return;
                }
            };
            let missed = self.missed(told, done);
            for (minute, due) in &missed {
                let count = due.len();
                tracing::info!(count, "making up for {minute}: schedules that missed it: {count}");
                self.claim_and_tell(*minute, due.clone(), tell).await;
            }
            rest = !missed.is_empty();
        }
    }

    fn some_newcomers(&self) -> Vec<Due> {
        let mut state = self.lock();
        let mut some = Vec::new();
        while some.len() < TOGETHER
            && let Some(due) = state.newcomers.pop_first()
        {
            if state.making_up(&due).is_some() {
                some.push(due);
            }
        }
        some
    }

    /// The latest minute each missed, the oldest first.
    fn missed(&self, told: Vec<ToldUntil>, done: Timestamp) -> BTreeMap<Timestamp, Vec<Due>> {
        let state = self.lock();
        let mut missed: BTreeMap<Timestamp, Vec<Due>> = BTreeMap::new();
        for ToldUntil { due, minute } in told {
            let from = (minute + MINUTE).max(done - limits::CRON_MADE_UP);
            let latest = state.making_up(&due).and_then(|schedule| schedule.spec.latest_between(from, done));
            if let Some(latest) = latest {
                missed.entry(latest).or_default().push(due);
            }
        }
        missed
    }

    fn event(&self, due: &Due, minute: Timestamp) -> Option<Event> {
        let Due { tenant, name } = due;
        let state = self.lock();
        let schedule = state.timetable.schedule(due)?;
        let mut payload = Map::new();
        let mut put = |name: &str, value: Value| payload.insert(name.to_owned(), value);
        put("type", EventKind::Cron.as_str().into());
        put("guild_id", tenant.guild.to_string().into());
        put("name", schedule.name.as_str().into());
        put("spec", schedule.spec.as_str().into());
        put("scheduled_at", minute.to_string().into());
        Some(Event {
            id: EventId::new(format!("cron-{}-{}-{name}-{}", tenant.plugin, tenant.guild, minute.0 / 60_000)),
            kind: EventKind::Cron,
            guild: tenant.guild,
            payload: Arc::new(payload),
            interaction: None,
            received_at: self.clock.now(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those schedules of an installation that make up for what they missed.
fn making_up(tenant: &Tenant, schedules: &[Schedule]) -> Vec<Due> {
    let making_up = schedules.iter().filter(|schedule| schedule.missed == Missed::RunOnce);
    making_up.map(|schedule| Due { tenant: tenant.clone(), name: schedule.name.as_str().into() }).collect()
}

/// Asks again, after a rest, when something is away for a moment.
async fn patiently<'a, T>(ask: impl Fn() -> BoxFuture<'a, Result<T, String>>) -> Result<T, String> {
    for _ in 1..TRIES {
        if let Ok(answer) = ask().await {
            return Ok(answer);
        }
        tokio::time::sleep(REST).await;
    }
    ask().await
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::testing::tenant;

    /// A clock that is moved by hand.
    #[derive(Clone)]
    struct ByHand(Arc<watch::Sender<Timestamp>>);

    impl Clock for ByHand {
        fn now(&self) -> Timestamp {
            *self.0.borrow()
        }

        fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let mut now = self.0.subscribe();
            Box::pin(async move {
                now.wait_for(|now| *now >= deadline).await.unwrap();
            })
        }
    }

    /// Claims in memory, which can be away.
    #[derive(Default)]
    struct InMemory {
        told: Mutex<HashMap<Due, Timestamp>>,
        /// So many times it is away.
        fails: AtomicU32,
        /// How often something was claimed.
        claimed: AtomicUsize,
    }

    impl InMemory {
        fn is_away(&self) -> bool {
            let less = |fails: u32| fails.checked_sub(1);
            self.fails.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
        }
    }

    impl CronClaims for InMemory {
        fn claim(&self, minute: Timestamp, due: Vec<Due>) -> BoxFuture<'_, Result<Vec<Due>, String>> {
            async move {
                if self.is_away() {
                    return Err("it is away".to_owned());
                }
                self.claimed.fetch_add(1, Ordering::Relaxed);
                let mut told = self.told.lock().unwrap();
                let new = |due: &Due| told.get(due).is_none_or(|told| *told < minute);
                let own: Vec<Due> = due.into_iter().filter(new).collect();
                for due in &own {
                    told.insert(due.clone(), minute);
                }
                Ok(own)
            }
            .boxed()
        }

        fn told_until(
            &self,
            minute: Timestamp,
            due: Vec<Due>,
        ) -> BoxFuture<'_, Result<Vec<ToldUntil>, String>> {
            async move {
                if self.is_away() {
                    return Err("it is away".to_owned());
                }
                let mut told = self.told.lock().unwrap();
                let until = |due: Due| ToldUntil { minute: *told.entry(due.clone()).or_insert(minute), due };
                Ok(due.into_iter().map(until).collect())
            }
            .boxed()
        }
    }

    /// A timekeeper that runs, and what it told.
    struct Watch {
        clock: ByHand,
        keeper: Arc<Timekeeper>,
        told: Arc<Mutex<Vec<String>>>,
        closing: CancellationToken,
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    impl Watch {
        fn start(claims: &Arc<InMemory>, now: &str, timings: CronTimings) -> Self {
            let clock = ByHand(Arc::new(watch::Sender::new(at(now))));
            let claims = Arc::clone(claims) as Arc<dyn CronClaims>;
            let keeper =
                Arc::new(Timekeeper::new(Arc::new(clock.clone()), claims, timings, Quiet::default()));
            let (told, closing) = (Arc::<Mutex<Vec<String>>>::default(), CancellationToken::new());
            keeper.begin();
            let (running, noted, stop) = (Arc::clone(&keeper), Arc::clone(&told), closing.clone());
            TaskTracker::new().spawn(async move {
                let tell = |_: &Tenant, event: Event| noted.lock().unwrap().push(event.id.to_string());
                running.run(stop, tell).await;
            });
            Self { clock, keeper, told, closing }
        }

        fn set(&self, plugin: &str, spec: &str, missed: Missed) {
            let schedule = Schedule { name: "tick".to_owned(), spec: spec.parse().unwrap(), missed };
            self.keeper.set(&tenant(plugin, 1), &[schedule]);
        }

        /// Lets it look at who is new, at the present time.
        async fn looked_at(&self) {
            while !self.keeper.lock().newcomers.is_empty() {
                tokio::task::yield_now().await;
            }
        }

        async fn move_to(&self, now: &str) -> usize {
            self.clock.0.send_replace(at(now));
            self.keeper.worked_off(at(now)).await;
            self.told.lock().unwrap().len()
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            self.closing.cancel();
        }
    }

    #[tokio::test]
    async fn each_minute_is_told_once_also_by_two_hosts_and_after_a_restart() {
        let claims = Arc::default();
        let timings = CronTimings::default;
        let one = Watch::start(&claims, "2026-01-01T08:58:30", timings());
        let two = Watch::start(&claims, "2026-01-01T08:58:30", timings());
        for host in [&one, &two] {
            host.set("demo", "*/5 * * * *", Missed::Skip);
            host.move_to("2026-01-01T08:59:59").await;
        }
        assert_eq!(one.move_to("2026-01-01T09:00:00").await + two.move_to("2026-01-01T09:00:59").await, 1);
        drop(one);
        // Restarted within the minute.
        let again = Watch::start(&claims, "2026-01-01T08:59:50", timings());
        again.set("demo", "*/5 * * * *", Missed::Skip);
        assert_eq!(again.move_to("2026-01-01T09:00:40").await, 0);
        assert_eq!(again.move_to("2026-01-01T09:05:00").await, 1);
    }

    #[tokio::test]
    async fn what_was_missed_is_made_up_for_once_if_the_plugin_wants() {
        let claims = Arc::default();
        let before = Watch::start(&claims, "2026-01-01T08:00:30", CronTimings::default());
        before.set("makes_up", "0 * * * *", Missed::RunOnce);
        before.set("skips", "0 * * * *", Missed::Skip);
        assert_eq!(before.move_to("2026-01-01T08:01:00").await, 0, "what is new missed nothing");
        assert_eq!(before.move_to("2026-01-01T08:03:00").await, 0);
        drop(before);
        let after = Watch::start(&claims, "2026-01-01T11:30:00", CronTimings::default());
        after.set("makes_up", "0 * * * *", Missed::RunOnce);
        after.set("skips", "0 * * * *", Missed::Skip);
        assert_eq!(after.move_to("2026-01-01T11:31:00").await, 1);
        assert!(after.told.lock().unwrap()[0].starts_with("cron-makes_up-1-tick-"));
        assert!(after.told.lock().unwrap()[0].ends_with(&(at("2026-01-01T11:00:00").0 / 60_000).to_string()));
        after.set("makes_up", "0 * * * *", Missed::RunOnce);
        assert_eq!(after.move_to("2026-01-01T11:32:00").await, 1, "it was made up for twice");
    }

    /// A start in the very minute of a schedule, or one that takes so long that the minute was worked off without it.
    #[tokio::test]
    async fn the_minute_of_the_start_is_made_up_for_as_well() {
        for (last_told, started) in
            [("2026-01-01T08:30:00", "2026-01-01T09:00:10"), ("2026-01-01T08:30:00", "2026-01-01T08:59:50")]
        {
            let claims: Arc<InMemory> = Arc::default();
            let due = Due { tenant: tenant("makes_up", 1), name: "tick".into() };
            claims.told.lock().unwrap().insert(due, at(last_told));
            let host = Watch::start(&claims, started, CronTimings::default());
            host.move_to("2026-01-01T09:00:20").await;
            host.set("makes_up", "0 * * * *", Missed::RunOnce);
            host.set("skips", "0 * * * *", Missed::Skip);
            host.looked_at().await;
            assert_eq!(host.move_to("2026-01-01T09:01:00").await, 1, "started at {started}");
            assert_eq!(host.move_to("2026-01-01T09:59:00").await, 1, "started at {started}");
        }
    }

    #[tokio::test]
    async fn what_is_older_than_a_day_is_not_made_up_for() {
        for (last_told, made_up) in [("2026-01-01T09:00:00", 0), ("2026-01-02T08:00:00", 1)] {
            let claims: Arc<InMemory> = Arc::default();
            let due = Due { tenant: tenant("makes_up", 1), name: "tick".into() };
            claims.told.lock().unwrap().insert(due, at(last_told));
            // Due at nine on the second of January alone.
            let host = Watch::start(
                &claims,
                if made_up == 0 { "2026-01-03T09:01:00" } else { "2026-01-03T08:59:00" },
                CronTimings::default(),
            );
            host.set("makes_up", "0 9 2 1 *", Missed::RunOnce);
            assert_eq!(host.move_to("2026-01-03T09:02:00").await, made_up);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_missed_is_made_up_for_when_the_database_is_back() {
        let claims: Arc<InMemory> = Arc::default();
        let due = Due { tenant: tenant("makes_up", 1), name: "tick".into() };
        claims.told.lock().unwrap().insert(due, at("2026-01-01T08:00:00"));
        let host = Watch::start(&claims, "2026-01-01T09:30:00", CronTimings::default());
        claims.fails.store(TRIES, Ordering::Relaxed);
        host.set("makes_up", "0 * * * *", Missed::RunOnce);
        while claims.fails.load(Ordering::Relaxed) > 0 {
            tokio::time::advance(REST).await;
        }
        assert_eq!(host.told.lock().unwrap().len(), 0, "the database is away");
        assert_eq!(host.move_to("2026-01-01T09:31:00").await, 1);
        assert_eq!(host.move_to("2026-01-01T09:32:00").await, 1);
    }

    #[tokio::test]
    async fn a_schedule_that_changes_before_its_turn_is_what_it_is_by_then() {
        for (then, told) in [(Missed::Skip, 0), (Missed::RunOnce, 1)] {
            let claims: Arc<InMemory> = Arc::default();
            let due = Due { tenant: tenant("demo", 1), name: "tick".into() };
            claims.told.lock().unwrap().insert(due, at("2026-01-01T08:00:00"));
            let host = Watch::start(&claims, "2026-01-01T09:30:00", CronTimings::default());
            host.set("demo", "0 * * * *", Missed::RunOnce);
            host.set("demo", "0 * * * *", then);
            assert_eq!(host.move_to("2026-01-01T09:31:00").await, told);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_stops_in_the_middle_leaves_the_rest_to_others() {
        let claims: Arc<InMemory> = Arc::default();
        let host = Watch::start(&claims, "2026-01-01T08:59:30", CronTimings::default());
        for server in 0..5_000 {
            let schedule = Schedule {
                name: "tick".to_owned(),
                spec: "0 * * * *".parse().unwrap(),
                missed: Missed::Skip,
            };
            host.keeper.set(&tenant("demo", server), &[schedule]);
        }
        host.clock.0.send_replace(at("2026-01-01T09:00:00"));
        while host.told.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        host.closing.cancel();
        assert_eq!(host.move_to("2026-01-01T09:00:00").await, TOGETHER);
        assert_eq!(claims.told.lock().unwrap().len(), TOGETHER, "what is claimed was told");
    }

    #[tokio::test(start_paused = true)]
    async fn what_many_missed_is_made_up_for_together() {
        let claims: Arc<InMemory> = Arc::default();
        for server in 0..5_000 {
            let due = Due { tenant: tenant("demo", server), name: "tick".into() };
            claims.told.lock().unwrap().insert(due, at("2026-01-01T08:00:00"));
        }
        let host = Watch::start(&claims, "2026-01-01T09:30:00", CronTimings::default());
        for server in 0..5_000 {
            let schedule = Schedule {
                name: "tick".to_owned(),
                spec: "0 * * * *".parse().unwrap(),
                missed: Missed::RunOnce,
            };
            host.keeper.set(&tenant("demo", server), &[schedule]);
        }
        assert_eq!(host.move_to("2026-01-01T09:31:00").await, 5_000);
        let asked = claims.claimed.load(Ordering::Relaxed);
        assert_eq!(asked, 5_000 / TOGETHER, "claims, each of many");
    }

    #[tokio::test]
    async fn a_machine_that_slept_makes_up_for_what_it_slept_through() {
        let slept = Watch::start(&Arc::default(), "2026-01-01T08:00:30", CronTimings::default());
        slept.set("makes_up", "30 * * * *", Missed::RunOnce);
        slept.set("skips", "30 * * * *", Missed::Skip);
        assert_eq!(slept.move_to("2026-01-01T08:01:00").await, 0);
        assert_eq!(slept.move_to("2026-01-01T11:50:00").await, 1, "11:30, and that once");
        assert!(slept.told.lock().unwrap()[0].starts_with("cron-makes_up-"));
    }

    #[tokio::test]
    async fn a_machine_that_slept_tells_the_last_minutes_and_no_more() {
        let timings = CronTimings { late: 3 * MINUTE, ..CronTimings::default() };
        let slept = Watch::start(&Arc::default(), "2026-01-01T08:00:30", timings);
        slept.set("demo", "*/5 * * * *", Missed::Skip);
        assert_eq!(slept.move_to("2026-01-01T09:01:00").await, 1, "09:00 and nothing of the hour before");
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_away_for_a_moment_loses_nothing() {
        let claims: Arc<InMemory> = Arc::default();
        claims.fails.store(TRIES - 1, Ordering::Relaxed);
        let host = Watch::start(&claims, "2026-01-01T08:59:30", CronTimings::default());
        host.set("demo", "0 * * * *", Missed::Skip);
        assert_eq!(host.move_to("2026-01-01T09:00:00").await, 1);
        claims.fails.store(TRIES, Ordering::Relaxed);
        assert_eq!(host.move_to("2026-01-01T09:03:00").await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn much_that_is_due_at_once_is_spread() {
        let host = Watch::start(&Arc::default(), "2026-01-01T08:59:30", CronTimings::default());
        for server in 0..5_000 {
            let schedule = Schedule {
                name: "tick".to_owned(),
                spec: "0 * * * *".parse().unwrap(),
                missed: Missed::Skip,
            };
            host.keeper.set(&tenant("demo", server), &[schedule]);
        }
        let began = tokio::time::Instant::now();
        assert_eq!(host.move_to("2026-01-01T09:00:00").await, 5_000);
        let took = began.elapsed();
        assert!((Duration::from_secs(20)..=limits::CRON_SPREAD).contains(&took), "{took:?}");
    }
}
