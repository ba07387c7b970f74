//! The world a simulation starts with: one bot application, people, servers. Plain data with fixed ids;
//! what happens to it afterwards is the state's business.

use base64::Engine;

use crate::clock::{EPOCH_MS, Snowflake};
use crate::error::SimError;
use crate::state::logins::wrong_redirect_uri;

/// What a member may do, as Discord's permission bits.
pub mod permission {
    /// Add the first reaction of a kind.
    pub const ADD_REACTIONS: u64 = 1 << 6;
    /// Everything.
    pub const ADMINISTRATOR: u64 = 1 << 3;
    /// Invite people.
    pub const CREATE_INSTANT_INVITE: u64 = 1 << 0;
    /// Change the server, add bots to it.
    pub const MANAGE_GUILD: u64 = 1 << 5;
    /// Remove members.
    pub const KICK_MEMBERS: u64 = 1 << 1;
    /// Keep people off the server.
    pub const BAN_MEMBERS: u64 = 1 << 2;
    /// Make, change and delete channels.
    pub const MANAGE_CHANNELS: u64 = 1 << 4;
    /// Read the audit log.
    pub const VIEW_AUDIT_LOG: u64 = 1 << 7;
    /// Let a message be read aloud.
    pub const SEND_TTS_MESSAGES: u64 = 1 << 12;
    /// Embeds in messages.
    pub const EMBED_LINKS: u64 = 1 << 14;
    /// Files in messages.
    pub const ATTACH_FILES: u64 = 1 << 15;
    /// Ping everyone.
    pub const MENTION_EVERYONE: u64 = 1 << 17;
    /// Change one's own nickname.
    pub const CHANGE_NICKNAME: u64 = 1 << 26;
    /// Change other people's nicknames.
    pub const MANAGE_NICKNAMES: u64 = 1 << 27;
    /// Give and take roles below one's own, and set what channels add to them.
    pub const MANAGE_ROLES: u64 = 1 << 28;
    /// Make, see and delete webhooks.
    pub const MANAGE_WEBHOOKS: u64 = 1 << 29;
    /// Change and delete threads, see private ones.
    pub const MANAGE_THREADS: u64 = 1 << 34;
    /// Begin threads.
    pub const CREATE_PUBLIC_THREADS: u64 = 1 << 35;
    /// Begin private threads.
    pub const CREATE_PRIVATE_THREADS: u64 = 1 << 36;
    /// Write in threads.
    pub const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;
    /// Time members out.
    pub const MODERATE_MEMBERS: u64 = 1 << 40;
    /// Pin messages.
    pub const PIN_MESSAGES: u64 = 1 << 51;
    /// Delete other people's messages.
    pub const MANAGE_MESSAGES: u64 = 1 << 13;
    /// See a channel.
    pub const VIEW_CHANNEL: u64 = 1 << 10;
    /// Write in a text channel.
    pub const SEND_MESSAGES: u64 = 1 << 11;
    /// Read what was written before.
    pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
    /// Every bit Discord defines today.
    pub const ALL: u64 = (1 << 53) - 1;
    /// What `@everyone` may do in a fresh server.
    pub const DEFAULT: u64 = ADD_REACTIONS | VIEW_CHANNEL | SEND_MESSAGES | READ_MESSAGE_HISTORY
        | (1 << 0) // create invites
        | (1 << 9) // stream
        | (1 << 14) // embed links
        | (1 << 15) // attach files
        | (1 << 17) // mention everyone
        | (1 << 18) // foreign emoji
        | (1 << 20) | (1 << 21) | (1 << 25) // connect, speak, voice activity
        | (1 << 26) // change own nickname
        | (1 << 31) // application commands
        | (1 << 35) | (1 << 38); // public threads and messages in them
    /// What the bot's own role may do in the default world.
    pub const BOT: u64 = DEFAULT
        | MANAGE_MESSAGES
        | KICK_MEMBERS
        | BAN_MEMBERS
        | MANAGE_CHANNELS
        | MANAGE_ROLES
        | VIEW_AUDIT_LOG
        | MANAGE_NICKNAMES
        | MANAGE_WEBHOOKS
        | MANAGE_THREADS
        | CREATE_PRIVATE_THREADS
        | MODERATE_MEMBERS
        | PIN_MESSAGES;
}

/// Servers, people and the bot application, before anything has happened.
#[derive(Debug, Clone)]
pub struct World {
    /// The one bot application.
    pub application: WorldApplication,
    /// Everybody who can be acted as, by unique name.
    pub people: Vec<WorldPerson>,
    /// The servers.
    pub guilds: Vec<WorldGuild>,
    /// Whether people, bot and servers have pictures, drawn from their ids.
    pub pictures: bool,
    next: u64,
}

/// The bot application and what it is allowed.
#[derive(Debug, Clone)]
pub struct WorldApplication {
    /// The application's id, also the id of its bot user.
    pub id: Snowflake,
    /// The bot's user name.
    pub name: String,
    /// The bot token; not a secret, it opens nothing but this simulator.
    pub token: String,
    /// What the application proves itself with when people log in; opens nothing but this simulator either.
    pub client_secret: String,
    /// Where people may be sent back to after logging in, compared letter by letter.
    pub redirect_uris: Vec<String>,
    /// Whether MESSAGE_CONTENT is enabled for the application.
    pub message_content: bool,
    /// Whether GUILD_MEMBERS is enabled for the application.
    pub guild_members: bool,
    /// Whether GUILD_PRESENCES is enabled for the application.
    pub guild_presences: bool,
}

/// Somebody who can be acted as.
#[derive(Debug, Clone)]
pub struct WorldPerson {
    /// User id.
    pub id: Snowflake,
    /// Unique user name, e.g. `alice`.
    pub name: String,
}

/// One server.
#[derive(Debug, Clone)]
pub struct WorldGuild {
    /// Guild id, also the id of its `@everyone` role.
    pub id: Snowflake,
    /// Shown name.
    pub name: String,
    /// Name of the person who owns it.
    pub owner: String,
    /// Channels in order.
    pub channels: Vec<WorldChannel>,
    /// Roles without `@everyone`, lowest first.
    pub roles: Vec<WorldRole>,
    /// Name of each person in it, with the names of the roles they hold.
    pub members: Vec<(String, Vec<String>)>,
    /// Permission bits of the bot's role; `None`: the bot is not in this server.
    pub bot_permissions: Option<u64>,
    /// Id of the bot's role.
    pub bot_role: Snowflake,
}

/// One channel of a server.
#[derive(Debug, Clone)]
pub struct WorldChannel {
    /// Channel id.
    pub id: Snowflake,
    /// Name without `#`.
    pub name: String,
    /// What it is for.
    pub kind: ChannelKind,
}

/// The kinds of channel the simulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// Messages (Discord's type 0).
    Text,
    /// Talking; can also hold messages (Discord's type 2).
    Voice,
    /// A heading that groups channels; holds no messages (Discord's type 4).
    Category,
    /// Messages that other servers may follow (Discord's type 5).
    Announcement,
    /// A conversation beside a channel, open to all who see that (Discord's type 11).
    PublicThread,
    /// A conversation beside a channel, for those invited (Discord's type 12).
    PrivateThread,
}

impl ChannelKind {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Voice => 2,
            Self::Category => 4,
            Self::Announcement => 5,
            Self::PublicThread => 11,
            Self::PrivateThread => 12,
        }
    }

    pub(crate) fn is_thread(self) -> bool {
        matches!(self, Self::PublicThread | Self::PrivateThread)
    }
}

/// One role of a server.
#[derive(Debug, Clone)]
pub struct WorldRole {
    /// Role id.
    pub id: Snowflake,
    /// Shown name.
    pub name: String,
    /// Permission bits.
    pub permissions: u64,
}

impl World {
    /// Nobody and nothing but a bot application named `Test Bot`.
    pub fn empty() -> Self {
        let mut world = Self {
            application: WorldApplication {
                id: Snowflake(0),
                name: "Test Bot".to_owned(),
                token: String::new(),
                client_secret: "simulated-client-secret-00000001".to_owned(),
                redirect_uris: Vec::new(),
                message_content: true,
                guild_members: true,
                guild_presences: true,
            },
            people: Vec::new(),
            guilds: Vec::new(),
            pictures: false,
            next: 0,
        };
        let id = world.next_id();
        let first = base64::engine::general_purpose::STANDARD_NO_PAD.encode(id.to_string());
        world.application.id = id;
        world.application.token = format!("{first}.SimLtd.only-opens-the-simulated-discord-01");
        world
    }

    /// One server `Test Server` with `#general`, `#random`, a voice channel `Lounge`, a `Moderator` role held by
    /// bob, the people alice (owner), bob and carol, and the bot. Ids never change.
    pub fn default_world() -> Self {
        Self::empty().person("alice").person("bob").person("carol").guild("Test Server", "alice", |guild| {
            guild
                .text_channel("general")
                .text_channel("random")
                .voice_channel("Lounge")
                .role("Moderator", permission::DEFAULT | permission::MANAGE_MESSAGES | (1 << 40))
                .member("bob", &["Moderator"])
                .member("carol", &[])
        })
    }

    /// Adds somebody who can be acted as.
    #[must_use]
    pub fn person(mut self, name: &str) -> Self {
        let id = self.next_id();
        self.people.push(WorldPerson { id, name: name.to_owned() });
        self
    }

    /// Gives everybody and every server a picture, drawn from the id; whoever joins later gets one too.
    #[must_use]
    pub fn with_pictures(mut self) -> Self {
        self.pictures = true;
        self
    }

    /// Lets people be sent back to this address after logging in.
    #[must_use]
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.application.redirect_uris.push(uri.to_owned());
        self
    }

    /// Adds a server owned by the person named `owner` (a member of it), with the bot in it; `build` fills it.
    #[must_use]
    pub fn guild(
        mut self,
        name: &str,
        owner: &str,
        build: impl FnOnce(GuildBuilder<'_>) -> GuildBuilder<'_>,
    ) -> Self {
        let guild = WorldGuild {
            id: self.next_id(),
            name: name.to_owned(),
            owner: owner.to_owned(),
            channels: Vec::new(),
            roles: Vec::new(),
            members: vec![(owner.to_owned(), Vec::new())],
            bot_permissions: Some(permission::BOT),
            bot_role: self.next_id(),
        };
        let guild = build(GuildBuilder { guild, next: &mut self.next }).guild;
        self.guilds.push(guild);
        self
    }

    fn next_id(&mut self) -> Snowflake {
        next_id(&mut self.next)
    }

    pub(crate) fn check(&self) -> Result<(), SimError> {
        for uri in &self.application.redirect_uris {
            if let Some(wrong) = wrong_redirect_uri(uri) {
                return Err(SimError::World(format!("people cannot be sent back to `{uri}`: {wrong}")));
            }
        }
        let known = |name: &str| self.people.iter().any(|person| person.name == name);
        for guild in &self.guilds {
            for (name, roles) in &guild.members {
                if !known(name) {
                    let text = format!(
                        "server `{}` has the member `{name}`, who is not among the people",
                        guild.name
                    );
                    return Err(SimError::World(text));
                }
                for role in roles {
                    if !guild.roles.iter().any(|known| known.name == *role) {
                        let text =
                            format!("`{name}` holds the role `{role}`, which `{}` does not have", guild.name);
                        return Err(SimError::World(text));
                    }
                }
            }
        }
        Ok(())
    }
}

impl Default for World {
    fn default() -> Self {
        Self::default_world()
    }
}

/// Fills one server of a [`World`].
#[derive(Debug)]
pub struct GuildBuilder<'a> {
    guild: WorldGuild,
    next: &'a mut u64,
}

impl GuildBuilder<'_> {
    /// Adds a text channel.
    #[must_use]
    pub fn text_channel(self, name: &str) -> Self {
        self.channel(name, ChannelKind::Text)
    }

    /// Adds a voice channel.
    #[must_use]
    pub fn voice_channel(self, name: &str) -> Self {
        self.channel(name, ChannelKind::Voice)
    }

    /// Adds a channel of any kind.
    #[must_use]
    pub fn channel(mut self, name: &str, kind: ChannelKind) -> Self {
        let id = next_id(self.next);
        self.guild.channels.push(WorldChannel { id, name: name.to_owned(), kind });
        self
    }

    /// Adds a role above those already there.
    #[must_use]
    pub fn role(mut self, name: &str, permissions: u64) -> Self {
        let id = next_id(self.next);
        self.guild.roles.push(WorldRole { id, name: name.to_owned(), permissions });
        self
    }

    /// Lets a person be a member, holding the named roles.
    #[must_use]
    pub fn member(mut self, person: &str, roles: &[&str]) -> Self {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        self.guild.members.push((person.to_owned(), roles));
        self
    }

    /// Gives the bot's role these permission bits, or keeps the bot out (`None`).
    #[must_use]
    pub fn bot(mut self, permissions: Option<u64>) -> Self {
        self.guild.bot_permissions = permissions;
        self
    }
}

/// Fixed ids: one per millisecond from 2024-01-01, so they are older than anything that happens.
fn next_id(next: &mut u64) -> Snowflake {
    const WORLD_MS: u64 = 1_704_067_200_000;
    *next += 1;
    Snowflake((WORLD_MS + *next - EPOCH_MS) << 22)
}
