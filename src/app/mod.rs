//! THE COMPOSITION ROOT: a valid configuration becomes a running server. The only file that may name every
//! module.

mod admission;
mod aws;
mod background;
mod keys;
mod memory;
mod models;
mod reload;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::TaskTracker;

use crate::bedrock::{Aws, CredentialsUnavailable, Identity, SetupError, Transport};
use crate::config::{self, Config, OnDisconnect, ThoughtStore};
use crate::fetch::{self, Fetcher, HostPattern};
use crate::gateway::{Asking, DefaultModel, Directory, Gateway, Listing, Routes, Rules, ThoughtLimits};
use crate::http::{self, Edge, Health, Limits, Process};
use crate::listener::{
    self, Closed, FileLimit, Listener, Observer, Shutdown, Tls, TlsError, TlsFiles, Workers,
};
use crate::simulator::{self, Simulator};
use crate::telemetry::{Label, Metrics};
use admission::admission;
use background::unfailing;
pub use memory::MemoryUse;
use models::{alias, cache_mode, guardrail, policy, profile_choice};
use reload::Generation;
pub use reload::{Applied, Reloader};
pub use watch::Read;

/// From the end of the grace period until nothing is waited for any more: for errors to go out.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Connections of operators and their machines at once, on a listener of their own. However many clients there are, these
/// find a place, and a file descriptor.
const OPERATORS: usize = 64;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours; and what chooses another one.
    #[error("cannot listen on {0}: {1}: choose another address with {2}")]
    Bind(SocketAddr, std::io::Error, &'static str),
    /// The certificate can't be served with.
    #[error("server.tls: {0}")]
    Tls(#[from] TlsError),
    /// The simulator found no port.
    #[error("cannot start the simulator: {0}")]
    Simulator(std::io::Error),
    /// The way to AWS can't be made.
    #[error("{0}")]
    Aws(#[from] SetupError),
    /// A successor that leads nowhere.
    #[error("the successor `{name}`: {problem}")]
    Successor {
        /// The name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Remote files are wanted and can't be had.
    #[error("fetch.enabled: {0}")]
    Fetch(#[from] fetch::SetupError),
    /// It may not take the place of what is in force.
    #[error("{0}")]
    Reload(config::Errors),
    /// A model entry that only the families can judge.
    #[error("models.{name}: {problem}")]
    Model {
        /// The entry.
        name: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// A server that is bound and about to serve.
pub struct App {
    listener: Listener,
    admin: Option<Listener>,
    reloader: Reloader,
    shutdown: Shutdown,
    metrics: Arc<Metrics>,
    /// `None`: nothing bounds it.
    memory: Option<MemoryUse>,
    /// Ends with the server.
    simulator: Option<Simulator>,
}

impl App {
    /// Puts everything together and binds. Nothing goes over the network yet, so a slow credential source holds
    /// nothing up. With `simulate`, Bedrock is a simulator in this process.
    pub async fn start(config: &Config, simulate: bool) -> Result<Self, StartError> {
        let simulator = if simulate {
            let options = simulator::Options {
                served_models: config.simulator.models.clone(),
                ..simulator::Options::default()
            };
            Some(Simulator::start(options).await.map_err(StartError::Simulator)?)
        } else {
            None
        };
        let way = Way::load(config, simulator.as_ref().map(Simulator::url)).await?;
        way.tell(config);
        let metrics = new_metrics();
        let gateway = assemble(config, &way, &metrics, None)?;
        let shutdown = Shutdown::new();
        let process = Process {
            metrics: Arc::clone(&metrics),
            health: Arc::new(Health::new(simulate, way.aws.accounts())),
            shutdown: shutdown.clone(),
            apart: Handle::current(),
            departed: TaskTracker::new(),
        };
        let edge = Arc::new(edge(config, gateway, process, None));
        let settings = listener_settings(config);
        let bind = |address, settings, chosen_with| async move {
            let bound = Listener::bind(address, settings).await;
            bound.map_err(|error| StartError::Bind(address, error, chosen_with))
        };
        let tls = config.server.tls.as_ref().map(tls_files).map(Tls::load).transpose()?;
        let listener =
            bind(config.server.listen, settings, "--listen or server.listen").await?.secured(tls.clone());
        let admin = match config.server.admin {
            Some(address) => {
                let max_connections = settings.max_connections.min(OPERATORS);
                let settings = listener::Settings { max_connections, ..settings };
                Some(bind(address, settings, "server.admin").await?)
            }
            None => None,
        };
        let first = Generation { config: config.clone(), way: Arc::new(way), edge };
        let reloader = Reloader::new(first, admin.is_some(), tls);
        let memory = memory::of_group();
        Ok(Self { listener, admin, reloader, shutdown, metrics, memory, simulator })
    }

    /// What answers, without a server around it.
    pub async fn assemble(config: &Config) -> Result<Parts, StartError> {
        let way = Way::load(config, None).await?;
        let metrics = new_metrics();
        let gateway = assemble(config, &way, &metrics, None)?;
        Ok(Parts { aws: way.aws, gateway, metrics })
    }

    /// The region that Bedrock is called in.
    pub fn region(&self) -> String {
        self.reloader.latest().way.aws.region().to_owned()
    }

    /// Asks the chain of sources for credentials.
    pub async fn credentials(&self) -> Result<Identity, CredentialsUnavailable> {
        self.reloader.latest().way.aws.probe(None).await
    }

    /// Where clients come in: the real port, also when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Where operators come in, if that is another place.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Listener::address)
    }

    /// What Bedrock says of its models; serving keeps it fresh.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(self.reloader.latest().edge.gateway.routes().directory())
    }

    /// The model of requests that name none, as far as Bedrock's listings are read.
    pub fn default_model(&self) -> String {
        self.reloader.latest().edge.gateway.routes().default_model().to_owned()
    }

    /// A model to try: the first configured name that chats, else the default model.
    pub fn model_to_try(&self) -> String {
        let latest = self.reloader.latest();
        let gateway = &latest.edge.gateway;
        let chats = |name: &&str| gateway.model(name).is_ok_and(|model| model.mode == "chat");
        let first = gateway.routes().aliases().filter(chats).min();
        first.unwrap_or_else(|| gateway.routes().default_model()).to_owned()
    }

    /// The simulator that stands for Bedrock.
    pub fn simulator(&self) -> Option<&Simulator> {
        self.simulator.as_ref()
    }

    /// Has somebody else say how much memory is in use.
    #[must_use]
    pub fn measured_by(self, memory: MemoryUse) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// Moves the server through its stages, for whoever hears the signals.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Puts other configurations in force.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Serves until the shutdown is through, on the caller's runtime.
    pub async fn serve(self) {
        self.serve_on(Workers::here()).await;
    }

    /// The same, with clients' connections on `workers`. Everything that isn't for clients stays on the caller's
    /// runtime: accepting, operators, the watch over credentials, the simulator.
    async fn serve_on(self, workers: Workers) {
        let Self { listener, admin, reloader, shutdown, metrics, memory, simulator } = self;
        let connections: Arc<dyn Observer> = Arc::new(Connections(metrics));
        let departed = reloader.latest().edge.departed.clone();
        let watch = tokio::spawn(unfailing("credentials", {
            let reloader = reloader.clone();
            move || watch_aws(reloader.clone())
        }));
        let asking = tokio::spawn(unfailing("listings", {
            let reloader = reloader.clone();
            move || {
                let reloader = reloader.clone();
                async move { reloader.stay_informed().await }
            }
        }));
        let memory = tokio::spawn(unfailing("memory", {
            let (reloader, stalled) = (reloader.clone(), listener.stalled());
            move || memory::watch(reloader.clone(), stalled.clone(), memory.clone())
        }));
        let (public, operators) = (reloader.public(), reloader.operators());
        let admin = async {
            if let Some(admin) = admin {
                admin.serve(operators, shutdown.clone(), Arc::new(()), Workers::here()).await;
            }
        };
        tokio::join!(listener.serve(public, shutdown.clone(), connections, workers.clone()), admin);
        // Within the grace period: at its end they end by themselves.
        departed.close();
        tokio::select! { () = departed.wait() => {}, () = shutdown.forced() => {} }
        drop(workers);
        watch.abort();
        asking.abort();
        memory.abort();
        drop(simulator);
    }

    /// Serves with a thread for each core until SIGTERM or SIGINT, then lets what is in flight end within the grace period, and
    /// the rest say that it is cut short. A second signal does that at once; a third one cuts. On SIGHUP, and when it has
    /// changed, the configuration is read again.
    pub async fn serve_until_signalled(self, read: Read, signals: Signals) -> std::io::Result<()> {
        let Signals { mut terminate, mut interrupt, hangup } = signals;
        let workers = Workers::start(std::thread::available_parallelism()?.get())?;
        let shutdown = self.shutdown();
        let reloader = self.reloader();
        let watch = watch::watch(reloader.clone(), read, hangup);
        let stages = async move {
            let mut signalled = async || {
                tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" }
            };
            let name = signalled().await;
            let config::Server { drain_delay, grace, .. } = reloader.latest().config.server;
            tracing::info!(signal = name, grace_s = grace.as_secs_f64(), "shutting down");
            shutdown.leave();
            let gently = async {
                tokio::time::sleep(drain_delay).await;
                shutdown.drain();
                tokio::time::sleep(grace).await;
                "the grace period is over"
            };
            let why = tokio::select! { why = gently => why, _ = signalled() => "a second signal came" };
            tracing::warn!(why, "ending what is still in flight");
            shutdown.close();
            tokio::select! { () = tokio::time::sleep(LAST_WORDS) => {}, _ = signalled() => {} }
            shutdown.force();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.serve_on(workers) => {}
            () = stages => {}
            never = watch => match never {},
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// The signals that a server hears. Until they are listened to they end the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens, before anybody is told that there is a server.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// The gateway and what it stands on.
pub struct Parts {
    /// The way to AWS.
    pub aws: Aws,
    /// Runs chats and embeddings.
    pub gateway: Gateway,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

fn new_metrics() -> Arc<Metrics> {
    let revision = option_env!("OUTCROP_REVISION").unwrap_or("unknown");
    Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), revision))
}

/// The way to AWS, for as long as nothing of it is configured otherwise: credentials, connections, and a transport to each
/// region.
struct Way {
    aws: Aws,
    transports: Mutex<HashMap<Place, Arc<dyn Transport>>>,
    /// Where the simulator is that stands for Bedrock.
    simulator: Option<String>,
}

/// An account and a region; `None` is the default one.
type Place = (Option<String>, Option<String>);

impl Way {
    async fn load(config: &Config, simulator: Option<String>) -> Result<Self, SetupError> {
        let aws = Aws::load(aws::settings(config, simulator.as_deref())).await?;
        Ok(Self { aws, transports: Mutex::default(), simulator })
    }

    /// Another, by another configuration.
    async fn anew(&self, config: &Config) -> Result<Self, SetupError> {
        Self::load(config, self.simulator.clone()).await
    }

    /// Whom it will be in each account. The simulator takes anybody.
    fn tell(&self, config: &Config) {
        if self.simulator.is_none() {
            aws::tell(config);
        }
    }

    fn transport(&self, account: Option<&str>, region: Option<&str>) -> Arc<dyn Transport> {
        let place = (account.map(str::to_owned), region.map(str::to_owned));
        let mut transports = self.transports.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(transports.entry(place).or_insert_with(|| self.aws.transport(account, region)))
    }
}

/// The gateway of a configuration. Where there is one `before` it, it goes on with what that has learnt; `true` if it goes
/// the same way.
fn assemble(
    config: &Config,
    way: &Way,
    metrics: &Arc<Metrics>,
    before: Option<(&Gateway, bool)>,
) -> Result<Gateway, StartError> {
    let fetcher = fetch_settings(&config.fetch)
        .map(|settings| Fetcher::new(settings, Arc::clone(metrics)))
        .transpose()?;
    let directory = before.filter(|(_, same_way)| *same_way).map(|(gateway, _)| gateway.routes().directory());
    let gateway = gateway(config, way, directory, fetcher, metrics)?;
    Ok(match before {
        Some((before, _)) => gateway.continuing(before),
        None => gateway,
    })
}

/// The edge of a configuration, and in the place of which.
fn edge(config: &Config, gateway: Gateway, process: Process, before: Option<&Edge>) -> Edge {
    let threads = process.apart.metrics().num_workers();
    Edge {
        generation: before.map_or(1, |before| before.generation + 1),
        gateway,
        keys: keys::keys(config),
        admission: admission(config, threads, before.map(|before| &before.admission)),
        limits: Limits {
            body: config.server.body_limit,
            keep_alive: config.stream.keep_alive,
            drain: drain(&config.stream),
        },
        cors: config.server.cors.as_ref().map(|config::Cors { origins, max_age }| http::Cors {
            origins: origins.clone(),
            max_age: *max_age,
        }),
        hosts: http::Hosts {
            names: config.server.hosts.clone(),
            // Where it listens is the process's.
            public_on_loopback: before.map_or_else(
                || config.server.listen.ip().is_loopback(),
                |before| before.hosts.public_on_loopback,
            ),
            admin_on_loopback: before.map_or_else(
                || config.server.admin.is_some_and(|admin| admin.ip().is_loopback()),
                |before| before.hosts.admin_on_loopback,
            ),
        },
        process,
    }
}

/// What may be fetched; `None`: nothing.
fn fetch_settings(config: &config::Fetch) -> Option<fetch::Settings> {
    config.enabled.then(|| fetch::Settings {
        http: config.http,
        ports: config.ports.clone(),
        allow_hosts: config.allow_hosts.iter().map(|pattern| HostPattern::new(pattern)).collect(),
        max_bytes: config.max_bytes,
        max_total_bytes: config.max_total_bytes,
        max_files: count(config.max_files),
        timeout: config.timeout,
        max_redirects: config.max_redirects.into(),
        per_request: count(config.per_request),
        concurrent: count(config.concurrent),
    })
}

fn gateway(
    config: &Config,
    way: &Way,
    directory: Option<&Arc<Directory>>,
    fetcher: Option<Fetcher>,
    metrics: &Arc<Metrics>,
) -> Result<Gateway, StartError> {
    let aws = &way.aws;
    let models = &config.models;
    let mut aliases = HashMap::new();
    for (name, entry) in &models.entries {
        let alias = alias(entry).map_err(|problem| StartError::Model { name: name.clone(), problem })?;
        aliases.insert(name.clone(), alias);
    }
    // Where calls may go: here, where an entry says or its ARN is, and where clients' ARNs may lead.
    let targets = aliases.values().flat_map(|alias| &alias.targets);
    let named = targets.filter_map(|target| target.region.as_deref().or(target.model.region()));
    let mut regions: BTreeSet<&str> =
        named.chain(models.arn.regions.iter().flatten().map(String::as_str)).collect();
    regions.remove(aws.region());
    // Whoever stands in for the runtime has an account of its own: AWS knows nothing of it.
    let is_elsewhere = config.aws.endpoint_url.is_some() && config.aws.control_endpoint_url.is_none();
    let asking = Asking {
        interval: models.live.interval.filter(|_| !is_elsewhere),
        lookup_wait: models.live.lookup_wait,
        regions: [aws.region()].into_iter().chain(regions.iter().copied()).map(str::to_owned).collect(),
    };
    // In each account of an alias, every Region: a successor may lead to another.
    let targets = aliases.values().flat_map(|alias| &alias.targets);
    let accounts: BTreeSet<_> = targets.filter_map(|target| target.account.as_deref()).collect();
    let places = std::iter::once(None).chain(accounts.into_iter().map(Some)).flat_map(|account| {
        let regions = std::iter::once(None).chain(regions.iter().copied().map(Some));
        regions.map(move |region| (account, region))
    });
    let transports = places.map(|(account, region)| {
        let place = (account.map(str::to_owned), region.unwrap_or(aws.region()).to_owned());
        (place, way.transport(account, region))
    });
    let transports = transports.collect();
    let directory = match directory {
        Some(before) if *before.asking() == asking => Arc::clone(before),
        Some(before) => Arc::new(Directory::new(Arc::new(aws.clone()), asking).continuing(before)),
        None => Arc::new(Directory::new(Arc::new(aws.clone()), asking)),
    };
    let rules = Rules {
        strict: config.strict,
        cache: cache_mode(config.cache),
        guardrail: config.guardrail.as_ref().map(guardrail),
        profiles: profile_choice(models.profile),
        warn_legacy: models.warn_legacy,
        successors: models.successors.iter().map(|(old, new)| (old.clone(), new.clone())).collect(),
        accounts: models.arn.accounts.as_ref().map(|accounts| accounts.iter().cloned().collect()),
    };
    let routes = Routes::new(
        aliases,
        match (&config.default_model.origin, config.default_model.value.clone()) {
            (config::Origin::Default, model) => DefaultModel::BuiltIn(model),
            (_, model) => DefaultModel::Configured(model),
        },
        aws.region().to_owned(),
        transports,
        rules,
        directory,
    );
    for successor in routes.successors() {
        if let Err(error) = routes.locate(successor) {
            return Err(StartError::Successor { name: successor.to_owned(), problem: error.to_string() });
        }
    }
    let list = models.list.clone();
    let listing = Listing {
        catalogue: list.catalogue,
        retired: list.retired,
        shows: Box::new(move |name| list.shows(name)),
    };
    let gateway = Gateway::new(routes, listing, policy(config), fetcher, Arc::clone(metrics));
    Ok(match config.reasoning.store {
        Some(ThoughtStore { ttl, max_bytes }) => gateway.remembering(ThoughtLimits { ttl, max_bytes }),
        None => gateway,
    })
}

fn count(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}

fn tls_files(tls: &config::Tls) -> TlsFiles {
    let config::Tls { cert, key, client_ca } = tls;
    TlsFiles { certificate: cert.clone(), key: key.clone(), client_ca: client_ca.clone() }
}

fn drain(stream: &config::Stream) -> Option<http::Drain> {
    match stream.on_disconnect {
        OnDisconnect::Cancel => None,
        OnDisconnect::Drain => {
            Some(http::Drain { timeout: stream.drain_timeout, events: stream.drain_events.get() })
        }
    }
}

fn listener_settings(config: &Config) -> listener::Settings {
    let server = &config.server;
    let asked = count(server.max_connections);
    let files = FileLimit::raised();
    let max_connections = files.connections(asked);
    // A tenth less is nothing that anybody would notice.
    if max_connections < asked - asked / 10 {
        tracing::warn!(asked, max_connections, %files, "fewer connections than configured: the limit of open files (ulimit -n) allows no more");
    } else {
        tracing::debug!(max_connections, %files, "connections are bounded");
    }
    listener::Settings {
        header_timeout: server.header_timeout,
        idle_timeout: server.idle_timeout,
        body_timeout: server.body_timeout,
        body_total_timeout: server.body_total_timeout,
        write_stall_timeout: server.write_stall_timeout,
        max_connections,
        max_per_address: server.max_connections_per_address.map_or(usize::MAX, count),
    }
}

/// Renews credentials and tells of them, by whatever way is in force. Never ends.
async fn watch_aws(reloader: Reloader) {
    let mut follow = reloader.follow();
    loop {
        let generation = Arc::clone(&follow.borrow_and_update());
        let (way, process) = (Arc::clone(&generation.way), generation.edge.process.clone());
        drop(generation);
        let another = async {
            // The sender is the reloader's, so it doesn't end.
            while follow.changed().await.is_ok() && Arc::ptr_eq(&follow.borrow_and_update().way, &way) {}
        };
        let watching = async {
            aws::watch(way.aws.clone(), &process).await;
            // What it has needs no renewal.
            std::future::pending::<()>().await;
        };
        tokio::select! { () = watching => {}, () = another => {} }
    }
}

/// Counts connections.
struct Connections(Arc<Metrics>);

impl Observer for Connections {
    fn opened(&self) {
        self.0.connection_opened();
    }

    fn closed(&self, why: Closed) {
        self.0.connection_closed(Label::from(why.label()));
    }
}
