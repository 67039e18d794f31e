//! What Bedrock itself says about its models, asked in the background.
//!
//! Nothing waits for it: until Bedrock has answered, and wherever it refuses, the embedded catalogue and the
//! configuration stand alone. A request reads the latest snapshot of its Region. What is behind an ARN that hides its
//! model is looked up one by one (`lookup`). A failure is logged when it is news, not each time.

mod lookup;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

pub(super) use lookup::Base;
use lookup::Lookup;

use crate::bedrock::{BedrockError, ControlPlane, ErrorKind, ModelId, Reply};
use crate::catalog::{self, FoundationModel, Hiding, InferenceProfile, Live, Moment};

/// Longest wait for one answer of the control plane.
const ANSWER: Duration = Duration::from_secs(10);

/// How soon a question that failed is asked again, if the answer may be another by then.
const AGAIN: Duration = Duration::from_mins(1);

/// Most pages of one listing. A page holds up to 1000 profiles.
const MOST_PAGES: usize = 50;

/// Most unknown ids for which the listings are read again before their time.
const MOST_WISHES: usize = 1000;

/// How the directory asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Time between two listings, about; `None` asks nothing, ever.
    pub interval: Option<Duration>,
    /// Longest that a request waits for what is behind its ARN, where it can't be served without.
    pub lookup_wait: Duration,
    /// The regions to ask in, the default one first.
    pub regions: Vec<String>,
}

/// The latest that Bedrock has said, by region.
pub struct Directory {
    control: Arc<dyn ControlPlane>,
    asking: Asking,
    snapshots: RwLock<HashMap<String, Arc<Live>>>,
    /// Of a region that has listed nothing yet. One for all, because what it is asked for is worked out once.
    nothing: Arc<Live>,
    hidden: Mutex<HashMap<ModelId, Lookup>>,
    /// What failed when last something was said about it, by region.
    told: Mutex<HashMap<String, Vec<Failure>>>,
    /// How look-ups have failed so far. It is said once, not for each ARN.
    lamented: Mutex<HashSet<(Hiding, ErrorKind)>>,
    wished: Mutex<HashSet<String>>,
    wanted: Notify,
    rounds: watch::Sender<u64>,
}

/// An operation, and how it failed.
type Failure = (&'static str, ErrorKind);

impl Directory {
    /// A directory that knows nothing yet. [`Self::run`] fills it.
    pub fn new(control: Arc<dyn ControlPlane>, asking: Asking) -> Self {
        Self {
            control,
            asking,
            snapshots: RwLock::default(),
            nothing: Arc::default(),
            hidden: Mutex::default(),
            told: Mutex::default(),
            lamented: Mutex::default(),
            wished: Mutex::default(),
            wanted: Notify::new(),
            rounds: watch::Sender::new(0),
        }
    }

    /// In the place of another that asks the same Bedrock in another way: begins with what that one knows.
    #[must_use]
    pub fn continuing(self, before: &Self) -> Self {
        let snapshots = before.snapshots.read().unwrap_or_else(PoisonError::into_inner).clone();
        let told = before.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            snapshots: RwLock::new(snapshots),
            told: Mutex::new(told),
            hidden: Mutex::new(before.found_so_far()),
            ..self
        }
    }

    /// How it asks.
    pub fn asking(&self) -> &Asking {
        &self.asking
    }

    /// Asks now, and then again and again. Never ends, unless nothing shall be asked.
    pub async fn run(&self) {
        let Some(interval) = self.asking.interval else { return };
        loop {
            let began = Instant::now();
            let pause = if self.refresh().await { AGAIN.min(interval) } else { interval };
            // A fleet that started at once shall not ask at once.
            tokio::select! {
                () = tokio::time::sleep(pause.mul_f64(0.9 + 0.2 * fastrand::f64())) => {}
                () = self.wanted.notified() => {
                    // Clients can wish for as much as they like.
                    tokio::time::sleep_until(began + AGAIN.min(interval)).await;
                }
            }
        }
    }

    /// Asks for everything once. True if something failed that may not fail next time.
    pub async fn refresh(&self) -> bool {
        let mut failed = false;
        for region in &self.asking.regions {
            failed |= self.refresh_region(region).await;
        }
        self.rounds.send_modify(|rounds| *rounds += 1);
        failed
    }

    /// How often everything was asked for, as it changes.
    pub fn rounds(&self) -> watch::Receiver<u64> {
        self.rounds.subscribe()
    }

    /// What failed when everything was last asked for: region, operation, how.
    pub fn failures(&self) -> Vec<(String, &'static str, ErrorKind)> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failures: Vec<_> = told
            .iter()
            .flat_map(|(region, failures)| failures.iter().map(|(what, kind)| (region.clone(), *what, *kind)))
            .collect();
        failures.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        failures
    }

    /// How many models and profiles a region lists.
    pub fn counts(&self, region: &str) -> (usize, usize) {
        let live = self.snapshot(region);
        (live.models().count(), live.system_profiles().count() + live.application_profiles().count())
    }

    /// The regions that are asked.
    pub fn regions(&self) -> &[String] {
        &self.asking.regions
    }

    /// The latest listings of a region.
    pub(super) fn snapshot(&self, region: &str) -> Arc<Live> {
        let snapshots = self.snapshots.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(snapshots.get(region).unwrap_or(&self.nothing))
    }

    /// Lists again soon, the first time that somebody names what no listing has.
    pub(super) fn wish(&self, id: &str) {
        let mut wished = self.wished.lock().unwrap_or_else(PoisonError::into_inner);
        if wished.len() < MOST_WISHES && wished.insert(id.to_owned()) {
            self.wanted.notify_one();
        }
    }

    /// Whether Bedrock is asked at all.
    pub fn asks(&self) -> bool {
        self.asking.interval.is_some()
    }

    async fn refresh_region(&self, region: &str) -> bool {
        let before = self.snapshot(region);
        let mut failures = Vec::new();
        let models = self.models(region).await;
        let system = self.profiles(region, "SYSTEM_DEFINED").await;
        let application = self.profiles(region, "APPLICATION").await;
        // What Bedrock doesn't say now stays as it was.
        let models = models.unwrap_or_else(|error| {
            failures.push(("ListFoundationModels", error));
            before.models().cloned().collect()
        });
        let mut profiles = system.unwrap_or_else(|error| {
            failures.push(("ListInferenceProfiles", error));
            before.system_profiles().cloned().collect()
        });
        profiles.extend(application.unwrap_or_else(|error| {
            failures.push(("ListInferenceProfiles (application)", error));
            before.application_profiles().cloned().collect()
        }));
        let live = Arc::new(Live::new(models, profiles));
        self.snapshots.write().unwrap_or_else(PoisonError::into_inner).insert(region.to_owned(), live);
        self.tell(region, &failures);
        failures.iter().any(|(_, error)| !is_final(error.kind))
    }

    /// Remembers what failed. True if that isn't what failed the last time.
    fn is_news(&self, region: &str, failures: &[Failure]) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(region.to_owned(), failures.to_vec()).is_none_or(|before| before != failures)
    }

    /// Says what failed, if that is news.
    fn tell(&self, region: &str, failures: &[(&'static str, BedrockError)]) {
        let kinds: Vec<Failure> = failures.iter().map(|(what, error)| (*what, error.kind)).collect();
        if !self.is_news(region, &kinds) {
            return;
        }
        match failures {
            [] => tracing::info!(region, "Bedrock lists its models and profiles"),
            // Whoever looks for credentials has said so.
            [(_, first), ..] if first.kind == ErrorKind::NoCredentials => {}
            [(_, first), ..] => tracing::warn!(
                region,
                failed = failures.iter().map(|(what, _)| *what).collect::<Vec<_>>().join(", "),
                kind = first.kind.label(),
                detail = first.detail,
                "Bedrock doesn't list its models; the embedded catalogue stands in"
            ),
        }
    }

    async fn models(&self, region: &str) -> Result<Vec<FoundationModel>, BedrockError> {
        let reply = self.read(region, "/foundation-models").await?;
        catalog::foundation_models(&reply.body).map_err(|error| malformed(&error))
    }

    async fn profiles(&self, region: &str, kind: &str) -> Result<Vec<InferenceProfile>, BedrockError> {
        let mut profiles = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut path = format!("/inference-profiles?maxResults=1000&type={kind}");
            if let Some(token) = &token {
                path.push_str("&nextToken=");
                path.extend(percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC));
            }
            let reply = self.read(region, &path).await?;
            let page = catalog::inference_profiles(&reply.body).map_err(|error| malformed(&error))?;
            profiles.extend(page.profiles);
            match page.next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        Ok(profiles)
    }

    async fn read(&self, region: &str, path: &str) -> Result<Reply, BedrockError> {
        match timeout(ANSWER, self.control.read(Some(region), path)).await {
            Ok(reply) => reply,
            Err(_elapsed) => Err(BedrockError::new(
                ErrorKind::Timeout,
                format!("no answer of the control plane within {} s", ANSWER.as_secs()),
            )),
        }
    }
}

fn malformed(error: &serde_json::Error) -> BedrockError {
    BedrockError::new(ErrorKind::Malformed, format!("an answer of the control plane: {error}"))
}

/// Would the same question have the same answer in a minute?
fn is_final(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::CredentialsRefused
        | ErrorKind::AccessDenied
        | ErrorKind::AccessPending
        | ErrorKind::Validation
        | ErrorKind::ContextLength
        | ErrorKind::UnknownModel
        | ErrorKind::ProfileRequired
        | ErrorKind::UnsupportedFeature
        | ErrorKind::NotFound
        | ErrorKind::QuotaExceeded
        | ErrorKind::DailyQuota
        | ErrorKind::ModelRefused
        | ErrorKind::Malformed
        | ErrorKind::Unsendable
        | ErrorKind::ResourceRefused
        | ErrorKind::Oversized
        | ErrorKind::InvalidOutput => true,
        ErrorKind::NoCredentials
        | ErrorKind::ClockSkew
        | ErrorKind::Throttled
        | ErrorKind::ModelNotReady
        | ErrorKind::ModelTimeout
        | ErrorKind::ModelError
        | ErrorKind::StreamError
        | ErrorKind::Internal
        | ErrorKind::Unavailable
        | ErrorKind::Timeout
        | ErrorKind::Unreachable => false,
    }
}

/// The time by this machine's clock.
pub(super) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Moment::from_seconds(seconds).unwrap_or(Moment::EPOCH)
}

#[cfg(test)]
mod tests;
