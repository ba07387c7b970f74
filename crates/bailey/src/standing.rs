//! Where the connections to Discord stand, written down while they run, each for itself: the next Bailey goes on there,
//! so that nothing is missed that happened in between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bailey_discord::{Checkpoint, Checkpoints, Directory, Position, ResumePoint, ShardId, ShardPlan};
use bailey_protocol::{ApplicationId, Timestamp};
use bailey_store::{ForgottenGatewaySession, GatewaySessionKey, Store};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::{CommandError, chain};

/// Between two accounts of where it stands.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// Between two accounts of the servers, if anything about them changed.
const DIRECTORY_EVERY: Duration = Duration::from_secs(60);
/// Discord forgets a session after some minutes; a place older than this is not tried.
const FRESH: Duration = Duration::from_secs(3600);

/// Finds for each shard of the plan where an earlier Bailey stood, if Discord may still know it, and what it knew of the
/// servers. What is lost is said, once for all shards that lost it alike.
pub(crate) async fn go_on(
    store: &Store,
    application: ApplicationId,
    plan: &ShardPlan,
    intents: u64,
    data: &Path,
    directory: &Directory,
) -> Result<Vec<(Standing, Option<Found>)>, CommandError> {
    let (mut standings, mut lost) = (Vec::new(), Vec::new());
    for shard in plan.shards() {
        let standing = Standing::new(store.clone(), application, shard, intents, data);
        let found = match standing.find(directory).await {
            Ok(found) => found,
            Err(why) => {
                lost.push((shard, why));
                None
            }
        };
        standings.push((standing, found));
    }
    let anew = standings.iter().filter(|(_, found)| found.is_none()).count();
    let needed = u32::try_from(anew).unwrap_or(u32::MAX);
    plan.affords(needed).map_err(|error| CommandError::failed(chain(&error)))?;
    match store.forget_other_gateway_sessions(application, plan.shards.get()).await {
        Ok(forgotten) => say_other_number(&forgotten, plan, data),
        Err(error) => tracing::warn!(
            "whether the last Bailey ran with another number of shards is not known: {}",
            chain(&error)
        ),
    }
    say_lost(lost, plan);
    Ok(standings)
}

/// Servers live on other shards than before: no session goes on.
fn say_other_number(forgotten: &[ForgottenGatewaySession], plan: &ShardPlan, data: &Path) {
    for session in forgotten {
        std::fs::remove_file(position_file(data, session.key)).ok(); // of no use to anybody; it need not have been there
    }
    if let Some(last) = forgotten.iter().max_by_key(|session| session.saved_at) {
        tracing::warn!(
            before = last.key.shards,
            now = plan.shards,
            "the last Bailey ran with {} shards, this one runs with {}: new sessions with Discord are begun, and what \
             happened since {} was not heard",
            last.key.shards,
            plan.shards,
            last.saved_at
        );
    }
}

/// Says for each reason of which shards what happened was not heard.
fn say_lost(lost: Vec<(ShardId, Lost)>, plan: &ShardPlan) {
    let mut by_reason: BTreeMap<String, (Vec<String>, Option<Timestamp>)> = BTreeMap::new();
    for (shard, lost) in lost {
        let (shards, since) = by_reason.entry(lost.why).or_default();
        shards.push(shard.number().to_string());
        *since = [*since, lost.since].into_iter().flatten().min();
    }
    for (why, (shards, since)) in by_reason {
        let whose = match plan.shards.get() {
            1 => String::new(),
            _ => format!("shards {}: ", shards.join(", ")),
        };
        let since = since.map(|since| format!(": what happened since {since} was not heard"));
        tracing::warn!("{whose}{why}{}", since.unwrap_or_default());
    }
}

fn position_file(data: &Path, key: GatewaySessionKey) -> PathBuf {
    data.join(format!("gateway-position-{}-{}", key.shard, key.shards))
}

/// Writes down where one shard's gateway stands.
pub(crate) struct Standing {
    store: Store,
    shard: ShardId,
    key: GatewaySessionKey,
    /// What the gateway asks to be told of.
    intents: u64,
    /// Where the gateway itself writes how far it is.
    position: PathBuf,
    /// The last account that was written down with a directory.
    whole: Option<Whole>,
    /// The last account.
    last: Option<ResumePoint>,
    failing: bool,
}

struct Whole {
    point: ResumePoint,
    revision: u64,
    at: Instant,
}

/// What is written down.
#[derive(Serialize, Deserialize)]
struct Account {
    point: ResumePoint,
    /// Whether the gateway was left in good order, its events done or put aside.
    in_order: bool,
    /// What the session is told of; that cannot be changed while it goes on.
    intents: u64,
}

/// Where an earlier Bailey stood.
pub(crate) struct Found {
    /// Where.
    pub(crate) point: ResumePoint,
    /// When that was written down.
    pub(crate) saved_at: Timestamp,
}

/// Why a shard does not go on.
struct Lost {
    why: String,
    /// What happened since then was not heard.
    since: Option<Timestamp>,
}

impl Standing {
    /// Keeps a file of the gateway's in this folder.
    fn new(store: Store, application: ApplicationId, shard: ShardId, intents: u64, data: &Path) -> Self {
        let key = GatewaySessionKey { application, shard: shard.number(), shards: shard.total() };
        let position = position_file(data, key);
        Self { store, shard, key, intents, position, whole: None, last: None, failing: false }
    }

    /// Where an earlier Bailey stood, if Discord may still know it; what it knew of this shard's servers goes into the
    /// directory. `None` if there was none.
    async fn find(&self, directory: &Directory) -> Result<Option<Found>, Lost> {
        let kept = self.store.gateway_session(self.key).await.map_err(|error| Lost {
            why: format!("it is not known where the last Bailey stood: {}", chain(&error)),
            since: None,
        })?;
        let Some(kept) = kept else { return Ok(None) };
        let lost = |why: String| Lost { why, since: Some(kept.saved_at) };
        if u64::try_from(kept.age_seconds).is_ok_and(|age| age > FRESH.as_secs()) {
            return Err(lost(
                "the last Bailey was here too long ago, and a new session with Discord is begun".into(),
            ));
        }
        let unusable =
            |error: String| lost(format!("it cannot be gone on where the last Bailey stood ({error})"));
        let account: Account =
            serde_json::from_value(kept.point).map_err(|error| unusable(error.to_string()))?;
        if account.intents != self.intents {
            return Err(unusable("that session is told of other things than are wanted now".to_owned()));
        }
        // Of one that was left in good order, the account says all. Of one that died, the file says how far it was.
        let point = match account.in_order {
            true => Some(account.point),
            false => {
                account.point.with_position_of(&self.position).map_err(|error| unusable(error.to_string()))?
            }
        };
        let Some(point) = point else {
            return Err(lost(
                "the last Bailey died and how far it was is not known on this machine".to_owned(),
            ));
        };
        directory.restore(&kept.directory, self.shard).map_err(|error| unusable(error.to_string()))?;
        Ok(Some(Found { point, saved_at: kept.saved_at }))
    }

    /// Writes down where a gateway stands now.
    pub(crate) async fn note(&mut self, checkpoints: &Checkpoints) {
        let due = self.whole.as_ref().is_none_or(|whole| whole.at.elapsed() >= DIRECTORY_EVERY);
        let changed = |whole: &Whole, revision: u64| whole.revision != revision;
        let Some(mut checkpoint) = checkpoints.take(false).await else { return };
        let with_directory =
            self.whole.as_ref().is_none_or(|whole| due && changed(whole, checkpoint.revision));
        if with_directory {
            match checkpoints.take(true).await {
                Some(whole) => checkpoint = whole,
                None => return,
            }
        }
        self.write(checkpoint, false).await;
    }

    /// The file in which the gateway writes how far it is; without it a crash is a gap.
    pub(crate) fn position(&self) -> Option<Position> {
        let opened = Position::open(&self.position);
        let file = self.position.display();
        opened
            .inspect_err(|error| {
                tracing::warn!(
                    "{file} cannot be written ({error}): after a crash, what happened since is not heard"
                )
            })
            .ok()
    }

    /// Writes down where a gateway stood that has ended, once all its events are done or put aside.
    pub(crate) async fn leave(&mut self, point: ResumePoint, directory: &Directory) {
        let part = directory.part(self.shard);
        self.write(Checkpoint { point, revision: part.revision(), directory: Some(part) }, true).await;
    }

    async fn write(&mut self, checkpoint: Checkpoint, in_order: bool) {
        let Checkpoint { mut point, revision, directory } = checkpoint;
        if let (None, Some(whole)) = (&directory, &self.whole)
            && whole.revision != revision
        {
            point = point.with_directory_of(&whole.point);
        }
        if directory.is_none() && self.last.as_ref() == Some(&point) {
            return;
        }
        let outcome = async {
            let bytes = match directory {
                Some(directory) => {
                    let written = tokio::task::spawn_blocking(move || directory.to_bytes()).await;
                    Some(written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?)
                }
                None => None,
            };
            let account = Account { point: point.clone(), in_order, intents: self.intents };
            let value = serde_json::to_value(&account).map_err(|error| error.to_string())?;
            let saved = self.store.save_gateway_session(self.key, &value, bytes.as_deref()).await;
            saved.map_err(|error| chain(&error))?;
            Ok::<bool, String>(bytes.is_some())
        };
        match outcome.await {
            Ok(whole) => {
                if whole {
                    self.whole = Some(Whole { point: point.clone(), revision, at: Instant::now() });
                }
                self.last = Some(point);
                self.failing = false;
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!("where the connection to Discord stands cannot be written down: {error}");
            }
            Err(_) => {}
        }
    }
}
