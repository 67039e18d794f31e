//! `POST /v1/embeddings`

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Request, State};
use axum::response::Response;

use super::answer::{described, json};
use super::error::ApiError;
use super::record::Ledger;
use super::{Edge, apart, extract, headers};
use crate::chat::Usage;
use crate::gateway::{Answer, EmbedCall};
use crate::openai::{self, DecodedEmbeddings};

/// Decode, call, encode.
pub(super) async fn create(
    State(edge): State<Arc<Edge>>,
    Extension(ledger): Extension<Ledger>,
    request: Request,
) -> Result<Response, ApiError> {
    let strict = headers::strict(request.headers());
    let body = extract::body(request, &edge.limits).await?;
    let apart = edge.apart.clone();
    apart::run(&apart, body.len(), answer(edge, ledger, strict, body)).await
}

async fn answer(edge: Arc<Edge>, ledger: Ledger, strict: bool, body: Bytes) -> Result<Response, ApiError> {
    let DecodedEmbeddings { request, model, encoding, notes } = openai::decode_embeddings(&body)?;
    drop(body);
    let Answer { trail, outcome } =
        edge.gateway.embeddings(EmbedCall { model, request, notes, strict }).await;
    let answer = outcome.map_err(ApiError::from).and_then(|response| {
        ledger.replied(None, response.input_tokens.map(|input| Usage { input, ..Usage::default() }));
        Ok(json(openai::embeddings(&trail.requested, encoding, &response)?))
    });
    Ok(described(answer, trail, &ledger))
}
