//! A host's sign of life, so that a crash says how much of what was recorded it took along.
//!
//! Each host has a row that says when it was last alive and up to when its values are in the tables,
//! and holds an advisory lock that PostgreSQL lets go of when the connection ends. A row whose lock is
//! free belongs to a host that ended without a word: it becomes a gap, once, whoever finds it first.

use std::time::Duration;

use bailey_protocol::{CallError, Timestamp};
use deadpool_postgres::{ClientWrapper, Object};
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::database::Failure;

/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// Time between two looks for hosts that ended without a word.
const LOOK_AROUND: u32 = 60; // beats

/// A stretch of time of which recorded values may be missing, because a host was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// What the host recorded before is kept.
    pub after: Timestamp,
    /// The host was dead by then. A host that could not reach the database when it died may have
    /// lived, and lost values, for longer.
    pub until: Timestamp,
    /// When another host found out.
    pub noticed_at: Timestamp,
}

impl Gap {
    /// How much may be missing.
    pub fn length(&self) -> Duration {
        self.until.since(self.after)
    }
}

/// Our row and the connection that holds its lock.
struct Post {
    id: i64,
    client: ClientWrapper,
}

impl Metrics {
    /// The gaps that were noticed since `since`, oldest first. Gaps are remembered as long as hours are.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn gaps(&self, since: Timestamp) -> Result<Vec<Gap>, CallError> {
        const SQL: &str =
            "SELECT after, until, noticed_at FROM metric_gap WHERE noticed_at >= $1 ORDER BY after, until";
        let work = async {
            let client = self.database.client().await?;
            let rows = client.query(&client.prepare_cached(SQL).await?, &[&since.0]).await?;
            Ok(rows.iter().map(gap).collect())
        };
        self.database.bounded("reading gaps of metrics", &"everybody", work).await
    }

    /// Gives signs of life until `ended`; then takes the row away, if nothing was lost. A database that
    /// is away is asked again with each beat.
    pub(super) async fn give_signs(self, ended: CancellationToken) {
        let mut post: Option<Post> = None;
        let mut old = None;
        let mut beats: u32 = 0;
        loop {
            let work = async {
                match post.as_ref() {
                    Some(at) if !beats.is_multiple_of(LOOK_AROUND) => self.beat(at).await,
                    Some(at) => {
                        self.look_around(at).await?;
                        self.beat(at).await
                    }
                    None => {
                        let taken = self.take_post(old).await?;
                        self.look_around(post.insert(taken)).await
                    }
                }
            };
            // The cause is said where values are written; the tables are in the same database.
            if !matches!(tokio::time::timeout(4 * BEAT, work).await, Ok(Ok(()))) {
                old = post.take().map(|post| post.id).or(old);
            }
            beats = beats.wrapping_add(1);
            let pause = tokio::time::timeout(BEAT, ended.cancelled());
            if pause.await.is_ok() {
                break;
            }
        }
        if let Some(post) = post
            && self.is_settled()
        {
            let leaving =
                async { post.client.execute("DELETE FROM metric_host WHERE id = $1", &[&post.id]).await };
            let _ = tokio::time::timeout(4 * BEAT, leaving).await; // else the next host notes a gap
        }
    }

    /// A row of our own, in place of `old`.
    async fn take_post(&self, old: Option<i64>) -> Result<Post, Failure> {
        // Row and lock come into sight together.
        const SQL: &str = "
            WITH old AS (DELETE FROM metric_host WHERE id = $1),
            new AS (INSERT INTO metric_host (started_at, seen_at, written_at) VALUES ($2, $2, $3) RETURNING id)
            SELECT id, pg_advisory_lock(hashtextextended(
                format('metrics host %s of %s', id, current_schema()), 0)) FROM new";
        // The lock lives and dies with the connection: it must not go back to the pool.
        let client = Object::take(self.database.client().await?);
        let now = self.clock.now();
        let id = client.query_one(SQL, &[&old, &now.0, &self.written_at().0]).await?.get("id");
        Ok(Post { id, client })
    }

    async fn beat(&self, post: &Post) -> Result<(), Failure> {
        const SQL: &str = "UPDATE metric_host SET seen_at = $2, written_at = $3 WHERE id = $1";
        let now = self.clock.now();
        let statement = post.client.prepare_cached(SQL).await?;
        match post.client.execute(&statement, &[&post.id, &now.0, &self.written_at().0]).await? {
            0 => Err(Failure::Unreadable("our own row of metric_host is gone".to_owned())), // take another
            _ => Ok(()),
        }
    }

    /// Makes gaps of the rows of dead hosts, and says so.
    async fn look_around(&self, post: &Post) -> Result<(), Failure> {
        const SQL: &str = "
            WITH dead AS MATERIALIZED (
                SELECT id, seen_at, written_at FROM metric_host
                WHERE id <> $1 AND pg_try_advisory_xact_lock(hashtextextended(
                    format('metrics host %s of %s', id, current_schema()), 0))
                FOR UPDATE SKIP LOCKED),
            gone AS (DELETE FROM metric_host USING dead WHERE metric_host.id = dead.id)
            INSERT INTO metric_gap (after, until, noticed_at)
            SELECT written_at, greatest(seen_at, written_at) + $2, $3 FROM dead
            RETURNING after, until, noticed_at";
        let beat = i64::try_from(2 * BEAT.as_millis()).unwrap_or(i64::MAX); // one pause and its statement
        let statement = post.client.prepare_cached(SQL).await?;
        for row in post.client.query(&statement, &[&post.id, &beat, &self.clock.now().0]).await? {
            let gap = gap(&row);
            tracing::warn!(
                after = %gap.after,
                until = %gap.until,
                "a host ended without warning: up to {:.1} s of metrics after {} may be missing",
                gap.length().as_secs_f64(),
                gap.after
            );
        }
        Ok(())
    }
}

/// Forgets gaps noticed before `before`.
pub(super) async fn clear(client: &Object, before: Timestamp) -> Result<(), Failure> {
    client.execute("DELETE FROM metric_gap WHERE noticed_at < $1", &[&before.0]).await?;
    Ok(())
}

fn gap(row: &tokio_postgres::Row) -> Gap {
    Gap {
        after: Timestamp(row.get("after")),
        until: Timestamp(row.get("until")),
        noticed_at: Timestamp(row.get("noticed_at")),
    }
}
