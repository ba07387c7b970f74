//! What somebody asks another server, and what of it is let through.

use std::fmt;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::host::Host;
use crate::limits;

/// Headers that are ours to set, or that say how the message is framed: a plugin's are left out. All that begin with
/// `proxy-` are too.
const OURS: &[&str] = &[
    "host",
    "connection",
    "keep-alive",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "http2-settings",
];
/// Methods that are not for a server behind the address.
const NOT_FOR_SERVERS: [Method; 2] = [Method::CONNECT, Method::TRACE];

/// A request, read and found in order. It says nothing of whether its address may be reached.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    /// Who is to be believed to be asking.
    pub(crate) credential: Option<Credential>,
}

/// A request that is wrong in itself: which part of it, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {rule}")]
pub struct RequestError {
    /// `method`, `url`, `headers` or `body`.
    pub part: &'static str,
    /// Completes "… is required".
    pub rule: String,
}

/// A value for `Authorization` that goes to one host only.
#[derive(Clone)]
pub struct Credential {
    value: HeaderValue,
    host: Host,
}

impl Credential {
    /// A value for one host; `None` if it holds characters no header can.
    pub fn new(value: &str, host: Host) -> Option<Self> {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some(Self { value, host })
    }

    /// The value, if it may go to `host` by a connection that others can or cannot read.
    pub(crate) fn for_host(&self, host: &Host, is_private: bool) -> Option<&HeaderValue> {
        (self.host == *host && is_private).then_some(&self.value)
    }

    /// The host it is for.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential(for {})", self.host)
    }
}

impl Request {
    /// Reads a request as a plugin wrote it.
    ///
    /// # Errors
    /// [`RequestError`] naming the part that is wrong.
    pub fn new<'a>(
        method: &str,
        url: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: Option<Bytes>,
    ) -> Result<Self, RequestError> {
        if body.as_ref().is_some_and(|body| body.len() > limits::REQUEST_BODY_BYTES) {
            return Err(wrong("body", format!("a body of at most {} bytes", limits::REQUEST_BODY_BYTES)));
        }
        Ok(Self {
            method: read_method(method)?,
            url: read_url(url)?,
            headers: read_headers(headers)?,
            body,
            credential: None,
        })
    }

    /// Has the one who asks proved by `credential`, in place of what the request says itself.
    #[must_use]
    pub fn with_credential(mut self, credential: Credential) -> Self {
        self.headers.remove(reqwest::header::AUTHORIZATION);
        self.credential = Some(credential);
        self
    }

    /// Leaves out what the request says of who asks.
    #[must_use]
    pub fn without_authorization(mut self) -> Self {
        self.headers.remove(reqwest::header::AUTHORIZATION);
        self
    }

    /// The host it is for.
    pub fn host(&self) -> Option<Host> {
        Host::of(&self.url)
    }

    /// The address without what follows `?`, which may hold what is nobody else's business.
    pub fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }

    /// The method's name.
    pub fn method(&self) -> &str {
        self.method.as_str()
    }
}

fn wrong(part: &'static str, rule: impl Into<String>) -> RequestError {
    RequestError { part, rule: rule.into() }
}

fn read_method(text: &str) -> Result<Method, RequestError> {
    let rule = "an HTTP method such as GET or POST (not CONNECT, not TRACE)";
    let method =
        Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| wrong("method", rule))?;
    if NOT_FOR_SERVERS.contains(&method) || text.len() > 32 { Err(wrong("method", rule)) } else { Ok(method) }
}

/// An address with a host, and no name and password in it. `scheme` completes the sentence.
pub(crate) fn read_url(text: &str) -> Result<Url, RequestError> {
    if text.len() > limits::URL_BYTES {
        return Err(wrong("url", format!("an address of at most {} bytes", limits::URL_BYTES)));
    }
    // The parser leaves such characters out, and so what somebody compared would not be what is asked for.
    if text.contains(|character: char| character.is_control()) {
        return Err(wrong("url", "an address without control characters"));
    }
    let url = Url::parse(text.trim())
        .map_err(|_| wrong("url", "a complete address such as https://api.example.com/path"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("url", "an address without a name and password in it (use secret_auth)"));
    }
    if url.host().is_none() {
        return Err(wrong("url", "an address with a host, such as https://api.example.com/path"));
    }
    Ok(url)
}

pub(crate) fn read_headers<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<HeaderMap, RequestError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let shown: String = name.chars().take(60).collect();
        let parsed = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| {
            wrong(
                "headers",
                format!("a header name without spaces and special characters ({shown:?} is none)"),
            )
        })?;
        if OURS.contains(&parsed.as_str()) || parsed.as_str().starts_with("proxy-") {
            continue;
        }
        if value.len() > limits::REQUEST_HEADER_BYTES {
            return Err(wrong(
                "headers",
                format!("a value of at most {} bytes for {shown}", limits::REQUEST_HEADER_BYTES),
            ));
        }
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| {
            wrong("headers", format!("a value without line breaks and control characters for {shown}"))
        })?;
        map.append(parsed, value);
        if map.len() > limits::REQUEST_HEADERS {
            return Err(wrong("headers", format!("at most {} headers", limits::REQUEST_HEADERS)));
        }
    }
    Ok(map)
}
