//! What becomes of each request: the access line, the request metrics, the request id.
//!
//! It stands outside everything else, so that it sees every outcome: a 401, a panic, a client that left.
//! A request is over when the body of its answer is, not when its head is; so the ledger rides in the body
//! and is settled when that is dropped.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tracing::Level;

use super::error::{ApiError, Failed};
use super::{Edge, ids};
use crate::chat::{Note, Usage};
use crate::gateway::{ModelId, Trail};
use crate::limits::{Permit, Reservation};
use crate::listener::{Connection, refuse_ambiguous};
use crate::openai::{EMBEDDING_PARAMETERS, PARAMETERS};
use crate::telemetry::{
    AccessLine, Disconnect, Endpoint, InFlight, Label, Metrics, Operation, Outcome, TokenType, TurnedAway,
};

/// The id under which a request is found in both sides' logs.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing here comes from a model.
const X_OUTCROP_SIMULATED: HeaderName = HeaderName::from_static("x-outcrop-simulated");

/// Wraps everything: gives the request its ledger, and its answer the means to settle it.
pub(super) async fn record(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let ledger = Ledger::open(&edge.metrics, &id, &request);
    let mut settle = Settle { ledger: ledger.clone(), status: None, ended: false };
    let head_only = request.method() == Method::HEAD;
    request.extensions_mut().insert(ledger.clone());

    let (head, body) = request.into_parts();
    let mut response = match refuse_ambiguous(&head) {
        Some(refusal) => ApiError::from(refusal).into_response(),
        None => next.run(Request::from_parts(head, body)).await,
    };

    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    if edge.health.is_simulated() {
        response.headers_mut().insert(X_OUTCROP_SIMULATED, HeaderValue::from_static("true"));
    }
    if let Some(failed) = response.extensions_mut().remove::<Failed>() {
        ledger.failed(failed.label);
    }
    settle.status = Some(response.status());
    response.map(|inner| {
        // Nobody will poll a body that has nothing to give, nor one of an answer to HEAD.
        settle.ended = head_only || inner.is_end_stream();
        Body::new(Recorded { inner, settle })
    })
}

/// The caller's id if it is one that a header and a log can hold, else a new one.
fn request_id(headers: &HeaderMap) -> Box<str> {
    let given = headers.get(X_REQUEST_ID).map(HeaderValue::as_bytes);
    if let Some(given) = given
        && (1..=128).contains(&given.len())
        && given.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
        && let Ok(given) = std::str::from_utf8(given)
    {
        return given.into();
    }
    ids::unique("req_").into()
}

/// What is known of a request so far. Clones are the same ledger.
#[derive(Clone)]
pub(super) struct Ledger(Arc<Mutex<Entry>>);

struct Entry {
    metrics: Arc<Metrics>,
    /// What the request came in by, if it was a listener of ours.
    connection: Option<Connection>,
    in_flight: Option<InFlight>,
    permit: Option<(Permit, InFlight)>,
    reservation: Option<Reservation>,
    /// What the model reads, as estimated: in tokens.
    read: u64,
    /// What has gone out of an answer whose usage isn't all known, in tokens.
    written: u64,
    started: Instant,
    id: Box<str>,
    method: Method,
    path: Box<str>,
    endpoint: Endpoint,
    key_id: Option<Arc<str>>,
    stream: bool,
    trail: Trail,
    usage: Option<Usage>,
    finish_reason: Option<&'static str>,
    first_token: Option<Duration>,
    error: Option<&'static str>,
    interrupted: bool,
    /// Those who still work on the call, whether or not its client is there.
    lingering: usize,
    /// How the request ended while somebody lingered.
    ended: Option<End>,
}

/// How a request ended, for its client.
#[derive(Clone, Copy)]
struct End {
    /// Absent if there was no answer.
    status: Option<StatusCode>,
    /// The whole body was taken.
    whole: bool,
    after: Duration,
}

impl Ledger {
    fn open(metrics: &Arc<Metrics>, id: &str, request: &Request) -> Self {
        let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let endpoint = match matched {
            Some("/v1/chat/completions") => Endpoint::ChatCompletions,
            Some("/v1/embeddings") => Endpoint::Embeddings,
            Some(path) if path.starts_with("/v1/models") => Endpoint::Models,
            Some(_) | None => Endpoint::Other,
        };
        Self(Arc::new(Mutex::new(Entry {
            metrics: Arc::clone(metrics),
            connection: request.extensions().get().cloned(),
            in_flight: Some(metrics.request_begun()),
            permit: None,
            reservation: None,
            read: 0,
            written: 0,
            started: Instant::now(),
            id: id.into(),
            method: request.method().clone(),
            path: matched.unwrap_or(request.uri().path()).into(),
            endpoint,
            key_id: None,
            stream: false,
            trail: Trail::default(),
            usage: None,
            finish_reason: None,
            first_token: None,
            error: None,
            interrupted: false,
            lingering: 0,
            ended: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose key it is.
    pub(super) fn principal(&self, key_id: &str) {
        self.lock().key_id = Some(key_id.into());
    }

    /// Whose key it is, where keys are asked for.
    pub(super) fn key_id(&self) -> Option<Arc<str>> {
        self.lock().key_id.clone()
    }

    /// The call is under way until the answer has ended.
    pub(super) fn hold(&self, permit: Permit, under_way: InFlight) {
        self.lock().permit = Some((permit, under_way));
    }

    /// Tokens that the call may come to, and how many of them the model reads.
    pub(super) fn reserve(&self, reservation: Reservation, read: u64) {
        let mut entry = self.lock();
        entry.reservation = Some(reservation);
        entry.read = read;
    }

    /// So much of an answer has gone out, in tokens, and its usage isn't all known. 0: it is.
    pub(super) fn uncounted(&self, written: u64) {
        self.lock().written = written;
    }

    /// Keeps the ledger open beyond the request's end, for as long as the guard lives: more is to be known of its cost.
    pub(super) fn linger(&self) -> Lingering {
        self.lock().lingering += 1;
        Lingering(self.clone())
    }

    /// The answer is a stream.
    pub(super) fn streams(&self) {
        self.lock().stream = true;
    }

    /// The model that was asked for, where the gateway isn't.
    pub(super) fn asked_for(&self, model: &str) {
        model.clone_into(&mut self.lock().trail.requested);
    }

    /// What the gateway knows of the call.
    pub(super) fn trail(&self, trail: Trail) {
        self.lock().trail = trail;
    }

    /// The first piece of the answer is about to go out.
    pub(super) fn first_token(&self) {
        let mut entry = self.lock();
        if entry.first_token.is_none() {
            entry.first_token = Some(entry.started.elapsed());
        }
    }

    /// How the reply ended, and what it cost.
    pub(super) fn replied(&self, finish_reason: Option<&'static str>, usage: Option<Usage>) {
        let mut entry = self.lock();
        entry.finish_reason = finish_reason;
        entry.usage = usage.or(entry.usage);
    }

    /// It failed.
    pub(super) fn failed(&self, label: &'static str) {
        self.lock().error = Some(label);
    }

    /// The gateway is dropping the answer because the client doesn't read it and its memory is needed.
    pub(super) fn is_cut(&self) -> bool {
        self.lock().is_cut()
    }

    /// It failed after its answer had begun.
    pub(super) fn interrupted(&self, label: &'static str) {
        let mut entry = self.lock();
        entry.error = Some(label);
        entry.interrupted = true;
    }
}

/// Settles a ledger when dropped, wherever the request ends.
struct Settle {
    ledger: Ledger,
    /// Absent until there is an answer.
    status: Option<StatusCode>,
    /// The whole body was taken.
    ended: bool,
}

impl Drop for Settle {
    fn drop(&mut self) {
        let mut entry = self.ledger.lock();
        let end = End { status: self.status, whole: self.ended, after: entry.started.elapsed() };
        // The client was there to the last, and the answer wasn't.
        if end.status.is_some() && !end.whole && !entry.interrupted && entry.is_cut() {
            entry.error = Some(TurnedAway::Memory.as_str());
            entry.interrupted = true;
        }
        drop(entry.in_flight.take());
        if entry.lingering > 0 {
            entry.ended = Some(end);
        } else {
            entry.settle(end);
        }
    }
}

/// Somebody still works on a call. The last one to go settles, if the request has ended by then.
pub(super) struct Lingering(Ledger);

impl Drop for Lingering {
    fn drop(&mut self) {
        let mut entry = self.0.lock();
        entry.lingering -= 1;
        if entry.lingering == 0
            && let Some(end) = entry.ended.take()
        {
            entry.settle(end);
        }
    }
}

impl Entry {
    fn is_cut(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::was_cut)
    }

    /// Called once, for what was settled stays settled.
    fn settle(&mut self, End { status, whole, after }: End) {
        drop(self.permit.take());
        self.settle_tokens();
        let outcome = match status {
            _ if self.interrupted => Outcome::Interrupted,
            Some(_) if !whole => Outcome::Abandoned,
            None => Outcome::Abandoned,
            Some(status) if status.is_server_error() => Outcome::Failed,
            Some(status) if status.is_client_error() => Outcome::Refused,
            Some(_) => Outcome::Completed,
        };
        let left = outcome == Outcome::Abandoned;
        let client_closed = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
        let shown = if left { client_closed } else { status.unwrap_or(client_closed) };
        self.count(shown, outcome, status.is_some(), after);
        let notes = notes_line(&self.trail);
        AccessLine {
            id: &self.id,
            method: self.method.as_str(),
            path: &self.path,
            key_id: self.key_id.as_deref(),
            model: (!self.trail.requested.is_empty()).then_some(self.trail.requested.as_str()),
            target: self.trail.target.as_ref().map(ModelId::as_str),
            region: self.trail.target.as_ref().map(|_| self.trail.region.as_str()),
            stream: self.stream,
            status: shown.as_u16(),
            outcome,
            finish_reason: self.finish_reason,
            input_tokens: self.usage.map(|usage| usage.input),
            output_tokens: self.usage.map(|usage| usage.output),
            cache_read_tokens: self.usage.map(|usage| usage.cache_read).filter(|n| *n > 0),
            cache_write_tokens: self.usage.map(|usage| usage.cache_write).filter(|n| *n > 0),
            first_token: self.first_token,
            duration: after,
            attempts: self.trail.attempts,
            notes: notes.as_deref(),
            upstream_request_id: self.trail.upstream_request_id.as_deref(),
            error: self.error,
        }
        .emit(if self.routine(shown) { Level::DEBUG } else { Level::INFO });
    }

    /// What the model counted, without what its cache saved; nothing for a call that failed before its answer. Of one that
    /// was left, and not counted yet, the estimate stands, or what has gone out, if that is more: leaving early saves nothing.
    fn settle_tokens(&mut self) {
        let Some(reservation) = self.reservation.take() else { return };
        let now = std::time::Instant::now();
        match self.usage {
            // Before its end a stream may have told what was read, and little or nothing of what it wrote.
            Some(Usage { input, output, cache_write, .. }) => {
                reservation.settle(input + cache_write + output.max(self.written), now);
            }
            None if self.error.is_some() && !self.interrupted => reservation.settle(0, now),
            None => reservation.settle_at_least(self.read.saturating_add(self.written), now),
        }
    }

    /// A probe or a scrape that went well: thousands a day, and no news.
    fn routine(&self, status: StatusCode) -> bool {
        status.is_success() && matches!(&*self.path, "/livez" | "/readyz" | "/health" | "/metrics")
    }

    fn count(&self, status: StatusCode, outcome: Outcome, answered: bool, after: Duration) {
        let metrics = &self.metrics;
        metrics.request_ended(self.endpoint, &self.method, status, outcome);
        if let Some(label) = self.error {
            metrics.error(Label::from(label));
        }
        if outcome == Outcome::Abandoned {
            metrics.client_left(if answered { Disconnect::MidAnswer } else { Disconnect::BeforeAnswer });
        }
        for note in self.trail.notes.iter() {
            metrics.note(note_label(note), Label::from(note.action.as_str()));
        }
        if self.trail.target.is_none() {
            return;
        }
        let model = metrics.model(&self.trail.label);
        let operation = match self.endpoint {
            Endpoint::Embeddings => Operation::Embeddings,
            Endpoint::ChatCompletions | Endpoint::Models | Endpoint::Other => Operation::Chat,
        };
        model.request_duration(operation, self.error.map(Label::from), after);
        if let Some(first) = self.first_token
            && self.stream
        {
            model.first_token(operation, first);
        }
        if let (true, Some(first), Some(usage)) = (self.stream, self.first_token, self.usage)
            && let Ok(gaps @ 1..) = u32::try_from(usage.output.saturating_sub(1))
        {
            let writing = after.saturating_sub(first);
            model.time_per_output_token(operation, writing / gaps);
        }
        if let Some(usage) = self.usage {
            for (kind, count) in [
                (TokenType::Input, usage.input),
                (TokenType::Output, usage.output),
                (TokenType::CacheRead, usage.cache_read),
                (TokenType::CacheWrite, usage.cache_write),
            ] {
                if count > 0 {
                    model.tokens(operation, kind, count);
                }
            }
        }
    }
}

/// Paths inside lists would make a label each; names of unknown fields are the client's own words.
fn note_label(note: &Note) -> Label {
    let root = note.param.split(['.', '[']).next().unwrap_or_default();
    let chats = PARAMETERS.iter().map(|parameter| parameter.name);
    let known = chats.chain(EMBEDDING_PARAMETERS.iter().copied()).find(|name| *name == root);
    Label::from(known.unwrap_or("other"))
}

fn notes_line(trail: &Trail) -> Option<String> {
    super::headers::notes_value(&trail.notes)
}

/// An answer's body with its settlement.
struct Recorded {
    inner: Body,
    settle: Settle,
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || self.inner.is_end_stream() {
            self.settle.ended = !matches!(frame, Some(Err(_)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
