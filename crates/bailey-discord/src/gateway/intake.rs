//! What a frame from the gateway means: which events it makes, and what it says about servers and
//! channels. It does no I/O; a frame it cannot read, or that tells of a server of another shard, is reported, never
//! passed on.

use std::borrow::Cow;
use std::collections::HashSet;

use bailey_protocol::{ChannelId, Event, GuildId, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::directory::Directory;
use crate::normalise::{Before, Mark, Normalised, Skip, Surroundings, normalise};
use crate::recent::Recent;
use crate::shard::{ShardId, is_on};

use super::point::ResumePoint;
use super::shapes::{
    AboutMessages, GuildCreate, GuildUpdate, Identified, MaybeInGuild, MemberUpdate, OfUser, Ready,
    RoleChange, RoleDeletion, ThreadListSync, UnavailableGuild, WireChannel, WireVoice, in_guild,
};

/// Characters of an unreadable frame that are logged.
const LOGGED_CHARACTERS: usize = 300;
/// Discord's number for a dispatch.
const DISPATCH: u64 = 0;

/// One frame, as far as every frame is the same.
#[derive(Deserialize)]
struct Envelope<'a> {
    op: u64,
    #[serde(borrow, default)]
    t: Option<Cow<'a, str>>,
    #[serde(default)]
    s: Option<u64>,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

/// A dispatch that was read: what to hand on, and how far the stream then is.
#[derive(Debug)]
pub(super) struct Taken {
    /// Of the how-manieth session it is, counted by [`Intake::sessions`].
    pub(super) session: u64,
    /// Its sequence number.
    pub(super) sequence: u64,
    /// What plugins are told of it.
    pub(super) events: Vec<Event>,
    /// Whether it happened in a private conversation.
    pub(super) direct_message: bool,
    /// Whether it could be read.
    pub(super) readable: bool,
    /// Whether it begins a session.
    pub(super) begins: bool,
    /// Whether that is a new one instead of the one that was to go on.
    pub(super) anew: bool,
}

/// Reads frames of one shard, in order.
#[derive(Debug)]
pub(super) struct Intake {
    shard: ShardId,
    /// All shards' servers; its revision counts what this one has learned.
    directory: Directory,
    /// The servers in there that are this shard's.
    guilds: HashSet<GuildId>,
    /// How often one came or went.
    guild_changes: u64,
    recent: Recent,
    mark: Mark,
    session: Option<String>,
    /// Sessions that began.
    sessions: u64,
    /// The last dispatch of this one that no plugin is told: that with which it began, or was gone on from.
    told_before: u64,
    resume_url: Option<String>,
    /// What an earlier gateway of the session had done, while the session goes on.
    gone_on_from: Option<ResumePoint>,
    /// The last dispatch the directory has learned from.
    learned: u64,
}

impl Intake {
    pub(super) fn new(directory: &Directory, shard: ShardId, point: Option<ResumePoint>) -> Self {
        let session = point.as_ref().map(|point| point.session.clone());
        Self {
            shard,
            directory: directory.apart(),
            guilds: directory.guilds_on(shard).into_iter().collect(),
            guild_changes: 0,
            recent: Recent::one_of(shard.total()),
            mark: Mark::new(session.as_deref().unwrap_or_default(), 0),
            session,
            sessions: 0,
            told_before: point.as_ref().map_or(0, |point| point.handed_on),
            resume_url: None,
            learned: point.as_ref().map_or(0, |point| point.learned),
            gone_on_from: point,
        }
    }

    /// The last dispatch the directory has learned from.
    pub(super) fn learned(&self) -> u64 {
        self.learned
    }

    /// How many servers of this shard are known.
    pub(super) fn guild_count(&self) -> usize {
        self.guilds.len()
    }

    /// A number that grows when a server comes or goes.
    pub(super) fn guild_changes(&self) -> u64 {
        self.guild_changes
    }

    /// A number that grows with each change of what is known of this shard's servers.
    pub(super) fn revision(&self) -> u64 {
        self.directory.revision()
    }

    /// How many sessions have begun here; dispatches of an earlier one may still wait to be handed on.
    pub(super) fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Dispatches of the session up to this one need not be handed on by whoever goes on with it.
    pub(super) fn told_before(&self) -> u64 {
        self.told_before
    }

    /// Whether an earlier gateway of the session has handed a dispatch on.
    fn was_told(&self, sequence: u64) -> bool {
        self.gone_on_from.as_ref().is_some_and(|point| sequence <= point.handed_on)
    }

    /// The session whose dispatches these are, and where Discord wants it resumed.
    pub(super) fn session(&self) -> Option<(&str, Option<&str>)> {
        Some((self.session.as_deref()?, self.resume_url.as_deref()))
    }

    /// Reads one frame. `None` for one that is no dispatch, which the shard itself has dealt with.
    ///
    /// # Errors
    /// When it is no frame at all.
    pub(super) fn take(
        &mut self,
        frame: &str,
        received_at: Timestamp,
    ) -> Result<Option<Taken>, serde_json::Error> {
        let envelope: Envelope<'_> = serde_json::from_str(frame)?;
        let (DISPATCH, Some(event_type), Some(sequence)) = (envelope.op, &envelope.t, envelope.s) else {
            return Ok(None);
        };
        let data = envelope.d.unwrap_or(RawValue::NULL);
        let (begins, mut anew) = (event_type == "READY", false);
        if begins {
            // Another session, with numbers of its own: whatever happened since the old one is lost.
            anew = self.gone_on_from.take().is_some();
            self.learned = 0;
            self.sessions += 1;
            self.told_before = sequence;
        }
        let mut taken = Taken {
            session: self.sessions,
            sequence,
            events: Vec::new(),
            direct_message: false,
            readable: true,
            begins,
            anew,
        };
        let known = sequence <= self.learned;
        let told = self.was_told(sequence);
        self.learned = self.learned.max(sequence);
        let outcome = self.of_this_shard(event_type, data.get()).and_then(|()| {
            let before = self.before(event_type, data.get())?;
            if !known {
                self.learn(event_type, data.get())?;
            }
            if told {
                return Ok(Normalised::Events(Vec::new()));
            }
            let (mark, directory) = (self.mark.at(sequence), &self.directory);
            normalise(event_type, data, Surroundings { directory, before: &before, mark, received_at })
        });
        match outcome {
            Ok(Normalised::Events(events)) => {
                events.iter().for_each(|event| self.recent.learn(event));
                taken.events = events;
            }
            Ok(Normalised::Skipped(why)) => taken.direct_message = why == Skip::DirectMessage,
            Err(error) => {
                taken.readable = false;
                report(event_type, sequence, data.get(), &error);
            }
        }
        Ok(Some(taken))
    }

    /// Discord tells a shard of its own servers only, and on that rests that what happens on a server comes in order.
    fn of_this_shard(&self, event_type: &str, data: &str) -> Result<(), serde_json::Error> {
        if self.shard.total() == 1 {
            return Ok(());
        }
        let guild = match event_type {
            "GUILD_CREATE" | "GUILD_UPDATE" | "GUILD_DELETE" => {
                Some(serde_json::from_str::<Identified<GuildId>>(data)?.id)
            }
            _ => serde_json::from_str::<Option<MaybeInGuild>>(data)?.and_then(|about| about.guild_id),
        };
        match guild {
            Some(guild) if !is_on(guild, self.shard) => Err(serde::de::Error::custom(format_args!(
                "server {guild} does not live on shard {} of {}",
                self.shard.number(),
                self.shard.total()
            ))),
            _ => Ok(()),
        }
    }

    /// What is known until now of the things a dispatch is about.
    fn before(&mut self, event_type: &str, data: &str) -> Result<Before, serde_json::Error> {
        let mut before = Before::default();
        match event_type {
            "CHANNEL_UPDATE" => {
                let changed: Identified<ChannelId> = serde_json::from_str(data)?;
                before.channel = self.directory.channel(changed.id);
            }
            "GUILD_ROLE_UPDATE" => {
                let change: RoleChange<'_> = serde_json::from_str(data)?;
                before.role = self.directory.role(change.guild_id, change.role.id);
            }
            "GUILD_ROLE_DELETE" => {
                let deletion: RoleDeletion = serde_json::from_str(data)?;
                before.role = self.directory.role(deletion.guild_id, deletion.role_id);
            }
            "VOICE_STATE_UPDATE" => {
                let change: WireVoice = serde_json::from_str(data)?;
                before.voice = change.guild_id.and_then(|guild| self.directory.voice(guild, change.user_id));
            }
            "GUILD_MEMBER_UPDATE" | "GUILD_MEMBER_REMOVE" => {
                let change: OfUser = serde_json::from_str(data)?;
                before.member = self.recent.member(change.guild_id, change.user.id);
            }
            "MESSAGE_UPDATE" | "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => {
                let about: AboutMessages = serde_json::from_str(data)?;
                let ids = about.id.into_iter().chain(about.ids);
                before.messages = ids.filter_map(|id| Some((id, self.recent.message(id)?))).collect();
            }
            _ => {}
        }
        Ok(before)
    }

    /// Keeps the directory up to date.
    fn learn(&mut self, event_type: &str, data: &str) -> Result<(), serde_json::Error> {
        let directory = &self.directory;
        let recent = &mut self.recent;
        match event_type {
            "READY" => {
                let ready: Ready = serde_json::from_str(data)?;
                self.mark = Mark::new(&ready.session_id, 0);
                if let Some(user) = &ready.user {
                    directory.put_own_user(user.id);
                }
                let there: HashSet<GuildId> = ready.guilds.iter().map(|guild| guild.id).collect();
                // The bot was removed from the others while it was away. Other shards' servers are not listed here.
                for gone in self.guilds.extract_if(|guild| !there.contains(guild)) {
                    self.guild_changes += 1;
                    directory.remove_guild(gone);
                }
                self.session = Some(ready.session_id);
                self.resume_url = Some(ready.resume_gateway_url);
            }
            "GUILD_CREATE" => {
                let guild: GuildCreate<'_> = serde_json::from_str(data)?;
                if !guild.unavailable {
                    self.guild_changes += u64::from(self.guilds.insert(guild.id));
                    guild.keep(directory, recent);
                }
            }
            "GUILD_UPDATE" => {
                let guild: GuildUpdate = serde_json::from_str(data)?;
                directory.rename_guild(guild.id, guild.name, guild.owner_id);
            }
            "GUILD_DELETE" => {
                let guild: UnavailableGuild = serde_json::from_str(data)?;
                // Unavailable means an outage at Discord; the bot is still a member.
                if !guild.unavailable {
                    self.guild_changes += u64::from(self.guilds.remove(&guild.id));
                    directory.remove_guild(guild.id);
                }
            }
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => {
                serde_json::from_str::<WireChannel>(data)?.keep(directory, None);
            }
            "CHANNEL_DELETE" | "THREAD_DELETE" => {
                directory.remove_channel(serde_json::from_str::<Identified<ChannelId>>(data)?.id);
            }
            "THREAD_LIST_SYNC" => {
                let sync: ThreadListSync = serde_json::from_str(data)?;
                sync.threads.into_iter().for_each(|thread| thread.keep(directory, Some(sync.guild_id)));
            }
            "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => {
                let change: RoleChange<'_> = serde_json::from_str(data)?;
                directory.put_role(change.guild_id, change.role.id, change.role.known());
            }
            "GUILD_ROLE_DELETE" => {
                let change: RoleDeletion = serde_json::from_str(data)?;
                directory.remove_role(change.guild_id, change.role_id);
            }
            "GUILD_MEMBER_UPDATE" => {
                let change: MemberUpdate = serde_json::from_str(data)?;
                if Some(change.member.user.id) == directory.own_user() {
                    directory.put_own_member(change.guild_id, change.member.known());
                }
            }
            "VOICE_STATE_UPDATE" => {
                let change: WireVoice = serde_json::from_str(data)?;
                if let Some(guild) = change.guild_id {
                    directory.put_voice(guild, change.user_id, change.known());
                }
            }
            "GUILD_MEMBER_ADD" => directory.count_members(in_guild(data)?, 1),
            "GUILD_MEMBER_REMOVE" => directory.count_members(in_guild(data)?, -1),
            _ => {}
        }
        Ok(())
    }
}

/// Logs what could not be read. Interactions carry a credential, and are not shown.
fn report(event_type: &str, sequence: u64, data: &str, error: &serde_json::Error) {
    let shown: String = match event_type {
        "INTERACTION_CREATE" | "READY" => "(not shown)".to_owned(),
        _ => data.chars().take(LOGGED_CHARACTERS).collect(),
    };
    tracing::warn!(
        event_type,
        sequence,
        %error,
        data = shown,
        "a {event_type} from Discord could not be read and is left out",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intake() -> Intake {
        Intake::new(&Directory::new(), ShardId::ONE, None)
    }

    fn take(intake: &mut Intake, event_type: &str, sequence: u64, data: serde_json::Value) -> Taken {
        let frame = serde_json::json!({"op": 0, "t": event_type, "s": sequence, "d": data}).to_string();
        intake.take(&frame, Timestamp(0)).unwrap().unwrap()
    }

    fn home(intake: &mut Intake) {
        let guild = serde_json::json!({
            "id": "1", "name": "Home", "member_count": 3, "owner_id": "7",
            "channels": [{"id": "10", "name": "general", "type": 0}],
            "threads": [{"id": "11", "name": "talk", "type": 11, "guild_id": "1"}],
            "roles": [{"id": "1", "permissions": "1024"}],
        });
        assert!(take(intake, "GUILD_CREATE", 2, guild).readable);
    }

    #[test]
    fn servers_channels_and_members_are_followed() {
        let mut intake = intake();
        home(&mut intake);
        let directory = intake.directory.clone();
        assert_eq!(directory.guild_of(ChannelId(11)), Some(GuildId(1)));
        take(&mut intake, "GUILD_MEMBER_ADD", 3, serde_json::json!({"guild_id": "1", "user": {"id": "9"}}));
        assert_eq!(directory.guild(GuildId(1)).unwrap().member_count, 4);
        let channel = serde_json::json!({"id": "12", "guild_id": "1", "name": "new", "type": 0});
        take(&mut intake, "CHANNEL_CREATE", 4, channel);
        assert_eq!(directory.channel_name(ChannelId(12)).as_deref(), Some("new"));
        take(&mut intake, "CHANNEL_DELETE", 5, serde_json::json!({"id": "12", "guild_id": "1", "type": 0}));
        assert_eq!(directory.guild_of(ChannelId(12)), None);
        take(&mut intake, "GUILD_DELETE", 6, serde_json::json!({"id": "1", "unavailable": true}));
        assert_eq!(directory.guild_count(), 1);
        take(&mut intake, "GUILD_DELETE", 7, serde_json::json!({"id": "1"}));
        assert_eq!(directory.guild_count(), 0);
    }

    #[test]
    fn dispatches_know_their_session_when_another_begins() {
        let mut intake = intake();
        let ready =
            |session: &str| serde_json::json!({"session_id": session, "resume_gateway_url": "ws://x"});
        assert!(take(&mut intake, "READY", 1, ready("one")).begins);
        home(&mut intake);
        let late = take(&mut intake, "MESSAGE_CREATE", 500, serde_json::json!({"id": []}));
        let again = take(&mut intake, "READY", 1, ready("two"));
        assert!(again.begins && !again.anew && again.session > late.session);
        assert_eq!((intake.sessions(), intake.told_before(), intake.learned()), (2, 1, 1));
    }

    #[test]
    fn servers_left_while_away_are_forgotten_at_the_next_ready() {
        let mut intake = intake();
        home(&mut intake);
        let ready = serde_json::json!({
            "session_id": "s", "resume_gateway_url": "ws://x", "guilds": [{"id": "2", "unavailable": true}],
        });
        take(&mut intake, "READY", 1, ready);
        assert_eq!(intake.directory.guild_count(), 0);
        assert_eq!(intake.session(), Some(("s", Some("ws://x"))));
    }

    #[test]
    fn a_shard_forgets_its_own_servers_alone_and_hears_of_no_others() {
        let directory = Directory::new();
        let on = |number: u64| GuildId(number << 22);
        let create = |guild: GuildId| serde_json::json!({"id": guild.to_string(), "name": "S", "roles": []});
        let mut shards: Vec<Intake> =
            (0..2).map(|number| Intake::new(&directory, ShardId::new(number, 2), None)).collect();
        for number in 1..5_u64 {
            assert!(
                take(&mut shards[number as usize % 2], "GUILD_CREATE", 2 + number, create(on(number)))
                    .readable
            );
        }
        assert_eq!((directory.guild_count(), shards[0].guild_count()), (4, 2));
        let revisions = (shards[0].revision(), shards[1].revision());
        let ready = serde_json::json!({
            "session_id": "s", "resume_gateway_url": "ws://x", "guilds": [{"id": on(2).to_string()}],
        });
        take(&mut shards[0], "READY", 1, ready);
        assert_eq!(directory.guilds(), [on(1), on(2), on(3)]);
        assert!(shards[0].revision() > revisions.0);
        assert_eq!(shards[1].revision(), revisions.1, "nothing of its own has changed");
        // Discord would have to be wrong for this.
        assert!(!take(&mut shards[0], "GUILD_CREATE", 2, create(on(5))).readable);
        let message = serde_json::json!({"id": "9", "channel_id": "10", "guild_id": on(1).to_string(), "content": "x",
            "author": {"id": "8", "username": "a"}, "timestamp": "2026-01-01T00:00:00+00:00"});
        let taken = take(&mut shards[0], "MESSAGE_CREATE", 3, message);
        assert!(!taken.readable && taken.events.is_empty());
        assert_eq!(directory.guild_count(), 3);
    }

    #[test]
    fn only_a_new_time_of_the_last_edit_is_an_edit() {
        let mut intake = intake();
        home(&mut intake);
        let mut sequence = 2;
        let mut update = |content: Option<&str>, edited: serde_json::Value| {
            sequence += 1;
            let mut data = serde_json::json!({"id": "20", "channel_id": "10", "guild_id": "1"});
            if let Some(content) = content {
                data["content"] = content.into();
            }
            if edited != "left out" {
                data["edited_timestamp"] = edited;
            }
            take(&mut intake, "MESSAGE_UPDATE", sequence, data).events.len()
        };
        assert_eq!(update(Some("a link"), serde_json::Value::Null), 0, "a link's preview");
        assert_eq!(update(None, "left out".into()), 0, "an old preview without the text");
        assert_eq!(update(Some("one"), "2026-01-01T00:00:00+00:00".into()), 1);
        assert_eq!(update(Some("one"), "2026-01-01T00:00:00+00:00".into()), 0, "pinned after the edit");
        assert_eq!(update(Some("one"), "2026-01-01T00:00:05+00:00".into()), 1, "an edit of its embed alone");
        assert_eq!(update(Some("two"), "left out".into()), 1);
    }

    #[test]
    fn what_cannot_be_read_is_said_and_moves_the_stream_on() {
        let mut intake = intake();
        let taken = take(&mut intake, "MESSAGE_CREATE", 9, serde_json::json!({"id": []}));
        assert!(!taken.readable && taken.events.is_empty());
        assert_eq!(taken.sequence, 9);
        assert!(intake.take("{", Timestamp(0)).is_err());
        assert!(intake.take(r#"{"op":11}"#, Timestamp(0)).unwrap().is_none());
    }
}
