//! THE TABLE: what a failure looks like to an OpenAI client. The only place that knows status codes.
//!
//! Codes that OpenAI doesn't have are marked as ours in `docs/errors.md`. Every error is JSON in OpenAI's
//! shape, and rendering one has no side effect: `record` logs it.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};

use super::browser::Refused;
use crate::auth;
use crate::chat::InvalidRequest;
use crate::gateway::{ErrorKind, Fault, ResolveError, Retry, shortened};
use crate::listener;
use crate::openai::{EncodeError, ErrorBody, error_body};
use crate::telemetry::TurnedAway;

/// OpenAI's SDKs obey it before any status.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// As `retry-after`, in milliseconds; the SDKs read it first.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

const RATE_LIMIT: &str = "rate_limit_error";
const SERVER: &str = "server_error";

/// An answer that is an error.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<Box<str>>,
    message: Box<str>,
    retry_after: Option<Duration>,
    label: &'static str,
    /// Another attempt might succeed.
    retryable: bool,
    attempts: u32,
    close: bool,
    allow: Option<&'static str>,
}

impl ApiError {
    fn new(
        status: StatusCode,
        kind: &'static str,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            code,
            param: None,
            message: message.into().into(),
            retry_after: None,
            label: code.unwrap_or(kind),
            retryable: false,
            attempts: 0,
            close: false,
            allow: None,
        }
    }

    /// The client's fault, with a code.
    pub(super) fn client(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", Some(code), message)
    }

    /// No such path, and what to do about it.
    pub(super) fn no_route(method: &Method, path: &str, hint: &str) -> Self {
        let path: String = path.chars().filter(|c| !c.is_control()).take(200).collect();
        let message = format!("Unknown request URL: {method} {path}. {hint}");
        Self::client(StatusCode::NOT_FOUND, "unknown_url", message)
    }

    /// A page of a browser did what it may not.
    pub(super) fn from_a_page(why: Refused) -> Self {
        match why {
            Refused::Host => Self::client(
                StatusCode::MISDIRECTED_REQUEST,
                "host_not_allowed",
                "This gateway asks for no key, so it can be called by an address or as localhost only, not by another \
                 name in Host: a page could have made that name lead here. Add it to server.hosts, or configure keys.",
            ),
            Refused::Origin => Self::client(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "This gateway asks for no key, so pages of other origins may not call it from a browser. Add the page's \
                 origin to server.cors.origins, or configure keys.",
            ),
            Refused::ContentType => Self::client(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "A page in a browser has to send `Content-Type: application/json` to a gateway that asks for no key: \
                 other kinds are sent without asking (server.cors.origins says whose pages may call).",
            ),
        }
    }

    /// A path with another method.
    pub(super) fn wrong_method(method: &Method, allow: &'static str) -> Self {
        let message = format!("{method} is not allowed here; use {allow}.");
        let mut error = Self::client(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        error.allow = Some(allow);
        error
    }

    /// A header that says what it can't.
    pub(super) fn bad_header(message: &'static str) -> Self {
        Self::client(StatusCode::BAD_REQUEST, "invalid_value", message)
    }

    /// A body beyond the limit.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than this gateway accepts ({limit} bytes).");
        let mut error = Self::client(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message);
        error.close = true;
        error
    }

    /// A body that stopped coming.
    pub(super) fn body(error: &listener::BodyError) -> Self {
        let (status, code) = match error {
            listener::BodyError::Idle | listener::BodyError::Slow => {
                (StatusCode::REQUEST_TIMEOUT, "request_timeout")
            }
            listener::BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "incomplete_body"),
        };
        let mut answer = Self::client(status, code, sentence(&error.to_string()));
        answer.close = true;
        answer
    }

    /// A body that could not be read, for a reason nobody knows.
    pub(super) fn broken_body() -> Self {
        let message = "The request body could not be read.";
        let mut answer = Self::client(StatusCode::BAD_REQUEST, "incomplete_body", message);
        answer.close = true;
        answer
    }

    /// No room now, or no more of a key's own. Nothing was called, so the client may come again, after `wait`.
    pub(super) fn turned_away(why: TurnedAway, wait: Duration) -> Self {
        const LIMIT: (StatusCode, &str, Option<&str>) =
            (StatusCode::TOO_MANY_REQUESTS, RATE_LIMIT, Some("rate_limit_exceeded"));
        const BUSY: (StatusCode, &str, Option<&str>) =
            (StatusCode::SERVICE_UNAVAILABLE, SERVER, Some("overloaded"));
        let ((status, kind, code), message) = match why {
            TurnedAway::Concurrency => {
                (BUSY, "The gateway is at its limit of concurrent requests: try again in a moment.")
            }
            TurnedAway::BodyBytes => (
                BUSY,
                "The gateway holds as many request bodies as it can, or as many of this API key as leave room for others: try again in a moment.",
            ),
            TurnedAway::Memory => (BUSY, "The gateway is short of memory: try again in a moment."),
            TurnedAway::KeyConcurrency => (LIMIT, "This API key is at its limit of concurrent requests."),
            TurnedAway::KeyRequests => (LIMIT, "This API key is at its limit of requests per minute."),
            TurnedAway::KeyTokens => (LIMIT, "This API key is at its limit of tokens per minute."),
        };
        let mut error = Self::new(status, kind, code, message);
        error.label = why.as_str();
        error.retryable = true;
        error.retry_after = Some(wait);
        error
    }

    /// A request of more calls than its key may ever make in a minute: coming again doesn't help.
    pub(super) fn too_many_calls(param: &'static str, calls: u32, minute: u32) -> Self {
        let message = format!(
            "This request takes {calls} calls of the model, each counted as a request, and this API key may make {minute} a minute: ask for less in one request."
        );
        let mut error = Self::client(StatusCode::BAD_REQUEST, "too_many_calls", message);
        error.param = Some(param.into());
        error
    }

    /// A model that isn't among the key's, in this spelling. OpenAI's answer to a project without it.
    pub(super) fn not_allowed(model: &str) -> Self {
        let model = shortened(model);
        let message = format!(
            "This API key does not have access to the model `{model}`. GET /v1/models lists those that it has access to; the gateway's operator can add the pattern `{model}` to the key's `models` in the configuration."
        );
        let error = Self::client(StatusCode::FORBIDDEN, "model_not_found", message);
        Self { param: Some("model".into()), label: "model_not_allowed", ..error }
    }

    /// The same for whoever looks for it: to this key it isn't there.
    pub(super) fn not_shown(model: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::not_allowed(model) }
    }

    /// The same for whoever looks for a model in the list.
    pub(super) fn not_listed(self) -> Self {
        Self { status: StatusCode::NOT_FOUND, ..self }
    }

    /// The same in other words.
    pub(super) fn saying(self, message: String) -> Self {
        Self { message: message.into(), ..self }
    }

    /// How often the gateway has called the upstream before it gave up. `spent`: it would have gone on, if that weren't too
    /// much for the upstream, and so it would be from anybody else.
    pub(super) fn after(self, attempts: u32, spent: bool) -> Self {
        Self { attempts, retryable: self.retryable && !spent, ..self }
    }

    /// The grace period is over. Another replica may do better, at once.
    pub(super) fn shutting_down() -> Self {
        let message = "The gateway is shutting down and could not finish this request in time: try again.";
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, Some("shutting_down"), message);
        error.retryable = true;
        error.retry_after = Some(Duration::from_secs(1));
        error.close = true;
        error
    }

    /// A handler panicked.
    pub(super) fn bug() -> Self {
        Fault::Internal("panic").into()
    }

    /// For metrics and the log.
    pub(super) fn label(&self) -> &'static str {
        self.label
    }

    /// The body's object, also for an error inside a stream.
    pub(super) fn wire(&self) -> ErrorBody<'_> {
        ErrorBody { message: &self.message, r#type: self.kind, param: self.param.as_deref(), code: self.code }
    }

    /// Does the official client repeat it by itself?
    fn would_be_repeated(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 409 | 429 | 500..)
    }
}

impl From<InvalidRequest> for ApiError {
    fn from(invalid: InvalidRequest) -> Self {
        let InvalidRequest { param, code, message } = invalid;
        Self {
            param: param.map(Into::into),
            label: "invalid_request",
            ..Self::client(StatusCode::BAD_REQUEST, code, message)
        }
    }
}

impl From<ResolveError> for ApiError {
    fn from(error: ResolveError) -> Self {
        let status = match error {
            ResolveError::Unknown(_) | ResolveError::Ambiguous { .. } | ResolveError::Elsewhere { .. } => {
                StatusCode::NOT_FOUND
            }
            ResolveError::Opaque(_)
            | ResolveError::Region(_)
            | ResolveError::Account
            | ResolveError::NotChat(_)
            | ResolveError::OnlyEmbeds(_)
            | ResolveError::OnlyChats(_)
            | ResolveError::NotEmbedding(_) => StatusCode::BAD_REQUEST,
        };
        Self { param: Some("model".into()), ..Self::client(status, "model_not_found", error.to_string()) }
    }
}

impl From<auth::Refusal> for ApiError {
    fn from(refusal: auth::Refusal) -> Self {
        let mut error =
            Self::client(StatusCode::UNAUTHORIZED, "invalid_api_key", sentence(&refusal.to_string()));
        error.label = refusal.label();
        error
    }
}

impl From<listener::Refusal> for ApiError {
    fn from(refusal: listener::Refusal) -> Self {
        let status = match refusal {
            listener::Refusal::HeaderTooLarge | listener::Refusal::HeadTooLarge => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            listener::Refusal::Coding => StatusCode::NOT_IMPLEMENTED,
            listener::Refusal::Connect
            | listener::Refusal::AbsoluteTarget
            | listener::Refusal::HostMissing
            | listener::Refusal::HostRepeated => StatusCode::BAD_REQUEST,
        };
        let mut error = Self::client(status, "malformed_request", sentence(&refusal.to_string()));
        error.close = true;
        error
    }
}

impl From<EncodeError> for ApiError {
    fn from(error: EncodeError) -> Self {
        let mut answer = upstream(ErrorKind::Malformed, error.to_string());
        answer.label = ErrorKind::Malformed.label();
        answer
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let label = fault.label();
        let retry_after = fault.retry_after();
        let retryable = fault.retry() != Retry::No;
        let message = fault.public().into_owned();
        let mut error = match fault {
            Fault::Invalid(invalid) => invalid.into(),
            Fault::Model(unknown) => unknown.into(),
            Fault::Overloaded => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", Some("overloaded"), message)
            }
            Fault::Internal(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", None, message),
            Fault::Upstream(_) | Fault::Protocol(_) | Fault::Assemble(_) | Fault::Deadline(..) => {
                upstream(fault.kind().unwrap_or(ErrorKind::Malformed), message)
            }
        };
        error.label = label;
        error.retryable = retryable;
        error.retry_after = retry_after.or(error.retry_after);
        error
    }
}

/// Errors are written as clauses, answers in sentences.
fn sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    let end = if clause.ends_with('.') { "" } else { "." };
    first.into_iter().chain(chars).chain(end.chars()).collect()
}

/// Bedrock's failures. Statuses of 5xx blame the gateway's side, 4xx the request.
fn upstream(kind: ErrorKind, message: String) -> ApiError {
    const INVALID: &str = "invalid_request_error";
    let (status, type_, code, retry_after) = match kind {
        ErrorKind::Validation => (400, INVALID, Some("invalid_value"), None),
        ErrorKind::ContextLength => (400, INVALID, Some("context_length_exceeded"), None),
        ErrorKind::UnsupportedFeature => (400, INVALID, Some("unsupported_parameter"), None),
        ErrorKind::ProfileRequired => (400, INVALID, Some("model_not_found"), None),
        ErrorKind::ModelRefused => (400, INVALID, Some("upstream_error"), None),
        ErrorKind::ResourceRefused => (400, INVALID, Some("resource_refused"), None),
        ErrorKind::UnknownModel | ErrorKind::NotFound => (404, INVALID, Some("model_not_found"), None),
        ErrorKind::AccessDenied => (403, "permission_error", Some("model_access_denied"), None),
        ErrorKind::AccessPending => (403, "permission_error", Some("model_access_pending"), Some(900)),
        ErrorKind::QuotaExceeded | ErrorKind::DailyQuota => {
            (429, "insufficient_quota", Some("insufficient_quota"), None)
        }
        ErrorKind::Throttled => (429, RATE_LIMIT, Some("rate_limit_exceeded"), Some(5)),
        ErrorKind::NoCredentials | ErrorKind::CredentialsRefused | ErrorKind::ClockSkew => {
            (500, SERVER, Some("upstream_auth_error"), None)
        }
        ErrorKind::Unsendable => (500, SERVER, None, None),
        ErrorKind::Internal => (502, SERVER, Some("server_error"), None),
        ErrorKind::ModelError
        | ErrorKind::InvalidOutput
        | ErrorKind::Oversized
        | ErrorKind::StreamError
        | ErrorKind::Malformed => (502, SERVER, Some("upstream_error"), None),
        ErrorKind::Unreachable => (502, SERVER, Some("upstream_unreachable"), None),
        ErrorKind::ModelNotReady => (503, SERVER, Some("model_not_ready"), Some(15)),
        ErrorKind::Unavailable => (503, SERVER, Some("overloaded"), Some(5)),
        ErrorKind::ModelTimeout | ErrorKind::Timeout => (504, SERVER, Some("timeout"), None),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut error = ApiError::new(status, type_, code, message);
    if code == Some("model_not_found") {
        error.param = Some("model".into());
    }
    error.retry_after = retry_after.map(Duration::from_secs);
    error
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(axum::body::Body::from(error_body(&self.wire())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(
                RETRY_AFTER,
                HeaderValue::from(wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)),
            );
            headers.insert(
                RETRY_AFTER_MS,
                HeaderValue::from(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            );
        }
        // The gateway repeats what can be repeated; a client's own attempts would multiply it. Only where it has not
        // (its retries are off, or the upstream asks for a longer wait than it does), the client may.
        if self.would_be_repeated() && !(self.retryable && self.attempts <= 1) {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response.extensions_mut().insert(Failed { label: self.label });
        response
    }
}

/// Rides in an error response, for the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed {
    pub(super) label: &'static str,
}
