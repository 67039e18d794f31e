//! Who may go on now: the layer that turns away what costs a call, and the permit that a handler takes.
//!
//! Twice, because the two want different moments. Before the body it costs nothing to refuse; but a permit taken
//! then would be held by a slow body. So the layer only looks whether there is any hope, and the handler takes the permit once
//! the request is complete and understood. Permit and reservation ride in the ledger, which settles when the answer's
//! body is dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::Edge;
use super::error::ApiError;
use super::estimate::Tokens;
use super::record::Ledger;
use crate::auth::{Models, Principal};
use crate::limits::{Entry, Exhausted, Key, Level, Levels, Limits, Permit, Refusal, Share};
use crate::telemetry::{QueueOutcome, TurnedAway};

/// Before the body, for the paths that call a model. Inside `authenticate`: limits are a key's.
pub(super) async fn admit(
    State(edge): State<Arc<Edge>>,
    Extension(ledger): Extension<Ledger>,
    mut request: Request,
    next: Next,
) -> Response {
    let principal = request.extensions().get::<Principal>();
    let key = edge.admission.key(principal.map(|principal| principal.key_id().as_str())).clone();
    let models = principal.map_or_else(Models::any, |principal| principal.models().clone());
    let admission = Admission { edge, key, models, ledger };
    let mut response = match admission.at_the_door() {
        Ok(()) => {
            request.extensions_mut().insert(admission.clone());
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    describe(response.headers_mut(), admission.key.levels(Instant::now()));
    response
}

/// The calls that a request becomes.
pub(super) struct Calls {
    /// All of them.
    pub(super) count: u32,
    /// Those that are worth making at once.
    pub(super) most: usize,
    /// What of the request makes them so many.
    pub(super) param: &'static str,
}

/// What one request may take. Handlers find it among the request's extensions.
#[derive(Clone)]
pub(super) struct Admission {
    edge: Arc<Edge>,
    key: Key,
    models: Models,
    ledger: Ledger,
}

impl Admission {
    /// Where it can be known already that there is no permit, or where the key has had its requests.
    fn at_the_door(&self) -> Result<(), ApiError> {
        if self.edge.health.is_short_of_memory() {
            return Err(self.turned_away(TurnedAway::Memory, soon()));
        }
        if let Some(refusal) = self.edge.admission.refuses(&self.key) {
            return Err(self.refused(refusal));
        }
        self.key
            .take_requests(1, Instant::now())
            .map_err(|Exhausted { wait }| self.turned_away(TurnedAway::KeyRequests, wait))
    }

    /// Whether the key may use the model of this name. To be asked before [`Self::enter`]: who may not, waits for nothing and
    /// takes nothing. Nothing has been looked up by then, so a name that leads nowhere is refused like any other.
    pub(super) fn may_use(&self, model: &str) -> Result<(), ApiError> {
        if self.models.allow(model) {
            return Ok(());
        }
        self.ledger.asked_for(model);
        Err(ApiError::not_allowed(model))
    }

    /// The models that the key may use.
    pub(super) fn models(&self) -> &Models {
        &self.models
    }

    /// The longest body that is read, in bytes.
    pub(super) fn longest_body(&self) -> usize {
        self.edge.limits.body
    }

    /// The room for a body of the key's, if one of this length would have it now. None of it is taken yet.
    pub(super) fn room_for(&self, announced: u64) -> Result<Share, ApiError> {
        let limits = &self.edge.admission;
        if limits.has_room(&self.key, announced) { Ok(limits.share(&self.key)) } else { Err(self.no_room()) }
    }

    /// No room for the body.
    pub(super) fn no_room(&self) -> ApiError {
        self.turned_away(TurnedAway::BodyBytes, soon())
    }

    /// By whose turns long work is done.
    pub(super) fn turns(&self) -> (Limits, Key) {
        (self.edge.admission.clone(), self.key.clone())
    }

    /// What the calls of a request take: the requests of this minute's that weren't taken at the door, tokens until it is known
    /// how many it were, and a permit, waited for if need be. The last two are the ledger's from then on. To be called when the body
    /// is complete and nothing but the calls remains to be done. Gives how many of them may be made at once: as many as are
    /// free at this moment and one at least, so that whoever asks for more has them in turns.
    pub(super) async fn enter(
        &self,
        Calls { count, most, param }: Calls,
        tokens: Tokens,
    ) -> Result<usize, ApiError> {
        let further = u64::from(count).saturating_sub(1);
        if further > 0 {
            if let Some(minute) = self.key.requests_per_minute().filter(|minute| count > *minute) {
                self.key.return_requests(1, Instant::now());
                return Err(ApiError::too_many_calls(param, count, minute));
            }
            self.key.take_requests(further, Instant::now()).map_err(|Exhausted { wait }| {
                self.key.return_requests(1, Instant::now());
                self.turned_away(TurnedAway::KeyRequests, wait)
            })?;
        }
        self.take(most, tokens).await.inspect_err(|_| self.key.return_requests(1 + further, Instant::now()))
    }

    async fn take(&self, most: usize, tokens: Tokens) -> Result<usize, ApiError> {
        let reservation = self
            .key
            .reserve(tokens.sum(), Instant::now())
            .map_err(|Exhausted { wait }| self.turned_away(TurnedAway::KeyTokens, wait))?;
        self.ledger.reserve(reservation, tokens.read);
        let permit = match self.edge.admission.enter(&self.key) {
            Ok(Entry::Permit(permit)) => Ok(permit),
            Ok(Entry::Waiting(waiting)) => self.wait(waiting).await,
            Err(refusal) => Err(refusal),
        };
        let mut permit = permit.map_err(|refusal| self.refused(refusal))?;
        let at_once = permit.widen(most);
        self.ledger.hold(permit, self.edge.metrics.calls_begun(at_once));
        Ok(at_once)
    }

    async fn wait(&self, mut waiting: crate::limits::Waiting) -> Result<Permit, Refusal> {
        let mut queued = self.edge.metrics.queued();
        let permit = match tokio::time::timeout(self.edge.admission.queue_wait(), &mut waiting).await {
            Ok(told) => told,
            Err(_elapsed) => Err(waiting.obstacle()),
        };
        queued.ended(if permit.is_ok() { QueueOutcome::Admitted } else { QueueOutcome::Refused });
        permit
    }

    fn refused(&self, refusal: Refusal) -> ApiError {
        let why = match refusal {
            Refusal::Busy => TurnedAway::Concurrency,
            Refusal::KeyBusy => TurnedAway::KeyConcurrency,
        };
        self.turned_away(why, soon())
    }

    fn turned_away(&self, why: TurnedAway, wait: Duration) -> ApiError {
        self.edge.metrics.turned_away(why);
        ApiError::turned_away(why, wait)
    }
}

/// 1 to 5 seconds, so that those who are turned away together don't come back together.
fn soon() -> Duration {
    Duration::from_millis(fastrand::u64(1_000..=5_000))
}

/// What is left of the key's minute, in OpenAI's headers. Nothing where there is no limit.
fn describe(headers: &mut HeaderMap, Levels { requests, tokens }: Levels) {
    const REQUESTS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ];
    const TOKENS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ];
    for (level, names) in [(requests, REQUESTS), (tokens, TOKENS)] {
        let Some(Level { limit, remaining, reset }) = level else { continue };
        let [limit_name, remaining_name, reset_name] = names;
        headers.insert(limit_name, HeaderValue::from(limit));
        headers.insert(remaining_name, HeaderValue::from(remaining));
        // Digits and units: a header can always hold them.
        if let Ok(reset) = HeaderValue::from_str(&duration(reset)) {
            headers.insert(reset_name, reset);
        }
    }
}

/// As OpenAI writes it: `120ms`, `8.64s`, `6m0s`. Rounded up to milliseconds.
fn duration(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (minutes, millis) = (millis / 60_000, millis % 60_000);
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    let seconds = format!("{seconds}{}s", fraction.trim_end_matches('0'));
    if minutes == 0 { seconds } else { format!("{minutes}m{seconds}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_openai_writes_them() {
        for (millis, written) in [
            (0, "0ms"),
            (120, "120ms"),
            (1_000, "1s"),
            (8_640, "8.64s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (61_005, "1m1.005s"),
            (3_600_000, "60m0s"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), written);
        }
        assert_eq!(duration(Duration::from_nanos(1)), "1ms", "never earlier than it is true");
    }
}
