//! In whose name something is asked of Discord, and how such a request is written: the route as limits
//! and logs know it, the reason for the server's audit log.

use bailey_protocol::limits::AUDIT_REASON_CHARACTERS;
use bailey_protocol::{GuildId, Tenant};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;
use twilight_http::request::{Method, RequestBuilder};

use super::Rest;
use crate::egress::{Again, Call};
use crate::error::DiscordError;

/// Asks things of Discord for one tenant. Made by [`Rest::for_tenant`].
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    pub(super) rest: &'a Rest,
    tenant: &'a Tenant,
}

/// A request that is no message.
pub(super) struct Ask {
    pub(super) method: Method,
    /// Method and route with parameters as names.
    pub(super) route: &'static str,
    /// The channel or server that has a limit of its own.
    pub(super) place: u64,
    /// The path below the version, filled in.
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// What the plugin gives as its reason; `None` for what has no place in the audit log.
    pub(super) reason: Option<String>,
    pub(super) again: Again,
}

impl Ask {
    /// Reads something; may be asked again.
    pub(super) fn get(route: &'static str, place: u64, path: String) -> Self {
        Self { method: Method::Get, route, place, path, body: None, reason: None, again: Again::Safe }
    }

    /// Changes something in a way that may be asked again.
    pub(super) fn change(method: Method, route: &'static str, place: u64, path: String) -> Self {
        Self { method, route, place, path, body: None, reason: None, again: Again::Safe }
    }

    /// Makes something: asked twice, there would be two.
    pub(super) fn create(route: &'static str, place: u64, path: String, body: Value) -> Self {
        let body = Some(body);
        Self { method: Method::Post, route, place, path, body, reason: None, again: Again::Unsent }
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Goes into the audit log with this reason, which may be empty.
    pub(super) fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }
}

impl Rest {
    /// Asks in the name of a tenant.
    pub fn for_tenant<'a>(&'a self, tenant: &'a Tenant) -> Asker<'a> {
        Asker { rest: self, tenant }
    }
}

impl Asker<'_> {
    /// The server asked about.
    pub(super) fn guild(&self) -> GuildId {
        self.tenant.guild
    }

    /// The call as the egress takes it. Every request for a tenant passes here.
    pub(super) fn call(&self, ask: Ask) -> Result<Call, DiscordError> {
        let mut builder = RequestBuilder::raw(ask.method, ask.path);
        if let Some(body) = &ask.body {
            builder = builder.json(body);
        }
        if let Some(reason) = &ask.reason {
            builder = builder.headers(audit_header(self.tenant, reason).into_iter());
        }
        let unwritable =
            |error| DiscordError::Malformed(format!("the request could not be written: {error}"));
        Ok(self.identified(Call {
            route: ask.route,
            place: ask.place.to_string(),
            request: builder.build().map_err(unwritable)?,
            again: ask.again,
            tenant: None,
            by_interaction: false,
        }))
    }

    /// The place where the tenant is put into a call.
    pub(super) fn identified(&self, mut call: Call) -> Call {
        call.tenant = Some(self.tenant.clone());
        call
    }

    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, DiscordError> {
        self.rest.ask(self.call(ask)?).await
    }

    /// Asks for something whose answer says nothing.
    pub(super) async fn tell(&self, ask: Ask) -> Result<(), DiscordError> {
        self.rest.egress.execute(&self.call(ask)?).await?;
        Ok(())
    }
}

/// `plugin <name>: <reason>`, cut to what Discord keeps and written so that it fits a header.
fn audit_header(tenant: &Tenant, reason: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut text = format!("plugin {}", tenant.plugin);
    if !reason.trim().is_empty() {
        text.push_str(": ");
        text.push_str(reason.trim());
    }
    let text: String = text.chars().take(AUDIT_REASON_CHARACTERS).collect();
    let value = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
    Some((HeaderName::from_static("x-audit-log-reason"), HeaderValue::from_str(&value).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant { plugin: "warden".parse().unwrap(), guild: GuildId(1) }
    }

    fn decoded(reason: &str) -> String {
        let (_, value) = audit_header(&tenant(), reason).unwrap();
        percent_encoding::percent_decode_str(value.to_str().unwrap()).decode_utf8().unwrap().into_owned()
    }

    #[test]
    fn reasons_name_the_plugin_and_fit_a_header() {
        assert_eq!(decoded("spam\r\nX-Evil: 1 \u{1f600}"), "plugin warden: spam\r\nX-Evil: 1 \u{1f600}");
        assert_eq!(decoded("  "), "plugin warden");
        assert_eq!(decoded(&"é".repeat(600)).chars().count(), 512);
    }
}
