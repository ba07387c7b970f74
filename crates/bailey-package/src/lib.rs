//! What a plugin package must contain: a zip or a folder in, a checked [`Package`] or
//! [`Findings`] out.
//!
//! Start at [`Package`]. Everything is decided from bytes; only [`Package::from_directory`] and
//! [`Package::unpack_to`] touch the file system. Nothing here runs or imports a plugin, resolves
//! its requirements or knows where packages are kept.

mod archive;
mod directory;
mod finding;
mod handlers;
pub mod limits;
pub mod manifest;
mod name;
mod package;
mod tasks;
mod unpack;

pub use finding::{Code, Finding, Findings, Severity};
pub use manifest::{Command, Manifest, schedules_of};
pub use package::{Package, PackageFile};
