//! Connections to Bedrock: HTTP/1.1, over TLS or not, kept for the next call.
//!
//! Each thread has its own connections at rest. A connection is driven by the runtime that opened it, so a call
//! finds one whose every step happens on the thread that the call itself is on: no wake-up crosses threads and no
//! lock is shared. HTTP/2 is not offered: a server bounds the streams of one connection, dropping an answer
//! would have to be told apart from closing, and one lost packet would hold up every answer.
//!
//! It knows nothing of AWS; `connector` puts it under the SDK.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{self, CipherSuite, ClientConfig, RootCertStore};
use tower::Service as _;

/// How long a connection rests before it is closed. Load balancers keep theirs for longer.
const REST: Duration = Duration::from_secs(90);

/// A connection that is older is not used again, so that calls follow where a name leads.
const AGE: Duration = Duration::from_mins(10);

/// How long a connection whose answer has been read may need until it can take the next request.
const SETTLE: Duration = Duration::from_secs(1);

/// Probes connections that are silent after this: a model may think for longer than a NAT remembers.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Between two probes that nobody answers.
const PROBE: Duration = Duration::from_secs(10);

/// So many unanswered ones are the end: half a minute of silence and as much again.
const PROBES: u32 = 3;

/// What was sent is acknowledged within this, or the connection is dead: without it the kernel tries for a quarter of
/// an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What the kernel may take of an answer that nobody reads here yet, because the client doesn't read either. By itself it
/// takes more the faster the answer came, and up to 32 megabytes are usual. This is 25 megabytes a second at 5 ms, and at
/// 100 ms still more than models say.
const UNREAD: usize = 128 * 1024;

/// And what is read ahead of it into this process, where 400 KiB are usual. Heads are shorter by far.
const READ: usize = 16 * 1024;

/// Connections at rest, and the means to open new ones.
#[derive(Debug)]
pub(super) struct Pool {
    connector: HttpsConnector<HttpConnector>,
    /// Tells this pool's shelves from others'; they end with it.
    mark: Arc<()>,
    /// Their connections hear of its end.
    ended: watch::Sender<()>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The address is none that can be called.
    #[error("`{0}` cannot be called")]
    Address(Uri),
    /// No connection came about.
    #[error("cannot connect to {0}")]
    Connect(Authority, #[source] Box<dyn Error + Send + Sync>),
    /// Not in time.
    #[error("no connection to {0} within {1:?}")]
    ConnectTimeout(Authority, Duration),
    /// It broke before the answer's head was there.
    #[error("the connection broke before it answered")]
    Broken(#[source] hyper::Error),
}

impl SendError {
    /// Is it for what was to be sent that nothing was sent?
    pub(super) fn is_unsendable(&self) -> bool {
        match self {
            Self::Address(_) => true,
            Self::Connect(..) | Self::ConnectTimeout(..) => false,
            Self::Broken(error) => error.is_user(),
        }
    }
}

impl Pool {
    /// `roots`: the only authorities to trust; without, those that the host trusts.
    pub(super) fn new(roots: Option<RootCertStore>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_recv_buffer_size(Some(UNREAD));
        tcp.set_keepalive_interval(Some(PROBE));
        tcp.set_keepalive_retries(Some(PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(roots))
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self { connector, mark: Arc::default(), ended: watch::Sender::new(()) }
    }

    /// Sends a request with an absolute address. The answer's body holds the connection, and gives it back when it
    /// has been read to its end; dropped before, it closes it.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
        connect_timeout: Option<Duration>,
    ) -> Result<Response<Answer>, SendError> {
        let (mut head, body) = request.into_parts();
        let origin = Origin::of(&mut head)?;
        let mut request = Request::from_parts(head, Full::new(body));
        let place = self.shelf_to(&origin);
        loop {
            let (mut connection, fresh) = match place.take() {
                Some(rested) => (rested, false),
                None => (self.open(&origin, connect_timeout).await?, true),
            };
            match connection.sender.try_send_request(request).await {
                Ok(response) => {
                    return Ok(response.map(|body| Answer { body, held: Some((connection, place)) }));
                }
                Err(mut refused) => match refused.take_message() {
                    // It was closed while it rested and nothing has been sent: another one will do.
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) | None => return Err(SendError::Broken(refused.into_error())),
                },
            }
        }
    }

    async fn open(&self, origin: &Origin, limit: Option<Duration>) -> Result<Connection, SendError> {
        let failed = |error| SendError::Connect(origin.authority.clone(), error);
        let opening = async {
            // The connector is made to be cloned for each.
            let stream = self.connector.clone().call(origin.uri()?).await.map_err(failed)?;
            let handshake = http1::Builder::new().max_buf_size(READ).handshake(stream);
            handshake.await.map_err(|error| failed(error.into()))
        };
        let (sender, connection) = match limit {
            None => opening.await?,
            Some(limit) => tokio::time::timeout(limit, opening)
                .await
                .map_err(|_elapsed| SendError::ConnectTimeout(origin.authority.clone(), limit))??,
        };
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                // Whoever waits for an answer on it is told as well.
                tracing::debug!(%error, "a connection to Bedrock broke");
            }
        });
        Ok(Connection { sender, opened: Instant::now() })
    }

    /// This thread's shelf for an origin.
    fn shelf_to(&self, origin: &Origin) -> Arc<Shelf> {
        SHELVES.with_borrow_mut(|shelves| {
            let mine = Arc::as_ptr(&self.mark);
            if let Some((_, _, shelf)) =
                shelves.iter().find(|(mark, known, _)| mark.as_ptr() == mine && known == origin)
            {
                return Arc::clone(shelf);
            }
            // A thread may outlive pools: in tests.
            shelves.retain(|(mark, _, _)| mark.strong_count() > 0);
            let empty = Arc::new(Shelf { inner: Mutex::default(), pool: self.ended.subscribe() });
            shelves.push((Arc::downgrade(&self.mark), origin.clone(), Arc::clone(&empty)));
            empty
        })
    }
}

/// Whose it is, where its connections lead, and itself.
type Marked = (Weak<()>, Origin, Arc<Shelf>);

thread_local! {
    /// Few: one for each pool and region that this thread has called.
    static SHELVES: RefCell<Vec<Marked>> = const { RefCell::new(Vec::new()) };
}

/// Where connections lead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl Origin {
    /// Takes the origin out of a request's address; what stays is the path, and the origin is in `Host`.
    fn of(head: &mut http::request::Parts) -> Result<Self, SendError> {
        let parts = std::mem::take(&mut head.uri).into_parts();
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(SendError::Address(Uri::from(path)));
        };
        // As it is signed: without the port that goes without saying.
        let usual = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = match authority.port_u16() {
            Some(port) if port != usual => HeaderValue::from_str(authority.as_str()),
            Some(_) | None => HeaderValue::from_str(authority.host()),
        };
        head.uri = Uri::from(path);
        let host = host.map_err(|_| SendError::Address(head.uri.clone()))?;
        head.headers.insert(header::HOST, host);
        Ok(Self { scheme, authority })
    }

    fn uri(&self) -> Result<Uri, SendError> {
        let uri =
            Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query("/");
        uri.build().map_err(|_| SendError::Address(Uri::default()))
    }
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    opened: Instant,
}

/// Connections at rest, the one used last on top: so the others grow old and go.
#[derive(Debug)]
struct Shelf {
    inner: Mutex<Resting>,
    /// Closes with the pool.
    pool: watch::Receiver<()>,
}

#[derive(Debug, Default)]
struct Resting {
    connections: Vec<(Connection, Instant)>,
    /// Somebody comes to close those that have rested for too long.
    watched: bool,
}

impl Shelf {
    /// Threads of one runtime may hand a shelf's connections about; everywhere else nobody waits for this lock.
    fn lock(&self) -> MutexGuard<'_, Resting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Connection> {
        let mut resting = self.lock();
        while let Some((connection, since)) = resting.connections.pop() {
            let is_young = since.elapsed() < REST && connection.opened.elapsed() < AGE;
            if is_young && connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn give_back(self: Arc<Self>, connection: Connection) {
        if connection.sender.is_closed() || connection.opened.elapsed() >= AGE {
            return;
        }
        if connection.sender.is_ready() {
            return self.put(connection);
        }
        // It is still writing the request, which was answered early, or has not yet been told of the end.
        tokio::spawn(async move {
            let mut connection = connection;
            if let Ok(Ok(())) = tokio::time::timeout(SETTLE, connection.sender.ready()).await {
                self.put(connection);
            }
        });
    }

    fn put(self: Arc<Self>, connection: Connection) {
        if self.pool.has_changed().is_err() {
            // A pool that is gone makes no more calls.
            return;
        }
        let mut resting = self.lock();
        resting.connections.push((connection, Instant::now()));
        if !std::mem::replace(&mut resting.watched, true) {
            tokio::spawn(Arc::clone(&self).watch());
        }
    }

    /// Closes what has rested for too long, until nothing rests; and all of it with the pool.
    async fn watch(self: Arc<Self>) {
        let mut pool = self.pool.clone();
        loop {
            if let Ok(Err(_ended)) = tokio::time::timeout(REST, pool.changed()).await {
                let mut resting = self.lock();
                resting.connections.clear();
                resting.watched = false;
                return;
            }
            let mut resting = self.lock();
            resting
                .connections
                .retain(|(connection, since)| !connection.sender.is_closed() && since.elapsed() < REST);
            if resting.connections.is_empty() {
                resting.watched = false;
                return;
            }
        }
    }
}

/// An answer's body.
#[derive(Debug)]
pub(super) struct Answer {
    body: Incoming,
    /// Until it has been read to its end.
    held: Option<(Connection, Arc<Shelf>)>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Err(_)) => self.held = None,
            Some(Ok(_)) if !self.body.is_end_stream() => {}
            Some(Ok(_)) | None => {
                if let Some((connection, shelf)) = self.held.take() {
                    shelf.give_back(connection);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The authorities of a PEM file. All of them, or what is wrong with it.
pub(super) fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(roots) }
}

/// What the SDK's own client offers: ring, and the certificates that the host trusts, or `roots`.
fn tls(roots: Option<RootCertStore>) -> ClientConfig {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|suite| !LEFT_OUT.contains(&suite.suite()));
    let config = ClientConfig::builder_with_provider(Arc::new(provider));
    let config = match config.with_safe_default_protocol_versions() {
        Ok(config) => config,
        Err(error) => unreachable!("ring has suites for every version: {error}"),
    };
    if let Some(roots) = roots {
        return config.with_root_certificates(roots).with_no_client_auth();
    }
    match config.clone().with_native_roots() {
        Ok(config) => config.with_no_client_auth(),
        Err(error) => {
            // Not the end: an endpoint without TLS needs none, and one with TLS will say so.
            tracing::warn!(%error, "the host trusts no certificate authority");
            config.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
    }
}

const LEFT_OUT: [CipherSuite; 2] =
    [CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    /// A server whose connections the test holds in its hands.
    struct Server {
        listener: TcpListener,
        url: String,
    }

    impl Server {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/model/m/converse?a=b", listener.local_addr().unwrap());
            Self { listener, url }
        }

        fn request(&self) -> Request<Bytes> {
            Request::post(&self.url).body(Bytes::from_static(b"{}")).unwrap()
        }

        async fn accept(&self) -> TcpStream {
            self.listener.accept().await.unwrap().0
        }
    }

    /// Reads one request and answers it.
    async fn serve(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n{}") {
            text.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        String::from_utf8(text).unwrap()
    }

    async fn read(answer: Response<Answer>) -> Bytes {
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_connection_whose_answer_was_read_takes_the_next_call() {
        let (server, pool) = (Server::start().await, Pool::new(None));
        let calls = async {
            for _ in 0..3 {
                assert_eq!(read(pool.send(server.request(), None).await.unwrap()).await, "ok");
            }
        };
        let serving = async {
            let mut stream = server.accept().await;
            let head = serve(&mut stream).await;
            assert!(head.starts_with("POST /model/m/converse?a=b HTTP/1.1\r\n"), "{head}");
            let host = server.listener.local_addr().unwrap();
            assert!(head.contains(&format!("host: {host}\r\n")), "{head}");
            serve(&mut stream).await;
            serve(&mut stream).await;
        };
        tokio::join!(calls, serving);
    }

    #[tokio::test]
    async fn a_connection_that_the_server_closed_is_not_used_again() {
        let (server, pool) = (Server::start().await, Pool::new(None));
        for _ in 0..2 {
            let call = async { read(pool.send(server.request(), None).await.unwrap()).await };
            let serving = async { serve(&mut server.accept().await).await };
            tokio::join!(call, serving);
        }
    }

    #[tokio::test]
    async fn what_rests_is_closed_with_its_pool() {
        let (server, pool) = (Server::start().await, Pool::new(None));
        let (answer, mut stream) = tokio::join!(pool.send(server.request(), None), async {
            let mut stream = server.accept().await;
            serve(&mut stream).await;
            stream
        });
        read(answer.unwrap()).await;
        drop(pool);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }

    #[tokio::test]
    async fn an_answer_that_is_left_closes_its_connection() {
        let (server, pool) = (Server::start().await, Pool::new(None));
        let (answer, mut stream) = tokio::join!(pool.send(server.request(), None), async {
            let mut stream = server.accept().await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
            stream
        });
        drop(answer.unwrap());
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(pool.shelf_to(&origin(&server)).take().is_none());
    }

    fn origin(server: &Server) -> Origin {
        Origin::of(&mut server.request().into_parts().0).unwrap()
    }

    #[tokio::test]
    async fn what_has_rested_or_lived_too_long_is_closed() {
        let (server, pool) = (Server::start().await, Pool::new(None));
        let rest = async || {
            let (body, stream) =
                tokio::join!(async { read(pool.send(server.request(), None).await.unwrap()).await }, async {
                    let mut stream = server.accept().await;
                    serve(&mut stream).await;
                    stream
                });
            assert_eq!(body, "ok");
            stream
        };
        let mut stream = rest().await;
        tokio::time::pause();
        tokio::time::advance(REST * 2).await;
        // Closed without anybody asking for it.
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        tokio::time::resume();

        let _stream = rest().await;
        let shelf = pool.shelf_to(&origin(&server));
        let connection = shelf.take().unwrap();
        tokio::time::pause();
        tokio::time::advance(AGE).await;
        Arc::clone(&shelf).give_back(connection);
        assert!(shelf.take().is_none());
        tokio::time::resume();

        // It has come of age while it rested.
        let _stream = rest().await;
        let connection = shelf.take().unwrap();
        tokio::time::pause();
        tokio::time::advance(AGE.mul_f64(0.95)).await;
        Arc::clone(&shelf).give_back(connection);
        tokio::time::advance(REST.mul_f64(0.9)).await;
        assert!(shelf.take().is_none());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_peer_that_is_gone_is_found_out() {
        use hyper_rustls::MaybeHttpsStream;
        use socket2::SockRef;

        let (server, pool) = (Server::start().await, Pool::new(None));
        let opened = pool.connector.clone().call(origin(&server).uri().unwrap()).await.unwrap();
        let MaybeHttpsStream::Http(stream) = &opened else { panic!("there is no TLS") };
        let socket = SockRef::from(stream.inner());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_apart_from_one_that_hangs_up() {
        let (server, pool) = (Server::start().await, Pool::new(None));
        let (broken, ()) =
            tokio::join!(pool.send(server.request(), None), async { drop(server.accept().await) });
        assert!(matches!(broken.unwrap_err(), SendError::Broken(_)));
        let request = server.request();
        drop(server);
        assert!(matches!(pool.send(request, None).await.unwrap_err(), SendError::Connect(..)));
    }

    #[tokio::test]
    async fn connecting_has_an_end() {
        let (server, pool) = (Server::start().await, Pool::new(None));
        // The TCP handshake is the kernel's; TLS waits for a word that never comes.
        let secure = server.url.replace("http:", "https:");
        let request = Request::post(secure).body(Bytes::new()).unwrap();
        let limit = Duration::from_millis(20);
        let failed = pool.send(request, Some(limit)).await.unwrap_err();
        assert!(matches!(failed, SendError::ConnectTimeout(_, within) if within == limit), "{failed}");
    }

    #[test]
    fn the_host_is_named_as_it_is_signed() {
        for (url, host) in [
            ("https://bedrock-runtime.us-east-1.amazonaws.com/x", "bedrock-runtime.us-east-1.amazonaws.com"),
            ("https://a:443/x", "a"),
            ("http://a:80/x", "a"),
            ("https://a:80/x", "a:80"),
            ("http://127.0.0.1:8081/x", "127.0.0.1:8081"),
        ] {
            let (mut head, ()) = Request::post(url).body(()).unwrap().into_parts();
            Origin::of(&mut head).unwrap();
            assert_eq!((head.headers["host"].to_str().unwrap(), head.uri.to_string().as_str()), (host, "/x"));
        }
        let (mut head, ()) = Request::post("/x").body(()).unwrap().into_parts();
        assert!(Origin::of(&mut head).is_err());
    }
}
