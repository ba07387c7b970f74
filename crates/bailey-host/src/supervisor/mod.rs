//! What concerns more than one session: plugins that fail everywhere, room for processes, and shares.
//!
//! [`breaker`] and [`plugin_breaker`] decide when deliveries do more harm than good, on one server and
//! on all; [`room`] decides who may start and who must go for it. All three are pure and are told the
//! time; [`gate`] lets sessions wait for the room, and [`Plugins`] keeps what is known of each plugin.

pub(crate) mod breaker;
pub(crate) mod gate;
pub(crate) mod plugin_breaker;
pub(crate) mod plugins;
pub(crate) mod room;

pub(crate) use gate::{Gate, Place};
pub(crate) use plugins::Plugins;
