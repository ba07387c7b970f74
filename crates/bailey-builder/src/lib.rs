//! Turns a plugin's requirements into a read-only folder of wheels, stored by content hash.
//!
//! Start at [`Builder`]. uv resolves and installs, for one given interpreter, from wheels only and
//! with hashes; no code of a package runs. What was built once is found again without a network.
//! Nothing here knows plugins, servers or the sandbox, and no environment variable is read: the
//! caller hands over what uv may see.

mod builder;
mod error;
mod inspect;
mod interpreter;
pub mod limits;
mod requirements;
mod store;
mod uv;

pub use builder::{Builder, BuilderConfig, BuiltPackages};
pub use error::BuildError;
