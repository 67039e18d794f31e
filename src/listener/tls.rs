//! TLS on clients' connections: certificate and key from files, read again when they change.
//!
//! rustls with ring, TLS 1.2 and 1.3, HTTP/1.1 by ALPN. With an authority for clients, each has to show a certificate of it. A
//! handshake takes the configuration that is the latest when it begins; connections keep theirs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error as RustlsError, RootCertStore, ServerConfig};

/// Where the server's identity is: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead from it to a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose certificates clients have to show; `None` asks for none.
    pub client_ca: Option<PathBuf>,
}

/// Why these files make no TLS server.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not there, or not for us to read.
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, #[source] io::Error),
    /// Not PEM, or without what it should hold.
    #[error("{0} holds no {1}: {2}")]
    Pem(PathBuf, &'static str, #[source] pem::Error),
    /// A certificate that can't be one of an authority.
    #[error("{0} holds no usable authority: {1}")]
    Authority(PathBuf, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// Key and certificate don't belong together, or their kind isn't known.
    #[error("the certificate of {0} can't be used with the key of {1}: {2}")]
    Pair(PathBuf, PathBuf, #[source] RustlsError),
}

/// A server's side of TLS. Clones are the same.
#[derive(Debug, Clone)]
pub struct Tls {
    files: Arc<TlsFiles>,
    current: Arc<RwLock<Loaded>>,
}

#[derive(Debug, Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// Of what the files held.
    digest: [u8; 32],
}

impl Tls {
    /// From these files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let loaded = Contents::read(&files)?.loaded(&files)?;
        Ok(Self { files: Arc::new(files), current: Arc::new(RwLock::new(loaded)) })
    }

    /// Looks at the files again: true if they hold something else, which new handshakes then get. After an error it stays
    /// as it was.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.files)?;
        if contents.digest() == self.loaded().digest {
            return Ok(false);
        }
        let loaded = contents.loaded(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(true)
    }

    /// Where it comes from.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.loaded().config)
    }

    fn loaded(&self) -> Loaded {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let TlsFiles { certificate, key, client_ca } = files;
        let read =
            |path: &Path| std::fs::read(path).map_err(|error| TlsError::Unreadable(path.to_owned(), error));
        Ok(Self {
            certificate: read(certificate)?,
            key: read(key)?,
            client_ca: client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let Self { certificate, key, client_ca } = self;
        let mut digest = Sha256::new();
        for content in [certificate, key].into_iter().chain(client_ca) {
            // Of each its own, so that nothing can move from one file to the next unseen.
            digest.update(Sha256::digest(content));
        }
        digest.finalize().into()
    }

    fn loaded(&self, files: &TlsFiles) -> Result<Loaded, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let pair = |error| TlsError::Pair(files.certificate.clone(), files.key.clone(), error);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(pair)?;
        let builder = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(content)) => {
                let unusable = |error: Box<dyn std::error::Error + Send + Sync>| {
                    TlsError::Authority(path.clone(), error)
                };
                let mut roots = RootCertStore::empty();
                for authority in certificates(path, content)? {
                    roots.add(authority).map_err(|error| unusable(error.into()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error: VerifierBuilderError| unusable(error.into()))?;
                builder.with_client_cert_verifier(verifier)
            }
            (_, _) => builder.with_no_client_auth(),
        };
        let chain = certificates(&files.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| TlsError::Pem(files.key.clone(), "private key", error))?;
        let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Loaded { config: Arc::new(config), digest: self.digest() })
    }
}

fn certificates(path: &Path, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |error| TlsError::Pem(path.to_owned(), "certificate", error);
    let found: Vec<_> = CertificateDer::pem_slice_iter(content).collect::<Result<_, _>>().map_err(wrong)?;
    if found.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(found) }
}
