//! One HTTP request from its address to its answer, redirects included.

use std::error::Error as _;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::sync::Cache;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION,
    USER_AGENT,
};
use reqwest::{Client, Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::fixtures::Fixtures;
use crate::host::Host;
use crate::limits;
use crate::names::{NameError, NameServers, Names};
use crate::permit::Permit;
use crate::reach::{Breadth, Reach, Verdict};
use crate::request::{Request, RequestError};
use crate::tls::Trust;

/// What servers are told of who asks, unless the plugin says otherwise.
pub(crate) const AGENT: &str = concat!("Bailey/", env!("CARGO_PKG_VERSION"));
/// Headers of an answer that say how it was carried, not what it is.
const CARRIAGE: &[&str] =
    &["connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"];

/// What the way out is made of.
#[derive(Clone)]
pub struct OutboundConfig {
    /// Who is asked for names.
    pub name_servers: NameServers,
    /// Hosts that are not on the internet and may be reached all the same.
    pub permits: Vec<Permit>,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// What is on the other side.
    pub network: Network,
}

/// What is on the other side.
#[derive(Clone)]
pub enum Network {
    /// The internet.
    Internet,
    /// Answers somebody wrote down; nothing leaves this machine.
    Fixtures(Arc<Fixtures>),
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers by their name in lower case; several of one name are joined by a comma.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Bytes,
    /// Whether the body was longer than [`limits::ANSWER_BODY_BYTES`].
    pub truncated: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address is wrong in itself.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The host is on no list.
    #[error("{host} is not on the list of hosts")]
    NotListed {
        /// Which.
        host: Host,
        /// Whether a redirect led there.
        redirected: bool,
    },
    /// The host is on the list, but not on this port.
    #[error("{host} may not be asked on port {port}")]
    OtherPort {
        /// Which.
        host: Host,
        /// Which.
        port: u16,
    },
    /// There is no address that may be connected to.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What was to prove who asks is for another host, or the connection could be read by others.
    #[error("the credential is for {credential}, over https only, and does not go to {host}")]
    Credential {
        /// Whom it is for.
        credential: Host,
        /// Whom it would have gone to.
        host: Host,
    },
    /// One redirect after the other.
    #[error("more than {} redirects", limits::REDIRECTS)]
    TooManyRedirects,
    /// It took too long.
    #[error("{0}")]
    TimedOut(&'static str),
    /// The connection did not come about, or broke.
    #[error("{0}")]
    Broken(String),
    /// Nobody wrote an answer down.
    #[error("no fixture answers {method} {url}")]
    NoFixture {
        /// HTTP method.
        method: String,
        /// The address.
        url: String,
    },
}

/// The way out. A cheap clone.
#[derive(Clone)]
pub struct Outbound {
    shared: Arc<Shared>,
}

struct Shared {
    names: Names,
    trust: Trust,
    network: Network,
    /// By who asks: connections are nobody else's.
    clients: Cache<String, Client>,
    at_once: Semaphore,
}

impl Outbound {
    /// Opens the way out.
    ///
    /// # Errors
    /// A sentence when this machine's name servers cannot be found out.
    pub fn open(config: OutboundConfig) -> Result<Self, String> {
        let shared = Shared {
            names: Names::new(&config.name_servers, config.permits)?,
            trust: config.trust,
            network: config.network,
            clients: Cache::new(limits::CLIENTS),
            at_once: Semaphore::new(limits::REQUESTS_AT_ONCE),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Where hosts are.
    pub fn names(&self) -> &Names {
        &self.shared.names
    }

    /// What is on the other side.
    pub fn network(&self) -> &Network {
        &self.shared.network
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.shared.trust
    }

    /// Whether a host an administrator wants to add is one that can be added.
    ///
    /// # Errors
    /// [`NameError`] when it is not on the internet, or nowhere.
    pub async fn try_host(&self, host: &Host) -> Result<(), NameError> {
        match self.shared.network {
            Network::Internet => self.shared.names.find(host).await.map(drop),
            Network::Fixtures(_) => match host {
                Host::Address(_) => self.shared.names.find(host).await.map(drop),
                Host::Name(_) => Ok(()),
            },
        }
    }

    /// Sends a request for `asker`, who may reach `reach`, and follows where it leads. Connections are kept for
    /// the same asker alone.
    ///
    /// # Errors
    /// [`FetchError`]; that a server answers 404 or 500 is no error.
    pub async fn fetch(&self, asker: &str, reach: &Reach, request: Request) -> Result<Answer, FetchError> {
        let deadline = Instant::now() + limits::REQUEST_TIME;
        let slow = |_| FetchError::TimedOut("no answer in time");
        let _turn = timeout_at(deadline, self.shared.at_once.acquire()).await.map_err(slow)?;
        timeout_at(deadline, self.follow(asker, reach, request)).await.map_err(slow)?
    }

    async fn follow(&self, asker: &str, reach: &Reach, mut request: Request) -> Result<Answer, FetchError> {
        for hop in 0..=limits::REDIRECTS {
            let host =
                self.check(reach, &request.url, Breadth::WithSubdomains, &["http", "https"], hop > 0)?;
            let found = self.send(asker, &host, &request, hop > 0).await?;
            match redirect(&request, found.status, &found.headers) {
                Some(next) => request = next,
                None => return found.read().await,
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    /// The host of an address that may be reached.
    pub(crate) fn check(
        &self,
        reach: &Reach,
        url: &Url,
        breadth: Breadth,
        schemes: &[&str],
        redirected: bool,
    ) -> Result<Host, FetchError> {
        let scheme_rule =
            || RequestError { part: "url", rule: format!("an address that begins with {}", or(schemes)) };
        if !schemes.contains(&url.scheme()) {
            return Err(scheme_rule().into());
        }
        let (Some(host), Some(port)) = (Host::of(url), url.port_or_known_default()) else {
            return Err(scheme_rule().into());
        };
        match reach.verdict(&host, port, breadth) {
            Verdict::Allowed => Ok(host),
            Verdict::OtherPort if self.shared.names.opens(&host, port) => Ok(host),
            Verdict::OtherPort => Err(FetchError::OtherPort { host, port }),
            Verdict::NotListed => Err(FetchError::NotListed { host, redirected }),
        }
    }

    /// The header that proves who asks, if there is one and it may go there. A redirect elsewhere goes on without;
    /// an address of the plugin's own that cannot have it is an error, so that nobody wonders.
    fn authorization<'a>(
        &self,
        request: &'a Request,
        host: &Host,
        redirected: bool,
    ) -> Result<Option<&'a HeaderValue>, FetchError> {
        let Some(credential) = &request.credential else { return Ok(None) };
        // On the operator's own network the operator answers for who listens.
        let is_private = matches!(request.url.scheme(), "https" | "wss") || self.shared.names.permits(host);
        match credential.for_host(host, is_private) {
            None if !redirected => {
                Err(FetchError::Credential { credential: credential.host().clone(), host: host.clone() })
            }
            found => Ok(found),
        }
    }

    /// One request, without following.
    async fn send(
        &self,
        asker: &str,
        host: &Host,
        request: &Request,
        redirected: bool,
    ) -> Result<Found, FetchError> {
        let mut headers = request.headers.clone();
        if let Some(value) = self.authorization(request, host, redirected)? {
            headers.insert(AUTHORIZATION, value.clone());
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        match &self.shared.network {
            Network::Fixtures(fixtures) => {
                if let Host::Address(_) = host {
                    self.shared.names.find(host).await?; // also here a plugin is told that it may not
                }
                let canned = fixtures.answer(request, &headers)?;
                Ok(Found { status: canned.status, headers: canned.headers, body: Body::Canned(canned.body) })
            }
            Network::Internet => {
                if let Host::Address(_) = host {
                    self.shared.names.find(host).await?; // no name, so nobody else will ask for it
                }
                let client = self.client(asker)?;
                let mut sent = client.request(request.method.clone(), request.url.clone()).headers(headers);
                if let Some(body) = &request.body {
                    sent = sent.body(body.clone());
                }
                let answer = sent.send().await.map_err(|error| broken(&error, "no connection in time"))?;
                let (status, headers) = (answer.status(), answer.headers().clone());
                Ok(Found { status, headers, body: Body::Live(Box::new(answer)) })
            }
        }
    }

    fn client(&self, asker: &str) -> Result<Client, FetchError> {
        self.shared
            .clients
            .get_or_insert_with(asker, || {
                Client::builder()
                    .no_proxy()
                    .redirect(reqwest::redirect::Policy::none())
                    .referer(false)
                    .dns_resolver(Arc::new(CheckedNames(self.shared.names.clone())))
                    .tls_backend_preconfigured(self.shared.trust.alone(&[b"h2", b"http/1.1"]))
                    .connect_timeout(limits::CONNECT_TIME)
                    .pool_idle_timeout(limits::IDLE_TIME)
                    .pool_max_idle_per_host(limits::IDLE_CONNECTIONS_PER_HOST)
                    .build()
            })
            .map_err(|error| FetchError::Broken(format!("no client: {error}")))
    }
}

fn or(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word}://")).collect::<Vec<_>>().join(" or ")
}

/// An answer of which the body is not read yet.
struct Found {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

enum Body {
    Live(Box<reqwest::Response>),
    Canned(Bytes),
}

impl Found {
    async fn read(self) -> Result<Answer, FetchError> {
        let (body, truncated) = match self.body {
            Body::Canned(bytes) => (
                bytes.slice(..bytes.len().min(limits::ANSWER_BODY_BYTES)),
                bytes.len() > limits::ANSWER_BODY_BYTES,
            ),
            Body::Live(mut response) => {
                let mut body = Vec::new();
                let mut truncated = false;
                // Decompressed piece by piece, and no further than wanted.
                while let Some(piece) =
                    response.chunk().await.map_err(|error| broken(&error, "no answer in time"))?
                {
                    let room = limits::ANSWER_BODY_BYTES - body.len();
                    body.extend_from_slice(&piece[..piece.len().min(room)]);
                    if piece.len() > room {
                        truncated = true;
                        break;
                    }
                }
                (body.into(), truncated)
            }
        };
        Ok(Answer { status: self.status.as_u16(), headers: flat(&self.headers), body, truncated })
    }
}

/// Headers as plugins read them, within the bytes they may have together.
fn flat(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = limits::ANSWER_HEADER_BYTES;
    let mut flat = Vec::new();
    for name in headers.keys().filter(|name| !CARRIAGE.contains(&name.as_str())) {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        let value = values.join(", ");
        let Some(left) = room.checked_sub(name.as_str().len() + value.len()) else { continue };
        room = left;
        flat.push((name.as_str().to_owned(), value));
    }
    flat
}

/// The request a redirect leads to, if the answer is one that can be followed.
fn redirect(request: &Request, status: StatusCode, headers: &HeaderMap) -> Option<Request> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let url = request.url.join(location).ok()?;
    let mut next = request.clone();
    // As browsers and curl do it.
    let becomes_get = match status.as_u16() {
        303 => request.method != Method::HEAD,
        301 | 302 => request.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
        next.body = None;
        for header in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
            next.headers.remove(header);
        }
    }
    if url.origin() != request.url.origin() {
        for header in [AUTHORIZATION, COOKIE] {
            next.headers.remove(header);
        }
    }
    next.url = url;
    Some(next)
}

/// Puts a failed request in words that name no address of ours.
fn broken(error: &reqwest::Error, slow: &'static str) -> FetchError {
    let mut cause = error.source();
    let mut last = None;
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<NameError>() {
            return error.clone().into();
        }
        last = Some(inner);
        cause = inner.source();
    }
    if error.is_timeout() {
        return FetchError::TimedOut(if error.is_connect() { "connect timeout" } else { slow });
    }
    let what = if error.is_connect() {
        "no connection"
    } else if error.is_decode() || error.is_body() {
        "the answer broke off"
    } else {
        "the request failed"
    };
    FetchError::Broken(match last {
        Some(last) => format!("{what}: {last}"),
        None => what.to_owned(),
    })
}

/// Looks at each address before it is connected to.
struct CheckedNames(Names);

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.0.clone();
        Box::pin(async move {
            let host: Host = name.as_str().strip_suffix('.').unwrap_or(name.as_str()).parse()?;
            let addresses = names.find(&host).await?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbound")
    }
}
