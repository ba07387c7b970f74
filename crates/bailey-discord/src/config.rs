//! Which Discord to speak to, as whom, and what to be told. Plain data; nothing here connects.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use twilight_gateway::{Intents, ShardId};

/// What a connection to Discord takes.
#[derive(Debug, Clone)]
pub struct DiscordConfig {
    /// The bot's token.
    pub token: BotToken,
    /// The real Discord or a simulated one.
    pub endpoints: Endpoints,
    /// What the gateway tells us. Privileged ones must be switched on for the application too.
    pub intents: Intents,
    /// Which part of the bot's servers this process is told about.
    pub shard: ShardId,
}

impl DiscordConfig {
    /// The one shard of a bot, told of everything that events are made from.
    pub fn new(token: BotToken, endpoints: Endpoints) -> Self {
        Self { token, endpoints, intents: Self::default_intents(), shard: ShardId::ONE }
    }

    /// Servers, members, messages with their text, and reactions. Members and message text are
    /// privileged: they must be switched on for the application.
    pub fn default_intents() -> Intents {
        Intents::GUILDS
            | Intents::GUILD_MEMBERS
            | Intents::GUILD_MESSAGES
            | Intents::GUILD_MESSAGE_REACTIONS
            | Intents::MESSAGE_CONTENT
    }
}

/// Where Discord's two doors are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    rest: String,
    gateway: Option<String>,
    loopback: bool,
}

impl Endpoints {
    /// The real Discord.
    pub fn discord() -> Self {
        Self { rest: "https://discord.com/api/v10".to_owned(), gateway: None, loopback: false }
    }

    /// A simulated Discord at this address, without TLS.
    pub fn simulator(address: SocketAddr) -> Self {
        Self {
            rest: format!("http://{address}/api/v10"),
            gateway: Some(format!("ws://{address}")),
            loopback: true,
        }
    }

    /// The base of REST requests, without a trailing slash.
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// The gateway's URL; `None` means Discord's own.
    pub fn gateway(&self) -> Option<&str> {
        self.gateway.as_deref()
    }

    /// Whether this is a simulator, to be reached without proxies and without TLS.
    pub(crate) fn is_simulator(&self) -> bool {
        self.loopback
    }
}

/// The bot's credential; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct BotToken(Arc<str>);

impl BotToken {
    /// Wraps a token; surrounding space and a leading `Bot ` are taken off.
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        Self(text.strip_prefix("Bot ").unwrap_or(text).trim().into())
    }

    /// The text, for a request to Discord.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BotToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BotToken(...)")
    }
}

/// Chooses the TLS implementation for the whole process, unless one was chosen before. Both doors
/// need it, even for connections without TLS.
pub fn install_tls_provider() {
    // An error means that somebody else was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_do_not_reach_logs() {
        let config = DiscordConfig::new(BotToken::new(" Bot abc.def\n"), Endpoints::discord());
        assert_eq!(config.token.reveal(), "abc.def");
        assert!(!format!("{config:?}").contains("abc"));
    }

    #[test]
    fn the_provider_can_be_installed_twice() {
        install_tls_provider();
        install_tls_provider();
    }
}
