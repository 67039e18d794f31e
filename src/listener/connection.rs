//! One connection from its first byte to its close: hyper's state machine, driven beside our clock.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::body::{RequestBody, ResponseBody, Serving};
use super::clock::{Expired, SharedClock};
use super::stalled::{Connection, Place, Stalled};
use super::{Closed, Shutdown, Tls, socket};

/// hyper's read and write buffers per connection. A head that doesn't fit is refused by hyper; one that is a little too long
/// and came in one read, by [`super::refuse_ambiguous`].
const MAX_BUFFER: usize = super::refuse::MAX_HEAD;

/// How long to go on reading a body that nobody wants after the response is out. Closing at once would reset the
/// connection, and a client that is still sending would see the reset instead of our 413.
const LINGER: Duration = Duration::from_secs(2);

const HEAD_TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves a socket until it closes.
pub(super) async fn serve<S, B>(
    stream: TcpStream,
    tls: Option<Tls>,
    (clock, stalled): (SharedClock, Stalled),
    service: S,
    shutdown: Shutdown,
) -> Closed
where
    S: tower::Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let timed = Timed::new(stream, clock.clone(), stalled);
    let (closed, stream) = match tls {
        None => {
            let (closed, timed) = converse(timed, clock, service, shutdown).await;
            (closed, timed.stream)
        }
        // In a box, so that a connection without it doesn't carry what it takes.
        Some(tls) => match Box::pin(handshake(timed, &tls, &clock, &shutdown)).await {
            Ok(secure) => {
                let (closed, secure) = Box::pin(converse(secure, clock, service, shutdown)).await;
                (closed, secure.into_inner().0.stream)
            }
            Err(closed) => return closed,
        },
    };
    if matches!(closed, Closed::WriteStalled | Closed::Memory) {
        socket::reset_on_close(&stream);
    }
    closed
}

/// TLS's own beginning. Its first byte has the idle timeout, the whole of it the header timeout, as if it were a head.
async fn handshake<T: AsyncRead + AsyncWrite + Unpin>(
    timed: Timed<T>,
    tls: &Tls,
    clock: &SharedClock,
    shutdown: &Shutdown,
) -> Result<TlsStream<Timed<T>>, Closed> {
    let sleep = pin!(tokio::time::sleep_until(Instant::now()));
    let mut alarm = Alarm { clock, sleep, set_for: None };
    let mut accepting = pin!(tls.acceptor().accept(timed));
    let ended = poll_fn(|cx| match accepting.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Ok(ended)),
        Poll::Pending => alarm.poll(cx).map(Err),
    });
    tokio::select! {
        ended = ended => match ended {
            Ok(Ok(secure)) => {
                clock.lock().begun_anew();
                Ok(secure)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "no TLS came about");
                Err(Closed::Handshake)
            }
            Err(Expired::Idle) => Err(Closed::Idle),
            Err(Expired::Evicted) => Err(Closed::Evicted),
            Err(Expired::Head) => Err(Closed::HeadTimeout),
            Err(Expired::Write) => Err(Closed::WriteStalled),
            Err(Expired::Cut) => Err(Closed::Memory),
        },
        // Nothing has been asked yet.
        () = shutdown.draining() => Err(Closed::Finished),
    }
}

/// Speaks HTTP on anything that carries bytes and keeps the clock, and gives it back.
pub(super) async fn converse<T, S, B>(
    stream: T,
    clock: SharedClock,
    service: S,
    shutdown: Shutdown,
) -> (Closed, T)
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: tower::Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (draining, closing) = (shutdown.draining_token(), shutdown.closing_token());
    let mut conversation = http1::Builder::new().max_buf_size(MAX_BUFFER).serve_connection(
        TokioIo::new(stream),
        service_fn(|request: Request<Incoming>| {
            let serving = Serving::begin(&clock);
            let mut request = request.map(|body| RequestBody::new(body, clock.clone()));
            request.extensions_mut().insert(Connection(clock.clone()));
            let service = service.clone();
            let shutdown = shutdown.clone();
            async move {
                let mut response = service.oneshot(request).await?;
                if shutdown.is_leaving() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, S::Error>(response.map(|body| ResponseBody::new(body, serving)))
            }
        }),
    );
    let sleep = pin!(tokio::time::sleep_until(Instant::now()));
    let mut alarm = Alarm { clock: &clock, sleep, set_for: None };
    let mut drain = pin!(draining.cancelled());
    let mut told_to_drain = false;
    let mut close = pin!(closing.cancelled());
    let mut told_to_close = false;

    let end = poll_fn(|cx| {
        loop {
            if let Poll::Ready(end) = Pin::new(&mut conversation).poll(cx) {
                return Poll::Ready(Ok(end));
            }
            if !told_to_drain && drain.as_mut().poll(cx).is_ready() {
                told_to_drain = true;
                Pin::new(&mut conversation).graceful_shutdown();
                continue;
            }
            // hyper polls its handler and its body each time that it is polled: they look for themselves.
            if !told_to_close && close.as_mut().poll(cx).is_ready() {
                told_to_close = true;
                continue;
            }
            return alarm.poll(cx).map(Err);
        }
    })
    .await;

    let mut stream = conversation.into_parts().io.into_inner();
    let closed = match end {
        Ok(Ok(())) if clock.lock().body_left_unread() => {
            discard(&mut stream).await;
            Closed::Finished
        }
        Ok(Ok(())) => Closed::Finished,
        Ok(Err(error)) => {
            tracing::debug!(%error, source = error.source(), "connection broke");
            // Then it is the kernel that has waited for long enough: see `socket`.
            if is_timeout(&error) && clock.lock().write_is_blocked() {
                Closed::WriteStalled
            } else {
                Closed::Broken
            }
        }
        Err(Expired::Idle) => Closed::Idle,
        Err(Expired::Evicted) => Closed::Evicted,
        Err(Expired::Head) => {
            say(&mut stream, HEAD_TIMED_OUT).await;
            Closed::HeadTimeout
        }
        Err(Expired::Write) => Closed::WriteStalled,
        Err(Expired::Cut) => Closed::Memory,
    };
    (closed, stream)
}

/// Whether the peer has acknowledged nothing for as long as the kernel waits for that.
fn is_timeout(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

/// Reads and forgets until the peer closes or [`LINGER`] is over.
async fn discard(stream: &mut (impl AsyncRead + Unpin)) {
    // Not in the future itself, where every connection would carry it.
    let mut scrap = vec![0; 4096];
    let drained = async { while matches!(stream.read(&mut scrap).await, Ok(read) if read > 0) {} };
    if tokio::time::timeout(LINGER, drained).await.is_err() {
        tracing::debug!("the client was still sending when the connection closed");
    }
}

/// Writes what the socket takes at once; the peer may not be listening.
async fn say(stream: &mut (impl AsyncWrite + Unpin), words: &[u8]) {
    let said = poll_fn(|cx| match Pin::new(&mut *stream).poll_write(cx, words) {
        Poll::Ready(written) => Poll::Ready(written.is_ok()),
        Poll::Pending => Poll::Ready(false),
    });
    if !said.await {
        tracing::debug!("the client was not there to be told of its timeout");
    }
}

/// Goes off when the clock says that a wait has lasted too long. One timer for all of them, moved only when the next
/// deadline is earlier than the one it is set for; when it fires early it is set anew.
struct Alarm<'a> {
    clock: &'a SharedClock,
    sleep: Pin<&'a mut Sleep>,
    set_for: Option<Instant>,
}

impl Alarm<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        loop {
            let deadline = {
                let mut clock = self.clock.lock();
                clock.watched_by(cx.waker());
                clock.next_deadline()
            };
            let Some(deadline) = deadline else { return Poll::Pending };
            if self.set_for.is_none_or(|set_for| deadline < set_for) {
                self.sleep.as_mut().reset(deadline);
                self.set_for = Some(deadline);
            }
            ready!(self.sleep.as_mut().poll(cx));
            self.set_for = None;
            if let Some(expired) = self.clock.lock().expire(Instant::now()) {
                return Poll::Ready(expired);
            }
        }
    }
}

/// A byte stream that tells the clock what it sees.
pub(super) struct Timed<T> {
    stream: T,
    clock: SharedClock,
    /// What the clock was last told, so that a write that succeeds, like almost all, needn't tell it.
    write_blocked: bool,
    /// Taken when a write blocks for the first time: most never do.
    place: Place,
}

impl<T> Timed<T> {
    pub(super) fn new(stream: T, clock: SharedClock, stalled: Stalled) -> Self {
        Self { stream, clock, write_blocked: false, place: Place::new(stalled) }
    }

    fn note_write(&mut self, cx: &Context<'_>, outcome: &Poll<io::Result<usize>>) {
        match outcome {
            Poll::Pending => {
                self.write_blocked = true;
                self.clock.lock().write_blocked(cx.waker());
                self.place.take(&self.clock);
            }
            Poll::Ready(Ok(_)) if self.write_blocked => {
                self.write_blocked = false;
                self.clock.lock().write_progressed();
            }
            Poll::Ready(Ok(_) | Err(_)) => {}
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Timed<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            this.clock.lock().received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Timed<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note_write(cx, &outcome);
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.note_write(cx, &outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
