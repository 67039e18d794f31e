//! `outcrop healthcheck`: one GET, for images without curl.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn run(url: String) -> super::Outcome {
    // Whatever goes wrong, with which URL it did.
    ask(&url).await.with_context(|| url)
}

async fn ask(url: &str) -> super::Outcome {
    let uri: http::Uri = url.parse().context("this is not a URL")?;
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        Some(_) | None => bail!("only http:// and https:// can be asked"),
    };
    let authority = uri.authority().context("the URL names no host")?;
    let host = authority.host().trim_matches(['[', ']']);
    let address = (host, authority.port_u16().unwrap_or(if secure { 443 } else { 80 }));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let ask = async {
        let stream = TcpStream::connect(address).await?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
        if !secure {
            return exchange(stream, &head).await;
        }
        if !stream.peer_addr()?.ip().is_loopback() {
            bail!("the certificate isn't checked, so https:// is for this machine only");
        }
        let name = ServerName::try_from(host.to_owned())?;
        exchange(anybody()?.connect(name, stream).await?, &head).await
    };
    let answer = tokio::time::timeout(PATIENCE, ask)
        .await
        .with_context(|| format!("no answer within {} s", PATIENCE.as_secs()))??;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(ExitCode::SUCCESS),
        Some(_) | None => bail!("the answer was {status:?}"),
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str) -> anyhow::Result<Vec<u8>> {
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Believes whatever certificate there is. Whether the process lives is asked, by name of this machine, and nothing is told.
fn anybody() -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let believer = Arc::new(Believer(provider.signature_verification_algorithms));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(believer)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[derive(Debug)]
struct Believer(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
