//! A stream of events as the body of an answer: server-sent events.
//!
//! What has already arrived goes out in one piece, and nothing waits for more: when the upstream has nothing
//! further, the task yields one turn (the connection to Bedrock may hold the next events, handed over one
//! by one) and then writes. One write costs about 4 µs of kernel time, so a fast stream of a hundred events is
//! twice as cheap this way; a slow one is not held up by it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::stream::Stream as _;
use http_body::Frame;
use tokio::time::{Instant, Sleep};

use super::error::ApiError;
use super::record::Ledger;
use super::{Edge, departure, estimate};
use crate::chat::{Event, Usage};
use crate::gateway::{EventStream, Fault};
use crate::openai::{self, ChunkEncoder, error_event};
use crate::telemetry::InFlight;

/// Most bytes that are held back for one write.
const PIECE: usize = 16 * 1024;

/// hyper 1.12 polls a pending body twice each time its task runs, so two Pendings are one turn.
const TURNS: u8 = 2;

/// A line that clients skip, complete in itself.
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// The body for the choices' events. The ledger rides in it and ends with it, however it ends.
pub(super) fn body(
    choices: Vec<EventStream>,
    encoder: ChunkEncoder,
    ledger: Ledger,
    edge: &Arc<Edge>,
) -> Body {
    Body::new(Sse {
        inner: Mutex::new(Inner {
            choices: choices.into_iter().map(|events| Choice { events, ended: false }).collect(),
            turn: 0,
            encoder,
            piece: Vec::new(),
            whole: 0,
            said: 0,
            turns: 0,
            ended: false,
            keep_alive: edge.limits.keep_alive.map(KeepAlive::new),
            ledger,
            _in_flight: edge.metrics.stream_begun(),
            edge: Arc::clone(edge),
        }),
    })
}

/// A body has to be `Sync` for axum, and an upstream's isn't; nothing ever waits for this lock.
struct Sse {
    inner: Mutex<Inner>,
}

struct Inner {
    choices: Vec<Choice>,
    /// The choice to look at first.
    turn: usize,
    encoder: ChunkEncoder,
    /// What is to be written next. Whole events, but while one is being written.
    piece: Vec<u8>,
    /// So much of it is whole events.
    whole: usize,
    /// What the replies have said so far, in bytes.
    said: usize,
    /// Turns already yielded for this piece.
    turns: u8,
    ended: bool,
    keep_alive: Option<KeepAlive>,
    ledger: Ledger,
    _in_flight: InFlight,
    edge: Arc<Edge>,
}

/// One of the replies that are streamed.
struct Choice {
    events: EventStream,
    ended: bool,
}

impl HttpBody for Sse {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let inner = self.get_mut().inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.poll_guarded(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

impl Inner {
    /// A panic out here would end the task, and with it the connection: the layer that catches those of handlers has
    /// handed the answer over long ago. What was being written is cut off at the last whole event.
    fn poll_guarded(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Ok(polled) = catch_unwind(AssertUnwindSafe(|| self.poll_piece(cx))) {
            return polled;
        }
        tracing::error!(target: "outcrop::panic", "a stream panicked");
        self.piece.truncate(self.whole);
        // Whatever state it left behind is not to be touched again, except for what it has cost.
        let usage = catch_unwind(AssertUnwindSafe(|| self.usage())).unwrap_or(None);
        self.choices.clear();
        self.end_with(&ApiError::bug(), usage);
        self.poll_piece(cx)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.ended && self.edge.shutdown.is_closing() {
            self.fail(&ApiError::shutting_down());
        }
        while !self.ended && self.piece.len() < PIECE {
            self.whole = self.piece.len();
            match self.poll_choices(cx) {
                Poll::Ready((choice, Some(Ok(event)))) => {
                    self.turns = 0;
                    self.take(choice, &event);
                }
                Poll::Ready((_, Some(Err(fault)))) => self.fail(&fault.into()),
                Poll::Ready((choice, None)) => self.finish(choice),
                Poll::Pending if self.piece.is_empty() => return self.poll_keep_alive(cx),
                Poll::Pending if self.turns < TURNS => {
                    self.turns += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        self.turns = 0;
        if self.piece.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.written();
        }
        // The next piece is likely to be as long. Without room to spare, one that is a little longer would take twice
        // as much, and hold it for as long as the client doesn't read.
        let next = Vec::with_capacity(self.piece.len() + self.piece.len() / 8);
        Poll::Ready(Some(std::mem::replace(&mut self.piece, next).into()))
    }

    /// The next event of any choice, or the end of one. They take turns, so that none waits for another.
    fn poll_choices(&mut self, cx: &mut Context<'_>) -> Poll<(usize, Option<Result<Event, Fault>>)> {
        let first = if self.turn < self.choices.len() { self.turn } else { 0 };
        let (before, after) = self.choices.split_at_mut(first);
        let in_turn = after.iter_mut().zip(first..).chain(before.iter_mut().zip(0..));
        for (choice, at) in in_turn.filter(|(choice, _)| !choice.ended) {
            if let Poll::Ready(event) = Pin::new(&mut choice.events).poll_next(cx) {
                choice.ended = event.is_none();
                self.turn = at + 1;
                return Poll::Ready((at, event));
            }
        }
        Poll::Pending
    }

    fn usage(&self) -> Option<Usage> {
        self.choices.iter().filter_map(|choice| choice.events.usage()).reduce(openai::sum)
    }

    /// What the replies cost, as far as it is known; where it isn't all, what went out of them counts.
    fn replied(&self, finish_reason: Option<&'static str>, usage: Option<Usage>) {
        self.ledger.replied(finish_reason, usage);
        if self.choices.is_empty() || !self.choices.iter().all(|choice| choice.events.is_counted()) {
            self.ledger.uncounted(estimate::bytes(self.said));
        }
    }

    fn take(&mut self, choice: usize, event: &Event) {
        let said = match event {
            Event::Delta { delta, .. } => Some(delta.length()),
            Event::Refusal(words) => Some(words.as_json().len()),
            _ => None,
        };
        if let Some(said) = said {
            self.said += said;
            self.ledger.first_token();
        }
        if let Err(error) = self.encoder.push(choice, event, &mut self.piece) {
            self.fail(&error.into());
        }
    }

    fn finish(&mut self, choice: usize) {
        match self.encoder.finish(choice, &mut self.piece) {
            Ok(finish_reason) => {
                self.ended = self.choices.iter().all(|choice| choice.ended);
                if self.ended {
                    self.replied(Some(finish_reason), self.usage());
                }
            }
            Err(error) => self.fail(&error.into()),
        }
    }

    /// The truth, in-band: one error event and the end. No finish chunk, no `[DONE]`.
    fn fail(&mut self, error: &ApiError) {
        // What was generated before it broke was paid for.
        self.end_with(error, self.usage());
    }

    fn end_with(&mut self, error: &ApiError, usage: Option<Usage>) {
        self.ended = true;
        self.piece.extend_from_slice(&error_event(&error.wire()));
        self.replied(None, usage);
        self.ledger.interrupted(error.label());
    }

    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(keep_alive) = &mut self.keep_alive else { return Poll::Pending };
        keep_alive.poll(cx).map(|()| Some(Bytes::from_static(KEEP_ALIVE)))
    }
}

/// A client that leaves in the middle still costs what was generated, and maybe what will be. What is dropped for its memory's
/// sake is dropped for good.
impl Drop for Inner {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let known = self.usage();
        self.replied(None, known);
        if let Some(drain) = self.edge.limits.drain
            && !self.ledger.is_cut()
        {
            let replies = self.choices.drain(..).map(|choice| choice.events).collect();
            departure::read_on(&self.edge, drain, self.ledger.clone(), replies, known);
        }
    }
}

/// Tells when a stream has been silent for too long. Writing only notes the time; the timer is armed anew
/// when it fires too early.
struct KeepAlive {
    every: Duration,
    last: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl KeepAlive {
    fn new(every: Duration) -> Self {
        Self { every, last: Instant::now(), timer: None }
    }

    fn written(&mut self) {
        self.last = Instant::now();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.last + self.every;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            std::task::ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= due {
                self.last = now;
                timer.as_mut().reset(now + self.every);
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}
