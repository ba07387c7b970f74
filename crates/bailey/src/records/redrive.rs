//! Delivers once more what somebody asked for: claims letters for this host's sessions, and says what
//! became of each.

use std::sync::Arc;

use bailey_host::{Host, RedeliverError, Settled};
use bailey_protocol::{Event, EventId, limits};
use bailey_store::{DeadLetterRecord, NewDeadLetter, StoreError};
use tokio::task::JoinSet;

use super::{LOOK_AGAIN, Shared};
use crate::error::chain;

/// Claims and delivers until it is to stop. What is under way then is released, once the host is shut down.
pub(super) async fn deliver(shared: Arc<Shared>, host: Host) {
    let mut under_way = JoinSet::new();
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.ending.cancelled() => break,
        }
        while under_way.try_join_next().is_some() {}
        let room =
            limits::DEAD_LETTERS_REDRIVEN.saturating_sub(u32::try_from(under_way.len()).unwrap_or(u32::MAX));
        if room == 0 {
            continue;
        }
        match shared.store.claim_dead_letters(&shared.host.id, room).await {
            Ok(claimed) => {
                away = false;
                for letter in claimed {
                    under_way.spawn(deliver_one(Arc::clone(&shared), host.clone(), letter));
                }
            }
            Err(error) => {
                if !away {
                    tracing::warn!("no events can be delivered once more: {}", chain(&error));
                }
                away = true;
            }
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn deliver_one(shared: Arc<Shared>, host: Host, record: DeadLetterRecord) {
    let id = record.id;
    let Some(event) = event_of(&record) else {
        tracing::error!(
            id,
            kind = record.letter.kind,
            "an event that was put aside cannot be read; it stays"
        );
        return again(&shared, record, "this Bailey cannot read the event any more").await;
    };
    let tenant = record.letter.tenant.clone();
    let said = match host.redeliver(&tenant, event).await {
        Ok(Settled::Acknowledged) => until_said(&shared, id, true).await,
        Ok(Settled::PutAside) => return, // it is being kept anew
        Err(RedeliverError::Interaction) => {
            return again(&shared, record, &RedeliverError::Interaction.to_string()).await;
        }
        Err(RedeliverError::NotInstalled | RedeliverError::Dropped) => until_said(&shared, id, false).await,
    };
    if let Err(error) = said {
        // The claim ends with this host; the event may then be delivered a second time.
        tracing::warn!(id, "what became of an event delivered once more is not recorded: {}", chain(&error));
    }
}

/// Says that a letter was delivered, or else that another host may have it; as often as it takes while this
/// host lives.
async fn until_said(shared: &Shared, id: i64, delivered: bool) -> Result<(), StoreError> {
    let (store, host) = (&shared.store, &shared.host.id);
    loop {
        let said = match delivered {
            true => store.dead_letter_delivered(host, id).await,
            false => store.dead_letter_released(host, id).await,
        };
        match said {
            Err(_) if !shared.ending.is_cancelled() => tokio::time::sleep(LOOK_AGAIN).await,
            said => return said,
        }
    }
}

/// Puts a letter aside again, for a reason of ours.
async fn again(shared: &Shared, record: DeadLetterRecord, reason: &str) {
    let letter = NewDeadLetter { reason: reason.to_owned(), at: shared.clock.now(), ..record.letter };
    if let Err(error) = shared.store.keep_dead_letters(&[letter]).await {
        tracing::warn!(id = record.id, "an event that was put aside stays claimed: {}", chain(&error));
    }
}

/// The event as it was, if it can be delivered at all.
fn event_of(record: &DeadLetterRecord) -> Option<Event> {
    let letter = &record.letter;
    Some(Event {
        id: EventId::new(letter.event.as_str()),
        kind: letter.kind.parse().ok()?,
        guild: letter.tenant.guild,
        payload: Arc::new(serde_json::from_str(&letter.payload).ok()?),
        interaction: None,
        received_at: letter.received_at,
    })
}
