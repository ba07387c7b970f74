//! The way out: HTTP requests and WebSocket connections to other people's servers, for plugins that have
//! no network of their own.
//!
//! [`Reach`] says which hosts somebody may reach, [`Names`] turns a host into addresses that may be
//! connected to, [`Outbound`] sends requests and opens connections. Whatever is asked for, the
//! address that was looked at is the address that is connected to. Who asks and why they may is not
//! known here.

mod address;
mod fetch;
pub mod fixtures;
mod host;
pub mod limits;
mod names;
mod permit;
mod reach;
mod request;
mod socket;
mod tls;

pub use address::is_public;
pub use fetch::{Answer, FetchError, Network, Outbound, OutboundConfig};
pub use host::{Host, HostError};
pub use names::{NameError, NameServers, Names};
pub use permit::{Permit, PermitError};
pub use reach::{Breadth, Reach};
pub use request::{Credential, Request, RequestError};
pub use socket::{Arrival, Frame, Receipt, Socket, SocketAddress};
pub use tls::Trust;
