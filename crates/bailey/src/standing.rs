//! Where the connection to Discord stands, written down while it runs: the next Bailey goes on there, so that nothing
//! is missed that happened in between.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bailey_discord::{Checkpoint, Checkpoints, Directory, Position, ResumePoint};
use bailey_protocol::Timestamp;
use bailey_store::{GatewaySessionKey, Store};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::chain;

/// Between two accounts of where it stands.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// Between two accounts of the servers, if anything about them changed.
const DIRECTORY_EVERY: Duration = Duration::from_secs(60);
/// Discord forgets a session after some minutes; a place older than this is not tried.
const FRESH: Duration = Duration::from_secs(3600);

/// Writes down where one gateway stands.
pub(crate) struct Standing {
    store: Store,
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

impl Standing {
    /// Keeps a file of the gateway's in this folder.
    pub(crate) fn new(store: Store, key: GatewaySessionKey, intents: u64, data: &Path) -> Self {
        let position = data.join(format!("gateway-position-{}-{}", key.shard, key.shards));
        Self { store, key, intents, position, whole: None, last: None, failing: false }
    }

    /// Where an earlier Bailey stood, if Discord may still know it, with what it knew of the servers.
    pub(crate) async fn find(&self, directory: &Directory) -> Option<Found> {
        let kept = match self.store.gateway_session(self.key).await {
            Ok(kept) => kept?,
            Err(error) => {
                tracing::warn!("it is not known where the last Bailey stood: {}", chain(&error));
                return None;
            }
        };
        if u64::try_from(kept.age_seconds).is_ok_and(|age| age > FRESH.as_secs()) {
            tracing::info!(
                "the last Bailey was here {} s ago; a new session with Discord is begun",
                kept.age_seconds
            );
            return None;
        }
        let read = || -> Result<Option<ResumePoint>, String> {
            let account: Account = serde_json::from_value(kept.point).map_err(|error| error.to_string())?;
            if account.intents != self.intents {
                return Err("that session is told of other things than are wanted now".to_owned());
            }
            // Of one that was left in good order, the account says all. Of one that died, the file says how far it was.
            let point = match account.in_order {
                true => Some(account.point),
                false => account.point.with_position_of(&self.position).map_err(|error| error.to_string())?,
            };
            if point.is_some() {
                directory.restore(&kept.directory).map_err(|error| error.to_string())?;
            }
            Ok(point)
        };
        match read() {
            Ok(Some(point)) => Some(Found { point, saved_at: kept.saved_at }),
            Ok(None) => {
                tracing::warn!(
                    "the last Bailey died and how far it was is not known on this machine: what happened since {} was \
                     not heard",
                    kept.saved_at
                );
                None
            }
            Err(error) => {
                tracing::warn!(
                    "it cannot be gone on where the last Bailey stood ({error}): what happened since {} was not heard",
                    kept.saved_at
                );
                None
            }
        }
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
        let revision = directory.revision();
        self.write(Checkpoint { point, revision, directory: Some(directory.clone()) }, true).await;
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
