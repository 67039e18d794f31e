//! The API over TLS, with certificates of an authority for an afternoon.

#[expect(dead_code, reason = "tests of what is fetched take the rest of it")]
#[path = "../../src/fetch/tests/certificate.rs"]
mod certificate;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use outcrop::config::{self, Overrides, Sources};
use outcrop::listener::{Tls, TlsFiles};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, SupportedProtocolVersion, crypto::ring, version};

use crate::support::{Request, Setup, TestGateway};

const HOST: &str = "gateway.test";
/// Vouches for the server, at first.
const AUTHORITY: u8 = 1;
/// Vouches for clients.
const CLIENTS: u8 = 11;
/// Nobody whom the other side knows.
const STRANGER: u8 = 21;

/// Writes the server's files.
fn write(folder: &Path, authority: u8) {
    let (certificate, key) = certificate::leaf_pem(authority, HOST);
    std::fs::write(folder.join("cert.pem"), certificate).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
}

fn secured(folder: &TempDir) -> Setup {
    write(folder.path(), AUTHORITY);
    let path = |name: &str| folder.path().join(name).display().to_string();
    Setup::new()
        .set("server.tls.cert", &path("cert.pem"))
        .set("server.tls.key", &path("key.pem"))
        .set("server.hosts", "[Gateway.test]")
}

struct Client {
    roots: u8,
    identity: Option<u8>,
    protocols: &'static [&'static [u8]],
    newest: &'static SupportedProtocolVersion,
}

const PLAIN: Client =
    Client { roots: AUTHORITY, identity: None, protocols: &[b"h2", b"http/1.1"], newest: &version::TLS13 };

impl Client {
    async fn connect(&self, gateway: &TestGateway) -> io::Result<TlsStream<TcpStream>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[self.newest])
            .unwrap()
            .with_root_certificates(certificate::roots(self.roots));
        let mut config = match self.identity {
            Some(authority) => {
                let (certificate, key) = certificate::identity(authority, "client.test");
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let socket = TcpStream::connect(gateway.address).await.unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }

    /// Asks whether the server lives. (TLS 1.3 tells a client that it is refused after its side of the handshake.)
    async fn ask(&self, gateway: &TestGateway) -> io::Result<String> {
        ask(self.connect(gateway).await?).await
    }
}

async fn ask(mut stream: TlsStream<TcpStream>) -> io::Result<String> {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: gateway.test\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_speaks_tls_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let gateway = secured(&folder).start().await;
    for (newest, known) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let stream = Client { newest, ..PLAIN }.connect(&gateway).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(known));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(ask(stream).await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
    }
    assert!(Client { protocols: &[b"h2"], ..PLAIN }.ask(&gateway).await.is_err(), "there is no HTTP/2");
    assert!(Client { protocols: &[], ..PLAIN }.ask(&gateway).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(Client { roots: STRANGER, ..PLAIN }.ask(&gateway).await.is_err(), "the client checks");

    let mut plain = TcpStream::connect(gateway.address).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _closed = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_authority_for_clients_each_shows_its_certificate() {
    let folder = TempDir::new().unwrap();
    let authority = folder.path().join("clients.pem");
    std::fs::write(&authority, certificate::root_pem(CLIENTS)).unwrap();
    let gateway = secured(&folder)
        .set("server.tls.client_ca", &authority.display().to_string())
        .set("server.admin", "'127.0.0.1:0'")
        .start()
        .await;
    let known = Client { identity: Some(CLIENTS), ..PLAIN };
    assert!(known.ask(&gateway).await.unwrap().starts_with("HTTP/1.1 200"));
    for identity in [None, Some(STRANGER)] {
        assert!(Client { identity, ..PLAIN }.ask(&gateway).await.is_err());
        let old = Client { identity, newest: &version::TLS12, ..PLAIN };
        assert!(old.connect(&gateway).await.is_err());
    }
    let metrics = Request::get("/metrics").send(gateway.admin.unwrap()).await;
    let refused = r#"outcrop_connections_closed_total{reason="handshake"} 4"#;
    assert!(metrics.text().contains(refused), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_handshake_has_the_time_of_a_head() {
    let folder = TempDir::new().unwrap();
    let gateway = secured(&folder)
        .set("server.header_timeout", "0.05")
        .set("server.admin", "'127.0.0.1:0'")
        .start()
        .await;
    let mut socket = TcpStream::connect(gateway.address).await.unwrap();
    // The beginning of a record.
    socket.write_all(&[0x16, 3, 1]).await.unwrap();
    let mut answer = Vec::new();
    let _closed = socket.read_to_end(&mut answer).await;
    let metrics = Request::get("/metrics").send(gateway.admin.unwrap()).await;
    let closed = r#"outcrop_connections_closed_total{reason="head_timeout"} 1"#;
    assert!(metrics.text().contains(closed), "{}", metrics.text());
    assert!(PLAIN.ask(&gateway).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_for_new_connections_and_a_wrong_one_for_none() {
    let folder = TempDir::new().unwrap();
    let gateway = secured(&folder).start().await;
    let before = PLAIN.connect(&gateway).await.unwrap();

    write(folder.path(), STRANGER);
    gateway.reloader.take_certificate();
    assert!(PLAIN.ask(&gateway).await.is_err(), "another authority's by now");
    let renewed = Client { roots: STRANGER, ..PLAIN };
    assert!(renewed.ask(&gateway).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(ask(before).await.unwrap().starts_with("HTTP/1.1 200"), "who is in stays in");

    // Half of a renewal: the key doesn't fit yet.
    std::fs::write(folder.path().join("cert.pem"), certificate::leaf_pem(AUTHORITY, HOST).0).unwrap();
    gateway.reloader.take_certificate();
    assert!(renewed.ask(&gateway).await.is_ok());
    write(folder.path(), AUTHORITY);
    gateway.reloader.take_certificate();
    assert!(PLAIN.ask(&gateway).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_healthcheck_asks_this_machine_over_tls_too() {
    let folder = TempDir::new().unwrap();
    let gateway = secured(&folder).start().await;
    let check = |scheme: &str| {
        let url = format!("{scheme}://{}/livez", gateway.address);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_outcrop"));
        command.args(["healthcheck", "--url", &url]).output().unwrap().status.success()
    };
    assert!(check("https"));
    assert!(!check("http"));
}

#[test]
fn a_certificate_without_its_key_is_no_configuration() {
    for keys in [&["server.tls.cert"][..], &["server.tls.key"], &["server.tls.client_ca"]] {
        let mut overrides = Overrides::default();
        for key in keys {
            overrides.set("test", key, "x.pem");
        }
        let vars = BTreeMap::<String, String>::new();
        let errors = config::load(Sources { file: None, vars: &vars, overrides }).unwrap_err();
        assert!(errors.to_string().contains("both server.tls.cert and server.tls.key"), "{errors}");
    }
}

#[tokio::test]
async fn files_that_make_no_server_keep_it_from_starting() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(folder.path(), AUTHORITY);
    std::fs::write(path("other.pem"), certificate::leaf_pem(STRANGER, HOST).1).unwrap();
    std::fs::write(path("empty.pem"), "").unwrap();
    for (cert, key, words) in [
        ("cert.pem", "none.pem", "cannot read"),
        ("empty.pem", "key.pem", "holds no certificate"),
        ("cert.pem", "empty.pem", "holds no private key"),
        ("cert.pem", "other.pem", "can't be used with the key"),
    ] {
        let files = TlsFiles { certificate: path(cert), key: path(key), client_ca: None };
        let error = Tls::load(files).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
