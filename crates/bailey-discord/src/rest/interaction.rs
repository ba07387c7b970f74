//! Answers to interactions. The interaction's token stands in for the bot's, and these requests
//! do not count against the global limit.

use bailey_protocol::event::InteractionToken;
use bailey_protocol::method::discord::Sent;
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{ApplicationId, InteractionId};
use twilight_http::request::Request;
use twilight_http::routing::Route;

use super::callback::CallbackBody;
use super::message::{Message, object};
use super::{Rest, build};
use crate::egress::{Again, Call};
use crate::error::DiscordError;

/// Discord's code for an interaction that was answered before.
const ALREADY_ACKNOWLEDGED: u64 = 40060;

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
            by_interaction: true,
        };
        Ok(self.ask::<Message>(call).await?.into())
    }

    /// Where the first answer is.
    ///
    /// # Errors
    /// As [`Rest::edit_original`]; `Refused` with 404 when there is none.
    pub async fn get_original(
        &self,
        application: ApplicationId,
        token: &InteractionToken,
    ) -> Result<Sent, DiscordError> {
        let route = Route::GetInteractionOriginal {
            application_id: application.0,
            interaction_token: token.reveal(),
        };
        let call = Call {
            route: "GET /webhooks/{application}/{token}/messages/@original",
            place: token.reveal().to_owned(),
            request: Request::from_route(&route),
            again: Again::Safe,
            by_interaction: true,
        };
        Ok(self.ask::<Message>(call).await?.into())
    }
}
