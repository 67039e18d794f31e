//! Who comes in next: sockets are accepted here, one after the other, and get their places.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::crowd::{Crowd, Peer};
use super::{Settings, socket};

/// How long to leave the listener alone when the machine has no more sockets or memory to give: `accept` fails at
/// once then, and trying again at once would burn a core.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(250);

/// How often to look for a connection that makes room, where all have had requests under way.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// Accepts for one listener.
pub(super) struct Door<'a> {
    socket: &'a TcpListener,
    settings: Settings,
    crowd: Crowd,
    slots: Arc<Semaphore>,
    /// Accepted, and without a place so far. Here, so that it isn't lost when [`Self::next`] is dropped.
    waiting: Option<(TcpStream, Peer)>,
    /// What the last try has found, so that an hour without sockets is one line in the log and not thousands.
    exhausted: bool,
}

/// A connection with its place among those that there may be.
pub(super) struct Admitted {
    pub(super) stream: TcpStream,
    pub(super) peer: Peer,
    pub(super) slot: OwnedSemaphorePermit,
}

impl<'a> Door<'a> {
    pub(super) fn new(socket: &'a TcpListener, settings: Settings, crowd: Crowd) -> Self {
        let slots = Arc::new(Semaphore::new(settings.max_connections.min(Semaphore::MAX_PERMITS)));
        Self { socket, settings, crowd, slots, waiting: None, exhausted: false }
    }

    /// The next connection. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Admitted {
        if self.waiting.is_none() {
            self.waiting = Some(self.admissible().await);
        }
        loop {
            if self.slots.available_permits() == 0 {
                self.crowd.make_room(None, Instant::now());
            }
            let slot = Arc::clone(&self.slots).acquire_owned();
            if let Ok(Ok(slot)) = tokio::time::timeout(FULL_PAUSE, slot).await
                && let Some((stream, peer)) = self.waiting.take()
            {
                return Admitted { stream, peer, slot };
            }
        }
    }

    /// The next one whose address has not as many as it may have, or makes room for it.
    async fn admissible(&mut self) -> (TcpStream, Peer) {
        loop {
            let (stream, peer) = self.accept().await;
            if self.crowd.count(peer) < self.settings.max_per_address
                || self.crowd.make_room(Some(peer), Instant::now())
            {
                return (stream, peer);
            }
            tracing::debug!(?peer, "one address has as many connections under way as it may");
        }
    }

    async fn accept(&mut self) -> (TcpStream, Peer) {
        loop {
            match self.socket.accept().await {
                Ok((stream, address)) => {
                    let tuned = socket::tune(&stream, self.settings.write_stall_timeout);
                    match tuned.and_then(|()| stream.into_std()) {
                        Ok(stream) => {
                            self.exhausted = false;
                            return (stream, Peer::of(address.ip()));
                        }
                        Err(error) => tracing::debug!(%error, "connection went away while being accepted"),
                    }
                }
                Err(error) if concerns_one_connection(&error) => {
                    tracing::debug!(%error, "connection went away before being accepted");
                }
                Err(error) => {
                    if std::mem::replace(&mut self.exhausted, true) {
                        tracing::debug!(%error, "still cannot accept connections");
                    } else {
                        tracing::warn!(%error, "cannot accept connections; trying again until it works");
                    }
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }
}

/// accept(2) also reports what had already gone wrong with the connection it would have returned.
pub(super) fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
