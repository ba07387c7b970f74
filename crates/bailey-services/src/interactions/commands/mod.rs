//! The commands a server is offered: chosen from its plugins, checked, written to Discord, and, when people use
//! them, told apart again.
//!
//! [`Offer`] is what one server is to have; [`CommandSync`] makes it so; [`Offered`] remembers it for what comes
//! back: a command registered under another name, and options that are being typed.

mod check;
mod offer;
mod offered;
mod suggest;
mod sync;

pub use self::offer::{CommandKind, Offer, OfferedCommand, RESERVED};
pub(super) use self::offered::Offered;
pub use self::sync::{CommandSync, SyncError, SyncReport};
