//! Remembers in the platform's database which schedules were told.

use bailey_host::CronClaims;
use bailey_host::cron::{Due, ToldUntil};
use bailey_protocol::Timestamp;
use bailey_store::{CronKey, Store};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::error::chain;

/// The claims of one host.
pub(super) struct Claims(pub(super) Store);

impl CronClaims for Claims {
    fn claim(&self, minute: Timestamp, due: Vec<Due>) -> BoxFuture<'_, Result<Vec<Due>, String>> {
        async move {
            let keys: Vec<CronKey> = due.into_iter().map(key).collect();
            let own = self.0.claim_cron(minute, &keys).await.map_err(|error| chain(&error))?;
            Ok(own.into_iter().map(unkey).collect())
        }
        .boxed()
    }

    fn told_until(
        &self,
        minute: Timestamp,
        schedules: Vec<Due>,
    ) -> BoxFuture<'_, Result<Vec<ToldUntil>, String>> {
        async move {
            let keys: Vec<CronKey> = schedules.into_iter().map(key).collect();
            let told = self.0.cron_told_until(minute, &keys).await.map_err(|error| chain(&error))?;
            Ok(told.into_iter().map(|told| ToldUntil { due: unkey(told.key), minute: told.until }).collect())
        }
        .boxed()
    }
}

fn key(due: Due) -> CronKey {
    CronKey { tenant: due.tenant, schedule: due.name.as_ref().to_owned() }
}

fn unkey(key: CronKey) -> Due {
    Due { tenant: key.tenant, name: key.schedule.into() }
}
