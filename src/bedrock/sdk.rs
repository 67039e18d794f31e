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
use std::task::{Context, Poll};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
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
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
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

use super::aws::Way;
use super::call::request_id;
use super::clock::{self, Clock};
use super::connector::{Connections, Outcome};
use super::error::chain;
use super::exchange::{self, Answered, Request};
use super::pass::{Pass, Passes, Watched};
use super::pool::Answer;
use super::{
    BedrockError, ErrorAnswer, ErrorKind, FrameStream, Invocation, LONGEST_REPLY, ModelId, Operation, Reply,
    Streamed, Transport,
};

/// What a client is made of.
pub(super) struct Terms<'a> {
    /// What all clients have.
    pub(super) shared: &'a SdkConfig,
    /// Where calls go out.
    pub(super) connections: &'a Connections,
    /// What signatures are made by.
    pub(super) clock: &'a Clock,
    /// Whose calls they are.
    pub(super) way: &'a Way,
    /// `None`: the default one.
    pub(super) region: Option<&'a str>,
    /// Instead of the region's own.
    pub(super) endpoint: Option<String>,
    /// Longest wait for a connection.
    pub(super) connect_timeout: Option<Duration>,
}

/// Calls Bedrock in one account and region.
pub(super) struct Sdk {
    client: Client,
    passes: Passes,
    way: Way,
    clock: Clock,
    connections: Connections,
    connect_timeout: Option<Duration>,
}

impl Sdk {
    pub(super) fn new(terms: Terms<'_>) -> Self {
        let Terms { shared, connections, clock, way, region, endpoint, connect_timeout } = terms;
        let mut config = aws_sdk_bedrockruntime::config::Builder::from(shared)
            // One retry loop, and it is the gateway's: it sees fallbacks, budgets and the commit point.
            .retry_config(RetryConfig::disabled())
            // It would kill a quiet answer after seconds; the gateway has its own clocks.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(connections.clone())
            // The keeper is the cache, and the clock corrects itself: a second one of either would know less.
            .identity_cache(IdentityCache::no_cache())
            .time_source(clock.clone())
            .disable_clock_skew_correction(true)
            .push_auth_scheme(Watched::new(clock.clone()))
            .interceptor(Swap);
        if let Some(region) = region {
            config = config.region(AwsRegion::new(region.to_owned()));
        }
        if let Some(url) = endpoint {
            config = config.endpoint_url(url);
        }
        config = match way {
            // Said, because a token in the environment would go before an account's own keys.
            Way::Keys(keeper) => config
                .credentials_provider(keeper.clone())
                .auth_scheme_preference([AuthSchemeId::from("sigv4")]),
            Way::Token(token) => config
                .token_provider(Token::new(token.clone(), None))
                .auth_scheme_preference([AuthSchemeId::from("httpBearerAuth")]),
        };
        if let Some(connect) = connect_timeout {
            config = config.timeout_config(TimeoutConfig::builder().connect_timeout(connect).build());
        }
        Self {
            client: Client::from_conf(config.build()),
            passes: Passes::default(),
            way: way.clone(),
            clock: clock.clone(),
            connections: connections.clone(),
            connect_timeout,
        }
    }

    /// A GET of this path.
    pub(super) async fn read(&self, path: &str) -> Result<Reply, BedrockError> {
        let era = self.way.era().await?;
        let answered = self.invoke_model("-", Request::Get(path.to_owned())).await;
        let ((head, body), _) = self.heed(era, answered)?;
        Ok(Reply { head, body: whole(body).await? })
    }

    /// What a refusal says of credentials and clock is said to those who keep them.
    fn heed<T>(&self, era: u64, outcome: Result<T, BedrockError>) -> Result<T, BedrockError> {
        outcome.inspect_err(|error| {
            if error.kind == ErrorKind::CredentialsRefused {
                self.way.refused(era);
            }
            if error.kind == ErrorKind::ClockSkew {
                self.clock.refused(error.date);
            }
        })
    }
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
        let era = self.way.era().await?;
        self.heed(era, self.sent(call, era).await)
    }

    async fn sent(&self, call: Invocation, era: u64) -> Result<Answered, BedrockError> {
        let Invocation { operation, model, headers, body } = call;
        if let Some(pass) = self.passes.find(operation, &model, era)
            && let Ok(request) = pass.sign(&headers, body.clone(), self.clock.time())
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
            self.passes.keep(operation, model, pass.of_era(era));
        }
        Ok(answered)
    }

    async fn call(&self, operation: Operation, model: &ModelId, request: Request) -> Called {
        let model = model.as_str();
        match operation {
            Operation::Converse => {
                let operation = self.client.converse().model_id(model);
                exchange::run(request, operation.send().map(unanswered)).await
            }
            Operation::ConverseStream => {
                let operation = self.client.converse_stream().model_id(model);
                exchange::run(request, operation.send().map(unanswered)).await
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
                exchange::run(request, operation.send().map(unanswered)).await
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
        exchange::run(request, operation.send().map(unanswered)).await
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
fn unanswered<T, E>(outcome: Result<T, SdkError<E, HttpResponse>>) -> Result<(), BedrockError>
where
    E: Error + Send + Sync + 'static,
{
    outcome.map(drop).map_err(|error| failure(&error))
}

async fn whole(body: Answer) -> Result<Bytes, BedrockError> {
    match http_body_util::Limited::new(body, LONGEST_REPLY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(BedrockError::new(ErrorKind::Oversized, chain(&*error)))
        }
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
            failed.request_id = response.raw().headers().get("x-amzn-requestid").map(request_id);
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
        // Only what our own connector tells of was on its way to the wire: the rest is building and signing, which
        // fails for what is in the request.
        SdkError::DispatchFailure(dispatch) if dispatch.is_io() || dispatch.is_timeout() => {
            ErrorKind::Unreachable
        }
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
        date: headers.get("date").and_then(clock::date),
    })
}

/// `x-amz-retry-after` counts milliseconds; `retry-after` counts seconds, or is a date by the sender's own clock.
fn retry_after(headers: &Headers) -> Option<Duration> {
    if let Some(millis) = headers.get("x-amz-retry-after").and_then(number) {
        return Some(Duration::from_millis(millis));
    }
    let wait = headers.get("retry-after")?;
    if let Some(seconds) = number::<f64>(wait) {
        return (0.0..=86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds));
    }
    let sent = headers.get("date").and_then(clock::date)?;
    // One that has passed is none.
    #[expect(clippy::disallowed_methods, reason = "the other side of it is a date that has passed")]
    let wait = clock::date(wait)?.duration_since(sent).ok()?;
    (!wait.is_zero() && wait <= Duration::from_hours(24)).then_some(wait)
}

/// For the fuzzer: a line for each header: `x-amz-retry-after`, `retry-after`, `date`. Whatever they say, a time or none.
///
/// # Panics
/// If it is more than a day, where seconds or dates say it.
pub fn fuzz_retry_after(text: &str) {
    let mut headers = Headers::new();
    for (name, value) in ["x-amz-retry-after", "retry-after", "date"].into_iter().zip(text.split('\n')) {
        // What can't be a header never comes.
        drop(headers.try_insert(name, value.to_owned()));
    }
    let after = retry_after(&headers);
    assert!(after <= Some(Duration::from_hours(24)) || headers.get("x-amz-retry-after").is_some());
}

#[expect(clippy::disallowed_methods, reason = "a header that holds no number says nothing")]
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    #[test]
    fn what_fails_before_it_is_on_its_way_is_not_the_upstreams() {
        type Failure = SdkError<std::fmt::Error, HttpResponse>;
        let error = || -> BoxError { "no header holds this".into() };
        for (failed, kind) in [
            // An interceptor or the signature, as the SDK wraps it.
            (Failure::dispatch_failure(ConnectorError::other(error(), None)), ErrorKind::Unsendable),
            (Failure::dispatch_failure(ConnectorError::user(error())), ErrorKind::Unsendable),
            (Failure::construction_failure(error()), ErrorKind::Unsendable),
            (Failure::dispatch_failure(ConnectorError::io(error())), ErrorKind::Unreachable),
            (Failure::dispatch_failure(ConnectorError::timeout(error())), ErrorKind::Unreachable),
            (Failure::construction_failure(CredentialsError::not_loaded("none")), ErrorKind::NoCredentials),
        ] {
            assert_eq!(failure(&failed).kind, kind, "{failed:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_an_upstream_says_about_coming_again_is_a_time_or_none(
            text in "([0-9.eE+-]{0,24}|[ -~]{0,24})\n([0-9.eE+-]{0,24}|inf|NaN|Wed, [0-9]{2} Oct 20[0-9]{2} [0-9]{2}:28:00 GMT)\n(|Wed, 21 Oct 2026 07:28:00 GMT)"
        ) {
            fuzz_retry_after(&text);
        }
    }
}
