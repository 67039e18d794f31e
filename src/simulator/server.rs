//! The HTTP/1.1 server: connections, recording of what arrives, and playing of replies, with their accidents.

use super::reply::{Body, Reply, Step};
use super::{Observed, Recorded, Shared, route, service, signature};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use futures_util::stream;
use http::header::DATE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Frame as HttpFrame;
use http_body_util::{BodyExt, Either, Full, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// `InvokeModel`'s limit, the largest of the service's.
const BODY_LIMIT: usize = 25_000_000;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const SIMULATED: HeaderName = HeaderName::from_static("x-outcrop-simulated");

/// Accepts connections until it is aborted; they end with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&shared)));
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must close some before there are any.
                tracing::warn!(%error, "the simulator could not accept a connection");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&reset), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the simulator ended early");
    }
}

/// Ends the connection: hyper drops the socket when a service or a body fails.
#[derive(Debug, thiserror::Error)]
#[error("the scenario closes the connection")]
struct Closed;

type Played = Either<Full<Bytes>, StreamBody<Pin<Box<dyn stream::Stream<Item = Played1> + Send>>>>;
type Played1 = Result<HttpFrame<Bytes>, Closed>;

async fn answer(
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> Result<Response<Played>, Closed> {
    let mut open = Open::request(Arc::clone(&shared));
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return Err(Closed);
    };
    let body = body.to_bytes();
    let call = route::read(&head.method, &head.uri);
    shared.record(Recorded {
        method: head.method.clone(),
        path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        operation: call.operation,
        model_id: call.model_id.clone(),
        headers: head.headers.clone(),
        body: body.clone(),
    });
    let mut reply = match signature::check(&shared, &head, &body) {
        Ok(()) => match shared.next_scripted(call.operation) {
            Some(scripted) => scripted,
            None => service::reply(&shared, &call, &head, &body),
        },
        Err(fault) => fault.into(),
    };
    for step in std::mem::take(&mut reply.before) {
        if let Err(closed) = play(step, &reset).await {
            open.finished = true;
            return Err(closed);
        }
    }
    let response = respond(reply, &shared, reset);
    open.finished = true;
    response
}

fn respond(reply: Reply, shared: &Arc<Shared>, reset: Arc<AtomicBool>) -> Result<Response<Played>, Closed> {
    let body = match reply.body {
        Body::Missing => return Err(Closed),
        Body::Whole(bytes) => Either::Left(Full::new(bytes)),
        Body::Steps(steps) => {
            let playing = Playing { steps: steps.into_iter(), reset, open: Open::stream(Arc::clone(shared)) };
            let frames: Pin<Box<dyn stream::Stream<Item = Played1> + Send>> =
                Box::pin(stream::unfold(playing, Playing::next));
            Either::Right(StreamBody::new(frames))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response.headers_mut().insert(SIMULATED, HeaderValue::from_static("true"));
    if let Some(date) = date(shared) {
        response.headers_mut().insert(DATE, date);
    }
    if !response.headers().contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&fresh_id().to_string())
    {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Closed);
    }
    Ok(response)
}

/// By the simulator's own clock.
fn date(shared: &Shared) -> Option<HeaderValue> {
    let now = DateTime::from_secs(DateTime::from(shared.now()).secs());
    match now.fmt(Format::HttpDate).map(HeaderValue::try_from) {
        Ok(Ok(date)) => Some(date),
        Ok(Err(_)) | Err(_) => None,
    }
}

/// Takes one step: waits, or yields bytes, or ends the connection.
async fn play(step: Step, reset: &AtomicBool) -> Result<Option<Bytes>, Closed> {
    match step {
        Step::Frame(frame) => Ok(Some(frame.bytes())),
        Step::Raw(bytes) => Ok(Some(bytes)),
        Step::Delay(pause) => {
            tokio::time::sleep(pause).await;
            Ok(None)
        }
        Step::Stall => match std::future::pending::<Infallible>().await {},
        Step::Hold(released) => {
            released.notified().await;
            Ok(None)
        }
        Step::Cut | Step::Reset => {
            reset.store(matches!(step, Step::Reset), Ordering::Relaxed);
            // Lets the connection flush what was sent so far.
            tokio::task::yield_now().await;
            Err(Closed)
        }
    }
}

/// A streamed body on its way.
struct Playing {
    steps: vec::IntoIter<Step>,
    reset: Arc<AtomicBool>,
    open: Open,
}

impl Playing {
    async fn next(mut self) -> Option<(Played1, Self)> {
        while let Some(step) = self.steps.next() {
            match play(step, &self.reset).await {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => return Some((Ok(HttpFrame::data(bytes)), self)),
                Ok(None) => {}
                Err(closed) => {
                    self.open.finished = true;
                    return Some((Err(closed), self));
                }
            }
        }
        self.open.finished = true;
        None
    }
}

/// A request or a stream in progress. Dropped unfinished, it counts as left by its client.
struct Open {
    shared: Arc<Shared>,
    finished: bool,
    ended: fn(&mut Observed, bool),
}

impl Open {
    fn request(shared: Arc<Shared>) -> Self {
        shared.observed.send_modify(|observed| observed.requests += 1);
        Self {
            shared,
            finished: false,
            ended: |observed, finished| observed.cancelled_requests += u64::from(!finished),
        }
    }

    fn stream(shared: Arc<Shared>) -> Self {
        shared.observed.send_modify(|observed| observed.open_streams += 1);
        Self {
            shared,
            finished: false,
            ended: |observed, finished| {
                observed.open_streams -= 1;
                observed.cancelled_streams += u64::from(!finished);
            },
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.observed.send_modify(|observed| (self.ended)(observed, self.finished));
    }
}

/// A TCP connection that can end in a reset instead of an orderly close.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed)
            && let Err(error) = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(%error, "no reset, an orderly close instead");
        }
    }
}
/// An id like those of AWS. It depends on no clock, which may be wrong by decades.
pub(super) fn fresh_id() -> uuid::Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_le_bytes()).into_uuid()
}
