//! `bailey logs`: what a plugin wrote, read beside a Bailey that runs, or after it has ended.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::log::LogLevel;
use bailey_protocol::{CallError, Clock, GuildId, Timestamp, limits};
use bailey_services::logs::{LogFilter, LogFollower, LogPage, LogPlace, LogQuery, LogReader, LoggedLine};
use bailey_services::{Database as PluginsDatabase, DatabaseOptions};
use bailey_store::DatabaseUrls;

use crate::cli::{Level, Logs};
use crate::clock::SystemClock;
use crate::database::Database;
use crate::error::{CommandError, chain};
use crate::terminal;

/// Time between two looks for new lines.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(crate) async fn run(options: Logs) -> Result<ExitCode, CommandError> {
    let clock = Arc::new(SystemClock);
    let since = options.since.map(|since| since.before(clock.now()));
    let database = Database::reach(&options.places).await?;
    let shown = show(&options, &database.urls, clock, since, database.is_ours()).await;
    let (follower, plugins) = match shown {
        Ok(shown) => shown,
        Err(error) => {
            database.stop().await;
            return Err(error);
        }
    };
    if follower.is_none() {
        plugins.close();
    }
    // A Bailey that is to be followed could not start while its server is in our hands.
    database.stop().await;
    let Some(mut follower) = follower else { return Ok(ExitCode::SUCCESS) };
    tokio::select! {
        interrupted = terminal::interrupted() => interrupted?,
        () = follow(&mut follower, options.json) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what is there; gives back who goes on looking, if that was asked for.
async fn show(
    options: &Logs,
    urls: &DatabaseUrls,
    clock: Arc<SystemClock>,
    since: Option<Timestamp>,
    is_ours: bool,
) -> Result<(Option<LogFollower>, PluginsDatabase), CommandError> {
    let connections = DatabaseOptions { connections: 1, ..DatabaseOptions::default() };
    let plugins = PluginsDatabase::connect(&urls.plugins, &connections)
        .await
        .map_err(|error| CommandError::failed(chain(&error)))?;
    let reader = LogReader::new(plugins.clone(), clock);
    let filter = filter(options);
    let follower = match options.follow {
        true => Some(reader.follow(filter.clone()).await.map_err(unreadable)?),
        false => None,
    };
    let lines = newest(&reader, follower.as_ref(), filter, since, options.limit).await?;
    if lines.is_empty() {
        eprintln!("no such lines of {} are kept here", options.plugin);
    }
    if is_ours && options.follow {
        eprintln!("no Bailey runs here at the moment; waiting for lines of the next one");
    }
    for line in &lines {
        if !print(line, options.json) {
            return Ok((None, plugins)); // whoever read us has gone
        }
    }
    Ok((follower, plugins))
}

fn filter(options: &Logs) -> LogFilter {
    LogFilter {
        plugin: options.plugin.clone(),
        guild: options.server.map(GuildId),
        least: match options.level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warning => LogLevel::Warning,
            Level::Error => LogLevel::Error,
        },
        tag: options.tag.clone(),
        text: options.grep.clone(),
    }
}

/// The newest lines, oldest first, read page by page from the end.
async fn newest(
    reader: &LogReader,
    follower: Option<&LogFollower>,
    filter: LogFilter,
    from: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<LoggedLine>, CommandError> {
    let mut query = LogQuery { filter, from, until: None, place: LogPlace::Newest, limit: 0 };
    let mut pages: Vec<LogPage> = Vec::new();
    let mut wanted = limit;
    while wanted > 0 {
        query.limit = wanted.min(limits::LOG_PAGE_LINES);
        let page = match follower {
            Some(follower) => follower.page(&query).await,
            None => reader.page(&query).await,
        };
        let page = page.map_err(unreadable)?;
        wanted -= u32::try_from(page.lines.len()).unwrap_or(wanted).min(wanted);
        let first = page.lines.first().map(|line| line.place);
        let more = page.more;
        pages.push(page);
        match first {
            Some(first) if more => query.place = LogPlace::Before(first),
            _ => break,
        }
    }
    Ok(pages.into_iter().rev().flat_map(|page| page.lines).map(|line| line.logged).collect())
}

/// Shows lines as they come, until whoever reads them has gone. A database that is away is waited for:
/// Bailey may be stopped and started meanwhile.
async fn follow(follower: &mut LogFollower, as_json: bool) {
    let mut is_away = false;
    loop {
        match follower.look().await {
            Ok(lines) => {
                is_away = false;
                if !lines.iter().all(|line| print(line, as_json)) {
                    return;
                }
            }
            Err(_) if is_away => {}
            Err(_) => {
                is_away = true;
                eprintln!("the database does not answer; waiting for it to come back");
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn unreadable(error: CallError) -> CommandError {
    CommandError::failed(format!("the log cannot be read: {error}; hint: choose a shorter time with --since"))
}

/// Prints a line; false when nobody reads any more. Nothing a plugin wrote reaches the terminal as
/// anything but text.
fn print(logged: &LoggedLine, as_json: bool) -> bool {
    let text = if as_json { json(logged) } else { words(logged) };
    writeln!(std::io::stdout().lock(), "{text}").is_ok()
}

fn words(logged: &LoggedLine) -> String {
    let level = logged.line.level.as_str().to_uppercase();
    format!("{} {level:<7} {} {}", logged.at, logged.tenant.guild, logged.one_line())
}

fn json(logged: &LoggedLine) -> String {
    let object = serde_json::json!({
        "at": logged.at.to_string(),
        "plugin": logged.tenant.plugin.as_str(),
        "server": logged.tenant.guild.to_string(),
        "version": logged.version,
        "level": logged.line.level,
        "message": logged.line.message,
        "tags": logged.line.tags,
        "extra": logged.line.extra,
    });
    terminal::safe_json(&object)
}

#[cfg(test)]
mod tests {
    use bailey_protocol::Tenant;
    use bailey_protocol::method::log::LogLine;
    use bailey_services::logs::is_harmful;

    use super::*;

    #[test]
    fn neither_words_nor_json_do_anything_to_a_terminal() {
        let dirty = "a\n2026 ERROR\u{1b}[2J\u{9b}1A\u{7f}\u{202e}\u{2028}\u{85}";
        let mut line = LogLine::plain(LogLevel::Stderr, dirty);
        line.tags.push(dirty.to_owned());
        line.extra.insert(dirty.to_owned(), dirty.to_owned());
        let tenant = Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(7) };
        let logged = LoggedLine { tenant, version: dirty.to_owned(), at: Timestamp(0), line };
        for text in [words(&logged), json(&logged)] {
            assert!(!text.chars().any(is_harmful), "{text:?}");
        }
        assert!(
            words(&logged).starts_with("1970-01-01T00:00:00.000Z STDERR  7 a\\n2026"),
            "{}",
            words(&logged)
        );
        let read: serde_json::Value = serde_json::from_str(&json(&logged)).unwrap();
        assert_eq!(
            (&read["message"], &read["server"], &read["level"]),
            (&dirty.into(), &"7".into(), &"stderr".into())
        );
    }
}
