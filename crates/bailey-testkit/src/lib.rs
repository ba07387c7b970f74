//! For tests only: throwaway PostgreSQL, real SDK environments, starter and fixture plugins.
//!
//! [`sdk`] makes environments with each released SDK and lets their own command line tools write
//! starter plugins; [`places`] knows where things lie; [`postgres`] is the cluster the tests of one
//! binary share. Whatever is missing stops the test with a sentence that says how to get it:
//! without the real parts these tests prove nothing. No product code may use this crate.

pub mod places;
pub mod sdk;

pub use bailey_store::testing as postgres;
pub use places::{builder, demo, environment, fixture, launcher, program, uv, workspace};
pub use sdk::{SDKS, Sdk, TEMPLATES, Template, starter};
