//! The package index that is configured: where it is, which hosts belong to it, who we are there.

use std::collections::BTreeSet;

use base64::Engine;
use url::Url;

use crate::error::BuildError;

/// The index when none is configured.
const PUBLIC_INDEX: &str = "https://pypi.org/simple";
const PUBLIC_HOST: &str = "pypi.org";
/// Where the files of the public index lie.
const PUBLIC_FILES: &str = "files.pythonhosted.org";

/// A host and port, lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Target {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        // `[::1]` in an address is `::1` to a resolver; a name may end with the root's dot.
        let plain = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        Self { host: plain.to_ascii_lowercase(), port }
    }

    /// The target of an address, if it is one of HTTP.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let http = matches!(url.scheme(), "http" | "https");
        Some(Self::new(url.host_str().filter(|_| http)?, url.port_or_known_default()?))
    }
}

impl Target {
    /// As a `host` header has it: without the port that goes without saying, because signed addresses count
    /// it in.
    pub(crate) fn host_header(&self, secure: bool) -> String {
        let whole = self.to_string();
        let usual = if secure { ":443" } else { ":80" };
        whole.strip_suffix(usual).map_or(whole.clone(), str::to_owned)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name: String = self.host.chars().take(80).flat_map(char::escape_debug).collect();
        if name.contains(':') {
            write!(formatter, "[{name}]:{}", self.port)
        } else {
            write!(formatter, "{name}:{}", self.port)
        }
    }
}

/// The configured index.
#[derive(Clone)]
pub(crate) struct Index {
    url: Url,
    own: Target,
    hosts: BTreeSet<Target>,
}

/// Without what must not be seen.
impl std::fmt::Debug for Index {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Index").field("url", &self.shown()).field("hosts", &self.hosts).finish()
    }
}

impl Index {
    /// From the caller's environment, and the further hosts that hold files.
    pub(crate) fn configured(
        environment: &[(String, String)],
        file_hosts: &[String],
    ) -> Result<Self, BuildError> {
        let variable = |wanted: &str| {
            environment
                .iter()
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| value)
        };
        let text = variable("UV_DEFAULT_INDEX")
            .or_else(|| variable("UV_INDEX_URL"))
            .map_or(PUBLIC_INDEX, String::as_str);
        // `name=https://...` gives an index a name, which is of no use here. The text itself may hold
        // a password, so it is not repeated.
        let text = match text.split_once('=') {
            Some((name, rest)) if !name.contains([':', '/']) => rest,
            _ => text,
        };
        let unusable = |why: &str| BuildError::Index(why.to_owned());
        let url =
            Url::parse(text).map_err(|error| unusable(&format!("its address cannot be read: {error}")))?;
        let own = Target::of(&url)
            .ok_or_else(|| unusable("its address does not begin with http:// or https://"))?;
        let mut hosts = BTreeSet::from([own.clone()]);
        if own.host == PUBLIC_HOST {
            hosts.insert(Target::new(PUBLIC_FILES, 443));
        }
        for text in file_hosts {
            // Parsed as the authority of an address, so that ports and brackets mean what they mean there.
            let parsed = Url::parse(&format!("https://{text}/")).ok().filter(|url| {
                url.path() == "/"
                    && url.username().is_empty()
                    && url.query().is_none()
                    && url.fragment().is_none()
            });
            let target = parsed.as_ref().and_then(Target::of);
            hosts.insert(target.ok_or_else(|| {
                BuildError::Index(format!("`{text}` is no file host: write `host` or `host:port`"))
            })?);
        }
        Ok(Self { url, own, hosts })
    }

    /// With credentials, for the one who must use it.
    pub(crate) fn address(&self) -> &Url {
        &self.url
    }

    /// Without credentials, for people.
    pub(crate) fn shown(&self) -> String {
        let mut url = self.url.clone();
        let _an_http_address_has_a_host = url.set_username("").and_then(|()| url.set_password(None));
        url.to_string()
    }

    /// Whether this is the index, or a host of its files.
    pub(crate) fn admits(&self, target: &Target) -> bool {
        self.hosts.contains(target)
    }

    /// The value of an `authorization` header for this target: the index's own credentials go to the
    /// index itself, over the scheme it is configured with.
    pub(crate) fn authorization(&self, url: &Url) -> Option<String> {
        let mine = Target::of(url).as_ref() == Some(&self.own) && url.scheme() == self.url.scheme();
        let (user, password) = (self.url.username(), self.url.password().unwrap_or_default());
        if !mine || (user.is_empty() && password.is_empty()) {
            return None;
        }
        let pair = format!("{}:{}", decoded(user), decoded(password));
        Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    }

    /// Takes the credentials out of what others wrote.
    pub(crate) fn redact(&self, text: &str) -> String {
        let (user, password) = (self.url.username(), self.url.password().unwrap_or_default());
        let mut secrets = vec![password.to_owned(), decoded(password)];
        if password.is_empty() {
            secrets.extend([user.to_owned(), decoded(user)]); // a token in the place of a name
        }
        secrets.extend(
            self.authorization(&self.url).and_then(|basic| Some(basic.split_once(' ')?.1.to_owned())),
        );
        secrets.retain(|secret| !secret.is_empty());
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "****"))
    }
}

/// Percent signs of an address undone.
fn decoded(text: &str) -> String {
    // A form's decoding also turns `+` into a blank, which an address does not.
    let protected = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("x={protected}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(url: &str, hosts: &[&str]) -> Result<Index, BuildError> {
        let environment = [("UV_DEFAULT_INDEX".to_owned(), url.to_owned())];
        Index::configured(&environment, &hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_public_index_has_its_file_host_and_no_other() {
        let public = Index::configured(&[], &[]).unwrap();
        for (host, port, admitted) in [
            ("pypi.org", 443, true),
            ("PyPI.org.", 443, true),
            ("files.pythonhosted.org", 443, true),
            ("pypi.org", 80, false),
            ("example.com", 443, false),
            ("evil.pypi.org", 443, false),
            ("169.254.169.254", 80, false),
        ] {
            assert_eq!(public.admits(&Target::new(host, port)), admitted, "{host}:{port}");
        }
    }

    #[test]
    fn a_private_index_has_the_hosts_it_was_given() {
        let private =
            index("https://me:p%40ss@index.example:8443/simple", &["files.example", "[::1]:99"]).unwrap();
        assert!(private.admits(&Target::new("index.example", 8443)));
        assert!(private.admits(&Target::new("files.example", 443)));
        assert!(private.admits(&Target::new("::1", 99)));
        assert!(!private.admits(&Target::new("files.pythonhosted.org", 443)));
        assert!(index("https://index.example/", &["a/b"]).is_err());
        assert!(index("ftp://index.example/", &[]).is_err());
        assert!(index("nonsense", &[]).is_err());
    }

    #[test]
    fn credentials_are_used_and_never_shown() {
        let private = index("https://me:p%40ss@index.example/simple", &["files.example"]).unwrap();
        let header = |url: &str| private.authorization(&Url::parse(url).unwrap());
        assert_eq!(header("https://index.example/x").as_deref(), Some("Basic bWU6cEBzcw=="));
        assert_eq!(header("http://index.example:443/x"), None, "never over a line anyone can read");
        assert_eq!(header("https://files.example/x"), None);
        for text in
            [format!("{private:?}"), private.shown(), private.redact("https://me:p%40ss@x p@ss bWU6cEBzcw==")]
        {
            assert!(!text.contains("p@ss") && !text.contains("p%40ss") && !text.contains("bWU6"), "{text}");
        }
        assert!(!index("https://u:se%zzcret@:bad", &[]).unwrap_err().to_string().contains("cret"));
    }
}
