//! What can be asked of Discord, one function a thing. How a request travels is
//! [`crate::egress`]'s business; who may ask is decided before it comes here.

mod application;
mod asker;
pub(crate) mod callback;
pub(crate) mod commands;
mod gateway;
mod guild;
mod interaction;
mod message;
mod messages;
mod read;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use twilight_http::request::Request;
use twilight_http::routing::Route;

use crate::config::DiscordConfig;
use crate::egress::{Again, Call, Egress, Outcome, Refusals};
use crate::error::DiscordError;
pub use application::{Application, Withheld};
pub use asker::Asker;
pub use interaction::Original;

/// Discord's flags of a message.
pub(crate) mod flag {
    /// Only one person sees it.
    pub(crate) const EPHEMERAL: u64 = 1 << 6;
    /// It says "thinking": an answer will take its place.
    pub(crate) const LOADING: u64 = 1 << 7;
}

/// Asks things of Discord as one bot. Cheap to clone; clones share limits and connections.
///
/// Every call waits for Discord's limits itself, at most ten seconds all together, and ends within
/// twenty-five. Dropping the future of a call is safe.
#[derive(Debug, Clone)]
pub struct Rest {
    egress: Egress,
    nonces: Arc<Nonces>,
}

impl Rest {
    /// Gets ready to send, and asks Discord who the token belongs to.
    ///
    /// # Errors
    /// [`DiscordError::Refused`] with 401 for a token that is not accepted, or when Discord cannot
    /// be reached.
    pub async fn connect(config: &DiscordConfig) -> Result<(Self, Application), DiscordError> {
        let rest = Self { egress: Egress::new(config)?, nonces: Arc::new(Nonces::new()) };
        let route = Route::GetCurrentUserApplicationInfo;
        let application = rest
            .ask(Call {
                route: "GET /applications/@me",
                place: String::new(),
                request: Request::from_route(&route),
                again: Again::Safe,
                tenant: None,
                by_interaction: false,
            })
            .await?;
        Ok((rest, application))
    }

    /// How many answers Discord holds against the bot, since the start.
    pub fn refusals(&self) -> Refusals {
        self.egress.refusals()
    }

    async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, DiscordError> {
        read(&self.egress.execute(&call).await?)
    }
}

fn read<T: DeserializeOwned>(outcome: &Outcome) -> Result<T, DiscordError> {
    serde_json::from_slice(&outcome.body).map_err(|error| DiscordError::Malformed(error.to_string()))
}

fn build(route: &Route<'_>, body: &impl serde::Serialize) -> Result<Request, DiscordError> {
    let unwritable = |error| DiscordError::Malformed(format!("the request could not be written: {error}"));
    Request::builder(route).json(body).build().map_err(unwritable)
}

/// Names for messages, so that one sent twice appears once. Unique, not secret.
#[derive(Debug)]
struct Nonces {
    run: u64,
    next: AtomicU64,
}

impl Nonces {
    fn new() -> Self {
        // The standard library seeds this from the operating system; only uniqueness matters.
        Self { run: RandomState::new().build_hasher().finish(), next: AtomicU64::new(0) }
    }

    /// At most the 25 characters Discord takes.
    fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:012x}{:012x}", self.run & 0xffff_ffff_ffff, number & 0xffff_ffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_short_and_never_the_same() {
        let (one, other) = (Nonces::new(), Nonces::new());
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            for nonce in [one.next(), other.next()] {
                assert!(nonce.len() <= 25);
                assert!(seen.insert(nonce));
            }
        }
    }
}
