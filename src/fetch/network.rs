//! The network as this module sees it: names to addresses, addresses to connections. Nothing else of it touches a socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// A connection.
pub type Connection = Box<dyn Duplex>;

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Names and connections. A trait, so that tests can have names without DNS, and see who is connected to.
pub trait Network: Send + Sync {
    /// All addresses of a name, in the order to try them. `name` is complete: no search domain is to be appended.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;

    /// A connection to exactly this address.
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>>;
}

/// The system's resolver and TCP. No proxy, whatever the environment says.
#[derive(Debug)]
pub(super) struct System {
    lookups: Arc<Semaphore>,
}

impl System {
    /// With at most so many names being looked up at once.
    pub(super) fn new(lookups: usize) -> Self {
        Self { lookups: Arc::new(Semaphore::new(lookups.min(Semaphore::MAX_PERMITS))) }
    }
}

impl Network for System {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        // With its dot the name is absolute: else a cluster's resolver would first look for it among its services.
        let absolute = format!("{name}.");
        let lookups = Arc::clone(&self.lookups);
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            // A task of its own: getaddrinfo can't be cancelled, and its thread has to count until it is through.
            let lookup = tokio::spawn(async move {
                let found = tokio::net::lookup_host((absolute, 0)).await;
                drop(permit);
                found.map(|addresses| addresses.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }

    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            let connection: Connection = Box::new(stream);
            Ok(connection)
        })
    }
}
