//! How plugins reach other people's servers in this run, and what their secrets are sealed with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailey_outbound::{NameServers, Network, Outbound, OutboundConfig, Trust};
use bailey_services::http::Record;
use bailey_services::{Keys, OwnAuthorization, RedisServer, ServicesOptions};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::cli::{KeyOptions, OutwardOptions};
use crate::error::{CommandError, chain};

/// What the operator chose about the services, of a Bailey that stays up.
pub(crate) fn services(
    options: &OutwardOptions,
    redis: Option<RedisServer>,
    data: &Path,
) -> Result<ServicesOptions, CommandError> {
    Ok(ServicesOptions {
        redis,
        outbound: to_the_internet(options)?,
        own_authorization: match options.strip_authorization {
            true => OwnAuthorization::LeftOut,
            false => OwnAuthorization::Sent,
        },
        proxy_requests_per_minute: options.proxy_requests_per_minute,
        record: None,
        keys: keys(&options.keys, data)?,
        rng: rand::make_rng(),
    })
}

/// Where what other servers answer is to be written down.
pub(crate) fn record(path: &Path) -> Result<Arc<Record>, CommandError> {
    let shown = path.display();
    let open = Record::open(path);
    open.map(Arc::new).map_err(|error| CommandError::usage(format!("cannot write to {shown}: {error}")))
}

/// The keys of the file that was named, else of the one in the data directory.
pub(crate) fn keys(options: &KeyOptions, data: &Path) -> Result<Keys, CommandError> {
    let path: PathBuf = options.secret_keys.clone().unwrap_or_else(|| data.join("secret-keys"));
    Keys::open(&path).map_err(|error| CommandError::failed(chain(&error)))
}

/// The internet, as the operator wants it reached.
fn to_the_internet(options: &OutwardOptions) -> Result<Outbound, CommandError> {
    let name_servers = match options.name_server.as_slice() {
        [] => NameServers::OfThisMachine,
        servers => NameServers::At(servers.to_vec()),
    };
    let own = options.certificates.as_deref().map(certificates).transpose()?.unwrap_or_default();
    Outbound::open(OutboundConfig {
        name_servers,
        permits: options.permit.clone(),
        trust: Trust::of_this_machine(own).map_err(CommandError::usage)?,
        network: Network::Internet,
    })
    .map_err(CommandError::failed)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CommandError> {
    let shown = path.display();
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found =
        read.map_err(|error| CommandError::usage(format!("cannot read certificates from {shown}: {error}")))?;
    if found.is_empty() {
        return Err(CommandError::usage(format!("there is no certificate in {shown}")));
    }
    Ok(found)
}
