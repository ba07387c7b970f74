//! Speaks to Discord: receives what happens, and sends what plugins ask to be sent.
//!
//! Which Discord is meant (the real one or a simulated one) is configuration alone: the code path is
//! the same. This crate never looks at grants, plugins or databases, and decides nothing about who
//! may do what.
//!
//! Start at [`Shards`] and [`Gateway`] (what comes in, as [`bailey_protocol::Event`]s) and [`Rest`] (what goes out).
//! [`Directory`] knows which server a channel belongs to: the boundary between tenants for sends.

mod config;
mod directory;
mod egress;
mod error;
mod gateway;
mod incoming;
pub mod normalise;
mod recent;
mod rest;
mod shard;

pub use config::{BotToken, DiscordConfig, EndpointError, Endpoints, install_tls_provider};
pub use directory::{
    Channel, Directory, Guild, Overwrite, OverwriteTarget, Permission, Permissions, Role, VoiceState,
};
pub use egress::Refusals;
pub use error::DiscordError;
pub use gateway::{
    Checkpoint, Checkpoints, Gateway, GatewayState, GatewayStatus, Position, ResumePoint, ShardStart, Shards,
    ShardsStatus,
};
pub use incoming::{BadPublicKey, Incoming, NotDiscords, PublicKey, read_incoming};
pub use recent::{RecentMember, RecentMessage};
pub use rest::callback::CallbackBody;
pub use rest::commands::{CommandChanges, SyncOutcome, command_changes, prepared_command};
pub use rest::{Application, Asker, Original, Rest, Withheld};
pub use shard::{SessionStarts, ShardId, ShardPlan, TooFewStarts, is_on};
pub use twilight_gateway::Intents;
