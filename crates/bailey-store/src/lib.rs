//! The platform's own records in PostgreSQL, and the private PostgreSQL Bailey runs when it is
//! given none.
//!
//! It never holds what plugins store (that is `bailey-services`, in a database of its own), speaks
//! no HTTP and knows no Discord. Start reading at [`Cluster`] for the private server, at [`Store`]
//! for the records.

pub mod cluster;
mod command_syncs;
mod cron;
mod database_urls;
mod dead_letters;
pub mod error;
mod gateway_sessions;
mod gateway_shards;
mod hosts;
mod installations;
mod plugins;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use cluster::{Cluster, ClusterConfig, ClusterError, visit};
pub use command_syncs::{CommandRecord, CommandSyncRecord};
pub use cron::{CronKey, CronTold};
pub use database_urls::{DatabaseUrlError, DatabaseUrls};
pub use dead_letters::{DeadLetterFilter, DeadLetterRecord, DeadLetterStatus, NewDeadLetter, Redriven};
pub use error::StoreError;
pub use gateway_sessions::{ForgottenGatewaySession, GatewaySessionKey, GatewaySessionRecord};
pub use gateway_shards::{ShardRecord, ShardReport};
pub use hosts::{HostId, HostRecord, NewHost, SessionRecord, SessionReport};
pub use installations::{Install, InstallationRecord};
pub use plugins::{Republish, VersionRecord};
pub use store::Store;
