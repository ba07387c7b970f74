//! The parts of Discord's objects that several dispatches share.

use std::borrow::Cow;

use bailey_protocol::{GuildId, RoleId, UserId};

use crate::directory;
use serde::Deserialize;
use serde_json::{Value, json};

/// A user.
#[derive(Debug, Deserialize)]
pub(super) struct User<'a> {
    pub(super) id: UserId,
    #[serde(borrow, default)]
    pub(super) username: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) global_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) avatar: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) bot: bool,
}

impl User<'_> {
    /// The name the person chose to be shown everywhere, or else the unique one.
    pub(super) fn shown_name(&self) -> &str {
        self.global_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.username)
    }

    pub(super) fn display_name<'s>(&'s self, nick: Option<&'s str>) -> &'s str {
        nick.filter(|nick| !nick.is_empty()).unwrap_or_else(|| self.shown_name())
    }

    pub(super) fn to_payload(&self, nick: Option<&str>) -> Value {
        json!({
            "id": self.id,
            "username": self.username,
            "global_name": self.global_name,
            "display_name": self.display_name(nick),
            "avatar": self.avatar,
            "bot": self.bot,
        })
    }
}

/// A role.
#[derive(Debug, Deserialize)]
pub(crate) struct Role<'a> {
    pub(crate) id: RoleId,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(default)]
    color: u32,
    #[serde(borrow, default)]
    permissions: Cow<'a, str>,
    #[serde(default)]
    position: i64,
    #[serde(default)]
    managed: bool,
    #[serde(default)]
    mentionable: bool,
}

impl Role<'_> {
    /// As the directory keeps it.
    pub(crate) fn known(&self) -> directory::Role {
        directory::Role {
            name: (&*self.name).into(),
            color: self.color,
            // Permission bits are decimal texts.
            permissions: self.permissions.parse().unwrap_or(0),
            position: self.position,
            managed: self.managed,
            mentionable: self.mentionable,
        }
    }
}

/// A member, without or with the user they are.
#[derive(Debug, Deserialize)]
pub(super) struct Member<'a> {
    #[serde(borrow, default)]
    pub(super) user: Option<User<'a>>,
    #[serde(borrow, default)]
    pub(super) nick: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) roles: Vec<RoleId>,
    #[serde(borrow, default)]
    pub(super) joined_at: Option<Cow<'a, str>>,
    /// Present in interactions: what the member may do in the channel.
    #[serde(borrow, default)]
    pub(super) permissions: Option<Cow<'a, str>>,
}

impl Member<'_> {
    /// Role ids as text, without `@everyone`.
    pub(super) fn roles(&self, guild: GuildId) -> Vec<String> {
        self.roles.iter().filter(|role| role.0 != guild.0).map(ToString::to_string).collect()
    }
}
