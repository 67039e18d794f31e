//! A relay before a server: it can end TLS, and it can go silent as a network does, without a word to either side.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A file for tests of TLS. The certificate of `server.pem` is for `localhost`, by `ca.pem`.
pub(crate) fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/certificates").join(name)
}

/// What has become of the connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Relayed {
    pub(crate) opened: u64,
    /// By the client; noticed also where nothing passes any more.
    pub(crate) closed: u64,
    /// Those up to this one are silent.
    silenced: u64,
}

/// A running relay.
pub(crate) struct Relay {
    address: SocketAddr,
    is_tls: bool,
    relayed: Arc<watch::Sender<Relayed>>,
    _relaying: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn plain(server: SocketAddr) -> Self {
        Self::start(server, None).await
    }

    pub(crate) async fn tls(server: SocketAddr) -> Self {
        let certificates =
            CertificateDer::pem_file_iter(pem("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        Self::start(server, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(server: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, is_tls) = (listener.local_addr().unwrap(), tls.is_some());
        let relayed = Arc::new(watch::Sender::new(Relayed::default()));
        let told = Arc::clone(&relayed);
        let mut relaying = JoinSet::new();
        relaying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                told.send_modify(|told| told.opened += 1);
                let (number, told, tls) = (told.borrow().opened, Arc::clone(&told), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => relay(client, server, number, &told).await,
                        // A handshake that fails is the client's affair.
                        Some(tls) => match tls.accept(client).await {
                            Ok(client) => relay(client, server, number, &told).await,
                            Err(_refused) => {}
                        },
                    }
                    told.send_modify(|told| told.closed += 1);
                });
            }
        });
        Self { address, is_tls, relayed, _relaying: relaying }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// From now on nothing passes on the connections that there are.
    pub(crate) fn silence(&self) {
        self.relayed.send_modify(|relayed| relayed.silenced = relayed.opened);
    }

    /// Waits until they have come to this.
    pub(crate) async fn seen(&self, what: impl FnMut(&Relayed) -> bool) -> Relayed {
        *self.relayed.subscribe().wait_for(what).await.unwrap()
    }
}

async fn relay(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    server: SocketAddr,
    number: u64,
    told: &watch::Sender<Relayed>,
) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let mut relayed = told.subscribe();
    let silenced = tokio::select! {
        _ended = copy_bidirectional(&mut client, &mut server) => false,
        heard = relayed.wait_for(|relayed| number <= relayed.silenced) => heard.is_ok(),
    };
    if silenced {
        // What the client sends goes nowhere; that it leaves is noticed.
        let _left = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
    }
}
