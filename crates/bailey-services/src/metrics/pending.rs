//! The values on their way to the tables, added up by series and minute. Bounded for each tenant
//! and for all together; taking a value in never waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailey_protocol::method::metrics::{Record, Tags};
use bailey_protocol::{CallError, Tenant, Timestamp, limits};
use tokio::sync::Notify;

use super::bucket::Bucket;
use crate::partitions::DAY;

/// Buckets that may wait for one tenant: every series for five minutes without a database.
const TENANT_BUCKETS: usize = 5 * limits::METRIC_SERIES;
/// Buckets that may wait for all tenants together.
const BUCKETS: usize = 200_000;
/// Waiting buckets of all tenants that are written without waiting for the second to end.
const PRESSING: usize = 5000;
/// Time by which a plugin whose value was refused for lack of room shall try again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Time by which a tenant that records nothing is forgotten, and the list of its series read anew.
const FORGOTTEN: Duration = Duration::from_secs(3600);

const MINUTE: i64 = 60_000;

/// A metric with one set of tags, as both are stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub(super) metric: String,
    /// A JSON object of texts, sorted by name.
    pub(super) tags: String,
}

impl SeriesKey {
    fn of(record: &Record) -> Self {
        Self { metric: record.metric.as_str().to_owned(), tags: json(&record.tags) }
    }
}

fn json(tags: &Tags) -> String {
    serde_json::to_string(tags).unwrap_or_else(|_| "{}".to_owned()) // texts by text always print
}

/// What waits, of everybody.
#[derive(Debug, Default)]
pub(super) struct Pending {
    tenants: Mutex<HashMap<Tenant, Arc<Account>>>,
    waiting: Arc<AtomicUsize>,
    /// Much came in, or the end.
    pub(super) pressing: Notify,
}

impl Pending {
    /// Takes a value in.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it would begin one series too many, [`CallError::RateLimited`]
    /// when the tables are so far behind that there is no room.
    pub(super) fn record(&self, tenant: &Tenant, record: &Record, now: Timestamp) -> Result<(), CallError> {
        let account =
            {
                let mut tenants = lock(&self.tenants);
                match tenants.get(tenant) {
                    Some(account) => Arc::clone(account),
                    None => Arc::clone(tenants.entry(tenant.clone()).or_insert_with(|| {
                        Arc::new(Account::new(tenant.clone(), Arc::clone(&self.waiting)))
                    })),
                }
            };
        account.record(record, now)?;
        if self.waiting.load(Ordering::Relaxed) >= PRESSING {
            self.pressing.notify_one();
        }
        Ok(())
    }

    /// The account of a tenant with something waiting or being written.
    pub(super) fn of(&self, tenant: &Tenant) -> Option<Arc<Account>> {
        lock(&self.tenants).get(tenant).cloned()
    }

    /// The accounts with something waiting or being written, those that failed last at the end, so that one that keeps
    /// failing is in nobody's way. Lets go of those long unused.
    pub(super) fn waiting(&self, now: Timestamp) -> Vec<Arc<Account>> {
        let mut tenants = lock(&self.tenants);
        // Accounts are handed out under this lock: one held by nobody else can be let go.
        tenants.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_forgotten(now));
        let mut waiting: Vec<(u32, Arc<Account>)> = tenants
            .values()
            .filter_map(|account| {
                let state = lock(&account.state);
                let is_waiting = state.buckets > 0 || account.writing.try_lock().is_err();
                is_waiting.then(|| (state.failures, Arc::clone(account)))
            })
            .collect();
        waiting.sort_by_key(|(failures, _)| *failures);
        waiting.into_iter().map(|(_, account)| account).collect()
    }
}

/// What waits of one tenant, and which series it has.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) tenant: Tenant,
    /// Held while values of this tenant are written, so that who waits for it has seen them written.
    pub(super) writing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct State {
    series: HashMap<SeriesKey, Series>,
    /// How many of them each metric has.
    tag_sets: HashMap<String, usize>,
    /// The sum of the lengths of what waits.
    buckets: usize,
    /// When the list of stored series was last read.
    loaded_at: Option<Timestamp>,
    used_at: Timestamp,
    /// How often in a row writing failed.
    failures: u32,
}

#[derive(Debug, Default)]
struct Series {
    /// The last day of which the table knows that this series was used.
    marked: Option<i64>,
    pending: BTreeMap<i64, Bucket>,
}

/// One bucket of one series, on its way.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) key: SeriesKey,
    /// The beginning of the minute.
    pub(super) minute: i64,
    pub(super) bucket: Bucket,
    /// Whether the table of series has to be told first.
    pub(super) unmarked: bool,
}

impl Account {
    fn new(tenant: Tenant, waiting: Arc<AtomicUsize>) -> Self {
        let state = State {
            series: HashMap::new(),
            tag_sets: HashMap::new(),
            buckets: 0,
            loaded_at: None,
            used_at: Timestamp(i64::MIN),
            failures: 0,
        };
        Self { tenant, writing: tokio::sync::Mutex::default(), state: Mutex::new(state), waiting }
    }

    fn record(&self, record: &Record, now: Timestamp) -> Result<(), CallError> {
        let key = SeriesKey::of(record);
        let minute = beginning(now, MINUTE);
        let mut state = lock(&self.state);
        state.used_at = now;
        let is_known = state.series.contains_key(&key);
        if !is_known {
            has_room(&state.tag_sets, state.series.len(), &key.metric)?;
        }
        let waits = state.series.get(&key).is_some_and(|series| series.pending.contains_key(&minute));
        let is_full = state.buckets >= TENANT_BUCKETS || self.waiting.load(Ordering::Relaxed) >= BUCKETS;
        if !waits && is_full {
            return Err(CallError::RateLimited { scope: "metrics.record".into(), retry_after: TRY_AGAIN });
        }
        self.add(&mut state, key, minute, &Bucket::of(record.value));
        Ok(())
    }

    fn add(&self, state: &mut State, key: SeriesKey, minute: i64, bucket: &Bucket) {
        if !state.series.contains_key(&key) {
            *state.tag_sets.entry(key.metric.clone()).or_default() += 1;
        }
        let pending = &mut state.series.entry(key).or_default().pending;
        let before = pending.len();
        pending.entry(minute).or_default().add(bucket);
        let new = pending.len() - before;
        state.buckets += new;
        self.waiting.fetch_add(new, Ordering::Relaxed);
    }

    /// Whether the list of stored series must be read before anything is written.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        lock(&self.state).loaded_at.is_none_or(|at| now.since(at) >= FORGOTTEN)
    }

    /// Learns which series are stored, and forgets what is neither stored nor waiting. Says how many
    /// waiting values had to be dropped, because there is no room for their series.
    pub(super) fn load(&self, stored: Vec<(SeriesKey, i64)>, now: Timestamp) -> i64 {
        let mut state = lock(&self.state);
        state.loaded_at = Some(now);
        let mut series: HashMap<SeriesKey, Series> = stored
            .into_iter()
            .map(|(key, marked)| (key, Series { marked: Some(marked), pending: BTreeMap::new() }))
            .collect();
        let mut tag_sets: HashMap<String, usize> = HashMap::new();
        for key in series.keys() {
            *tag_sets.entry(key.metric.clone()).or_default() += 1;
        }
        let mut dropped = 0;
        for (key, waiting) in std::mem::take(&mut state.series) {
            if waiting.pending.is_empty() {
                continue;
            }
            if let Some(known) = series.get_mut(&key) {
                known.pending = waiting.pending;
            } else if has_room(&tag_sets, series.len(), &key.metric).is_ok() {
                *tag_sets.entry(key.metric.clone()).or_default() += 1;
                series.insert(key, Series { marked: None, pending: waiting.pending });
            } else {
                state.buckets -= waiting.pending.len();
                self.waiting.fetch_sub(waiting.pending.len(), Ordering::Relaxed);
                dropped += waiting.pending.values().map(|bucket| bucket.count).sum::<i64>();
            }
        }
        state.series = series;
        state.tag_sets = tag_sets;
        dropped
    }

    /// Everything that waits, in one order for all who write.
    pub(super) fn take(&self, now: Timestamp) -> Vec<Point> {
        let today = beginning(now, DAY);
        let mut state = lock(&self.state);
        let mut points = Vec::with_capacity(state.buckets);
        for (key, series) in &mut state.series {
            let unmarked = series.marked.is_none_or(|day| day < today);
            let taken = std::mem::take(&mut series.pending);
            points.extend(taken.into_iter().map(|(minute, bucket)| Point {
                key: key.clone(),
                minute,
                bucket,
                unmarked,
            }));
        }
        state.buckets = 0;
        drop(state);
        self.waiting.fetch_sub(points.len(), Ordering::Relaxed);
        points.sort_unstable_by(|one, other| (&one.key, one.minute).cmp(&(&other.key, other.minute)));
        points
    }

    /// Notes that the table knows of the series of these points since `now`.
    pub(super) fn mark(&self, points: &[Point], now: Timestamp) {
        let mut state = lock(&self.state);
        for point in points {
            if let Some(series) = state.series.get_mut(&point.key) {
                series.marked = Some(beginning(now, DAY));
            }
        }
    }

    /// Lets points wait again that could not be written; the list of series is read anew first.
    pub(super) fn put_back(&self, points: Vec<Point>) {
        let mut state = lock(&self.state);
        state.loaded_at = None;
        for point in points {
            self.add(&mut state, point.key, point.minute, &point.bucket);
        }
    }

    /// Notes how an attempt to write ended.
    pub(super) fn tried(&self, succeeded: bool) {
        let mut state = lock(&self.state);
        state.failures = if succeeded { 0 } else { state.failures.saturating_add(1) };
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        let state = lock(&self.state);
        state.buckets == 0 && now.since(state.used_at) >= FORGOTTEN
    }
}

/// Whether a tenant with `series` series may begin one more of `metric`.
fn has_room(tag_sets: &HashMap<String, usize>, series: usize, metric: &str) -> Result<(), CallError> {
    if tag_sets.get(metric).is_some_and(|sets| *sets >= limits::METRIC_TAG_SETS) {
        return Err(CallError::too_many_tag_sets(metric));
    }
    if series >= limits::METRIC_SERIES { Err(CallError::too_many_series()) } else { Ok(()) }
}

/// The beginning of the stretch of `width` milliseconds that `at` is in.
pub(super) fn beginning(at: Timestamp, width: i64) -> i64 {
    at.0 - at.0.rem_euclid(width)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bailey_protocol::GuildId;
    use bailey_protocol::method::metrics::Metric;

    use super::*;

    fn record(number: usize) -> Record {
        let tags = [("n".to_owned(), number.to_string())].into();
        let metric = format!("m{}", number / limits::METRIC_TAG_SETS);
        Record { metric: Metric::new(metric).unwrap(), value: 1.0, tags }
    }

    fn tenant(guild: u64) -> Tenant {
        Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(guild) }
    }

    #[test]
    fn what_nobody_writes_stays_bounded_and_is_refused_in_the_end() {
        let pending = Pending::default();
        let mut refused = 0;
        for minute in 0..10 {
            for number in 0..limits::METRIC_SERIES {
                let now = Timestamp(minute * MINUTE);
                let answer = pending.record(&tenant(1), &record(number), now);
                refused += usize::from(matches!(answer, Err(CallError::RateLimited { .. })));
            }
        }
        assert_eq!(refused, 5 * limits::METRIC_SERIES);
        assert_eq!(pending.waiting.load(Ordering::Relaxed), TENANT_BUCKETS);
        // What is added to a bucket that waits needs no room.
        pending.record(&tenant(1), &record(0), Timestamp(0)).unwrap();
        for guild in 2..100 {
            for number in 0..TENANT_BUCKETS {
                let now = Timestamp((number / limits::METRIC_SERIES) as i64 * MINUTE);
                let _ = pending.record(&tenant(guild), &record(number % limits::METRIC_SERIES), now);
            }
        }
        assert_eq!(pending.waiting.load(Ordering::Relaxed), BUCKETS);
    }

    #[test]
    fn what_is_put_back_is_added_to_what_came_meanwhile() {
        let pending = Pending::default();
        pending.record(&tenant(1), &record(1), Timestamp(5)).unwrap();
        let account = pending.of(&tenant(1)).unwrap();
        let taken = account.take(Timestamp(5));
        pending.record(&tenant(1), &record(1), Timestamp(6)).unwrap();
        account.put_back(taken);
        let again = account.take(Timestamp(7));
        assert_eq!((again.len(), again[0].bucket.count), (1, 2));
        assert_eq!(pending.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn those_who_fail_are_in_nobodys_way() {
        let pending = Pending::default();
        for guild in 1..=9 {
            pending.record(&tenant(guild), &record(1), Timestamp(0)).unwrap();
        }
        pending.of(&tenant(4)).unwrap().tried(false);
        assert_eq!(pending.waiting(Timestamp(0)).last().unwrap().tenant, tenant(4));
    }

    #[test]
    fn unused_accounts_are_let_go() {
        let pending = Pending::default();
        pending.record(&tenant(1), &record(1), Timestamp(0)).unwrap();
        let later = Timestamp(0) + FORGOTTEN;
        assert_eq!(pending.waiting(later).len(), 1, "with something waiting it stays");
        pending.of(&tenant(1)).unwrap().take(later);
        assert_eq!(pending.waiting(later).len(), 0);
        assert!(pending.of(&tenant(1)).is_none());
    }
}
