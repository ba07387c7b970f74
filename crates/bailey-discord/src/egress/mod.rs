//! The way every request to Discord goes: it waits for limits, is sent, is sent again when that
//! is safe, and its answer is read within bounds. What is asked for is [`crate::rest`]'s business.
//!
//! twilight builds the requests and their routes; they are sent here because its own client
//! repeats a request at once after a global 429.

mod answer;
mod limits;
mod refusals;
mod shares;

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::Tenant;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use tokio::time::{Instant, sleep, timeout};
use twilight_http::request::{Method, Request};

use crate::config::{DiscordConfig, install_tls_provider};
use crate::error::DiscordError;
use answer::{Answer, ReadError, read, refusal, too_many};
use limits::{Bucket, BucketKey, Limits};
use refusals::RefusalCounter;
pub use refusals::Refusals;
use shares::Shares;

/// Time one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Time a call may spend waiting for limits and between attempts, all together.
const PATIENCE: Duration = Duration::from_secs(10);
/// Attempts of one call after failures of the connection or of Discord.
const MOST_ATTEMPTS: u32 = 3;
/// No further attempt begins this long after a call began.
const LAST_BEGIN: Duration = Duration::from_secs(12);
/// The wait after the first failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// The least wait after a 429, whatever it says; it doubles with each further one.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// Sends requests; clones share limits and connections.
#[derive(Debug, Clone)]
pub(crate) struct Egress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    base: String,
    authorization: HeaderValue,
    limits: Limits,
    shares: Shares,
    refusals: RefusalCounter,
}

/// One thing to ask of Discord.
#[derive(Debug)]
pub(crate) struct Call {
    /// Method and route with parameters as names, for limits and logs: tokens are not in it.
    pub(crate) route: &'static str,
    /// The channel, server or token that has a limit of its own.
    pub(crate) place: String,
    /// The request itself.
    pub(crate) request: Request,
    /// Whether it may be sent again.
    pub(crate) again: Again,
    /// The plugin and server in whose name it is asked; `None` for what Bailey asks for itself, and for answers to
    /// interactions.
    pub(crate) tenant: Option<Tenant>,
    /// Whether an interaction's token stands in for the bot's: such calls have no global limit.
    pub(crate) by_interaction: bool,
}

/// When a request may be sent a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Whenever no answer came or Discord failed: doing it twice is the same as doing it once.
    Safe,
    /// Only when it surely never arrived.
    Unsent,
}

/// What Discord answered, and after how many attempts.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) body: Bytes,
}

/// A failure, and after how many attempts.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: DiscordError,
    /// Attempts that may have arrived, the last included.
    pub(crate) attempts: u32,
}

impl From<Failure> for DiscordError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// What one attempt came to.
enum Attempt {
    Answered(Answer),
    /// No connection: it surely never arrived.
    NotSent(String),
    /// It may have arrived.
    Lost(DiscordError),
    TooLarge,
}

impl Egress {
    /// Gets ready to send as the configured bot.
    ///
    /// # Errors
    /// [`DiscordError::Unreachable`] when the token cannot be sent or TLS cannot be set up.
    pub(crate) fn new(config: &DiscordConfig) -> Result<Self, DiscordError> {
        install_tls_provider();
        let mut authorization = HeaderValue::from_str(&format!("Bot {}", config.token.reveal()))
            .map_err(|_| DiscordError::Unreachable("the bot token has characters no token has".to_owned()))?;
        authorization.set_sensitive(true);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(
                "DiscordBot (",
                env!("CARGO_PKG_REPOSITORY"),
                ", ",
                env!("CARGO_PKG_VERSION"),
                ")"
            ))
            .redirect(Policy::none())
            .timeout(ATTEMPT);
        if config.endpoints.is_simulator() {
            // On this machine: no proxies in between, and no certificates needed.
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| {
            DiscordError::Unreachable(format!(
                "TLS cannot be set up ({}); install ca-certificates",
                whole(&error)
            ))
        })?;
        let shared = Shared {
            http,
            base: config.endpoints.rest().to_owned(),
            authorization,
            limits: Limits::default(),
            shares: Shares::new(config.writes_per_minute),
            refusals: RefusalCounter::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(crate) fn refusals(&self) -> Refusals {
        self.shared.refusals.total()
    }

    /// Sends a request and reads the answer. Waits for limits at most ten seconds; gives an error
    /// for every status that is no success.
    pub(crate) async fn execute(&self, call: &Call) -> Result<Outcome, Failure> {
        let mut run = Run { egress: &self.shared, call, patience: Patience::new(), attempts: 0, refused: 0 };
        let outcome = run.complete().await;
        let (attempts, waited) = (run.attempts, run.patience.spent);
        let milliseconds = run.patience.began.elapsed().as_millis() as u64;
        let (route, waited) = (call.route, waited.as_millis() as u64);
        match outcome {
            Ok((status, body)) => {
                tracing::debug!(route, status, attempts, waited, milliseconds, "asked Discord");
                Ok(Outcome { body })
            }
            Err(error) => {
                tracing::info!(route, %error, attempts, waited, milliseconds, "asked Discord in vain");
                Err(Failure { error, attempts })
            }
        }
    }
}

/// One call on its way.
struct Run<'a> {
    egress: &'a Shared,
    call: &'a Call,
    patience: Patience,
    attempts: u32,
    refused: u32,
}

impl Run<'_> {
    async fn complete(&mut self) -> Result<(u16, Bytes), DiscordError> {
        if let Some(retry_after) = self.egress.refusals.pause() {
            tracing::error!("Discord refused so many requests that it may ban this address; sending nothing");
            return Err(DiscordError::RateLimited { retry_after });
        }
        self.take_share().await?;
        let key = BucketKey { route: self.call.route, place: self.call.place.clone() };
        let limited = |retry_after| DiscordError::RateLimited { retry_after };
        let bucket = self.egress.limits.bucket(key).map_err(limited)?;
        // Dropping the future gives the turn back, wherever it was.
        let Ok(_turn) = self.patience.wait_for(bucket.turn.lock()).await else {
            return Err(limited(bucket.wait(Instant::now()).max(Duration::from_secs(1))));
        };
        loop {
            self.wait_for_limits(&bucket).await?;
            bucket.spend(Instant::now());
            match self.attempt().await {
                Attempt::Answered(answer) => {
                    bucket.learn(&answer.headers);
                    if let Some(settled) = self.settle(&bucket, answer).await {
                        return settled;
                    }
                }
                Attempt::NotSent(cause) => {
                    self.pause_or(DiscordError::Unreachable(cause)).await?;
                }
                Attempt::Lost(error) if self.call.again == Again::Safe => self.pause_or(error).await?,
                Attempt::Lost(error) => return Err(error),
                Attempt::TooLarge => return Err(ReadError::too_large()),
            }
        }
    }

    /// Waits for the tenant's share of what the bot may change. Reading takes no share.
    async fn take_share(&mut self) -> Result<(), DiscordError> {
        let Some(tenant) = &self.call.tenant else { return Ok(()) };
        if self.call.request.method() == Method::Get {
            return Ok(());
        }
        while let Err(wait) = self.egress.shares.take(tenant) {
            if !self.patience.sleep(wait).await {
                tracing::info!(%tenant, route = self.call.route, "{tenant} has used up its share of writes for now");
                return Err(DiscordError::RateLimited { retry_after: wait });
            }
        }
        Ok(())
    }

    async fn wait_for_limits(&mut self, bucket: &Bucket) -> Result<(), DiscordError> {
        loop {
            let mut wait = bucket.wait(Instant::now());
            if wait.is_zero() {
                match self.global() {
                    Ok(()) => return Ok(()),
                    Err(longer) => wait = longer,
                }
            }
            if !self.patience.sleep(wait).await {
                return Err(DiscordError::RateLimited { retry_after: wait });
            }
        }
    }

    fn global(&self) -> Result<(), Duration> {
        if self.call.by_interaction { Ok(()) } else { self.egress.limits.take_global() }
    }

    async fn attempt(&mut self) -> Attempt {
        let request = &self.call.request;
        let url = format!("{}/{}", self.egress.base, request.path());
        let method = reqwest::Method::from_bytes(request.method().name().as_bytes()).unwrap_or_default();
        let mut builder = self.egress.http.request(method, url);
        if request.use_authorization_token() && !self.call.by_interaction {
            builder = builder.header(AUTHORIZATION, self.egress.authorization.clone());
        }
        if let Some(headers) = request.headers() {
            builder = builder.headers(headers.clone());
        }
        if let Some(form) = request.form() {
            builder = builder.header(CONTENT_TYPE, form.content_type()).body(form.clone().build());
        } else if let Some(body) = request.body() {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.to_vec());
        }
        let answered = match builder.send().await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() => return Attempt::NotSent(whole(&error)),
            Err(error) => Err(ReadError::Broken(error)),
        };
        self.attempts += 1;
        match answered {
            Ok(answer) => Attempt::Answered(answer),
            Err(ReadError::TooLarge) => Attempt::TooLarge,
            Err(ReadError::Broken(error)) if error.is_timeout() => Attempt::Lost(DiscordError::Timeout),
            Err(ReadError::Broken(error)) => Attempt::Lost(DiscordError::Unreachable(whole(&error))),
        }
    }

    /// What an answer means; `None` when the request is to be sent again now.
    async fn settle(
        &mut self,
        bucket: &Bucket,
        answer: Answer,
    ) -> Option<Result<(u16, Bytes), DiscordError>> {
        match answer.status {
            200..=299 => Some(Ok((answer.status, answer.body))),
            429 => {
                let told = too_many(&answer);
                if !told.shared {
                    self.egress.refusals.count(429);
                }
                // A 429 is not done, so sending again is safe; but never at once.
                let wait = told.wait.max(LEAST_WAIT * 2_u32.saturating_pow(self.refused.min(16)));
                self.refused += 1;
                self.attempts -= 1;
                let (route, milliseconds) = (self.call.route, wait.as_millis() as u64);
                tracing::warn!(route, milliseconds, global = told.global, "Discord says 429; waiting");
                if told.global && !self.call.by_interaction {
                    self.egress.limits.block_globally(wait);
                } else {
                    bucket.block(wait);
                }
                None
            }
            500..=599 => {
                let error = DiscordError::Unreachable(format!("it answered {}", answer.status));
                if self.call.again != Again::Safe {
                    return Some(Err(error));
                }
                self.pause_or(error).await.err().map(Err)
            }
            status => {
                self.egress.refusals.count(status);
                Some(Err(refusal(&answer)))
            }
        }
    }

    /// Waits before another attempt, or gives the error back when there is none.
    async fn pause_or(&mut self, error: DiscordError) -> Result<(), DiscordError> {
        self.patience.failures += 1;
        let failures = self.patience.failures;
        let wait = FIRST_BACKOFF * 2_u32.saturating_pow(failures - 1);
        if failures >= MOST_ATTEMPTS
            || self.patience.began.elapsed() + wait > LAST_BEGIN
            || !self.patience.sleep(wait).await
        {
            return Err(error);
        }
        tracing::debug!(route = self.call.route, %error, "asking Discord again");
        Ok(())
    }
}

/// How long a call still waits.
struct Patience {
    began: Instant,
    spent: Duration,
    failures: u32,
}

impl Patience {
    fn new() -> Self {
        Self { began: Instant::now(), spent: Duration::ZERO, failures: 0 }
    }

    fn left(&self) -> Duration {
        PATIENCE.saturating_sub(self.spent)
    }

    /// Waits, or says at once that this is too long.
    async fn sleep(&mut self, wait: Duration) -> bool {
        if wait > self.left() {
            return false;
        }
        // A hair more, because timers and Discord's clock round differently.
        sleep(wait + Duration::from_millis(2)).await;
        self.spent += wait;
        true
    }

    async fn wait_for<T>(&mut self, what: impl Future<Output = T>) -> Result<T, ()> {
        let began = Instant::now();
        let got = timeout(self.left(), what).await.map_err(drop);
        self.spent += began.elapsed();
        got
    }
}

/// An error with its causes, without the URL: paths of interactions hold tokens.
fn whole(error: &reqwest::Error) -> String {
    let mut text = if error.is_connect() { "no connection" } else { "the connection broke" }.to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
