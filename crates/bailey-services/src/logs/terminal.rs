//! A plugin's line on the operator's terminal. What a plugin wrote can neither end the line nor move
//! the cursor, so it cannot pass for a line of Bailey's.

use std::fmt::Write;

use bailey_protocol::method::log::LogLevel;

use super::LoggedLine;

/// Emits the line under the target `plugin`, at its own level.
pub(super) fn show(logged: &LoggedLine) {
    let text = escaped(logged);
    let (plugin, guild) = (logged.tenant.plugin.as_str(), logged.tenant.guild.0);
    let (version, source) = (escape(&logged.version), logged.line.level.as_str());
    match logged.line.level {
        LogLevel::Debug => {
            tracing::debug!(target: "plugin", plugin, guild, version, source, "{text}");
        }
        LogLevel::Info | LogLevel::Stdout | LogLevel::Stderr => {
            tracing::info!(target: "plugin", plugin, guild, version, source, "{text}");
        }
        LogLevel::Warning => {
            tracing::warn!(target: "plugin", plugin, guild, version, source, "{text}");
        }
        LogLevel::Error => {
            tracing::error!(target: "plugin", plugin, guild, version, source, "{text}");
        }
    }
}

/// Message, tags and extra values on one line.
fn escaped(logged: &LoggedLine) -> String {
    let mut text = escape(&logged.line.message);
    for tag in &logged.line.tags {
        let _ = write!(text, " #{}", escape(tag)); // writing to a String cannot fail
    }
    for (name, value) in &logged.line.extra {
        let _ = write!(text, " {}={:?}", escape(name), escape(value));
    }
    text
}

/// Control characters, line separators and marks that reverse the direction of text, spelled out.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        let hidden = matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        if character.is_control() || hidden {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_plugin_writes_leaves_its_line() {
        let dirty = "done\n2026-01-01 ERROR bailey: \u{1b}[2Jgone\r\u{9b}1A\u{2028}\u{202e}x\u{7f}";
        let clean = escape(dirty);
        assert!(!clean.chars().any(char::is_control), "{clean:?}");
        assert!(clean.starts_with("done\\n2026"), "{clean}");
        assert!(!clean.contains(['\u{2028}', '\u{202e}']));
        assert_eq!(escape("naïve 😀 tab"), "naïve 😀 tab");
    }
}
