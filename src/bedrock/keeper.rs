//! Credentials that don't run out: one keeper for each account.
//!
//! ```text
//! run ──(ahead of the end)──┐
//! calls ─(none, ended, refused)─▶ load, one at a time ─▶ the account's source
//! calls ◀─(they hold)─ what was loaded last
//! ```
//!
//! Sources are asked [`AHEAD`] before the end, in the background, so that no call waits for them and none fails while
//! they are down. The SDK's own cache asks when a call needs it, ten seconds before the end; it is not used (decision 26).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::clock::Clock;

/// So long before their end credentials are asked for anew; at half of their life if that is less.
const AHEAD: Duration = Duration::from_mins(5);

/// So long before their end a call no longer begins with them, if there are others.
const LAST: Duration = Duration::from_secs(5);

/// Credentials without an end are looked at so often: somebody may have changed the file.
const ENDLESS: Duration = Duration::from_mins(15);

/// The pause while there are none.
const AGAIN: Duration = Duration::from_secs(5);

/// Longest pause while there are some, and they could not be renewed.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Longest wait for a source. The chain's last resort, EC2's metadata, may try for half of it.
pub(super) const LOAD: Duration = Duration::from_secs(30);

/// A refusal makes a source be asked at most once in so long: new credentials may be refused as well.
const HEED: Duration = Duration::from_secs(10);

/// A machine that sleeps has timers that sleep too.
const LOOK: Duration = Duration::from_mins(1);

/// Makes an account's source, anew: what it had read of files is read again.
pub(super) type Source = Box<dyn Fn() -> BoxFuture<'static, SharedCredentialsProvider> + Send + Sync>;

/// Whether an account has credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsState {
    /// Its source is still being asked.
    Resolving,
    /// They are there.
    Resolved(Identity),
    /// Its source gave none; what was tried.
    Unavailable(String),
}

/// Who the gateway is to AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Where the credentials came from: `Environment`, `IMDSv2`, `WebIdentityToken` …
    pub source: String,
    /// When they end, if they do.
    pub expires: Option<SystemTime>,
}

impl Identity {
    fn of(credentials: &Credentials) -> Self {
        Self { source: provider_name(credentials), expires: credentials.expiry() }
    }
}

/// An account's credentials. Clones are the same keeper.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Inner>);

struct Inner {
    /// For the log.
    account: String,
    source: Source,
    clock: Clock,
    /// Locked while a source is asked.
    provider: tokio::sync::Mutex<Option<SharedCredentialsProvider>>,
    held: Mutex<Held>,
    state: watch::Sender<CredentialsState>,
    /// A load doesn't end with the call that began it, and its connections stay on one runtime.
    runtime: Handle,
}

#[derive(Default)]
struct Held {
    credentials: Option<Credentials>,
    /// AWS doesn't accept them.
    refused: bool,
    heeded: Option<Instant>,
    /// Loads that have ended, however.
    loads: u64,
    /// Changes with the credentials, and when they are refused.
    era: u64,
    due: Option<SystemTime>,
    failure: Option<String>,
}

impl Held {
    fn holds(&self, now: SystemTime, at_least: Duration) -> Option<&Credentials> {
        self.credentials.as_ref().filter(|held| held.expiry().is_none_or(|end| now + at_least < end))
    }
}

impl Keeper {
    /// Nothing is asked yet. Has to be called on the runtime that loads shall be on.
    pub(super) fn new(account: impl Into<String>, source: Source, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            account: account.into(),
            source,
            clock,
            provider: tokio::sync::Mutex::default(),
            held: Mutex::default(),
            state: watch::Sender::new(CredentialsState::Resolving),
            runtime: Handle::current(),
        }))
    }

    /// Credentials that hold; waits for the source only if there are none.
    pub(super) async fn credentials(&self) -> Result<Credentials, String> {
        let loads = {
            let held = self.0.held();
            match held.holds(self.0.clock.time(), LAST) {
                Some(credentials) if !held.refused => return Ok(credentials.clone()),
                Some(_) | None => held.loads,
            }
        };
        self.renew(loads).await;
        let held = self.0.held();
        // Even those that were refused are worth more than none: the next answer will tell.
        match held.holds(self.0.clock.time(), Duration::ZERO) {
            Some(credentials) => Ok(credentials.clone()),
            None => Err(held.failure.clone().unwrap_or_else(|| "the credentials have ended".to_owned())),
        }
    }

    /// Whether there are credentials, as it changes.
    pub(super) fn state(&self) -> watch::Receiver<CredentialsState> {
        self.0.state.subscribe()
    }

    /// What is signed in one era must not be used in the next. Waits for credentials if there are none.
    pub(super) async fn era(&self) -> Result<u64, String> {
        self.credentials().await?;
        Ok(self.0.held().era)
    }

    /// AWS has refused what was signed in this era: the next call looks for other credentials.
    pub(super) fn refused(&self, era: u64) {
        let mut held = self.0.held();
        // Others may have noticed before; and new ones that are no better are no reason for a storm of questions.
        if held.era != era || held.heeded.is_some_and(|at| at.elapsed() < HEED) {
            return;
        }
        held.heeded = Some(Instant::now());
        held.refused = true;
        held.era += 1;
        tracing::warn!(account = self.0.account, "AWS refuses the credentials; asking their source anew");
    }

    /// Whose credentials they are; as [`Self::credentials`].
    pub(super) async fn identity(&self) -> Result<Identity, String> {
        self.credentials().await.map(|found| Identity::of(&found))
    }

    /// Renews them ahead of their end. Never ends.
    pub(super) async fn run(&self) {
        loop {
            let (loads, due) = {
                let held = self.0.held();
                (held.loads, held.due)
            };
            let pause = due.map_or(Duration::ZERO, |due| {
                // In the past: now.
                due.duration_since(self.0.clock.time()).unwrap_or_default()
            });
            if pause.is_zero() {
                self.renew(loads).await;
            } else {
                tokio::time::sleep(pause.min(LOOK)).await;
            }
        }
    }

    /// Asks the source, unless somebody has since the load of this number; then their news will do.
    async fn renew(&self, loads: u64) {
        let inner = Arc::clone(&self.0);
        let load = self.0.runtime.spawn(async move { inner.load(loads).await });
        if let Err(error) = load.await {
            tracing::debug!(%error, "no credentials were loaded: the process is on its way out");
        }
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self, loads: u64) {
        let mut provider = self.provider.lock().await;
        let afresh = {
            let held = self.held();
            if held.loads != loads {
                return;
            }
            held.refused || held.credentials.as_ref().is_some_and(|held| held.expiry().is_none())
        };
        if afresh {
            *provider = None;
        }
        let asked = match &*provider {
            Some(provider) => provider.clone(),
            None => provider.insert((self.source)().await).clone(),
        };
        let outcome = match tokio::time::timeout(LOAD, asked.provide_credentials()).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(super::error::chain(&error)),
            Err(_elapsed) => Err(format!("the source said nothing within {} s", LOAD.as_secs())),
        };
        let now = self.clock.time();
        let outcome = outcome.and_then(|found| match found.expiry() {
            Some(end) if end <= now => Err("the source gave credentials that have ended".to_owned()),
            Some(_) | None => Ok(found),
        });
        self.settle(outcome, now);
    }

    fn settle(&self, outcome: Result<Credentials, String>, now: SystemTime) {
        let mut held = self.held();
        held.loads += 1;
        let state = match outcome {
            Ok(found) => {
                let identity = Identity::of(&found);
                let found_account = found.account_id().map(|id| id.as_str().to_owned());
                if held.credentials.as_ref() != Some(&found) {
                    held.era += 1;
                }
                held.due = Some(now + pause_until_due(&found, now, fastrand::f64()));
                held.credentials = Some(found);
                held.refused = false;
                held.failure = None;
                let known = match &*self.state.borrow() {
                    CredentialsState::Resolved(known) => known.source == identity.source,
                    CredentialsState::Resolving | CredentialsState::Unavailable(_) => false,
                };
                if !known {
                    // Which account of AWS's it is tells a node's role from one's own.
                    let aws_account = found_account.as_deref();
                    tracing::info!(account = self.account, source = %identity.source, aws_account, "credentials resolved");
                }
                CredentialsState::Resolved(identity)
            }
            Err(reason) => {
                let is_news = held.failure.as_ref() != Some(&reason);
                let left = held.holds(now, Duration::ZERO).map(|credentials| {
                    // Without an end it is a long way off.
                    credentials.expiry().map_or(ENDLESS, |end| end.duration_since(now).unwrap_or_default())
                });
                held.due = Some(now + left.map_or(AGAIN, |left| short_pause(left, fastrand::f64())));
                held.failure = Some(reason.clone());
                if let Some(left) = left {
                    if is_news {
                        let left_s = left.as_secs();
                        tracing::warn!(account = self.account, %reason, left_s, "credentials can't be renewed; the old ones are used until they end");
                    }
                    return;
                }
                if is_news {
                    tracing::warn!(account = self.account, %reason, "no AWS credentials; `outcrop doctor` says more");
                }
                CredentialsState::Unavailable(reason)
            }
        };
        self.state.send_if_modified(|told| {
            let is_news = *told != state;
            *told = state;
            is_news
        });
    }
}

/// From now until credentials are asked for anew. `jitter` is in `0.0..1.0`: replicas that began together part.
fn pause_until_due(found: &Credentials, now: SystemTime, jitter: f64) -> Duration {
    let Some(end) = found.expiry() else { return ENDLESS };
    let life = end.duration_since(now).unwrap_or_default();
    let ahead = AHEAD.min(life / 2);
    // A source may give the same ones until shortly before their end: then what is left is a life of its own, and is
    // halved again and again.
    (life.saturating_sub(ahead) + (ahead / 5).mul_f64(jitter)).max(Duration::from_secs(1))
}

fn short_pause(left: Duration, jitter: f64) -> Duration {
    (left / 8).clamp(Duration::from_secs(1), LONGEST_PAUSE).mul_f64(0.75 + jitter / 2.0)
}

/// The SDK shows the provider's name only in `Debug`.
fn provider_name(credentials: &Credentials) -> String {
    let shown = format!("{credentials:?}");
    shown
        .split_once("provider_name: \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or_else(|| "unknown".to_owned(), |(name, _)| name.to_owned())
}

impl ProvideCredentials for Keeper {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.credentials().await.map_err(CredentialsError::not_loaded)
        })
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("account", &self.0.account).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    /// A source whose credentials are numbered, and that may be down.
    #[derive(Debug, Default)]
    struct Fake {
        asked: AtomicU64,
        given: AtomicU64,
        made: AtomicU64,
        life: Duration,
        down: AtomicBool,
        slow: AtomicBool,
    }

    #[derive(Debug)]
    struct Provider(Arc<Fake>, Clock);

    impl ProvideCredentials for Provider {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                self.0.asked.fetch_add(1, Ordering::Relaxed);
                if self.0.slow.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_mins(2)).await;
                }
                tokio::task::yield_now().await;
                if self.0.down.load(Ordering::Relaxed) {
                    return Err(CredentialsError::not_loaded("it is down"));
                }
                let number = self.0.given.fetch_add(1, Ordering::Relaxed);
                let end = (!self.0.life.is_zero()).then(|| self.1.time() + self.0.life);
                Ok(Credentials::new(format!("AKID{number}"), "secret", None, end, "Fake"))
            })
        }
    }

    /// The time of tokio, which tests can move.
    fn clock() -> Clock {
        let start = Instant::now();
        Clock::new(move || SystemTime::UNIX_EPOCH + Duration::from_hours(1) + start.elapsed(), true)
    }

    fn keeper(life: u64) -> (Keeper, Arc<Fake>, Clock) {
        let fake = Arc::new(Fake { life: Duration::from_secs(life), ..Fake::default() });
        let (clock, given) = (clock(), Arc::clone(&fake));
        let its_clock = clock.clone();
        let source = move || {
            given.made.fetch_add(1, Ordering::Relaxed);
            let provider = SharedCredentialsProvider::new(Provider(Arc::clone(&given), its_clock.clone()));
            Box::pin(async move { provider }) as BoxFuture<'static, _>
        };
        (Keeper::new("a", Box::new(source), clock.clone()), fake, clock)
    }

    /// A call each half second, and each finds credentials that hold.
    async fn under_load(keeper: &Keeper, clock: &Clock, seconds: u64) {
        for _ in 0..seconds * 2 {
            let found = keeper.credentials().await.unwrap();
            assert!(found.expiry().unwrap() > clock.time());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_of_a_minute_hold_for_ten_and_no_call_waits() {
        let (keeper, fake, clock) = keeper(60);
        keeper.credentials().await.unwrap();
        let running = tokio::spawn({
            let keeper = keeper.clone();
            async move { keeper.run().await }
        });
        for _ in 0..1200 {
            let began = Instant::now();
            let found = keeper.credentials().await.unwrap();
            assert_eq!(began.elapsed(), Duration::ZERO);
            let left = found.expiry().unwrap().duration_since(clock.time()).unwrap();
            assert!(left >= Duration::from_secs(20), "{left:?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let asked = fake.asked.load(Ordering::Relaxed);
        assert!((15..=21).contains(&asked), "{asked}: each at half of its life");
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_is_down_for_four_of_fifteen_minutes_fails_nothing() {
        let (keeper, fake, clock) = keeper(900);
        let running = tokio::spawn({
            let keeper = keeper.clone();
            async move { keeper.run().await }
        });
        under_load(&keeper, &clock, 600).await;
        fake.down.store(true, Ordering::Relaxed);
        let asked = fake.asked.load(Ordering::Relaxed);
        under_load(&keeper, &clock, 240).await;
        let tried = fake.asked.load(Ordering::Relaxed) - asked;
        assert!((3..=20).contains(&tried), "{tried}");
        assert!(matches!(&*keeper.state().borrow(), CredentialsState::Resolved(_)));
        fake.down.store(false, Ordering::Relaxed);
        under_load(&keeper, &clock, 900).await;
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_wait_the_source_is_asked_once() {
        let (keeper, fake, _) = keeper(900);
        fake.slow.store(true, Ordering::Relaxed);
        // It says nothing in time: all hear the same, and nobody asks again for it.
        let calls = (0..50).map(|_| keeper.credentials());
        for outcome in futures_util::future::join_all(calls).await {
            assert_eq!(outcome.unwrap_err(), "the source said nothing within 30 s");
        }
        assert_eq!(fake.asked.load(Ordering::Relaxed), 1);
        fake.slow.store(false, Ordering::Relaxed);
        for outcome in futures_util::future::join_all((0..50).map(|_| keeper.credentials())).await {
            assert_eq!(outcome.unwrap().access_key_id(), "AKID0");
        }
        assert_eq!(fake.asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_goes_on_when_the_call_that_began_it_leaves() {
        let (keeper, fake, _) = keeper(900);
        assert!(futures_util::FutureExt::now_or_never(keeper.credentials()).is_none());
        let mut state = keeper.state();
        state.wait_for(|state| matches!(state, CredentialsState::Resolved(_))).await.unwrap();
        keeper.credentials().await.unwrap();
        assert_eq!(fake.asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_replaced_once_and_their_source_is_made_anew() {
        let (keeper, fake, _) = keeper(0);
        assert_eq!(keeper.credentials().await.unwrap().access_key_id(), "AKID0");
        let era = keeper.era().await.unwrap();
        keeper.refused(era);
        // Somebody else has noticed.
        keeper.refused(era);
        assert_eq!(keeper.credentials().await.unwrap().access_key_id(), "AKID1");
        assert_eq!(fake.made.load(Ordering::Relaxed), 2);
        // The new ones are no better.
        keeper.refused(keeper.era().await.unwrap());
        assert_eq!(keeper.credentials().await.unwrap().access_key_id(), "AKID1");
        tokio::time::sleep(HEED).await;
        keeper.refused(keeper.era().await.unwrap());
        // Those that were refused are still there if the source isn't.
        fake.down.store(true, Ordering::Relaxed);
        assert_eq!(keeper.credentials().await.unwrap().access_key_id(), "AKID1");
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_have_ended_are_not_used() {
        let (keeper, fake, _) = keeper(60);
        keeper.credentials().await.unwrap();
        fake.down.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(58)).await;
        keeper.credentials().await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(keeper.credentials().await.unwrap_err().contains("it is down"));
        let state = keeper.state();
        assert!(matches!(&*state.borrow(), CredentialsState::Unavailable(_)));
    }

    #[test]
    fn they_are_due_five_minutes_ahead_or_at_half_of_their_life() {
        let now = SystemTime::UNIX_EPOCH;
        let due = |life: u64, jitter| {
            let end = (life > 0).then(|| now + Duration::from_secs(life));
            pause_until_due(&Credentials::new("", "", None, end, "Fake"), now, jitter).as_secs()
        };
        assert_eq!((due(3600, 0.0), due(3600, 1.0)), (3300, 3360));
        assert_eq!((due(60, 0.0), due(60, 1.0)), (30, 36));
        assert_eq!((due(1, 0.0), due(0, 0.0)), (1, 900));
    }
}
