//! The AWS SDK: the only file that names an `aws_*` crate of the runtime service.
//!
//! The SDK does endpoints, signatures and credentials; the JSON is ours, byte for byte, in both directions. Its
//! typed Converse would lose what it doesn't know (unknown blocks and events become `Unknown` with their payload
//! gone) and write tool schemas in random key order. So an interceptor puts our body into the request before it
//! is signed, and `connector` keeps a success's body from it. Error answers are left to the SDK, which buffers
//! them. Calls that are like one which it has just made are repeated without it (`pass`).

use std::error::Error;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{
    ConfigBag, Intercept, RuntimeComponents, StalledStreamProtectionConfig, Token,
};
use aws_sdk_bedrockruntime::error::{BoxError, SdkError};
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_types::region::Region as AwsRegion;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::Stream;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::connector::{Connections, Outcome};
use super::exchange::{self, Answered, Request};
use super::pass::{Pass, Passes, Watched};
use super::pool::Answer;
use super::{
    BedrockError, ControlPlane, ErrorAnswer, ErrorKind, FrameStream, Invocation, ModelId, Operation, Reply,
    Streamed, Transport,
};

/// Longest answer that is read whole. The largest models write well under 1 MiB of text.
const LONGEST_REPLY: usize = 64 * 1024 * 1024;

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
    /// Instead of the region's endpoint.
    pub endpoint_url: Option<String>,
    /// The same for the control plane.
    pub control_endpoint_url: Option<String>,
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
            endpoint_url: None,
            control_endpoint_url: None,
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

/// AWS, set up once for the process: one configuration, one pool of connections, one cache of identities.
#[derive(Clone)]
pub struct Aws {
    shared: SdkConfig,
    connections: Connections,
    region: String,
    settings: Arc<Settings>,
}

impl Aws {
    /// Reads what the SDK reads: environment and profile files. Nothing goes over the network.
    pub async fn load(settings: Settings) -> Self {
        let region = match &settings.region {
            Some(region) => region.clone(),
            None => profile_region(settings.profile.as_deref()).await,
        };
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.clone()))
            // Said here, because the loader panics on a profile file with a number that is none.
            .retry_config(RetryConfig::standard())
            .http_client(for_credentials());
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
            let keys = keys.clone();
            loader = loader.credentials_provider(Credentials::new(
                keys.access_key_id,
                keys.secret_access_key,
                keys.session_token,
                None,
                settings.credentials_source,
            ));
        }
        let connections = Connections::new();
        Self { shared: loader.load().await, connections, region, settings: Arc::new(settings) }
    }

    /// The default region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// A transport to a region; `None` is the default one.
    pub fn transport(&self, region: Option<&str>) -> Arc<dyn Transport> {
        Arc::new(self.sdk(self.client_config(region)))
    }

    fn sdk(&self, config: aws_sdk_bedrockruntime::config::Builder) -> Sdk {
        Sdk {
            client: Client::from_conf(config.build()),
            passes: Passes::default(),
            connections: self.connections.clone(),
            connect_timeout: self.settings.connect_timeout,
        }
    }

    fn client_config(&self, region: Option<&str>) -> aws_sdk_bedrockruntime::config::Builder {
        let settings = &self.settings;
        let mut config = aws_sdk_bedrockruntime::config::Builder::from(&self.shared)
            // One retry loop, and it is the gateway's: it sees fallbacks, budgets and the commit point.
            .retry_config(RetryConfig::disabled())
            // It would kill a quiet answer after seconds; the gateway has its own clocks.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(self.connections.clone())
            .push_auth_scheme(Watched::default())
            .interceptor(Swap);
        if let Some(region) = region {
            config = config.region(AwsRegion::new(region.to_owned()));
        }
        if let Some(url) = &settings.endpoint_url {
            config = config.endpoint_url(url);
        }
        if let Some(token) = &settings.bearer_token {
            config = config
                .token_provider(Token::new(token.clone(), None))
                .auth_scheme_preference([AuthSchemeId::from("httpBearerAuth")]);
        }
        if let Some(connect) = settings.connect_timeout {
            config = config.timeout_config(TimeoutConfig::builder().connect_timeout(connect).build());
        }
        config
    }

    /// Asks the chain for credentials, and says where they came from.
    pub async fn probe(&self) -> Result<Identity, CredentialsUnavailable> {
        if self.settings.bearer_token.is_some() {
            return Ok(Identity { source: "Bedrock API key".to_owned(), expires: None });
        }
        let Some(provider) = self.shared.credentials_provider() else {
            return Err(CredentialsUnavailable("no credential source is configured".to_owned()));
        };
        match provider.provide_credentials().await {
            Ok(found) => Ok(Identity { source: provider_name(&found), expires: found.expiry() }),
            Err(error) => Err(CredentialsUnavailable(chain(&error))),
        }
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
            let sdk = self.sdk(self.client_config(region).endpoint_url(endpoint));
            let ((head, body), _) = sdk.invoke_model("-", Request::Get(path.to_owned())).await?;
            Ok(Reply { head, body: whole(body).await? })
        })
    }
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

/// Who the gateway is to AWS.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Where the credentials came from: `Environment`, `IMDSv2`, `WebIdentityToken` …
    pub source: String,
    /// When they end, if they do.
    pub expires: Option<SystemTime>,
}

/// No credentials, and what was tried.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct CredentialsUnavailable(pub String);

/// The SDK shows the provider's name only in `Debug`.
fn provider_name(credentials: &Credentials) -> String {
    let shown = format!("{credentials:?}");
    shown
        .split_once("provider_name: \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or_else(|| "unknown".to_owned(), |(name, _)| name.to_owned())
}

/// The SDK's own client, for those who issue credentials. With ring, whose build needs no more than a C compiler.
fn for_credentials() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

struct Sdk {
    client: Client,
    passes: Passes,
    connections: Connections,
    connect_timeout: Option<Duration>,
}

impl Transport for Sdk {
    fn invoke(&self, call: Invocation) -> BoxFuture<'_, Result<Reply, BedrockError>> {
        Box::pin(async move {
            let (head, body) = self.send(call).await?;
            let body = whole(body).await.map_err(|mut error| {
                error.request_id.clone_from(&head.request_id);
                error
            })?;
            Ok(Reply { head, body })
        })
    }

    fn invoke_stream(&self, call: Invocation) -> BoxFuture<'_, Result<Streamed, BedrockError>> {
        Box::pin(async move {
            let (head, body) = self.send(call).await?;
            Ok(Streamed { head, frames: FrameStream::new(Box::pin(BodyBytes(body))) })
        })
    }
}

/// What a call through the SDK gives: the answer, and leave to make the next ones without.
type Called = Result<(Answered, Option<Pass>), BedrockError>;

impl Sdk {
    /// Makes the call; what comes back is the answer's head and its body, unread.
    async fn send(&self, call: Invocation) -> Result<Answered, BedrockError> {
        let Invocation { operation, model, headers, body } = call;
        if let Some(pass) = self.passes.find(operation, &model)
            && let Ok(request) = pass.sign(&headers, body.clone())
        {
            let refused = match self.connections.send(request, self.connect_timeout).await? {
                Outcome::Success(answered) => return Ok(answered),
                Outcome::Refusal(refused) => refused,
            };
            if refused.status().is_client_error() && refused.status() != ::http::StatusCode::TOO_MANY_REQUESTS
            {
                // It may be the credentials, or the clock. The next call goes through the SDK, which would know.
                self.passes.tear_up(operation, &model);
            }
            return Err(refusal(refused).await);
        }
        let (answered, pass) = self.call(operation, &model, Request::Body { headers, body }).await?;
        if let Some(pass) = pass {
            self.passes.keep(operation, model, pass);
        }
        Ok(answered)
    }

    async fn call(&self, operation: Operation, model: &ModelId, request: Request) -> Called {
        let model = model.as_str();
        match operation {
            Operation::Converse => {
                let operation = self.client.converse().model_id(model);
                exchange::run(request, operation.send().map(sent)).await
            }
            Operation::ConverseStream => {
                let operation = self.client.converse_stream().model_id(model);
                exchange::run(request, operation.send().map(sent)).await
            }
            Operation::InvokeModel => self.invoke_model(model, request).await,
            Operation::InvokeModelWithResponseStream => {
                let operation = self
                    .client
                    .invoke_model_with_response_stream()
                    .model_id(model)
                    .content_type("application/json")
                    .accept("application/json")
                    .body(Blob::new(""));
                exchange::run(request, operation.send().map(sent)).await
            }
        }
    }

    async fn invoke_model(&self, model: &str, request: Request) -> Called {
        let operation = self
            .client
            .invoke_model()
            .model_id(model)
            .content_type("application/json")
            .accept("application/json")
            .body(Blob::new(""));
        exchange::run(request, operation.send().map(sent)).await
    }
}

/// What an answer that is no success says.
async fn refusal(response: ::http::Response<Answer>) -> BedrockError {
    let (head, body) = response.into_parts();
    let body = match whole(body).await {
        Ok(body) => body,
        Err(error) => return error,
    };
    match HttpResponse::try_from(::http::Response::from_parts(head, SdkBody::from(body))) {
        Ok(response) => answered(&response),
        Err(error) => BedrockError::new(ErrorKind::Malformed, chain(&error)),
    }
}

/// A success never comes from the SDK, but from its connector.
fn sent<T, E>(outcome: Result<T, SdkError<E, HttpResponse>>) -> Result<(), BedrockError>
where
    E: Error + Send + Sync + 'static,
{
    outcome.map(drop).map_err(|error| failure(&error))
}

async fn whole(body: Answer) -> Result<Bytes, BedrockError> {
    match http_body_util::Limited::new(body, LONGEST_REPLY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => {
            Err(BedrockError::new(ErrorKind::Malformed, format!("reading the reply: {}", chain(&*error))))
        }
    }
}

/// Puts our body into the request before it is signed.
#[derive(Debug)]
struct Swap;

impl Request {
    fn replace(self, request: &mut HttpRequest) -> Result<(), BoxError> {
        match self {
            Self::Body { headers, body } => {
                for (name, value) in headers {
                    request.headers_mut().try_insert(name, value)?;
                }
                request.headers_mut().insert("content-length", body.len().to_string());
                *request.body_mut() = SdkBody::from(body);
            }
            Self::Get(path) => {
                let uri: ::http::Uri = request.uri().parse()?;
                let mut parts = uri.into_parts();
                parts.path_and_query = Some(path.parse()?);
                request.set_uri(::http::Uri::from_parts(parts)?)?;
                request.set_method("GET")?;
                request.headers_mut().remove("content-length");
                request.headers_mut().remove("content-type");
                *request.body_mut() = SdkBody::empty();
            }
        }
        Ok(())
    }
}

impl Intercept for Swap {
    fn name(&self) -> &'static str {
        "Swap"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        exchange::request()?.replace(context.request_mut())
    }
}

/// A body's data, piece by piece.
struct BodyBytes(Answer);

impl Stream for BodyBytes {
    type Item = Result<Bytes, BedrockError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(frame) = std::task::ready!(Pin::new(&mut self.0).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(Err(_trailers)) => {}
                Err(error) => {
                    let detail = format!("the stream broke: {}", chain(&error));
                    return Poll::Ready(Some(Err(BedrockError::new(ErrorKind::Malformed, detail))));
                }
            }
        }
    }
}

/// What the SDK's error means.
fn failure<E: Error + Send + Sync + 'static>(error: &SdkError<E, HttpResponse>) -> BedrockError {
    match error {
        SdkError::ServiceError(service) => answered(service.raw()),
        SdkError::ResponseError(response) => {
            let mut failed = BedrockError::new(ErrorKind::Malformed, chain(error));
            failed.request_id = response.raw().headers().get("x-amzn-requestid").map(str::to_owned);
            failed
        }
        SdkError::TimeoutError(_) => BedrockError::new(ErrorKind::Timeout, chain(error)),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
            BedrockError::new(ErrorKind::Unreachable, chain(error))
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            BedrockError::new(unsent(error), chain(error))
        }
        _ => BedrockError::new(ErrorKind::Malformed, chain(error)),
    }
}

/// Why a call never got an answer: no credentials, no connection, or it could not be built.
fn unsent<E: Error + Send + Sync + 'static>(error: &SdkError<E, HttpResponse>) -> ErrorKind {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<CredentialsError>().is_some() {
            return ErrorKind::NoCredentials;
        }
        source = cause.source();
    }
    match error {
        SdkError::DispatchFailure(_) => ErrorKind::Unreachable,
        _ if chain(error).contains("credential") => ErrorKind::NoCredentials,
        _ => ErrorKind::Unsendable,
    }
}

fn answered(response: &HttpResponse) -> BedrockError {
    let headers = response.headers();
    BedrockError::from_answer(&ErrorAnswer {
        status: response.status().as_u16(),
        code: headers.get("x-amzn-errortype"),
        body: response.body().bytes().unwrap_or_default(),
        request_id: headers.get("x-amzn-requestid"),
        retry_after: retry_after(headers),
    })
}

/// `x-amz-retry-after` counts milliseconds, `retry-after` seconds. A date is not honoured: it would need
/// the sender's clock.
fn retry_after(headers: &Headers) -> Option<Duration> {
    if let Some(millis) = headers.get("x-amz-retry-after").and_then(number) {
        return Some(Duration::from_millis(millis));
    }
    let seconds = headers.get("retry-after").and_then(number::<f64>)?;
    (0.0..=86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// For the fuzzer: the first line is one header, the second the other one. Whatever they say, a time or none.
///
/// # Panics
/// If it is more than a day, where seconds say it.
pub fn fuzz_retry_after(text: &str) {
    let (millis, seconds) = text.split_once('\n').unwrap_or(("", text));
    let mut headers = Headers::new();
    // What can't be a header never comes.
    for (name, value) in [("x-amz-retry-after", millis), ("retry-after", seconds)] {
        drop(headers.try_insert(name, value.to_owned()));
    }
    let after = retry_after(&headers);
    assert!(after <= Some(Duration::from_hours(24)) || headers.get("x-amz-retry-after").is_some());
}

#[expect(clippy::disallowed_methods, reason = "a header that holds no number says nothing")]
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// An error with all its causes on one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !line.ends_with(&cause_text) {
            line.push_str(": ");
            line.push_str(&cause_text);
        }
        source = cause.source();
    }
    line
}
