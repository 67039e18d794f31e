//! The stack, outermost first, with a reason a line.

use std::any::Any;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};

use super::admit::admit;
use super::authenticate::authenticate;
use super::browser::{Door, guard};
use super::error::ApiError;
use super::record::record;
use super::{Cors, Edge, unserved};

/// For every path, the unknown ones too. The last layer added is the outermost.
pub(super) fn everything(router: Router<Arc<Edge>>, edge: &Arc<Edge>, door: Door) -> Router {
    router
        // Unknown paths are errors in OpenAI's shape, not axum's empty 404.
        .fallback(unserved::answer)
        // Before any answer, readable or not, and unknown paths too.
        .layer(from_fn_with_state((Arc::clone(edge), door), guard))
        // Inside `record`, so that a panic is an answer which is logged and counted like any other.
        .layer(CatchPanicLayer::custom(panicked))
        // Outermost: it sees every outcome, and gives even a 401 its request id.
        .layer(from_fn_with_state(Arc::clone(edge), record))
        .with_state(Arc::clone(edge))
}

/// For the paths under /v1. Body limits come after it, in `extract`: nothing of a stranger's body is read.
pub(super) fn authenticated(router: Router<Arc<Edge>>, edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    router
        .layer(from_fn_with_state(Arc::clone(edge), authenticate))
        // Around everything that can take long.
        .layer(from_fn_with_state(Arc::clone(edge), answered))
}

/// For pages in browsers, where that is wanted. Outside `authenticated`, for a browser asks whether it may ask without showing a
/// key. Credentials of the browser's own (cookies, client certificates) are never allowed: a key is something that
/// a page sends, and with `*` that is the only safe kind.
pub(super) fn readable_by_pages(router: Router<Arc<Edge>>, cors: Option<&Cors>) -> Router<Arc<Edge>> {
    let Some(cors) = cors.cloned() else { return router };
    let max_age = cors.max_age;
    let origins = match cors.origins {
        Some(_) => AllowOrigin::predicate(move |origin, _| cors.allows(origin)),
        None => AllowOrigin::any(),
    };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        // The wildcard would leave `Authorization` out.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::any())
        .max_age(max_age);
    router.layer(layer)
}

/// For the paths that call a model. Inside `authenticated`, for limits are a key's; before the body, for a refusal that comes
/// early is cheap. The permit itself is taken by the handler, late.
pub(super) fn admitted(router: Router<Arc<Edge>>, edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    router.layer(from_fn_with_state(Arc::clone(edge), admit))
}

/// What has no answer when the grace period ends gets one; an answer that has begun sees to its own end (`sse`). Nothing under
/// /v1 may be kept by a cache on the way.
async fn answered(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let mut answer = pin!(next.run(request));
    let mut response = poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Pending if edge.shutdown.is_closing() => Poll::Ready(ApiError::shutting_down().into_response()),
        polled => polled,
    })
    .await;
    response
        .headers_mut()
        .entry(http::header::CACHE_CONTROL)
        .or_insert(http::HeaderValue::from_static("no-store"));
    response
}

pub(super) async fn get_only(request: Request) -> ApiError {
    ApiError::wrong_method(request.method(), "GET")
}

pub(super) async fn post_only(request: Request) -> ApiError {
    ApiError::wrong_method(request.method(), "POST")
}

/// The program's panic hook says where. What a panic says may be a client's words, which no log line holds.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!(target: "outcrop::panic", "a handler panicked");
    ApiError::bug().into_response()
}
