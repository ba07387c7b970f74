//! Fetches wheels through the gate, by their hashes. What was fetched once is kept.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderValue, LOCATION, PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::error::BuildError;
use crate::gate::{Connection, Gate, GateError};
use crate::index::Target;
use crate::limits;
use crate::lock::Locked;

/// Fetches wheels into one folder, `<sha256>.whl`.
#[derive(Clone)]
pub(crate) struct Fetcher {
    folder: PathBuf,
    gate: Arc<Gate>,
    tls: TlsConnector,
}

impl Fetcher {
    /// `certificates` are those a server may be known by.
    pub(crate) fn new(
        folder: PathBuf,
        gate: Arc<Gate>,
        certificates: &[CertificateDer<'static>],
    ) -> Result<Self, BuildError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| BuildError::Index(format!("no TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { folder, gate, tls: Arc::new(config).into() })
    }

    /// The wheels of all packages, in their order.
    pub(crate) async fn fetch(&self, packages: &[Locked]) -> Result<Vec<PathBuf>, BuildError> {
        let one = |package: Locked| {
            let fetcher = self.clone();
            async move { fetcher.one(&package).await }
        };
        futures_util::stream::iter(packages.iter().cloned().map(one))
            .buffered(limits::FETCHES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn one(&self, package: &Locked) -> Result<PathBuf, BuildError> {
        let path = self.folder.join(format!("{}.whl", package.sha256));
        let (looked_at, wanted) = (path.clone(), package.sha256.clone());
        let kept = tokio::task::spawn_blocking(move || is_whole(&looked_at, &wanted)).await.unwrap_or(false);
        if !kept {
            self.download(package, &path).await?;
        }
        Ok(path)
    }

    async fn download(&self, package: &Locked, path: &Path) -> Result<(), BuildError> {
        let failed =
            |why: String| BuildError::Fetch { package: package.label(), why: self.gate.index().redact(&why) };
        let mut url = package.url.clone();
        let mut driver = JoinSet::new(); // ends with us
        let mut asked = 0;
        let response = loop {
            let response = self.get(&url, &mut driver).await.map_err(|error| match error {
                FetchError::Gate(error @ (GateError::NotTheIndex(_) | GateError::NoPlaceForAnIndex(..))) => {
                    BuildError::NotTheIndex {
                        who: format!("the file of {}", package.label()),
                        targets: Target::of(&url).map(|target| format!("`{target}`")).unwrap_or_default(),
                        index: self.gate.index().shown(),
                        words: error.to_string(),
                    }
                }
                error => failed(error.to_string()),
            })?;
            if !response.status().is_redirection() {
                break response;
            }
            asked += 1;
            let next = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = next
                .filter(|_| asked <= limits::REDIRECTS)
                .and_then(|next| url.join(next).ok())
                .ok_or_else(|| failed("it is redirected too often, or to nowhere".to_owned()))?;
        };
        if response.status() != StatusCode::OK {
            return Err(failed(format!("the index answers {}", response.status())));
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)
            .map_err(BuildError::cache("create a file in", &self.folder))?;
        let (mut hasher, mut length) = (Sha256::new(), 0_u64);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failed(format!("the connection broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            length += data.len() as u64;
            if length > limits::WHEEL_BYTES {
                let megabytes = limits::WHEEL_BYTES / 1024 / 1024;
                return Err(package.refused(format!("is a file of more than {megabytes} MB")));
            }
            hasher.update(&data);
            file.write_all(&data).map_err(BuildError::cache("write", path))?;
        }
        if hex::encode(hasher.finalize()) != package.sha256 {
            return Err(package.refused("is not the file its hash was written for"));
        }
        file.persist(path).map_err(|error| BuildError::cache("write", path)(error.error))?;
        Ok(())
    }

    /// One question and the beginning of its answer. The connection runs in `driver`.
    async fn get(&self, url: &Url, driver: &mut JoinSet<()>) -> Result<Response<Incoming>, FetchError> {
        let target = Target::of(url).ok_or(FetchError::Address)?;
        let secure = url.scheme() == "https";
        let Connection { stream, through } = self.gate.connect(&target, secure).await?;
        let mut request = Request::builder()
            .header(
                HOST,
                HeaderValue::from_str(&target.host_header(secure)).map_err(|_| FetchError::Address)?,
            )
            .header(USER_AGENT, concat!("bailey/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity");
        if let Some(value) = self.gate.index().authorization(url) {
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(value) = through.as_ref().and_then(|proxy| proxy.basic_auth()) {
            request = request.header(PROXY_AUTHORIZATION, value.clone());
        }
        let place = match &through {
            Some(_) => without_credentials(url),
            None => url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
        };
        let place: Uri = place.parse().map_err(|_| FetchError::Address)?;
        let request = request.uri(place).body(Empty::<Bytes>::new()).map_err(|_| FetchError::Address)?;
        let mut sender = if secure {
            let name = ServerName::try_from(target.host.clone()).map_err(|_| FetchError::Address)?;
            let stream = self.tls.connect(name, stream).await.map_err(FetchError::Tls)?;
            let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            driver.spawn(async move {
                let _the_answer_tells = connection.await;
            });
            sender
        } else {
            let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            driver.spawn(async move {
                let _the_answer_tells = connection.await;
            });
            sender
        };
        Ok(sender.send_request(request).await?)
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error("its address cannot be used")]
    Address,
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
}

fn without_credentials(url: &Url) -> String {
    let mut url = url.clone();
    let _an_http_address_has_a_host = url.set_username("").and_then(|()| url.set_password(None));
    url.set_fragment(None);
    url.to_string()
}

/// Whether a kept wheel is what its name says; marks it as used.
fn is_whole(path: &Path, sha256: &str) -> bool {
    let Ok(mut file) = std::fs::File::open(path) else { return false };
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => hasher.update(&chunk[..read]),
            Err(_) => return false,
        }
    }
    crate::store::touch(&file);
    hex::encode(hasher.finalize()) == sha256
}

/// The certificates of the machine, or those the environment names instead.
pub(crate) fn certificates(environment: &[(String, String)]) -> Vec<CertificateDer<'static>> {
    let variable = |wanted: &str| {
        let found = environment.iter().find(|(name, value)| name == wanted && !value.is_empty());
        found.map(|(_, value)| PathBuf::from(value)).filter(|path| path.exists())
    };
    let (file, folder) = (variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR"));
    let found = match (&file, &folder) {
        (None, None) => rustls_native_certs::load_native_certs(),
        // A folder beside a file is the machine's usual pair, and holds the same certificates.
        (Some(file), _) => rustls_native_certs::load_certs_from_paths(Some(file), None),
        (None, Some(folder)) => rustls_native_certs::load_certs_from_paths(None, Some(folder)),
    };
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of this machine cannot be read");
    }
    found.certs
}

/// The same as uv reads them.
pub(crate) fn as_text(certificates: &[CertificateDer<'static>]) -> String {
    use base64::Engine;
    let mut text = String::new();
    for certificate in certificates {
        let body = base64::engine::general_purpose::STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in body.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
