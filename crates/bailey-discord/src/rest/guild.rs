//! Changing a server: channels, permissions, threads, members, roles, webhooks.

use bailey_protocol::method::discord::{
    CreateChannel, CreateThread, CreateWebhook, EditChannel, EditThread, NewChannel, OverwriteTarget,
    SetChannelPermissions, Thread, Webhook,
};
use bailey_protocol::{ChannelId, GuildId, RoleId, Timestamp, UserId, WebhookId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use twilight_http::request::Method;

use super::asker::{Ask, Asker};
use crate::error::DiscordError;

#[derive(Deserialize)]
struct WireChannel {
    id: ChannelId,
    #[serde(default)]
    name: String,
    r#type: u8,
    #[serde(default)]
    thread_metadata: Option<ThreadMetadata>,
}

#[derive(Deserialize)]
struct ThreadMetadata {
    archived: bool,
}

impl From<WireChannel> for NewChannel {
    fn from(channel: WireChannel) -> Self {
        Self { id: channel.id, name: channel.name, r#type: channel.r#type }
    }
}

/// An object of what is given only.
fn given<const N: usize>(parts: [(&str, Option<Value>); N]) -> Value {
    let given = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

impl Asker<'_> {
    /// Makes a channel.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 30013 when a server has 500.
    pub async fn create_channel(&self, channel: &CreateChannel) -> Result<NewChannel, DiscordError> {
        let guild = self.guild();
        let body = given([
            ("name", Some(json!(channel.name))),
            ("type", Some(json!(channel.kind))),
            ("parent_id", channel.category.map(|id| json!(id))),
            ("topic", channel.topic.as_ref().map(|topic| json!(topic))),
            ("user_limit", channel.user_limit.map(|limit| json!(limit))),
        ]);
        let path = format!("guilds/{guild}/channels");
        let ask = Ask::create("POST /guilds/{guild}/channels", guild.0, path, body).because("");
        Ok(self.ask::<WireChannel>(ask).await?.into())
    }

    /// Changes a channel.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn edit_channel(&self, edit: &EditChannel) -> Result<NewChannel, DiscordError> {
        let body = given([
            ("name", edit.name.as_ref().map(|name| json!(name))),
            ("topic", edit.topic.as_ref().map(|topic| json!(topic))),
            ("user_limit", edit.user_limit.map(|limit| json!(limit))),
        ]);
        Ok(self.patch_channel(edit.channel, body).await?.into())
    }

    /// Changes a thread.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50083 for one that is archived and stays so.
    pub async fn edit_thread(&self, edit: &EditThread) -> Result<(), DiscordError> {
        let body = given([
            ("archived", edit.archived.map(|archived| json!(archived))),
            ("locked", edit.locked.map(|locked| json!(locked))),
            ("name", edit.name.as_ref().map(|name| json!(name))),
            ("auto_archive_duration", edit.auto_archive_minutes.map(|minutes| json!(minutes))),
        ]);
        self.patch_channel(edit.thread, body).await.map(drop)
    }

    async fn patch_channel(&self, channel: ChannelId, body: Value) -> Result<WireChannel, DiscordError> {
        let path = format!("channels/{channel}");
        let ask = Ask::change(Method::Patch, "PATCH /channels/{channel}", channel.0, path);
        self.ask(ask.body(body).because("")).await
    }

    /// Deletes a channel or thread.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50074 for one a community server needs.
    pub async fn delete_channel(&self, channel: ChannelId) -> Result<(), DiscordError> {
        let path = format!("channels/{channel}");
        self.tell(Ask::change(Method::Delete, "DELETE /channels/{channel}", channel.0, path).because(""))
            .await
    }

    /// Sets what a channel adds to or takes from a role or member.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn set_channel_permissions(&self, set: &SetChannelPermissions) -> Result<(), DiscordError> {
        let (id, kind) = match set.target {
            OverwriteTarget::Role(id) => (id.0, 0),
            OverwriteTarget::Member(id) => (id.0, 1),
        };
        let route = "PUT /channels/{channel}/permissions/{target}";
        let path = format!("channels/{}/permissions/{id}", set.channel);
        let bits = json!({"type": kind, "allow": set.allow.to_string(), "deny": set.deny.to_string()});
        self.tell(Ask::change(Method::Put, route, set.channel.0, path).body(bits).because("")).await
    }

    /// Takes back what a channel adds to or takes from a role or member.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn delete_channel_permission(
        &self,
        channel: ChannelId,
        target: u64,
    ) -> Result<(), DiscordError> {
        let route = "DELETE /channels/{channel}/permissions/{target}";
        let path = format!("channels/{channel}/permissions/{target}");
        self.tell(Ask::change(Method::Delete, route, channel.0, path).because("")).await
    }

    /// Begins a thread without a message to hang on.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn create_thread(&self, thread: &CreateThread) -> Result<Thread, DiscordError> {
        let body = json!({
            "name": thread.name, "type": if thread.private { 12 } else { 11 },
            "auto_archive_duration": thread.auto_archive_minutes,
        });
        let path = format!("channels/{}/threads", thread.channel);
        let ask = Ask::create("POST /channels/{channel}/threads", thread.channel.0, path, body);
        let made: WireChannel = self.ask(ask.because("")).await?;
        let archived = made.thread_metadata.is_some_and(|metadata| metadata.archived);
        Ok(Thread { id: made.id, name: made.name, r#type: made.r#type, archived })
    }

    /// Sets until when a member may only read; `None` ends it.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn set_timeout(
        &self,
        user: UserId,
        until: Option<Timestamp>,
        reason: &str,
    ) -> Result<(), DiscordError> {
        let until = until.map(|until| until.to_string());
        self.patch_member(&user.to_string(), json!({"communication_disabled_until": until}), reason).await
    }

    /// Sets a member's name on the server; `None` takes it away. `own`: whether it is the bot's.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn set_nickname(
        &self,
        user: UserId,
        nickname: Option<&str>,
        own: bool,
    ) -> Result<(), DiscordError> {
        let user = if own { "@me".to_owned() } else { user.to_string() };
        self.patch_member(&user, json!({"nick": nickname}), "").await
    }

    async fn patch_member(&self, user: &str, body: Value, reason: &str) -> Result<(), DiscordError> {
        let guild = self.guild();
        let path = format!("guilds/{guild}/members/{user}");
        let ask = Ask::change(Method::Patch, "PATCH /guilds/{guild}/members/{user}", guild.0, path);
        self.tell(ask.body(body).because(reason)).await
    }

    /// Takes a member off the server.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn kick(&self, user: UserId, reason: &str) -> Result<(), DiscordError> {
        let guild = self.guild();
        let path = format!("guilds/{guild}/members/{user}");
        let ask = Ask::change(Method::Delete, "DELETE /guilds/{guild}/members/{user}", guild.0, path);
        self.tell(ask.because(reason)).await
    }

    /// Keeps somebody off the server, member or not.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn ban(&self, user: UserId, delete_seconds: u64, reason: &str) -> Result<(), DiscordError> {
        let guild = self.guild();
        let path = format!("guilds/{guild}/bans/{user}");
        let ask = Ask::change(Method::Put, "PUT /guilds/{guild}/bans/{user}", guild.0, path);
        self.tell(ask.body(json!({"delete_message_seconds": delete_seconds})).because(reason)).await
    }

    /// Lets somebody come again.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 10026 when there is no ban.
    pub async fn unban(&self, user: UserId, reason: &str) -> Result<(), DiscordError> {
        let guild = self.guild();
        let path = format!("guilds/{guild}/bans/{user}");
        let ask = Ask::change(Method::Delete, "DELETE /guilds/{guild}/bans/{user}", guild.0, path);
        self.tell(ask.because(reason)).await
    }

    /// Gives a member a role, or takes it.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn set_role(
        &self,
        user: UserId,
        role: RoleId,
        held: bool,
        reason: &str,
    ) -> Result<(), DiscordError> {
        let guild = self.guild();
        let (method, route) = if held {
            (Method::Put, "PUT /guilds/{guild}/members/{user}/roles/{role}")
        } else {
            (Method::Delete, "DELETE /guilds/{guild}/members/{user}/roles/{role}")
        };
        let path = format!("guilds/{guild}/members/{user}/roles/{role}");
        self.tell(Ask::change(method, route, guild.0, path).because(reason)).await
    }

    /// Makes a webhook.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 30007 when a channel has 15.
    pub async fn create_webhook(&self, webhook: &CreateWebhook) -> Result<Webhook, DiscordError> {
        #[derive(Deserialize)]
        struct Wire {
            id: WebhookId,
            #[serde(default)]
            token: String,
            channel_id: ChannelId,
            #[serde(default)]
            name: Option<String>,
        }
        let path = format!("channels/{}/webhooks", webhook.channel);
        let body = json!({"name": webhook.name});
        let ask = Ask::create("POST /channels/{channel}/webhooks", webhook.channel.0, path, body);
        let made: Wire = self.ask(ask.because("")).await?;
        let name = made.name.unwrap_or_default();
        Ok(Webhook { id: made.id, token: made.token, channel_id: made.channel_id, name })
    }

    /// The server and channel a webhook belongs to. Needs the bot to manage webhooks there.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 10015 when there is none.
    pub async fn webhook_home(
        &self,
        webhook: WebhookId,
    ) -> Result<(Option<GuildId>, Option<ChannelId>), DiscordError> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            guild_id: Option<GuildId>,
            #[serde(default)]
            channel_id: Option<ChannelId>,
        }
        let path = format!("webhooks/{webhook}");
        let wire: Wire = self.ask(Ask::get("GET /webhooks/{webhook}", webhook.0, path)).await?;
        Ok((wire.guild_id, wire.channel_id))
    }

    /// Deletes a webhook.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn delete_webhook(&self, webhook: WebhookId) -> Result<(), DiscordError> {
        let path = format!("webhooks/{webhook}");
        self.tell(Ask::change(Method::Delete, "DELETE /webhooks/{webhook}", webhook.0, path).because(""))
            .await
    }
}
