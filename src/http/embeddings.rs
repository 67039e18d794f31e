//! `POST /v1/embeddings`

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;

use super::admit::{Admission, Calls};
use super::answer::{described, json};
use super::error::ApiError;
use super::extract::Whole;
use super::headers::Wishes;
use super::record::Ledger;
use super::{Edge, apart, departure, estimate, extract, headers, unknown};
use crate::chat::Usage;
use crate::gateway::{Answer, EmbedCall};
use crate::openai::{self, DecodedEmbeddings};

/// Decode, call, encode.
pub(super) async fn create(
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
    let DecodedEmbeddings { request, model, encoding, notes } = openai::decode_embeddings(&body)?;
    drop(body);
    apart::pause(length).await;
    admission.may_use(&model)?;
    let (count, most) = edge.gateway.embedding_calls(&model, request.texts.len()).await;
    let at_once = admission.enter(Calls { count, most, param: "input" }, estimate::texts(&request)).await?;
    let principal = ledger.key_id();
    let Answer { trail, outcome } = edge
        .gateway
        .embeddings(EmbedCall { model, request, notes, strict, timeout, at_once, principal })
        .await;
    let failed = |fault| unknown::fault(fault, &trail, edge.gateway.routes(), admission.models());
    let answer = outcome.map_err(failed).and_then(|response| {
        ledger.replied(None, response.input_tokens.map(|input| Usage { input, ..Usage::default() }));
        Ok(json(openai::embeddings(&trail.requested, encoding, &response)?))
    });
    Ok(described(answer, trail, &ledger))
}
