//! `proxy.request` and the hosts an administrator adds: what a plugin asks other servers.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::secrets::SecretName;
use crate::error::CallError;
use crate::params::Params;

/// How a secret proves who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthScheme {
    /// `Authorization: Bearer <value>`
    Bearer,
    /// `Authorization: Basic <value>`, in base64 if it reads `name:password`.
    Basic,
    /// `Authorization: Token <value>`
    Token,
}

impl AuthScheme {
    const RULE: &str = "bearer, basic or token";

    fn parse(text: &str) -> Result<Self, CallError> {
        match text.to_ascii_lowercase().as_str() {
            "" | "bearer" => Ok(Self::Bearer),
            "basic" => Ok(Self::Basic),
            "token" => Ok(Self::Token),
            _ => Err(CallError::validation("auth.scheme", Self::RULE)),
        }
    }
}

/// A secret that is to prove who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// How.
    pub scheme: AuthScheme,
    /// Which.
    pub secret: SecretName,
}

impl Auth {
    /// Reads `auth` (`{"scheme", "secret"}`), or `secret_auth` (a name, for a bearer).
    ///
    /// # Errors
    /// [`CallError::Validation`] when one of them is there and cannot be read.
    pub fn parse(params: &Params) -> Result<Option<Self>, CallError> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(default)]
            scheme: String,
            secret: String,
        }
        let rule = "an object with scheme and secret";
        if let Some(Written { scheme, secret }) = params.optional::<Written>("auth", rule)? {
            let secret = SecretName::parse(&secret, "auth.secret")?;
            return Ok(Some(Self { scheme: AuthScheme::parse(&scheme)?, secret }));
        }
        let secret = params.text_or_empty("secret_auth")?;
        if secret.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { scheme: AuthScheme::Bearer, secret: SecretName::parse(&secret, "secret_auth")? }))
    }
}

/// Parameters of `proxy.request`. Whether they make an HTTP request is decided where it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyRequest {
    /// HTTP method.
    pub method: String,
    /// The address, with its query.
    pub url: String,
    /// Headers, in the order written.
    pub headers: Vec<(String, String)>,
    /// The body, as it is sent: text as UTF-8, or what `body_b64` decodes to.
    pub body: Option<Vec<u8>>,
    /// A secret that is to prove who asks.
    pub auth: Option<Auth>,
}

impl ProxyRequest {
    /// Reads the parameters. Without `method` it is GET; numbers and truth values in headers read as text.
    ///
    /// # Errors
    /// [`CallError::Validation`] naming what is wrong.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        use base64::Engine as _;
        let method = params.optional_text("method")?.filter(|method| !method.is_empty());
        let written: IndexMap<String, Value> =
            params.optional("headers", "an object of texts")?.unwrap_or_default();
        let headers = written.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            Value::Bool(value) => Ok((name, value.to_string())),
            _ => Err(CallError::validation("headers", "an object of texts")),
        });
        let text: Option<String> =
            params.optional("body", "a string (json.dumps makes one of a dictionary)")?;
        let body = match (text, params.optional_text("body_b64")?) {
            (Some(text), _) => Some(text.into_bytes()),
            (None, Some(encoded)) => {
                let decoded = base64::engine::general_purpose::STANDARD.decode(encoded);
                Some(decoded.map_err(|_| CallError::validation("body_b64", "base64"))?)
            }
            (None, None) => None,
        };
        Ok(Self {
            method: method.unwrap_or_else(|| "GET".to_owned()),
            url: params.required("url", "an address such as https://api.example.com/path")?,
            headers: headers.collect::<Result<_, _>>()?,
            body,
            auth: Auth::parse(params)?,
        })
    }
}

/// Result of `proxy.request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProxyAnswer {
    /// Whether the status is one of success (200 to 299).
    pub ok: bool,
    /// HTTP status.
    pub status: u16,
    /// Headers by their name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as text; bytes that are none are replaced. The name is the SDKs'.
    pub body_bytes: String,
    /// The same.
    pub body: String,
    /// The body as base64, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_b64: Option<String>,
    /// Whether the body was longer than what is shown.
    pub truncated: bool,
}

/// Parameters of `http.allow_host`, `http.revoke_host` and their siblings of `ws`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOnly {
    /// What somebody typed: a name, an IP address, either with a port, or a whole address.
    pub host: String,
}

impl HostOnly {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] when there is no host.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { host: params.required("host", "a host name, an IP address or an address (URL)")? })
    }
}

/// Result of `http.allow_host` and its siblings: `{"ok": true, "host": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostChanged {
    /// Always true.
    pub ok: bool,
    /// The host as it is compared from now on.
    pub host: String,
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn request(text: &str) -> Result<ProxyRequest, CallError> {
        ProxyRequest::parse(&Params::parse(Some(&RawValue::from_string(text.to_owned()).unwrap())).unwrap())
    }

    #[test]
    fn every_spelling_of_a_request_is_read() {
        let read =
            request(r#"{"method":"POST","url":"https://a.b","headers":{"A":"b","N":1},"body":"x"}"#).unwrap();
        assert_eq!((read.method.as_str(), read.body.as_deref(), read.auth), ("POST", Some(&b"x"[..]), None));
        assert_eq!(read.headers, [("A".to_owned(), "b".to_owned()), ("N".to_owned(), "1".to_owned())]);
        let read = request(r#"{"url":"https://a.b","headers":{},"body":null,"secret_auth":"KEY"}"#).unwrap();
        assert_eq!((read.method.as_str(), read.body), ("GET", None));
        assert_eq!(read.auth.unwrap().scheme, AuthScheme::Bearer);
        let read =
            request(r#"{"url":"x","auth":{"scheme":"Basic","secret":"KEY"},"body_b64":"AAE="}"#).unwrap();
        assert_eq!((read.auth.unwrap().scheme, read.body), (AuthScheme::Basic, Some(vec![0, 1])));
        for wrong in [
            r#"{}"#,
            r#"{"url":1}"#,
            r#"{"url":"x","body":{}}"#,
            r#"{"url":"x","headers":{"a":[]}}"#,
            r#"{"url":"x","headers":"a"}"#,
            r#"{"url":"x","auth":{"scheme":"digest","secret":"KEY"}}"#,
            r#"{"url":"x","auth":{"scheme":"bearer"}}"#,
            r#"{"url":"x","secret_auth":"a b"}"#,
            r#"{"url":"x","body_b64":"*"}"#,
        ] {
            assert!(matches!(request(wrong), Err(CallError::Validation { .. })), "{wrong}");
        }
    }
}
