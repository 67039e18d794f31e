//! AWS, set up once for the process: accounts and their credentials, and the ways to Bedrock in each.
//!
//! An account is nothing but a way to credentials. All accounts share configuration, connections and clock; each has a
//! [`Keeper`] of its own, and each client (`sdk`) its own passes, so that nothing of one is ever sent for another.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::origin::Origin;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::clock::{Clock, Skew};
use super::connector::Connections;
use super::keeper::{CredentialsState, Identity, Keeper, Source};
use super::pool::{self, Pool};
use super::sdk::{Sdk, Terms};
use super::sources::{self, Tried};
use super::{BedrockError, ControlPlane, ErrorKind, Reply, Transport};

/// What of the configuration concerns AWS. Everything absent is found by the SDK's own chain.
#[derive(Clone)]
pub struct Settings {
    /// The default region; absent is the profile's, else `us-east-1`.
    pub region: Option<String>,
    /// A named profile.
    pub profile: Option<String>,
    /// Explicit keys; else the chain: environment, profile, SSO, web identity, ECS and EKS, EC2.
    pub credentials: Option<StaticCredentials>,
    /// What explicit keys are called where their source is shown.
    pub credentials_source: &'static str,
    /// A Bedrock API key; goes before credentials.
    pub bearer_token: Option<String>,
    /// How to come by the credentials of other accounts, by their names.
    pub accounts: BTreeMap<String, AccountSource>,
    /// Instead of the region's endpoint.
    pub endpoint_url: Option<String>,
    /// The same for the control plane.
    pub control_endpoint_url: Option<String>,
    /// The same for STS, where an account's role is assumed.
    pub sts_endpoint_url: Option<String>,
    /// A PEM file with the only authorities to trust; absent are those that the host trusts.
    pub ca_bundle: Option<PathBuf>,
    /// FIPS endpoints; absent leaves it to the environment and the profile.
    pub use_fips: Option<bool>,
    /// Dual stack endpoints; absent leaves it to the environment and the profile.
    pub use_dual_stack: Option<bool>,
    /// Longest wait for a connection.
    pub connect_timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: None,
            profile: None,
            credentials: None,
            credentials_source: "Configuration",
            bearer_token: None,
            accounts: BTreeMap::new(),
            endpoint_url: None,
            control_endpoint_url: None,
            sts_endpoint_url: None,
            ca_bundle: None,
            use_fips: None,
            use_dual_stack: None,
            connect_timeout: None,
        }
    }
}

/// Explicit keys.
#[derive(Clone)]
pub struct StaticCredentials {
    /// `AKIA…`
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// For temporary keys.
    pub session_token: Option<String>,
}

/// How to come by an account's credentials.
#[derive(Clone)]
pub enum AccountSource {
    /// A profile of the AWS configuration files, and nothing else of the chain.
    Profile(String),
    /// A role to assume.
    Role(Role),
    /// These.
    Keys(StaticCredentials),
    /// A Bedrock API key.
    BearerToken(String),
}

/// A role to assume.
#[derive(Clone)]
pub struct Role {
    /// Which.
    pub arn: String,
    /// What the role's owner has agreed on.
    pub external_id: Option<String>,
    /// What the session is called in `CloudTrail`.
    pub session_name: String,
    /// The session's tags.
    pub tags: Vec<(String, String)>,
    /// How long credentials last; absent is STS's own choice, an hour.
    pub duration: Option<Duration>,
    /// The account whose credentials assume it; absent is the base chain.
    pub source: Option<String>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// It isn't there, or holds something else.
    #[error("aws.ca_bundle: {0}: {1}")]
    CaBundle(PathBuf, String),
    /// A circle, or a name that is none.
    #[error("accounts.{0}.source: leads to no credentials")]
    Source(String),
}

/// No credentials, and what was tried.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct CredentialsUnavailable(pub String);

/// What proves whose a call is.
#[derive(Clone)]
pub(super) enum Way {
    /// Credentials to sign with.
    Keys(Keeper),
    /// A Bedrock API key.
    Token(String),
}

impl Way {
    /// See [`Keeper::era`].
    pub(super) async fn era(&self) -> Result<u64, BedrockError> {
        match self {
            Self::Keys(keeper) => {
                keeper.era().await.map_err(|reason| BedrockError::new(ErrorKind::NoCredentials, reason))
            }
            Self::Token(_) => Ok(0),
        }
    }

    /// See [`Keeper::refused`].
    pub(super) fn refused(&self, era: u64) {
        match self {
            Self::Keys(keeper) => keeper.refused(era),
            // There is no other.
            Self::Token(_) => {}
        }
    }

    fn state(&self) -> watch::Receiver<CredentialsState> {
        match self {
            Self::Keys(keeper) => keeper.state(),
            Self::Token(_) => watch::Sender::new(CredentialsState::Resolved(api_key())).subscribe(),
        }
    }
}

fn api_key() -> Identity {
    Identity { source: "Bedrock API key".to_owned(), expires: None }
}

/// AWS, set up once for the process: one configuration, one pool of connections, one cache of credentials for each
/// account.
#[derive(Clone)]
pub struct Aws {
    shared: SdkConfig,
    connections: Connections,
    clock: Clock,
    region: String,
    base: Way,
    /// What accounts without a source of their own begin with.
    chain: Keeper,
    accounts: BTreeMap<String, Way>,
    settings: Arc<Settings>,
    begin: Begin,
}

impl Aws {
    /// Reads what the SDK reads: environment and profile files. Nothing goes over the network.
    pub async fn load(settings: Settings) -> Result<Self, SetupError> {
        let region = match &settings.region {
            Some(region) => region.clone(),
            None => profile_region(settings.profile.as_deref()).await,
        };
        let (pool, issuers) = clients(settings.ca_bundle.as_ref())?;
        let settings = Arc::new(settings);
        let begin = Begin { settings: Arc::clone(&settings), region: region.clone(), issuers };
        let shared = begin.loader().load().await;
        let clock = Clock::new(SystemTime::now, shared.disable_clock_skew_correction() != Some(true));
        let connections = Connections::new(pool, clock.clone());
        let chain = Keeper::new("base", begin.chain(), clock.clone());
        let base = match &settings.bearer_token {
            Some(token) => Way::Token(token.clone()),
            None => Way::Keys(chain.clone()),
        };
        let accounts = begin.accounts(&shared, &chain, &clock)?;
        Ok(Self { shared, connections, clock, region, base, chain, accounts, settings, begin })
    }

    /// The default region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The configured accounts, by name.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// A transport to a region in an account; `None` is the default one of each. In an account that isn't configured
    /// every call fails for want of credentials.
    pub fn transport(&self, account: Option<&str>, region: Option<&str>) -> Arc<dyn Transport> {
        let way = match account {
            None => self.base.clone(),
            Some(name) => self.accounts.get(name).cloned().unwrap_or_else(|| self.nobody(name)),
        };
        Arc::new(self.sdk(&way, region, self.settings.endpoint_url.clone()))
    }

    fn nobody(&self, name: &str) -> Way {
        Way::Keys(Keeper::new(name, Box::new(|| Box::pin(async { nothing() })), self.clock.clone()))
    }

    fn sdk(&self, way: &Way, region: Option<&str>, endpoint: Option<String>) -> Sdk {
        Sdk::new(Terms {
            shared: &self.shared,
            connections: &self.connections,
            clock: &self.clock,
            way,
            region,
            endpoint,
            connect_timeout: self.settings.connect_timeout,
        })
    }

    /// Asks an account's source for credentials, unless there are some, and says where they came from.
    pub async fn probe(&self, account: Option<&str>) -> Result<Identity, CredentialsUnavailable> {
        let way = match account {
            None => Some(&self.base),
            Some(name) => self.accounts.get(name),
        };
        match way {
            Some(Way::Keys(keeper)) => keeper.identity().await.map_err(CredentialsUnavailable),
            Some(Way::Token(_)) => Ok(api_key()),
            None => Err(CredentialsUnavailable("no such account is configured".to_owned())),
        }
    }

    /// Asks the sources of the base chain, each by itself, and says what they say; nothing where keys are configured.
    pub async fn tried(&self) -> Vec<Tried> {
        if self.settings.credentials.is_some() {
            return Vec::new();
        }
        let config = self.begin.provider_config();
        sources::ask(sources::of(&config, self.settings.profile.as_deref())).await
    }

    /// Whether an account has credentials, as it changes; `None` is the base account.
    pub fn state(&self, account: Option<&str>) -> Option<watch::Receiver<CredentialsState>> {
        match account {
            None => Some(self.base.state()),
            Some(name) => self.accounts.get(name).map(Way::state),
        }
    }

    /// How far this machine's clock is off, as it changes; `None` until an answer has said what time it is.
    pub fn skew(&self) -> watch::Receiver<Option<Skew>> {
        self.clock.skew()
    }

    /// Renews every account's credentials ahead of their end. Never ends.
    pub async fn stay_fresh(&self) {
        let ways = std::iter::once(&self.base).chain(self.accounts.values());
        let keepers = ways.filter_map(|way| match way {
            Way::Keys(keeper) => Some(keeper),
            Way::Token(_) => None,
        });
        let mut keepers: Vec<_> = keepers.collect();
        let needs_chain = self
            .settings
            .accounts
            .values()
            .any(|source| matches!(source, AccountSource::Role(role) if role.source.is_none()));
        if matches!(self.base, Way::Token(_)) && needs_chain {
            keepers.push(&self.chain);
        }
        futures_util::future::join_all(keepers.into_iter().map(Keeper::run)).await;
        // Nothing to renew.
        std::future::pending::<()>().await;
    }
}

/// A GET of the control plane (`bedrock.{region}`), such as `/foundation-models`. It has the same signing name as the
/// runtime, so the runtime's client makes it: another path, another endpoint, no body.
impl ControlPlane for Aws {
    fn read<'a>(
        &'a self,
        region: Option<&'a str>,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Reply, BedrockError>> {
        Box::pin(async move {
            let settings = &self.settings;
            let name = region.unwrap_or(&self.region);
            let suffix = if name.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            let fips = if settings.use_fips == Some(true) { "-fips" } else { "" };
            let endpoint = settings
                .control_endpoint_url
                .clone()
                .unwrap_or_else(|| format!("https://bedrock{fips}.{name}.{suffix}"));
            self.sdk(&self.base, region, Some(endpoint)).read(path).await
        })
    }
}

/// What sources of credentials are made of.
#[derive(Clone)]
struct Begin {
    settings: Arc<Settings>,
    region: String,
    /// The HTTP client for those who issue credentials.
    issuers: SharedHttpClient,
}

impl Begin {
    /// The SDK's own way of finding out.
    fn loader(&self) -> ConfigLoader {
        let settings = &self.settings;
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.region.clone()))
            // Said here, because the loader panics on a profile file with a number that is none.
            .retry_config(RetryConfig::standard())
            .http_client(self.issuers.clone());
        if let Some(use_fips) = settings.use_fips {
            loader = loader.use_fips(use_fips);
        }
        if let Some(use_dual_stack) = settings.use_dual_stack {
            loader = loader.use_dual_stack(use_dual_stack);
        }
        if let Some(profile) = &settings.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(keys) = &settings.credentials {
            loader = loader.credentials_provider(fixed(keys, settings.credentials_source));
        }
        loader
    }

    /// The base chain, or the explicit keys instead of it.
    fn chain(&self) -> Source {
        let begin = self.clone();
        Box::new(move || {
            let loader = begin.loader();
            Box::pin(async move { loader.load().await.credentials_provider().unwrap_or_else(nothing) })
        })
    }

    /// A keeper for each account, sources before those that need them.
    fn accounts(
        &self,
        shared: &SdkConfig,
        chain: &Keeper,
        clock: &Clock,
    ) -> Result<BTreeMap<String, Way>, SetupError> {
        let mut ways = BTreeMap::new();
        let mut waiting: Vec<_> = self.settings.accounts.iter().collect();
        while let Some((first, _)) = waiting.first().copied() {
            let before = waiting.len();
            waiting.retain(|(name, source)| {
                let source = match source {
                    AccountSource::Profile(profile) => self.profile(profile.clone()),
                    AccountSource::Keys(keys) => {
                        let keys = fixed(keys, self.settings.credentials_source);
                        Box::new(move || {
                            let keys = SharedCredentialsProvider::new(keys.clone());
                            Box::pin(async move { keys }) as BoxFuture<'static, _>
                        })
                    }
                    AccountSource::BearerToken(token) => {
                        ways.insert((*name).clone(), Way::Token(token.clone()));
                        return false;
                    }
                    AccountSource::Role(role) => {
                        let source = match &role.source {
                            None => chain,
                            Some(source) => match ways.get(source) {
                                Some(Way::Keys(keeper)) => keeper,
                                Some(Way::Token(_)) | None => return true,
                            },
                        };
                        self.role(role.clone(), source.clone(), shared.clone())
                    }
                };
                ways.insert((*name).clone(), Way::Keys(Keeper::new(*name, source, clock.clone())));
                false
            });
            if waiting.len() == before {
                return Err(SetupError::Source(first.clone()));
            }
        }
        Ok(ways)
    }

    fn provider_config(&self) -> ProviderConfig {
        ProviderConfig::without_region()
            .with_region(Some(Region::new(self.region.clone())))
            .with_use_fips(self.settings.use_fips)
            .with_use_dual_stack(self.settings.use_dual_stack)
            .with_behavior_version(Some(BehaviorVersion::v2026_01_12()))
            .with_retry_config(RetryConfig::standard())
            .with_http_client(self.issuers.clone())
    }

    fn profile(&self, name: String) -> Source {
        let begin = self.clone();
        Box::new(move || {
            let config = begin.provider_config();
            let provider = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(&name);
            Box::pin(async move { SharedCredentialsProvider::new(provider.build()) })
        })
    }

    fn role(&self, role: Role, source: Keeper, shared: SdkConfig) -> Source {
        let mut config = shared.into_builder();
        if let Some(url) = &self.settings.sts_endpoint_url {
            config = config.endpoint_url(url);
            // Or the environment would go before it.
            config.insert_origin("endpoint_url", Origin::shared_config());
        }
        let config = config.build();
        Box::new(move || {
            let Role { arn, external_id, session_name, tags, duration, source: _ } = role.clone();
            let mut provider = AssumeRoleProvider::builder(arn).configure(&config).session_name(session_name);
            if let Some(id) = external_id {
                provider = provider.external_id(id);
            }
            if !tags.is_empty() {
                provider = provider.tags(tags);
            }
            if let Some(duration) = duration {
                provider = provider.session_length(duration);
            }
            let source = source.clone();
            Box::pin(async move {
                let provider = provider.build_from_provider(source.clone()).await;
                SharedCredentialsProvider::new(Assuming { provider, source })
            })
        })
    }
}

/// Assumes a role, once more with newer credentials if STS refuses those that it is asked with.
#[derive(Debug)]
struct Assuming {
    provider: AssumeRoleProvider,
    source: Keeper,
}

impl Assuming {
    async fn assume(&self) -> provider::Result {
        let era = self.source.era().await.map_err(CredentialsError::not_loaded)?;
        let outcome = self.provider.provide_credentials().await;
        let refused = outcome.as_ref().err().is_some_and(|error| {
            let words = super::error::chain(error);
            ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"]
                .iter()
                .any(|code| words.contains(code))
        });
        if !refused {
            return outcome;
        }
        self.source.refused(era);
        self.provider.provide_credentials().await
    }
}

impl ProvideCredentials for Assuming {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

fn fixed(keys: &StaticCredentials, source: &'static str) -> Credentials {
    let StaticCredentials { access_key_id, secret_access_key, session_token } = keys.clone();
    Credentials::new(access_key_id, secret_access_key, session_token, None, source)
}

/// A source that never gives anything.
fn nothing() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(provide_credentials_fn(|| async {
        Err(CredentialsError::not_loaded("no credential source is configured"))
    }))
}

/// The region of a profile, or of the default one. (The SDK's whole chain would also ask EC2's metadata
/// service, and wait for it where there is none.)
async fn profile_region(profile: Option<&str>) -> String {
    let mut files = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        files = files.profile_name(profile);
    }
    files.build().region().await.map_or_else(|| "us-east-1".to_owned(), |region| region.to_string())
}

/// Our own connections to Bedrock, and the SDK's client for those who issue credentials: that one with ring as well,
/// whose build needs no more than a C compiler.
fn clients(bundle: Option<&PathBuf>) -> Result<(Pool, SharedHttpClient), SetupError> {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let issuers = aws_smithy_http_client::Builder::new().tls_provider(ring);
    let Some(path) = bundle else { return Ok((Pool::new(None), issuers.build_https())) };
    let wrong = |problem: String| SetupError::CaBundle(path.clone(), problem);
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    // The SDK's client panics where this fails.
    let roots = pool::roots(&pem).map_err(wrong)?;
    let trust = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|error| wrong(error.to_string()))?;
    Ok((Pool::new(Some(roots)), issuers.tls_context(context).build_https()))
}
