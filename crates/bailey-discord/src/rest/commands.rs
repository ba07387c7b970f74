//! The commands of one server: written only when they differ, because Discord allows few writes a
//! day and forgets people's settings of a command that is written anew.

use bailey_protocol::{ApplicationId, GuildId};
use serde_json::{Map, Value};
use twilight_http::request::Request;
use twilight_http::routing::Route;

use super::{Rest, build};
use crate::egress::{Again, Call};
use crate::error::DiscordError;

/// Discord's number for a slash command.
const CHAT_INPUT: u64 = 1;
/// What Discord adds to a command and nobody asks for.
const ADDED: &[&str] = &["id", "application_id", "guild_id", "version", "handler"];
/// What Discord fills in by itself when it is not given.
const FILLED_IN: &[&str] = &["contexts", "integration_types", "dm_permission", "default_permission"];
/// What has a meaning only for commands that are not of one server.
const EVERYWHERE_ONLY: &[&str] = &["contexts", "integration_types", "dm_permission"];

/// Whether a sync had to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncOutcome {
    /// Discord had these commands already.
    Unchanged,
    /// They were written, in place of all others of the bot on that server.
    Written,
}

impl Rest {
    /// Makes these the bot's commands on one server, in Discord's shape. Names of slash commands
    /// and options are put in lower case, and empty descriptions filled with the name.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50035 names the fields Discord does not accept.
    pub async fn sync_guild_commands(
        &self,
        application: ApplicationId,
        guild: GuildId,
        commands: &[Value],
    ) -> Result<SyncOutcome, DiscordError> {
        let wanted: Vec<Value> = commands.iter().map(prepared_command).collect();
        let present = self.guild_commands(application, guild).await?;
        if command_changes(&wanted, &present).is_empty() {
            return Ok(SyncOutcome::Unchanged);
        }
        self.set_guild_commands(application, guild, &wanted).await?;
        Ok(SyncOutcome::Written)
    }

    /// The bot's commands on one server, as Discord has them.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50001 where the bot is not on the server.
    pub async fn guild_commands(
        &self,
        application: ApplicationId,
        guild: GuildId,
    ) -> Result<Vec<Value>, DiscordError> {
        let route = Route::GetGuildCommands {
            application_id: application.0,
            guild_id: guild.0,
            with_localizations: Some(true),
        };
        self.ask(Call {
            route: "GET /applications/{application}/guilds/{guild}/commands",
            place: guild.to_string(),
            request: Request::from_route(&route),
            again: Again::Safe,
            tenant: None,
            by_interaction: false,
        })
        .await
    }

    /// Puts these commands, made by [`prepared_command`], in the place of all the bot has on one server.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50035 names the fields Discord does not accept, each beginning
    /// with the number of the command in the list.
    pub async fn set_guild_commands(
        &self,
        application: ApplicationId,
        guild: GuildId,
        commands: &[Value],
    ) -> Result<(), DiscordError> {
        let route = Route::SetGuildCommands { application_id: application.0, guild_id: guild.0 };
        let _: Vec<Value> = self
            .ask(Call {
                route: "PUT /applications/{application}/guilds/{guild}/commands",
                place: guild.to_string(),
                request: build(&route, &commands)?,
                again: Again::Safe,
                tenant: None,
                by_interaction: false,
            })
            .await?;
        Ok(())
    }
}

/// What would have to be written, by the names of commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandChanges {
    /// Not there yet: what Discord counts as creations.
    pub added: Vec<String>,
    /// There, and different.
    pub changed: Vec<String>,
    /// There, and not wanted.
    pub removed: Vec<String>,
}

impl CommandChanges {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// What differs between commands made by [`prepared_command`] and those that Discord has. What Discord adds
/// by itself, and what means the same, is no difference.
pub fn command_changes(wanted: &[Value], present: &[Value]) -> CommandChanges {
    let mut changes = CommandChanges::default();
    for command in wanted {
        match present.iter().find(|known| key(known) == key(command)) {
            None => changes.added.push(key(command).1),
            Some(known) if comparable(command, command) != comparable(known, command) => {
                changes.changed.push(key(command).1);
            }
            Some(_) => {}
        }
    }
    let unwanted = present.iter().filter(|known| !wanted.iter().any(|command| key(command) == key(known)));
    changes.removed.extend(unwanted.map(|known| key(known).1));
    changes
}

/// What two commands of one bot on one server may not share: kind and name.
fn key(command: &Value) -> (u64, String) {
    let kind = command.get("type").and_then(Value::as_u64).unwrap_or(CHAT_INPUT);
    (kind, command.get("name").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// A command as it is sent to one server: without what only Discord decides or what has no meaning there;
/// for a slash command names are in lower case, and empty descriptions filled with the name.
pub fn prepared_command(command: &Value) -> Value {
    let mut command = command.clone();
    if let Some(fields) = command.as_object_mut() {
        for name in ADDED.iter().chain(EVERYWHERE_ONLY) {
            fields.shift_remove(*name);
        }
    }
    if key(&command).0 == CHAT_INPUT {
        described(&mut command);
    }
    command
}

/// Lower-case name and a description, for a slash command and all its options.
fn described(part: &mut Value) {
    let Some(fields) = part.as_object_mut() else { return };
    let name = fields.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let text = fields.get("description").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let text = if text.is_empty() { name.clone() } else { text };
    fields.insert("description".to_owned(), text.into());
    fields.insert("name".to_owned(), name.into());
    if let Some(options) = fields.get_mut("options").and_then(Value::as_array_mut) {
        options.iter_mut().for_each(described);
    }
}

/// A command without what Discord adds or fills in beyond what was `asked`, and without what means
/// the same as nothing.
fn comparable(command: &Value, asked: &Value) -> Value {
    let mut fields = command.as_object().cloned().unwrap_or_default();
    for name in ADDED {
        fields.shift_remove(*name);
    }
    for name in FILLED_IN.iter().filter(|name| asked.get(**name).is_none_or(Value::is_null)) {
        fields.shift_remove(*name);
    }
    fields.entry("type").or_insert(CHAT_INPUT.into());
    if let Some(permissions) = fields.get_mut("default_member_permissions")
        && let Some(number) = permissions.as_u64()
    {
        *permissions = number.to_string().into();
    }
    without_nothing(Value::Object(fields))
}

/// Without nulls, `false`, and empty texts, lists and objects; whole numbers as integers.
fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().map(|(name, value)| (name, without_nothing(value)));
            Value::Object(
                kept.filter(|(name, value)| name == "value" || !is_nothing(value)).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nothing).collect()),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                (float as i64).into()
            }
            _ => Value::Number(number),
        },
        other => other,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(wanted: Value, present: Value, expected: bool) {
        let wanted: Vec<Value> = wanted.as_array().unwrap().iter().map(prepared_command).collect();
        let changes = command_changes(&wanted, present.as_array().unwrap());
        assert_eq!(changes.is_empty(), expected, "{wanted:?} against {present}: {changes:?}");
    }

    #[test]
    fn names_and_descriptions_are_put_right() {
        let given = json!({"name": "Trivia", "description": " ", "options": [
            {"type": 1, "name": "Play", "options": [{"type": 3, "name": "Topic", "description": "What"}]}]});
        let expected = json!({"name": "trivia", "description": "trivia", "options": [
            {"type": 1, "name": "play", "description": "play", "options": [
                {"type": 3, "name": "topic", "description": "What"}]}]});
        assert_eq!(prepared_command(&given), expected);
        let on_message = json!({"name": "Report This", "type": 3});
        assert_eq!(prepared_command(&on_message), on_message);
        let everywhere = json!({"id": "7", "name": "x", "type": 2, "dm_permission": true, "contexts": [0]});
        assert_eq!(prepared_command(&everywhere), json!({"name": "x", "type": 2}));
    }

    #[test]
    fn what_discord_adds_is_no_difference() {
        let wanted = json!([{"name": "a", "description": "x", "options": [
            {"type": 4, "name": "n", "description": "y", "required": false, "min_value": 1.0}]}]);
        let present = json!([{"id": "1", "application_id": "2", "guild_id": "3", "version": "4", "type": 1,
            "name": "a", "name_localizations": null, "description": "x", "description_localizations": null,
            "default_member_permissions": null, "nsfw": false, "contexts": null, "integration_types": [0],
            "dm_permission": true, "options": [
                {"type": 4, "name": "n", "description": "y", "min_value": 1, "autocomplete": false}]}]);
        check(wanted, present, true);
    }

    #[test]
    fn order_of_commands_is_no_difference_but_order_of_options_is() {
        let a = json!({"name": "a", "description": "x"});
        let b = json!({"name": "b", "description": "x"});
        check(json!([a, b]), json!([b, a]), true);
        let options = |first: &str, second: &str| {
            json!([{"name": "a", "description": "x", "options": [
                {"type": 3, "name": first, "description": "d"}, {"type": 3, "name": second, "description": "d"}]}])
        };
        check(options("p", "q"), options("q", "p"), false);
    }

    #[test]
    fn changes_are_told_by_name_and_kind() {
        let wanted = json!([{"name": "a", "description": "x"}, {"name": "b", "description": "new"},
                            {"name": "a", "type": 2}]);
        let present = json!([{"name": "a", "description": "x"}, {"name": "b", "description": "old"},
                             {"name": "c", "description": "x"}]);
        let found = command_changes(wanted.as_array().unwrap(), present.as_array().unwrap());
        let one = |name: &str| vec![name.to_owned()];
        assert_eq!(found, CommandChanges { added: one("a"), changed: one("b"), removed: one("c") });
    }

    #[test]
    fn real_differences_are_seen() {
        let one = json!([{"name": "a", "description": "x"}]);
        check(one.clone(), json!([]), false);
        check(json!([]), one.clone(), false);
        check(one.clone(), json!([{"name": "a", "description": "y"}]), false);
        check(json!([{"name": "a", "description": "x", "nsfw": true}]), one.clone(), false);
        check(one, json!([{"name": "a", "description": "x", "default_member_permissions": "8"}]), false);
        let choices = |value: i64| {
            json!([{"name": "a", "description": "x", "options": [{"type": 4, "name": "n", "description": "d",
                "choices": [{"name": "c", "value": value}]}]}])
        };
        check(choices(0), choices(0), true);
        check(choices(0), choices(1), false);
    }
}
