//! Logging in with Discord: which addresses people may be sent back to, codes that wait to be redeemed, and what
//! people allowed. Times follow the simulated clock.

use base64::Engine;
use indexmap::IndexMap;
use sha2::{Digest, Sha256};

use super::State;
use crate::clock::Snowflake;

/// How long a code can be redeemed.
const CODE_MS: u64 = 10 * 60 * 1000;
/// How long an access token works, in seconds.
pub(crate) const TOKEN_SECONDS: u64 = 7 * 24 * 60 * 60;
/// Codes and permissions given that are remembered; the oldest give way.
const MOST_KEPT: usize = 1000;
/// Addresses people may be sent back to.
const MOST_REDIRECT_URIS: usize = 100;
/// Longest such address.
const MOST_REDIRECT_URI: usize = 2048;

/// Everything about logins.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    pub(crate) redirect_uris: Vec<String>,
    codes: IndexMap<String, Code>,
    /// By access token.
    grants: IndexMap<String, Grant>,
}

/// A code on its way to the application.
#[derive(Debug)]
struct Code {
    grant: Allowed,
    redirect_uri: String,
    /// The PKCE challenge, always S256.
    challenge: Option<String>,
    expires_ms: u64,
}

/// What a person allowed.
#[derive(Debug, Clone)]
pub(crate) struct Allowed {
    pub(crate) person: Snowflake,
    pub(crate) scopes: Vec<String>,
    /// The server the bot was added to with it.
    pub(crate) guild: Option<Snowflake>,
}

impl Allowed {
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|allowed| allowed == scope)
    }
}

/// What a person allowed, with the tokens that prove it.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) allowed: Allowed,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_ms: u64,
}

/// What is wrong with an address people are to be sent back to; `None` when nothing is.
pub(crate) fn wrong_redirect_uri(uri: &str) -> Option<&'static str> {
    let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"));
    let host = rest.map_or("", |rest| rest.split(['/', '?']).next().unwrap_or(""));
    if host.is_empty() {
        Some("it does not begin with http:// or https:// and a host")
    } else if uri.contains('#') {
        Some("it has a fragment (`#`)")
    } else if uri.len() > MOST_REDIRECT_URI {
        Some("it is longer than 2,048 letters")
    } else if !uri.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b';' | b','))
    {
        Some("it has letters that must be percent-encoded")
    } else {
        None
    }
}

impl Logins {
    pub(crate) fn new(redirect_uris: Vec<String>) -> Self {
        Self { redirect_uris, ..Self::default() }
    }
}

impl State {
    /// Lets people be sent back to this address; false when there are too many.
    pub(crate) fn register_redirect_uri(&mut self, uri: &str) -> bool {
        let known = &mut self.logins.redirect_uris;
        if known.iter().any(|one| one == uri) {
            return true;
        }
        if known.len() >= MOST_REDIRECT_URIS {
            return false;
        }
        known.push(uri.to_owned());
        true
    }

    /// A person allowed something; gives the code the application can redeem.
    pub(crate) fn allow(&mut self, grant: Allowed, redirect_uri: &str, challenge: Option<String>) -> String {
        let code = self.random_hex(15);
        self.recorder.learn("code", &code);
        let expires_ms = self.clock.steady_ms().saturating_add(CODE_MS);
        if self.logins.codes.len() >= MOST_KEPT {
            self.logins.codes.shift_remove_index(0);
        }
        let waiting = Code { grant, redirect_uri: redirect_uri.to_owned(), challenge, expires_ms };
        self.logins.codes.insert(code.clone(), waiting);
        code
    }

    /// Turns a code into tokens. Whatever comes of it, the code is worth nothing afterwards.
    ///
    /// # Errors
    /// Says which field of the request is to blame.
    pub(crate) fn redeem(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<Grant, &'static str> {
        let waiting = self.logins.codes.shift_remove(code).ok_or("code")?;
        if self.clock.steady_ms() >= waiting.expires_ms {
            return Err("code");
        }
        if waiting.redirect_uri != redirect_uri {
            return Err("redirect_uri");
        }
        let fits = match (&waiting.challenge, verifier) {
            (None, _) => true,
            (Some(challenge), Some(verifier)) => *challenge == challenge_of(verifier),
            (Some(_), None) => false,
        };
        if fits { Ok(self.grant(waiting.grant)) } else { Err("code_verifier") }
    }

    /// Gives new tokens for a refresh token, which is worth nothing afterwards, nor is the access token it came with.
    pub(crate) fn refresh(&mut self, refresh_token: &str) -> Option<Grant> {
        let at = self.logins.grants.values().position(|grant| grant.refresh_token == refresh_token)?;
        let (_, old) = self.logins.grants.shift_remove_index(at)?;
        Some(self.grant(old.allowed))
    }

    /// Takes back what was allowed, by either token. Unknown ones are no mistake.
    pub(crate) fn revoke(&mut self, token: &str) {
        self.logins.grants.retain(|access, grant| access != token && grant.refresh_token != token);
    }

    fn grant(&mut self, allowed: Allowed) -> Grant {
        let grant = Grant {
            allowed,
            access_token: self.random_hex(15),
            refresh_token: self.random_hex(15),
            expires_ms: self.clock.steady_ms().saturating_add(TOKEN_SECONDS * 1000),
        };
        self.recorder.learn("access", &grant.access_token);
        self.recorder.learn("refresh", &grant.refresh_token);
        if self.logins.grants.len() >= MOST_KEPT {
            self.logins.grants.shift_remove_index(0);
        }
        self.logins.grants.insert(grant.access_token.clone(), grant.clone());
        grant
    }

    /// What an access token still allows.
    pub(crate) fn granted(&self, access_token: &str) -> Option<&Grant> {
        self.logins.grants.get(access_token).filter(|grant| self.clock.steady_ms() < grant.expires_ms)
    }
}

/// The S256 challenge of a verifier.
fn challenge_of(verifier: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_made_as_rfc_7636_shows_it() {
        let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn addresses_to_come_back_to_are_checked() {
        assert_eq!(wrong_redirect_uri("http://127.0.0.1:8080/back?x=1"), None);
        for wrong in [
            "",
            "ftp://host/",
            "http://",
            "http:///path",
            "https://host/#here",
            "http://host/a b",
            "http://h;x/",
        ] {
            assert!(wrong_redirect_uri(wrong).is_some(), "{wrong}");
        }
    }
}
