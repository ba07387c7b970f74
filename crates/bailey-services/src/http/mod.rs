//! `proxy.request`: what a plugin asks other servers, within what its server agreed to.

mod record;

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;

use bailey_outbound::{Answer, FetchError, NameError, Network, Outbound, Request, RequestError};
use bailey_protocol::capability::{ProxyHttp, StorageSecrets};
use bailey_protocol::method::proxy::{ProxyAnswer, ProxyRequest};
use bailey_protocol::{CallError, Grant, Tenant};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use self::record::Answered;
pub use self::record::Record;
use crate::hosts::{AllowedHosts, Way};
use crate::secrets::Secrets;

/// How often keys of the rate limit that are not in use are thrown away: once in so many requests.
const FORGET_EVERY: u64 = 10_000;

/// What a plugin may do with `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnAuthorization {
    /// It is sent as the plugin wrote it, unless it names a secret.
    #[default]
    Sent,
    /// It is left out: credentials are secrets, or nothing.
    LeftOut,
}

/// The service. A cheap clone.
#[derive(Clone)]
pub struct Http {
    outbound: Outbound,
    hosts: AllowedHosts,
    secrets: Secrets,
    own_authorization: OwnAuthorization,
    pace: Arc<Pace>,
    record: Option<Arc<Record>>,
}

struct Pace {
    limiter: RateLimiter<Tenant, DefaultKeyedStateStore<Tenant>, DefaultClock>,
    clock: DefaultClock,
    taken: std::sync::atomic::AtomicU64,
}

impl Http {
    /// The service on its way out; each plugin may ask `per_minute` times a minute on each server.
    pub fn new(
        outbound: Outbound,
        hosts: AllowedHosts,
        secrets: Secrets,
        own_authorization: OwnAuthorization,
        per_minute: NonZeroU32,
    ) -> Self {
        let clock = DefaultClock::default();
        let pace = Pace {
            limiter: RateLimiter::new(
                Quota::per_minute(per_minute),
                DefaultKeyedStateStore::default(),
                clock.clone(),
            ),
            clock,
            taken: Default::default(),
        };
        Self { outbound, hosts, secrets, own_authorization, pace: Arc::new(pace), record: None }
    }

    /// The same, writing down what other servers answer.
    #[must_use]
    pub fn recording(mut self, record: Option<Arc<Record>>) -> Self {
        self.record = record;
        self
    }

    /// What is on the other side.
    pub fn network(&self) -> &Network {
        self.outbound.network()
    }

    /// `proxy.request`. `secrets` is the right to use them, if the plugin has it; `domains` is what the server
    /// agreed to.
    ///
    /// # Errors
    /// [`CallError::Validation`] for what is no request, [`CallError::HostNotAllowed`], [`CallError::RateLimited`],
    /// [`CallError::Secret`], and [`CallError::Proxy`] when there is no answer. A status such as 404 is an answer.
    pub async fn request(
        &self,
        grant: &Grant<ProxyHttp>,
        secrets: Result<Grant<StorageSecrets>, CallError>,
        domains: &[String],
        params: ProxyRequest,
    ) -> Result<ProxyAnswer, CallError> {
        let tenant = grant.tenant();
        let headers = params.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = params.body.map(Into::into);
        let mut request = Request::new(&params.method, &params.url, headers, body).map_err(wrong)?;
        self.pace.take(tenant)?;
        if self.own_authorization == OwnAuthorization::LeftOut {
            request = request.without_authorization();
        }
        if let (Some(auth), Some(host)) = (&params.auth, request.host()) {
            let credential = self.secrets.credential(&secrets?, auth, &host).await?;
            request = request.with_credential(credential);
        }
        let reach = self.hosts.reach(tenant, Way::Http, domains).await?;
        let (method, url) = (request.method().to_owned(), request.shown_url());
        let whole_url = self.record.as_ref().map(|_| self.secrets.blot(tenant, &params.url).into_owned());
        let asker = tenant.to_string();
        let answer = self.outbound.fetch(&asker, &reach, request).await;
        match answer {
            Ok(answer) => {
                tracing::debug!(%tenant, method, url, status = answer.status, bytes = answer.body.len(), "asked another server");
                let shown = self.shown(tenant, answer);
                if let (Some(record), Some(url)) = (&self.record, whole_url) {
                    let (headers, body) = (&shown.headers, &shown.body);
                    let (status, body_b64) = (shown.status, shown.body_b64.as_deref());
                    record.note(&Answered { method: &method, url: &url, status, headers, body, body_b64 });
                }
                Ok(shown)
            }
            Err(error) => {
                tracing::debug!(%tenant, method, url, %error, "asked another server in vain");
                Err(self.clean(tenant, refused(error)))
            }
        }
    }

    /// The answer as the plugin reads it, without secrets it must not read.
    fn shown(&self, tenant: &Tenant, answer: Answer) -> ProxyAnswer {
        let headers = answer.headers.into_iter();
        let headers =
            headers.map(|(name, value)| (name, self.secrets.blot_bound_text(tenant, &value).into_owned()));
        let bytes = self.secrets.blot_bound(tenant, answer.body.into(), answer.truncated);
        let text = String::from_utf8_lossy(&bytes);
        let body_b64 = matches!(text, Cow::Owned(_)).then(|| STANDARD.encode(&bytes));
        let body = text.into_owned();
        ProxyAnswer {
            ok: (200..300).contains(&answer.status),
            status: answer.status,
            headers: headers.collect(),
            body_bytes: body.clone(),
            body,
            body_b64,
            truncated: answer.truncated,
        }
    }

    fn clean(&self, tenant: &Tenant, error: CallError) -> CallError {
        match error {
            CallError::Proxy(reason) => CallError::Proxy(self.secrets.blot(tenant, &reason).into_owned()),
            error => error,
        }
    }
}

impl Pace {
    fn take(&self, tenant: &Tenant) -> Result<(), CallError> {
        if self.taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(tenant).map_err(|until| CallError::RateLimited {
            scope: "proxy.request".to_owned(),
            retry_after: until.wait_time_from(self.clock.now()),
        })
    }
}

pub(crate) fn wrong(error: RequestError) -> CallError {
    CallError::validation(error.part, error.rule)
}

/// Why there is no answer, in the words a plugin gets.
pub(crate) fn refused(error: FetchError) -> CallError {
    match error {
        FetchError::Request(error) => wrong(error),
        FetchError::NotListed { host, redirected } => CallError::HostNotAllowed {
            reason: format!(
                "{}it is not among the hosts this server agreed to; name it in proxy_domains_requested in \
                 manifest.json, or let an administrator add it with http.allow_host",
                if redirected { "a redirect led there, and " } else { "" }
            ),
            host: host.to_string(),
        },
        FetchError::OtherPort { host, port } => CallError::HostNotAllowed {
            reason: format!(
                "it may be asked on ports 80 and 443, and not on {port} unless that is named with it"
            ),
            host: host.to_string(),
        },
        FetchError::Name(NameError::NotPublic { host, address }) => CallError::HostNotAllowed {
            reason: format!("it is at {address}, which is not on the internet"),
            host: host.to_string(),
        },
        error => CallError::Proxy(error.to_string()),
    }
}
