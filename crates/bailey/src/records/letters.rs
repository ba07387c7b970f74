//! Events the host put aside, on their way to the database: a bounded queue that takes them at once, and
//! one writer that goes on trying.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailey_host::{DeadLetter, DeadLetters};
use bailey_protocol::limits;
use bailey_store::NewDeadLetter;
use tokio::sync::Notify;

use super::Shared;
use crate::error::chain;

/// Letters written in one statement.
const BATCH: usize = 256;
/// Time between two tries while the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// Letters that wait to be written.
#[derive(Default)]
pub(super) struct Letters {
    waiting: Mutex<Waiting>,
    came: Notify,
    lost: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    letters: VecDeque<NewDeadLetter>,
    bytes: usize,
}

impl DeadLetters for Letters {
    fn keep(&self, letter: DeadLetter) {
        let letter = to_be_kept(letter);
        let bytes = size(&letter);
        let mut waiting = self.lock();
        let room = waiting.letters.len() < limits::DEAD_LETTERS_WAITING
            && waiting.bytes + bytes <= limits::DEAD_LETTERS_WAITING_BYTES;
        if room {
            waiting.bytes += bytes;
            waiting.letters.push_back(letter);
            drop(waiting);
            self.came.notify_one();
        } else {
            drop(waiting);
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::error!(tenant = %letter.tenant, event = letter.event, lost,
                "an event that was put aside is lost: the database is away, and too many wait already");
        }
    }
}

impl Letters {
    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().letters.len()
    }

    /// How many could not be kept, since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// The oldest, to be written. They go on waiting until they are.
    fn batch(&self) -> Vec<NewDeadLetter> {
        self.lock().letters.iter().take(BATCH).cloned().collect()
    }

    fn written(&self, count: usize) {
        let mut waiting = self.lock();
        let bytes: usize = waiting.letters.drain(..count).map(|letter| size(&letter)).sum();
        waiting.bytes -= bytes;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes letters as they come; once it is to end, until none waits.
pub(super) async fn write(shared: Arc<Shared>) {
    let (letters, ending) = (&shared.letters, &shared.ending);
    let mut away = false;
    loop {
        let batch = letters.batch();
        if batch.is_empty() {
            if ending.is_cancelled() {
                return;
            }
            tokio::select! {
                () = letters.came.notified() => {}
                () = ending.cancelled() => {}
            }
            continue;
        }
        match shared.store.keep_dead_letters(&batch).await {
            Ok(trimmed) => {
                letters.written(batch.len());
                away = false;
                if trimmed > 0 {
                    let most = limits::DEAD_LETTERS;
                    tracing::warn!(
                        trimmed,
                        "{trimmed} older events that were put aside are forgotten: only {most} of a plugin on \
                         a server are kept"
                    );
                }
            }
            Err(error) => {
                if !away {
                    let waiting = letters.waiting();
                    tracing::warn!(
                        waiting,
                        "events that were put aside cannot be kept yet, and wait in memory: {}",
                        chain(&error)
                    );
                }
                away = true;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// What of it is written: everything a plugin saw, and nothing that would answer an interaction.
fn to_be_kept(letter: DeadLetter) -> NewDeadLetter {
    let DeadLetter { tenant, event, attempts, reason, at } = letter;
    NewDeadLetter {
        tenant,
        event: event.id.to_string(),
        kind: event.kind.as_str().to_owned(),
        payload: serde_json::to_string(&*event.payload).unwrap_or_else(|_| "{}".to_owned()), // a map of JSON is JSON
        received_at: event.received_at,
        attempts,
        reason,
        at,
    }
}

fn size(letter: &NewDeadLetter) -> usize {
    size_of::<NewDeadLetter>() + letter.event.len() + letter.payload.len() + letter.reason.len()
}

#[cfg(test)]
mod tests {
    use bailey_protocol::event::{Interaction, InteractionKind, InteractionToken};
    use bailey_protocol::{
        ApplicationId, Event, EventId, EventKind, GuildId, InteractionId, Tenant, Timestamp,
    };

    use super::*;

    fn letter(number: usize, bytes: usize) -> DeadLetter {
        let mut payload = serde_json::Map::new();
        payload.insert("content".to_owned(), "x".repeat(bytes).into());
        let event = Event {
            id: EventId::new(format!("e{number}")),
            kind: EventKind::InteractionCreate,
            guild: GuildId(1),
            payload: Arc::new(payload),
            interaction: Some(Interaction {
                id: InteractionId(7),
                application: ApplicationId(1),
                token: InteractionToken::new("credential"),
                kind: InteractionKind::Command,
                command: None,
                custom_id: None,
                message: None,
                invoker: Default::default(),
            }),
            received_at: Timestamp(0),
        };
        let tenant = Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(1) };
        DeadLetter { tenant, event, attempts: 5, reason: "it was too late".to_owned(), at: Timestamp(1) }
    }

    #[test]
    fn what_is_too_much_is_counted_and_never_grows_without_bound() {
        let letters = Letters::default();
        for number in 0..limits::DEAD_LETTERS_WAITING + 3 {
            letters.keep(letter(number, 1));
        }
        assert_eq!((letters.waiting(), letters.lost()), (limits::DEAD_LETTERS_WAITING, 3));
        letters.written(BATCH);
        assert_eq!(letters.batch()[0].event, format!("e{BATCH}"), "the oldest are written first");

        let letters = Letters::default();
        let large = limits::DEAD_LETTERS_WAITING_BYTES / 4;
        (0..5).for_each(|number| letters.keep(letter(number, large)));
        assert_eq!((letters.waiting(), letters.lost()), (3, 2));
        letters.written(3);
        letters.keep(letter(9, large));
        assert_eq!(letters.waiting(), 1, "what was written makes room");
    }

    #[test]
    fn the_token_of_an_interaction_is_not_kept() {
        let kept = format!("{:?}", to_be_kept(letter(1, 1)));
        assert!(kept.contains("interaction_create") && !kept.contains("credential"), "{kept}");
    }
}
