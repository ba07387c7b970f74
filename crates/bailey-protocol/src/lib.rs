//! The words between Bailey and a plugin: ids, capabilities, events, methods, errors, limits.
//!
//! Pure data and pure functions. Nothing here reads a clock, touches the network or knows how a
//! plugin is run. Wire shapes live here and nowhere else, so that a question about what a plugin
//! sends or sees is answered in one crate.
//!
//! Start at [`frame`] (what a line is) and [`lines`] (what to make of any other), then [`method`] (what a plugin may ask), [`event`] (what
//! it is told) and [`error`] (how a refusal is worded so that every SDK version understands it).

pub mod capability;
pub mod error;
pub mod event;
pub mod frame;
pub mod host_message;
pub mod id;
pub mod limits;
pub mod lines;
pub mod method;
pub mod params;
pub mod schedule;
pub mod tenant;
pub mod time;

pub use capability::{Capability, CapabilitySet, Grant, Grants};
pub use error::CallError;
pub use event::{Event, EventKind};
pub use id::{
    ApplicationId, ChannelId, EventId, GuildId, InteractionId, MessageId, PluginId, RoleId, UserId, WebhookId,
};
pub use method::Method;
pub use params::Params;
pub use schedule::{CronSpec, Schedule};
pub use tenant::Tenant;
pub use time::{Clock, Timestamp};
