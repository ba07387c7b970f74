//! Which hosts one plugin may reach on one server.

use crate::host::{Host, HostError};

/// Ports that need not be named.
const USUAL_PORTS: [u16; 2] = [80, 443];
/// Ports below 1024, and a few above, on which other protocols listen that could take a request for something else. An
/// administrator's host may be asked on any port but these, as in browsers.
const FOREIGN_PORTS: &[u16] = &[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
    109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
    526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
    3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Whether a domain covers the names below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// It does: for HTTP.
    WithSubdomains,
    /// It does not: for WebSockets.
    Exact,
}

/// The list of hosts. Empty means none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    domains: Vec<Domain>,
    hosts: Vec<Host>,
}

/// A domain that was agreed to with the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Domain {
    host: Host,
    port: Option<u16>,
}

/// What a list says to a host and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    NotListed,
    OtherPort,
}

impl Reach {
    /// The list of what was agreed to: domains as a manifest names them (`example.com`, `example.com:8443`), and
    /// hosts an administrator added. Domains that are none, or have a single label, are left out: the validator
    /// says so.
    pub fn new<'a>(
        domains: impl IntoIterator<Item = &'a str>,
        hosts: impl IntoIterator<Item = Host>,
    ) -> Self {
        let domains = domains.into_iter().filter_map(|domain| Domain::read(domain).ok()).collect();
        Self { domains, hosts: hosts.into_iter().collect() }
    }

    /// Whether nothing may be reached.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.hosts.is_empty()
    }

    pub(crate) fn verdict(&self, host: &Host, port: u16, breadth: Breadth) -> Verdict {
        let usual = USUAL_PORTS.contains(&port);
        if self.hosts.contains(host) && (usual || !FOREIGN_PORTS.contains(&port)) {
            return Verdict::Allowed;
        }
        let covers = |domain: &&Domain| match breadth {
            Breadth::WithSubdomains => host.is_within(&domain.host),
            Breadth::Exact => *host == domain.host,
        };
        let mut covering = self.domains.iter().filter(covers).peekable();
        if covering.peek().is_none() {
            return if self.hosts.contains(host) { Verdict::OtherPort } else { Verdict::NotListed };
        }
        let open = covering.any(|domain| usual || domain.port == Some(port));
        if open { Verdict::Allowed } else { Verdict::OtherPort }
    }
}

impl Domain {
    /// Reads a domain of a manifest. A name of one label would cover a whole top-level domain.
    fn read(text: &str) -> Result<Self, HostError> {
        let wrong = || HostError(text.chars().take(100).collect());
        let (host, port) = match text.parse::<Host>() {
            Ok(host) => (host, None),
            Err(_) => {
                let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
                (host.parse()?, Some(port.parse().map_err(|_| wrong())?))
            }
        };
        match &host {
            Host::Name(name) if !name.contains('.') => Err(wrong()),
            _ => Ok(Self { host, port }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(reach: &Reach, place: &str, breadth: Breadth) -> Verdict {
        let (host, port) = place.rsplit_once(':').unwrap();
        reach.verdict(&host.parse().unwrap(), port.parse().unwrap(), breadth)
    }

    #[test]
    fn a_domain_covers_what_is_below_it_for_http_only() {
        let reach = Reach::new(["example.com", "game.example.org:27015", "com", "*.net", "https://x.y"], []);
        assert_eq!(verdict(&reach, "example.com:443", Breadth::Exact), Verdict::Allowed);
        assert_eq!(verdict(&reach, "api.example.com:443", Breadth::WithSubdomains), Verdict::Allowed);
        assert_eq!(verdict(&reach, "api.example.com:443", Breadth::Exact), Verdict::NotListed);
        assert_eq!(verdict(&reach, "example.com:8443", Breadth::WithSubdomains), Verdict::OtherPort);
        assert_eq!(verdict(&reach, "game.example.org:27015", Breadth::Exact), Verdict::Allowed);
        for other in ["evil.com:443", "example.com.evil.org:443", "a.net:443", "x.y:443"] {
            assert_eq!(verdict(&reach, other, Breadth::WithSubdomains), Verdict::NotListed, "{other}");
        }
    }

    #[test]
    fn a_host_an_administrator_added_is_that_host_alone_on_ports_of_its_own() {
        let reach = Reach::new([], ["panel.example.org".parse().unwrap()]);
        assert_eq!(verdict(&reach, "panel.example.org:8080", Breadth::WithSubdomains), Verdict::Allowed);
        assert_eq!(verdict(&reach, "panel.example.org:25", Breadth::WithSubdomains), Verdict::OtherPort);
        assert_eq!(verdict(&reach, "a.panel.example.org:443", Breadth::WithSubdomains), Verdict::NotListed);
        assert_eq!(verdict(&Reach::default(), "a.b:443", Breadth::WithSubdomains), Verdict::NotListed);
    }
}
