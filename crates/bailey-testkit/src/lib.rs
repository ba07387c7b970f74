//! For tests only: throwaway PostgreSQL, Redis and Docker, real SDK environments, starter and fixture plugins.
//!
//! [`sdk`] makes environments with each released SDK and lets their own command line tools write
//! starter plugins; [`places`] knows where things lie; [`postgres`] is the cluster the tests of one
//! binary share; [`redis`] starts servers that a test may kill; [`docker`] is a
//! daemon of the binary's own; [`groups`] are control groups of a test's own. Whatever is missing stops the test with a sentence that says how to get it:
//! without the real parts these tests prove nothing. No product code may use this crate.

pub mod docker;
pub mod groups;
pub mod places;
pub mod redis;
pub mod sdk;

pub use bailey_store::testing as postgres;
pub use groups::Groups;
pub use places::{builder, demo, environment, example, fixture, launcher, program, uv, workspace};
pub use redis::Redis;
pub use sdk::{SDKS, Sdk, TEMPLATES, Template, starter};
