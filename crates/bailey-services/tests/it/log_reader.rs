//! Reading the log back: choices, pages in both directions, and those that keep coming.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{GuildId, Timestamp};
use bailey_services::logs::{LogFilter, LogPage, LogPlace, LogQuery, LogReader, LoggedLine, Logs, Tailed};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseResult, TestRunner};

use crate::logs::line;
use crate::support::{START, Scratch, tenant};

fn newest(filter: LogFilter) -> LogQuery {
    LogQuery { filter, from: None, until: None, place: LogPlace::Newest, limit: 1000 }
}

fn of(plugin: &str) -> LogFilter {
    LogFilter::of(plugin.parse().unwrap())
}

async fn texts(reader: &LogReader, query: &LogQuery) -> Vec<String> {
    let page = reader.page(query).await.unwrap();
    page.lines.into_iter().map(|line| line.logged.line.message).collect()
}

#[tokio::test]
async fn every_choice_finds_its_lines_and_nobody_elses() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let (here, there) = (tenant("demo", 1), tenant("demo", u64::MAX));
    for level in LogLevel::ALL {
        logs.write(&here, "1.0.0", LogLine::plain(level, level.as_str()));
        scratch.clock.advance(Duration::from_secs(3600));
    }
    let mut tagged = line("ÉTÉ 100% of_it [a-z]+ \\ 'quoted'");
    tagged.tags = vec!["sdk".into(), "rejected".into()];
    tagged.extra.insert("request".into(), "Q-42".into());
    logs.write(&there, "1.0.0", tagged);
    logs.write(&tenant("other", 1), "1.0.0", line("error"));
    logs.flush().await;
    let reader = logs.reader();

    let least = |least| newest(LogFilter { least, ..of("demo") });
    let everything = texts(&reader, &least(LogLevel::Debug)).await;
    assert_eq!(everything[..6], ["debug", "info", "stdout", "warning", "stderr", "error"]);
    assert_eq!(everything.len(), 7);
    assert_eq!(texts(&reader, &least(LogLevel::Info)).await.len(), 6);
    assert_eq!(texts(&reader, &least(LogLevel::Warning)).await, ["warning", "stderr", "error"]);
    assert_eq!(texts(&reader, &least(LogLevel::Error)).await, ["error"]);

    let on = |guild| newest(LogFilter { guild: Some(GuildId(guild)), ..of("demo") });
    assert_eq!(texts(&reader, &on(1)).await.len(), 6);
    assert_eq!(texts(&reader, &on(u64::MAX)).await.len(), 1);
    assert_eq!(texts(&reader, &on(2)).await.len(), 0);
    assert_eq!(texts(&reader, &newest(of("other"))).await, ["error"]);

    for (tag, found) in [("sdk", 1), ("rejected", 1), ("SDK", 0), ("sd", 0), ("\0", 0)] {
        let query = newest(LogFilter { tag: Some(tag.into()), ..of("demo") });
        assert_eq!(texts(&reader, &query).await.len(), found, "{tag}");
    }
    for (text, found) in [
        ("été", 1),
        ("0% OF_", 1),
        ("%", 1),
        ("_", 1),
        ("100_", 0),
        ("[A-Z]+", 1),
        ("\\ '", 1),
        ("q-42", 1),
        ("\"request\"", 1),
        ("r", 4),
        ("", 7),
        ("\0", 0),
    ] {
        let query = newest(LogFilter { text: Some(text.into()), ..of("demo") });
        assert_eq!(texts(&reader, &query).await.len(), found, "{text}");
    }
    let hour = |hour: u64| Some(START + Duration::from_secs(hour * 3600));
    let between = |from, until| LogQuery { from, until, ..newest(of("demo")) };
    assert_eq!(texts(&reader, &between(hour(1), hour(3))).await, ["info", "stdout"]);
    assert_eq!(texts(&reader, &between(hour(5), None)).await.len(), 2);
    assert_eq!(texts(&reader, &between(None, hour(1))).await, ["debug"]);
    let two = LogQuery { limit: 2, place: LogPlace::Oldest, ..newest(of("demo")) };
    assert_eq!(texts(&reader, &two).await, ["debug", "info"]);
    logs.shut_down().await;
}

/// One line of a random log.
#[derive(Debug, Clone)]
struct Written {
    guild: u64,
    level: LogLevel,
    text: &'static str,
    tag: Option<&'static str>,
    /// Seconds that pass before it; mostly none.
    pause: u64,
}

fn written() -> impl Strategy<Value = Written> {
    let parts = (
        0..2_u64,
        select(&LogLevel::ALL[..]),
        select(&["Alpha", "be%ta", "", "ΑΛΦΑ alpha"][..]),
        proptest::option::of(select(&["x", "y"][..])),
        select(&[0, 0, 0, 1, 40_000, 90_000][..]),
    );
    parts.prop_map(|(guild, level, text, tag, pause)| Written { guild, level, text, tag, pause })
}

#[derive(Debug, Clone)]
struct Choice {
    guild: Option<u64>,
    least: LogLevel,
    tag: Option<&'static str>,
    text: Option<&'static str>,
    hours: Option<(u64, u64)>,
    limit: u32,
    start: prop::sample::Index,
}

fn choice() -> impl Strategy<Value = Choice> {
    let parts = (
        proptest::option::of(0..2_u64),
        select(&LogLevel::ALL[..]),
        proptest::option::weighted(0.3, select(&["x", "y"][..])),
        proptest::option::weighted(0.3, select(&["ALPHA", "α", "%"][..])),
        proptest::option::weighted(0.3, (0..100_u64, 0..300_u64)),
        1..6_u32,
        any::<prop::sample::Index>(),
    );
    parts.prop_map(|(guild, least, tag, text, hours, limit, start)| Choice {
        guild,
        least,
        tag,
        text,
        hours,
        limit,
        start,
    })
}

/// Reads page after page until there are no more; each page oldest first, the pages as they were read.
async fn pages(reader: &LogReader, mut query: LogQuery, backwards: bool) -> Vec<Vec<LoggedLine>> {
    let mut pages = Vec::new();
    loop {
        let page = reader.page(&query).await.unwrap();
        assert!(page.lines.len() <= query.limit as usize);
        assert!(!page.more || page.lines.len() == query.limit as usize);
        let edge = if backwards { page.lines.first() } else { page.lines.last() };
        if let Some(edge) = edge.map(|line| line.place.to_string().parse().unwrap()) {
            query.place = if backwards { LogPlace::Before(edge) } else { LogPlace::After(edge) };
        }
        pages.push(page.lines.into_iter().map(|line| line.logged).collect());
        if !page.more {
            return pages;
        }
    }
}

async fn read_and_compare(
    scratch: &Scratch,
    logs: &Logs,
    plugin: &str,
    lines: &[Written],
    choice: &Choice,
) -> TestCaseResult {
    let began = bailey_protocol::Clock::now(&scratch.clock);
    let mut model = Vec::new();
    for Written { guild, level, text, tag, pause } in lines {
        scratch.clock.advance(Duration::from_secs(*pause));
        let at = bailey_protocol::Clock::now(&scratch.clock);
        let mut line = LogLine::plain(*level, text);
        line.tags.extend(tag.map(str::to_owned));
        line.extra.insert("number".into(), model.len().to_string());
        logs.write(&tenant(plugin, *guild), "1", line.clone());
        model.push(LoggedLine { tenant: tenant(plugin, *guild), version: "1".into(), at, line });
    }
    logs.flush().await;
    let filter = LogFilter {
        guild: choice.guild.map(GuildId),
        least: choice.least,
        tag: choice.tag.map(str::to_owned),
        text: choice.text.map(str::to_owned),
        ..of(plugin)
    };
    let hour = |hour: u64| began + Duration::from_secs(hour * 3600);
    let (from, until) = (choice.hours.map(|hours| hour(hours.0)), choice.hours.map(|hours| hour(hours.1)));
    let is_within =
        |at: Timestamp| from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until);
    let expected: Vec<LoggedLine> =
        model.into_iter().filter(|line| filter.matches(line) && is_within(line.at)).collect();
    let query = LogQuery { filter, from, until, place: LogPlace::Oldest, limit: choice.limit };
    let reader = logs.reader();

    let forwards = pages(&reader, query.clone(), false).await.concat();
    prop_assert_eq!(&forwards, &expected);
    let mut backwards = pages(&reader, LogQuery { place: LogPlace::Newest, ..query.clone() }, true).await;
    backwards.reverse();
    prop_assert_eq!(&backwards.concat(), &expected);
    if expected.is_empty() {
        return Ok(());
    }
    // From any line in the middle: what is before and what is after, and the line itself in neither.
    let start = choice.start.index(expected.len());
    let whole = reader.page(&LogQuery { limit: 1000, ..query.clone() }).await.unwrap();
    let place = whole.lines[start].place;
    // What comes meanwhile is newer, and changes nothing for who reads backwards.
    logs.write(&tenant(plugin, 0), "1", line("meanwhile"));
    logs.flush().await;
    let mut before = pages(&reader, LogQuery { place: LogPlace::Before(place), ..query.clone() }, true).await;
    before.reverse();
    prop_assert_eq!(&before.concat(), &expected[..start]);
    let after = pages(&reader, LogQuery { place: LogPlace::After(place), ..query }, false).await.concat();
    prop_assert_eq!(&after[..expected.len() - start - 1], &expected[start + 1..]);
    Ok(())
}

#[test]
fn pages_in_both_directions_are_those_of_a_naive_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (scratch, logs) = runtime.block_on(async {
        let scratch = Scratch::new().await;
        let logs = scratch.logs();
        (scratch, logs)
    });
    let cases = AtomicU64::new(0);
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&(proptest::collection::vec(written(), 0..40), choice()), |(lines, choice)| {
            let plugin = format!("demo_{}", cases.fetch_add(1, Ordering::Relaxed));
            runtime.block_on(read_and_compare(&scratch, &logs, &plugin, &lines, &choice))
        })
        .unwrap();
    runtime.block_on(logs.shut_down());
}

#[tokio::test]
async fn who_follows_sees_every_line_once_in_whatever_order_they_are_committed() {
    let scratch = Scratch::new().await;
    let (one, other) = (scratch.logs(), scratch.logs()); // as two hosts
    let (here, there) = (tenant("demo", 1), tenant("demo", 2));
    one.write(&here, "1.0.0", line("before"));
    one.flush().await;
    let mut follower = one.reader().follow(of("demo")).await.unwrap();
    // Transactions of other tests hold the horizon up: the line is in the history or comes soon.
    let kept = |page: LogPage| page.lines.into_iter().map(|line| line.logged).collect::<Vec<_>>();
    let mut seen = kept(follower.page(&newest(of("demo"))).await.unwrap());

    // A slow writer has its number and its time already, and is not done.
    let mut slow = scratch.side_door().await;
    let transaction = slow.transaction().await.unwrap();
    let insert = "INSERT INTO plugin_log (plugin, guild, at, version, level, message, tags, extra)
                  VALUES ('demo', 2, $1, '1.0.0', 'info', 'slow', '[]', '{}')";
    transaction.execute(insert, &[&START.0]).await.unwrap();
    scratch.clock.advance(Duration::from_secs(1));
    other.write(&there, "1.0.0", line("quick"));
    other.flush().await;
    seen.extend(follower.look().await.unwrap());
    assert!(!seen.iter().any(|seen| seen.line.message == "slow"), "{seen:?}");
    // Who begins to follow in between has a history without holes as well.
    let mut later = one.reader().follow(of("demo")).await.unwrap();
    let mut late = kept(later.page(&newest(of("demo"))).await.unwrap());
    transaction.commit().await.unwrap();
    for number in 0..1500 {
        scratch.clock.advance(Duration::from_secs(if number % 50 == 0 { 61 } else { 0 }));
        other.write(&here, "1.0.0", line(&number.to_string()));
        if number % 500 == 0 {
            other.flush().await;
            seen.extend(follower.look().await.unwrap());
        }
    }
    other.flush().await;
    // Whoever else uses this server may hold it up; nothing is passed by.
    let caught_up = async {
        while seen.len() < 1503 {
            seen.extend(follower.look().await.unwrap());
        }
        while late.len() < 1503 {
            late.extend(later.look().await.unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(30), caught_up).await.unwrap();
    for lines in [&mut seen, &mut late] {
        assert_eq!(lines.len(), 1503);
        lines.sort_by_key(|line| line.line.message.clone());
        lines.dedup();
        assert_eq!(lines.len(), 1503, "something was seen twice");
    }
    assert_eq!(follower.look().await.unwrap(), []);
    let only = LogFilter { least: LogLevel::Error, ..of("demo") };
    let mut errors = one.reader().follow(only).await.unwrap();
    one.write(&here, "1.0.0", line("no error"));
    one.write(&here, "1.0.0", LogLine::plain(LogLevel::Error, "an error"));
    one.flush().await;
    let mut found = Vec::new();
    while found.is_empty() {
        found = errors.look().await.unwrap();
    }
    assert_eq!((found.len(), found[0].line.message.as_str()), (1, "an error"));
    one.shut_down().await;
    other.shut_down().await;
}

#[tokio::test]
async fn a_tail_brings_the_lines_of_this_process_as_they_are_taken() {
    let scratch = Scratch::new().await;
    let logs = scratch.logs();
    let filter = LogFilter { guild: Some(GuildId(1)), text: Some("TAIL".into()), ..of("demo") };
    let mut tail = logs.tail(filter);
    logs.write(&tenant("demo", 1), "1.0.0", line("not chosen"));
    logs.write(&tenant("demo", 2), "1.0.0", line("tail of another server"));
    logs.write(&tenant("demo", 1), "1.0.0", line("tail"));
    let Some(Tailed::Line(first)) = tail.next().await else { panic!("no line") };
    assert_eq!((first.line.message.as_str(), first.tenant.guild), ("tail", GuildId(1)));
    // Who does not look is told how much there was.
    for guild in 0..100 {
        for _ in 0..20 {
            logs.write(&tenant("demo", guild), "1.0.0", line("tail"));
        }
    }
    assert_eq!(tail.next().await, Some(Tailed::Missed(2000 - 1024)));
    logs.shut_down().await;
    drop(logs);
    let ended = async { while tail.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
}

#[tokio::test]
async fn what_was_dropped_is_said_to_those_who_tail_too() {
    let scratch = Scratch::new().await;
    let logs = Logs::new(scratch.database.clone(), Arc::new(scratch.clock.clone()));
    let mut tail = logs.tail(of("loud"));
    for _ in 0..70 {
        logs.write(&tenant("loud", 1), "1.0.0", line("x"));
    }
    logs.shut_down().await;
    for _ in 0..60 {
        assert!(matches!(tail.next().await, Some(Tailed::Line(found)) if found.line == line("x")));
    }
    let Some(Tailed::Line(summary)) = tail.next().await else { panic!("no summary") };
    assert!(summary.line.message.starts_with("you dropped 10 lines"), "{summary:?}");
}
