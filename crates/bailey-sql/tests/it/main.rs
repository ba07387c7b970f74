//! What becomes of statements, as texts: the whole of it, to be read.
#![allow(clippy::unwrap_used, reason = "a test that meets an error is over")]

mod changes;
mod data;
mod refusals;

use bailey_sql::{Script, Space, analyse};

/// A space whose tables servers share.
fn shared() -> Space {
    Space::new(7, "demo", None)
}

fn script(sql: &str) -> Script {
    analyse(sql, &shared()).unwrap_or_else(|refusal| panic!("{refusal}: {sql}"))
}
