//! Which Discord to speak to, as whom, and what to be told. Plain data; nothing here connects.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use bailey_protocol::limits;
use reqwest::Url;
use twilight_gateway::Intents;

/// What a connection to Discord takes.
#[derive(Debug, Clone)]
pub struct DiscordConfig {
    /// The bot's token.
    pub token: BotToken,
    /// The real Discord or a simulated one.
    pub endpoints: Endpoints,
    /// What the gateway tells us. Privileged ones must be switched on for the application too.
    pub intents: Intents,
    /// Over how many connections the bot's servers are spread; as Discord recommends if not given.
    pub shards: Option<NonZeroU32>,
    /// How often a minute each plugin may change something on each server, and how often at once.
    pub writes_per_minute: NonZeroU32,
}

impl DiscordConfig {
    /// What each plugin may change in a minute, unless the operator says otherwise.
    pub const WRITES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(limits::DISCORD_WRITES_PER_MINUTE).unwrap();

    /// A bot that is told of everything that events are made from.
    pub fn new(token: BotToken, endpoints: Endpoints) -> Self {
        Self {
            token,
            endpoints,
            intents: Self::default_intents(),
            shards: None,
            writes_per_minute: Self::WRITES_PER_MINUTE,
        }
    }

    /// Servers, members, voice, messages with their text, and reactions. Members and message text are
    /// privileged: they must be switched on for the application.
    pub fn default_intents() -> Intents {
        Intents::GUILDS
            | Intents::GUILD_MEMBERS
            | Intents::GUILD_VOICE_STATES
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

    /// A service that speaks as Discord does, by the URL of its front door: `https://` anywhere, `http://` only
    /// on this machine, because the bot's token travels on it.
    ///
    /// # Errors
    /// [`EndpointError`] for any other URL.
    pub fn at(url: &str) -> Result<Self, EndpointError> {
        let parsed = Url::parse(url.trim()).map_err(|_| EndpointError)?;
        let host = parsed.host_str().ok_or(EndpointError)?;
        let bare = parsed.path() == "/"
            && parsed.query().is_none()
            && parsed.fragment().is_none()
            && parsed.username().is_empty()
            && parsed.password().is_none();
        let here = host == "localhost"
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let (rest, gateway, loopback) = match parsed.scheme() {
            "https" if bare => ("https", "wss", false),
            "http" if bare && here => ("http", "ws", true),
            _ => return Err(EndpointError),
        };
        let place = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self {
            rest: format!("{rest}://{place}/api/v10"),
            gateway: Some(format!("{gateway}://{place}")),
            loopback,
        })
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

/// A URL that no Discord is reached by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the URL of Discord must be https://HOST, or http://ADDRESS:PORT of this machine such as \
     http://127.0.0.1:8899, and nothing after it"
)]
pub struct EndpointError;

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
    fn a_discord_is_reached_by_https_or_on_this_machine() {
        let at = |url| Endpoints::at(url).map(|found| (found.rest, found.gateway.unwrap_or_default()));
        let local = ("http://127.0.0.1:8899/api/v10".to_owned(), "ws://127.0.0.1:8899".to_owned());
        assert_eq!(at("http://127.0.0.1:8899"), Ok(local.clone()));
        assert_eq!(at(" http://127.0.0.1:8899/ "), Ok(local));
        assert!(at("http://[::1]:80").is_ok() && at("http://localhost:1").is_ok());
        let far = ("https://chat.example/api/v10".to_owned(), "wss://chat.example".to_owned());
        assert_eq!(at("https://chat.example"), Ok(far));
        for bad in [
            "http://chat.example",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "https://user:hunter2@chat.example",
            "https://chat.example/api",
            "ftp://127.0.0.1",
            "127.0.0.1:8899",
            "",
        ] {
            assert_eq!(at(bad), Err(EndpointError), "{bad}");
        }
    }

    #[test]
    fn the_provider_can_be_installed_twice() {
        install_tls_provider();
        install_tls_provider();
    }
}
