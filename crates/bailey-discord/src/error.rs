//! Why a request to Discord failed, and what a plugin is told of it.

use std::time::Duration;

use bailey_protocol::CallError;

/// Why a request did not do what it was meant to.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DiscordError {
    /// Discord said no.
    #[error("Discord refused with {status}: {message} (code {code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Discord's error code, 0 if it gave none.
        code: u64,
        /// Discord's words, with the fields it complains about.
        message: String,
    },
    /// A limit was reached, and waiting it out would take too long.
    #[error("Discord's rate limit is reached; try again in {} s", .retry_after.as_secs_f64().ceil())]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// No connection, or Discord itself is failing.
    #[error("Discord could not be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("Discord did not answer in time")]
    Timeout,
    /// An answer that is none.
    #[error("Discord's answer could not be read: {0}")]
    Malformed(String),
}

impl From<DiscordError> for CallError {
    /// Causes on the way to Discord stay in the log; Discord's own words are passed on.
    fn from(error: DiscordError) -> Self {
        match error {
            DiscordError::Refused { status, code, message } => Self::Discord { status, code, message },
            DiscordError::RateLimited { retry_after } => {
                Self::RateLimited { scope: "discord".to_owned(), retry_after }
            }
            DiscordError::Unreachable(_) => {
                Self::Discord { status: 503, code: 0, message: "Discord is not reachable".to_owned() }
            }
            DiscordError::Timeout => Self::Timeout { what: "Discord" },
            DiscordError::Malformed(_) => {
                Self::Discord { status: 502, code: 0, message: "unreadable answer".to_owned() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_see_the_status_and_never_the_cause() {
        let cause = DiscordError::Unreachable("tcp connect 10.0.0.1".to_owned());
        assert_eq!(CallError::from(cause).to_string(), "Discord API error 503 - Discord is not reachable");
        let refused =
            DiscordError::Refused { status: 403, code: 50013, message: "Missing Permissions".to_owned() };
        assert_eq!(
            CallError::from(refused).to_string(),
            "Discord API error 403 - missing-permissions (code 50013)"
        );
        let limited = DiscordError::RateLimited { retry_after: Duration::from_secs(12) };
        assert!(CallError::from(limited).to_string().contains("(retry in 12s)"));
    }
}
