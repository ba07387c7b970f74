//! What short-lived state costs: each backend against the barest thing that does the same job on
//! the same machine, in turn, with 1, 8 and 32 callers at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bailey_protocol::method::ephemeral::{Count, Key, Remember};
use bailey_protocol::{CallError, GuildId, Tenant};
use bailey_services::{Ephemeral, RedisServer};
use bailey_testkit::Redis;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::Bench;
use crate::clock::WallClock;
use crate::plugin::BenchError;
use crate::table::{Table, Target, median};

/// Callers at once.
const CALLERS: [usize; 3] = [1, 8, 32];
/// Calls of all callers together, where there is a server between and where there is none.
const CALLS_TO_REDIS: usize = 20_000;
const CALLS_IN_PROCESS: usize = 400_000;
/// Taken in turn; the best median of the rounds counts for both sides.
const ROUNDS: usize = 5;
/// Keys each caller goes round.
const KEYS: usize = 1000;
/// How long hits and keys count.
const TIME: Duration = Duration::from_secs(2);

/// The sliding window of the textbooks: exact, and without any bound.
const TEXTBOOK_WINDOW: &str = "
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1] * 1000)
    redis.call('ZADD', KEYS[1], now, now)
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    return redis.call('ZCARD', KEYS[1])";

/// Twelve rows: a counter and a dedup, in Redis and in process, by 1, 8 and 32 callers.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let wanted: Vec<Row> = rows().into_iter().filter(|row| bench.wants(&row.name())).collect();
    let server = OnceCell::new();
    for row in wanted {
        let (ours, floor) = match row.place {
            Place::Redis => {
                let server = server.get_or_init(async || Redis::start()).await;
                (in_redis(server)?, bare_redis(server).await?)
            }
            Place::Process => {
                (Side::Ours(Ephemeral::in_process(Arc::new(WallClock))), Side::Map(Arc::default()))
            }
        };
        let (mut ours_us, mut floor_us) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..bench.sizes.rounds(ROUNDS) {
            floor_us = floor_us.min(call_us(&floor, &row).await?);
            ours_us = ours_us.min(call_us(&ours, &row).await?);
        }
        table.row(&row.name(), ours_us, floor_us, Target::None);
    }
    Ok(())
}

/// One row.
#[derive(Debug, Clone, Copy)]
struct Row {
    job: Job,
    place: Place,
    callers: usize,
}

/// Where it is kept.
#[derive(Debug, Clone, Copy)]
enum Place {
    Redis,
    Process,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for place in [Place::Redis, Place::Process] {
        for job in [Job::Counter, Job::Dedup] {
            rows.extend(CALLERS.map(|callers| Row { job, place, callers }));
        }
    }
    rows
}

impl Row {
    fn name(&self) -> String {
        let Self { job, place, callers } = self;
        let (job, place) = (
            match job {
                Job::Counter => "counter",
                Job::Dedup => "dedup",
            },
            match place {
                Place::Redis => "in Redis",
                Place::Process => "in process",
            },
        );
        format!("ephemeral.{job} {place}, {callers} clients, us")
    }

    /// Of all callers together.
    fn calls(&self) -> usize {
        match self.place {
            Place::Redis => CALLS_TO_REDIS,
            Place::Process => CALLS_IN_PROCESS,
        }
    }
}

fn in_redis(server: &Redis) -> Result<Side, BenchError> {
    let address =
        RedisServer::parse(&server.url()).map_err(|error| BenchError::part("Redis")(error.into()))?;
    Ok(Side::Ours(Ephemeral::in_redis(address, Arc::new(WallClock))))
}

async fn bare_redis(server: &Redis) -> Result<Side, BenchError> {
    let failed = |error: RedisError| BenchError::part("Redis")(error.into());
    let client = redis::Client::open(server.url()).map_err(failed)?;
    let wire = client.get_multiplexed_async_connection().await.map_err(failed)?;
    Ok(Side::Wire(wire, Arc::new(Script::new(TEXTBOOK_WINDOW))))
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
enum Job {
    Counter,
    Dedup,
}

/// Who does it.
#[derive(Clone)]
enum Side {
    Ours(Ephemeral),
    /// The same Redis crate on the same server, with nothing of ours.
    Wire(MultiplexedConnection, Arc<Script>),
    /// One lock, one map, nothing bounded.
    Map(Arc<Mutex<BareMap>>),
}

/// What the simplest service in a process would keep.
#[derive(Default)]
struct BareMap {
    hits: HashMap<String, VecDeque<Instant>>,
    seen: HashMap<String, Instant>,
}

/// A call made ready, as both sides want it.
struct Call {
    count: Count,
    remember: Remember,
    name: String,
}

/// The median of one measurement, microseconds a call.
async fn call_us(side: &Side, row: &Row) -> Result<f64, BenchError> {
    let Row { job, callers, .. } = *row;
    let calls = row.calls() / callers;
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let side = side.clone();
        let (tenant, ready) = ready(caller)?;
        tasks.spawn(async move {
            let mut took = Vec::with_capacity(calls);
            for call in ready.iter().cycle().take(calls) {
                let began = Instant::now();
                once(&side, job, &tenant, call).await?;
                took.push(began.elapsed().as_secs_f64() * 1e6);
            }
            Ok::<_, BenchError>(took)
        });
    }
    let took: Vec<Vec<f64>> = tasks.join_all().await.into_iter().collect::<Result<_, _>>()?;
    Ok(median(&mut took.concat()))
}

fn ready(caller: usize) -> Result<(Tenant, Vec<Call>), BenchError> {
    let plugin = "bench".parse().map_err(|_| BenchError::Plugin("its id is none".to_owned()))?;
    let calls = (0..KEYS).map(|number| {
        let key = Key::new(&format!("key-{number}")).map_err(refused)?;
        let name = format!("bare:{{{caller}}}:{number}");
        Ok(Call {
            count: Count { key: key.clone(), window: TIME },
            remember: Remember { key, time_to_live: TIME },
            name,
        })
    });
    Ok((Tenant { plugin, guild: GuildId(caller as u64) }, calls.collect::<Result<_, BenchError>>()?))
}

async fn once(side: &Side, job: Job, tenant: &Tenant, call: &Call) -> Result<(), BenchError> {
    let failed = |error: RedisError| BenchError::part("Redis")(error.into());
    match (side, job) {
        (Side::Ours(service), Job::Counter) => {
            service.counter(tenant, &call.count).await.map(drop).map_err(refused)
        }
        (Side::Ours(service), Job::Dedup) => {
            service.dedup(tenant, &call.remember).await.map(drop).map_err(refused)
        }
        (Side::Wire(wire, window), Job::Counter) => {
            let name = format!("{}:hits", call.name);
            let (mut asked, mut wire) = (window.key(name), wire.clone());
            asked.arg(TIME.as_millis() as u64);
            asked.invoke_async::<u64>(&mut wire).await.map(drop).map_err(failed)
        }
        (Side::Wire(wire, _), Job::Dedup) => {
            let mut set = redis::cmd("SET");
            set.arg(&call.name).arg(1).arg("NX").arg("PX").arg(TIME.as_millis() as u64);
            set.query_async::<Option<String>>(&mut wire.clone()).await.map(drop).map_err(failed)
        }
        (Side::Map(map), job) => {
            let (now, mut map) = (Instant::now(), map.lock().unwrap_or_else(PoisonError::into_inner));
            match job {
                Job::Counter => map.count(&call.name, now),
                Job::Dedup => map.see(&call.name, now),
            }
            Ok(())
        }
    }
}

impl BareMap {
    fn count(&mut self, name: &str, now: Instant) {
        let hits = self.hits.entry(name.to_owned()).or_default();
        while hits.front().is_some_and(|hit| *hit + TIME <= now) {
            hits.pop_front();
        }
        hits.push_back(now);
        std::hint::black_box(hits.len());
    }

    fn see(&mut self, name: &str, now: Instant) {
        let expires_at = self.seen.entry(name.to_owned()).or_insert(now);
        let is_new = *expires_at <= now;
        if is_new {
            *expires_at = now + TIME;
        }
        std::hint::black_box(is_new);
    }
}

fn refused(error: CallError) -> BenchError {
    BenchError::part("ephemeral")(error.into())
}
