//! Whose certificates are believed.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Sessions a client can take up again.
const SESSIONS: usize = 32;

/// The certificate authorities servers are held to: those of this machine, and the operator's own.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Reads this machine's certificates; `own` are believed too.
    ///
    /// # Errors
    /// A sentence when one of `own` is no certificate.
    pub fn of_this_machine(own: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "some certificates of this machine cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        for certificate in own {
            roots.add(certificate).map_err(|error| format!("this is no certificate authority: {error}"))?;
        }
        if roots.is_empty() {
            tracing::warn!(
                "plugins cannot reach https:// hosts: this machine has no certificates; install ca-certificates"
            );
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    /// A configuration that shares no sessions with another, so that nobody is recognised by somebody else's.
    pub(crate) fn alone(&self, protocols: &[&[u8]]) -> ClientConfig {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}
