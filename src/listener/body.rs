//! Bodies that keep their connection's clock.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::clock::{Late, SharedClock};

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing came for [`super::Settings::body_timeout`]: a 408.
    #[error("the request body stopped arriving")]
    Idle,
    /// It came below 1 KiB a second, or not within [`super::Settings::body_total_timeout`]: a 408.
    #[error("the request body arrived too slowly")]
    Slow,
    /// The client went away, or broke the framing.
    #[error("the request body broke off")]
    Broken(#[source] hyper::Error),
}

/// A request's body as it arrives.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    clock: SharedClock,
    ended: bool,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, clock: SharedClock) -> Self {
        let ended = incoming.is_end_stream();
        Self { incoming, clock, ended }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                let came = match &frame {
                    Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                    Some(Err(_)) | None => 0,
                };
                this.clock.lock().body_progressed(came);
                this.ended = frame.is_none() || this.incoming.is_end_stream();
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
            }
            Poll::Pending => match this.clock.lock().body_pending(cx.waker()) {
                Ok(()) => Poll::Pending,
                Err(Late::Idle) => Poll::Ready(Some(Err(BodyError::Idle))),
                Err(Late::Slow) => Poll::Ready(Some(Err(BodyError::Slow))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.clock.lock().body_dropped(self.ended);
    }
}

/// Our turn in the conversation: begins with a complete head, ends when the response's body is dropped.
#[derive(Debug)]
pub(super) struct Serving(SharedClock);

impl Serving {
    pub(super) fn begin(clock: &SharedClock) -> Self {
        clock.lock().request_begun();
        Self(clock.clone())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.lock().response_ended();
    }
}

/// A response's body that carries the turn, and says no more than the client reads: hyper would take 64 KiB ahead of it.
#[derive(Debug)]
pub(super) struct ResponseBody<B> {
    body: B,
    serving: Serving,
}

impl<B> ResponseBody<B> {
    pub(super) fn new(body: B, serving: Serving) -> Self {
        Self { body, serving }
    }
}

impl<B: Body + Unpin> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        if this.serving.0.lock().hold_back() {
            return Poll::Pending;
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
