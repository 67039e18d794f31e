//! THE EDGE: the only place with HTTP in it. Paths, headers, status codes; who may come in.
//!
//! Handlers decode, call the gateway, encode. No AWS here and no model formats.

mod admit;
mod answer;
mod apart;
mod authenticate;
mod browser;
mod chat;
mod departure;
mod embeddings;
mod error;
mod estimate;
mod extract;
mod headers;
mod health;
mod ids;
mod layers;
mod models;
mod record;
mod spec;
mod sse;
mod unknown;
mod unserved;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

pub use browser::Hosts;
pub use departure::Drain;
pub use health::{CredentialState, Health};

use crate::auth::Keys;
use crate::gateway::Gateway;
use crate::limits;
use crate::listener::Shutdown;
use crate::telemetry::Metrics;
use browser::Door;

/// What every handler can see: one configuration, and what outlives it. A request keeps the edge that it came in by.
pub struct Edge {
    /// Which configuration of this process it is, from 1.
    pub generation: u64,
    /// Runs chats and embeddings.
    pub gateway: Gateway,
    /// Who may come in; `None` lets everybody.
    pub keys: Option<Keys>,
    /// How much at once.
    pub admission: limits::Limits,
    /// The edge's bounds.
    pub limits: Limits,
    /// Whose pages may call from a browser; `None`: nobody's.
    pub cors: Option<Cors>,
    /// By which names it is called where it asks for no key.
    pub hosts: Hosts,
    /// The same for all configurations of the process.
    pub process: Process,
}

/// What is the process's, whatever its configuration. Clones are the same.
#[derive(Clone)]
pub struct Process {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What probes and operators are told.
    pub health: Arc<Health>,
    /// Whether the process is on its way out.
    pub shutdown: Shutdown,
    /// A runtime on which long work holds up no connection.
    pub apart: Handle,
    /// Calls that may go on without their clients.
    pub departed: TaskTracker,
}

impl Deref for Edge {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// The edge's bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest request body, in bytes.
    pub body: usize,
    /// Silence in a stream after which a comment is sent; `None` sends none.
    pub keep_alive: Option<Duration>,
    /// How far a call is read on whose client has left; `None` ends it there and then.
    pub drain: Option<Drain>,
}

/// Which web pages' scripts may read answers.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Of these origins, or of all with these schemes (`vscode-webview:`); `None`: of any.
    pub origins: Option<Vec<HeaderValue>>,
    /// How long a browser may remember that it may.
    pub max_age: Duration,
}

impl Cors {
    fn allows(&self, origin: &HeaderValue) -> bool {
        let Some(origins) = &self.origins else { return true };
        origins.iter().any(|allowed| {
            allowed == origin
                || (allowed.as_bytes().ends_with(b":") && origin.as_bytes().starts_with(allowed.as_bytes()))
        })
    }
}

/// Everything a client can ask. With `admin` apart, what is only for operators is not here.
pub fn public(edge: &Arc<Edge>, admin_apart: bool) -> Router {
    // What calls a model is admitted; the rest is answered from memory.
    let calls = Router::new()
        .route("/v1/chat/completions", post(chat::completions).fallback(layers::post_only))
        .route("/v1/embeddings", post(embeddings::create).fallback(layers::post_only));
    let api = layers::admitted(calls, edge)
        .route("/v1/models", get(models::list).fallback(layers::get_only))
        .route("/v1/models/{*id}", get(models::retrieve).fallback(layers::get_only));
    let api = layers::readable_by_pages(layers::authenticated(api, edge), edge.cors.as_ref());
    let router =
        if admin_apart { api.merge(probes(Door::Public)) } else { api.merge(operations(Door::Public)) };
    layers::everything(router, edge, Door::Public)
}

/// What operators and their machines ask, on a listener of its own.
pub fn admin(edge: &Arc<Edge>) -> Router {
    layers::everything(operations(Door::Admin), edge, Door::Admin)
}

/// Open to everybody: health paths answer on both listeners.
fn probes(door: Door) -> Router<Arc<Edge>> {
    Router::new()
        .route("/health", get(health::health).fallback(layers::get_only))
        .route("/livez", get(health::livez).fallback(layers::get_only))
        .route("/readyz", get(health::readyz).fallback(layers::get_only))
        .layer(Extension(door))
}

fn operations(door: Door) -> Router<Arc<Edge>> {
    probes(door)
        .route("/metrics", get(health::metrics).fallback(layers::get_only))
        .route("/openapi.yaml", get(spec::yaml).fallback(layers::get_only))
        .route("/openapi.json", get(spec::json).fallback(layers::get_only))
        .route("/", get(spec::welcome).fallback(layers::get_only))
}
