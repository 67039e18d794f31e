//! Who may come in.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::Edge;
use super::error::ApiError;
use super::record::Ledger;

/// Lets a request with a known key through. Before anything of its body is read.
pub(super) async fn authenticate(
    State(edge): State<Arc<Edge>>,
    Extension(ledger): Extension<Ledger>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(keys) = &edge.keys {
        let principal = keys.check(request.headers())?;
        ledger.principal(principal.key_id().as_str());
        request.extensions_mut().insert(principal);
    }
    Ok(next.run(request).await)
}
