//! The platform's own records in PostgreSQL, and the private PostgreSQL Bailey runs when it is
//! given none.
//!
//! It never holds what plugins store (that is `bailey-services`, in a database of its own), speaks
//! no HTTP and knows no Discord. Start reading at [`Cluster`] for the private server, at [`Store`]
//! for the records.

pub mod cluster;
mod database_urls;
pub mod error;
mod installations;
mod plugins;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use cluster::{Cluster, ClusterConfig, ClusterError};
pub use database_urls::{DatabaseUrlError, DatabaseUrls};
pub use error::StoreError;
pub use installations::{Install, InstallationRecord};
pub use plugins::{Republish, VersionRecord};
pub use store::Store;
