//! What answers to calls of models have in common.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::error::ApiError;
use super::headers;
use super::record::Ledger;
use crate::gateway::Trail;

/// Success or not, the answer says which target it came from and what was changed.
pub(super) fn described(answer: Result<Response, ApiError>, trail: Trail, ledger: &Ledger) -> Response {
    let mut response =
        answer.unwrap_or_else(|error| error.after(trail.attempts, trail.spent).into_response());
    headers::describe(response.headers_mut(), &trail);
    ledger.trail(trail);
    response
}

pub(super) fn json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
