//! Threads: begun, changed, opened again by whoever writes in them.

use serde_json::{Value, json};

use super::State;
use super::audit::Action;
use super::model::{Channel, Thread};
use super::render;
use crate::clock::Snowflake;
use crate::error::ApiError;
use crate::world::{ChannelKind, WorldChannel, permission};

/// A thread as somebody wants it; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub(crate) struct ThreadDraft {
    pub(crate) name: Option<String>,
    pub(crate) archived: Option<bool>,
    pub(crate) locked: Option<bool>,
    pub(crate) auto_archive_minutes: Option<u64>,
}

impl State {
    /// Begins a thread in a channel, on a message of it (which gives it its id) or on its own.
    pub(crate) fn create_thread(
        &mut self,
        parent: Snowflake,
        message: Option<Snowflake>,
        kind: ChannelKind,
        name: &str,
        auto_archive_minutes: u64,
        reason: Option<String>,
    ) -> Result<Value, ApiError> {
        let channel = self.channel_for_bot(parent)?;
        if !matches!(channel.kind, ChannelKind::Text | ChannelKind::Announcement) {
            return Err(ApiError::wrong_channel_type());
        }
        let guild = channel.guild;
        if let Some(message) = message {
            self.public_message(parent, message)?;
            if self.channels.contains_key(&message) {
                return Err(ApiError::thread_exists());
            }
        }
        let id = message.unwrap_or_else(|| self.new_id());
        let mut thread = Channel::new(&WorldChannel { id, name: name.to_owned(), kind }, guild, 0);
        thread.parent = Some(parent);
        thread.thread = Some(Thread {
            owner: self.application.id,
            archived: false,
            locked: false,
            auto_archive_minutes,
            changed_ms: self.clock.now_ms(),
        });
        let json = render::channel(&thread);
        self.channels.insert(id, thread);
        if let Some(guild) = self.guilds.get_mut(&guild) {
            guild.threads.push(id);
        }
        let mut data = json.clone();
        if let Some(map) = data.as_object_mut() {
            map.insert("newly_created".to_owned(), json!(true));
        }
        self.tell_channel("THREAD_CREATE", guild, data);
        self.note(guild, Action::ThreadCreated, id, name.to_owned(), reason);
        Ok(json)
    }

    /// Changes a thread. One that is archived takes no other change unless it is opened by the same.
    pub(crate) fn edit_thread(
        &mut self,
        id: Snowflake,
        draft: ThreadDraft,
        reason: Option<String>,
    ) -> Result<Value, ApiError> {
        let held = self.permissions_at(id, self.application.id);
        let now = self.clock.now_ms();
        let channel = self.channels.get_mut(&id).ok_or_else(ApiError::unknown_channel)?;
        let thread = channel.thread.as_mut().ok_or_else(ApiError::unknown_channel)?;
        if thread.archived && draft.archived != Some(false) {
            return Err(ApiError::thread_archived());
        }
        let manages = held & permission::MANAGE_THREADS != 0;
        if !manages && (draft.locked.is_some() || thread.locked) {
            return Err(ApiError::missing_permissions());
        }
        if let Some(archived) = draft.archived.filter(|archived| *archived != thread.archived) {
            (thread.archived, thread.changed_ms) = (archived, now);
        }
        thread.locked = draft.locked.unwrap_or(thread.locked);
        thread.auto_archive_minutes = draft.auto_archive_minutes.unwrap_or(thread.auto_archive_minutes);
        if let Some(name) = draft.name {
            channel.name = name;
        }
        let (guild, name, json) = (channel.guild, channel.name.clone(), render::channel(channel));
        self.tell_channel("THREAD_UPDATE", guild, json.clone());
        self.note(guild, Action::ThreadUpdated, id, name, reason);
        Ok(json)
    }

    /// Writing opens an archived thread again; a locked one only for those who manage threads.
    pub(crate) fn open_for_writing(&mut self, id: Snowflake) -> Result<(), ApiError> {
        let held = self.permissions_at(id, self.application.id);
        let now = self.clock.now_ms();
        let Some(channel) = self.channels.get_mut(&id) else { return Ok(()) };
        let Some(thread) = channel.thread.as_mut() else { return Ok(()) };
        if thread.locked && held & permission::MANAGE_THREADS == 0 {
            return Err(ApiError::thread_locked());
        }
        if thread.archived {
            (thread.archived, thread.changed_ms) = (false, now);
            let (guild, json) = (channel.guild, render::channel(channel));
            self.tell_channel("THREAD_UPDATE", guild, json);
        }
        Ok(())
    }
}
