//! Makes Discord have what a server is offered: look, compare, write only a difference.

use bailey_discord::{CommandChanges, DiscordError, Rest, command_changes};
use bailey_protocol::{ApplicationId, GuildId, limits};

use super::offer::Offer;

/// Discord's code for a form with fields it does not accept.
const INVALID_FORM: u64 = 50035;

/// What was found and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// What differed.
    pub changes: CommandChanges,
    /// Whether it was written.
    pub written: bool,
}

/// Why a server does not have what it is offered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SyncError {
    /// Discord said no, or was not reached.
    #[error(transparent)]
    Discord(#[from] DiscordError),
    /// Discord's limit of new commands in a day would be passed, which it answers with a refusal of everything.
    #[error(
        "{wanted} new commands and {made} made in the last 24 hours are more than the {} Discord takes on one server; \
         it is tried again at the next sync",
        limits::COMMAND_CREATIONS_PER_DAY
    )]
    TooManyCreations {
        /// How many would be new.
        wanted: usize,
        /// How many were made in the last day.
        made: u32,
    },
}

/// Writes commands as one bot.
#[derive(Clone)]
pub struct CommandSync {
    rest: Rest,
    application: ApplicationId,
}

impl CommandSync {
    /// For the bot that `rest` speaks as.
    pub fn new(rest: Rest, application: ApplicationId) -> Self {
        Self { rest, application }
    }

    /// What differs between a server's commands and the offer, without writing it.
    ///
    /// # Errors
    /// [`SyncError::Discord`].
    pub async fn compare(&self, guild: GuildId, offer: &Offer) -> Result<CommandChanges, SyncError> {
        let present = self.rest.guild_commands(self.application, guild).await?;
        Ok(command_changes(&offer.sent().0, &present))
    }

    /// Makes the offer a server's commands, in place of all the bot had there. A command that Discord does not
    /// accept is left out of the offer, with Discord's words, and the others are written. `made` is how many
    /// commands were created on that server in the last day.
    ///
    /// # Errors
    /// [`SyncError`]; then the server has what it had.
    pub async fn sync(&self, guild: GuildId, offer: &mut Offer, made: u32) -> Result<SyncReport, SyncError> {
        let present = self.rest.guild_commands(self.application, guild).await?;
        loop {
            let (commands, places) = offer.sent();
            let changes = command_changes(&commands, &present);
            if changes.is_empty() {
                return Ok(SyncReport { changes, written: false });
            }
            let wanted = changes.added.len();
            if wanted > 0 && made as usize + wanted > limits::COMMAND_CREATIONS_PER_DAY as usize {
                return Err(SyncError::TooManyCreations { wanted, made });
            }
            match self.rest.set_guild_commands(self.application, guild, &commands).await {
                Ok(()) => return Ok(SyncReport { changes, written: true }),
                Err(DiscordError::Refused { status, code: INVALID_FORM, message }) => {
                    let blamed = blamed(&message, &places);
                    if blamed.is_empty() {
                        return Err(DiscordError::Refused { status, code: INVALID_FORM, message }.into());
                    }
                    for (place, words) in blamed {
                        offer.leave_out(place, words); // so this ends: there is one less each time
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The commands that a refusal names, by their places in the offer, each with Discord's first words about it. It
/// names fields as `3.options.0.name: words`, by the number of the command in what was sent.
fn blamed(message: &str, places: &[usize]) -> Vec<(usize, String)> {
    let fields = message.split_once(": ").map_or("", |(_, fields)| fields);
    let mut found: Vec<(usize, String)> = Vec::new();
    for field in fields.split("; ") {
        let path = field.split(':').next().unwrap_or_default();
        let number = path.split('.').next().and_then(|number| number.parse::<usize>().ok());
        let Some(place) = number.and_then(|number| places.get(number)) else { continue };
        if found.iter().all(|(known, _)| known != place) {
            let words = field.split_once(['.', ':']).map_or(field, |(_, rest)| rest.trim());
            found.push((*place, format!("Discord: {words}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discords_words_name_the_commands() {
        let message =
            "Invalid Form Body: 0.options.1.name: Bad; 2: Not unique; 0.name: Also; 9.name: Nobody; odd";
        let found = blamed(message, &[4, 5, 7]);
        let words = |text: &str| format!("Discord: {text}");
        assert_eq!(found, [(4, words("options.1.name: Bad")), (7, words("Not unique"))]);
        assert!(blamed("Invalid Form Body", &[1]).is_empty());
        assert!(blamed("Missing Access", &[1]).is_empty());
    }
}
