//! Fetching what requests point at: pictures and files behind http(s) URLs, for those who turn it on.
//!
//! The client chooses the URL and we stand inside somebody's network, so each URL is taken for an attempt to reach what the
//! client can't (SSRF). The rules, each in the file that keeps it: which URLs ([`guard`]), which addresses ([`address`]), one
//! look-up and a connection to what was checked ([`exchange`]), what may come back ([`content`]), and what is said of a
//! failure ([`error`]). Here are the bounds: time, size, number. docs/decisions/0022 has the reasons.
//!
//! It knows nothing of chats: the gateway asks it for URLs, and `app` makes it. It holds no AWS credentials and no header of a
//! client's request.

mod address;
mod base64;
mod content;
mod error;
mod exchange;
mod guard;
mod network;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::telemetry::{Label, Metrics};

pub use content::{Format, Kind};
use content::{TextCheck, Verdict};
pub use error::{Cause, FetchError, Refusal};
pub use guard::{HostPattern, fuzz_guard};
pub use network::{Connection, Duplex, Network};

use base64::Encoder;
use exchange::{Answer, Content};
use guard::{Guard, Target};
use network::System;

/// Failures of the network are told on the whole second: a name that doesn't exist, an address that is refused and a port
/// that is closed then take equally long, and their text is the same.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What may be fetched, and how much of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Plain http as well as https.
    pub http: bool,
    /// Ports besides 443 (and 80 with `http`).
    pub ports: Vec<u16>,
    /// The only hosts to fetch from; empty: any whose addresses are public. Those on the list have to be public as well.
    pub allow_hosts: Vec<HostPattern>,
    /// The largest file, in bytes.
    pub max_bytes: usize,
    /// All files of one request together, in bytes.
    pub max_total_bytes: usize,
    /// URLs in one request.
    pub max_files: usize,
    /// For one URL, redirects included.
    pub timeout: Duration,
    /// Redirects that one URL may lead through.
    pub max_redirects: usize,
    /// At once for one request.
    pub per_request: usize,
    /// At once for all.
    pub concurrent: usize,
}

/// What to fetch.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// As the client wrote it.
    pub url: String,
    /// What it is said to lead to.
    pub kind: Kind,
    /// What the client calls it. Its extension counts where neither bytes nor server tell the format.
    pub name: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The bytes in base64: standard alphabet, padding, no line breaks. So it stands in a JSON string as it is.
    pub base64: String,
    /// What it is; one of the pictures if one was wanted.
    pub format: Format,
    /// What the client called it; else the last part of the path, decoded, of the first URL on the way that has one.
    pub name: Option<String>,
}

/// Why nothing can be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Without certificates no server can be known.
    #[error("no certificate of an authority was found on this system: {0}")]
    NoRoots(String),
    /// The TLS library refused its own defaults.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Fetches URLs. One for the whole process: it holds the bound of what is fetched at once.
pub struct Fetcher {
    guard: Guard,
    network: Box<dyn Network>,
    tls: TlsConnector,
    slots: Semaphore,
    settings: Settings,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// With the system's resolver and the certificates that the system trusts, as the calls to AWS. Reads files.
    pub fn new(settings: Settings, metrics: Arc<Metrics>) -> Result<Self, SetupError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(SetupError::NoRoots(
                found.errors.first().map(ToString::to_string).unwrap_or_default(),
            ));
        }
        let network = System::new(settings.concurrent);
        Self::with(settings, metrics, Box::new(network), roots)
    }

    /// With another network, and certificates of its own.
    pub fn with(
        settings: Settings,
        metrics: Arc<Metrics>,
        network: Box<dyn Network>,
        roots: RootCertStore,
    ) -> Result<Self, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let guard = Guard {
            http: settings.http,
            ports: settings.ports.clone(),
            allow_hosts: settings.allow_hosts.clone(),
        };
        let slots = Semaphore::new(settings.concurrent.min(Semaphore::MAX_PERMITS));
        Ok(Self { guard, network, tls: TlsConnector::from(Arc::new(tls)), slots, settings, metrics })
    }

    /// Fetches all URLs of one request, some at once, in their order; or says which one failed first, by its index.
    /// What is still under way is given up then.
    pub async fn fetch_all(&self, wanted: Vec<Wanted>) -> Result<Vec<Fetched>, (usize, FetchError)> {
        let max = self.settings.max_files;
        if wanted.len() > max {
            let error = FetchError::TooMany { max };
            self.metrics.fetch(Label::new(error.label()));
            return Err((max, error));
        }
        let budget = Arc::new(Budget::new(self.settings.max_total_bytes));
        stream::iter(wanted.into_iter().enumerate())
            .map(|(index, wanted)| {
                let budget = Arc::clone(&budget);
                async move { self.counted(wanted, &budget).await.map_err(|error| (index, error)) }
            })
            .buffered(self.settings.per_request)
            .try_collect()
            .await
    }

    /// Fetches one URL.
    pub async fn fetch(&self, url: &str, kind: Kind) -> Result<Fetched, FetchError> {
        let wanted = Wanted { url: url.to_owned(), kind, name: None };
        self.counted(wanted, &Budget::new(self.settings.max_total_bytes)).await
    }

    async fn counted(&self, wanted: Wanted, budget: &Budget) -> Result<Fetched, FetchError> {
        let begun = Instant::now();
        let deadline = begun + self.settings.timeout;
        let mut outcome = Outcome { metrics: &self.metrics, label: "abandoned" };
        // On the heap: it holds the state of a connection, and callers hold some of these.
        let result = Box::pin(self.bounded(wanted, budget, deadline)).await;
        outcome.label = match &result {
            Ok(_) => "fetched",
            Err(error) => error.label(),
        };
        drop(outcome);
        if let Err(FetchError::Unavailable(_)) = result {
            sleep_until(next_tell(begun, Instant::now()).min(deadline)).await;
        }
        result
    }

    /// One URL within its time, the wait for a slot included.
    async fn bounded(
        &self,
        wanted: Wanted,
        budget: &Budget,
        deadline: Instant,
    ) -> Result<Fetched, FetchError> {
        let target = self.guard.check(&wanted.url)?;
        let Ok(Ok(_slot)) = timeout_at(deadline, self.slots.acquire()).await else {
            return Err(FetchError::Busy);
        };
        let late = Err(FetchError::Unavailable(Cause::TimedOut));
        timeout_at(deadline, self.followed(target, wanted, budget)).await.unwrap_or(late)
    }

    /// One URL through its redirects.
    async fn followed(
        &self,
        mut target: Target,
        Wanted { url: _, kind, name }: Wanted,
        budget: &Budget,
    ) -> Result<Fetched, FetchError> {
        let segment = |target: &Target| target.last_segment().map(content::name_of);
        let mut names: Vec<_> = name.into_iter().chain(segment(&target)).collect();
        let mut redirects = 0;
        loop {
            match exchange::ask(self.network.as_ref(), &self.tls, &target, kind.accept()).await? {
                Answer::Content(content) => {
                    let (base64, format) = self.receive(content, kind, &names, budget).await?;
                    return Ok(Fetched { base64, format, name: names.into_iter().next() });
                }
                Answer::Moved(_) if redirects == self.settings.max_redirects => {
                    return Err(Cause::Redirects.into());
                }
                Answer::Moved(location) => target = self.guard.follow(&target, &location)?,
            }
            names.extend(segment(&target));
            redirects += 1;
        }
    }

    /// Reads the body, and stops as soon as it is too large or something else than it should be.
    async fn receive(
        &self,
        content: Content,
        kind: Kind,
        names: &[String],
        budget: &Budget,
    ) -> Result<(String, Format), FetchError> {
        let max = self.settings.max_bytes;
        let announced = content.body.size_hint().lower();
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if announced > max {
            return Err(FetchError::TooLarge { max });
        }
        if announced > budget.left() {
            return Err(budget.exceeded());
        }
        let mut encoder = Encoder::with_capacity(announced);
        let (mut head, mut format, mut received) = (Vec::with_capacity(content::HEAD), None, 0_usize);
        let mut text = TextCheck::default();
        let recognise = |head: &[u8]| {
            let names = names.iter().map(String::as_str);
            match content::recognise(kind, head, &content.media_type, names) {
                Verdict::No => Err(FetchError::WrongKind(kind)),
                verdict @ (Verdict::Is(_) | Verdict::IfText) => Ok(verdict),
            }
        };
        let mut body = content.body;
        while let Some(frame) = body.frame().await {
            // Trailers say nothing that is wanted.
            let Ok(bytes) = frame.map_err(|_| Cause::Broken)?.into_data() else { continue };
            received = received.saturating_add(bytes.len());
            if received > max {
                return Err(FetchError::TooLarge { max });
            }
            budget.take(bytes.len())?;
            if format.is_none() {
                head.extend(bytes.iter().take(content::HEAD - head.len()));
                if head.len() == content::HEAD {
                    format = Some(recognise(&head)?);
                }
            }
            // What is known to be something else needn't be looked at.
            if !matches!(format, Some(Verdict::Is(_))) {
                text.push(&bytes);
            }
            encoder.push(&bytes);
        }
        let verdict = match format {
            Some(verdict) => verdict,
            None => recognise(&head)?,
        };
        match verdict {
            Verdict::Is(format) => Ok((encoder.finish(), format)),
            Verdict::IfText if text.passed() => Ok((encoder.finish(), Format::Txt)),
            Verdict::IfText | Verdict::No => Err(FetchError::WrongKind(kind)),
        }
    }
}

/// The first whole second since `begun` that isn't before `now`.
fn next_tell(begun: Instant, now: Instant) -> Instant {
    let passed = now.duration_since(begun).as_millis();
    let periods = passed.div_ceil(TELL_EVERY.as_millis()).max(1);
    begun + TELL_EVERY.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX))
}

/// How many bytes one request may still fetch.
#[derive(Debug)]
struct Budget {
    left: AtomicUsize,
    max: usize,
}

impl Budget {
    fn new(max: usize) -> Self {
        Self { left: AtomicUsize::new(max), max }
    }

    fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), FetchError> {
        let taken =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(|_| ()).map_err(|_| self.exceeded())
    }

    fn exceeded(&self) -> FetchError {
        FetchError::TooLarge { max: self.max }
    }
}

/// Counts how it ended, also when nobody waited for the end.
struct Outcome<'a> {
    metrics: &'a Metrics,
    label: &'static str,
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        self.metrics.fetch(Label::new(self.label));
    }
}
