//! One WebSocket connection to another server, from its address to its end.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use reqwest::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use crate::fetch::{AGENT, FetchError, Network, Outbound};
use crate::fixtures::Traffic;
use crate::host::Host;
use crate::limits;
use crate::reach::{Breadth, Reach};
use crate::request::{Credential, RequestError, read_url};

/// Where a connection goes.
#[derive(Debug, Clone)]
pub struct SocketAddress(Url);

impl SocketAddress {
    /// Reads an address that begins with `wss://` or `ws://`.
    ///
    /// # Errors
    /// [`RequestError`] when it is none.
    pub fn new(text: &str) -> Result<Self, RequestError> {
        let url = read_url(text)?;
        if !matches!(url.scheme(), "wss" | "ws") {
            let rule = "an address that begins with wss:// or ws://".to_owned();
            return Err(RequestError { part: "url", rule });
        }
        Ok(Self(url))
    }

    /// The address, in one spelling.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host.
    pub fn host(&self) -> Option<Host> {
        Host::of(&self.0)
    }
}

/// What is sent or received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// Something that arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A frame.
    Frame(Frame),
    /// A sign of life.
    Alive,
    /// The end, and why.
    Closed(String),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open connection.
pub struct Socket {
    stream: WebSocketStream<Box<dyn Stream>>,
    traffic: Counted,
}

/// Counts what goes to and fro where the other side is written down.
struct Counted(Option<Arc<Traffic>>);

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(traffic) = &self.0 {
            traffic.over();
        }
    }
}

/// A frame that arrived and was not seen to yet; dropped when it was.
#[derive(Debug)]
pub struct Receipt(Option<Arc<Traffic>>);

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(traffic) = &self.0 {
            traffic.taken();
        }
    }
}

impl Outbound {
    /// Whether a connection may be asked for at all: the same rules as when it is made, but for names.
    ///
    /// # Errors
    /// [`FetchError`]
    pub fn may_connect(&self, reach: &Reach, address: &SocketAddress) -> Result<Host, FetchError> {
        self.check(reach, &address.0, Breadth::Exact, &["wss", "ws"], false)
    }

    /// Connects. Redirects are not followed.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn connect(
        &self,
        reach: &Reach,
        address: &SocketAddress,
        credential: Option<&Credential>,
    ) -> Result<Socket, FetchError> {
        let host = self.may_connect(reach, address)?;
        let slow = |_| FetchError::TimedOut("connect timeout");
        let deadline = Instant::now() + limits::SOCKET_CONNECT_TIME;
        let is_secure = address.0.scheme() == "wss";
        let mut request = address.0.as_str().into_client_request().map_err(|error| broken(&error))?;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(credential) = credential {
            let is_private = is_secure || self.names().permits(&host);
            let Some(value) = credential.for_host(&host, is_private) else {
                return Err(FetchError::Credential { credential: credential.host().clone(), host });
            };
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        let (stream, traffic): (Box<dyn Stream>, _) = match self.network() {
            Network::Internet => (
                timeout_at(deadline, self.dial(&host, &address.0, is_secure)).await.map_err(slow)??,
                Counted(None),
            ),
            Network::Fixtures(fixtures) => {
                if let Host::Address(_) = host {
                    self.names().find(&host).await?;
                }
                let (stream, traffic) = fixtures.open(address.as_str())?;
                (Box::new(stream), Counted(Some(traffic)))
            }
        };
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits::SOCKET_FRAME_BYTES))
            .max_frame_size(Some(limits::SOCKET_FRAME_BYTES))
            .max_write_buffer_size(4 * limits::SOCKET_FRAME_BYTES);
        let hands = client_async_with_config(request, stream, Some(config));
        let (stream, _) = timeout_at(deadline, hands).await.map_err(slow)?.map_err(|error| broken(&error))?;
        Ok(Socket { stream, traffic })
    }

    /// Connects to one of the addresses that were looked at.
    async fn dial(&self, host: &Host, url: &Url, is_secure: bool) -> Result<Box<dyn Stream>, FetchError> {
        let port = url.port_or_known_default().unwrap_or(443);
        let mut last = None;
        for address in self.names().find(host).await? {
            let connecting = TcpStream::connect(SocketAddr::new(address, port));
            match timeout(limits::CONNECT_TIME, connecting).await {
                Ok(Ok(stream)) => {
                    let _small_frames_go_at_once = stream.set_nodelay(true);
                    if !is_secure {
                        return Ok(Box::new(stream));
                    }
                    let connector = TlsConnector::from(Arc::new(self.trust().alone(&[b"http/1.1"])));
                    let name = match host {
                        Host::Name(name) => {
                            ServerName::try_from(name.clone()).map_err(|error| error.to_string())
                        }
                        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
                    };
                    let name = name.map_err(FetchError::Broken)?;
                    let stream = connector.connect(name, stream).await;
                    let stream = stream.map_err(|error| FetchError::Broken(format!("no TLS: {error}")))?;
                    return Ok(Box::new(stream));
                }
                Ok(Err(error)) => last = Some(FetchError::Broken(format!("no connection: {error}"))),
                Err(_) => last = Some(FetchError::TimedOut("connect timeout")),
            }
        }
        Err(last.unwrap_or_else(|| FetchError::Broken("no connection".to_owned())))
    }
}

impl Socket {
    /// What arrives next. Can be dropped and called again; after [`Arrival::Closed`] there is nothing more.
    pub async fn next(&mut self) -> Arrival {
        loop {
            return match self.stream.next().await {
                Some(Ok(Message::Text(text))) => Arrival::Frame(Frame::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => Arrival::Frame(Frame::Binary(bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Arrival::Alive,
                Some(Ok(Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => Arrival::Closed(match frame {
                    Some(CloseFrame { code, reason }) if reason.is_empty() => {
                        format!("closed by the server: {code}")
                    }
                    Some(CloseFrame { code, reason }) => format!("closed by the server: {code} {reason}"),
                    None => "closed by the server".to_owned(),
                }),
                Some(Err(error)) => Arrival::Closed(broken(&error).to_string()),
                None => Arrival::Closed("the connection ended".to_owned()),
            };
        }
    }

    /// Sends a frame, waiting while the server does not take it.
    ///
    /// # Errors
    /// A sentence when the connection is broken.
    pub async fn send(&mut self, frame: Frame) -> Result<(), String> {
        let message = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::Binary(bytes),
        };
        if let Some(traffic) = &self.traffic.0 {
            traffic.sent();
        }
        self.stream.send(message).await.map_err(|error| broken(&error).to_string())
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// A sentence when the connection is broken.
    pub async fn ping(&mut self) -> Result<(), String> {
        self.stream.send(Message::Ping(Bytes::new())).await.map_err(|error| broken(&error).to_string())
    }

    /// Says goodbye, and does not wait for the answer.
    pub async fn close(mut self) {
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: Default::default() };
        let _it_may_be_gone = timeout(limits::SOCKET_GOODBYE, self.stream.close(Some(goodbye))).await;
    }

    /// For the frame that arrived last: to be kept until it was seen to.
    pub fn receipt(&self) -> Receipt {
        Receipt(self.traffic.0.clone())
    }
}

/// A failure in words that name no address of ours.
fn broken(error: &Error) -> FetchError {
    FetchError::Broken(match error {
        Error::Http(answer) => {
            format!("the server answers {} instead of a WebSocket", answer.status().as_u16())
        }
        Error::Capacity(_) => format!("a frame is larger than {} bytes", limits::SOCKET_FRAME_BYTES),
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection ended".to_owned(),
        error => error.to_string(),
    })
}
