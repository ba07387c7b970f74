//! The kit itself, and the fixtures it leads to.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by stopping")]

mod fixtures;
mod redis;
mod starters;

use std::path::Path;

/// Environments are kept between runs.
fn cache() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
