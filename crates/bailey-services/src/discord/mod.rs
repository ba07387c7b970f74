//! `discord.*`: actions on the server. The tenant's server is the boundary: what is elsewhere does
//! not exist.

use bailey_discord::{Directory, Rest};
use bailey_protocol::capability::DiscordSendMessage;
use bailey_protocol::method::discord::{SendMessage, Sent};
use bailey_protocol::{CallError, Grant};

/// The message service. A cheap clone.
#[derive(Clone)]
pub struct Messages {
    rest: Rest,
    directory: Directory,
}

impl Messages {
    /// The service; `directory` says which server a channel belongs to.
    pub fn new(rest: Rest, directory: Directory) -> Self {
        Self { rest, directory }
    }

    /// `discord.send_message`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a channel of another server, or of none; otherwise what Discord
    /// said.
    pub async fn send(
        &self,
        grant: &Grant<DiscordSendMessage>,
        params: &SendMessage,
    ) -> Result<Sent, CallError> {
        if self.directory.guild_of(params.channel) != Some(grant.tenant().guild) {
            return Err(CallError::validation("channel_id", "the id of a channel of this server"));
        }
        Ok(self.rest.create_message(params.channel, &params.parts, &params.files).await?)
    }
}
