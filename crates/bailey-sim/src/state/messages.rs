//! Messages and reactions: saying, changing, removing, and who is told.

use serde_json::{Value, json};

use super::State;
use super::feed::{SeenFile, SeenMessage, Sight};
use super::model::{Attachment, Draft, Message, Origin, Reaction, intent};
use super::render::{emoji as render_emoji, partial_member};
use super::sessions::Dispatch;
use crate::clock::Snowflake;
use crate::error::{ApiError, FieldErrors};
use crate::world::ChannelKind;

/// Messages remembered per channel; the oldest give way.
const MOST_MESSAGES: usize = 1000;
/// Nonces remembered for `enforce_nonce`.
const MOST_NONCES: usize = 1000;
/// Kinds of reaction on one message.
const MOST_REACTIONS: usize = 20;
/// Messages older than this cannot be deleted in bulk (14 days).
const BULK_DELETE_MS: u64 = 14 * 24 * 60 * 60 * 1000;

/// Who says something, and how it came to be.
#[derive(Debug)]
pub(crate) struct Posting {
    pub(crate) channel: Snowflake,
    pub(crate) author: Snowflake,
    pub(crate) kind: Option<u8>,
    pub(crate) origin: Option<Origin>,
    pub(crate) ephemeral_to: Option<Snowflake>,
    /// Flags added to those the sender set.
    pub(crate) flags: u64,
    /// The name a webhook gives itself; `author` is the webhook then.
    pub(crate) webhook_name: Option<String>,
}

impl State {
    /// Any message, also an ephemeral one.
    pub(crate) fn message(&self, channel: Snowflake, id: Snowflake) -> Option<&Message> {
        self.channels.get(&channel)?.messages.get(&id)
    }

    fn message_mut(&mut self, channel: Snowflake, id: Snowflake) -> Option<&mut Message> {
        self.channels.get_mut(&channel)?.messages.get_mut(&id)
    }

    /// A message that REST shows: it exists and is not ephemeral.
    pub(crate) fn public_message(&self, channel: Snowflake, id: Snowflake) -> Result<&Message, ApiError> {
        self.channel_for_bot(channel)?
            .messages
            .get(&id)
            .filter(|message| message.ephemeral_to.is_none())
            .ok_or_else(ApiError::unknown_message)
    }

    /// Says something and tells everybody who may know; gives the new message's id, or that of the message with the
    /// same enforced nonce.
    pub(crate) fn post(&mut self, posting: Posting, draft: Draft) -> Result<Snowflake, ApiError> {
        let channel = self.channels.get(&posting.channel).ok_or_else(ApiError::unknown_channel)?;
        if channel.kind == ChannelKind::Category {
            return Err(ApiError::not_a_text_channel());
        }
        let guild = channel.guild;
        let nonce = draft.nonce.as_ref().filter(|_| draft.enforce_nonce).map(Value::to_string);
        if let Some(nonce) = &nonce
            && let Some((_, _, known)) = self.nonces.iter().find(|(key, author, id)| {
                key == nonce && *author == posting.author && self.message(posting.channel, *id).is_some()
            })
        {
            return Ok(*known);
        }
        let reply_to = match draft.reference {
            Some(reference) if self.message(posting.channel, reference.message).is_some() => {
                Some(reference.message)
            }
            Some(reference) if reference.fail_if_not_exists => {
                return Err(FieldErrors::one(
                    "message_reference",
                    "REPLIES_UNKNOWN_MESSAGE",
                    "Unknown message",
                ));
            }
            _ => None,
        };
        let id = self.new_id();
        let mut message = Message {
            id,
            channel: posting.channel,
            guild,
            author: posting.author,
            kind: posting.kind.unwrap_or(if reply_to.is_some() { 19 } else { 0 }),
            content: String::new(),
            embeds: Vec::new(),
            components: Vec::new(),
            attachments: Vec::new(),
            edited_ms: None,
            flags: draft.flags | posting.flags,
            mentions: Vec::new(),
            mention_roles: Vec::new(),
            mention_everyone: false,
            allowed_mentions: None,
            reply_to,
            nonce: draft.nonce.clone(),
            tts: draft.tts,
            reactions: Vec::new(),
            origin: posting.origin,
            ephemeral_to: posting.ephemeral_to,
            webhook_name: posting.webhook_name,
            pinned_ms: None,
        };
        self.fill(&mut message, draft);
        if let Some(nonce) = nonce {
            if self.nonces.len() == MOST_NONCES {
                self.nonces.pop_front();
            }
            self.nonces.push_back((nonce, message.author, id));
        }
        self.announce(&message, true);
        if let Some(channel) = self.channels.get_mut(&message.channel) {
            if message.ephemeral_to.is_none() {
                channel.last_message = Some(id);
            }
            channel.messages.insert(id, message);
            if channel.messages.len() > MOST_MESSAGES {
                channel.messages.pop_first();
            }
        }
        Ok(id)
    }

    /// Changes a message and tells everybody who may know. Clears the "thinking" mark, if there is one.
    pub(crate) fn edit(&mut self, channel: Snowflake, id: Snowflake, draft: Draft) -> Result<(), ApiError> {
        let mut message = self.message(channel, id).cloned().ok_or_else(ApiError::unknown_message)?;
        let was_loading = message.flags & super::model::flag::LOADING != 0;
        message.flags &= !super::model::flag::LOADING;
        if was_loading {
            message.flags |= draft.flags;
        } else {
            message.edited_ms = Some(self.clock.now_ms());
        }
        self.fill(&mut message, draft);
        self.announce(&message, was_loading);
        if let Some(kept) = self.message_mut(channel, id) {
            *kept = message;
        }
        Ok(())
    }

    /// Puts a draft's fields into a message; keeps the files.
    fn fill(&mut self, message: &mut Message, draft: Draft) {
        if let Some(kept) = &draft.kept_attachments {
            message.attachments.retain(|file| kept.contains(&file.id));
        }
        for (index, upload) in draft.uploads.into_iter().enumerate() {
            let id = self.new_id();
            message.attachments.push(Attachment {
                id,
                filename: upload.filename,
                description: draft.descriptions.get(&index).cloned(),
                content_type: upload.content_type.clone(),
                size: upload.bytes.len(),
            });
            self.keep_file(id, &upload.content_type, upload.bytes);
        }
        if let Some(embeds) = draft.embeds {
            message.embeds = embeds;
        }
        if let Some(components) = draft.components {
            message.components = components;
        }
        if draft.allowed_mentions.is_some() {
            message.allowed_mentions = draft.allowed_mentions;
        }
        if let Some(content) = draft.content {
            message.content = content;
        }
        self.find_mentions(message);
    }

    fn find_mentions(&self, message: &mut Message) {
        let allowed = message.allowed_mentions.as_ref();
        let parses =
            |kind: &str| allowed.is_none_or(|allowed| listed(allowed, "parse").any(|known| known == kind));
        let may = |kind: &str, id: Snowflake| {
            parses(kind)
                || allowed.is_some_and(|allowed| listed(allowed, kind).any(|known| known == id.to_string()))
        };
        let guild = self.guilds.get(&message.guild);
        message.mentions = mentioned(&message.content, "<@")
            .filter(|id| self.users.contains_key(id) && may("users", *id))
            .collect();
        message.mention_roles = mentioned(&message.content, "<@&")
            .filter(|id| {
                guild.is_some_and(|guild| guild.roles.iter().any(|role| role.id == *id)) && may("roles", *id)
            })
            .collect();
        message.mention_everyone = (message.content.contains("@everyone")
            || message.content.contains("@here"))
            && parses("everyone");
        let pings_replied = allowed
            .is_none_or(|allowed| allowed.get("replied_user").and_then(Value::as_bool).unwrap_or(false));
        if let Some(target) = message.reply_to.and_then(|target| self.message(message.channel, target))
            && pings_replied
            && !message.mentions.contains(&target.author)
        {
            message.mentions.push(target.author);
        }
        message.mentions.dedup();
    }

    /// Gateway and feed hear of a new or changed message. Nobody is told of an ephemeral one but the feed, and a
    /// message that is still "thinking" has nothing to see yet.
    fn announce(&mut self, message: &Message, is_new: bool) {
        let loading = message.flags & super::model::flag::LOADING != 0;
        if message.ephemeral_to.is_none() {
            let bot = self.application.id;
            let already_sent = is_new && self.message(message.channel, message.id).is_some();
            let dispatch = Dispatch {
                event: if is_new && !already_sent { "MESSAGE_CREATE" } else { "MESSAGE_UPDATE" },
                guild: Some(message.guild),
                intents: intent::GUILD_MESSAGES,
                data: self.render_gateway_message(message),
                strip: message.author != bot && !message.mentions.contains(&bot),
            };
            self.dispatch(&dispatch);
        }
        if !loading {
            let seen = self.seen(message);
            let what = if is_new {
                Sight::MessagePosted { message: seen }
            } else {
                Sight::MessageEdited { message: seen }
            };
            self.feed.push(self.clock.steady_ms(), what);
        }
    }

    /// A message as people see it.
    pub(crate) fn seen(&self, message: &Message) -> SeenMessage {
        SeenMessage {
            id: message.id,
            guild_id: message.guild,
            channel_id: message.channel,
            channel: self.channel_name(message.channel),
            author_id: message.author,
            author: message.webhook_name.clone().unwrap_or_else(|| self.name_of(message.author)),
            bot: message.webhook_name.is_some() || self.is_bot(message.author),
            content: message.content.clone(),
            embeds: message.embeds.clone(),
            components: message.components.clone(),
            files: message
                .attachments
                .iter()
                .map(|file| SeenFile { name: file.filename.clone(), size: file.size })
                .collect(),
            flags: message.flags,
            reply_to: message.reply_to,
            ephemeral_to: message.ephemeral_to.map(|person| self.name_of(person)),
            interaction_id: message.origin.as_ref().map(|origin| origin.interaction),
            allowed_mentions: message.allowed_mentions.clone(),
            pings: message.mentions.iter().map(|id| self.name_of(*id)).collect(),
        }
    }

    pub(crate) fn channel_name(&self, id: Snowflake) -> String {
        self.channels.get(&id).map_or_else(|| id.to_string(), |channel| channel.name.clone())
    }

    pub(crate) fn delete(&mut self, channel: Snowflake, id: Snowflake) -> Result<(), ApiError> {
        let message = self.remove(channel, id).ok_or_else(ApiError::unknown_message)?;
        if message.ephemeral_to.is_none() {
            let data = json!({"id": id, "channel_id": channel, "guild_id": message.guild});
            self.dispatch(&Dispatch {
                event: "MESSAGE_DELETE",
                guild: Some(message.guild),
                intents: intent::GUILD_MESSAGES,
                data,
                strip: false,
            });
        }
        Ok(())
    }

    /// Deletes those of `ids` that exist; refuses old ones.
    pub(crate) fn bulk_delete(&mut self, channel: Snowflake, ids: &[Snowflake]) -> Result<(), ApiError> {
        let guild = self.channel_for_bot(channel)?.guild;
        let oldest = self.clock.now_ms().saturating_sub(BULK_DELETE_MS);
        if ids.iter().any(|id| id.created_ms() < oldest) {
            return Err(ApiError::too_old_to_bulk_delete());
        }
        self.forget_messages(channel, guild, ids);
        Ok(())
    }

    /// Takes messages away, all at once for those who listen.
    pub(crate) fn forget_messages(&mut self, channel: Snowflake, guild: Snowflake, ids: &[Snowflake]) {
        let gone: Vec<Snowflake> =
            ids.iter().copied().filter(|id| self.remove(channel, *id).is_some()).collect();
        if !gone.is_empty() {
            let data = json!({"ids": gone, "channel_id": channel, "guild_id": guild});
            self.dispatch(&Dispatch {
                event: "MESSAGE_DELETE_BULK",
                guild: Some(guild),
                intents: intent::GUILD_MESSAGES,
                data,
                strip: false,
            });
        }
    }

    fn remove(&mut self, channel: Snowflake, id: Snowflake) -> Option<Message> {
        let message = self.channels.get_mut(&channel)?.messages.remove(&id)?;
        let sight = Sight::MessageDeleted {
            message_id: id,
            channel_id: channel,
            channel: self.channel_name(channel),
        };
        self.feed.push(self.clock.steady_ms(), sight);
        Some(message)
    }

    pub(crate) fn react(
        &mut self,
        channel: Snowflake,
        id: Snowflake,
        user: Snowflake,
        emoji: &str,
    ) -> Result<(), ApiError> {
        check_emoji(emoji)?;
        let message = self.message_mut(channel, id).ok_or_else(ApiError::unknown_message)?;
        let (guild, author) = (message.guild, message.author);
        let full = message.reactions.len() >= MOST_REACTIONS;
        match message.reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
            Some(reaction) if reaction.users.contains(&user) => return Ok(()),
            Some(reaction) => reaction.users.push(user),
            None if full => return Err(ApiError::too_many_reactions()),
            None => message.reactions.push(Reaction { emoji: emoji.to_owned(), users: vec![user] }),
        }
        let member = self.guilds.get(&guild).and_then(|guild| guild.members.get(&user)).map(|member| {
            let mut json = partial_member(member);
            if let Some(map) = json.as_object_mut() {
                map.insert("user".to_owned(), self.render_user(user));
            }
            json
        });
        let mut data = reaction_data(channel, id, guild, user, emoji);
        if let Some(map) = data.as_object_mut() {
            map.insert("member".to_owned(), json!(member));
            map.insert("message_author_id".to_owned(), json!(author));
        }
        self.tell_reaction("MESSAGE_REACTION_ADD", guild, data);
        let sight = Sight::ReactionAdded {
            message_id: id,
            person: self.name_of(user),
            bot: self.is_bot(user),
            emoji: emoji.to_owned(),
        };
        self.feed.push(self.clock.steady_ms(), sight);
        Ok(())
    }

    pub(crate) fn unreact(
        &mut self,
        channel: Snowflake,
        id: Snowflake,
        user: Snowflake,
        emoji: &str,
    ) -> Result<(), ApiError> {
        check_emoji(emoji)?;
        let message = self.message_mut(channel, id).ok_or_else(ApiError::unknown_message)?;
        let guild = message.guild;
        let Some(reaction) = message.reactions.iter_mut().find(|reaction| reaction.emoji == emoji) else {
            return Err(ApiError::unknown_emoji());
        };
        let before = reaction.users.len();
        reaction.users.retain(|known| *known != user);
        if reaction.users.len() == before {
            return Ok(());
        }
        message.reactions.retain(|reaction| !reaction.users.is_empty());
        self.tell_reaction("MESSAGE_REACTION_REMOVE", guild, reaction_data(channel, id, guild, user, emoji));
        let sight = Sight::ReactionRemoved {
            message_id: id,
            person: self.name_of(user),
            bot: self.is_bot(user),
            emoji: emoji.to_owned(),
        };
        self.feed.push(self.clock.steady_ms(), sight);
        Ok(())
    }

    /// Takes every reaction off a message, or every one with an emoji.
    pub(crate) fn clear_reactions(
        &mut self,
        channel: Snowflake,
        id: Snowflake,
        emoji: Option<&str>,
    ) -> Result<(), ApiError> {
        let message = self.message_mut(channel, id).ok_or_else(ApiError::unknown_message)?;
        let (guild, before) = (message.guild, message.reactions.len());
        message.reactions.retain(|reaction| emoji.is_some_and(|emoji| reaction.emoji != emoji));
        if message.reactions.len() == before {
            return Ok(());
        }
        let mut data = json!({"channel_id": channel, "message_id": id, "guild_id": guild});
        let event = match emoji {
            None => "MESSAGE_REACTION_REMOVE_ALL",
            Some(_) => "MESSAGE_REACTION_REMOVE_EMOJI",
        };
        if let (Some(emoji), Some(map)) = (emoji, data.as_object_mut()) {
            map.insert("emoji".to_owned(), render_emoji(emoji));
        }
        self.tell_reaction(event, guild, data);
        Ok(())
    }

    fn tell_reaction(&mut self, event: &'static str, guild: Snowflake, data: Value) {
        let intents = intent::GUILD_MESSAGE_REACTIONS;
        self.dispatch(&Dispatch { event, guild: Some(guild), intents, data, strip: false });
    }
}

fn reaction_data(
    channel: Snowflake,
    message: Snowflake,
    guild: Snowflake,
    user: Snowflake,
    emoji: &str,
) -> Value {
    json!({
        "user_id": user, "channel_id": channel, "message_id": message, "guild_id": guild,
        "emoji": render_emoji(emoji), "burst": false, "type": 0,
    })
}

/// The simulated servers have no custom emoji, so only Unicode ones exist.
fn check_emoji(emoji: &str) -> Result<(), ApiError> {
    let letters = emoji.chars().any(char::is_alphabetic);
    let known = !emoji.is_ascii() && !letters && emoji.chars().count() <= 16;
    if known { Ok(()) } else { Err(ApiError::unknown_emoji()) }
}

fn listed<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Ids written as `<@123>` or `<@!123>` (open `<@`), or `<@&123>` (open `<@&`).
fn mentioned<'a>(content: &'a str, open: &'a str) -> impl Iterator<Item = Snowflake> + 'a {
    content.split(open).skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('!').unwrap_or(rest);
        rest.split_once('>')?.0.parse().ok()
    })
}
