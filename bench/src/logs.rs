//! Lines a second into the log, against one `COPY` of the same rows into an equal table.

use std::future::Future;
use std::io::Cursor;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{Clock, GuildId, PluginId, Tenant, Timestamp};
use bailey_services::{Database, DatabaseOptions, Logs};
use futures_util::{SinkExt, StreamExt};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use crate::bench::Bench;
use crate::plugin::BenchError;
use crate::table::{Table, Target, median};

/// Lines each server's plugin writes in its minute, below what it may.
const LINES_EACH: usize = 50;
/// Lines written before we look whether they are in the table: fewer than may wait.
const CHUNK: usize = 10_000;
/// Times each is measured.
const ROUNDS: usize = 5;

const ROW: &str = "logs.write, us a line";

/// A clock that is moved between rounds.
struct RoundClock(AtomicI64);

impl Clock for RoundClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, _: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// One row: lines written as plugins would, and the same copied, in turn.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    if !bench.wants(ROW) {
        return Ok(());
    }
    let lines = bench.sizes.lines;
    let failed = |error: tokio_postgres::Error| BenchError::part("logs database")(error.into());
    let options = DatabaseOptions::default();
    let mut config = bench.cluster().await?.urls().plugins;
    let database = Database::connect(&config, &options)
        .await
        .map_err(|error| BenchError::part("logs database")(error.into()))?;
    config.options(format!("-c search_path={} -c synchronous_commit=off", options.schema));
    let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    client.batch_execute("CREATE TABLE copied (LIKE plugin_log INCLUDING ALL)").await.map_err(failed)?;

    let clock = Arc::new(RoundClock(AtomicI64::new(1_767_225_600_000)));
    let logs = Logs::new(database.clone(), Arc::clone(&clock) as _);
    let plugin: PluginId = "bench".parse().map_err(|_| BenchError::Plugin("the plugin's id".to_owned()))?;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..bench.sizes.rounds(ROUNDS) {
        client.batch_execute("TRUNCATE plugin_log, copied").await.map_err(failed)?;
        clock.0.fetch_add(61_000, Ordering::Relaxed);
        let begun = Instant::now();
        for number in 0..lines {
            let tenant = Tenant { plugin: plugin.clone(), guild: GuildId(1 + (number / LINES_EACH) as u64) };
            logs.write(&tenant, "1.0.0", line(number));
            if number % CHUNK == CHUNK - 1 {
                logs.flush().await;
            }
        }
        logs.flush().await;
        ours.push(begun.elapsed().as_secs_f64() * 1e6 / lines as f64);
        let text = stored(&client).await.map_err(failed)?;
        let begun = Instant::now();
        let copied = copy(&client, text).await.map_err(failed)?;
        floor.push(begun.elapsed().as_secs_f64() * 1e6 / lines as f64);
        if copied != lines as u64 {
            return Err(BenchError::Plugin(format!("{copied} of {lines} lines reached the table")));
        }
    }
    logs.shut_down().await;
    database.close();
    client.batch_execute("DROP TABLE copied; TRUNCATE plugin_log").await.map_err(failed)?;
    table.row(ROW, median(&mut ours), median(&mut floor), Target::None);
    Ok(())
}

/// A line like those of real plugins.
fn line(number: usize) -> LogLine {
    let text =
        format!("command /play was used by 1191168914235588608 in 1191168914248171520, answer {number}");
    let mut line = LogLine::plain(LogLevel::Info, &text);
    line.tags = vec!["command".to_owned(), "play".to_owned()];
    line.extra.insert("duration_ms".to_owned(), (number % 1000).to_string());
    line.extra.insert("request_id".to_owned(), format!("{number:032x}"));
    line
}

const COLUMNS: &str = "plugin, guild, at, version, level, message, tags, extra";

/// What was written, as `COPY` reads it.
async fn stored(client: &Client) -> Result<Vec<u8>, tokio_postgres::Error> {
    let sql = format!("COPY (SELECT {COLUMNS} FROM plugin_log ORDER BY id) TO STDOUT");
    let mut stream = pin!(client.copy_out(&sql).await?);
    let mut text = Vec::new();
    while let Some(part) = stream.next().await {
        text.extend_from_slice(&part?);
    }
    Ok(text)
}

async fn copy(client: &Client, text: Vec<u8>) -> Result<u64, tokio_postgres::Error> {
    let sql = format!("COPY copied ({COLUMNS}) FROM STDIN");
    let mut sink = pin!(client.copy_in(&sql).await?);
    let text: Arc<[u8]> = text.into();
    sink.send(Cursor::new(text)).await?;
    sink.finish().await
}
