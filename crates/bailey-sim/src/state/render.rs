//! How things look as Discord's JSON, for REST and gateway alike.

use serde_json::{Map, Value, json};

use super::State;
use super::model::{Attachment, Channel, Guild, Member, Message, Origin, Role, Thread, User, intent};
use super::sessions::Session;
use crate::clock::{Snowflake, iso};
use crate::world::ChannelKind;

/// Largest guild, as Discord's default says.
const MAX_MEMBERS: u32 = 500_000;
/// What a bot may upload per file, in bytes.
const ATTACHMENT_SIZE_LIMIT: u32 = 10 * 1024 * 1024;

pub(crate) fn user(user: &User) -> Value {
    json!({
        "id": user.id, "username": user.name, "avatar": user.avatar, "discriminator": if user.bot { "0001" } else { "0" },
        "public_flags": 0, "flags": 0, "bot": user.bot, "banner": null, "accent_color": null,
        "global_name": if user.bot { Value::Null } else { json!(capitalised(&user.name)) },
        "avatar_decoration_data": null, "collectibles": null, "primary_guild": null,
    })
}

/// `alice` shows as `Alice`.
pub(crate) fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

pub(crate) fn role(role: &Role) -> Value {
    let mut json = json!({
        "id": role.id, "name": role.name, "permissions": role.permissions.to_string(), "position": role.position,
        "color": 0, "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
        "hoist": false, "managed": role.bot.is_some(), "mentionable": false, "icon": null, "unicode_emoji": null,
        "description": null, "flags": 0,
    });
    if let (Some(bot), Some(map)) = (role.bot, json.as_object_mut()) {
        map.insert("tags".to_owned(), json!({"bot_id": bot}));
    }
    json
}

pub(crate) fn channel(channel: &Channel) -> Value {
    let overwrites = channel.overwrites.iter().map(|one| {
        json!({
            "id": one.target, "type": u8::from(one.of_member), "allow": one.allow.to_string(),
            "deny": one.deny.to_string(),
        })
    });
    let mut json = json!({
        "id": channel.id, "type": channel.kind.number(), "flags": 0, "guild_id": channel.guild, "name": channel.name,
        "parent_id": channel.parent,
    });
    let Some(map) = json.as_object_mut() else { return json };
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    if let Some(thread) = &channel.thread {
        put("last_message_id", json!(channel.last_message));
        put("rate_limit_per_user", json!(0));
        put("owner_id", json!(thread.owner));
        put("message_count", json!(channel.messages.len()));
        put("total_message_sent", json!(channel.messages.len()));
        put("member_count", json!(1));
        put("thread_metadata", thread_metadata(channel, thread));
        return json;
    }
    put("position", json!(channel.position));
    put("permission_overwrites", overwrites.collect());
    if channel.kind != ChannelKind::Category {
        put("last_message_id", json!(channel.last_message));
        put("rate_limit_per_user", json!(0));
        put("nsfw", json!(false));
    }
    if matches!(channel.kind, ChannelKind::Text | ChannelKind::Announcement) {
        let pinned = channel.messages.values().filter_map(|message| message.pinned_ms).max();
        put("topic", json!(channel.topic));
        put("last_pin_timestamp", json!(pinned.map(iso)));
    }
    if channel.kind == ChannelKind::Voice {
        put("bitrate", json!(64_000));
        put("user_limit", json!(channel.user_limit));
        put("rtc_region", Value::Null);
    }
    json
}

fn thread_metadata(channel: &Channel, thread: &Thread) -> Value {
    let mut json = json!({
        "archived": thread.archived, "archive_timestamp": iso(thread.changed_ms), "locked": thread.locked,
        "auto_archive_duration": thread.auto_archive_minutes, "create_timestamp": iso(channel.id.created_ms()),
    });
    if channel.kind == ChannelKind::PrivateThread
        && let Some(map) = json.as_object_mut()
    {
        map.insert("invitable".to_owned(), json!(true));
    }
    json
}

/// A member without `user`, as messages carry it.
pub(crate) fn partial_member(member: &Member) -> Value {
    json!({
        "avatar": null, "banner": null, "avatar_decoration_data": null, "collectibles": null,
        "communication_disabled_until": member.timed_out_until_ms.map(iso), "flags": 0,
        "joined_at": iso(member.joined_ms), "nick": member.nick,
        "pending": false, "premium_since": null, "roles": member.roles, "mute": false, "deaf": false,
    })
}

pub(crate) fn emoji(emoji: &str) -> Value {
    json!({"id": null, "name": emoji})
}

impl State {
    pub(crate) fn render_user(&self, id: Snowflake) -> Value {
        self.users.get(&id).map_or(Value::Null, user)
    }

    pub(crate) fn is_bot(&self, id: Snowflake) -> bool {
        self.users.get(&id).is_some_and(|user| user.bot)
    }

    pub(crate) fn name_of(&self, id: Snowflake) -> String {
        self.users.get(&id).map_or_else(|| id.to_string(), |user| user.name.clone())
    }

    pub(crate) fn render_member(&self, member: &Member) -> Value {
        let mut json = partial_member(member);
        if let Some(map) = json.as_object_mut() {
            map.insert("user".to_owned(), self.render_user(member.user));
        }
        json
    }

    pub(crate) fn render_guild(&self, guild: &Guild) -> Value {
        json!({
            "id": guild.id, "name": guild.name, "icon": guild.icon, "description": null, "home_header": null,
            "splash": null, "discovery_splash": null, "features": [], "banner": null, "owner_id": guild.owner,
            "application_id": null, "region": "deprecated", "afk_channel_id": null, "afk_timeout": 300,
            "system_channel_id": null, "system_channel_flags": 0, "widget_enabled": false, "widget_channel_id": null,
            "verification_level": 0, "roles": guild.roles.iter().map(role).collect::<Vec<_>>(),
            "default_message_notifications": 0, "mfa_level": 0, "explicit_content_filter": 0, "max_presences": null,
            "max_members": MAX_MEMBERS, "max_stage_video_channel_users": 50, "max_video_channel_users": 25,
            "vanity_url_code": null, "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US",
            "rules_channel_id": null, "safety_alerts_channel_id": null, "public_updates_channel_id": null,
            "premium_progress_bar_enabled": false, "nsfw": false, "nsfw_level": 0, "emojis": [], "stickers": [],
            "incidents_data": null,
        })
    }

    /// GUILD_CREATE; as on Discord only the bot is among the members without GUILD_PRESENCES.
    pub(crate) fn render_guild_create(&self, guild: &Guild, intents: u64) -> Value {
        let everybody = intents & intent::GUILD_PRESENCES != 0;
        let members = guild.members.values().filter(|member| everybody || member.user == self.application.id);
        let members: Vec<Value> = members.map(|member| self.render_member(member)).collect();
        let channels: Vec<Value> =
            guild.channels.iter().filter_map(|id| self.channels.get(id)).map(channel).collect();
        let threads: Vec<Value> = guild
            .threads
            .iter()
            .filter_map(|id| self.channels.get(id))
            .filter(|channel| channel.thread.as_ref().is_some_and(|thread| !thread.archived))
            .map(channel)
            .collect();
        let voice_states: Vec<Value> = guild
            .voice
            .iter()
            .map(|(person, voice)| super::voice::state(*person, Some(voice), &format!("{:032x}", person.0)))
            .collect();
        let bot_joined = guild.members.get(&self.application.id).map_or(0, |member| member.joined_ms);
        let mut json = self.render_guild(guild);
        if let Some(map) = json.as_object_mut() {
            let more = json!({
                "joined_at": iso(bot_joined), "large": false, "unavailable": false, "member_count": guild.members.len(),
                "voice_states": voice_states, "members": members, "channels": channels, "threads": threads, "presences": [],
                "stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": [],
            });
            if let Value::Object(more) = more {
                map.extend(more);
            }
        }
        json
    }

    pub(crate) fn application_flags(&self) -> u64 {
        let allowed = self.application.allowed_privileged;
        let bit = |intent: u64, flag: u64| if allowed & intent == 0 { 0 } else { flag };
        bit(intent::GUILD_PRESENCES, 1 << 13)
            | bit(intent::GUILD_MEMBERS, 1 << 15)
            | bit(intent::MESSAGE_CONTENT, 1 << 19)
            | (1 << 23)
    }

    pub(crate) fn render_application(&self) -> Value {
        let owner = self.users.values().find(|user| !user.bot).or_else(|| self.users.values().next());
        json!({
            "id": self.application.id, "name": self.application.name, "icon": null, "description": "", "type": null,
            "bot": self.render_user(self.application.id), "summary": "", "bot_public": true,
            "bot_require_code_grant": false, "verify_key": crate::endpoint::shown(&self.key), "flags": self.application_flags(),
            "flags_new": self.application_flags().to_string(), "redirect_uris": self.logins.redirect_uris,
            "interactions_endpoint_url": self.endpoint, "role_connections_verification_url": null,
            "owner": owner.map(user), "approximate_guild_count": self.bot_guilds().count(),
            "approximate_user_install_count": 0, "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0, "team": null, "eligible_oauth2_scopes": [], "tags": [],
            "integration_types_config": {"0": {}},
        })
    }

    pub(crate) fn render_ready(&self, session: &Session, guilds: &[Snowflake]) -> Value {
        let guilds: Vec<Value> = guilds.iter().map(|id| json!({"id": id, "unavailable": true})).collect();
        let mut bot = self.render_user(self.application.id);
        if let Some(map) = bot.as_object_mut() {
            let own = json!({"verified": true, "mfa_enabled": true, "email": null, "locale": "en-US"});
            if let Value::Object(own) = own {
                map.extend(own);
            }
        }
        json!({
            "v": 10, "user_settings": {}, "user": bot, "session_type": "normal", "session_id": session.id,
            "resume_gateway_url": format!("{}/resume", self.http_base.replacen("http://", "ws://", 1)),
            "relationships": [], "private_channels": [], "presences": [], "guilds": guilds,
            "guild_join_requests": [], "geo_ordered_rtc_regions": [], "auth": {},
            "application": {"id": self.application.id, "flags": self.application_flags()},
            "shard": [session.shard.0, session.shard.1], "_trace": ["simulator"],
        })
    }

    fn render_attachment(&self, channel: Snowflake, attachment: &Attachment, ephemeral: bool) -> Value {
        let url =
            format!("{}/attachments/{channel}/{}/{}", self.http_base, attachment.id, attachment.filename);
        let mut json = json!({
            "id": attachment.id, "filename": attachment.filename, "size": attachment.size, "url": url,
            "proxy_url": url, "content_type": attachment.content_type,
        });
        if let Some(map) = json.as_object_mut() {
            if let Some(description) = &attachment.description {
                map.insert("description".to_owned(), json!(description));
            }
            if ephemeral {
                map.insert("ephemeral".to_owned(), json!(true));
            }
        }
        json
    }

    /// A message as REST gives it.
    pub(crate) fn render_message(&self, message: &Message) -> Value {
        let mut json = self.render_basic_message(message);
        let (Some(map), Some(target)) = (json.as_object_mut(), message.reply_to) else { return json };
        let referenced =
            self.message(message.channel, target).map(|target| self.render_basic_message(target));
        map.insert("referenced_message".to_owned(), referenced.unwrap_or(Value::Null));
        json
    }

    fn render_basic_message(&self, message: &Message) -> Value {
        let ephemeral = message.ephemeral_to.is_some();
        let attachments = message.attachments.iter();
        let attachments: Vec<Value> =
            attachments.map(|file| self.render_attachment(message.channel, file, ephemeral)).collect();
        let mut json = json!({
            "type": message.kind, "content": message.content,
            "mentions": message.mentions.iter().map(|id| self.render_user(*id)).collect::<Vec<_>>(),
            "mention_roles": message.mention_roles, "attachments": attachments, "embeds": message.embeds,
            "timestamp": iso(message.id.created_ms()), "edited_timestamp": message.edited_ms.map(iso),
            "flags": message.flags, "components": message.components, "id": message.id,
            "channel_id": message.channel, "author": self.render_author(message), "pinned": message.pinned_ms.is_some(),
            "mention_everyone": message.mention_everyone, "tts": message.tts,
        });
        let Some(map) = json.as_object_mut() else { return json };
        if message.webhook_name.is_some() {
            map.insert("webhook_id".to_owned(), json!(message.author));
        }
        if let Some(nonce) = &message.nonce {
            map.insert("nonce".to_owned(), nonce.clone());
        }
        if let Some(target) = message.reply_to {
            let reference = json!({
                "type": 0, "channel_id": message.channel, "message_id": target, "guild_id": message.guild,
            });
            map.insert("message_reference".to_owned(), reference);
        }
        if !message.reactions.is_empty() {
            map.insert("reactions".to_owned(), self.render_reactions(message));
        }
        if let Some(origin) = &message.origin {
            self.render_origin(map, message, origin);
        }
        json
    }

    /// Who wrote a message; a webhook is no user and calls itself as it likes.
    fn render_author(&self, message: &Message) -> Value {
        let Some(name) = &message.webhook_name else { return self.render_user(message.author) };
        json!({
            "id": message.author, "username": name, "avatar": null, "discriminator": "0000", "public_flags": 0,
            "flags": 0, "bot": true, "global_name": null, "primary_guild": null,
        })
    }

    fn render_reactions(&self, message: &Message) -> Value {
        let one = |reaction: &super::model::Reaction| {
            json!({
                "emoji": emoji(&reaction.emoji), "count": reaction.users.len(),
                "count_details": {"burst": 0, "normal": reaction.users.len()}, "burst_colors": [],
                "me_burst": false, "me": reaction.users.contains(&self.application.id), "burst_me": false,
                "burst_count": 0,
            })
        };
        message.reactions.iter().map(one).collect()
    }

    /// How a message came about, down to what opened the form.
    fn render_metadata(&self, guild: Snowflake, origin: &Origin) -> Value {
        let mut metadata = json!({
            "id": origin.interaction, "type": origin.kind, "user": self.render_user(origin.user),
            "authorizing_integration_owners": {"0": guild},
        });
        let mut put = |key: &str, value: Value| metadata[key] = value;
        if let Some(original) = origin.original {
            put("original_response_message_id", json!(original));
        }
        if let Some(name) = &origin.name {
            put("name", json!(name));
            put("command_type", json!(1));
        }
        if origin.kind == 3 {
            put("interacted_message_id", json!(origin.interacted_message));
        }
        if let Some(opened_by) = &origin.opened_by {
            put("triggering_interaction_metadata", self.render_metadata(guild, opened_by));
        }
        metadata
    }

    fn render_origin(&self, map: &mut Map<String, Value>, message: &Message, origin: &Origin) {
        map.insert("application_id".to_owned(), json!(self.application.id));
        map.insert("webhook_id".to_owned(), json!(self.application.id));
        map.insert("interaction_metadata".to_owned(), self.render_metadata(message.guild, origin));
        if let Some(name) = &origin.name {
            let legacy = json!({
                "id": origin.interaction, "type": origin.kind, "name": name, "user": self.render_user(origin.user),
            });
            map.insert("interaction".to_owned(), legacy);
        }
    }

    /// A message as the gateway gives it: with the server, the author's membership and that of those mentioned.
    pub(crate) fn render_gateway_message(&self, message: &Message) -> Value {
        let mut json = self.render_message(message);
        let (Some(map), Some(guild)) = (json.as_object_mut(), self.guilds.get(&message.guild)) else {
            return json;
        };
        map.insert("guild_id".to_owned(), json!(guild.id));
        if message.origin.is_none()
            && let Some(member) = guild.members.get(&message.author)
        {
            map.insert("member".to_owned(), partial_member(member));
        }
        let with_member = |id: &Snowflake| {
            let mut user = self.render_user(*id);
            if let (Some(user), Some(member)) = (user.as_object_mut(), guild.members.get(id)) {
                user.insert("member".to_owned(), partial_member(member));
            }
            user
        };
        map.insert("mentions".to_owned(), message.mentions.iter().map(with_member).collect());
        json
    }

    /// The `member` of interactions: with user and permissions in the channel.
    pub(crate) fn render_interaction_member(&self, guild: &Guild, at: &Channel, user: Snowflake) -> Value {
        let Some(member) = guild.members.get(&user) else { return Value::Null };
        let mut json = self.render_member(member);
        if let Some(map) = json.as_object_mut() {
            map.insert("permissions".to_owned(), json!(self.permissions_in(at, user).to_string()));
        }
        json
    }

    /// What every interaction carries.
    pub(crate) fn interaction_surroundings(
        &self,
        guild: &Guild,
        at: &Channel,
        user: Snowflake,
    ) -> Map<String, Value> {
        let mut shown = channel(at);
        if let Some(map) = shown.as_object_mut() {
            map.insert("permissions".to_owned(), json!(self.permissions_in(at, user).to_string()));
        }
        let json = json!({
            "application_id": self.application.id, "version": 1, "guild_id": guild.id,
            "guild": {"id": guild.id, "locale": "en-US", "features": []}, "guild_locale": "en-US", "locale": "en-US",
            "channel_id": at.id, "channel": shown, "member": self.render_interaction_member(guild, at, user),
            "app_permissions": self.permissions_in(at, self.application.id).to_string(), "entitlements": [],
            "authorizing_integration_owners": {"0": guild.id}, "context": 0,
            "attachment_size_limit": ATTACHMENT_SIZE_LIMIT,
        });
        if let Value::Object(map) = json { map } else { Map::new() }
    }
}
