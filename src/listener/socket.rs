//! What every accepted socket is told.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// The kernel's send buffer otherwise grows to megabytes for a client that doesn't read: 500 of them were measured
/// to hold 1.5 GiB, and 14 MiB with this.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 16 * 1024;

/// After which sent but unacknowledged bytes mean that the peer is gone. On a silent stream the next comment may be 15 s off,
/// and this begins with it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(28);

/// The kernel doesn't tell that peer from one that is there and reads nothing, which may take as long as is configured.
#[cfg(any(target_os = "linux", target_os = "android"))]
const AHEAD_OF_CLOCK: Duration = Duration::from_secs(2);

const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// Sets the options; an error means that the peer has already gone. `write_stall`: how long a peer may read nothing.
pub(super) fn tune(stream: &TcpStream, write_stall: Duration) -> io::Result<()> {
    // A reply in two writes would otherwise wait for the peer's delayed acknowledgement: 40 ms.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_AFTER)
            .with_interval(KEEPALIVE_EVERY)
            .with_retries(KEEPALIVE_PROBES),
    )?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
        let unacknowledged = write_stall.saturating_sub(AHEAD_OF_CLOCK).max(UNACKNOWLEDGED);
        socket.set_tcp_user_timeout(Some(unacknowledged))?;
    }
    Ok(())
}

/// Makes the coming close a reset: the peer isn't reading, so whatever is still queued only takes up memory.
pub(super) fn reset_on_close(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "cannot reset a stalled connection");
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn an_accepted_socket_has_its_options() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();

        tune(&stream, Duration::from_mins(1)).unwrap();

        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_AFTER);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_EVERY);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(58)));
        tune(&stream, Duration::from_secs(5)).unwrap();
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
