//! Another configuration without another process: what is in force, and what takes its place.
//!
//! A *generation* is everything that one configuration makes: the way to AWS, the gateway, the edge, its routers. A reload
//! makes a new one beside the old and swaps the routers, in one step; requests under way keep the edge that they came in
//! by until they end. What isn't a setting goes from one to the next: metrics, permits and allowances
//! (`limits::Limits::continued`), what the gateway has learnt and keeps (`Gateway::continuing`), what Bedrock lists
//! (`Directory::continuing`), the connections to Bedrock and their credentials, as long as `aws` stays the same.
//!
//! It doesn't know when to reload: signals and files are [`super`]'s and `watch`'s.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::Request;
use arc_swap::ArcSwap;
use axum::Router;
use tokio::sync::{Mutex, watch};

use super::{StartError, Way, assemble, edge};
use crate::config::{Config, Errors, Texts};
use crate::gateway::Directory;
use crate::http::{self, Edge, Process};
use crate::listener::{RequestBody, Tls};
use crate::telemetry::{Reload, logs};

/// Keys, or all below them, that hold for as long as the process lives.
const FIXED: [&str; 11] = [
    "server.listen",
    "server.admin",
    "server.tls",
    "server.max_connections",
    "server.max_connections_per_address",
    "server.header_timeout",
    "server.idle_timeout",
    "server.body_timeout",
    "server.body_total_timeout",
    "server.write_stall_timeout",
    "log.format",
];

/// What a configuration makes.
pub(super) struct Generation {
    pub(super) config: Config,
    pub(super) way: Arc<Way>,
    pub(super) edge: Arc<Edge>,
}

/// What is in force, for those who change it and those who follow. Clones are the same.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    public: Current,
    operators: Current,
    admin_apart: bool,
    tls: Option<Tls>,
    /// Changed by one at a time. The texts are the last that were fine: of what is in force, or of something that says the same.
    turn: Mutex<Texts>,
    latest: watch::Sender<Arc<Generation>>,
}

/// What came of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It says what is in force already.
    Unchanged,
    /// It is in force.
    Changed {
        /// The keys that have other values now.
        keys: Vec<String>,
        /// Those of them that only another process takes over.
        fixed: Vec<String>,
    },
}

impl Reloader {
    pub(super) fn new(first: Generation, admin_apart: bool, tls: Option<Tls>) -> Self {
        Self(Arc::new(Inner {
            public: Current::new(http::public(&first.edge, admin_apart)),
            operators: Current::new(http::admin(&first.edge)),
            admin_apart,
            tls,
            turn: Mutex::new(first.config.texts().clone()),
            latest: watch::Sender::new(Arc::new(first)),
        }))
    }

    /// What clients are served by.
    pub(super) fn public(&self) -> Current {
        self.0.public.clone()
    }

    /// What operators are served by.
    pub(super) fn operators(&self) -> Current {
        self.0.operators.clone()
    }

    /// What is in force now.
    pub(super) fn latest(&self) -> Arc<Generation> {
        Arc::clone(&self.0.latest.borrow())
    }

    /// Follows what is in force.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<Generation>> {
        self.0.latest.subscribe()
    }

    /// Puts a configuration in force, all of it or, after an error, nothing. Whoever is kept out stays so, unless it says
    /// otherwise: the listener is where it was when the process began, whatever the configuration says of it now.
    pub async fn apply(&self, config: Config) -> Result<Applied, StartError> {
        let mut texts = self.0.turn.lock().await;
        let before = self.latest();
        let keys = before.config.changes(&config);
        if keys.is_empty() {
            *texts = config.texts().clone();
            return Ok(Applied::Unchanged);
        }
        config.judge_after(&before.config, &texts).map_err(StartError::Reload)?;
        let is_below = |key: &str, of: &str| {
            key.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let fixed =
            keys.iter().filter(|key| FIXED.iter().any(|fixed| is_below(key, fixed))).cloned().collect();
        let same_way = !keys
            .iter()
            .any(|key| is_below(key, "aws") || is_below(key, "accounts") || key == "timeout.connect");
        let way = if same_way {
            Arc::clone(&before.way)
        } else {
            Arc::new(Box::pin(before.way.anew(&config)).await?)
        };
        let process: Process = before.edge.process.clone();
        let gateway = assemble(&config, &way, &process.metrics, Some((&before.edge.gateway, same_way)))?;
        let edge = Arc::new(edge(&config, gateway, process, Some(&before.edge)));
        if !same_way {
            way.tell(&config);
            edge.health.calls(way.aws.accounts());
        }
        if keys.iter().any(|key| key == "log.level")
            && let Err(error) = logs::refilter(&config.log.level)
        {
            // The configuration has judged it already.
            tracing::warn!(%error, "log.level stays as it was");
        }
        self.0.public.swap(http::public(&edge, self.0.admin_apart));
        self.0.operators.swap(http::admin(&edge));
        *texts = config.texts().clone();
        self.0.latest.send_replace(Arc::new(Generation { config, way, edge }));
        Ok(Applied::Changed { keys, fixed })
    }

    /// The same with what was read, or was wrong with it; tells the log and the metrics.
    pub async fn take(&self, read: Result<Config, Errors>) {
        let metrics = Arc::clone(&self.latest().edge.process.metrics);
        let reject = |errors: Errors, why: &'static str| {
            for error in &errors.0 {
                tracing::error!(target: "outcrop::reload", %error, "{why}; the one before stays in force");
            }
            metrics.config_read(Reload::Rejected);
        };
        let config = match read {
            Ok(config) => config,
            Err(errors) => return reject(errors, "the configuration is not valid"),
        };
        match Box::pin(self.apply(config)).await {
            Ok(Applied::Unchanged) => {
                tracing::info!(target: "outcrop::reload", "the configuration says what is in force already");
                metrics.config_read(Reload::Unchanged);
            }
            Ok(Applied::Changed { keys, fixed }) => {
                let generation = self.latest().edge.generation;
                tracing::info!(target: "outcrop::reload", generation, keys = keys.join(", "), "the configuration is in force");
                if !fixed.is_empty() {
                    tracing::warn!(target: "outcrop::reload", keys = fixed.join(", "), "these take a restart, and stay as they were");
                }
                metrics.config_read(Reload::Applied);
            }
            Err(StartError::Reload(errors)) => {
                reject(errors, "the configuration would open what is closed, or isn't whole");
            }
            Err(error) => {
                tracing::error!(target: "outcrop::reload", %error, "the configuration can't be put in force; the one before stays");
                metrics.config_read(Reload::Rejected);
            }
        }
    }

    /// Looks at the certificate's files again.
    pub fn take_certificate(&self) {
        let Some(tls) = &self.0.tls else { return };
        let metrics = &self.latest().edge.process.metrics;
        match tls.reload() {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(target: "outcrop::reload", file = %tls.files().certificate.display(), "new connections get the new certificate");
                metrics.config_read(Reload::Applied);
            }
            Err(error) => {
                tracing::error!(target: "outcrop::reload", %error, "the certificate can't be used; the one before stays");
                metrics.config_read(Reload::Rejected);
            }
        }
    }

    /// Keeps what Bedrock says of its models fresh, and looks up what is behind configured ARNs before somebody calls
    /// them, whatever is in force. Never ends.
    pub(super) async fn stay_informed(&self) {
        loop {
            let directory = Arc::clone(self.latest().edge.gateway.routes().directory());
            let asking = async {
                directory.run().await;
                // It asks nothing.
                std::future::pending::<()>().await;
            };
            tokio::select! { () = asking => {}, () = self.look_ahead(&directory) => {} }
        }
    }

    /// Until there is another directory.
    async fn look_ahead(&self, directory: &Arc<Directory>) {
        let mut follow = self.follow();
        loop {
            let generation = Arc::clone(&follow.borrow_and_update());
            let routes = generation.edge.gateway.routes();
            if !Arc::ptr_eq(routes.directory(), directory) {
                return;
            }
            let ahead = async {
                routes.look_ahead().await;
                std::future::pending::<()>().await;
            };
            // The sender is ours, so it doesn't end.
            tokio::select! { () = ahead => {}, _ = follow.changed() => {} }
        }
    }
}

/// The router in force: looked up for each request, once.
#[derive(Clone)]
pub(super) struct Current(Arc<ArcSwap<Router>>);

impl Current {
    fn new(router: Router) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(router)))
    }

    fn swap(&self, router: Router) {
        self.0.store(Arc::new(router));
    }
}

impl tower::Service<Request<RequestBody>> for Current {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = <Router as tower::Service<Request<RequestBody>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let mut router = Router::clone(&self.0.load());
        router.call(request)
    }
}
