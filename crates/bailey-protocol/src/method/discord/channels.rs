//! Channels, what they allow whom, and threads.

use serde::{Serialize, Serializer};

use super::{clamped, cut, name};
use crate::error::CallError;
use crate::id::{ChannelId, RoleId, UserId};
use crate::limits;
use crate::params::Params;

/// Bits no plugin can give or take through a channel: they reach beyond it. Kick, ban, administrator,
/// manage server, manage roles and manage webhooks.
pub const DANGEROUS_PERMISSIONS: u64 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 28 | 1 << 29;

/// The kinds of channel that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// Messages.
    Text,
    /// Talking.
    Voice,
    /// A heading over channels.
    Category,
    /// Talking before an audience.
    Stage,
    /// Threads only.
    Forum,
}

impl ChannelKind {
    /// Discord's number for it.
    pub fn number(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Voice => 2,
            Self::Category => 4,
            Self::Stage => 13,
            Self::Forum => 15,
        }
    }
}

impl Serialize for ChannelKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// Parameters of `discord.create_channel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateChannel {
    /// Its name, at most 100 characters.
    pub name: String,
    /// What it is for.
    pub kind: ChannelKind,
    /// The category it goes into.
    pub category: Option<ChannelId>,
    /// What it is about, at most 1024 characters.
    pub topic: Option<String>,
    /// How many may talk at once, at most 99; 0 is no limit.
    pub user_limit: Option<u64>,
}

impl CreateChannel {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for an empty name, an unknown kind or a bad category.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let kind = match params.integer_or("channel_type", 0)? {
            0 => ChannelKind::Text,
            2 => ChannelKind::Voice,
            4 => ChannelKind::Category,
            13 => ChannelKind::Stage,
            15 => ChannelKind::Forum,
            _ => return Err(CallError::validation("channel_type", "0, 2, 4, 13 or 15")),
        };
        Ok(Self {
            name: name(params, limits::CHANNEL_NAME_CHARACTERS)?,
            kind,
            category: params.optional_id("category_id")?,
            topic: topic(params)?,
            user_limit: user_limit(params)?,
        })
    }
}

fn topic(params: &Params) -> Result<Option<String>, CallError> {
    Ok(params.optional_text("topic")?.map(|text| cut(&text, limits::CHANNEL_TOPIC_CHARACTERS)))
}

fn user_limit(params: &Params) -> Result<Option<u64>, CallError> {
    let given = params.raw("user_limit").is_some();
    given.then(|| clamped(params, "user_limit", 0, 0, limits::CHANNEL_USER_LIMIT)).transpose()
}

/// Parameters of `discord.edit_channel`; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditChannel {
    /// Which.
    pub channel: ChannelId,
    /// Its new name.
    pub name: Option<String>,
    /// Its new topic; empty clears it.
    pub topic: Option<String>,
    /// How many may talk at once.
    pub user_limit: Option<u64>,
}

impl EditChannel {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id, an empty name, or when nothing is to change.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let edit = Self {
            channel: params.id("channel_id")?,
            name: optional_name(params)?,
            topic: topic(params)?,
            user_limit: user_limit(params)?,
        };
        if edit.name.is_none() && edit.topic.is_none() && edit.user_limit.is_none() {
            return Err(CallError::validation("name", "a name, a topic or a user_limit to change"));
        }
        Ok(edit)
    }
}

fn optional_name(params: &Params) -> Result<Option<String>, CallError> {
    params.raw("name").is_some().then(|| name(params, limits::CHANNEL_NAME_CHARACTERS)).transpose()
}

/// Parameters of methods that name one channel: delete, get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelOnly {
    /// Which.
    pub channel: ChannelId,
}

impl ChannelOnly {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { channel: params.id("channel_id")? })
    }
}

/// Whom a channel's permissions are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverwriteTarget {
    /// Everybody with a role.
    Role(RoleId),
    /// One member.
    Member(UserId),
}

/// Parameters of `discord.set_channel_permissions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetChannelPermissions {
    /// Where.
    pub channel: ChannelId,
    /// For whom.
    pub target: OverwriteTarget,
    /// Bits added, without [`DANGEROUS_PERMISSIONS`].
    pub allow: u64,
    /// Bits taken away, without [`DANGEROUS_PERMISSIONS`].
    pub deny: u64,
}

impl SetChannelPermissions {
    /// Reads the parameters. Dangerous bits are dropped without a word, as the SDKs document.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id, bits that are no number, or another kind of target.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let target = match params.integer_or("target_type", 0)? {
            0 => OverwriteTarget::Role(params.id("target_id")?),
            1 => OverwriteTarget::Member(params.id("target_id")?),
            _ => return Err(CallError::validation("target_type", "0 (a role) or 1 (a member)")),
        };
        Ok(Self {
            channel: params.id("channel_id")?,
            target,
            allow: bits(params, "allow")? & !DANGEROUS_PERMISSIONS,
            deny: bits(params, "deny")? & !DANGEROUS_PERMISSIONS,
        })
    }
}

/// Permission bits as a decimal text or an integer; nothing is none.
fn bits(params: &Params, name: &str) -> Result<u64, CallError> {
    let Some(raw) = params.raw(name) else { return Ok(0) };
    let text = raw.get().trim_matches('"').trim();
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| CallError::validation(name, "permission bits as a decimal number"))
}

/// Parameters of `discord.delete_channel_permission`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteChannelPermission {
    /// Where.
    pub channel: ChannelId,
    /// A role's or a user's id.
    pub target: u64,
}

impl DeleteChannelPermission {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { channel: params.id("channel_id")?, target: params.id::<RoleId>("target_id")?.0 })
    }
}

/// Minutes without a message after which Discord archives a thread.
const ARCHIVE_MINUTES: [u64; 4] = [60, 1440, 4320, 10_080];

fn archive_minutes(params: &Params, default: u64) -> Result<u64, CallError> {
    let given = clamped(params, "auto_archive_duration", default, 0, u64::MAX)?;
    if ARCHIVE_MINUTES.contains(&given) {
        Ok(given)
    } else {
        Err(CallError::validation("auto_archive_duration", "60, 1440, 4320 or 10080"))
    }
}

/// Parameters of `discord.create_thread`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateThread {
    /// Where.
    pub channel: ChannelId,
    /// Its name, at most 100 characters.
    pub name: String,
    /// Whether only invited people see it.
    pub private: bool,
    /// Minutes until it is archived.
    pub auto_archive_minutes: u64,
}

impl CreateThread {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id, an empty name, another type or duration.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let private = match params.integer_or("thread_type", 11)? {
            11 => false,
            12 => true,
            _ => return Err(CallError::validation("thread_type", "11 (public) or 12 (private)")),
        };
        Ok(Self {
            channel: params.id("channel_id")?,
            name: name(params, limits::CHANNEL_NAME_CHARACTERS)?,
            private,
            auto_archive_minutes: archive_minutes(params, 1440)?,
        })
    }
}

/// Parameters of `discord.edit_thread`; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditThread {
    /// Which.
    pub thread: ChannelId,
    /// Whether it is put away.
    pub archived: Option<bool>,
    /// Whether only moderators can take it out again.
    pub locked: Option<bool>,
    /// Its new name.
    pub name: Option<String>,
    /// Minutes until it is archived.
    pub auto_archive_minutes: Option<u64>,
}

impl EditThread {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or value, or when nothing is to change.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let flag = |name: &str| params.raw(name).is_some().then(|| params.flag(name)).transpose();
        let minutes = params.raw("auto_archive_duration").is_some();
        let edit = Self {
            thread: params.id("thread_id")?,
            archived: flag("archived")?,
            locked: flag("locked")?,
            name: optional_name(params)?,
            auto_archive_minutes: minutes.then(|| archive_minutes(params, 1440)).transpose()?,
        };
        let nothing = edit.archived.is_none() && edit.locked.is_none() && edit.name.is_none();
        if nothing && edit.auto_archive_minutes.is_none() {
            let rule = "archived, locked, a name or an auto_archive_duration to change";
            return Err(CallError::validation("archived", rule));
        }
        Ok(edit)
    }
}

/// A channel, as methods that make or change one return it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewChannel {
    /// Its id.
    pub id: ChannelId,
    /// Its name.
    pub name: String,
    /// Discord's number for its kind.
    pub r#type: u8,
}

/// Result of `discord.create_channel` and `discord.edit_channel`: the channel itself, and once more
/// under `channel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelChanged {
    #[serde(flatten)]
    itself: NewChannel,
    channel: NewChannel,
}

impl From<NewChannel> for ChannelChanged {
    fn from(channel: NewChannel) -> Self {
        Self { itself: channel.clone(), channel }
    }
}

/// A thread, as `discord.create_thread` returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// Its id.
    pub id: ChannelId,
    /// Its name.
    pub name: String,
    /// 10 to 12.
    pub r#type: u8,
    /// Whether it is put away.
    pub archived: bool,
}

/// Result of `discord.create_thread`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreadCreated {
    /// The thread.
    pub thread: Thread,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::params;
    use super::*;

    #[test]
    fn channels_are_read_with_their_limits() {
        let long = "x".repeat(200);
        let given = json!({"name": long, "channel_type": 2, "user_limit": 500, "category_id": null});
        let channel = CreateChannel::parse(&params(given)).unwrap();
        assert_eq!(channel.name.len(), 100);
        assert_eq!((channel.kind, channel.user_limit), (ChannelKind::Voice, Some(99)));
        assert!(CreateChannel::parse(&params(json!({"name": " "}))).is_err());
        assert!(CreateChannel::parse(&params(json!({"name": "x", "channel_type": 11}))).is_err());
    }

    #[test]
    fn dangerous_bits_are_dropped() {
        let read = |allow, deny| {
            let all = json!({"channel_id": 1, "target_id": "2", "allow": allow, "deny": deny});
            SetChannelPermissions::parse(&params(all))
        };
        let set = read(json!(u64::MAX.to_string()), json!(8 | 1024)).unwrap();
        assert_eq!((set.allow & DANGEROUS_PERMISSIONS, set.deny), (0, 1024));
        assert_eq!(set.target, OverwriteTarget::Role(RoleId(2)));
        assert_eq!(read(json!(null), json!("")).unwrap().allow, 0);
        assert!(read(json!("all"), json!("0")).is_err());
        assert!(read(json!("-1"), json!("0")).is_err());
    }

    #[test]
    fn threads_take_discords_durations_only() {
        let read = |minutes| {
            let all = json!({"channel_id": 1, "name": "t", "auto_archive_duration": minutes});
            CreateThread::parse(&params(all))
        };
        assert_eq!(read(json!(null)).unwrap().auto_archive_minutes, 1440);
        assert!(read(json!(61)).is_err());
        let edit = EditThread::parse(&params(json!({"thread_id": 1, "archived": false}))).unwrap();
        assert_eq!((edit.archived, edit.locked), (Some(false), None));
        assert!(EditThread::parse(&params(json!({"thread_id": 1}))).is_err());
    }

    #[test]
    fn a_changed_channel_is_itself_and_below_channel() {
        let channel = NewChannel { id: ChannelId(4), name: "x".to_owned(), r#type: 0 };
        let json = serde_json::to_value(ChannelChanged::from(channel)).unwrap();
        let inner = json!({"id": "4", "name": "x", "type": 0});
        assert_eq!(json, json!({"id": "4", "name": "x", "type": 0, "channel": inner}));
    }
}
