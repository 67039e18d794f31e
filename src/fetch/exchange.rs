//! One request to one target: look up, check, connect to what was checked, ask, and read the head of the answer.
//!
//! There is no pool and no client around hyper's connection. Each exchange has a connection of its own, to an address that
//! was checked a moment before; a name is looked up once for it, so there is no second answer to be fooled by.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, LOCATION, USER_AGENT,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use super::address::is_public;
use super::error::{Cause, FetchError};
use super::guard::{Target, TargetHost};
use super::network::{Connection, Network};

/// For one address; then the next is tried. The whole has a deadline of its own.
const CONNECT: Duration = Duration::from_secs(2);

/// More addresses than this are checked but not tried.
const TRIED: usize = 4;

/// hyper's read buffer; also bounds the answer's head.
const MAX_BUFFER: usize = 64 * 1024;

const AGENT: &str = concat!("outcrop/", env!("CARGO_PKG_VERSION"));

/// What a target answered.
pub(super) enum Answer {
    /// Ask there instead; as the server wrote it.
    Moved(String),
    /// Here it is.
    Content(Content),
}

/// A body that hasn't been read, and what was said about it.
pub(super) struct Content {
    /// Empty if none was given.
    pub(super) media_type: String,
    pub(super) body: Incoming,
    /// Reads the connection; the body ends without it.
    _connection: AbortOnDropHandle<()>,
}

/// Asks `target` for its content, with an `accept` header of the caller's choice.
pub(super) async fn ask(
    network: &dyn Network,
    tls: &TlsConnector,
    target: &Target,
    accept: &'static str,
) -> Result<Answer, FetchError> {
    let addresses = addresses(network, &target.host).await?;
    let stream = connect(network, &addresses, target.port).await?;
    let stream = if target.is_https() { secure(tls, &target.host, stream).await? } else { stream };
    let broken = |_| FetchError::from(Cause::Broken);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The body, or the answer, has the same error, and ends with it.
            tracing::debug!(%error, "a connection for a remote file broke");
        }
    }));
    let response = sender.send_request(request(target, accept)?).await.map_err(broken)?;
    let (head, body) = response.into_parts();
    match head.status {
        StatusCode::OK if is_encoded(&head.headers) => Err(Cause::Encoded.into()),
        StatusCode::OK => {
            let media_type = head.headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or(""));
            Ok(Answer::Content(Content { media_type: media_type.to_owned(), body, _connection: connection }))
        }
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => {
            let location = head.headers.get(LOCATION).map(|value| std::str::from_utf8(value.as_bytes()));
            match location {
                Some(Ok(location)) => Ok(Answer::Moved(location.to_owned())),
                Some(Err(_)) | None => Err(Cause::Broken.into()),
            }
        }
        _ => Err(Cause::Status.into()),
    }
}

/// The addresses to try. One that isn't public spoils them all: a name that points both outside and inside was either made
/// to deceive or isn't meant for us, and taking its good half would leave what is fetched to the order of the answer.
async fn addresses(network: &dyn Network, host: &TargetHost) -> Result<Vec<IpAddr>, FetchError> {
    let addresses = match host {
        // The guard has checked it; once more costs nothing, and so there is one place that all addresses pass.
        TargetHost::Address(address) => vec![*address],
        TargetHost::Name(name) => network.resolve(name).await.map_err(|_| Cause::Unresolved)?,
    };
    if addresses.is_empty() {
        return Err(Cause::Unresolved.into());
    }
    if !addresses.iter().copied().all(is_public) {
        return Err(Cause::Address.into());
    }
    Ok(addresses)
}

async fn connect(network: &dyn Network, addresses: &[IpAddr], port: u16) -> Result<Connection, FetchError> {
    for address in addresses.iter().take(TRIED) {
        if let Ok(Ok(stream)) = timeout(CONNECT, network.connect(SocketAddr::new(*address, port))).await {
            return Ok(stream);
        }
    }
    Err(Cause::Unconnected.into())
}

async fn secure(tls: &TlsConnector, host: &TargetHost, stream: Connection) -> Result<Connection, FetchError> {
    let name = match host {
        TargetHost::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Cause::Tls)?,
        TargetHost::Address(address) => ServerName::from(*address),
    };
    let stream = tls.connect(name, stream).await.map_err(|_| Cause::Tls)?;
    Ok(Box::new(stream))
}

/// Nothing in it is the client's but the URL: no header of theirs, no cookie, no credentials.
fn request(target: &Target, accept: &'static str) -> Result<Request<Empty<Bytes>>, FetchError> {
    Request::get(target.path_and_query())
        .header(HOST, target.authority())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, accept)
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close")
        .body(Empty::new())
        // A path that `url` writes and `http` refuses.
        .map_err(|_| Cause::Broken.into())
}

/// A small body could become a large one by being unpacked; nothing is.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
