//! What probes and operators are told.
//!
//! `/livez` is about this process only, `/readyz` about whether to send it work, `/health` is for people.
//! Bedrock being down makes none of them fail: a restart or another replica would not mend it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use super::Edge;

/// What is told, as far as it isn't asked of others.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    simulated: bool,
    credentials: Mutex<CredentialState>,
}

/// Whether the gateway has credentials.
#[derive(Debug, Clone)]
pub enum CredentialState {
    /// The chain of sources is still being asked.
    Resolving,
    /// They are there.
    Resolved {
        /// Where they came from.
        source: String,
        /// When they end, in seconds since 1970.
        expires: Option<u64>,
    },
    /// No source gave any.
    Unavailable,
}

impl Health {
    /// Of a process that has just begun.
    pub fn new(simulated: bool) -> Self {
        Self { started: Instant::now(), simulated, credentials: Mutex::new(CredentialState::Resolving) }
    }

    /// Whoever asks the chain says here what it found.
    pub fn credentials(&self, state: CredentialState) {
        *self.credentials.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Is Bedrock a simulator in this process?
    pub(super) fn is_simulated(&self) -> bool {
        self.simulated
    }

    fn credential_state(&self) -> CredentialState {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    configuration: u64,
    region: String,
    simulated: bool,
    default_model: String,
    credentials: Credentials,
    upstream: Upstream,
}

#[derive(Serialize)]
struct Credentials {
    state: &'static str,
    source: Option<String>,
    expires_at: Option<u64>,
}

#[derive(Serialize)]
struct Upstream {
    /// `ok`: its last answer is newer than its last failure. `unknown`: nothing was asked yet.
    state: &'static str,
    answered_seconds_ago: Option<u64>,
    failed_seconds_ago: Option<u64>,
}

/// 200 while this process does its work; the body tells the rest.
pub(super) async fn health(State(edge): State<Arc<Edge>>) -> Response {
    let credentials = match edge.health.credential_state() {
        CredentialState::Resolving => Credentials { state: "resolving", source: None, expires_at: None },
        CredentialState::Resolved { source, expires } => {
            Credentials { state: "resolved", source: Some(source), expires_at: expires }
        }
        CredentialState::Unavailable => Credentials { state: "unavailable", source: None, expires_at: None },
    };
    let last = edge.gateway.health().last();
    let ago = |moment: Option<Instant>| moment.map(|moment| moment.elapsed().as_secs());
    let upstream = Upstream {
        state: match (last.answered, last.failed) {
            (None, None) => "unknown",
            (Some(answered), failed) if failed.is_none_or(|failed| failed <= answered) => "ok",
            (_, _) => "failing",
        },
        answered_seconds_ago: ago(last.answered),
        failed_seconds_ago: ago(last.failed),
    };
    let status = if edge.shutdown.is_leaving() {
        "draining"
    } else if credentials.state == "unavailable" {
        "no_credentials"
    } else {
        "ok"
    };
    fresh(Json(Report {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: edge.health.started.elapsed().as_secs(),
        configuration: edge.generation,
        region: edge.gateway.routes().default_region().to_owned(),
        simulated: edge.health.simulated,
        default_model: edge.gateway.routes().default_model().to_owned(),
        credentials,
        upstream,
    }))
}

/// The process answers: that is all.
pub(super) async fn livez() -> Response {
    fresh("ok\n")
}

/// 200 when requests may come; 503 and the reasons when not. `?verbose` lists the checks either way.
pub(super) async fn readyz(State(edge): State<Arc<Edge>>, RawQuery(query): RawQuery) -> Response {
    let credentials = match edge.health.credential_state() {
        CredentialState::Resolved { .. } => Ok(()),
        CredentialState::Resolving => Err("the credential sources are still being asked"),
        // What was tried may name files and accounts; it is in the log.
        CredentialState::Unavailable => Err("no source of credentials gave any; the log says more"),
    };
    let draining = if edge.shutdown.is_leaving() { Err("the process is on its way out") } else { Ok(()) };
    // Nothing could answer here without the first two.
    let checks =
        [("config", Ok(())), ("listener", Ok(())), ("credentials", credentials), ("draining", draining)];
    let ready = checks.iter().all(|(_, check)| check.is_ok());
    let verbose =
        query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")));
    let mut text = String::new();
    for (name, check) in &checks {
        // Writing to a String can't fail.
        let _ = match check {
            Ok(()) if !verbose => Ok(()),
            Ok(()) => writeln!(text, "[+] {name} ok"),
            Err(reason) => writeln!(text, "[-] {name}: {reason}"),
        };
    }
    text.push_str(if ready { "ok\n" } else { "not ready\n" });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    fresh((status, text))
}

/// Prometheus' text format.
pub(super) async fn metrics(State(edge): State<Arc<Edge>>) -> Response {
    let mut response = edge.metrics.render().into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// An answer about now must not come from a cache.
fn fresh(answer: impl axum::response::IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
