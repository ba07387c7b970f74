//! A plugin's statements on its own tables, against the same statements prepared on a plain table:
//! what is in between is the check, the connection on loan, and how servers are kept apart.

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::capability::StorageSql;
use bailey_protocol::method::sql::{Execute, Query, SqlIsolation};
use bailey_protocol::{CallError, Capability, Grant, Grants, GuildId, Params, PluginId, Tenant};
use bailey_services::{Sql, SqlOptions};
use bailey_store::Cluster;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls, Statement};

use crate::bench::Bench;
use crate::clock::WallClock;
use crate::plugin::BenchError;
use crate::table::{Table, Target, median};

/// Clients at once; on our side each is a server of one plugin.
const CLIENTS: [usize; 3] = [1, 8, 32];
/// Rows of each client; used at random.
const ROWS: u64 = 1000;
/// Rounds taken in turn; the best median of each side counts.
const ROUNDS: usize = 3;

const CREATE: &str =
    "CREATE TABLE wallets (id bigint PRIMARY KEY, name text NOT NULL, coins bigint NOT NULL)";

/// The calls that are measured.
#[derive(Debug, Clone, Copy)]
enum Call {
    Select,
    Upsert,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Select => "sql.query",
            Self::Upsert => "sql.execute",
        }
    }

    fn statement(self) -> &'static str {
        match self {
            Self::Select => "SELECT id, name, coins FROM wallets WHERE id = $1",
            Self::Upsert => {
                "INSERT INTO wallets (id, name, coins) VALUES ($1, 'somebody', 1) \
                 ON CONFLICT (id) DO UPDATE SET coins = wallets.coins + excluded.coins"
            }
        }
    }
}

/// Twelve rows: two calls, in both ways of keeping servers apart, by 1, 8 and 32 clients.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let mut wanted = Vec::new();
    for isolation in [SqlIsolation::Shared, SqlIsolation::Dedicated] {
        for call in [Call::Select, Call::Upsert] {
            for clients in CLIENTS {
                let mode = match isolation {
                    SqlIsolation::Shared => "shared",
                    SqlIsolation::Dedicated => "dedicated",
                };
                let row = format!("{} {mode}, {clients} clients, us", call.name());
                if bench.wants(&row) {
                    wanted.push((row, isolation, call, clients));
                }
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let cluster = bench.cluster().await?;
    let sql = open(cluster).await?;
    let mut connections = JoinSet::new();
    let plain = plain(cluster, &mut connections).await?;
    for isolation in [SqlIsolation::Shared, SqlIsolation::Dedicated] {
        let rows: Vec<_> = wanted.iter().filter(|(_, wanted, ..)| *wanted == isolation).collect();
        if rows.is_empty() {
            continue;
        }
        let servers = servers(&sql, isolation).await?;
        for (row, _, call, clients) in rows {
            let (mut ours, mut floor) = (f64::INFINITY, f64::INFINITY);
            for _ in 0..bench.sizes.rounds(ROUNDS) {
                floor = floor.min(call_us(&plain[..*clients], *call, bench.sizes.seconds).await?);
                ours = ours.min(call_us(&servers[..*clients], *call, bench.sizes.seconds).await?);
            }
            table.row(row, ours, floor, Target::AtMost(1.5));
        }
    }
    sql.close();
    Ok(())
}

async fn open(cluster: &Cluster) -> Result<Sql, BenchError> {
    let hardened = cluster.administer_sql(&bailey_services::sql::hardening()).await;
    hardened.map_err(|error| BenchError::part("sql database")(error.into()))?;
    let Some(config) = cluster.urls().sql else {
        return Err(BenchError::Part { what: "sql database", why: "the server has none".to_owned() });
    };
    let secrets = rand::make_rng::<rand::rngs::StdRng>();
    let sql = Sql::connect(&config, &SqlOptions::default(), Arc::new(WallClock), secrets).await;
    sql.map_err(|error| BenchError::part("sql database")(error.into()))
}

/// Who calls.
#[derive(Clone)]
enum Caller {
    /// A plugin on a server.
    Plugin(Sql, Grant<StorageSql>),
    /// The floor: a connection of its own, statements prepared on a table without anything of ours.
    Plain(Arc<Plain>),
}

struct Plain {
    client: Client,
    select: Statement,
    upsert: Statement,
    /// The first of its keys.
    first: u64,
}

/// As many servers of one plugin as there are clients at most, each with its rows.
async fn servers(sql: &Sql, isolation: SqlIsolation) -> Result<Vec<Caller>, BenchError> {
    let name = if isolation == SqlIsolation::Shared { "bench_shared" } else { "bench_dedicated" };
    let plugin: PluginId =
        name.parse().map_err(|_| BenchError::Plugin(format!("{name} is no plugin's id")))?;
    sql.isolate(&plugin, isolation);
    let mut servers = Vec::new();
    for guild in 1..=most_clients() {
        let tenant = Tenant { plugin: plugin.clone(), guild: GuildId(guild) };
        let grants = Grants::new(tenant, [Capability::StorageSql].into_iter().collect());
        let grant = grants.require().map_err(failed)?;
        for statement in [CREATE, &fill(1)] {
            let execute = Execute::parse(&params(statement, None)).map_err(failed)?;
            sql.execute(&grant, &execute).await.map_err(failed)?;
        }
        servers.push(Caller::Plugin(sql.clone(), grant));
    }
    Ok(servers)
}

/// As many connections, and a table that holds as many rows as that of the plugin's.
async fn plain(cluster: &Cluster, connections: &mut JoinSet<()>) -> Result<Vec<Caller>, BenchError> {
    let mut config = cluster.urls().plugins;
    config.options("-c search_path=plain");
    let mut callers = Vec::new();
    for number in 0..most_clients() {
        let (client, connection) = config.connect(NoTls).await.map_err(broken)?;
        connections.spawn(async move {
            let _ = connection.await; // the client's next call says why
        });
        if number == 0 {
            client.batch_execute(&format!("CREATE SCHEMA plain; {CREATE}")).await.map_err(broken)?;
        }
        let first = 1 + number * ROWS;
        client.batch_execute(&fill(first)).await.map_err(broken)?;
        let select = client.prepare(Call::Select.statement()).await.map_err(broken)?;
        let upsert = client.prepare(Call::Upsert.statement()).await.map_err(broken)?;
        callers.push(Caller::Plain(Arc::new(Plain { client, select, upsert, first })));
    }
    Ok(callers)
}

fn most_clients() -> u64 {
    CLIENTS.into_iter().max().unwrap_or_default() as u64
}

fn fill(first: u64) -> String {
    let last = first + ROWS - 1;
    format!("INSERT INTO wallets SELECT id, 'somebody', 0 FROM generate_series({first}, {last}) AS id")
}

impl Caller {
    /// One call on the row of this number, from 0.
    async fn make(&self, call: Call, row: u64) -> Result<(), BenchError> {
        let found = match (self, call) {
            (Self::Plugin(sql, grant), Call::Select) => {
                let query = Query::parse(&params(call.statement(), Some(row + 1))).map_err(failed)?;
                sql.query(grant, &query).await.map_err(failed)?.rows.len() as u64
            }
            (Self::Plugin(sql, grant), Call::Upsert) => {
                let execute = Execute::parse(&params(call.statement(), Some(row + 1))).map_err(failed)?;
                sql.execute(grant, &execute).await.map_err(failed)?.rowcount
            }
            (Self::Plain(plain), Call::Select) => {
                let key = (plain.first + row).cast_signed();
                plain.client.query(&plain.select, &[&key]).await.map_err(broken)?.len() as u64
            }
            (Self::Plain(plain), Call::Upsert) => {
                let key = (plain.first + row).cast_signed();
                plain.client.execute(&plain.upsert, &[&key]).await.map_err(broken)?
            }
        };
        if found == 1 { Ok(()) } else { Err(BenchError::Plugin(format!("{found} rows instead of one"))) }
    }
}

/// As they arrive on the wire.
fn params(statement: &str, key: Option<u64>) -> Params {
    let values: Vec<u64> = key.into_iter().collect();
    let text = serde_json::json!({ "sql": statement, "params": values }).to_string();
    let raw = RawValue::from_string(text).ok();
    Params::parse(raw.as_deref()).unwrap_or_default()
}

/// Microseconds a call, the median of all callers, each with one call under way at any time.
async fn call_us(callers: &[Caller], call: Call, seconds: u64) -> Result<f64, BenchError> {
    let mut tasks = JoinSet::new();
    let end = Instant::now() + Duration::from_secs(seconds);
    for (number, caller) in callers.iter().enumerate() {
        let caller = caller.clone();
        tasks.spawn(async move {
            let (mut took, mut state) =
                (Vec::new(), 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1));
            while Instant::now() < end {
                state ^= state << 13; // xorshift
                state ^= state >> 7;
                state ^= state << 17;
                let began = Instant::now();
                caller.make(call, state % ROWS).await?;
                took.push(began.elapsed().as_secs_f64() * 1e6);
            }
            Ok::<_, BenchError>(took)
        });
    }
    let took: Vec<Vec<f64>> = tasks.join_all().await.into_iter().collect::<Result<_, _>>()?;
    Ok(median(&mut took.concat()))
}

fn failed(error: CallError) -> BenchError {
    BenchError::part("sql")(error.into())
}

fn broken(error: tokio_postgres::Error) -> BenchError {
    BenchError::part("plain table")(error.into())
}
