//! A TCP proxy that does what networks do: slow down, stall, cut, reset, half-close, change a byte, not answer.
//!
//! Between gateway and upstream or between client and gateway. It can speak TLS to whoever connects. It knows nothing of
//! HTTP and of the gateway.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Most bytes that are kept of what has gone down.
const TAPE: usize = 64 * 1024;

/// A file for tests of TLS. The certificate of `server.pem` is for `localhost`, by `ca.pem`.
pub(crate) fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/certificates").join(name)
}

/// The way that bytes take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From whoever connects to whoever is behind the proxy: requests.
    Up,
    /// Answers.
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Both connections end in good order.
    Close,
    /// Both end with a TCP reset.
    Reset,
    /// This way's receiver is told that no more comes; the other way goes on.
    HalfClose,
    /// Nothing goes this way any more, and nobody is told.
    Stall,
    /// The byte arrives with these bits turned over.
    Flip(u8),
}

/// What happens to a connection at a byte: this one doesn't get through, or not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) way: Way,
    /// Bytes before it, since the fault was ordered or the connection made, whichever is later.
    pub(crate) after: u64,
    pub(crate) deed: Deed,
}

/// What a new connection finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Door {
    #[default]
    Open,
    /// It is reset.
    Reset,
    /// Nobody ever answers.
    Silent,
}

/// How it goes when nothing happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    pub(crate) door: Door,
    /// Each piece, in both ways, is so late.
    pub(crate) delay: Duration,
    /// Bytes a second in each way, in pieces of a hundredth of it.
    pub(crate) rate: Option<u32>,
}

/// What has been seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) accepted: u64,
    pub(crate) open: u64,
    /// Those that whoever connected has left; seen also where nothing goes down any more.
    pub(crate) left: u64,
    /// Bytes taken from whoever connected, and from whoever is behind.
    pub(crate) up: u64,
    pub(crate) down: u64,
    /// Faults that have happened.
    pub(crate) faults: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Orders {
    weather: Weather,
    fault: Option<Fault>,
    /// To how many connections it still happens.
    left: u32,
    /// Counts the orders: positions begin again with each.
    number: u64,
    /// The last order that ended all connections there were, and how.
    severed: (u64, bool),
}

#[derive(Debug)]
struct Shared {
    orders: watch::Sender<Orders>,
    traffic: watch::Sender<Traffic>,
    /// What has gone down since the last order.
    tape: Mutex<Vec<u8>>,
}

/// A running proxy. Dropping it ends it and its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    is_tls: bool,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of loopback.
    pub(crate) async fn start(behind: SocketAddr) -> io::Result<Self> {
        Self::listen(behind, None).await
    }

    /// The same with TLS as far as here.
    pub(crate) async fn start_tls(behind: SocketAddr) -> io::Result<Self> {
        let certificates =
            CertificateDer::pem_file_iter(pem("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        Self::listen(behind, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(behind: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let is_tls = tls.is_some();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            orders: watch::Sender::default(),
            traffic: watch::Sender::default(),
            tape: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, behind, tls, Arc::clone(&shared)));
        Ok(Self { address, is_tls, shared, serving })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        if self.is_tls {
            // What the certificate is for.
            return format!("https://localhost:{}", self.address.port());
        }
        format!("http://{}", self.address)
    }

    /// Lets it happen to so many connections, those that there are included.
    pub(crate) fn order(&self, fault: Fault, times: u32) {
        self.change(|orders| (orders.fault, orders.left) = (Some(fault), times));
    }

    /// Lets nothing happen any more; what is stalled goes on.
    pub(crate) fn clear(&self) {
        self.change(|orders| (orders.fault, orders.left, orders.weather) = (None, 0, Weather::default()));
    }

    pub(crate) fn weather(&self, weather: Weather) {
        self.change(|orders| orders.weather = weather);
    }

    /// Ends all connections that there are.
    pub(crate) fn sever(&self, reset: bool) {
        self.change(|orders| orders.severed = (orders.number, reset));
    }

    /// Both ways' bytes, and the connections, as they change.
    pub(crate) fn traffic(&self) -> watch::Receiver<Traffic> {
        self.shared.traffic.subscribe()
    }

    /// What has gone down since the last order, as far as it is kept.
    pub(crate) fn tape(&self) -> Vec<u8> {
        self.shared.tape.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, how: impl FnOnce(&mut Orders)) {
        self.shared.tape.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.orders.send_modify(|orders| {
            orders.number += 1;
            how(orders);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, behind: SocketAddr, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((front, _)) = listener.accept().await else {
            // Out of file descriptors: others must close some first.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        shared.traffic.send_modify(|traffic| {
            traffic.accepted += 1;
            traffic.open += 1;
        });
        let (counted, tls) = (Counted(Arc::clone(&shared)), tls.clone());
        connections.spawn(async move {
            // A connection that breaks is what this is for.
            let _ended = connect(front, behind, tls, &counted.0).await;
        });
    }
}

/// A connection in the count.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.traffic.send_modify(|traffic| traffic.open -= 1);
    }
}

async fn connect(
    front: TcpStream,
    behind: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: &Shared,
) -> io::Result<()> {
    let orders = shared.orders.subscribe();
    let door = orders.borrow().weather.door;
    match door {
        Door::Open => {}
        Door::Reset => return SockRef::from(&front).set_linger(Some(Duration::ZERO)),
        Door::Silent => {
            // Until it is opened, and then it is too late for this one.
            let mut orders = orders;
            drop(orders.wait_for(|orders| orders.weather.door != Door::Silent).await);
            return SockRef::from(&front).set_linger(Some(Duration::ZERO));
        }
    }
    let back = TcpStream::connect(behind).await?;
    for side in [&front, &back] {
        side.set_nodelay(true)?;
        // What has been taken has gone on, and isn't in the kernel here.
        SockRef::from(side).set_send_buffer_size(16 * 1024)?;
    }
    let sockets = [SockRef::from(&front).try_clone()?, SockRef::from(&back).try_clone()?];
    let front: Box<dyn Side> = match tls {
        None => Box::new(front),
        // A handshake that fails is the affair of whoever connected.
        Some(tls) => Box::new(tls.accept(front).await?),
    };
    let back: Box<dyn Side> = Box::new(back);
    let (from_front, to_front) = tokio::io::split(front);
    let (from_back, to_back) = tokio::io::split(back);
    let begun = orders.borrow().number;
    let position = Position { order: begun, at: 0 };
    let mut up =
        Pump { way: Way::Up, from: from_front, to: to_back, orders: orders.clone(), position, begun };
    let mut down = Pump { way: Way::Down, from: from_back, to: to_front, orders, position, begun };
    let with_reset = {
        let (upwards, downwards) = (up.run(shared), down.run(shared));
        tokio::pin!(upwards, downwards);
        // The first that ends in good order leaves the other one running.
        let first = tokio::select! {
            end = &mut upwards => (end, true),
            end = &mut downwards => (end, false),
        };
        match first {
            (Ok(End::Over), true) => downwards.await,
            (Ok(End::Over), false) => upwards.await,
            (cut, _) => cut,
        }
    };
    // Whoever has broken one side gets the other one broken.
    match with_reset {
        Ok(End::Over) => {}
        Ok(End::Closed) => {
            for side in [&mut up.to, &mut down.to] {
                // The other one has its goodbye all the same.
                let _already_gone = side.shutdown().await;
            }
        }
        Ok(End::Reset) | Err(_) => {
            for socket in &sockets {
                socket.set_linger(Some(Duration::ZERO))?;
            }
        }
    }
    Ok(())
}

/// A connection to one side.
trait Side: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Side for T {}

enum End {
    /// No more comes this way.
    Over,
    /// The connection is to end, in good order or not.
    Closed,
    Reset,
}

/// How many bytes have gone since an order.
#[derive(Clone, Copy)]
struct Position {
    order: u64,
    at: u64,
}

struct Pump {
    way: Way,
    from: ReadHalf<Box<dyn Side>>,
    to: WriteHalf<Box<dyn Side>>,
    orders: watch::Receiver<Orders>,
    position: Position,
    /// The last order before this connection.
    begun: u64,
}

impl Pump {
    async fn run(&mut self, shared: &Shared) -> io::Result<End> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let rate = self.orders.borrow().weather.rate;
            let most = rate.map_or(buffer.len(), |rate| (rate as usize / 100).clamp(1, buffer.len()));
            let read = tokio::select! {
                biased;
                ended = severed(&mut self.orders, self.begun) => return Ok(ended),
                read = self.from.read(&mut buffer[..most]) => read,
            };
            if self.way == Way::Up && !matches!(read, Ok(1..)) {
                shared.traffic.send_modify(|traffic| traffic.left += 1);
            }
            let read = read?;
            if read == 0 {
                self.to.shutdown().await?;
                return Ok(End::Over);
            }
            let piece = &mut buffer[..read];
            shared.traffic.send_modify(|traffic| match self.way {
                Way::Up => traffic.up += read as u64,
                Way::Down => traffic.down += read as u64,
            });
            let orders = *self.orders.borrow();
            if self.position.order != orders.number {
                self.position = Position { order: orders.number, at: 0 };
            }
            pause(orders.weather, read).await;
            let begin = self.position.at;
            self.position.at += read as u64;
            if let Some(fault) = orders.fault
                && fault.way == self.way
                && (begin..self.position.at).contains(&fault.after)
                && taken(shared)
            {
                #[expect(clippy::cast_possible_truncation, reason = "less than a buffer's length")]
                let at = (fault.after - begin) as usize;
                let (before, rest) = piece.split_at_mut(at);
                if let Deed::Flip(bits) = fault.deed {
                    rest[0] ^= bits;
                } else {
                    self.pass(before, shared).await?;
                    match fault.deed {
                        Deed::Close => return Ok(End::Closed),
                        Deed::Reset => return Ok(End::Reset),
                        Deed::HalfClose => {
                            self.to.shutdown().await?;
                            return Ok(End::Over);
                        }
                        Deed::Stall => {
                            // Until there are other orders; what was held back goes on then.
                            let number = orders.number;
                            drop(self.orders.wait_for(|orders| orders.number != number).await);
                            self.pass(rest, shared).await?;
                            continue;
                        }
                        Deed::Flip(_) => {}
                    }
                }
            }
            self.pass(piece, shared).await?;
        }
    }

    async fn pass(&mut self, bytes: &[u8], shared: &Shared) -> io::Result<()> {
        if self.way == Way::Down {
            let mut tape = shared.tape.lock().unwrap_or_else(PoisonError::into_inner);
            let room = TAPE.saturating_sub(tape.len());
            tape.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        tokio::select! {
            // Whoever doesn't read is left as well.
            _ = severed(&mut self.orders, self.begun) => Err(io::ErrorKind::ConnectionAborted.into()),
            written = self.to.write_all(bytes) => written,
        }
    }
}

/// Waits until all connections of this one's time are ended.
async fn severed(orders: &mut watch::Receiver<Orders>, begun: u64) -> End {
    let ended = orders.wait_for(|orders| orders.severed.0 > begun).await.map(|orders| orders.severed.1);
    if ended.is_ok_and(|with_reset| !with_reset) { End::Closed } else { End::Reset }
}

/// Does the fault still happen? Then it has happened once more.
fn taken(shared: &Shared) -> bool {
    let mut taken = false;
    shared.orders.send_if_modified(|orders| {
        taken = orders.left > 0;
        orders.left = orders.left.saturating_sub(1);
        false
    });
    if taken {
        shared.traffic.send_modify(|traffic| traffic.faults += 1);
    }
    taken
}

async fn pause(weather: Weather, bytes: usize) {
    let mut pause = weather.delay;
    if let Some(rate) = weather.rate {
        #[expect(clippy::cast_precision_loss, reason = "a piece is small")]
        let takes = Duration::from_secs_f64(bytes as f64 / f64::from(rate.max(1)));
        pause += takes;
    }
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}
