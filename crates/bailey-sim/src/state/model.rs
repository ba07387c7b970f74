//! The things of the simulated Discord. Only what the simulator decides on; how they look as JSON is in `render`.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use serde_json::Value;

use super::voice::Voice;
use crate::clock::Snowflake;
use crate::world::{ChannelKind, WorldApplication, WorldChannel, permission};

/// The bot application.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) client_secret: String,
    pub(crate) allowed_privileged: u64,
}

impl From<&WorldApplication> for Application {
    fn from(seed: &WorldApplication) -> Self {
        let bit = |allowed: bool, intent: u64| if allowed { intent } else { 0 };
        Self {
            id: seed.id,
            name: seed.name.clone(),
            token: seed.token.clone(),
            client_secret: seed.client_secret.clone(),
            allowed_privileged: bit(seed.guild_members, intent::GUILD_MEMBERS)
                | bit(seed.guild_presences, intent::GUILD_PRESENCES)
                | bit(seed.message_content, intent::MESSAGE_CONTENT),
        }
    }
}

/// Gateway intents the simulator acts on.
pub(crate) mod intent {
    pub(crate) const GUILD_MEMBERS: u64 = 1 << 1;
    pub(crate) const GUILD_MODERATION: u64 = 1 << 2;
    pub(crate) const GUILD_WEBHOOKS: u64 = 1 << 5;
    pub(crate) const GUILD_VOICE_STATES: u64 = 1 << 7;
    pub(crate) const GUILD_PRESENCES: u64 = 1 << 8;
    pub(crate) const GUILD_MESSAGES: u64 = 1 << 9;
    pub(crate) const GUILD_MESSAGE_REACTIONS: u64 = 1 << 10;
    pub(crate) const MESSAGE_CONTENT: u64 = 1 << 15;
    pub(crate) const GUILDS: u64 = 1 << 0;
    pub(crate) const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;
    /// Every intent Discord defines.
    pub(crate) const KNOWN: u64 = 0x1_ffff | (1 << 20) | (1 << 21) | (1 << 24) | (1 << 25);
}

/// A person or the bot.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) bot: bool,
    /// The hash of their picture.
    pub(crate) avatar: Option<String>,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Guild {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) owner: Snowflake,
    /// The hash of its picture.
    pub(crate) icon: Option<String>,
    pub(crate) roles: Vec<Role>,
    pub(crate) members: IndexMap<Snowflake, Member>,
    pub(crate) channels: Vec<Snowflake>,
    /// Threads, in the order they were begun.
    pub(crate) threads: Vec<Snowflake>,
    /// Who may not come back, and why.
    pub(crate) bans: IndexMap<Snowflake, Option<String>>,
    /// Who is in which voice channel.
    pub(crate) voice: IndexMap<Snowflake, Voice>,
}

impl Guild {
    /// A member's permission bits; all of them for the owner and administrators, none for strangers.
    pub(crate) fn permissions(&self, user: Snowflake) -> u64 {
        let Some(member) = self.members.get(&user) else { return 0 };
        if user == self.owner {
            return permission::ALL;
        }
        let held = self
            .roles
            .iter()
            .filter(|role| role.id == self.id || member.roles.contains(&role.id))
            .fold(0, |bits, role| bits | role.permissions);
        if held & permission::ADMINISTRATOR == 0 { held } else { permission::ALL }
    }
}

/// A server's role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) permissions: u64,
    pub(crate) position: i64,
    pub(crate) bot: Option<Snowflake>,
}

/// What a channel adds to and takes from a role or a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overwrite {
    pub(crate) target: Snowflake,
    pub(crate) of_member: bool,
    pub(crate) allow: u64,
    pub(crate) deny: u64,
}

impl Role {
    pub(crate) fn everyone(guild: Snowflake) -> Self {
        Self::named(guild, "@everyone", permission::DEFAULT, 0)
    }

    pub(crate) fn named(id: Snowflake, name: &str, permissions: u64, position: i64) -> Self {
        Self { id, name: name.to_owned(), permissions, position, bot: None }
    }
}

/// Somebody in a server.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) user: Snowflake,
    pub(crate) roles: Vec<Snowflake>,
    pub(crate) joined_ms: u64,
    pub(crate) nick: Option<String>,
    /// Until then they may only read.
    pub(crate) timed_out_until_ms: Option<u64>,
}

impl Member {
    pub(crate) fn new(user: Snowflake, roles: Vec<Snowflake>, joined_ms: u64) -> Self {
        Self { user, roles, joined_ms, nick: None, timed_out_until_ms: None }
    }
}

/// A channel and what was said in it.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: Snowflake,
    pub(crate) guild: Snowflake,
    pub(crate) name: String,
    pub(crate) kind: ChannelKind,
    pub(crate) position: i64,
    pub(crate) parent: Option<Snowflake>,
    pub(crate) topic: Option<String>,
    pub(crate) user_limit: u64,
    pub(crate) overwrites: Vec<Overwrite>,
    pub(crate) last_message: Option<Snowflake>,
    pub(crate) messages: BTreeMap<Snowflake, Message>,
    /// What only threads have.
    pub(crate) thread: Option<Thread>,
}

/// What only threads have.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) owner: Snowflake,
    pub(crate) archived: bool,
    pub(crate) locked: bool,
    pub(crate) auto_archive_minutes: u64,
    /// When it was archived or opened last.
    pub(crate) changed_ms: u64,
}

impl Channel {
    pub(crate) fn new(seed: &WorldChannel, guild: Snowflake, position: i64) -> Self {
        Self {
            id: seed.id,
            guild,
            name: seed.name.clone(),
            kind: seed.kind,
            position,
            parent: None,
            topic: None,
            user_limit: 0,
            overwrites: Vec::new(),
            last_message: None,
            messages: BTreeMap::new(),
            thread: None,
        }
    }
}

/// Message flags the simulator acts on.
pub(crate) mod flag {
    pub(crate) const SUPPRESS_EMBEDS: u64 = 1 << 2;
    pub(crate) const EPHEMERAL: u64 = 1 << 6;
    pub(crate) const LOADING: u64 = 1 << 7;
    pub(crate) const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;
    pub(crate) const COMPONENTS_V2: u64 = 1 << 15;
    /// What a sender may set.
    pub(crate) const SETTABLE: u64 = SUPPRESS_EMBEDS | EPHEMERAL | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2;
}

/// Something that was said.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: Snowflake,
    pub(crate) channel: Snowflake,
    pub(crate) guild: Snowflake,
    pub(crate) author: Snowflake,
    pub(crate) kind: u8,
    pub(crate) content: String,
    pub(crate) embeds: Vec<Value>,
    pub(crate) components: Vec<Value>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) edited_ms: Option<u64>,
    pub(crate) flags: u64,
    pub(crate) mentions: Vec<Snowflake>,
    pub(crate) mention_roles: Vec<Snowflake>,
    pub(crate) mention_everyone: bool,
    pub(crate) allowed_mentions: Option<Value>,
    pub(crate) reply_to: Option<Snowflake>,
    pub(crate) nonce: Option<Value>,
    pub(crate) tts: bool,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) origin: Option<Origin>,
    /// Only this person sees it.
    pub(crate) ephemeral_to: Option<Snowflake>,
    /// The name a webhook gave itself for it; `author` is the webhook then.
    pub(crate) webhook_name: Option<String>,
    pub(crate) pinned_ms: Option<u64>,
}

/// The interaction a message answers.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) interaction: Snowflake,
    pub(crate) kind: u8,
    pub(crate) user: Snowflake,
    /// The command's full name, for commands.
    pub(crate) name: Option<String>,
    /// The message the used component sat on, for components.
    pub(crate) interacted_message: Option<Snowflake>,
    /// The first answer, for follow-ups.
    pub(crate) original: Option<Snowflake>,
    /// What opened the form, for forms.
    pub(crate) opened_by: Option<Box<Origin>>,
}

/// A file on a message.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) id: Snowflake,
    pub(crate) filename: String,
    pub(crate) description: Option<String>,
    pub(crate) content_type: String,
    pub(crate) size: usize,
}

/// One kind of reaction and who left it, in order.
#[derive(Debug, Clone)]
pub(crate) struct Reaction {
    pub(crate) emoji: String,
    pub(crate) users: Vec<Snowflake>,
}

/// A file on its way in.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) bytes: bytes::Bytes,
}

/// What a sender wants to say or change; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) content: Option<String>,
    pub(crate) embeds: Option<Vec<Value>>,
    pub(crate) components: Option<Vec<Value>>,
    pub(crate) kept_attachments: Option<Vec<Snowflake>>,
    pub(crate) uploads: Vec<Upload>,
    pub(crate) descriptions: HashMap<usize, String>,
    pub(crate) allowed_mentions: Option<Value>,
    pub(crate) flags: u64,
    pub(crate) nonce: Option<Value>,
    pub(crate) enforce_nonce: bool,
    pub(crate) reference: Option<Reference>,
    pub(crate) tts: bool,
}

/// A reply's target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference {
    pub(crate) message: Snowflake,
    pub(crate) fail_if_not_exists: bool,
}
