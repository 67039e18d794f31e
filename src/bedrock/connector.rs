//! Our connections under the SDK: it signs a request and hands it over here.
//!
//! An answer that is a success doesn't go back through the SDK, which has nothing more to do with it: it goes to
//! the call's exchange as it came. Anything else goes back, and the SDK makes an error of it.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderMap, Response};

use super::call::request_id;
use super::clock::{self, Clock};
use super::exchange::{self, Answered, Request};
use super::pool::{Answer, Pool, SendError};
use super::{BedrockError, ErrorKind, ReplyHead, TokenCounts};

/// The HTTP client of all clients of Bedrock.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pool: Arc<Pool>,
    clock: Clock,
}

impl Connections {
    /// `clock` is told what time answers are of.
    pub(super) fn new(pool: Pool, clock: Clock) -> Self {
        Self { pool: Arc::new(pool), clock }
    }

    /// Sends what has been signed elsewhere.
    pub(super) async fn send(
        &self,
        request: http::Request<Bytes>,
        connect_timeout: Option<Duration>,
    ) -> Result<Outcome, BedrockError> {
        match self.pool.send(request, connect_timeout).await {
            Ok(response) => Ok(Outcome::of(response, &self.clock)),
            Err(error) if error.is_unsendable() => {
                Err(BedrockError::new(ErrorKind::Unsendable, super::error::chain(&error)))
            }
            Err(error) => Err(BedrockError::new(ErrorKind::Unreachable, super::error::chain(&error))),
        }
    }
}

impl HttpClient for Connections {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // No read timeout: the gateway's own clocks know a slow model from a dead one.
        SharedHttpConnector::new(Connector {
            connections: self.clone(),
            connect_timeout: settings.connect_timeout(),
        })
    }
}

#[derive(Debug)]
struct Connector {
    connections: Connections,
    connect_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connections, connect_timeout) = (self.connections.clone(), self.connect_timeout);
        HttpConnectorFuture::new(async move {
            let user = |error| ConnectorError::user(error);
            // What was signed is what the exchange holds: not copied out of the SDK's body, but shared.
            let body = match exchange::request().map_err(|error| user(error.into()))? {
                Request::Body { headers: _, body } => body,
                Request::Get(_) => Bytes::new(),
            };
            let request = request.try_into_http1x().map_err(|error| user(error.into()))?.map(|_signed| body);
            let response = connections.pool.send(request, connect_timeout).await.map_err(failed)?;
            let answered = match Outcome::of(response, &connections.clock) {
                Outcome::Success(answered) => answered,
                Outcome::Refusal(refused) => {
                    return HttpResponse::try_from(refused.map(SdkBody::from_body_1_x))
                        .map_err(|error| ConnectorError::io(error.into()));
                }
            };
            exchange::succeed(answered).map_err(|error| user(error.into()))?;
            // The exchange ends the call here.
            std::future::pending().await
        })
    }
}

/// What a call came to.
pub(super) enum Outcome {
    /// Its head, and its body unread.
    Success(Answered),
    /// Any other status.
    Refusal(Response<Answer>),
}

impl Outcome {
    fn of(response: Response<Answer>, clock: &Clock) -> Self {
        if let Some(date) = text(response.headers(), "date").and_then(clock::date) {
            clock.heard(date);
        }
        // Of the others of 2xx none is a whole answer: 206 is a part of one.
        if response.status() != http::StatusCode::OK {
            return Self::Refusal(response);
        }
        let (parts, body) = response.into_parts();
        Self::Success((head(&parts.headers), body))
    }
}

fn failed(error: SendError) -> ConnectorError {
    match error {
        error if error.is_unsendable() => ConnectorError::user(error.into()),
        SendError::ConnectTimeout(..) => ConnectorError::timeout(error.into()),
        SendError::Address(_) => ConnectorError::user(error.into()),
        SendError::Connect(..) | SendError::Broken(_) => ConnectorError::io(error.into()),
    }
}

fn head(headers: &HeaderMap) -> ReplyHead {
    let text = |name: &str| text(headers, name);
    let count = |name: &str| text(name).and_then(super::sdk::number);
    ReplyHead {
        request_id: text("x-amzn-requestid").map(request_id),
        tokens: TokenCounts {
            input: count("x-amzn-bedrock-input-token-count"),
            output: count("x-amzn-bedrock-output-token-count"),
            cache_read: count("x-amzn-bedrock-cache-read-input-token-count"),
            cache_write: count("x-amzn-bedrock-cache-write-input-token-count"),
        },
        simulated: headers.contains_key("x-outcrop-simulated"),
    }
}

/// A header; what isn't text says nothing.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    match headers.get(name).map(|value| std::str::from_utf8(value.as_bytes())) {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) | None => None,
    }
}
