//! `discord.*`: actions on the server, one file an area. The tenant's server is the boundary: what is
//! elsewhere does not exist. What is looked at before each write is in [`checks`].

mod channels;
mod checks;
mod members;
mod messages;
mod read;
mod webhooks;

use std::sync::Arc;

use bailey_discord::{Directory, Rest};
use bailey_protocol::capability::{DiscordEditMessage, DiscordSendMessage};
use bailey_protocol::{Clock, Grant, GuildId, Tenant, WebhookId};
use quick_cache::sync::Cache;

/// Webhooks whose server is remembered; it never changes.
const REMEMBERED_WEBHOOKS: usize = 10_000;

/// What plugins do on Discord. A cheap clone.
#[derive(Clone)]
pub struct Actions {
    rest: Rest,
    directory: Directory,
    clock: Arc<dyn Clock>,
    webhooks: Arc<Cache<WebhookId, GuildId>>,
}

impl Actions {
    /// The service; `directory` says what belongs to which server and what the bot may do there.
    pub fn new(rest: Rest, directory: Directory, clock: Arc<dyn Clock>) -> Self {
        Self { rest, directory, clock, webhooks: Arc::new(Cache::new(REMEMBERED_WEBHOOKS)) }
    }
}

/// What allows pinning: either of two capabilities, because documentation and SDKs disagree.
pub enum PinGrant {
    /// As the SDKs have it.
    Send(Grant<DiscordSendMessage>),
    /// As the documentation had it.
    Edit(Grant<DiscordEditMessage>),
}

impl PinGrant {
    /// The tenant the grant belongs to.
    pub fn tenant(&self) -> &Tenant {
        match self {
            Self::Send(grant) => grant.tenant(),
            Self::Edit(grant) => grant.tenant(),
        }
    }
}
