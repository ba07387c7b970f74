//! Which lines somebody wants to see: the same for pages, for those who follow and for the tail.

use bailey_protocol::method::log::LogLevel;
use bailey_protocol::{GuildId, PluginId};

use super::LoggedLine;
use super::table::json;

/// A choice of lines of one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// Whose lines.
    pub plugin: PluginId,
    /// On which server; `None` for all.
    pub guild: Option<GuildId>,
    /// How serious at least; [`LogLevel::Debug`] for all.
    pub least: LogLevel,
    /// A tag the line must have.
    pub tag: Option<String>,
    /// A text the message, or the extra values as JSON text, must hold. Capitals do not count.
    pub text: Option<String>,
}

impl LogFilter {
    /// Every line of a plugin.
    pub fn of(plugin: PluginId) -> Self {
        Self { plugin, guild: None, least: LogLevel::Debug, tag: None, text: None }
    }

    /// Whether a line is among those chosen.
    pub fn matches(&self, logged: &LoggedLine) -> bool {
        let LoggedLine { tenant, line, .. } = logged;
        tenant.plugin == self.plugin
            && self.guild.is_none_or(|guild| guild == tenant.guild)
            && line.level.is_at_least(self.least)
            && self.tag.as_ref().is_none_or(|tag| line.tags.contains(tag))
            && self.text.as_ref().is_none_or(|text| {
                let text = text.to_lowercase();
                line.message.to_lowercase().contains(&text)
                    || json(&line.extra).to_lowercase().contains(&text)
            })
    }
}
