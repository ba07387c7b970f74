//! Turns a plugin's requirements into a read-only folder of wheels, stored by content hash.
//!
//! Start at [`Builder`]. In a jail, uv resolves for one given interpreter; through a gate that leads to
//! the configured index only, the wheels are fetched by their hashes; here they are looked through and
//! unpacked; in the jail again, the interpreter compiles them. No code of a package runs. What was built
//! once is found again without a network. Nothing here knows plugins or servers, and no environment
//! variable is read: the caller hands over what is to be seen.

mod builder;
mod compiled;
mod config;
mod error;
mod fetch;
mod gate;
mod index;
mod inspect;
mod interpreter;
pub mod limits;
mod lock;
mod output;
mod requirements;
mod store;
mod sweep;
mod uv;
mod watch;
mod wheel;
mod workplace;

pub use bailey_sandbox::{CgroupParent, Launcher};
pub use builder::{Builder, BuiltPackages};
pub use config::{BuilderConfig, Jail, Walls};
pub use error::BuildError;
