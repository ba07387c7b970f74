//! What an operator allows beyond the internet: a host of their own network, by name.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::host::Host;

/// A host plugins may reach although it is not on the internet, if a server's list has it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    host: Host,
    port: Option<u16>,
    network: IpNet,
}

/// A permit that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no permit: write HOST=NETWORK or HOST:PORT=NETWORK, such as grafana.internal:3000=10.0.0.0/8"
)]
pub struct PermitError(String);

impl Permit {
    /// Whether it lets `host` be at `address`.
    pub(crate) fn covers(&self, host: &Host, address: IpAddr) -> bool {
        self.host == *host && self.network.contains(&address)
    }

    /// Whether it lets `host` be asked at `port`.
    pub(crate) fn opens(&self, host: &Host, port: u16) -> bool {
        self.host == *host && self.port == Some(port)
    }

    /// Whether it is about `host`.
    pub(crate) fn names(&self, host: &Host) -> bool {
        self.host == *host
    }
}

impl FromStr for Permit {
    type Err = PermitError;

    fn from_str(text: &str) -> Result<Self, PermitError> {
        let wrong = || PermitError(text.to_owned());
        let (place, network) = text.split_once('=').ok_or_else(wrong)?;
        let network = match network.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => network.parse::<IpNet>().map_err(|_| wrong())?,
        };
        if let Ok(host) = place.parse() {
            return Ok(Self { host, port: None, network });
        }
        let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        let (host, port) = (host.parse().map_err(|_| wrong())?, port.parse().map_err(|_| wrong())?);
        Ok(Self { host, port: Some(port), network })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_names_a_host_and_a_network() {
        let permit: Permit = "Grafana.internal:3000=10.0.0.0/8".parse().unwrap();
        let host: Host = "grafana.internal".parse().unwrap();
        assert!(permit.covers(&host, "10.9.8.7".parse().unwrap()) && permit.opens(&host, 3000));
        assert!(!permit.covers(&host, "127.0.0.1".parse().unwrap()) && !permit.opens(&host, 22));
        assert!("[::1]:80=::1".parse::<Permit>().unwrap().opens(&"::1".parse().unwrap(), 80));
        assert!("127.0.0.1=127.0.0.1/32".parse::<Permit>().is_ok());
        for wrong in ["", "a", "a=", "=10.0.0.0/8", "a=10.0.0.0/33", "a:b=10.0.0.0/8", "https://a=10.0.0.0/8"]
        {
            assert!(wrong.parse::<Permit>().is_err(), "{wrong}");
        }
    }
}
