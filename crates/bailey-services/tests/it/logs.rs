//! Log lines: kept in order, bounded, and harmless on a terminal.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{Clock, limits};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Scratch, params, tenant};

fn line(text: &str) -> LogLine {
    LogLine::plain(LogLevel::Info, text)
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
        scratch.clock.advance(Duration::from_millis(if number % 100 == 0 { 60_000 } else { 0 }));
        logs.write(&here, "1.0.1", line(&number.to_string()));
    }
    logs.flush().await;

    let found = logs.recent(&here, 2000).await.unwrap();
    assert_eq!(found.len(), 1101);
    assert_eq!((&found[0].line, found[0].version.as_str()), (&rich, "1.0.0"));
    assert!(found[1..].iter().enumerate().all(|(number, found)| found.line == line(&number.to_string())));
    assert_eq!(found.last().unwrap().at, scratch.clock.now());
    let newest = logs.recent(&here, 2).await.unwrap();
    assert_eq!([&newest[0].line.message, &newest[1].line.message], ["1098", "1099"]);
    assert_eq!(logs.recent(&there, 10).await.unwrap().len(), 1);
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
    let kept = limits::LOG_LINES_PER_MINUTE as usize;
    assert_eq!(logs.recent(&loud, 2000).await.unwrap().len(), kept);
    assert_eq!(logs.recent(&quiet, 2000).await.unwrap().len(), 1);

    scratch.clock.advance(Duration::from_secs(60));
    logs.write(&loud, "1.0.0", line("again"));
    logs.flush().await;
    let found = logs.recent(&loud, 2000).await.unwrap();
    assert_eq!(found.len(), kept + 2);
    assert_eq!(found[kept].line.message, "you dropped 42 lines: at most 600 a minute are kept");
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
    let found = logs.recent(&loud, 2000).await.unwrap();
    assert_eq!(found.last().unwrap().line.message, "you dropped 1 line: at most 600 a minute are kept");
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
    assert_eq!(logs.recent(&here, 5).await.unwrap().len(), 1);
    logs.shut_down().await;
}

#[tokio::test]
async fn old_lines_go_after_two_weeks() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let here = tenant("demo", 1);
    logs.write(&here, "1.0.0", line("old"));
    logs.flush().await;
    scratch.clock.advance(Duration::from_secs(15 * 24 * 3600));
    logs.write(&here, "1.0.0", line("new"));
    logs.flush().await;
    let cleared = async {
        while logs.recent(&here, 5).await.unwrap().len() > 1 {
            logs.flush().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), cleared).await.unwrap();
    assert_eq!(logs.recent(&here, 5).await.unwrap()[0].line.message, "new");
    logs.shut_down().await;
}

/// A terminal one can read back.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

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
    let screen = Screen::default();
    let subscriber = tracing_subscriber::fmt().with_writer(screen.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let scratch = Scratch::new().await;
    screen.0.lock().unwrap().clear();
    let logs = scratch.logs();
    let forged = json!({
        "level": "error",
        "message": "hello\n1970-01-01T00:00:00Z ERROR bailey: forged",
        "tags": ["a\nb"],
        "extra": {"k\n": "v\u{1b}[31m"}
    });
    logs.write(&tenant("demo", 42), "1.0.0", LogLine::parse(&params(forged)));
    let bytes = screen.0.lock().unwrap().clone();
    let shown = String::from_utf8(bytes).unwrap();
    assert_eq!(shown.lines().count(), 1, "{shown}");
    assert!(!shown.trim_end().contains(|character: char| character.is_control()), "{shown:?}");
    for part in ["ERROR", "plugin: hello\\n1970", "plugin=\"demo\"", "guild=42", "#a\\nb"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    logs.shut_down().await;
}
