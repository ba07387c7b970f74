//! Makes connections to admitted targets, through the operator's own proxy where there is one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::PoisonError;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Uri};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Gate, GateError};
use crate::index::Target;
use crate::limits;

/// Bytes to a target and back.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection to an admitted target.
pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    /// Set if requests must be written for a proxy: with the whole address, and this header if any.
    pub(crate) through: Option<Intercept>,
}

impl Gate {
    /// Connects to a target if it is the index. `secure`: TLS will be spoken, so that a proxy of the
    /// operator's must make a tunnel; otherwise it is spoken to as a proxy.
    pub(crate) async fn connect(&self, target: &Target, secure: bool) -> Result<Connection, GateError> {
        let connected = self.try_connect(target, secure).await;
        if let Err(error @ (GateError::Unreachable(..) | GateError::NoPlaceForAnIndex(..))) = &connected {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
        connected
    }

    async fn try_connect(&self, target: &Target, secure: bool) -> Result<Connection, GateError> {
        if !self.index.admits(target) {
            self.refuse(target);
            return Err(GateError::NotTheIndex(target.clone()));
        }
        let unreachable = |why: String| GateError::Unreachable(target.clone(), self.index.redact(&why));
        let scheme = if secure { "https" } else { "http" };
        let address = Uri::builder().scheme(scheme).authority(target.to_string()).path_and_query("/").build();
        let address = address.map_err(|error| unreachable(error.to_string()))?;
        let Some(proxy) = self.proxies.intercept(&address) else {
            let stream = self.reach(target).await?;
            return Ok(Connection { stream: Box::new(stream), through: None });
        };
        let through = proxy.uri();
        if through.scheme_str() != Some("http") {
            return Err(unreachable("the configured proxy is none of http://".to_owned()));
        }
        let host = through.host().unwrap_or_default();
        let stream =
            timeout(limits::CONNECT_DEADLINE, TcpStream::connect((host, through.port_u16().unwrap_or(80))))
                .await
                .map_err(|_| unreachable("the configured proxy does not answer".to_owned()))?
                .map_err(|error| unreachable(format!("the configured proxy: {error}")))?;
        if !secure {
            return Ok(Connection { stream: Box::new(stream), through: Some(proxy) });
        }
        let tunnel = timeout(limits::CONNECT_DEADLINE, tunnel(stream, target, &proxy))
            .await
            .map_err(|_| unreachable("the configured proxy makes no tunnel".to_owned()))?
            .map_err(|error| unreachable(format!("the configured proxy: {error}")))?;
        Ok(Connection { stream: Box::new(TokioIo::new(tunnel)), through: None })
    }

    /// A connection of our own, to the first address that answers.
    async fn reach(&self, target: &Target) -> Result<TcpStream, GateError> {
        let unreachable = |why: String| GateError::Unreachable(target.clone(), why);
        let found =
            timeout(limits::CONNECT_DEADLINE, tokio::net::lookup_host((target.host.as_str(), target.port)))
                .await
                .map_err(|_| unreachable("its name is not found in time".to_owned()))?
                .map_err(|error| unreachable(format!("its name is not found: {error}")))?;
        let mut last = "its name has no address".to_owned();
        for address in found {
            if is_no_place_for_an_index(address.ip()) {
                return Err(GateError::NoPlaceForAnIndex(target.host.clone(), address.ip()));
            }
            match timeout(limits::CONNECT_DEADLINE, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = "no answer".to_owned(),
            }
        }
        Err(unreachable(last))
    }
}

/// Addresses that are never an index's, whatever a name server says: those of the link itself, others
/// where clouds keep a machine's credentials, of groups, and of nobody. Private addresses are allowed: the
/// operator named the host, and an index of one's own lies there.
fn is_no_place_for_an_index(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_multicast()
                || address.is_unspecified()
                || address.is_broadcast()
                || METADATA.contains(&address)
        }
        IpAddr::V6(address) => {
            let segments = address.segments();
            address.is_unicast_link_local()
                || address.is_multicast()
                || address.is_unspecified()
                || segments[..2] == METADATA_NETWORK
                || address == METADATA_6
                || within(address).is_some_and(|inner| is_no_place_for_an_index(inner.into()))
        }
    }
}

/// Where clouds answer what others answer at 169.254.169.254: Alibaba, Azure, Oracle.
const METADATA: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// The same over IPv6: Amazon's services on a machine, and Google's.
const METADATA_NETWORK: [u16; 2] = [0xfd00, 0xec2];
const METADATA_6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);

/// The older address that an address stands for: as itself, behind a translator (64:ff9b::/96), or at the
/// other end of a tunnel (2002::/16).
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // ::1 is of this machine itself.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(join(high, low))
        }
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// Asks a proxy for a tunnel.
async fn tunnel(stream: TcpStream, target: &Target, proxy: &Intercept) -> Result<Upgraded, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(target.to_string())
        .header(HOST, target.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    if let Some(credentials) = proxy.basic_auth() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
    }
    let asking = async move {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()));
        }
        hyper::upgrade::on(response).await.map_err(|error| error.to_string())
    };
    // The connection ends with the upgrade.
    let (_ended, upgraded) = tokio::join!(connection.with_upgrades(), asking);
    upgraded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_no_index() {
        for address in [
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ] {
            assert!(is_no_place_for_an_index(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "151.101.0.223",
            "::1",
            "2a04:4e42::223",
            "64:ff9b::151.101.0.223",
        ] {
            assert!(!is_no_place_for_an_index(address.parse().unwrap()), "{address}");
        }
    }
}
