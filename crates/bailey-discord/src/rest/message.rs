//! Messages in channels, and how a message is written for Discord.

use bailey_protocol::method::discord::Sent;
use bailey_protocol::method::message::{File, MessageParts};
use bailey_protocol::{ChannelId, MessageId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use twilight_http::request::{Form, Request};
use twilight_http::routing::Route;

use super::flag::EPHEMERAL;
use super::{Rest, build};
use crate::egress::{Again, Call};
use crate::error::DiscordError;

impl Rest {
    /// Posts a message. Sent again when its answer gets lost, without appearing twice.
    ///
    /// # Errors
    /// [`DiscordError`]; [`DiscordError::Refused`] says what Discord does not accept.
    pub async fn create_message(
        &self,
        channel: ChannelId,
        parts: &MessageParts,
        files: &[File],
    ) -> Result<Sent, DiscordError> {
        Ok(self.ask::<Message>(self.create_message_call(channel, parts, files)?).await?.into())
    }

    pub(super) fn create_message_call(
        &self,
        channel: ChannelId,
        parts: &MessageParts,
        files: &[File],
    ) -> Result<Call, DiscordError> {
        let mut body = object(parts, false);
        body.insert("nonce".to_owned(), self.nonces.next().into());
        body.insert("enforce_nonce".to_owned(), true.into());
        let route = Route::CreateMessage { channel_id: channel.0 };
        let request = if files.is_empty() { build(&route, &body)? } else { with_files(&route, body, files)? };
        Ok(Call {
            route: "POST /channels/{channel}/messages",
            place: channel.to_string(),
            request,
            again: Again::Safe,
            tenant: None,
            by_interaction: false,
        })
    }

    /// Changes a message of the bot's own. Parts that are not given stay.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 10008 when it is gone or only one person sees it, and
    /// with 403 when the bot may not look into the channel.
    pub async fn edit_message(
        &self,
        channel: ChannelId,
        message: MessageId,
        parts: &MessageParts,
    ) -> Result<Sent, DiscordError> {
        let route = Route::UpdateMessage { channel_id: channel.0, message_id: message.0 };
        let call = Call {
            route: "PATCH /channels/{channel}/messages/{message}",
            place: channel.to_string(),
            request: build(&route, &object(parts, false))?,
            again: Again::Safe,
            tenant: None,
            by_interaction: false,
        };
        Ok(self.ask::<Message>(call).await?.into())
    }
}

/// What is read of a message Discord answers with.
#[derive(Deserialize)]
pub(super) struct Message {
    id: MessageId,
    channel_id: ChannelId,
    #[serde(default)]
    pub(super) flags: u64,
}

impl From<Message> for Sent {
    fn from(message: Message) -> Self {
        Self { ok: true, message_id: message.id, channel_id: message.channel_id }
    }
}

/// A message as Discord takes it; parts that were not given are left out.
pub(super) fn object(parts: &MessageParts, ephemeral: bool) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(content) = &parts.content {
        body.insert("content".to_owned(), content.as_str().into());
    }
    if let Some(embeds) = &parts.embeds {
        body.insert("embeds".to_owned(), embeds.clone().into());
    }
    if let Some(components) = &parts.components {
        body.insert("components".to_owned(), components.clone().into());
    }
    // Always said: without it Discord pings whoever the text names.
    body.insert("allowed_mentions".to_owned(), json!(parts.allowed_mentions));
    if ephemeral {
        body.insert("flags".to_owned(), EPHEMERAL.into());
    }
    body
}

fn with_files(
    route: &Route<'_>,
    mut body: Map<String, Value>,
    files: &[File],
) -> Result<Request, DiscordError> {
    #[derive(Serialize)]
    struct Attachment<'a> {
        id: usize,
        filename: &'a str,
    }
    let described = files.iter().enumerate().map(|(id, file)| Attachment { id, filename: &file.filename });
    body.insert("attachments".to_owned(), json!(described.collect::<Vec<_>>()));
    let unwritable = |error| DiscordError::Malformed(format!("the request could not be written: {error}"));
    let body = serde_json::to_vec(&body).map_err(unwritable)?;
    let mut form = Form::new().json_part(b"payload_json", &body);
    for (id, file) in files.iter().enumerate() {
        let field = format!("files[{id}]");
        form = form.file_part(field.as_bytes(), header_safe(&file.filename).as_bytes(), &file.data);
    }
    let unbuildable = |error| DiscordError::Malformed(format!("the request could not be written: {error}"));
    Request::builder(route).form(form).build().map_err(unbuildable)
}

/// A file's name as browsers write it into a form: nothing in it can end the header.
fn header_safe(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_given_parts_are_written_and_mentions_always() {
        let parts = MessageParts { content: Some("hi".to_owned()), ..MessageParts::default() };
        let body = Value::Object(object(&parts, true));
        assert_eq!(body, json!({"content": "hi", "allowed_mentions": {"parse": []}, "flags": 64}));
    }

    #[test]
    fn file_names_cannot_break_out_of_their_header() {
        let files = [File { filename: "a\"\r\nX-Evil: 1\r\n\r\n.txt".to_owned(), data: b"data".to_vec() }];
        let route = Route::CreateMessage { channel_id: 1 };
        let request = with_files(&route, Map::new(), &files).unwrap();
        let body = String::from_utf8(request.form().unwrap().clone().build()).unwrap();
        assert!(!body.contains("\r\nX-Evil"), "{body}");
        assert!(body.contains("filename=\"a%22%0D%0AX-Evil: 1%0D%0A%0D%0A.txt\""), "{body}");
    }
}
