//! What a plugin may be allowed to do, and the proof that it is.
//!
//! A [`Grants`] value says what one installation was given. [`Grants::require`] turns a held
//! capability into a [`Grant`], which the services ask for in their argument lists: without it
//! they cannot be called.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::CallError;
use crate::tenant::Tenant;

macro_rules! capabilities {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Something a server admin can allow a plugin to do. The complete set known to the SDKs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Capability {
            $($(#[$doc])* $variant,)*
        }

        impl Capability {
            /// Every capability, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in manifests and messages.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for Capability {
            type Err = UnknownCapability;
            fn from_str(text: &str) -> Result<Self, UnknownCapability> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    // Names of early scaffolds, still found in manifests.
                    "kv:read" | "kv:write" => Ok(Self::StorageKv),
                    "discord:respond_to_interaction" => Ok(Self::InteractionRespond),
                    _ => Err(UnknownCapability(text.chars().take(80).collect())),
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $variant;
            impl Held for $variant {
                const CAPABILITY: Capability = Capability::$variant;
            }
        )*
    };
}

/// A capability as a type, so that a function can demand it in its arguments.
pub trait Held: Send + Sync + 'static {
    /// The capability the type stands for.
    const CAPABILITY: Capability;
}

capabilities! {
    /// Keep its own key-value data for a server.
    StorageKv = "storage:kv",
    /// Keep its own database tables for a server.
    StorageSql = "storage:sql",
    /// Use stored credentials.
    StorageSecrets = "storage:secrets",
    /// Post and pin messages.
    DiscordSendMessage = "discord:send_message",
    /// Edit the bot's own messages.
    DiscordEditMessage = "discord:edit_message",
    /// Delete messages.
    DiscordDeleteMessage = "discord:delete_message",
    /// Add reactions.
    DiscordAddReaction = "discord:add_reaction",
    /// Read members, roles, channels and message history.
    DiscordRead = "discord:read",
    /// Create, change and delete channels and threads.
    DiscordManageChannels = "discord:manage_channels",
    /// Time out members and change nicknames.
    DiscordModerateMembers = "discord:moderate_members",
    /// Ban and unban members.
    DiscordBanMembers = "discord:ban_members",
    /// Kick members.
    DiscordKickMembers = "discord:kick_members",
    /// Give and take roles.
    DiscordManageRoles = "discord:manage_roles",
    /// Create, use and delete webhooks.
    DiscordManageWebhooks = "discord:manage_webhooks",
    /// Answer commands, buttons, menus and forms.
    InteractionRespond = "interaction:respond",
    /// Contact the internet hosts the server agreed to.
    ProxyHttp = "proxy:http",
    /// Keep live connections to declared hosts.
    ProxyWebsocket = "proxy:websocket",
    /// Read the text of messages.
    EventsMessageContent = "events:message_content",
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A capability name this version of Bailey does not know. Manifests may hold such names; they
/// grant nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown capability {0:?}")]
pub struct UnknownCapability(pub String);

/// A set of capabilities. Empty means nothing is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapabilitySet(u32);

impl CapabilitySet {
    /// Whether the set holds `capability`.
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }

    /// Adds one capability.
    pub fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability as u32;
    }

    /// What both sets hold.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The capabilities held, in the order of the catalogue.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |capability| self.contains(*capability))
    }

    /// The names held, sorted, as the wire wants them.
    pub fn names(self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.iter().map(Capability::as_str).collect();
        names.sort_unstable();
        names
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let mut set = Self::default();
        capabilities.into_iter().for_each(|capability| set.insert(capability));
        set
    }
}

/// What one installation was allowed: handed to the host by whoever knows, looked up by nobody else.
#[derive(Debug, Clone)]
pub struct Grants {
    tenant: Arc<Tenant>,
    capabilities: CapabilitySet,
    domains: Arc<[String]>,
}

impl Grants {
    /// The grants of one tenant, without any host it may reach.
    pub fn new(tenant: Tenant, capabilities: CapabilitySet) -> Self {
        Self { tenant: Arc::new(tenant), capabilities, domains: Arc::default() }
    }

    /// The same, with the internet hosts the server agreed to.
    #[must_use]
    pub fn with_domains(mut self, domains: impl IntoIterator<Item = String>) -> Self {
        self.domains = domains.into_iter().collect();
        self
    }

    /// The internet hosts the server agreed to, as the manifest names them. Empty means none.
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Whose grants these are.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The capabilities held.
    pub fn capabilities(&self) -> CapabilitySet {
        self.capabilities
    }

    /// Proof that capability `C` is held.
    ///
    /// # Errors
    /// [`CallError::CapabilityDenied`] when it is not.
    pub fn require<C: Held>(&self) -> Result<Grant<C>, CallError> {
        if self.capabilities.contains(C::CAPABILITY) {
            Ok(Grant { tenant: Arc::clone(&self.tenant), held: PhantomData })
        } else {
            Err(CallError::CapabilityDenied(C::CAPABILITY))
        }
    }
}

/// Proof that a tenant holds capability `C`. Made only by [`Grants::require`].
#[derive(Debug, Clone)]
pub struct Grant<C: Held> {
    tenant: Arc<Tenant>,
    held: PhantomData<C>,
}

impl<C: Held> Grant<C> {
    /// The tenant the grant belongs to: the only one a service may touch with it.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::GuildId;

    fn grants(capabilities: &[Capability]) -> Grants {
        let tenant = Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(9001) };
        Grants::new(tenant, capabilities.iter().copied().collect())
    }

    #[test]
    fn there_are_eighteen_capabilities_and_each_name_reads_back() {
        assert_eq!(Capability::ALL.len(), 18);
        for capability in Capability::ALL {
            assert_eq!(capability.as_str().parse(), Ok(*capability));
        }
        assert!("storage:everything".parse::<Capability>().is_err());
    }

    #[test]
    fn an_empty_set_allows_nothing() {
        assert!(grants(&[]).require::<StorageKv>().is_err());
        assert!(Capability::ALL.iter().all(|capability| !CapabilitySet::default().contains(*capability)));
    }

    #[test]
    fn a_grant_needs_exactly_its_capability() {
        let grants = grants(&[Capability::StorageKv]);
        assert_eq!(grants.require::<StorageKv>().unwrap().tenant().guild, GuildId(9001));
        assert!(matches!(
            grants.require::<DiscordSendMessage>(),
            Err(CallError::CapabilityDenied(Capability::DiscordSendMessage))
        ));
    }
}
