//! How Discord wants the bot spread over connections.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use serde::Deserialize;
use twilight_http::request::Request;
use twilight_http::routing::Route;

use super::Rest;
use crate::egress::{Again, Call};
use crate::error::DiscordError;
use crate::shard::{SessionStarts, ShardPlan};

/// Discord's answer.
#[derive(Deserialize)]
struct Advice {
    shards: u32,
    session_start_limit: StartLimit,
}

#[derive(Deserialize)]
struct StartLimit {
    total: u32,
    remaining: u32,
    /// In milliseconds.
    reset_after: u64,
    max_concurrency: u16,
}

impl Rest {
    /// Asks Discord how many shards it recommends, which `wanted` overrules, and how many sessions may be begun.
    ///
    /// # Errors
    /// When Discord refuses or cannot be reached, or recommends a number that makes no sense.
    pub async fn shard_plan(&self, wanted: Option<NonZeroU32>) -> Result<ShardPlan, DiscordError> {
        let advice: Advice = self
            .ask(Call {
                route: "GET /gateway/bot",
                place: String::new(),
                request: Request::from_route(&Route::GetGatewayBot),
                again: Again::Safe,
                tenant: None,
                by_interaction: false,
            })
            .await?;
        let recommended = NonZeroU32::new(advice.shards).filter(|shards| shards.get() <= ShardPlan::MOST);
        let shards = wanted.or(recommended).ok_or_else(|| {
            DiscordError::Malformed(format!("it recommends {} shards for the bot", advice.shards))
        })?;
        let StartLimit { total, remaining, reset_after, max_concurrency } = advice.session_start_limit;
        Ok(ShardPlan {
            shards,
            starts: SessionStarts {
                total,
                remaining,
                reset_after: Duration::from_millis(reset_after),
                max_concurrency: NonZeroU16::new(max_concurrency).unwrap_or(NonZeroU16::MIN),
            },
        })
    }
}
