//! Channels made, changed and deleted; what they add to and take from roles and members; pins.

use serde_json::{Value, json};

use super::State;
use super::audit::Action;
use super::model::{Channel, Overwrite, intent};
use super::render;
use super::sessions::Dispatch;
use crate::clock::Snowflake;
use crate::error::ApiError;
use crate::world::{ChannelKind, WorldChannel, permission};

/// Channels of one server.
const MOST_CHANNELS: usize = 500;
/// Pins of one channel.
const MOST_PINS: usize = 250;

/// A channel as somebody wants it; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub(crate) struct ChannelDraft {
    pub(crate) name: Option<String>,
    pub(crate) topic: Option<Option<String>>,
    pub(crate) user_limit: Option<u64>,
    pub(crate) parent: Option<Option<Snowflake>>,
    pub(crate) position: Option<i64>,
    pub(crate) overwrites: Option<Vec<Overwrite>>,
}

impl State {
    /// Tells who listens to a server's channels.
    pub(crate) fn tell_channel(&mut self, event: &'static str, guild: Snowflake, data: Value) {
        self.dispatch(&Dispatch { event, guild: Some(guild), intents: intent::GUILDS, data, strip: false });
    }

    /// Makes a channel of a server, as the bot.
    pub(crate) fn create_channel(
        &mut self,
        guild: Snowflake,
        kind: ChannelKind,
        draft: ChannelDraft,
        reason: Option<String>,
    ) -> Result<Value, ApiError> {
        let name = draft.name.clone().unwrap_or_default();
        let (id, json) = self.make_channel(guild, kind, draft)?;
        self.note(guild, Action::ChannelCreated, id, name, reason);
        Ok(json)
    }

    /// Makes a channel of a server, whoever does it.
    pub(crate) fn make_channel(
        &mut self,
        guild: Snowflake,
        kind: ChannelKind,
        draft: ChannelDraft,
    ) -> Result<(Snowflake, Value), ApiError> {
        let known = self.guilds.get(&guild).ok_or_else(ApiError::unknown_guild)?;
        if known.channels.len() >= MOST_CHANNELS {
            return Err(ApiError::too_many_channels());
        }
        let position = i64::try_from(known.channels.len()).unwrap_or(i64::MAX);
        let id = self.new_id();
        let name = draft.name.clone().unwrap_or_default();
        let mut channel = Channel::new(&WorldChannel { id, name, kind }, guild, position);
        self.fill_channel(&mut channel, draft)?;
        let json = render::channel(&channel);
        self.channels.insert(id, channel);
        if let Some(guild) = self.guilds.get_mut(&guild) {
            guild.channels.push(id);
        }
        self.tell_channel("CHANNEL_CREATE", guild, json.clone());
        Ok((id, json))
    }

    /// Changes a channel that is no thread, as the bot.
    pub(crate) fn edit_channel(
        &mut self,
        id: Snowflake,
        draft: ChannelDraft,
        reason: Option<String>,
    ) -> Result<Value, ApiError> {
        let (guild, name, json) = self.change_channel(id, draft)?;
        self.note(guild, Action::ChannelUpdated, id, name, reason);
        Ok(json)
    }

    /// Changes a channel that is no thread, whoever does it. Gives its server and name.
    pub(crate) fn change_channel(
        &mut self,
        id: Snowflake,
        draft: ChannelDraft,
    ) -> Result<(Snowflake, String, Value), ApiError> {
        let mut channel = self.channels.swap_remove(&id).ok_or_else(ApiError::unknown_channel)?;
        let filled = self.fill_channel(&mut channel, draft);
        let (guild, name, json) = (channel.guild, channel.name.clone(), render::channel(&channel));
        self.channels.insert(id, channel);
        filled?;
        self.tell_channel("CHANNEL_UPDATE", guild, json.clone());
        Ok((guild, name, json))
    }

    fn fill_channel(&self, channel: &mut Channel, draft: ChannelDraft) -> Result<(), ApiError> {
        if let Some(Some(parent)) = draft.parent {
            let fits = self
                .channels
                .get(&parent)
                .is_some_and(|parent| parent.guild == channel.guild && parent.kind == ChannelKind::Category);
            if !fits || channel.kind == ChannelKind::Category {
                return Err(crate::error::FieldErrors::one(
                    "parent_id",
                    "CHANNEL_PARENT_INVALID",
                    "Not a valid category",
                ));
            }
        }
        channel.parent = draft.parent.unwrap_or(channel.parent);
        if let Some(name) = draft.name {
            channel.name = name;
        }
        if let Some(topic) = draft.topic {
            channel.topic = topic.filter(|topic| !topic.is_empty());
        }
        channel.user_limit = draft.user_limit.unwrap_or(channel.user_limit);
        channel.position = draft.position.unwrap_or(channel.position);
        if let Some(overwrites) = draft.overwrites {
            channel.overwrites = overwrites;
        }
        Ok(())
    }

    /// Deletes a channel with its threads and webhooks, or a thread, as the bot.
    pub(crate) fn delete_channel(
        &mut self,
        id: Snowflake,
        reason: Option<String>,
    ) -> Result<Value, ApiError> {
        let (channel, json) = self.drop_channel(id)?;
        let action = if channel.kind.is_thread() { Action::ThreadDeleted } else { Action::ChannelDeleted };
        self.note(channel.guild, action, id, channel.name, reason);
        Ok(json)
    }

    /// Deletes a channel with its threads and webhooks, or a thread, whoever does it.
    pub(crate) fn drop_channel(&mut self, id: Snowflake) -> Result<(Channel, Value), ApiError> {
        let channel = self.channels.shift_remove(&id).ok_or_else(ApiError::unknown_channel)?;
        let guild = channel.guild;
        let json = render::channel(&channel);
        if let Some(guild) = self.guilds.get_mut(&guild) {
            guild.channels.retain(|known| *known != id);
            guild.threads.retain(|known| *known != id);
        }
        if channel.kind.is_thread() {
            let data = json!({
                "id": id, "guild_id": guild, "parent_id": channel.parent, "type": channel.kind.number(),
            });
            self.tell_channel("THREAD_DELETE", guild, data);
            return Ok((channel, json));
        }
        let threads: Vec<Snowflake> = self
            .channels
            .values()
            .filter(|other| other.kind.is_thread() && other.parent == Some(id))
            .map(|thread| thread.id)
            .collect();
        for thread in threads {
            self.channels.shift_remove(&thread);
            if let Some(guild) = self.guilds.get_mut(&guild) {
                guild.threads.retain(|known| *known != thread);
            }
        }
        self.channels
            .values_mut()
            .filter(|other| other.parent == Some(id))
            .for_each(|child| child.parent = None);
        self.webhooks.retain(|_, webhook| webhook.channel != id);
        let talking = self.guilds.get(&guild).map(|guild| {
            let here = guild.voice.iter().filter(|(_, voice)| voice.channel == id);
            here.map(|(person, _)| *person).collect::<Vec<_>>()
        });
        for person in talking.into_iter().flatten() {
            self.set_voice(guild, person, None);
        }
        self.tell_channel("CHANNEL_DELETE", guild, json.clone());
        Ok((channel, json))
    }

    /// Sets what a channel adds to and takes from a role or member; only bits the bot has itself.
    pub(crate) fn set_overwrite(
        &mut self,
        id: Snowflake,
        overwrite: Overwrite,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        let bot = self.application.id;
        let channel = self.channels.get(&id).ok_or_else(ApiError::unknown_channel)?;
        let guild = self.guilds.get(&channel.guild).ok_or_else(ApiError::unknown_guild)?;
        let known = if overwrite.of_member {
            guild.members.contains_key(&overwrite.target)
        } else {
            guild.roles.iter().any(|role| role.id == overwrite.target)
        };
        if !known {
            return Err(ApiError::unknown_overwrite());
        }
        let held = self.permissions_in(channel, bot) | guild.permissions(bot);
        if (overwrite.allow | overwrite.deny) & !held != 0 {
            return Err(ApiError::missing_permissions());
        }
        self.change_overwrites(id, Action::OverwriteSet, reason, |overwrites| {
            overwrites.retain(|one| one.target != overwrite.target);
            overwrites.push(overwrite);
        });
        Ok(())
    }

    /// Takes back what a channel adds to or takes from somebody.
    pub(crate) fn delete_overwrite(
        &mut self,
        id: Snowflake,
        target: Snowflake,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        let channel = self.channels.get(&id).ok_or_else(ApiError::unknown_channel)?;
        if !channel.overwrites.iter().any(|one| one.target == target) {
            return Err(ApiError::unknown_overwrite());
        }
        self.change_overwrites(id, Action::OverwriteDeleted, reason, |overwrites| {
            overwrites.retain(|one| one.target != target);
        });
        Ok(())
    }

    fn change_overwrites(
        &mut self,
        id: Snowflake,
        action: Action,
        reason: Option<String>,
        change: impl FnOnce(&mut Vec<Overwrite>),
    ) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        change(&mut channel.overwrites);
        let (guild, name, json) = (channel.guild, channel.name.clone(), render::channel(channel));
        self.tell_channel("CHANNEL_UPDATE", guild, json);
        self.note(guild, action, id, name, reason);
    }

    /// Pins a message or takes the pin away; doing it twice is doing it once.
    pub(crate) fn set_pinned(
        &mut self,
        channel: Snowflake,
        message: Snowflake,
        pinned: bool,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        if self.public_message(channel, message)?.pinned_ms.is_some() == pinned {
            return Ok(());
        }
        let now = self.clock.now_ms();
        let Some(place) = self.channels.get_mut(&channel) else { return Err(ApiError::unknown_channel()) };
        let pins = place.messages.values().filter(|message| message.pinned_ms.is_some()).count();
        if pinned && pins >= MOST_PINS {
            return Err(ApiError::too_many_pins());
        }
        if let Some(message) = place.messages.get_mut(&message) {
            message.pinned_ms = pinned.then_some(now);
        }
        let last = place.messages.values().filter_map(|message| message.pinned_ms).max();
        let (guild, name) = (place.guild, place.name.clone());
        let data = json!({
            "guild_id": guild, "channel_id": channel, "last_pin_timestamp": last.map(crate::clock::iso),
        });
        self.tell_channel("CHANNEL_PINS_UPDATE", guild, data);
        let action = if pinned { Action::Pinned } else { Action::Unpinned };
        self.note(guild, action, message, name, reason);
        Ok(())
    }

    /// What it takes to change a channel: a thread's beginner may change it, others manage threads.
    pub(crate) fn managing(&self, id: Snowflake) -> Result<u64, ApiError> {
        let channel = self.channel_for_bot(id)?;
        Ok(match &channel.thread {
            Some(thread) if thread.owner == self.application.id => 0,
            Some(_) => permission::MANAGE_THREADS,
            None => permission::MANAGE_CHANNELS,
        })
    }
}
