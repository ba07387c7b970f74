//! Rate limits with Discord's headers: per-route buckets and the global 50 per second. They follow real time, also
//! when the simulated clock stands still, because the clients that obey them wait in real time.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::Instant;

/// Requests per second for one bot, interaction endpoints not counted.
const GLOBAL: u32 = 50;
/// Buckets remembered; past this, finished ones are forgotten.
const MOST_BUCKETS: usize = 4096;

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    buckets: HashMap<(&'static str, String), Bucket>,
    global: Option<Bucket>,
    global_block: Option<Instant>,
}

#[derive(Debug)]
struct Bucket {
    used: u32,
    resets: Instant,
}

/// A class of routes that share a limit.
struct Class {
    name: &'static str,
    limit: u32,
    window: Duration,
}

/// The limit of first answers to interactions.
const INTERACTION: &str = "interaction";

fn class(method: &Method, path: &[&str]) -> Class {
    let rule = |name, limit, milliseconds| Class { name, limit, window: Duration::from_millis(milliseconds) };
    match (method.as_str(), path) {
        ("POST", ["channels", _, "messages"]) => rule("message-create", 5, 5000),
        ("POST", ["channels", _, "messages", "bulk-delete"]) => rule("message-bulk-delete", 1, 1000),
        ("PATCH", ["channels", _, "messages", _]) => rule("message-edit", 5, 5000),
        ("DELETE", ["channels", _, "messages", _]) => rule("message-delete", 5, 1000),
        ("PUT" | "DELETE", ["channels", _, "messages", _, "reactions", ..]) => rule("reaction", 1, 250),
        (_, ["webhooks", ..]) => rule("webhook", 5, 2000),
        (_, ["interactions", ..]) => rule(INTERACTION, 50, 1000),
        ("GET", _) => rule("read", 50, 1000),
        _ => rule("write", 20, 5000),
    }
}

impl Limits {
    /// Counts a request; gives the headers of its answer, or the refusal. `path` is without `/api/v10`, `wall_ms` real
    /// time as Discord sees it.
    pub(crate) fn take(
        &mut self,
        method: &Method,
        path: &str,
        by_token: bool,
        wall_ms: u64,
    ) -> Result<HeaderMap, Refusal> {
        let now = Instant::now();
        if !by_token {
            if let Some(until) = self.global_block.filter(|until| *until > now) {
                return Err(Refusal {
                    retry_after: seconds(until - now),
                    global: true,
                    headers: HeaderMap::new(),
                });
            }
            let bucket = self.global.get_or_insert(Bucket { used: 0, resets: now });
            if !bucket.take(now, GLOBAL, Duration::from_secs(1)) {
                let retry_after = seconds(bucket.resets - now);
                return Err(Refusal { retry_after, global: true, headers: HeaderMap::new() });
            }
        }
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let class = class(method, &segments);
        // Channel, server and webhook count on their own; a webhook's token belongs to it.
        let major = match segments.as_slice() {
            ["channels" | "guilds", id, ..] => (*id).to_owned(),
            ["webhooks" | "interactions", id, token, ..] => format!("{id}/{token}"),
            _ => String::new(),
        };
        if self.buckets.len() > MOST_BUCKETS {
            self.buckets.retain(|_, bucket| bucket.resets > now);
            if self.buckets.len() > MOST_BUCKETS {
                self.buckets.clear();
            }
        }
        let bucket = self.buckets.entry((class.name, major)).or_insert(Bucket { used: 0, resets: now });
        let taken = bucket.take(now, class.limit, class.window);
        let left = bucket.resets.saturating_duration_since(now);
        let mut headers = HeaderMap::new();
        if taken && class.name == INTERACTION {
            return Ok(headers); // Discord says nothing of a limit where a first answer goes
        }
        let reset_at = wall_ms as f64 / 1000.0 + left.as_secs_f64();
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-ratelimit-limit", class.limit.to_string());
        set("x-ratelimit-remaining", class.limit.saturating_sub(bucket.used).to_string());
        set("x-ratelimit-reset", format!("{reset_at:.3}"));
        set("x-ratelimit-reset-after", format!("{:.3}", seconds(left)));
        set("x-ratelimit-bucket", bucket_name(class.name));
        if taken { Ok(headers) } else { Err(Refusal { retry_after: seconds(left), global: false, headers }) }
    }

    /// Refuses everything with a global 429 for a while.
    pub(crate) fn block_globally(&mut self, how_long: Duration) {
        self.global_block = Some(Instant::now() + how_long);
    }
}

impl Bucket {
    fn take(&mut self, now: Instant, limit: u32, window: Duration) -> bool {
        if now >= self.resets {
            *self = Self { used: 0, resets: now + window };
        }
        if self.used >= limit {
            return false;
        }
        self.used += 1;
        true
    }
}

fn seconds(duration: Duration) -> f64 {
    // Rounded up to the millisecond, so that a client that waits exactly that long is not too early.
    (duration.as_secs_f64() * 1000.0).ceil() / 1000.0
}

/// Discord's bucket names are opaque; this one is a stable hash (FNV-1a) of the class.
fn bucket_name(class: &str) -> String {
    let hash = class.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}{:016x}", hash.rotate_left(29))
}

/// A 429.
#[derive(Debug)]
pub(crate) struct Refusal {
    retry_after: f64,
    global: bool,
    headers: HeaderMap,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let scope = if self.global { "global" } else { "user" };
        let mut response = refused(self.retry_after, scope.to_owned(), self.global);
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A 429 as documented: scope and global only here, never on success.
pub(crate) fn refused(retry_after: f64, scope: String, global: bool) -> Response {
    let body = json!({
        "message": "You are being rate limited.", "retry_after": retry_after, "global": global, "code": 0,
    });
    let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("retry-after", &format!("{:.0}", retry_after.ceil()));
    set("x-ratelimit-scope", &scope);
    if global {
        set("x-ratelimit-global", "true");
    }
    response
}
