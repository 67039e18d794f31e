//! A Bedrock of our own: the runtime and the model listing, over loopback HTTP/1.1, with real signatures, real
//! event streams, Bedrock's own refusals, and failures on demand.
//!
//! It serves `outcrop serve --simulate`, `outcrop simulate` and every API test. It speaks bytes and raw JSON and
//! shares no code with the translation: it names no other module of this crate, and of them only the composition
//! root may name it. It isn't a model: without a scenario it answers with the last user text, word for word.
//!
//! # Scenarios
//!
//! A directive in the last user text asks for a particular answer; what remains of the text is echoed. Several
//! directives combine. `after=n` counts content deltas: `0` is before the first event of the stream.
//!
//! | directive | what happens |
//! |---|---|
//! | `[[say:text]]` | answers `text` instead of an echo |
//! | `[[tool:name {"key":"value"}]]` | calls a tool; several make parallel calls |
//! | `[[tool-id:call_{n}]]` | gives each call this id, `{n}` being its place from 0 |
//! | `[[reasoning:text]]` | thinks first; signed on Claude |
//! | `[[signed-reasoning:text]]`, `[[unsigned-reasoning:text]]` | thinks first, signed or not, on any model |
//! | `[[redacted]]` | thinks first, encrypted |
//! | `[[think-tags:text]]`, `[[thinking-tags:text]]`, `[[reasoning-tags:text]]` | thinks in its text, inside of such tags |
//! | `[[refuse:capability]]`, `[[refuse:capability message="…"]]` | refuses a request that uses this capability, see `refusal` |
//! | `[[refusal]]` | Claude's `refusal`, Converse's `content_filtered`, without text |
//! | `[[stop:reason]]` | ends with this stop reason, word for word |
//! | `[[guardrail:BLOCKED]]`, `[[guardrail:ANONYMIZED]]` | a guardrail did so: Converse's `guardrail_intervened` and `trace`, the native `amazon-bedrock-guardrailAction` |
//! | `[[guardrail:BLOCKED input]]` | it did so before the model was asked |
//! | `[[usage input=9 output=9 cache_read=100 cache_write=20 reasoning=5]]` | reports these token counts |
//! | `[[deltas:100]]` | streams the text in so many pieces |
//! | `[[delay:250ms]]` | waits before the first byte |
//! | `[[pace:20ms]]` | waits before every event |
//! | `[[stall]]`, `[[stall after=1]]` | falls silent until the client leaves |
//! | `[[error:throttlingException]]` | fails before the stream: status, `x-amzn-ErrorType`, `{"message"}` |
//! | `[[error:throttlingException after=2]]` | fails inside it: an exception frame (alike when not streaming) |
//! | `[[error:throttlingException message="Too many tokens per day"]]` | with this text |
//! | `[[error-message:InternalFailure after=1]]` | a `:message-type error` frame |
//! | `[[http:529 overloaded_error]]` | any status and code; without a code no `x-amzn-ErrorType` |
//! | `[[fail-times:2 throttlingException]]` | the first two attempts with this conversation fail |
//! | `[[cut]]`, `[[cut after=2]]` | the connection closes: without a reply, inside the stream |
//! | `[[reset]]`, `[[reset after=2]]` | the same with a TCP reset |
//! | `[[end after=2]]` | the stream ends in good order, but too early |
//! | `[[corrupt after=1]]` | a frame's checksum is wrong; a whole reply is cut short |
//! | `[[unknown-event]]` | events of the future, to be skipped |
//!
//! An unknown directive is ordinary text. A known one that makes no sense is a `ValidationException` saying why.
//!
//! Without directives a request gets what it asks for, the same each time: reasoning in its family's way, JSON by its
//! schema (of the request, or of an instruction in the system text), a call of the tool it forces with an instance of
//! that tool's schema, the text of its tool results. Where any tool will do, each is called once before the text comes,
//! so that agents end. A cache point reads what this simulator has seen before and writes what it hasn't.

mod answer;
mod cache;
mod catalogue;
mod claude;
mod converse;
mod embed;
mod event_stream;
mod fault;
mod headers;
mod instance;
mod llama;
mod models;
mod native;
mod nova;
mod refusal;
mod reply;
mod route;
mod scenario;
mod server;
mod service;
mod shape;
mod signature;
#[cfg(test)]
mod tests;
mod titan;
mod turn;
mod validate;

pub use event_stream::Frame;
pub use reply::{Reply, Step};
pub use route::Operation;

use bytes::Bytes;
use http::{HeaderMap, Method};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running simulator. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// How a simulator behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether callers must authenticate.
    pub signatures: Signatures,
    /// The key that requests must be signed with.
    pub credentials: Credentials,
    /// A Bedrock API key that is accepted in `Authorization: Bearer`.
    pub bearer_token: Option<String>,
    /// The only region that signatures may be scoped to; none accepts all.
    pub region: Option<String>,
    /// Whether models that are sold through inference profiles only refuse their bare id, as on Bedrock.
    pub profiles_required: bool,
    /// Application inference profiles: ARN, and the id of the model behind it.
    pub application_profiles: Vec<(String, String)>,
    /// Models of no table: id, and the id of the model that they behave like.
    pub extra_models: Vec<(String, String)>,
    /// Ids of models that are served although Bedrock's own operations don't serve them, or no more; `*` is all of the latter.
    pub served_models: Vec<String>,
    /// Ids of models that have reached the end of their lives: they are listed so, and refuse every call.
    pub retired_models: Vec<String>,
    /// How the listings of models and profiles answer.
    pub listings: Listings,
    /// How many of the latest requests [`Simulator::requests`] remembers.
    pub remembered_requests: usize,
}

impl Options {
    /// Whether a model can be called here.
    fn serves(&self, model: &models::Model) -> bool {
        model.life != models::Life::Elsewhere || self.names(model.id)
    }

    /// Whether a model's life is over.
    fn has_retired(&self, model: &models::Model, id: &str) -> bool {
        let revived = self.names(model.id) || self.names("*");
        let is_over = model.life == models::Life::Retired && !revived;
        is_over || self.retired_models.iter().any(|retired| retired == model.id || retired == id)
    }

    fn names(&self, model: &str) -> bool {
        self.served_models.iter().any(|id| id == model)
    }
}

/// Whether requests must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signatures {
    /// As on AWS.
    Checked,
    /// Anyone may call.
    Ignored,
}

/// How the control plane answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Listings {
    /// To everybody, at once.
    #[default]
    Open,
    /// Nobody may see them: 403.
    Denied,
    /// With an error of its own: 500.
    Failing,
    /// Late.
    Slow(Duration),
}

/// AWS credentials, as a signer has them.
#[derive(Clone)]
pub struct Credentials {
    /// `AKIA…`
    pub access_key: String,
    /// The secret that signatures are made with.
    pub secret_key: String,
    /// Set for temporary credentials: requests must then carry it.
    pub session_token: Option<String>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The HTTP method.
    pub method: Method,
    /// Path and query, as sent.
    pub path: String,
    /// What was asked for.
    pub operation: Operation,
    /// The id in the path, percent-decoded.
    pub model_id: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    /// Requests that arrived.
    pub requests: u64,
    /// Requests whose client left before the head of the reply.
    pub cancelled_requests: u64,
    /// Streams in progress.
    pub open_streams: u64,
    /// Streams whose client left before the end.
    pub cancelled_streams: u64,
}

/// For fuzzers: why Bedrock would refuse this body for the model, of Converse or, if not, of the model's own.
pub fn fuzz_refusal(model: &str, body: &[u8], converse: bool) -> Option<String> {
    let Some(found) = models::find(model) else { return Some("no such model".to_owned()) };
    let body = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(error) => return Some(error.to_string()),
    };
    let checked = if converse {
        validate::converse(found.model, &body, false)
    } else {
        native::read(found.model, &body, false).map(drop)
    };
    checked.err().map(|fault| fault.message)
}

impl Simulator {
    /// Listens and serves on the current Tokio runtime. Fails if the address can't be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(options));
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`, for `endpoint_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Queues replies. Each takes the place of one answer to an authenticated call of a model, first come, first
    /// served; when none is left, the simulator answers by itself again.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.shared.script).extend(replies);
    }

    /// The latest requests, oldest first, refused ones included.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.recorded).iter().cloned().collect()
    }

    /// Accepts these credentials as well, as if they were of another account, or newer.
    pub fn accept(&self, credentials: Credentials) {
        lock(&self.shared.accepted).push(credentials);
    }

    /// Refuses an access key from now on: its token has expired.
    pub fn expire(&self, access_key: &str) {
        lock(&self.shared.expired).push(access_key.to_owned());
    }

    /// Moves its clock so far from this machine's; in signatures that it accepts, and in the `Date` of its answers.
    pub fn shift_clock(&self, seconds: i64) {
        self.shared.clock.store(seconds, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn observed(&self) -> Observed {
        *self.shared.observed.borrow()
    }

    /// The counters as they change: `watch().wait_for(|observed| observed.cancelled_streams == 1)`.
    pub fn watch(&self) -> watch::Receiver<Observed> {
        self.shared.observed.subscribe()
    }

    /// Stops listening and closes all connections.
    pub async fn shutdown(mut self) {
        self.serving.abort();
        if let Err(error) = (&mut self.serving).await {
            tracing::debug!(%error, "the simulator has stopped");
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Default for Options {
    /// A free port on loopback, signatures checked against [`Credentials::default`].
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            signatures: Signatures::Checked,
            credentials: Credentials::default(),
            bearer_token: None,
            region: None,
            profiles_required: true,
            application_profiles: Vec::new(),
            extra_models: Vec::new(),
            served_models: Vec::new(),
            retired_models: Vec::new(),
            listings: Listings::default(),
            remembered_requests: 1_000,
        }
    }
}

impl Default for Credentials {
    /// `AKIDSIMULATOR` / `simulator`.
    fn default() -> Self {
        Self { access_key: "AKIDSIMULATOR".into(), secret_key: "simulator".into(), session_token: None }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What the connections share.
#[derive(Debug)]
struct Shared {
    options: Options,
    /// Besides those of the options.
    accepted: Mutex<Vec<Credentials>>,
    /// Access keys that no longer hold.
    expired: Mutex<Vec<String>>,
    /// Seconds ahead of this machine's.
    clock: AtomicI64,
    recorded: Mutex<VecDeque<Recorded>>,
    script: Mutex<VecDeque<Reply>>,
    /// How often each conversation with a `fail-times` directive was tried.
    attempts: Mutex<HashMap<String, u32>>,
    /// The prefixes of prompts seen so far.
    cache: cache::Cache,
    observed: watch::Sender<Observed>,
}

impl Shared {
    fn new(options: Options) -> Self {
        Self {
            options,
            accepted: Mutex::default(),
            expired: Mutex::default(),
            clock: AtomicI64::new(0),
            recorded: Mutex::default(),
            script: Mutex::default(),
            attempts: Mutex::default(),
            cache: cache::Cache::default(),
            observed: watch::Sender::new(Observed::default()),
        }
    }

    fn now(&self) -> SystemTime {
        let seconds = self.clock.load(Ordering::Relaxed);
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }

    /// Credentials by their access key.
    fn credentials(&self, access_key: &str) -> Option<Credentials> {
        let accepted = lock(&self.accepted);
        let known = std::iter::once(&self.options.credentials).chain(accepted.iter().rev());
        known.into_iter().find(|credentials| credentials.access_key == access_key).cloned()
    }

    fn record(&self, request: Recorded) {
        let mut recorded = lock(&self.recorded);
        recorded.push_back(request);
        while recorded.len() > self.options.remembered_requests {
            recorded.pop_front();
        }
    }

    fn next_scripted(&self, operation: Operation) -> Option<Reply> {
        if operation.calls_a_model() { lock(&self.script).pop_front() } else { None }
    }

    /// Counts an attempt; true while fewer than `times` were made before it. A success starts over.
    fn fails_this_time(&self, conversation: &str, times: u32) -> bool {
        let mut attempts = lock(&self.attempts);
        let made = attempts.entry(conversation.to_owned()).or_default();
        if *made < times {
            *made += 1;
            return true;
        }
        attempts.remove(conversation);
        false
    }
}

/// A panic in one request must not become a panic in all later ones.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
