//! Why a call has no answer.

use std::borrow::Cow;
use std::time::Duration;

use super::ResolveError;
use crate::bedrock::{BedrockError, ErrorKind, Refused, Retry};
use crate::chat::{AssembleError, InvalidRequest};
use crate::formats::ProtocolError;

/// A failed call, or a stream that broke.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The request can't be sent: the client's fault.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// The name leads nowhere: the client's fault.
    #[error(transparent)]
    Model(#[from] ResolveError),
    /// Bedrock said no, or nothing.
    #[error(transparent)]
    Upstream(#[from] BedrockError),
    /// Bedrock said something that is not its protocol.
    #[error("upstream protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// The events don't make a reply.
    #[error("upstream protocol: {0}")]
    Assemble(#[from] AssembleError),
    /// Too long a wait.
    #[error("no {} within {} s", .0.what(), .1.as_secs_f64())]
    Deadline(Phase, Duration),
    /// As much is being done as this process may.
    #[error("overloaded")]
    Overloaded,
    /// A bug here.
    #[error("internal: {0}")]
    Internal(&'static str),
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The end of the whole call.
    Total,
    /// The first event.
    FirstEvent,
    /// The next event.
    Idle,
    /// A short reply, whole.
    Reply,
}

impl Phase {
    fn what(self) -> &'static str {
        match self {
            Self::Total | Self::Reply => "end of the reply",
            Self::FirstEvent => "first event",
            Self::Idle => "next event",
        }
    }
}

impl Fault {
    pub(super) fn internal(what: &'static str) -> Self {
        Self::Internal(what)
    }

    /// The kind upstream, where it has one: broken protocol counts as a damaged answer.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Upstream(error) => Some(error.kind),
            Self::Protocol(ProtocolError::Reported(kind)) => Some(reported(kind)),
            Self::Protocol(_) | Self::Assemble(_) => Some(ErrorKind::Malformed),
            Self::Deadline(..) => Some(ErrorKind::Timeout),
            Self::Invalid(_) | Self::Model(_) | Self::Overloaded | Self::Internal(_) => None,
        }
    }

    /// May the same attempt be made again?
    pub fn retry(&self) -> Retry {
        match self {
            // The whole call's time is over: there is none left to try again in.
            Self::Deadline(Phase::Total, _) => Retry::No,
            Self::Deadline(Phase::FirstEvent | Phase::Idle | Phase::Reply, _) => Retry::Once,
            Self::Overloaded => Retry::Yes,
            Self::Upstream(_)
            | Self::Protocol(_)
            | Self::Assemble(_)
            | Self::Invalid(_)
            | Self::Model(_)
            | Self::Internal(_) => self.kind().map_or(Retry::No, ErrorKind::retry),
        }
    }

    /// How long the upstream asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Upstream(error) => error.retry_after,
            Self::Overloaded => Some(Duration::from_secs(1)),
            Self::Invalid(_)
            | Self::Model(_)
            | Self::Protocol(_)
            | Self::Assemble(_)
            | Self::Deadline(..)
            | Self::Internal(_) => None,
        }
    }

    /// The one thing that the model won't take, if that is what Bedrock said.
    pub(super) fn refusal(&self) -> Option<Refused> {
        match self {
            Self::Upstream(error) => error.refusal(),
            Self::Invalid(_)
            | Self::Model(_)
            | Self::Protocol(_)
            | Self::Assemble(_)
            | Self::Deadline(..)
            | Self::Overloaded
            | Self::Internal(_) => None,
        }
    }

    /// Whether Bedrock said that the call may not be streamed, but perhaps made whole.
    pub(super) fn refuses_streaming(&self) -> bool {
        matches!(self, Self::Upstream(error) if error.refuses_streaming())
    }

    /// For metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::Model(_) => "model_not_found",
            Self::Overloaded => "gateway_overloaded",
            Self::Internal(_) => "bug",
            Self::Upstream(_) | Self::Protocol(_) | Self::Assemble(_) | Self::Deadline(..) => {
                self.kind().map_or("unknown", ErrorKind::label)
            }
        }
    }

    /// The sentence for callers.
    pub fn public(&self) -> Cow<'_, str> {
        match self {
            Self::Invalid(invalid) => Cow::Borrowed(&invalid.message),
            Self::Model(unknown) => Cow::Owned(unknown.to_string()),
            Self::Upstream(error) => error.public(),
            Self::Protocol(ProtocolError::Truncated) | Self::Assemble(AssembleError::Truncated) => {
                Cow::Borrowed("The model's reply was cut off before its end.")
            }
            Self::Protocol(ProtocolError::Silent) => {
                Cow::Borrowed("The model ended its turn without saying anything.")
            }
            Self::Protocol(ProtocolError::Reported(kind)) => BedrockError::new(reported(kind), "").public(),
            Self::Protocol(_) | Self::Assemble(_) => {
                Cow::Borrowed("What came from Bedrock was cut or damaged.")
            }
            Self::Deadline(phase, limit) => {
                Cow::Owned(format!("Bedrock sent no {} within {} s.", phase.what(), limit.as_secs_f64()))
            }
            Self::Overloaded => Cow::Borrowed("The gateway is busy: try again in a moment."),
            Self::Internal(_) => Cow::Borrowed("The gateway failed. This is a bug; its log says more."),
        }
    }
}

/// What a model's own word for its failure means: Anthropic's error types, which some hosts put into the stream.
fn reported(kind: &str) -> ErrorKind {
    match kind {
        "overloaded_error" => ErrorKind::Unavailable,
        "rate_limit_error" => ErrorKind::Throttled,
        "api_error" => ErrorKind::Internal,
        "timeout_error" => ErrorKind::ModelTimeout,
        _ => ErrorKind::ModelError,
    }
}
