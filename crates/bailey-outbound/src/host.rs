//! The name or address of a server, in one spelling.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::Url;

/// A host as it is compared: a name in lower case and ASCII (`xn--…` for other scripts) without a final dot, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name.
    Name(String),
    /// An IP address.
    Address(IpAddr),
}

/// Why a text names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host: give a name such as api.example.com, or an IP address")]
pub struct HostError(pub String);

impl Host {
    /// The host of an address, as whoever connects will understand it.
    pub fn of(url: &Url) -> Option<Self> {
        Some(match url.host()? {
            url::Host::Domain(name) => {
                Self::Name(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
            }
            url::Host::Ipv4(address) => Self::Address(address.into()),
            url::Host::Ipv6(address) => Self::Address(address.into()),
        })
    }

    /// The host in what a person typed: a name, an IP address, either with a port, or a whole address of a page.
    ///
    /// # Errors
    /// [`HostError`] when there is none in it.
    pub fn typed(text: &str) -> Result<Self, HostError> {
        let text = text.trim();
        let wrong = || HostError(text.chars().take(100).collect());
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address));
        }
        let url = match text.split_once("://") {
            Some((scheme, rest))
                if ["http", "https", "ws", "wss"].contains(&scheme.to_ascii_lowercase().as_str()) =>
            {
                format!("https://{rest}")
            }
            Some(_) => return Err(wrong()),
            None => format!("https://{text}"),
        };
        let url = Url::parse(&url).map_err(|_| wrong())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        Self::of(&url).filter(Self::is_complete).ok_or_else(wrong)
    }

    /// Whether it is `other`, or a name below it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(name), Self::Name(above)) => {
                name.strip_suffix(above.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (own, other) => own == other,
        }
    }

    /// Whether a name has a label, and no empty one.
    fn is_complete(&self) -> bool {
        match self {
            Self::Name(name) => {
                !name.is_empty() && name.split('.').all(|label| !label.is_empty()) && !name.contains('*')
            }
            Self::Address(_) => true,
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    /// Reads a bare host: no scheme, no port, no path.
    fn from_str(text: &str) -> Result<Self, HostError> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = inner.parse() {
            return Ok(Self::Address(address));
        }
        if text.contains(['/', ':', '@', '?', '#', '\\']) {
            return Err(HostError(text.chars().take(100).collect()));
        }
        Self::typed(text)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_every_way_to_type_a_host() {
        for typed in [
            "api.example.com",
            "API.Example.COM",
            "api.example.com.",
            "api.example.com:8443",
            "https://api.example.com/a?b#c",
            "wss://api.example.com:1/x",
            " api.example.com ",
            "HTTP://api.example.com",
        ] {
            assert_eq!(Host::typed(typed).unwrap().to_string(), "api.example.com", "{typed}");
        }
        assert_eq!(Host::typed("bücher.example").unwrap().to_string(), "xn--bcher-kva.example");
        for typed in ["203.0.113.7", "203.0.113.7:27015", "0xCB.0.113.7", "3405803783", "http://203.0.113.7/"]
        {
            assert_eq!(Host::typed(typed).unwrap(), Host::Address("203.0.113.7".parse().unwrap()), "{typed}");
        }
        for typed in ["::1", "[::1]", "[::1]:80", "http://[::1]/"] {
            assert_eq!(Host::typed(typed).unwrap(), Host::Address("::1".parse().unwrap()), "{typed}");
        }
        for typed in [
            "",
            " ",
            "https://",
            "a b",
            "user@host",
            "https://u:p@host",
            "file:///etc",
            "*.example.com",
            "a..b",
            ".",
            "gopher://x",
        ] {
            assert!(Host::typed(typed).is_err(), "{typed}");
        }
        for bare in ["https://a.b", "a.b:80", "a.b/c", "u@a.b"] {
            assert!(bare.parse::<Host>().is_err(), "{bare}");
        }
    }

    #[test]
    fn a_name_is_within_itself_and_what_is_above_it() {
        let within =
            |inner: &str, outer: &str| inner.parse::<Host>().unwrap().is_within(&outer.parse().unwrap());
        assert!(within("a.example.com", "example.com") && within("example.com", "example.com"));
        assert!(!within("notexample.com", "example.com") && !within("example.com", "a.example.com"));
        assert!(!within("1.2.3.4", "2.3.4.example"));
    }
}
