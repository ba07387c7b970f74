//! Metrics on a real PostgreSQL: answers against a model, tenants apart, bounds, and nothing lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::metrics::{Aggregate, Period, Query, Record, Total};
use bailey_protocol::{CallError, Clock, Tenant, Timestamp, limits};
use bailey_services::{Database, Metrics};
use bailey_store::testing::shared_cluster;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseResult, TestRunner};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{ManualClock, START, Scratch, params, tenant};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// No test waits longer for one thing.
const PATIENCE: Duration = Duration::from_secs(30);

fn service(scratch: &Scratch) -> Metrics {
    Metrics::new(scratch.database.clone(), Arc::new(scratch.clock.clone()))
}

fn record(metrics: &Metrics, tenant: &Tenant, given: Value) -> Result<(), CallError> {
    metrics.record(tenant, &Record::parse(&params(given))?).map(|_| ())
}

async fn query(metrics: &Metrics, tenant: &Tenant, asked: Value) -> Value {
    let answer = metrics.query(tenant, &Query::parse(&params(asked)).unwrap()).await.unwrap();
    serde_json::to_value(answer).unwrap()
}

async fn total(metrics: &Metrics, tenant: &Tenant, metric: &str) -> Value {
    let asked = Total::parse(&params(json!({"metric": metric}))).unwrap();
    serde_json::to_value(metrics.total(tenant, &asked).await.unwrap()).unwrap()
}

fn pass(scratch: &Scratch, seconds: u64) {
    scratch.clock.advance(Duration::from_secs(seconds));
}

async fn rows(scratch: &Scratch, table: &str) -> i64 {
    let client = scratch.side_door().await;
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_week_is_answered_in_the_documented_shape() {
    let scratch = Scratch::new().await;
    let metrics = service(&scratch);
    let here = tenant("demo", 1);
    record(&metrics, &here, json!({"metric": "uses"})).unwrap();
    pass(&scratch, 2 * DAY);
    record(&metrics, &here, json!({"metric": "uses", "value": 2.5, "tags": {"x": "y"}})).unwrap();
    assert_eq!(
        query(&metrics, &here, json!({"metric": "uses"})).await,
        json!({
            "labels": ["2025-12-28", "2025-12-29", "2025-12-30", "2025-12-31",
                       "2026-01-01", "2026-01-02", "2026-01-03"],
            "series": [{"name": "uses", "data": [0, 0, 0, 0, 1, 0, 2.5]}],
            "total": 3.5
        })
    );
    assert_eq!(total(&metrics, &here, "uses").await, json!({"total": 3.5}));
    let empty = query(&metrics, &here, json!({"metric": "never", "aggregate": "min"})).await;
    assert_eq!(empty["series"], json!([{"name": "never", "data": [0, 0, 0, 0, 0, 0, 0]}]));
    assert_eq!(
        query(&metrics, &here, json!({"metric": "never", "group_by": "x"})).await["series"],
        json!([])
    );
    let hour = query(&metrics, &here, json!({"metric": "uses", "period": "1h"})).await;
    assert_eq!(
        (&hour["labels"][0], &hour["labels"][59]),
        (&json!("2026-01-02T23:01:00Z"), &json!("2026-01-03T00:00:00Z"))
    );
    let day = query(&metrics, &here, json!({"metric": "uses", "period": "24h"})).await;
    assert_eq!(day["labels"][0], "2026-01-02T01:00:00Z");
    metrics.shut_down().await;
}

#[derive(Debug, Clone)]
enum Step {
    Record { metric: &'static str, quarters: i32, tag: Option<&'static str> },
    Pass(u64),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let tag = proptest::option::of(select(&["red", "green", "é\"\\"][..]));
    prop_oneof![
        // Quarters add up without rounding, in whatever order.
        6 => (select(&["a", "a.b"][..]), -40..40, tag)
            .prop_map(|(metric, quarters, tag)| Step::Record { metric, quarters, tag }),
        2 => select(&[1, MINUTE, 7 * MINUTE, HOUR, 5 * HOUR, DAY, 9 * DAY, 40 * DAY][..]).prop_map(Step::Pass),
        1 => Just(Step::Flush),
    ]
}

/// Every value there ever was.
type Model = Vec<(i64, &'static str, f64, Option<&'static str>)>;

fn naive(aggregate: Aggregate, values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let sum: f64 = values.iter().sum();
    match aggregate {
        Aggregate::Sum => sum,
        Aggregate::Count => values.len() as f64,
        Aggregate::Average => sum / values.len() as f64,
        Aggregate::Least => values.iter().copied().fold(f64::INFINITY, f64::min),
        Aggregate::Greatest => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}

/// What the answer should be: groups with their numbers, and the total.
fn expected(
    model: &Model,
    now: Timestamp,
    period: Period,
    aggregate: Aggregate,
    metric: &str,
    by_tag: bool,
) -> (BTreeMap<String, Vec<f64>>, f64) {
    let (width, count) = match period {
        Period::Hour => (60_000, 60),
        Period::Day => (3_600_000, 24),
        Period::Week => (86_400_000, 7),
        Period::Month => (86_400_000, 30),
        Period::Quarter => (86_400_000, 90),
    };
    let last = now.0 / width;
    let mut groups: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
    if !by_tag {
        groups.insert(metric.to_owned(), vec![Vec::new(); count]);
    }
    let mut all = Vec::new();
    for (at, _, value, tag) in model.iter().filter(|(_, named, ..)| *named == metric) {
        let Ok(age) = usize::try_from(last - at / width) else { continue };
        if age < count {
            let name = if by_tag { tag.unwrap_or("(none)") } else { metric };
            let group = groups.entry(name.to_owned()).or_insert_with(|| vec![Vec::new(); count]);
            group[count - 1 - age].push(*value);
            all.push(*value);
        }
    }
    let aggregated = |buckets: Vec<Vec<f64>>| buckets.iter().map(|bucket| naive(aggregate, bucket)).collect();
    let groups = groups.into_iter().map(|(name, buckets)| (name, aggregated(buckets))).collect();
    (groups, naive(aggregate, &all))
}

/// The groups and the total of an answer.
fn given(answer: &Value) -> (BTreeMap<String, Vec<f64>>, f64) {
    let labels = answer["labels"].as_array().unwrap().len();
    let series = answer["series"].as_array().unwrap().iter().map(|series| {
        let data: Vec<f64> =
            series["data"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect();
        assert_eq!(data.len(), labels);
        (series["name"].as_str().unwrap().to_owned(), data)
    });
    (series.collect(), answer["total"].as_f64().unwrap())
}

struct Run {
    metrics: Metrics,
    clock: ManualClock,
    tenants: [(Tenant, Model); 2],
}

impl Run {
    async fn play(&mut self, steps: &[(usize, Step)]) -> TestCaseResult {
        for (who, step) in steps {
            let now = self.clock.now();
            let (tenant, model) = &mut self.tenants[*who];
            match step {
                Step::Pass(seconds) => self.clock.advance(Duration::from_secs(*seconds)),
                Step::Flush => self.metrics.flush(tenant).await.unwrap(),
                Step::Record { metric, quarters, tag } => {
                    let value = f64::from(*quarters) / 4.0;
                    let tags = tag.map_or(json!({}), |tag| json!({"colour": tag, "other": "x"}));
                    let given = json!({"metric": metric, "value": value, "tags": tags});
                    record(&self.metrics, tenant, given).unwrap();
                    model.push((now.0, metric, value, *tag));
                }
            }
        }
        let now = self.clock.now();
        for (tenant, model) in &self.tenants {
            for (period, aggregate) in
                Period::ALL.into_iter().flat_map(|period| Aggregate::ALL.map(|aggregate| (period, aggregate)))
            {
                for by_tag in [false, true] {
                    let mut asked = json!({"metric": "a.b", "period": period.as_str(),
                        "aggregate": aggregate.as_str()});
                    if by_tag {
                        asked["group_by"] = json!("colour");
                    }
                    let answer = query(&self.metrics, tenant, asked).await;
                    let wanted = expected(model, now, period, aggregate, "a.b", by_tag);
                    prop_assert_eq!(
                        given(&answer),
                        wanted,
                        "{:?} {:?} by tag: {}",
                        period,
                        aggregate,
                        by_tag
                    );
                }
            }
        }
        Ok(())
    }
}

#[test]
fn answers_are_those_of_a_naive_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scratch = runtime.block_on(Scratch::new());
    let cases = std::sync::atomic::AtomicU64::new(1);
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let steps = proptest::collection::vec((0..2_usize, step()), 1..60);
    TestRunner::new(config)
        .run(&steps, |steps| {
            let guild = 2 * cases.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            runtime.block_on(async {
                let metrics = service(&scratch);
                let tenants = [guild, guild + 1].map(|guild| (tenant("demo", guild), Model::new()));
                let mut run = Run { metrics, clock: scratch.clock.clone(), tenants };
                let outcome = run.play(&steps).await;
                run.metrics.shut_down().await;
                outcome
            })
        })
        .unwrap();
}

#[tokio::test]
async fn the_largest_groups_are_shown_and_the_rest_together() {
    let scratch = Scratch::new().await;
    let metrics = service(&scratch);
    let here = tenant("demo", 1);
    for number in 1..=25 {
        record(&metrics, &here, json!({"metric": "m", "value": number, "tags": {"n": number}})).unwrap();
    }
    let answer = query(&metrics, &here, json!({"metric": "m", "period": "24h", "group_by": "n"})).await;
    let last: Vec<(&str, i64)> = answer["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| (series["name"].as_str().unwrap(), series["data"][23].as_i64().unwrap()))
        .collect();
    assert_eq!(last.len(), limits::METRIC_GROUPS + 1);
    assert_eq!((last[0], last[19], last[20]), (("25", 25), ("6", 6), ("(other)", 15)));
    assert_eq!(answer["total"], 325);
    metrics.shut_down().await;
}

#[tokio::test]
async fn tag_sets_and_series_are_bounded_for_each_tenant_also_after_a_restart() {
    let scratch = Scratch::new().await;
    let metrics = service(&scratch);
    let (greedy, other) = (tenant("demo", 1), tenant("demo", 2));
    let point = |metric: usize, number: usize| json!({"metric": format!("m{metric}"), "tags": {"n": number}});
    for number in 0..limits::METRIC_TAG_SETS {
        record(&metrics, &greedy, point(0, number)).unwrap();
    }
    let many_sets = "invalid tags: one of the 100 sets of tags m0 already has on this server \
                     (tags take few values: no ids, no texts) is required";
    assert_eq!(record(&metrics, &greedy, point(0, 100)).unwrap_err().to_string(), many_sets);
    for number in limits::METRIC_TAG_SETS..limits::METRIC_SERIES {
        record(&metrics, &greedy, point(number / limits::METRIC_TAG_SETS, number)).unwrap();
    }
    let many_series = "invalid tags: one of the 1000 combinations of metric and tags this server already has \
                       (use fewer metrics or tags) is required";
    assert_eq!(record(&metrics, &greedy, point(10, 0)).unwrap_err().to_string(), many_series);
    record(&metrics, &greedy, point(0, 7)).unwrap();
    record(&metrics, &other, point(10, 0)).unwrap();
    metrics.shut_down().await;
    assert_eq!(rows(&scratch, "metric_series").await, 1001);

    // A new process knows nothing at first: what does not fit is dropped, then refused.
    let metrics = service(&scratch);
    record(&metrics, &greedy, point(0, 100)).unwrap();
    record(&metrics, &greedy, point(10, 0)).unwrap();
    assert_eq!(total(&metrics, &greedy, "m0").await, json!({"total": 101}));
    assert_eq!(record(&metrics, &greedy, point(0, 100)).unwrap_err().to_string(), many_sets);
    assert_eq!(record(&metrics, &greedy, point(10, 0)).unwrap_err().to_string(), many_series);
    metrics.shut_down().await;
    assert_eq!(rows(&scratch, "metric_series").await, 1001);
}

#[tokio::test]
async fn a_shutdown_keeps_what_was_recorded_and_the_next_process_adds_to_it() {
    let scratch = Scratch::new().await;
    let here = tenant("demo", 1);
    for _ in 0..2 {
        let metrics = service(&scratch);
        record(&metrics, &here, json!({"metric": "m", "value": 2})).unwrap();
        metrics.shut_down().await;
    }
    assert_eq!((rows(&scratch, "metric_minute").await, rows(&scratch, "metric_hour").await), (1, 1));
    let metrics = service(&scratch);
    assert_eq!(total(&metrics, &here, "m").await, json!({"total": 4}));
    metrics.shut_down().await;
}

#[tokio::test]
async fn values_are_written_without_anybody_asking() {
    let scratch = Scratch::new().await;
    let metrics = service(&scratch);
    record(&metrics, &tenant("demo", 1), json!({"metric": "m"})).unwrap();
    let written = async { while rows(&scratch, "metric_minute").await == 0 {} };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    metrics.shut_down().await;
}

#[tokio::test]
async fn values_wait_while_the_database_fails_and_count_once() {
    let scratch = Scratch::new().await;
    let metrics = service(&scratch);
    let here = tenant("demo", 1);
    record(&metrics, &here, json!({"metric": "m"})).unwrap();
    let door = scratch.side_door().await;
    metrics.flush(&here).await.unwrap();
    record(&metrics, &here, json!({"metric": "m"})).unwrap();
    door.batch_execute("ALTER TABLE metric_hour RENAME TO away").await.unwrap();
    // The series are known by now or made on the way; minutes and hours are added together or not at all.
    record(&metrics, &here, json!({"metric": "m", "value": 4})).unwrap();
    metrics.flush(&here).await.unwrap_err();
    record(&metrics, &here, json!({"metric": "m", "value": 10})).unwrap();
    door.batch_execute("ALTER TABLE away RENAME TO metric_hour").await.unwrap();
    assert_eq!(total(&metrics, &here, "m").await, json!({"total": 16}));
    let hour = query(&metrics, &here, json!({"metric": "m", "period": "1h"})).await;
    assert_eq!(hour["total"], 16);
    metrics.shut_down().await;
}

/// The partitions of a table, by name.
async fn partitions(scratch: &Scratch, table: &str) -> Vec<String> {
    let client = scratch.side_door().await;
    let rows = client.query("SELECT name FROM bailey_partitions($1)", &[&table]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn old_numbers_go_with_their_partitions_and_the_rest_stays() {
    let scratch = Scratch::new().await;
    let metrics = service(&scratch);
    let here = tenant("demo", 1);
    let add =
        || record(&metrics, &here, json!({"metric": "m", "tags": {"day": scratch.clock.now().0}})).unwrap();
    let tables = || async {
        [
            rows(&scratch, "metric_minute").await,
            rows(&scratch, "metric_hour").await,
            rows(&scratch, "metric_series").await,
        ]
    };
    add();
    metrics.flush(&here).await.unwrap();
    assert_eq!(metrics.sweep().await.unwrap(), 0);
    // It began on a Thursday, as the weeks do.
    assert_eq!(
        partitions(&scratch, "metric_minute").await,
        ["metric_minute_20260101", "metric_minute_20260102"]
    );
    assert_eq!(partitions(&scratch, "metric_hour").await, ["metric_hour_20260101", "metric_hour_20260108"]);
    pass(&scratch, 3 * DAY - 1);
    add();
    metrics.flush(&here).await.unwrap();
    metrics.sweep().await.unwrap();
    assert_eq!(tables().await, [2, 2, 2]);
    pass(&scratch, 1);
    // The minutes of the first day are 48 hours old by now, the last of them too.
    assert_eq!(metrics.sweep().await.unwrap(), 1);
    assert_eq!(tables().await, [1, 2, 2]);
    pass(&scratch, 88 * DAY);
    metrics.sweep().await.unwrap();
    assert_eq!(tables().await, [0, 2, 2]);
    assert_eq!(total(&metrics, &here, "m").await, json!({"total": 0}));
    let quarter = query(&metrics, &here, json!({"metric": "m", "period": "90d"})).await;
    assert_eq!(quarter["total"], 1, "one is out of reach already, and goes with its week");

    // The sweeper does the same by its clock, and a series comes back when it is used again.
    let stop = CancellationToken::new();
    let sweeping = metrics.run_sweeper(stop.clone());
    let gone = async {
        while tables().await != [0, 0, 0] {
            pass(&scratch, DAY);
        }
        stop.cancel();
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(sweeping, gone) }).await.unwrap();
    add();
    assert_eq!(total(&metrics, &here, "m").await, json!({"total": 1}));
    metrics.shut_down().await;
}

#[tokio::test]
async fn a_value_finds_a_place_also_when_its_partition_was_just_dropped() {
    let scratch = Scratch::new().await;
    let metrics = service(&scratch);
    let here = tenant("demo", 1);
    let door = scratch.side_door().await;
    for count in 1..=3 {
        record(&metrics, &here, json!({"metric": "m"})).unwrap();
        assert_eq!(query(&metrics, &here, json!({"metric": "m", "period": "1h"})).await["total"], count);
        // The hours keep what the minutes lose: only one of the two tables is missing a place.
        door.batch_execute("DROP TABLE metric_minute_20260101").await.unwrap();
        assert_eq!(query(&metrics, &here, json!({"metric": "m", "period": "24h"})).await["total"], count);
        record(&metrics, &here, json!({"metric": "m", "value": 0})).unwrap();
        metrics.flush(&here).await.unwrap();
        door.batch_execute("UPDATE metric_minute SET sum = (SELECT sum(sum) FROM metric_hour)")
            .await
            .unwrap();
    }
    metrics.shut_down().await;
}

#[tokio::test]
async fn several_hosts_write_and_sweep_at_once() {
    let scratch = Scratch::new().await;
    let hosts: Vec<Metrics> = (0..4).map(|_| service(&scratch)).collect();
    for day in 1..=20 {
        for (number, host) in hosts.iter().enumerate() {
            record(host, &tenant("demo", 1 + number as u64 % 2), json!({"metric": "m"})).unwrap();
        }
        let work = hosts.iter().enumerate().map(|(number, host)| async move {
            host.flush(&tenant("demo", 1 + number as u64 % 2)).await.unwrap();
            host.sweep().await.unwrap();
        });
        futures_util::future::join_all(work).await;
        for host in &hosts {
            assert_eq!(total(host, &tenant("demo", 1), "m").await, json!({"total": 2 * day}));
        }
        pass(&scratch, DAY);
    }
    assert_eq!(partitions(&scratch, "metric_minute").await.len(), 4);
    for host in &hosts {
        host.shut_down().await;
    }
}

#[test]
fn a_host_that_ends_without_a_word_leaves_a_gap_and_one_that_stops_does_not() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scratch = runtime.block_on(Scratch::new());
    let here = tenant("demo", 1);
    let killed = tokio::runtime::Runtime::new().unwrap();
    killed.block_on(async {
        let metrics = own_service(&scratch).await;
        record(&metrics, &here, json!({"metric": "m"})).unwrap();
        metrics.flush(&here).await.unwrap();
        signs_reach(&scratch, START.0).await;
        pass(&scratch, 5);
        signs_reach(&scratch, START.0 + 5000).await;
        record(&metrics, &here, json!({"metric": "m"})).unwrap();
    });
    killed.shutdown_background(); // its connections end, as those of a process that is killed
    runtime.block_on(async {
        pass(&scratch, 3600);
        // Two start at once; one of them takes note.
        let hosts = [service(&scratch), service(&scratch)];
        let noticed = async { while hosts[0].gaps(START).await.unwrap().is_empty() {} };
        tokio::time::timeout(PATIENCE, noticed).await.unwrap();
        let gaps = hosts[1].gaps(START).await.unwrap();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert_eq!(gaps[0].noticed_at, scratch.clock.now());
        assert_eq!((gaps[0].after.0, gaps[0].until.0), (START.0 + 5000, START.0 + 7000));
        assert_eq!(gaps[0].length(), Duration::from_secs(2));
        let kept = total(&hosts[0], &here, "m").await["total"].as_i64().unwrap();
        assert!((1..=2).contains(&kept), "{kept}");
        for host in hosts {
            host.shut_down().await;
        }
        assert_eq!(rows(&scratch, "metric_host").await, 0);
        let host = service(&scratch);
        while rows(&scratch, "metric_host").await == 0 {}
        host.shut_down().await;
        assert_eq!(host.gaps(START).await.unwrap().len(), 1, "an orderly end is no gap");
        pass(&scratch, 91 * DAY);
        host.sweep().await.unwrap();
        assert_eq!(host.gaps(START).await.unwrap(), []);
    });
}

/// A service with connections of its own, which end with the runtime it is made in.
async fn own_service(scratch: &Scratch) -> Metrics {
    let config = &shared_cluster().await.urls().plugins;
    let database = Database::connect(config, &scratch.options).await.unwrap();
    Metrics::new(database, Arc::new(scratch.clock.clone()))
}

/// Waits for a sign of life that says that everything before `at` is written.
async fn signs_reach(scratch: &Scratch, at: i64) {
    let client = scratch.side_door().await;
    const SQL: &str = "SELECT FROM metric_host WHERE seen_at >= $1 AND written_at >= $1";
    let reached = async { while client.query_opt(SQL, &[&at]).await.unwrap().is_none() {} };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_measured_is_refused_and_extremes_are_kept() {
    let scratch = Scratch::new().await;
    let metrics = service(&scratch);
    let here = tenant("demo", 1);
    for (given, said) in [
        (json!({"metric": "m", "value": null}), "invalid value: a finite number up to 1e100 is required"),
        (json!({"metric": "a-b"}), "invalid metric: a name of letters"),
        (json!({}), "invalid metric: a string is required"),
        (json!({"metric": "m", "tags": {"a": "\0"}}), "invalid tags: "),
    ] {
        let refused = record(&metrics, &here, given).unwrap_err().to_string();
        assert!(refused.starts_with(said), "{refused}");
    }
    // The longest tags there may be, and sums far out.
    let tags: BTreeMap<String, String> = (0..limits::METRIC_TAGS)
        .map(|number| {
            let name = format!("{number}{}", "\u{1}".repeat(limits::METRIC_TAG_NAME_BYTES - 1));
            (name, "\u{1}".repeat(limits::METRIC_TAG_VALUE_BYTES))
        })
        .collect();
    for _ in 0..100 {
        record(&metrics, &here, json!({"metric": "m", "value": 1e100, "tags": tags})).unwrap();
        metrics.flush(&here).await.unwrap();
    }
    let sum = total(&metrics, &here, "m").await["total"].as_f64().unwrap();
    assert!((sum / 1e102 - 1.0).abs() < 1e-9, "{sum}");
    metrics.shut_down().await;
}
