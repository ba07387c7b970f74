//! From a host to the addresses that may be connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::time::timeout;

use crate::address::is_public;
use crate::host::Host;
use crate::limits;
use crate::permit::Permit;

/// Addresses of one name that are tried at most.
const MOST_ADDRESSES: usize = 16;
/// The longest an answer of a name server is remembered.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Who is asked for names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NameServers {
    /// As this machine is set up: its name servers and its hosts file.
    #[default]
    OfThisMachine,
    /// These, and nothing else.
    At(Vec<SocketAddr>),
}

/// Why a host cannot be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is on somebody's own network.
    #[error("{host} is at {address}, which is not on the internet")]
    NotPublic {
        /// As asked for.
        host: Host,
        /// Where it is.
        address: IpAddr,
    },
    /// No name server knows it.
    #[error("{0} is not known to any name server")]
    Unknown(Host),
    /// The name servers did not answer.
    #[error("the name servers do not say where {0} is")]
    Silent(Host),
}

/// Looks hosts up and looks at where they are. A cheap clone.
#[derive(Clone)]
pub struct Names {
    resolver: TokioResolver,
    permits: Arc<[Permit]>,
}

impl Names {
    /// Asks `servers`; hosts of `permits` may be where those say.
    ///
    /// # Errors
    /// A sentence when the machine's own name servers cannot be found out.
    pub fn new(servers: &NameServers, permits: Vec<Permit>) -> Result<Self, String> {
        let mut builder = match servers {
            NameServers::OfThisMachine => TokioResolver::builder_tokio()
                .map_err(|error| format!("the name servers of this machine cannot be found out: {error}"))?,
            NameServers::At(addresses) => {
                let server = |address: &SocketAddr| {
                    let connection = |mut connection: ConnectionConfig| {
                        connection.port = address.port();
                        connection
                    };
                    let ways = vec![connection(ConnectionConfig::udp()), connection(ConnectionConfig::tcp())];
                    NameServerConfig::new(address.ip(), true, ways)
                };
                let config = ResolverConfig::from_name_servers(addresses.iter().map(server).collect());
                let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
        };
        let options = builder.options_mut();
        options.timeout = limits::NAME_TIME / 2;
        options.positive_max_ttl = Some(REMEMBERED);
        options.negative_max_ttl = Some(REMEMBERED / 10);
        let resolver = builder.build().map_err(|error| format!("names cannot be looked up: {error}"))?;
        Ok(Self { resolver, permits: permits.into() })
    }

    /// Where a host may be connected to. If any of its addresses is on somebody's own network, none is.
    ///
    /// # Errors
    /// [`NameError`]
    pub async fn find(&self, host: &Host) -> Result<Vec<IpAddr>, NameError> {
        let name = match host {
            Host::Address(address) => {
                self.look_at(host, *address)?;
                return Ok(vec![*address]);
            }
            Host::Name(name) => name,
        };
        // With a final dot, so that the machine's own domain is not tried too.
        let asked = timeout(limits::NAME_TIME, self.resolver.lookup_ip(format!("{name}.")));
        let found = match asked.await {
            Err(_) => return Err(NameError::Silent(host.clone())),
            Ok(Err(error)) if error.is_no_records_found() => return Err(NameError::Unknown(host.clone())),
            Ok(Err(error)) => {
                tracing::debug!(%host, %error, "a name could not be looked up");
                return Err(NameError::Silent(host.clone()));
            }
            Ok(Ok(found)) => found,
        };
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(NameError::Unknown(host.clone()));
        }
        for address in &addresses {
            self.look_at(host, *address)?;
        }
        Ok(addresses.into_iter().take(MOST_ADDRESSES).collect())
    }

    /// Whether a host may be at an address.
    fn look_at(&self, host: &Host, address: IpAddr) -> Result<(), NameError> {
        // An IPv4 address in IPv6 clothes is permitted under either.
        let plain = address.to_canonical();
        let permitted = |permit: &Permit| permit.covers(host, address) || permit.covers(host, plain);
        if is_public(address) || self.permits.iter().any(permitted) {
            return Ok(());
        }
        Err(NameError::NotPublic { host: host.clone(), address })
    }

    /// Whether an operator opened this port of this host.
    pub(crate) fn opens(&self, host: &Host, port: u16) -> bool {
        self.permits.iter().any(|permit| permit.opens(host, port))
    }

    /// Whether an operator named this host as one of their own network.
    pub(crate) fn permits(&self, host: &Host) -> bool {
        self.permits.iter().any(|permit| permit.names(host))
    }
}
