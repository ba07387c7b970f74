//! Answers to interactions. The interaction's token stands in for the bot's, and these requests
//! do not count against the global limit.

use bailey_protocol::event::InteractionToken;
use bailey_protocol::method::discord::Sent;
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{ApplicationId, InteractionId};
use twilight_http::request::Request;
use twilight_http::routing::Route;

use super::callback::CallbackBody;
use super::flag::{EPHEMERAL, LOADING};
use super::message::{Message, object};
use super::{Rest, build};
use crate::egress::{Again, Call};
use crate::error::DiscordError;

/// Discord's code for an interaction that was answered before.
const ALREADY_ACKNOWLEDGED: u64 = 40060;
/// Discord's code for a message that is gone.
const UNKNOWN_MESSAGE: u64 = 10008;

/// The first answer to an interaction, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Where it is.
    pub sent: Sent,
    /// Whether it only says "thinking" so far.
    pub thinking: bool,
    /// Whether only the person who asked sees it.
    pub ephemeral: bool,
}

impl Rest {
    /// Gives the first answer to an interaction. Sent again when its answer gets lost: an
    /// interaction that by then is answered was answered by the lost one.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 10062 when the three seconds are over, 40060 when it
    /// was answered before.
    pub async fn interaction_callback(
        &self,
        interaction: InteractionId,
        token: &InteractionToken,
        body: CallbackBody,
    ) -> Result<(), DiscordError> {
        let route = Route::InteractionCallback {
            interaction_id: interaction.0,
            interaction_token: token.reveal(),
            with_response: false,
        };
        let call = Call {
            route: "POST /interactions/{interaction}/{token}/callback",
            place: token.reveal().to_owned(),
            request: build(&route, &body.to_json())?,
            again: Again::Safe,
            tenant: None,
            by_interaction: true,
        };
        match self.egress.execute(&call).await {
            Ok(_) => Ok(()),
            Err(failure) => match failure.error {
                DiscordError::Refused { code: ALREADY_ACKNOWLEDGED, .. } if failure.attempts > 1 => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Changes the first answer, or fills it in after "thinking". Parts that are not given stay.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50027 when the fifteen minutes are over.
    pub async fn edit_original(
        &self,
        application: ApplicationId,
        token: &InteractionToken,
        parts: &MessageParts,
    ) -> Result<Sent, DiscordError> {
        let route = Route::UpdateInteractionOriginal {
            application_id: application.0,
            interaction_token: token.reveal(),
        };
        let call = Call {
            route: "PATCH /webhooks/{application}/{token}/messages/@original",
            place: token.reveal().to_owned(),
            request: build(&route, &object(parts, false))?,
            again: Again::Safe,
            tenant: None,
            by_interaction: true,
        };
        Ok(self.ask::<Message>(call).await?.into())
    }

    /// Posts a further message in answer to an interaction. Not sent again when its answer gets
    /// lost, because Discord has no way to tell the two apart.
    ///
    /// # Errors
    /// As [`Rest::edit_original`].
    pub async fn create_followup(
        &self,
        application: ApplicationId,
        token: &InteractionToken,
        parts: &MessageParts,
        ephemeral: bool,
    ) -> Result<Sent, DiscordError> {
        let route = Route::ExecuteWebhook {
            thread_id: None,
            token: token.reveal(),
            wait: Some(true),
            with_components: None,
            webhook_id: application.0,
        };
        let call = Call {
            route: "POST /webhooks/{application}/{token}",
            place: token.reveal().to_owned(),
            request: build(&route, &object(parts, ephemeral))?,
            again: Again::Unsent,
            tenant: None,
            by_interaction: true,
        };
        Ok(self.ask::<Message>(call).await?.into())
    }

    /// The first answer, or the "thinking" in its place.
    ///
    /// # Errors
    /// As [`Rest::edit_original`]; `Refused` with code 10008 when there is none or it is gone, 10015
    /// when nobody has answered yet.
    pub async fn get_original(
        &self,
        application: ApplicationId,
        token: &InteractionToken,
    ) -> Result<Original, DiscordError> {
        let route = Route::GetInteractionOriginal {
            application_id: application.0,
            interaction_token: token.reveal(),
        };
        let call = Call {
            route: "GET /webhooks/{application}/{token}/messages/@original",
            place: token.reveal().to_owned(),
            request: Request::from_route(&route),
            again: Again::Safe,
            tenant: None,
            by_interaction: true,
        };
        let message = self.ask::<Message>(call).await?;
        let has = |flag| message.flags & flag != 0;
        let (thinking, ephemeral) = (has(LOADING), has(EPHEMERAL));
        Ok(Original { sent: message.into(), thinking, ephemeral })
    }

    /// Takes the first answer, or the "thinking" in its place, away. One that is gone already is
    /// as wanted.
    ///
    /// # Errors
    /// As [`Rest::edit_original`].
    pub async fn delete_original(
        &self,
        application: ApplicationId,
        token: &InteractionToken,
    ) -> Result<(), DiscordError> {
        let route = Route::DeleteInteractionOriginal {
            application_id: application.0,
            interaction_token: token.reveal(),
        };
        let call = Call {
            route: "DELETE /webhooks/{application}/{token}/messages/@original",
            place: token.reveal().to_owned(),
            request: Request::from_route(&route),
            again: Again::Safe,
            tenant: None,
            by_interaction: true,
        };
        match self.egress.execute(&call).await.map_err(DiscordError::from) {
            Ok(_) | Err(DiscordError::Refused { code: UNKNOWN_MESSAGE, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
