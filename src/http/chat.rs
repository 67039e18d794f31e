//! `POST /v1/chat/completions`

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};

use super::admit::{Admission, Calls};
use super::answer::{described, json};
use super::error::ApiError;
use super::extract::Whole;
use super::headers::Wishes;
use super::record::Ledger;
use super::{Edge, apart, departure, estimate, extract, headers, ids, sse, unknown};
use crate::gateway::{Answer, Call, Trail};
use crate::openai::{self, ChunkEncoder, Head, StreamOptions};

/// Decode, call, encode.
pub(super) async fn completions(
    State(edge): State<Arc<Edge>>,
    Extension(ledger): Extension<Ledger>,
    Extension(admission): Extension<Admission>,
    request: Request,
) -> Result<Response, ApiError> {
    let wishes = headers::wishes(request.headers())?;
    let body = extract::body(request, &admission).await?;
    let (apart, turns, length) = (edge.apart.clone(), admission.turns(), body.bytes.len());
    let Some(drain) = edge.limits.drain else {
        return apart::run(apart, turns, length, answer(edge, ledger, admission, wishes, body)).await;
    };
    let work =
        apart::run(apart, turns, length, answer(Arc::clone(&edge), ledger.clone(), admission, wishes, body));
    departure::outliving(&edge, drain, &ledger, Box::pin(work)).await
}

async fn answer(
    edge: Arc<Edge>,
    ledger: Ledger,
    admission: Admission,
    wishes: Wishes,
    body: Whole,
) -> Result<Response, ApiError> {
    let Wishes { strict, timeout } = wishes;
    let Whole { bytes: body, share: _held } = body;
    let length = body.len();
    let openai::Decoded { request, model, stream, include_usage, choices, forms, notes } =
        openai::decode(&body)?;
    drop(body);
    apart::pause(length).await;
    admission.may_use(edge.gateway.routes().meant(model.as_deref()))?;
    edge.gateway.may_choose(choices)?;
    let calls = Calls { count: choices, most: choices.try_into().unwrap_or(1), param: "n" };
    let at_once = admission.enter(calls, estimate::tokens(&request, choices)).await?;
    let (principal, unnamed_calls) = (ledger.key_id(), forms.deprecated());
    let failed =
        |fault, trail: &Trail| unknown::fault(fault, trail, edge.gateway.routes(), admission.models());
    let call = Call { model, request, notes, strict, choices, at_once, timeout, principal, unnamed_calls };
    if stream {
        ledger.streams();
        let Answer { trail, outcome } = edge.gateway.chat_stream(call).await;
        let answer = outcome.map_err(|fault| failed(fault, &trail)).map(|choices| {
            let options = StreamOptions { include_usage };
            let id = Id::new();
            let encoder = ChunkEncoder::new(&head(&id, &trail.requested), forms, choices.len(), options);
            event_stream(sse::body(choices, encoder, ledger.clone(), &edge))
        });
        Ok(described(answer, trail, &ledger))
    } else {
        let Answer { trail, outcome } = edge.gateway.chat(call).await;
        let answer = outcome.map_err(|fault| failed(fault, &trail)).and_then(|choices| {
            let completion = openai::completion(&head(&Id::new(), &trail.requested), &forms, &choices)?;
            ledger.replied(Some(completion.finish_reason), completion.usage);
            if completion.usage.is_none() {
                ledger.uncounted(estimate::bytes(completion.body.len()));
            }
            Ok(json(completion.body))
        });
        Ok(described(answer, trail, &ledger))
    }
}

struct Id {
    id: String,
    created: u64,
}

impl Id {
    fn new() -> Self {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { id: ids::unique("chatcmpl-"), created }
    }
}

fn head<'a>(id: &'a Id, model: &'a str) -> Head<'a> {
    Head { id: &id.id, created: id.created, model }
}

fn event_stream(body: Body) -> Response {
    /// nginx would collect the stream before it passes it on.
    const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
