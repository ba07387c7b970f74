//! The application a bot belongs to, and what Discord lets it hear.

use bailey_protocol::ApplicationId;
use serde::Deserialize;
use twilight_gateway::Intents;

/// The application the bot token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Application {
    /// Its id, part of the routes that answer interactions.
    pub id: ApplicationId,
    /// Its name.
    pub name: String,
    /// Discord's flags: among others whether message text and members may be asked for.
    #[serde(default)]
    pub flags: u64,
}

/// An intent that Discord does not give to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withheld {
    /// Which.
    pub intent: Intents,
    /// What it is called on the Bot page of the developer portal.
    pub name: &'static str,
    /// What plugins do without.
    pub without: &'static str,
}

/// The intents that must be switched on for an application, and the flags that say they are: for one in many servers
/// Discord looks at the application first, and sets another.
const PRIVILEGED: &[(u64, Withheld)] = &[
    (
        1 << 14 | 1 << 15,
        Withheld {
            intent: Intents::GUILD_MEMBERS,
            name: "Server Members Intent",
            without: "no plugin hears of members who join, leave or change, and members cannot be listed",
        },
    ),
    (
        1 << 18 | 1 << 19,
        Withheld {
            intent: Intents::MESSAGE_CONTENT,
            name: "Message Content Intent",
            without: "plugins get messages without their text, but those that mention the bot",
        },
    ),
];

impl Application {
    /// Those of these intents that Discord would refuse the bot for (4014).
    pub fn withheld(&self, intents: Intents) -> Vec<Withheld> {
        let refused = |(flags, withheld): &&(u64, Withheld)| {
            intents.contains(withheld.intent) && self.flags & flags == 0
        };
        PRIVILEGED.iter().filter(refused).map(|(_, withheld)| *withheld).collect()
    }
}
