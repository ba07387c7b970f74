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
        let wanted: Vec<Value> = commands.iter().map(prepared).collect();
        let route = Route::GetGuildCommands {
            application_id: application.0,
            guild_id: guild.0,
            with_localizations: Some(true),
        };
        let present: Vec<Value> = self
            .ask(Call {
                route: "GET /applications/{application}/guilds/{guild}/commands",
                place: guild.to_string(),
                request: Request::from_route(&route),
                again: Again::Safe,
                by_interaction: false,
            })
            .await?;
        if same(&wanted, &present) {
            return Ok(SyncOutcome::Unchanged);
        }
        let route = Route::SetGuildCommands { application_id: application.0, guild_id: guild.0 };
        let _: Vec<Value> = self
            .ask(Call {
                route: "PUT /applications/{application}/guilds/{guild}/commands",
                place: guild.to_string(),
                request: build(&route, &wanted)?,
                again: Again::Safe,
                by_interaction: false,
            })
            .await?;
        Ok(SyncOutcome::Written)
    }
}

/// A command as it is sent.
fn prepared(command: &Value) -> Value {
    let mut command = command.clone();
    let kind = command.get("type").and_then(Value::as_u64).unwrap_or(CHAT_INPUT);
    if kind == CHAT_INPUT {
        described(&mut command);
    }
    command
}

/// Lower-case name and a description, for a slash command and all its options.
fn described(part: &mut Value) {
    let Some(fields) = part.as_object_mut() else { return };
    let name = fields.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let empty = fields.get("description").and_then(Value::as_str).is_none_or(|text| text.trim().is_empty());
    if empty {
        fields.insert("description".to_owned(), name.as_str().into());
    }
    fields.insert("name".to_owned(), name.into());
    if let Some(options) = fields.get_mut("options").and_then(Value::as_array_mut) {
        options.iter_mut().for_each(described);
    }
}

/// Whether Discord has exactly the wanted commands.
fn same(wanted: &[Value], present: &[Value]) -> bool {
    let key = |command: &Value| {
        let kind = command.get("type").and_then(Value::as_u64).unwrap_or(CHAT_INPUT);
        (kind, command.get("name").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    let sorted = |commands: &[Value]| {
        let mut commands = commands.to_vec();
        commands.sort_by_key(key);
        commands
    };
    let (wanted, present) = (sorted(wanted), sorted(present));
    wanted.len() == present.len()
        && wanted.iter().zip(&present).all(|(wanted, present)| {
            key(wanted) == key(present) && comparable(wanted, wanted) == comparable(present, wanted)
        })
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
        let wanted: Vec<Value> = wanted.as_array().unwrap().iter().map(prepared).collect();
        assert_eq!(same(&wanted, present.as_array().unwrap()), expected, "{wanted:?} against {present}");
    }

    #[test]
    fn names_and_descriptions_are_put_right() {
        let given = json!({"name": "Trivia", "description": " ", "options": [
            {"type": 1, "name": "Play", "options": [{"type": 3, "name": "Topic", "description": "What"}]}]});
        let expected = json!({"name": "trivia", "description": "trivia", "options": [
            {"type": 1, "name": "play", "description": "play", "options": [
                {"type": 3, "name": "topic", "description": "What"}]}]});
        assert_eq!(prepared(&given), expected);
        let on_message = json!({"name": "Report This", "type": 3});
        assert_eq!(prepared(&on_message), on_message);
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
