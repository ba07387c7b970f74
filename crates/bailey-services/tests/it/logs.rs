//! Log lines: kept in order, bounded, dropped by days, and harmless on a terminal. Reading them back is
//! in `log_reader`.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{Clock, Tenant, limits};
use bailey_services::logs::{LogFilter, LogOptions, LogPlace, LogQuery, LoggedLine, Logs};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{START, Scratch, params, tenant};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// No test waits longer for one thing.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn line(text: &str) -> LogLine {
    LogLine::plain(LogLevel::Info, text)
}

/// Every line of a tenant in the table, oldest first.
pub(crate) async fn all(logs: &Logs, tenant: &Tenant) -> Vec<LoggedLine> {
    let filter = LogFilter { guild: Some(tenant.guild), ..LogFilter::of(tenant.plugin.clone()) };
    let mut query = LogQuery { filter, from: None, until: None, place: LogPlace::Oldest, limit: 1000 };
    let mut lines = Vec::new();
    loop {
        let page = logs.reader().page(&query).await.unwrap();
        query.place = page.lines.last().map_or(query.place, |last| LogPlace::After(last.place));
        lines.extend(page.lines.into_iter().map(|line| line.logged));
        if !page.more {
            return lines;
        }
    }
}

/// The days there are partitions for.
async fn days(scratch: &Scratch) -> Vec<String> {
    let client = scratch.side_door().await;
    let rows = client.query("SELECT name FROM bailey_partitions('plugin_log')", &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, &str>(0).trim_start_matches("plugin_log_").to_owned()).collect()
}

#[tokio::test]
async fn lines_are_kept_whole_and_in_their_order() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let (here, there) = (tenant("demo", 1), tenant("demo", 2));
    let rich =
        json!({"level": "warn", "message": "a\nb\u{0}", "tags": ["x", "y"], "extra": {"z": "1", "a": "2"}});
    let rich = LogLine::parse(&params(rich));
    logs.write(&here, "1.0.0", rich.clone());
    logs.write(&there, "1.0.0", line("elsewhere"));
    for number in 0..1100 {
        scratch.clock.advance(Duration::from_millis(if number % 50 == 0 { 60_000 } else { 0 }));
        logs.write(&here, "1.0.1", line(&number.to_string()));
    }
    logs.flush().await;

    let found = all(&logs, &here).await;
    assert_eq!(found.len(), 1101);
    assert_eq!((&found[0].line, found[0].version.as_str()), (&rich, "1.0.0"));
    assert!(found[1..].iter().enumerate().all(|(number, found)| found.line == line(&number.to_string())));
    assert_eq!(found.last().unwrap().at, scratch.clock.now());
    assert_eq!(all(&logs, &there).await.len(), 1);
    logs.shut_down().await;
}

#[tokio::test]
async fn too_many_lines_a_minute_become_one_that_says_so() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let (loud, quiet) = (tenant("loud", 1), tenant("quiet", 1));
    for number in 0..limits::LOG_LINES_PER_MINUTE + 42 {
        logs.write(&loud, "1.0.0", line(&number.to_string()));
    }
    logs.write(&quiet, "1.0.0", line("heard"));
    logs.flush().await;
    // What is printed has room of its own: a chatty process does not silence its own log.
    logs.write(&quiet, "1.0.0", LogLine::plain(LogLevel::Stderr, "printed"));
    let kept = limits::LOG_LINES_PER_MINUTE as usize;
    assert_eq!(all(&logs, &loud).await.len(), kept);
    assert_eq!(all(&logs, &quiet).await.len(), 1);

    scratch.clock.advance(Duration::from_secs(60));
    logs.write(&loud, "1.0.0", line("again"));
    logs.flush().await;
    let found = all(&logs, &loud).await;
    assert_eq!(found.len(), kept + 2);
    assert_eq!(
        found[kept].line.message,
        "you dropped 42 lines: at most 60 lines and 256 KiB a minute are kept, and as much of what is printed"
    );
    assert_eq!(found[kept].line.level, LogLevel::Warning);
    assert_eq!(found[kept + 1].line.message, "again");
    logs.shut_down().await;
}

#[tokio::test]
async fn a_shutdown_keeps_what_was_written_and_what_has_to_be_said() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let loud = tenant("loud", 1);
    for _ in 0..=limits::LOG_LINES_PER_MINUTE {
        logs.write(&loud, "1.0.0", line("x"));
    }
    logs.shut_down().await;
    let found = all(&logs, &loud).await;
    assert!(found.last().unwrap().line.message.starts_with("you dropped 1 line: at most 60 lines"));
    logs.write(&loud, "1.0.0", line("too late"));
    logs.flush().await; // does not wait for a writer that is gone
}

#[tokio::test]
async fn a_failing_database_neither_blocks_nor_fails_the_writer() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    scratch.side_door().await.batch_execute("ALTER TABLE plugin_log RENAME TO away").await.unwrap();
    let here = tenant("demo", 1);
    logs.write(&here, "1.0.0", line("kept on a later try"));
    let back = async {
        // After at least one failed try: the writer has taken the line and not settled it.
        tokio::time::timeout(Duration::from_millis(600), logs.flush()).await.unwrap_err();
        scratch.side_door().await.batch_execute("ALTER TABLE away RENAME TO plugin_log").await.unwrap();
        logs.flush().await;
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.unwrap();
    assert_eq!(all(&logs, &here).await.len(), 1);
    logs.shut_down().await;
}

#[tokio::test]
async fn printed_lines_and_logged_lines_do_not_crowd_each_other_out() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let here = tenant("demo", 1);
    for _ in 0..100 {
        logs.write(&here, "1.0.0", LogLine::plain(LogLevel::Stdout, "printed"));
    }
    logs.write(&here, "1.0.0", line("logged"));
    logs.shut_down().await;
    let found = all(&logs, &here).await;
    assert_eq!(found.len(), 62);
    assert_eq!(found[60].line, line("logged"));
    assert!(found[61].line.message.starts_with("you dropped 40 lines: "), "{:?}", found[61]);
}

#[tokio::test]
async fn days_are_made_ahead_and_go_when_they_are_old() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let here = tenant("demo", 1);
    let stop = CancellationToken::new();
    let sweeping = logs.run_sweeper(stop.clone());
    let days_pass = async {
        let made = async { while days(&scratch).await != ["20260101", "20260102"] {} };
        tokio::time::timeout(PATIENCE, made).await.unwrap();
        for _ in 0..20 {
            logs.write(&here, "1.0.0", line(&scratch.clock.now().to_string()));
            logs.flush().await;
            scratch.clock.advance(DAY);
        }
        // It is the 21st: the 7th began two weeks ago, the 6th ended then.
        let swept = |days: Vec<String>| days[0] == "20260107" && days.last().unwrap() == "20260122";
        let gone = async { while !swept(days(&scratch).await) {} };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
        stop.cancel();
    };
    tokio::join!(sweeping, days_pass);
    let found = all(&logs, &here).await;
    assert_eq!((found.len(), found[0].line.message.as_str()), (14, "2026-01-07T00:00:00.000Z"));
    logs.shut_down().await;
}

#[tokio::test]
async fn past_the_size_the_oldest_days_go_first_and_the_operator_is_told() {
    let scratch = Scratch::new().await;
    let screen = screen();
    let logs = scratch.logs();
    let here = |guild| tenant("demo", guild);
    for _ in 0..4 {
        for guild in 1..=3 {
            for _ in 0..30 {
                logs.write(&here(guild), "1.0.0", line(&unpackable(4000)));
            }
        }
        logs.flush().await;
        scratch.clock.advance(DAY);
    }
    logs.write(&here(1), "1.0.0", line("the newest"));
    logs.flush().await;
    logs.shut_down().await;
    // A byte too much for all but the first of the five days: two have to go.
    let door = scratch.side_door().await;
    let sizes = "SELECT sum(bytes)::bigint, (array_agg(bytes))[1] FROM bailey_partitions('plugin_log')";
    let sizes = door.query_one(sizes, &[]).await.unwrap();
    let total_bytes = (sizes.get::<_, i64>(0) - sizes.get::<_, i64>(1) - 1).unsigned_abs();
    assert!(total_bytes > 1_000_000, "{total_bytes}");
    let options = LogOptions { total_bytes, ..LogOptions::default() };
    let logs = Logs::with_options(scratch.database.clone(), Arc::new(scratch.clock.clone()), options);
    assert_eq!(logs.sweep().await.unwrap(), 2);
    assert_eq!(days(&scratch).await, ["20260103", "20260104", "20260105", "20260106"]);
    let found = all(&logs, &here(1)).await;
    assert_eq!((found.len(), found.last().unwrap().line.message.as_str()), (61, "the newest"));
    let said = format!("of the {total_bytes} they may: dropped the oldest day, plugin_log_20260101");
    assert_eq!(screen.lines_with(&said).len(), 1);
    assert_eq!(logs.sweep().await.unwrap(), 0);
    logs.shut_down().await;

    // A day that is too large by itself goes as well, and lines find a place at once.
    let options = LogOptions { total_bytes: 1, ..options };
    let logs = Logs::with_options(scratch.database.clone(), Arc::new(scratch.clock.clone()), options);
    assert_eq!(logs.sweep().await.unwrap(), 3);
    logs.write(&here(1), "1.0.0", line("after all"));
    logs.flush().await;
    assert_eq!(all(&logs, &here(1)).await.len(), 1);
    logs.shut_down().await;
}

/// Text that PostgreSQL cannot make smaller.
fn unpackable(characters: usize) -> String {
    let mut state = 7_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (state >> 33) as u8 % 95)
    };
    std::iter::repeat_with(next).take(characters).collect()
}

#[tokio::test]
async fn a_line_finds_a_place_also_when_its_day_was_just_dropped() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let here = tenant("demo", 1);
    let door = scratch.side_door().await;
    for number in 0..3 {
        logs.write(&here, "1.0.0", line(&number.to_string()));
        logs.flush().await;
        assert_eq!(all(&logs, &here).await[0].line, line(&number.to_string()));
        door.batch_execute("DROP TABLE plugin_log_20260101").await.unwrap();
    }
    logs.shut_down().await;
}

#[tokio::test]
async fn lines_kept_before_the_days_were_are_moved_into_them() {
    let scratch = Scratch::new().await;
    let door = scratch.side_door().await;
    door.batch_execute("DROP TABLE plugin_log; DROP SEQUENCE plugin_log_number; DROP FUNCTION bailey_fold;
         DROP FUNCTION bailey_partitions; DROP FUNCTION bailey_make_partition; DROP FUNCTION bailey_drop_partition;")
        .await
        .unwrap();
    door.batch_execute(include_str!("../../migrations/V2__plugin_log.sql")).await.unwrap();
    let insert = "INSERT INTO plugin_log (plugin, guild, at, version, level, message, tags, extra)
                  VALUES ('demo', 1, $1, '1', 'info', $2, '[]', '{}')";
    for (at, text) in [(START.0 - 1, "last year"), (START.0, "b"), (START.0, "a")] {
        door.execute(insert, &[&at, &text]).await.unwrap();
    }
    door.batch_execute(include_str!("../../migrations/V4__log_partitions.sql")).await.unwrap();
    let logs = scratch.logs();
    let found = all(&logs, &tenant("demo", 1)).await;
    let texts: Vec<&str> = found.iter().map(|found| found.line.message.as_str()).collect();
    assert_eq!(texts, ["last year", "b", "a"]);
    assert_eq!(days(&scratch).await, ["20251231", "20260101"]);
    logs.shut_down().await;
}

/// A terminal one can read back.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

/// The one terminal of all tests: what is logged where a subscriber comes and goes may reach nobody.
fn screen() -> Screen {
    static SCREEN: OnceLock<Screen> = OnceLock::new();
    let screen = SCREEN.get_or_init(|| {
        let screen = Screen::default();
        tracing_subscriber::fmt().with_writer(screen.clone()).with_ansi(false).init();
        screen
    });
    screen.clone()
}

impl Screen {
    fn lines_with(&self, text: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        let shown = String::from_utf8(bytes).unwrap();
        shown.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_line_cannot_pass_for_two_on_the_terminal() {
    let screen = screen();
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let forged = json!({
        "level": "error",
        "message": "hello\n1970-01-01T00:00:00Z ERROR bailey: forged",
        "tags": ["a\nb"],
        "extra": {"k\n": "v\u{1b}[31m"}
    });
    logs.write(&tenant("demo", 42), "1.0.0", LogLine::parse(&params(forged)));
    let shown = screen.lines_with("forged");
    let [shown] = &shown[..] else { panic!("{shown:?}") };
    assert!(!shown.trim_end().contains(|character: char| character.is_control()), "{shown:?}");
    for part in ["ERROR", "plugin: hello\\n1970", "plugin=\"demo\"", "guild=42", "#a\\nb"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    logs.shut_down().await;
}
