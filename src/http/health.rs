//! What probes and operators are told.
//!
//! `/livez` is about this process only, `/readyz` about whether to send it work, `/health` is for people.
//! Bedrock being down makes none of them fail: a restart or another replica would not mend it.
//!
//! They answer everybody. Where that may be strangers, they tell how the gateway is, and not whose accounts it calls.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use super::Edge;
use super::browser::{Door, is_local};

/// Less than this many seconds is a network's delay, or a `Date` in whole seconds.
const CLOCK_IS_FINE: f64 = 30.0;

/// What is told, as far as it isn't asked of others.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    simulated: bool,
    short_of_memory: AtomicBool,
    told: Mutex<Told>,
}

/// What others have told.
#[derive(Debug)]
struct Told {
    credentials: CredentialState,
    accounts: BTreeMap<String, CredentialState>,
    clock: Option<Clock>,
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
    /// Of a process that has just begun, and calls these accounts besides its own.
    pub fn new<'a>(simulated: bool, accounts: impl Iterator<Item = &'a str>) -> Self {
        let told = Told { credentials: CredentialState::Resolving, accounts: BTreeMap::new(), clock: None };
        let health = Self {
            started: Instant::now(),
            simulated,
            short_of_memory: AtomicBool::new(false),
            told: Mutex::new(told),
        };
        health.calls(accounts);
        health
    }

    /// From now on these accounts are called, and no others.
    pub fn calls<'a>(&self, accounts: impl Iterator<Item = &'a str>) {
        self.told().accounts = accounts.map(|name| (name.to_owned(), CredentialState::Resolving)).collect();
    }

    /// Whoever asks for an account's credentials says here what came of it; `None` is the base account.
    pub fn credentials(&self, account: Option<&str>, state: CredentialState) {
        let mut told = self.told();
        match account {
            None => told.credentials = state,
            Some(name) => drop(told.accounts.insert(name.to_owned(), state)),
        }
    }

    /// Whoever watches the memory says here whether it runs short. Tells whether that is news.
    pub fn memory(&self, runs_short: bool) -> bool {
        self.short_of_memory.swap(runs_short, Ordering::Relaxed) != runs_short
    }

    /// Does memory run short?
    pub(super) fn is_short_of_memory(&self) -> bool {
        self.short_of_memory.load(Ordering::Relaxed)
    }

    /// Whoever compares the clock with AWS's says here by how much it is behind, and whether signatures make up for it.
    pub fn clock(&self, skew_seconds: f64, corrected: bool) {
        self.told().clock = Some(Clock { skew_seconds, corrected });
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is Bedrock a simulator in this process?
    pub(super) fn is_simulated(&self) -> bool {
        self.simulated
    }
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    configuration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    simulated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_model: Option<String>,
    credentials: Credentials,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<BTreeMap<String, Credentials>>,
    clock: Option<Clock>,
    upstream: Upstream,
}

#[derive(Serialize)]
struct Credentials {
    state: &'static str,
    source: Option<String>,
    expires_at: Option<u64>,
}

impl Credentials {
    fn of(state: &CredentialState) -> Self {
        let (state, source, expires_at) = match state {
            CredentialState::Resolving => ("resolving", None, None),
            CredentialState::Resolved { source, expires } => ("resolved", Some(source.clone()), *expires),
            CredentialState::Unavailable => ("unavailable", None, None),
        };
        Self { state, source, expires_at }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Clock {
    /// By so much it is behind AWS's.
    skew_seconds: f64,
    /// Signatures carry AWS's time, because this machine's was refused.
    corrected: bool,
}

#[derive(Serialize)]
struct Upstream {
    /// `ok`: its last answer is newer than its last failure. `unknown`: nothing was asked yet.
    state: &'static str,
    answered_seconds_ago: Option<u64>,
    failed_seconds_ago: Option<u64>,
}

/// 200 while this process does its work; the body tells the rest.
pub(super) async fn health(
    State(edge): State<Arc<Edge>>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
) -> Response {
    let (credentials, accounts, clock) = {
        let Told { credentials, accounts, clock } = &*edge.health.told();
        let accounts: BTreeMap<_, _> =
            accounts.iter().map(|(name, state)| (name.clone(), Credentials::of(state))).collect();
        (Credentials::of(credentials), accounts, *clock)
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
    } else if credentials.state == "unavailable" && accounts.values().all(|of| of.state != "resolved") {
        "no_credentials"
    } else {
        "ok"
    };
    let tells_all = is_no_stranger(&edge, door, &headers);
    let state_only = |of: Credentials| Credentials { source: None, expires_at: None, ..of };
    fresh(Json(Report {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: edge.health.started.elapsed().as_secs(),
        configuration: edge.generation,
        region: tells_all.then(|| edge.gateway.routes().default_region().to_owned()),
        simulated: edge.health.simulated,
        default_model: tells_all.then(|| edge.gateway.routes().default_model().to_owned()),
        credentials: if tells_all { credentials } else { state_only(credentials) },
        accounts: tells_all.then_some(accounts),
        clock,
        upstream,
    }))
}

/// Whether whoever asks may know whose accounts are called: it comes in where operators do or where no key is asked for,
/// shows a key, or is on this machine.
fn is_no_stranger(edge: &Edge, door: Door, headers: &HeaderMap) -> bool {
    match (&edge.keys, door) {
        (Some(keys), Door::Public) => {
            keys.check(headers).is_ok() || is_local(edge, door, &Method::GET, headers)
        }
        (Some(_), Door::Admin) | (None, _) => true,
    }
}

/// The process answers: that is all.
pub(super) async fn livez() -> Response {
    fresh("ok\n")
}

/// 200 when requests may come; 503 and the reasons when not. `?verbose` lists the checks either way.
pub(super) async fn readyz(
    State(edge): State<Arc<Edge>>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Told { credentials, accounts, clock } = &*edge.health.told();
    let resolved = |state: &CredentialState| match state {
        CredentialState::Resolved { .. } => Ok(()),
        CredentialState::Resolving => Err("the credential sources are still being asked"),
        // What was tried may name files and accounts; it is in the log.
        CredentialState::Unavailable => Err("no source of credentials gave any; the log says more"),
    };
    // Whoever calls other accounts only may have none of its own; and one account that fails is no reason to keep
    // requests from the rest.
    let usable = accounts.values().any(|state| resolved(state).is_ok());
    let credentials = if usable { Ok(()) } else { resolved(credentials) };
    let draining = if edge.shutdown.is_leaving() { Err("the process is on its way out") } else { Ok(()) };
    let memory = if edge.health.is_short_of_memory() { Err("it runs short") } else { Ok(()) };
    // Nothing could answer here without the first two.
    let checks = [
        ("config", Ok(())),
        ("listener", Ok(())),
        ("credentials", credentials),
        ("memory", memory),
        ("draining", draining),
    ];
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
    if verbose {
        let shown = is_no_stranger(&edge, door, &headers).then_some(accounts);
        for (name, state) in shown.into_iter().flatten() {
            // Writing to a String can't fail.
            let _ = match resolved(state) {
                Ok(()) => writeln!(text, "[+] account {name} ok"),
                Err(reason) => writeln!(text, "[!] account {name}: {reason}"),
            };
        }
        let _ = match clock {
            None => writeln!(text, "[+] clock not compared yet"),
            Some(Clock { skew_seconds, .. }) if skew_seconds.abs() < CLOCK_IS_FINE => {
                writeln!(text, "[+] clock ok")
            }
            Some(Clock { skew_seconds, corrected }) => {
                let how = if *corrected {
                    "signatures carry AWS's time"
                } else {
                    "AWS refuses signatures beyond 300 s"
                };
                writeln!(text, "[!] clock: AWS's less this machine's is {skew_seconds:.0} s; {how}")
            }
        };
    }
    text.push_str(if ready { "ok\n" } else { "not ready\n" });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    fresh((status, text))
}

/// Prometheus' text format.
pub(super) async fn metrics(State(edge): State<Arc<Edge>>) -> Response {
    let mut response = edge.metrics.scrape().into_response();
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
