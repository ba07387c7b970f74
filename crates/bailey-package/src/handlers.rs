//! Commands that only the code names: `@plugin.on_slash_command("name")` without a manifest entry.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::finding::{Code, Finding, Findings, Severity};
use crate::limits;
use crate::manifest::{Command, Manifest};
use crate::package::PackageFile;

static DECORATOR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = "[A-Za-z0-9_-]+";
    Regex::new(&format!(
        r#"(?m)^[ \t]*@[A-Za-z_][A-Za-z0-9_]*\.on_slash_command\(\s*(?:"({name})"|'({name})')\s*\)"#
    ))
    .ok()
});

/// Adds a plain command for every handler in any `.py` file whose name the manifest lacks.
///
/// Only literal names standing alone in the decorator are seen. A handler with capitals gets
/// none: events carry the lower-case name, so it could never answer.
pub(crate) fn merge_commands(files: &[PackageFile], manifest: &mut Manifest, findings: &mut Findings) {
    for name in handler_names(files) {
        // A command in a menu keeps its capitals, and its handler is registered the same way.
        if manifest.commands.iter().any(|command| command.is_in_a_menu() && command.name == name) {
            continue;
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let message =
                format!("The handler for `{name}` can never be called: Discord sends lower-case names.");
            findings.push(
                Finding::warning(Code::CommandHandlerNotLowercase, message)
                    .hint(format!("write `on_slash_command(\"{}\")`", name.to_ascii_lowercase())),
            );
        } else if !manifest.commands.iter().any(|command| command.name == name) {
            match Command::plain(&name) {
                Ok(command) => {
                    if !manifest.add_command(command) {
                        let message = format!(
                            "There are more command handlers than the {} commands Discord takes.",
                            limits::COMMANDS
                        );
                        findings
                            .push(Finding::warning(Code::CommandTooMany, message).hint("use subcommands"));
                        return;
                    }
                    let message = format!(
                        "`/{name}` has a handler but no entry in `slash_commands`; it was added without options."
                    );
                    findings.push(
                        Finding::warning(Code::CommandNotDeclared, message)
                            .at("manifest.json")
                            .hint(format!("declare it: {{\"name\": \"{name}\", \"description\": \"...\"}}")),
                    );
                }
                Err(finding) => findings.push(Finding { severity: Severity::Warning, ..finding }),
            }
        }
    }
}

fn handler_names(files: &[PackageFile]) -> BTreeSet<String> {
    let Some(decorator) = DECORATOR.as_ref() else { return BTreeSet::new() };
    files
        .iter()
        .filter(|file| file.path.ends_with(".py"))
        .flat_map(|file| decorator.captures_iter(&file.bytes))
        .filter_map(|found| found.get(1).or_else(|| found.get(2)))
        .map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned())
        .collect()
}
