//! The commands servers are offered: what is chosen, written to Discord, and kept in the database for
//! `bailey commands status`.

use std::collections::BTreeSet;
use std::sync::Arc;

use bailey_discord::{CommandChanges, DiscordError, Rest};
use bailey_package::Package;
use bailey_protocol::{ApplicationId, Clock, GuildId};
use bailey_services::commands::{CommandSync, Offer, OfferedCommand, SyncError};
use bailey_store::{CommandRecord, CommandSyncRecord, Store, StoreError};

use crate::error::chain;

/// Discord's code for a server the bot is not on.
const MISSING_ACCESS: u64 = 50001;
/// Discord's code for a server that is not there.
const UNKNOWN_GUILD: u64 = 10004;

/// Offers commands to servers, as one bot. A cheap clone.
#[derive(Clone)]
pub(crate) struct Offers {
    store: Store,
    sync: CommandSync,
    clock: Arc<dyn Clock>,
    reserved: Arc<BTreeSet<String>>,
}

impl Offers {
    /// For the bot that `rest` speaks as. No plugin gets the `reserved` names.
    pub(crate) fn new(
        store: Store,
        rest: Rest,
        application: ApplicationId,
        clock: Arc<dyn Clock>,
        reserved: &[String],
    ) -> Self {
        let reserved =
            Arc::new(reserved.iter().map(|name| name.trim_start_matches('/').to_lowercase()).collect());
        Self { store, sync: CommandSync::new(rest, application), clock, reserved }
    }

    /// What plugins offer together, in the order they were installed.
    pub(crate) fn choose<'a>(&self, plugins: impl IntoIterator<Item = &'a Package>) -> Offer {
        let definitions = plugins.into_iter().map(|package| {
            let commands = package.manifest.commands.iter().map(|command| &command.definition);
            (&package.manifest.id, commands.collect())
        });
        Offer::of(definitions, &self.reserved)
    }

    /// What Discord would be told, without telling it.
    pub(crate) async fn compare(&self, guild: GuildId, offer: &Offer) -> Result<CommandChanges, OfferError> {
        Ok(self.sync.compare(guild, offer).await?)
    }

    /// Makes the offer a server's commands and remembers what came of it. What Discord does not accept is left out
    /// of the offer.
    pub(crate) async fn make(&self, guild: GuildId, offer: &mut Offer) -> Result<CommandChanges, OfferError> {
        let created = self.store.commands_created(guild).await?;
        let synced = self.sync.sync(guild, offer, created).await;
        if offer.commands().is_empty() && synced.as_ref().is_err_and(is_elsewhere) {
            self.store.forget_command_sync(guild).await?; // nothing is wanted there, and nothing is there
            return Ok(CommandChanges::default());
        }
        let record = CommandSyncRecord {
            guild,
            at: self.clock.now(),
            error: synced.as_ref().err().map(|error| chain(error)),
            commands: offer.commands().iter().map(as_record).collect(),
        };
        let added =
            synced.as_ref().map_or(0, |report| if report.written { report.changes.added.len() } else { 0 });
        self.store.record_command_sync(&record, added).await?;
        Ok(synced?.changes)
    }

    /// Servers that were offered something and may have it still.
    pub(crate) async fn remembered(&self) -> Result<Vec<GuildId>, StoreError> {
        Ok(self.store.command_syncs(None).await?.iter().map(|record| record.guild).collect())
    }
}

/// Why a server does not have what it is offered, as far as we know.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfferError {
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn is_elsewhere(error: &SyncError) -> bool {
    matches!(error, SyncError::Discord(DiscordError::Refused { code: MISSING_ACCESS | UNKNOWN_GUILD, .. }))
}

fn as_record(command: &OfferedCommand) -> CommandRecord {
    CommandRecord {
        plugin: command.plugin.to_string(),
        name: command.name.clone(),
        kind: command.kind.number(),
        shown_as: command.shown_as.clone(),
        problem: command.problem.clone(),
    }
}
