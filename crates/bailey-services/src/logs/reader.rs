//! Reading lines back: page by page in either direction, or those that keep coming. For whoever may
//! see them; who may is decided elsewhere.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::log::LogLevel;
use bailey_protocol::{CallError, Clock, Timestamp, limits};
use deadpool_postgres::Object;
use tokio_postgres::types::ToSql;

use super::filter::LogFilter;
use super::{LoggedLine, table};
use crate::database::{Database, Failure};

/// How long a line may be on its way to the table and still be seen by those who follow.
const LATE: Duration = Duration::from_secs(300);

/// Where a line stands among all lines: by time, then in the order of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCursor {
    at: i64,
    id: i64,
}

/// A text that is no cursor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is two numbers with a dash between them, as it came with a line")]
pub struct LogCursorError;

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at, self.id)
    }
}

impl FromStr for LogCursor {
    type Err = LogCursorError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at, id) = text.rsplit_once('-').ok_or(LogCursorError)?;
        let (at, id) = (at.parse(), id.parse());
        Ok(Self { at: at.map_err(|_| LogCursorError)?, id: id.map_err(|_| LogCursorError)? })
    }
}

/// From where a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogPlace {
    /// The newest lines.
    Newest,
    /// The oldest lines.
    Oldest,
    /// The lines just before this one.
    Before(LogCursor),
    /// The lines just after this one.
    After(LogCursor),
}

/// A question for lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Which lines.
    pub filter: LogFilter,
    /// Not older than this.
    pub from: Option<Timestamp>,
    /// Older than this.
    pub until: Option<Timestamp>,
    /// Where the page is.
    pub place: LogPlace,
    /// How many lines at most; more than 1,000 is taken as that, less than one as one.
    pub limit: u32,
}

/// A line and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLine {
    /// For the next page.
    pub place: LogCursor,
    /// The line.
    pub logged: LoggedLine,
}

/// Lines, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<KeptLine>,
    /// Whether there are more in the direction that was read.
    pub more: bool,
}

/// Reads the log. A cheap clone.
#[derive(Clone)]
pub struct LogReader {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl LogReader {
    /// A reader on a database. It writes nothing.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// One page. Lines that are still on their way to the table are not among them; those that come
    /// later than their neighbours are met by pages read after that.
    ///
    /// # Errors
    /// [`CallError`] when the database fails, or is not done in five seconds.
    pub async fn page(&self, query: &LogQuery) -> Result<LogPage, CallError> {
        self.page_written(query, 0, None).await
    }

    /// Those lines that are written from now on.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn follow(&self, filter: LogFilter) -> Result<LogFollower, CallError> {
        let now = self.clock.now();
        let Sight { horizon, next } = self.sight().await?;
        Ok(LogFollower { reader: self.clone(), filter, horizon, complete_at: now, mark: (next, now) })
    }

    async fn sight(&self) -> Result<Sight, CallError> {
        const SQL: &str =
            "SELECT pg_snapshot_xmin(snapshot)::text AS horizon, pg_snapshot_xmax(snapshot)::text AS next
                           FROM pg_current_snapshot() AS snapshot";
        let work = async {
            let client = self.database.client().await?;
            let row = client.query_one(&client.prepare_cached(SQL).await?, &[]).await?;
            let number = |name: &str| {
                let text: &str = row.get(name);
                text.parse().map_err(|_| Failure::Unreadable(format!("transaction {text}")))
            };
            Ok(Sight { horizon: number("horizon")?, next: number("next")? })
        };
        self.database.bounded("reading the log", &"an operator", work).await
    }

    /// A page of the lines written by transactions from `since` up to `before`.
    async fn page_written(
        &self,
        query: &LogQuery,
        since: u64,
        before: Option<u64>,
    ) -> Result<LogPage, CallError> {
        let work = async {
            let client = self.database.client().await?;
            page(&client, query, since, before).await
        };
        self.database.bounded("reading the log", &query.filter.plugin, work).await
    }
}

/// Which transactions' rows are in sight.
#[derive(Debug, Clone, Copy)]
struct Sight {
    /// Every transaction before this one has ended: what it wrote is in sight, and nothing more comes of it.
    horizon: u64,
    /// No transaction from this one on has begun.
    next: u64,
}

/// Sees every line that reaches the table, of all processes, once.
///
/// Numbers of rows and times come into sight in another order than they were given; the ends of
/// transactions do not, so that is what a follower goes by. A long transaction of somebody else's
/// holds it up, but nothing is passed by.
#[derive(Clone)]
pub struct LogFollower {
    reader: LogReader,
    filter: LogFilter,
    /// What transactions before this one wrote was seen.
    horizon: u64,
    /// Every line written by then was seen.
    complete_at: Timestamp,
    /// Once the horizon has reached this transaction, every line written by this time was seen.
    mark: (u64, Timestamp),
}

impl LogFollower {
    /// A page of what was there before the following began.
    ///
    /// # Errors
    /// As for [`LogReader::page`].
    pub async fn page(&self, query: &LogQuery) -> Result<LogPage, CallError> {
        self.reader.page_written(query, 0, Some(self.horizon)).await
    }

    /// What has come since the last look, oldest first; nothing if nothing came. After a failure the
    /// next look finds it all.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn look(&mut self) -> Result<Vec<LoggedLine>, CallError> {
        let now = self.reader.clock.now();
        let Sight { horizon, next } = self.reader.sight().await?;
        let mut query = LogQuery {
            filter: self.filter.clone(),
            from: Some(self.complete_at - LATE),
            until: None,
            place: LogPlace::Oldest,
            limit: limits::LOG_PAGE_LINES,
        };
        let mut lines = Vec::new();
        loop {
            let page = self.reader.page_written(&query, self.horizon, Some(horizon)).await?;
            if let Some(last) = page.lines.last() {
                query.place = LogPlace::After(last.place);
            }
            lines.extend(page.lines.into_iter().map(|line| line.logged));
            if !page.more {
                break;
            }
        }
        self.horizon = horizon;
        if horizon >= self.mark.0 {
            self.complete_at = self.mark.1;
            self.mark = (next, now);
        }
        Ok(lines)
    }
}

async fn page(
    client: &Object,
    query: &LogQuery,
    since: u64,
    before: Option<u64>,
) -> Result<LogPage, Failure> {
    let LogQuery { filter, from, until, place, limit } = query;
    let (mut from, mut until) = (from.map_or(i64::MIN, |at| at.0), until.map_or(i64::MAX, |at| at.0));
    let is_backwards = matches!(place, LogPlace::Newest | LogPlace::Before(_));
    let edge = match place {
        LogPlace::Newest => LogCursor { at: i64::MAX, id: i64::MAX },
        LogPlace::Oldest => LogCursor { at: i64::MIN, id: i64::MIN },
        LogPlace::Before(edge) | LogPlace::After(edge) => *edge,
    };
    // The edge as a bound of its own: by that PostgreSQL chooses the days it has to look at.
    if is_backwards {
        until = until.min(edge.at.saturating_add(1));
    } else {
        from = from.max(edge.at);
    }
    let sql = statement(is_backwards, filter.guild.is_some());
    let statement = client.prepare_cached(&sql).await?;
    let limit = i64::from((*limit).clamp(1, limits::LOG_PAGE_LINES));
    let levels: Vec<&str> = LogLevel::ALL
        .into_iter()
        .filter(|level| level.is_at_least(filter.least))
        .map(LogLevel::as_str)
        .collect();
    let plugin = filter.plugin.as_str();
    let (tag, text) = (filter.tag.as_deref().map(without_nul), filter.text.as_deref().map(without_nul));
    let (since, before) = (since.to_string(), before.map(|before| before.to_string()));
    let one_more = limit + 1;
    let mut values: Vec<&(dyn ToSql + Sync)> =
        vec![&plugin, &from, &until, &levels, &tag, &text, &edge.at, &edge.id, &since, &before, &one_more];
    let guild = filter.guild.map(|guild| guild.0.cast_signed());
    if let Some(guild) = &guild {
        values.push(guild);
    }
    let rows = client.query(&statement, &values).await?;
    let read = |row: &tokio_postgres::Row| {
        let place = LogCursor { at: row.get("at"), id: row.get("id") };
        Ok(KeptLine { place, logged: table::read(&filter.plugin, row)? })
    };
    let more = rows.len() as i64 > limit;
    let mut lines = rows.iter().take(limit as usize).map(read).collect::<Result<Vec<KeptLine>, Failure>>()?;
    if is_backwards {
        lines.reverse();
    }
    Ok(LogPage { lines, more })
}

/// The statement of [`page`] for one direction, for one server or for all.
fn statement(is_backwards: bool, of_one_guild: bool) -> String {
    let guild = if of_one_guild { "AND guild = $12" } else { "" };
    let (beyond, order) = if is_backwards { ("<", "DESC") } else { (">", "ASC") };
    format!(
        "SELECT guild, at, id, version, level, message, tags::text AS tags, extra::text AS extra
         FROM plugin_log
         WHERE plugin = $1 {guild} AND at >= $2 AND at < $3 AND (at, id) {beyond} ($7, $8)
             AND written >= $9::text::xid8 AND ($10::text IS NULL OR written < $10::text::xid8)
             AND level = ANY ($4)
             AND ($5::text IS NULL OR EXISTS (
                 SELECT FROM json_array_elements_text(tags) AS tag WHERE tag = $5))
             AND ($6::text IS NULL OR position(bailey_fold($6) IN bailey_fold(message)) > 0
                 OR position(bailey_fold($6) IN bailey_fold(extra::text)) > 0)
         ORDER BY at {order}, id {order} LIMIT $11"
    )
}

/// As texts are stored.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for cursor in [LogCursor { at: 1_767_225_600_000, id: 7 }, LogCursor { at: -5, id: 0 }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in ["", "5", "5-", "-", "a-b", "5-6-x"] {
            assert_eq!(bad.parse::<LogCursor>(), Err(LogCursorError), "{bad}");
        }
    }
}
