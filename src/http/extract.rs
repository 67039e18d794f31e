//! Reading a request's body within bounds.

use std::error::Error;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use bytes::BytesMut;
use http_body_util::BodyExt as _;

use super::admit::Admission;
use super::error::ApiError;
use crate::limits::Share;
use crate::listener::BodyError;

/// A body, and its share of the memory that bodies may take. Keep the share for as long as what was made of the
/// body is kept.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) share: Share,
}

/// The whole body, if it is complete in time, not too long, and there is room for it. An announced length that is too
/// long, or longer than the room there is, is refused before anything is read (hyper gives it as the body's size).
pub(super) async fn body(request: Request, admission: &Admission) -> Result<Whole, ApiError> {
    let longest = admission.longest_body();
    let body = request.into_body();
    let announced = body.size_hint().lower();
    if announced > longest as u64 {
        return Err(ApiError::too_large(longest));
    }
    let share = admission.room_for(announced)?;
    read(body, longest, share, admission).await
}

/// Room is taken as bytes come: a length that is announced and never sent takes none from others.
async fn read(
    mut body: Body,
    longest: usize,
    mut share: Share,
    admission: &Admission,
) -> Result<Whole, ApiError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX).min(longest);
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| why(&error))?;
        // Trailers say nothing that we would know.
        let Ok(data) = frame.into_data() else { continue };
        if first.len().max(joined.len()) + data.len() > longest {
            return Err(ApiError::too_large(longest));
        }
        if !share.grow(data.len()) {
            return Err(admission.no_room());
        }
        if first.is_empty() && joined.is_empty() {
            // Most come in one piece, which needn't be copied.
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.reserve(announced.max(first.len() + data.len()));
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&data);
    }
    let bytes = if joined.is_empty() { first } else { joined.freeze() };
    Ok(Whole { bytes, share })
}

/// The listener's error comes wrapped by axum's body.
fn why(error: &(dyn Error + 'static)) -> ApiError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<BodyError>() {
            return ApiError::body(error);
        }
        cause = error.source();
    }
    ApiError::broken_body()
}
