//! Reading a request's body within bounds.

use std::error::Error;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::Request;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::Limits;
use super::error::ApiError;
use crate::listener::BodyError;

/// The whole body, if it is complete in time and not too long. An announced length that is too long is
/// refused before anything is read (hyper gives it as the body's size).
pub(super) async fn body(request: Request, limits: &Limits) -> Result<Bytes, ApiError> {
    let body = request.into_body();
    if body.size_hint().lower() > limits.body as u64 {
        return Err(ApiError::too_large(limits.body));
    }
    let collected = tokio::time::timeout(limits.body_time, Limited::new(body, limits.body).collect());
    match collected.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(why(&*error, limits)),
        Err(_elapsed) => Err(ApiError::body_too_slow(limits.body_time)),
    }
}

/// The listener's error comes wrapped by axum's body.
fn why(error: &(dyn Error + 'static), limits: &Limits) -> ApiError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return ApiError::too_large(limits.body);
        }
        if let Some(error) = error.downcast_ref::<BodyError>() {
            return ApiError::body(error);
        }
        cause = error.source();
    }
    ApiError::broken_body()
}
