//! Which Redis to use: its address, read once from the operator's URL.

use std::fmt;

/// Why a Redis cannot be used by the URL given.
#[derive(Debug, thiserror::Error)]
#[error(
    "the URL of Redis cannot be used: {reason}; hint: it reads redis://[[user]:password@]host[:port][/number] \
     or redis+unix:///path/to/socket, without encryption"
)]
pub struct RedisUrlError {
    reason: String,
}

/// A Redis 7 server, known by its URL and not yet spoken to. Shows without its password.
#[derive(Clone)]
pub struct RedisServer {
    pub(super) client: redis::Client,
}

impl RedisServer {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`RedisUrlError`] when it is none, or asks for encryption.
    pub fn parse(url: &str) -> Result<Self, RedisUrlError> {
        match redis::Client::open(url) {
            Ok(client) => Ok(Self { client }),
            Err(error) => {
                let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
                Err(RedisUrlError { reason: format!("{}{detail}", error.category()) })
            }
        }
    }
}

impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.get_connection_info().addr().fmt(f)
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisServer({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_shows_without_its_password() {
        let server = RedisServer::parse("redis://bailey:hunter2@cache.example:6380/3").unwrap();
        assert_eq!(format!("{server} {server:?}"), "cache.example:6380 RedisServer(cache.example:6380)");
        let server = RedisServer::parse("redis+unix:///run/redis.sock").unwrap();
        assert_eq!(server.to_string(), "/run/redis.sock");
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_with_a_way_forward_and_no_password() {
        for url in ["http://user:hunter2@host", "redis//user:hunter2@host", "rediss://:hunter2@host", ""] {
            let refusal = RedisServer::parse(url).unwrap_err().to_string();
            assert!(refusal.contains("redis://[[user]:password@]host"), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}
