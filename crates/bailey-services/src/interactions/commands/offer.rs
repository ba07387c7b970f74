//! What one server's plugins offer, under which names, and what of it Discord would refuse. Pure.
//!
//! A name that is reserved, or that an earlier plugin has, is registered as `<plugin>-<name>`; the plugin is told
//! of its use under the name it knows. One command's mistake never keeps another's away.

use std::collections::{BTreeSet, HashSet};

use bailey_discord::prepared_command;
use bailey_protocol::{PluginId, limits};
use serde_json::{Map, Value};

use super::check;

/// Names of slash commands that belong to Bailey itself, on every installation.
pub const RESERVED: &[&str] = &["bailey"];

/// Where people find a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandKind {
    /// Typed after a slash (Discord's type 1).
    Slash,
    /// In the menu of a person (2).
    User,
    /// In the menu of a message (3).
    Message,
}

impl CommandKind {
    /// Discord's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Slash => 1,
            Self::User => 2,
            Self::Message => 3,
        }
    }

    /// The kind of a command in Discord's shape.
    fn of(definition: &Value) -> Option<Self> {
        match definition.get("type") {
            None | Some(Value::Null) => Some(Self::Slash),
            Some(number) => match number.as_u64()? {
                1 => Some(Self::Slash),
                2 => Some(Self::User),
                3 => Some(Self::Message),
                _ => None,
            },
        }
    }

    fn most(self) -> usize {
        match self {
            Self::Slash => limits::COMMANDS_PER_SERVER,
            Self::User | Self::Message => limits::CONTEXT_COMMANDS_PER_SERVER,
        }
    }
}

/// One command of one plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedCommand {
    /// Whose.
    pub plugin: PluginId,
    /// Its name, as the plugin has it.
    pub name: String,
    /// Where people find it.
    pub kind: CommandKind,
    /// The name people see; `None` when it is left out.
    pub shown_as: Option<String>,
    /// Why it is left out.
    pub problem: Option<String>,
    /// As the plugin wrote it.
    pub(super) written: Value,
    /// As it is sent.
    pub(super) definition: Value,
}

impl OfferedCommand {
    /// Leaves it out.
    pub(super) fn leave_out(&mut self, problem: String) {
        self.shown_as = None;
        self.problem = Some(problem);
    }
}

/// The commands of one server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Offer {
    commands: Vec<OfferedCommand>,
}

impl Offer {
    /// Chooses names. `plugins` come in the order they were installed: who was there first keeps a name.
    /// `reserved` are names of slash commands that no plugin gets, besides [`RESERVED`].
    pub fn of<'a>(
        plugins: impl IntoIterator<Item = (&'a PluginId, Vec<&'a Map<String, Value>>)>,
        reserved: &BTreeSet<String>,
    ) -> Self {
        let mut offer = Self::default();
        let mut taken = HashSet::new();
        for (plugin, definitions) in plugins {
            for written in definitions {
                let command = one(plugin, &Value::Object(written.clone()), reserved, &mut taken);
                offer.commands.push(command);
            }
        }
        for kind in [CommandKind::Slash, CommandKind::User, CommandKind::Message] {
            let shown = offer.commands.iter_mut().filter(|one| one.kind == kind && one.shown_as.is_some());
            for command in shown.skip(kind.most()) {
                command
                    .leave_out(format!("Discord takes at most {} of this kind on one server", kind.most()));
            }
        }
        offer
    }

    /// Every command, also those left out.
    pub fn commands(&self) -> &[OfferedCommand] {
        &self.commands
    }

    /// The names under which people find a plugin's commands.
    pub fn names_of(&self, plugin: &PluginId) -> Vec<String> {
        let of_plugin = self.commands.iter().filter(|command| command.plugin == *plugin);
        of_plugin.filter_map(|command| command.shown_as.clone()).collect()
    }

    /// The commands as they are sent, with their places in [`Offer::commands`].
    pub(super) fn sent(&self) -> (Vec<Value>, Vec<usize>) {
        let shown = self.commands.iter().enumerate().filter(|(_, command)| command.shown_as.is_some());
        shown.map(|(place, command)| (command.definition.clone(), place)).unzip()
    }

    pub(super) fn leave_out(&mut self, place: usize, problem: String) {
        if let Some(command) = self.commands.get_mut(place) {
            command.leave_out(problem);
        }
    }
}

fn one(
    plugin: &PluginId,
    written: &Value,
    reserved: &BTreeSet<String>,
    taken: &mut HashSet<(CommandKind, String)>,
) -> OfferedCommand {
    let name = written.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut command = OfferedCommand {
        plugin: plugin.clone(),
        name,
        kind: CommandKind::of(written).unwrap_or(CommandKind::Slash),
        shown_as: None,
        problem: None,
        written: written.clone(),
        definition: without_suggestions(&prepared_command(written)),
    };
    if CommandKind::of(written).is_none() {
        command.leave_out("type: it is none of 1 (slash), 2 (user) and 3 (message)".to_owned());
        return command;
    }
    if command.kind == CommandKind::Slash {
        command.name = command.name.to_lowercase();
    }
    let Some(shown_as) = free_name(&command, reserved, taken) else {
        let why = format!("the names {} and {} are taken", command.name, alias(&command));
        command.leave_out(why);
        return command;
    };
    if let Some(fields) = command.definition.as_object_mut() {
        fields.insert("name".to_owned(), shown_as.as_str().into());
    }
    match check::command(&command.definition, command.kind) {
        Ok(()) => {
            taken.insert((command.kind, shown_as.clone()));
            command.shown_as = Some(shown_as);
        }
        Err(problem) => command.leave_out(problem),
    }
    command
}

/// Its own name if that is free, else that of its plugin and its own.
fn free_name(
    command: &OfferedCommand,
    reserved: &BTreeSet<String>,
    taken: &HashSet<(CommandKind, String)>,
) -> Option<String> {
    let kept_back = |name: &str| {
        command.kind == CommandKind::Slash && (RESERVED.contains(&name) || reserved.contains(name))
    };
    let is_free = |name: &String| !kept_back(name) && !taken.contains(&(command.kind, name.clone()));
    [command.name.clone(), alias(command)].into_iter().find(is_free)
}

fn alias(command: &OfferedCommand) -> String {
    match command.kind {
        CommandKind::Slash => format!("{}-{}", command.plugin, command.name).to_lowercase(),
        CommandKind::User | CommandKind::Message => format!("{} ({})", command.name, command.plugin),
    }
}

/// Discord takes either `choices` or `autocomplete`. An option with both has its choices suggested by the host
/// while people type, and is sent without them.
fn without_suggestions(part: &Value) -> Value {
    let mut part = part.clone();
    let Some(fields) = part.as_object_mut() else { return part };
    if fields.get("autocomplete") == Some(&Value::Bool(true)) {
        fields.shift_remove("choices");
    }
    if let Some(Value::Array(options)) = fields.get_mut("options") {
        options.iter_mut().for_each(|option| *option = without_suggestions(option));
    }
    part
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What people see and what is left out: `name>shown` or `name!problem`.
    fn offered(plugins: &[(&str, Value)], reserved: &[&str]) -> Vec<String> {
        let ids: Vec<PluginId> = plugins.iter().map(|(id, _)| id.parse().unwrap()).collect();
        let reserved = reserved.iter().map(|name| (*name).to_owned()).collect();
        let list = plugins.iter().zip(&ids).map(|((_, commands), id)| {
            (id, commands.as_array().unwrap().iter().map(|one| one.as_object().unwrap()).collect())
        });
        let offer = Offer::of(list, &reserved);
        let word = |one: &OfferedCommand| match (&one.shown_as, &one.problem) {
            (Some(shown), None) => format!("{}>{shown}", one.name),
            (None, Some(problem)) => format!("{}!{problem}", one.name),
            other => panic!("{other:?}"),
        };
        offer.commands().iter().map(word).collect()
    }

    fn slash(name: &str) -> Value {
        json!({"name": name, "description": "d"})
    }

    #[test]
    fn who_was_there_first_keeps_the_name() {
        let plugins = [("one", json!([slash("Roll")])), ("two", json!([slash("roll"), slash("deal")]))];
        assert_eq!(offered(&plugins, &[]), ["roll>roll", "roll>two-roll", "deal>deal"]);
        assert_eq!(offered(&plugins, &["deal"])[2], "deal>two-deal");
        assert_eq!(offered(&[("one", json!([slash("bailey")]))], &[]), ["bailey>one-bailey"]);
        let menus = json!([{"name": "Report", "type": 2}, {"name": "Report", "type": 3}]);
        let both = [("one", menus.clone()), ("two", menus)];
        let expected = ["Report>Report", "Report>Report", "Report>Report (two)", "Report>Report (two)"];
        assert_eq!(offered(&both, &["report"]), expected);
    }

    #[test]
    fn what_is_wrong_is_left_out_alone() {
        let wrong = json!({"name": "bad", "description": "d", "options": [
            {"type": 3, "name": "a", "description": "d"},
            {"type": 3, "name": "b", "description": "d", "required": true}]});
        let found = offered(&[("one", json!([wrong, slash("good"), {"name": "x", "type": 9}]))], &[]);
        assert!(found[0].starts_with("bad!options.1"), "{found:?}");
        assert_eq!(found[1], "good>good");
        assert!(found[2].contains("type"), "{found:?}");
        // A name that was left out is free for the next plugin.
        let long = "l".repeat(40);
        let found = offered(
            &[("one", json!([{"name": "x", "description": long.repeat(3)}])), ("two", json!([slash("x")]))],
            &[],
        );
        assert_eq!(found[1], "x>x");
    }

    #[test]
    fn no_more_than_discord_takes() {
        let many: Vec<Value> =
            (0..limits::COMMANDS_PER_SERVER + 1).map(|n| slash(&format!("c{n}"))).collect();
        let found = offered(&[("one", Value::Array(many))], &[]);
        assert!(found[limits::COMMANDS_PER_SERVER - 1].ends_with(">c99"));
        assert!(found[limits::COMMANDS_PER_SERVER].contains("at most 100"), "{found:?}");
    }

    #[test]
    fn choices_to_suggest_are_not_sent() {
        let option = json!({"type": 3, "name": "city", "description": "d", "autocomplete": true,
                            "choices": [{"name": "Berlin", "value": "b"}]});
        let kept =
            json!({"type": 3, "name": "size", "description": "d", "choices": [{"name": "S", "value": "s"}]});
        let command = json!({"name": "w", "description": "d", "options": [option, kept.clone()]});
        let id: PluginId = "one".parse().unwrap();
        let offer = Offer::of([(&id, vec![command.as_object().unwrap()])], &BTreeSet::new());
        let options = &offer.sent().0[0]["options"];
        assert_eq!((options[0].get("choices"), &options[1]), (None, &kept));
    }
}
