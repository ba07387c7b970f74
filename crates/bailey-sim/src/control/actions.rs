//! What people do: speak, use commands, react, join, leave. Components and forms are in `components`.

use serde_json::{Map, Value, json};

use super::{Attachment, CommandUse, Control, Membership, React, Receipt, Say, find, options};
use crate::clock::Snowflake;
use crate::error::{ApiError, ControlError};
use crate::rest::MOST_BODY;
use crate::state::State;
use crate::state::commands::command_type;
use crate::state::interactions::{Asking, kind};
use crate::state::messages::Posting;
use crate::state::model::{Draft, Guild, Reference, Upload};
use crate::state::render::partial_member;
use crate::world::permission;

/// Turns Discord's refusal of a person's action into words.
pub(super) fn refused(what: &str, error: &ApiError) -> ControlError {
    ControlError::new(
        format!("Discord would refuse to {what}: {}", error.message),
        format!("code {}", error.code),
    )
}

impl Control {
    /// Says something as a person.
    ///
    /// # Errors
    /// When the person, server or channel does not exist, or the text is empty or too long.
    pub fn say(&self, say: Say) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("say", &say);
        self.act(|state, receipt| {
            let (guild, channel) = find::place(state, say.guild.as_deref(), say.channel.as_deref())?;
            let author = find::member(state, guild, say.person.as_deref(), false)?;
            let channel = channel.id;
            if say.content.chars().count() > 2000 {
                return Err(ControlError::new(
                    "a message has at most 2,000 characters",
                    "say it in two messages",
                ));
            }
            if say.content.trim().is_empty() && say.attachments.is_empty() {
                return Err(ControlError::new("a message needs text or a file", "give `content`"));
            }
            let uploads = say.attachments.iter().map(upload).collect::<Result<Vec<_>, _>>()?;
            let reference = say.reply_to.map(|message| Reference { message, fail_if_not_exists: true });
            let draft = Draft { content: Some(say.content), uploads, reference, ..Draft::default() };
            let posting = Posting {
                channel,
                author,
                kind: None,
                origin: None,
                ephemeral_to: None,
                flags: 0,
                webhook_name: None,
            };
            let message = state.post(posting, draft).map_err(|error| refused("send that", &error))?;
            receipt.user_id = Some(author);
            receipt.message_id = Some(message);
            Ok(())
        })
    }

    /// Uses a registered command as a person, or asks for suggestions with `focused`.
    ///
    /// # Errors
    /// When no such command is registered, an option is missing or does not fit, or the person may not use it.
    pub fn command(&self, using: CommandUse) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("command", &using);
        self.act(|state, receipt| {
            let (guild, channel) = find::place(state, using.guild.as_deref(), using.channel.as_deref())?;
            let person = find::member(state, guild, using.person.as_deref(), false)?;
            let (guild, channel) = (guild.id, channel.id);
            let asking = ask_command(state, guild, channel, person, &using)?;
            receipt.user_id = Some(person);
            receipt.interaction_id = state.ask(asking);
            Ok(())
        })
    }

    /// Leaves a reaction as a person.
    ///
    /// # Errors
    /// When the message does not exist or the emoji is not a Unicode one.
    pub fn react(&self, react: React) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("react", &react);
        self.reaction(&react, true)
    }

    /// Takes a reaction back.
    ///
    /// # Errors
    /// When the message has no such reaction.
    pub fn unreact(&self, react: React) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("unreact", &react);
        self.reaction(&react, false)
    }

    fn reaction(&self, react: &React, add: bool) -> Result<Receipt, ControlError> {
        self.act(|state, receipt| {
            let (guild, channel) = find::place(state, react.guild.as_deref(), react.channel.as_deref())?;
            let person = find::member(state, guild, react.person.as_deref(), false)?;
            let newest = || channel.messages.values().rev().find(|message| message.ephemeral_to.is_none());
            let message = react.message.or_else(|| newest().map(|message| message.id)).ok_or_else(|| {
                ControlError::new(format!("nothing was said in #{} yet", channel.name), "say something first")
            })?;
            // A message's id is enough, wherever it is.
            let elsewhere = state.channels.values().find(|channel| channel.messages.contains_key(&message));
            let channel = elsewhere.map_or(channel.id, |channel| channel.id);
            let done = if add {
                state.react(channel, message, person, &react.emoji)
            } else {
                state.unreact(channel, message, person, &react.emoji)
            };
            done.map_err(|error| refused(&format!("do that with `{}`", react.emoji), &error))?;
            receipt.user_id = Some(person);
            receipt.message_id = Some(message);
            Ok(())
        })
    }

    /// Lets somebody into a server; makes the person when nobody has that name.
    ///
    /// # Errors
    /// When they are in it already, or the name is empty or longer than 32 letters.
    pub fn join(&self, who: &Membership) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("join", who);
        self.act(|state, receipt| {
            let guild = find::guild(state, who.guild.as_deref())?.id;
            if !(1..=32).contains(&who.name.chars().count()) {
                return Err(ControlError::new("a name has 1 to 32 letters", "give `name`"));
            }
            let full = || ControlError::new("10,000 people exist already", "act as one of them");
            let person = state.person_or_new(&who.name).ok_or_else(full)?;
            if !state.join(guild, person) {
                return Err(ControlError::new(
                    format!("`{}` is in that server already", who.name),
                    "`leave` first",
                ));
            }
            receipt.user_id = Some(person);
            Ok(())
        })
    }

    /// Lets somebody leave a server.
    ///
    /// # Errors
    /// When they are not in it.
    pub fn leave(&self, who: &Membership) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("leave", who);
        self.act(|state, receipt| {
            let guild = find::guild(state, who.guild.as_deref())?;
            let person = find::member(state, guild, Some(&who.name), false)?;
            let guild = guild.id;
            state.leave(guild, person);
            receipt.user_id = Some(person);
            Ok(())
        })
    }
}

/// Reads a file as drivers give it.
pub(super) fn upload(file: &Attachment) -> Result<Upload, ControlError> {
    use base64::Engine;
    let bytes = match &file.base64 {
        Some(text) => base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| {
            ControlError::new(
                format!("the file `{}` is not base64: {error}", file.filename),
                "use `content` for text",
            )
        })?,
        None => file.content.clone().into_bytes(),
    };
    if file.filename.is_empty() || bytes.len() > MOST_BODY {
        return Err(ControlError::new("a file needs a name and at most 25 MiB", "give `filename`"));
    }
    let content_type = file.content_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
    Ok(Upload { filename: file.filename.clone(), content_type, bytes: bytes.into() })
}

/// Everything a command interaction carries, checked against what is registered.
fn ask_command(
    state: &mut State,
    guild_id: Snowflake,
    channel: Snowflake,
    person: Snowflake,
    using: &CommandUse,
) -> Result<Asking, ControlError> {
    let name = using.name.trim().trim_start_matches('/');
    let (command, path) = registered(state, guild_id, name)?;
    let may = command["default_member_permissions"].as_str().and_then(|bits| bits.parse::<u64>().ok());
    let guild = state.guilds.get(&guild_id);
    let held = guild.map_or(0, |guild| guild.permissions(person));
    if may.is_some_and(|needed| {
        held & permission::ADMINISTRATOR == 0 && (needed == 0 || held & needed != needed)
    }) {
        let text = format!("`{}` may not use `/{name}`", state.name_of(person));
        return Err(ControlError::new(
            text,
            "its default_member_permissions need more; act as the server's owner",
        ));
    }
    let command_kind = command_type(&command);
    let mut resolved = options::Resolved::seen_by(person);
    let mut data = Map::new();
    for key in ["id", "name", "type"] {
        data.insert(key.to_owned(), command[key].clone());
    }
    if let Some(scope) = command.get("guild_id") {
        data.insert("guild_id".to_owned(), scope.clone());
    }
    if command_kind == 1 {
        let given = options::fill(state, guild_id, name, &path.definitions, using, &mut resolved)?;
        let mut list = given;
        for (nested, kind) in path.nesting.iter().rev() {
            list = vec![json!({"name": nested, "type": kind, "options": list})];
        }
        if !list.is_empty() {
            data.insert("options".to_owned(), Value::Array(list));
        }
    } else {
        let target = context_target(state, guild_id, channel, command_kind, using, &mut resolved)?;
        data.insert("target_id".to_owned(), json!(target));
    }
    if let Some(resolved) = resolved.json() {
        data.insert("resolved".to_owned(), resolved);
    }
    Ok(Asking {
        kind: if using.focused.is_some() { kind::AUTOCOMPLETE } else { kind::COMMAND },
        user: person,
        guild: guild_id,
        channel,
        data: Value::Object(data),
        source: None,
        name: Some(name.to_owned()),
        opened_by: None,
    })
}

/// Where in a command's tree the options are: group and subcommand names with their types.
struct CommandPath {
    nesting: Vec<(String, u64)>,
    definitions: Vec<Value>,
}

fn registered(state: &State, guild: Snowflake, name: &str) -> Result<(Value, CommandPath), ControlError> {
    let usable = state.commands.usable(guild);
    let context = usable.iter().find(|command| command_type(command) != 1 && command["name"] == name);
    if let Some(command) = context {
        return Ok(((*command).clone(), CommandPath { nesting: Vec::new(), definitions: Vec::new() }));
    }
    let mut words = name.split_whitespace();
    let first = words.next().unwrap_or("");
    let names = || {
        let mut all: Vec<String> = usable.iter().flat_map(|command| full_names(command)).collect();
        all.truncate(50);
        if all.is_empty() {
            "no command is registered yet; the bot registers them with PUT /applications/…/commands"
                .to_owned()
        } else {
            format!("registered are: {}", all.join(", "))
        }
    };
    let unknown = || ControlError::new(format!("`/{name}` is not a registered command"), names());
    let command = usable
        .iter()
        .find(|command| command_type(command) == 1 && command["name"] == first)
        .ok_or_else(unknown)?;
    let list = |of: &Value| of.get("options").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut nesting = Vec::new();
    let mut definitions = list(command);
    for word in words {
        let nested = definitions
            .iter()
            .find(|option| option["name"] == word && matches!(option["type"].as_u64(), Some(1 | 2)));
        let nested = nested.ok_or_else(unknown)?.clone();
        nesting.push((word.to_owned(), nested["type"].as_u64().unwrap_or(1)));
        definitions = list(&nested);
    }
    if definitions.iter().any(|option| matches!(option["type"].as_u64(), Some(1 | 2))) {
        return Err(ControlError::new(format!("`/{name}` has subcommands; name one of them"), names()));
    }
    Ok(((*command).clone(), CommandPath { nesting, definitions }))
}

/// A command and each of its subcommands as people type them.
fn full_names(command: &Value) -> Vec<String> {
    fn walk(prefix: &str, of: &Value, into: &mut Vec<String>) {
        let name = format!("{prefix}{}", of["name"].as_str().unwrap_or(""));
        let nested = of.get("options").and_then(Value::as_array).into_iter().flatten();
        let nested: Vec<&Value> =
            nested.filter(|option| matches!(option["type"].as_u64(), Some(1 | 2))).collect();
        if nested.is_empty() {
            into.push(name);
        } else {
            nested.into_iter().for_each(|option| walk(&format!("{name} "), option, into));
        }
    }
    let mut names = Vec::new();
    walk(if command_type(command) == 1 { "/" } else { "" }, command, &mut names);
    names
}

/// The target of a user or message command, put among the resolved objects.
fn context_target(
    state: &State,
    guild: Snowflake,
    channel: Snowflake,
    command_kind: u64,
    using: &CommandUse,
    resolved: &mut options::Resolved,
) -> Result<Snowflake, ControlError> {
    let target = using.target.as_deref();
    let guild =
        state.guilds.get(&guild).ok_or_else(|| ControlError::new("that server is gone", "name another"))?;
    if command_kind == 2 {
        let user = find::member(state, guild, target, true)?;
        resolved.add_user(state, guild, user);
        return Ok(user);
    }
    let id = match target {
        Some(target) => target.parse().ok(),
        None => state.channels.get(&channel).and_then(|channel| channel.last_message),
    };
    let message = id.and_then(|id| state.channels.values().find_map(|channel| channel.messages.get(&id)));
    let Some(message) = message else {
        return Err(ControlError::new(
            "there is no such message to use the command on",
            "give `target`, a message id",
        ));
    };
    resolved.add("messages", message.id, state.render_message(message));
    Ok(message.id)
}

/// A member inside `resolved`: no user, with permissions.
pub(super) fn resolved_member(guild: &Guild, user: Snowflake) -> Option<Value> {
    let mut json = partial_member(guild.members.get(&user)?);
    if let Some(map) = json.as_object_mut() {
        map.insert("permissions".to_owned(), json!(guild.permissions(user).to_string()));
    }
    Some(json)
}
