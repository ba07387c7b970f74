//! A network of answers somebody wrote down: what a plugin meets in a script, where nothing leaves the machine.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fetch::FetchError;
use crate::request::Request;

/// Requests remembered for whoever wants to know what was asked.
const REMEMBERED: usize = 1_000;

/// One answer, and what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// HTTP method; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The address; with `*` at its end, all that begin so.
    pub url: String,
    /// HTTP status of the answer.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers of the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as JSON, in place of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// The body as base64, in place of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_b64: Option<String>,
    /// How often it answers; then the next one that fits does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// There is no answer, and this is why: `timeout` or `refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<Failing>,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failing {
    /// Nobody answers in time. It is said at once.
    Timeout,
    /// Nobody listens.
    Refused,
}

fn ok() -> u16 {
    200
}

/// A request as it would have left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// HTTP method.
    pub method: String,
    /// The address.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
}

/// The answers, and what was asked so far.
#[derive(Debug, Default)]
pub struct Fixtures {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fixtures: Vec<Ready>,
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Ready {
    fixture: Fixture,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    left: Option<u32>,
}

pub(crate) struct Canned {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Fixtures {
    /// Adds an answer; of two that fit, the one added first answers.
    ///
    /// # Errors
    /// A sentence when it cannot be given.
    pub fn add(&self, fixture: Fixture) -> Result<(), String> {
        let ready = Ready::read(fixture)?;
        self.lock().fixtures.push(ready);
        Ok(())
    }

    /// What was asked, in order: the latest thousand.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn answer(&self, request: &Request, headers: &HeaderMap) -> Result<Canned, FetchError> {
        let (method, url) = (request.method.as_str(), request.url.as_str());
        let mut state = self.lock();
        if state.seen.len() < REMEMBERED {
            let flat = headers
                .iter()
                .map(|(name, value)| {
                    let shown = if value.is_sensitive() {
                        "(a secret)".into()
                    } else {
                        String::from_utf8_lossy(value.as_bytes())
                    };
                    (name.as_str().to_owned(), shown.into_owned())
                })
                .collect();
            let body = request.body.as_deref().map(|body| String::from_utf8_lossy(body).into_owned());
            state.seen.push(Seen {
                method: method.to_owned(),
                url: url.to_owned(),
                headers: flat,
                body: body.unwrap_or_default(),
            });
        }
        let fits = |ready: &&mut Ready| ready.left != Some(0) && ready.fits(method, url);
        let Some(ready) = state.fixtures.iter_mut().find(fits) else {
            return Err(FetchError::NoFixture { method: method.to_owned(), url: url.to_owned() });
        };
        if let Some(left) = &mut ready.left {
            *left -= 1;
        }
        match ready.fixture.fails {
            Some(Failing::Timeout) => Err(FetchError::TimedOut("connect timeout")),
            Some(Failing::Refused) => Err(FetchError::Broken("no connection: Connection refused".to_owned())),
            None => {
                Ok(Canned { status: ready.status, headers: ready.headers.clone(), body: ready.body.clone() })
            }
        }
    }
}

impl Ready {
    fn read(fixture: Fixture) -> Result<Self, String> {
        let shown = &fixture.url;
        let status = StatusCode::from_u16(fixture.status)
            .map_err(|_| format!("{} is no HTTP status (fixture for {shown})", fixture.status))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &fixture.headers {
            let wrong = || format!("{name:?} is no header (fixture for {shown})");
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?,
                HeaderValue::from_str(value).map_err(|_| wrong())?,
            );
        }
        let body = match (&fixture.body, &fixture.json, &fixture.body_b64) {
            (None, None, None) => Bytes::new(),
            (Some(text), None, None) => Bytes::from(text.clone()),
            (None, Some(json), None) => {
                headers.entry("content-type").or_insert(HeaderValue::from_static("application/json"));
                Bytes::from(json.to_string())
            }
            (None, None, Some(text)) => STANDARD
                .decode(text)
                .map_err(|_| format!("body_b64 is no base64 (fixture for {shown})"))?
                .into(),
            _ => return Err(format!("a fixture has one of body, json and body_b64 (fixture for {shown})")),
        };
        Ok(Self { status, headers, body, left: fixture.times, fixture })
    }

    fn fits(&self, method: &str, url: &str) -> bool {
        let fixture = &self.fixture;
        fixture.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && match fixture.url.strip_suffix('*') {
                Some(beginning) => url.starts_with(beginning),
                None => url == fixture.url || url.strip_suffix('/') == Some(&fixture.url),
            }
    }
}
