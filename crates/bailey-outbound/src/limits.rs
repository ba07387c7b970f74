//! Every number a plugin can hit on its way out, once.

use std::time::Duration;

/// Bytes of an answer's body, decompressed; what is longer is cut off and `truncated` says so. From the SDKs' documentation.
pub const ANSWER_BODY_BYTES: usize = 1024 * 1024;
/// Bytes of an answer's headers together; those past it are left out. Bailey's choice.
pub const ANSWER_HEADER_BYTES: usize = 32 * 1024;
/// Bytes of a request's body. Bailey's choice: as much as an answer may have.
pub const REQUEST_BODY_BYTES: usize = 1024 * 1024;
/// Bytes of an address (URL). Bailey's choice: more than any server takes.
pub const URL_BYTES: usize = 8 * 1024;
/// Headers a request may have. Bailey's choice.
pub const REQUEST_HEADERS: usize = 64;
/// Bytes of one header of a request. Bailey's choice: what most servers take.
pub const REQUEST_HEADER_BYTES: usize = 8 * 1024;
/// Redirects that are followed; each is held to the same rules as the first address. From the SDKs' platform.
pub const REDIRECTS: usize = 5;
/// Time a request may take with all its redirects. Below the 30 s the SDKs wait.
pub const REQUEST_TIME: Duration = Duration::from_secs(20);
/// Time a name may take to become an address. Bailey's choice.
pub const NAME_TIME: Duration = Duration::from_secs(5);
/// Time a connection may take to come about. Bailey's choice.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time a connection nobody uses is kept for the next request. Bailey's choice.
pub const IDLE_TIME: Duration = Duration::from_secs(60);
/// Connections nobody uses that are kept per host, for one plugin on one server. Bailey's choice.
pub const IDLE_CONNECTIONS_PER_HOST: usize = 4;
/// Plugins on servers whose connections are kept; past it, those of the longest unused are closed. Bailey's choice.
pub const CLIENTS: usize = 2_000;
/// Requests at once, of all plugins on one host; more wait. Bailey's choice.
pub const REQUESTS_AT_ONCE: usize = 512;
/// Time a WebSocket connection may take to come about. Bailey's choice.
pub const SOCKET_CONNECT_TIME: Duration = Duration::from_secs(10);
/// Bytes of one frame, either way; the connection ends with a larger one. Bailey's choice.
pub const SOCKET_FRAME_BYTES: usize = 1024 * 1024;
/// Time a goodbye may take. Bailey's choice.
pub const SOCKET_GOODBYE: Duration = Duration::from_secs(2);
/// Time between two requests for a sign of life. Bailey's choice.
pub const SOCKET_PING: Duration = Duration::from_secs(30);
/// Time without any sign of life after which a connection counts as broken. Bailey's choice.
pub const SOCKET_SILENCE: Duration = Duration::from_secs(75);
