//! A plugin's line on the operator's terminal. What a plugin wrote can neither end the line nor move
//! the cursor, so it cannot pass for a line of Bailey's.

use std::fmt;

use bailey_protocol::method::log::LogLevel;

use super::LoggedLine;

/// Emits the line under the target `plugin`, at its own level.
pub(super) fn show(logged: &LoggedLine) {
    let text = OneLine(logged); // put together only when somebody looks
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

/// Message, tags and extra values on one line, harmless on a terminal.
pub(super) struct OneLine<'a>(pub(super) &'a LoggedLine);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0.line.message))?;
        for tag in &self.0.line.tags {
            write!(f, " #{}", escape(tag))?;
        }
        for (name, value) in &self.0.line.extra {
            write!(f, " {}={:?}", escape(name), escape(value))?;
        }
        Ok(())
    }
}

/// Control characters, line separators and marks that reverse the direction of text, spelled out.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Whether a character does something to a terminal beside being shown.
pub fn is_harmful(character: char) -> bool {
    let is_hidden = matches!(
        character,
        '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || is_hidden
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
