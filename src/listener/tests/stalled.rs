//! Who is cut when memory is needed, and who isn't.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// Connections whose clients stop reading one after the other, a second apart, the last one now.
async fn stalled_clients(among: &Stalled, count: usize) -> Vec<(DuplexStream, JoinHandle<Closed>)> {
    let mut clients = Vec::new();
    for _ in 0..count {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (mut client, closed) = converse_among(among, endless, &Shutdown::new());
        client.write_all(GET).await.unwrap();
        clients.push((client, closed));
    }
    // Until all the tasks wait for nothing but clients.
    tokio::time::sleep(Duration::from_millis(1)).await;
    clients
}

#[tokio::test(start_paused = true)]
async fn when_memory_is_needed_those_that_stall_longest_go_first() {
    let stalled = Stalled::default();
    let mut clients = stalled_clients(&stalled, 5).await;
    let (_quiet, quiet) = converse_among(&stalled, |_| pending(), &Shutdown::new());
    let began = Instant::now();
    // The last has stalled for less than a second. Of the four others two go, then one, then the other.
    for cut in [2, 1, 1] {
        assert_eq!(stalled.cut_half(Duration::from_secs(1)), cut);
        for (client, closed) in clients.drain(..cut) {
            assert_eq!(closed.await.unwrap(), Closed::Memory);
            drop(client);
        }
    }
    assert_eq!(stalled.cut_half(Duration::from_secs(1)), 0);
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waited for its own alarm");
    let (_client, last) = clients.pop().unwrap();
    assert!(!last.is_finished() && !quiet.is_finished());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stalled.cut_half(Duration::from_secs(1)), 1);
    assert_eq!(last.await.unwrap(), Closed::Memory);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_is_not_stalled() {
    let stalled = Stalled::default();
    let (mut client, closed) = stalled_clients(&stalled, 1).await.pop().unwrap();
    let mut some = vec![0; 16 * 1024];
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        client.read_exact(&mut some).await.unwrap();
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(stalled.cut_half(Duration::from_secs(1)), 0);
    }
    // To be cut, and read from before its task has come to it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stalled.cut_half(Duration::from_secs(1)), 1);
    client.read_exact(&mut some).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!closed.is_finished());
    // It is one of those that may be cut again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stalled.cut_half(Duration::from_secs(1)), 1);
    assert_eq!(closed.await.unwrap(), Closed::Memory);
}

#[tokio::test(start_paused = true)]
async fn who_has_left_is_not_among_the_stalled() {
    let stalled = Stalled::default();
    let (client, closed) = stalled_clients(&stalled, 1).await.pop().unwrap();
    assert_eq!(stalled.len(), 1);
    drop(client);
    closed.await.unwrap();
    assert_eq!(stalled.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_of_a_stream_than_its_client_reads() {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let handler = move |_| {
        let taken = Arc::clone(&counted);
        // One piece at a time, as they come of an upstream.
        let pieces = stream::unfold(taken, |taken| async move {
            tokio::task::yield_now().await;
            taken.fetch_add(1, Ordering::SeqCst);
            Some((Bytes::from_static(&[b'a'; 1024]), taken))
        });
        async { Ok(streamed(pieces)) }
    };
    let (mut client, closed) = converse(handler, &Shutdown::new());
    client.write_all(GET).await.unwrap();
    let (mut read, mut piece) = (0, vec![0; 1024]);
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // 16 of them are on their way, and one or two wait for these.
        let ahead = taken.load(Ordering::SeqCst) - read / 1024;
        assert!((16..=18).contains(&ahead), "{ahead}");
        client.read_exact(&mut piece).await.unwrap();
        read += piece.len();
    }
    drop(client);
    assert_eq!(closed.await.unwrap(), Closed::Broken);
}

/// A socket that takes some bytes and then none, until the kernel gives up.
struct GivenUp {
    request: &'static [u8],
    takes: usize,
    /// Whether it is the reader that finds out.
    tells_reader: bool,
    at: Pin<Box<tokio::time::Sleep>>,
}

impl GivenUp {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.at.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }
}

impl AsyncRead for GivenUp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let request = std::mem::take(&mut self.request);
        if request.is_empty() {
            return if self.tells_reader { self.poll(cx).map(Err) } else { Poll::Pending };
        }
        buffer.put_slice(request);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GivenUp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.takes);
        if taken == 0 {
            return self.poll(cx).map(Err);
        }
        self.takes -= taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_given_up_by_the_kernel_has_stalled_if_bytes_were_waiting() {
    let cases = [
        (20_000, true, Closed::WriteStalled),
        (20_000, false, Closed::WriteStalled),
        (usize::MAX, true, Closed::Broken),
    ];
    for (takes, tells_reader, why) in cases {
        let at = Box::pin(tokio::time::sleep(Duration::from_secs(28)));
        let clock = SharedClock::new(Settings::default(), Instant::now());
        let socket = GivenUp { request: GET, takes, tells_reader, at };
        let timed = connection::Timed::new(socket, clock.clone(), Stalled::default());
        let handler = |_| async {
            let some = stream::repeat(Bytes::from_static(&[b'x'; 1024])).take(100);
            Ok::<_, Infallible>(streamed(some.chain(stream::pending())))
        };
        let (closed, _) = connection::converse(timed, clock, service_fn(handler), Shutdown::new()).await;
        assert_eq!(closed, why);
    }
}
