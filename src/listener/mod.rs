//! The accept loop: sockets in, requests out, and nobody may hold a connection for free.
//!
//! `axum::serve` has no header timeout and leaves Nagle's algorithm and the kernel's send buffers alone, so a
//! silent client keeps its socket for ever and a slow one keeps megabytes of kernel memory. This loop gives every
//! connection a clock (`clock`), bounded buffers (`socket`) and a place in a bounded set, and ends in stages
//! ([`Shutdown`]). HTTP/1.1 only.
//!
//! It isn't a router: it knows no path, no error body and no metric. It names nothing else in the crate; only
//! `app` starts it.
//!
//! What hyper does about framing: 400 for conflicting or malformed lengths, obs-fold, NUL and spaces before a
//! colon; 431 beyond 100 headers; the connection closes after any of them. Bare LF is accepted as a line end.
//! [`refuse_ambiguous`] holds the rest of what the edge turns away.

mod body;
mod clock;
mod connection;
mod crowd;
mod door;
mod files;
mod refuse;
mod shutdown;
mod socket;
mod stalled;
#[cfg(test)]
mod tests;
mod tls;
mod workers;

pub use body::{BodyError, RequestBody};
pub use files::FileLimit;
pub use refuse::{MAX_HEADER_VALUE, Refusal, refuse_ambiguous};
pub use shutdown::Shutdown;
pub use stalled::{Connection, Stalled};
pub use tls::{Tls, TlsError, TlsFiles};
pub use workers::Workers;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use clock::SharedClock;
use crowd::Crowd;
use door::{Admitted, Door};

/// How long a client may keep us waiting, and how many clients there may be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// From the first byte of a request's head to its last. Then: 408 and close.
    pub header_timeout: Duration,
    /// Silence before a connection's first byte and between two requests. Longer than the idle timeout of the
    /// load balancer in front, or it will send requests into connections that we are closing.
    pub idle_timeout: Duration,
    /// Between two reads of a request's body, while somebody waits for it. Then: [`BodyError::Idle`].
    pub body_timeout: Duration,
    /// From the first wait for a request's body to its end. Then: [`BodyError::Slow`], as for a body that comes at
    /// less than 1 KiB a second once `body_timeout` is over.
    pub body_total_timeout: Duration,
    /// Without progress while bytes wait to be sent. Then: reset.
    pub write_stall_timeout: Duration,
    /// Open connections. At this number the next one takes the place of one without a request under way; where there is
    /// none, it waits until there is, and the kernel's backlog queues the others.
    pub max_connections: usize,
    /// Those from one address (IPv6: from one network of 64 bits); at this number likewise, but nobody waits.
    pub max_per_address: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            body_total_timeout: Duration::from_mins(1),
            write_stall_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            max_per_address: usize::MAX,
        }
    }
}

/// Hears of every connection. Called on the accept and close paths, so it must not block.
pub trait Observer: Send + Sync + 'static {
    /// A connection was accepted.
    fn opened(&self);
    /// It ended. Every `opened` has its `closed`.
    fn closed(&self, why: Closed);
}

/// For those who don't count connections.
impl Observer for () {
    fn opened(&self) {}
    fn closed(&self, _: Closed) {}
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// In the way of HTTP: by the peer between requests, or after a response that said so.
    Finished,
    /// The peer vanished in the middle of something, or didn't speak HTTP.
    Broken,
    /// Silent for [`Settings::idle_timeout`].
    Idle,
    /// Had no request under way when another connection needed its place.
    Evicted,
    /// Began a head and didn't end it within [`Settings::header_timeout`].
    HeadTimeout,
    /// Didn't speak TLS, or not to our liking.
    Handshake,
    /// Took no bytes for [`Settings::write_stall_timeout`].
    WriteStalled,
    /// Took no bytes when somebody needed the memory: see [`Stalled::cut_half`].
    Memory,
    /// Cut by [`Shutdown::force`], or by a panic.
    Aborted,
}

impl Closed {
    /// The reason as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::HeadTimeout => "head_timeout",
            Self::Handshake => "handshake",
            Self::WriteStalled => "write_stalled",
            Self::Memory => "memory",
            Self::Aborted => "aborted",
        }
    }
}

/// A bound socket that isn't accepting yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    settings: Settings,
    tls: Option<Tls>,
    stalled: Stalled,
}

impl Listener {
    /// Binds and listens; connections queue in the kernel until [`Listener::serve`].
    pub async fn bind(address: SocketAddr, settings: Settings) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, settings, tls: None, stalled: Stalled::default() })
    }

    /// With TLS on every connection.
    #[must_use]
    pub fn secured(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// Where it listens: the real port, also when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Those of its connections whose clients don't read.
    pub fn stalled(&self) -> Stalled {
        self.stalled.clone()
    }

    /// Accepts, and has `workers` serve, until `shutdown` has drained the last connection or forces the rest to end.
    ///
    /// Dropping the future drops every connection: none outlives it for long.
    pub async fn serve<S, B>(
        self,
        service: S,
        shutdown: Shutdown,
        observer: Arc<dyn Observer>,
        workers: Workers,
    ) where
        S: tower::Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let crowd = Crowd::default();
        let mut door = Door::new(&self.socket, self.settings, crowd.clone());
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining() => break,
                Some(ended) = connections.join_next() => report_panic(ended),
                Admitted { stream, peer, slot } = door.next() => {
                    let (service, shutdown) = (service.clone(), shutdown.clone());
                    let (tls, stalled) = (self.tls.clone(), self.stalled.clone());
                    let clock = SharedClock::new(self.settings, Instant::now());
                    let place = crowd.enter(peer, clock.clone());
                    let open = Open::new(Arc::clone(&observer));
                    let (worker, seat) = workers.least_busy();
                    connections.spawn_on(
                        async move {
                            // Here, so that the worker's own reactor watches the socket.
                            match TcpStream::from_std(stream) {
                                Ok(stream) => {
                                    let serving =
                                        connection::serve(stream, tls, (clock, stalled), service, shutdown);
                                    // Allocated there as well: an allocator gives back what its own thread had when that
                                    // thread allocates again, and the one that accepts seldom does.
                                    open.close(Box::pin(serving).await);
                                }
                                Err(error) => tracing::warn!(%error, "cannot watch a connection"),
                            }
                            drop((place, slot, seat));
                        },
                        worker,
                    );
                }
            }
        }
        drop(door);
        drop(self.socket);
        loop {
            tokio::select! {
                biased;
                () = shutdown.forced() => return connections.shutdown().await,
                ended = connections.join_next() => match ended {
                    Some(ended) => report_panic(ended),
                    None => return,
                },
            }
        }
    }
}

fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}

/// Pairs each `opened` with one `closed`, also when the task is aborted.
struct Open {
    observer: Arc<dyn Observer>,
    why: Closed,
}

impl Open {
    fn new(observer: Arc<dyn Observer>) -> Self {
        observer.opened();
        Self { observer, why: Closed::Aborted }
    }

    fn close(mut self, why: Closed) {
        self.why = why;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.observer.closed(self.why);
    }
}
