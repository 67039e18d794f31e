//! What can go wrong upstream, by kind.
//!
//! One classification for all ways a failure arrives: an HTTP error, an exception inside a stream, an
//! error of the SDK. Sources: botocore 1.44.5's service model, AWS's user guide, and texts seen in
//! recorded traffic and public reports (2025 and 2026). Status codes for clients are not decided here.

mod chain;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

pub(super) use chain::chain;

use super::call::request_id;
use super::{Refused, overflow};

/// A failed call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", .kind.label())]
pub struct BedrockError {
    /// What it means.
    pub kind: ErrorKind,
    /// What was said, for the log. May name accounts and ARNs; see [`BedrockError::public`].
    pub detail: String,
    /// `x-amzn-requestid`, where there was an answer.
    pub request_id: Option<String>,
    /// How long the upstream asks to wait.
    pub retry_after: Option<Duration>,
    /// When it was answered, by the upstream's clock.
    pub date: Option<SystemTime>,
}

/// What a failure means. Closed: the label is a metric's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The chain of credential sources gave none.
    NoCredentials,
    /// The gateway's own credentials were refused: expired, unknown, wrongly signed.
    CredentialsRefused,
    /// They were refused because this machine's clock is wrong.
    ClockSkew,
    /// IAM or model access says no.
    AccessDenied,
    /// A marketplace subscription is being made; takes about 15 minutes.
    AccessPending,
    /// The request is not valid.
    Validation,
    /// The prompt is too long for the model.
    ContextLength,
    /// No such model.
    UnknownModel,
    /// The model is called through inference profiles only.
    ProfileRequired,
    /// The model can't do something that was asked.
    UnsupportedFeature,
    /// The model or profile is gone, locked, or was never there.
    NotFound,
    /// A quota that waiting won't refill.
    QuotaExceeded,
    /// Too many requests or tokens a minute.
    Throttled,
    /// Too many tokens today.
    DailyQuota,
    /// The model is being loaded.
    ModelNotReady,
    /// The model took too long.
    ModelTimeout,
    /// The model failed by the request's fault (its own status was 4xx).
    ModelRefused,
    /// The model failed.
    ModelError,
    /// The model's stream broke.
    StreamError,
    /// Bedrock failed.
    Internal,
    /// Bedrock has no capacity.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// No connection, or it broke before an answer.
    Unreachable,
    /// What came is not the protocol: no event stream, wrong checksum, cut.
    Malformed,
    /// The call could not even be made.
    Unsendable,
    /// Something that only this request names (a guardrail, an `s3://` address) may not be used or isn't there.
    ResourceRefused,
    /// The reply is longer than is taken whole.
    Oversized,
    /// What the model wrote is no answer: a call of a tool that can't be read.
    InvalidOutput,
}

/// May the same call be made again?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    No,
    /// Once.
    Once,
    /// As often as the policy allows.
    Yes,
}

impl ErrorKind {
    /// For metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::CredentialsRefused => "credentials_refused",
            Self::ClockSkew => "clock_skew",
            Self::AccessDenied => "access_denied",
            Self::AccessPending => "access_pending",
            Self::Validation => "validation",
            Self::ContextLength => "context_length",
            Self::UnknownModel => "unknown_model",
            Self::ProfileRequired => "profile_required",
            Self::UnsupportedFeature => "unsupported_feature",
            Self::NotFound => "not_found",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Throttled => "throttled",
            Self::DailyQuota => "daily_quota",
            Self::ModelNotReady => "model_not_ready",
            Self::ModelTimeout => "model_timeout",
            Self::ModelRefused => "model_refused",
            Self::ModelError => "model_error",
            Self::StreamError => "stream_error",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Malformed => "malformed",
            Self::Unsendable => "unsendable",
            Self::ResourceRefused => "resource_refused",
            Self::InvalidOutput => "invalid_output",
            Self::Oversized => "oversized",
        }
    }

    /// May the same call be made again, as long as nothing of an answer was used?
    pub fn retry(self) -> Retry {
        match self {
            Self::Throttled
            | Self::ModelNotReady
            | Self::StreamError
            | Self::ModelError
            | Self::InvalidOutput
            | Self::Internal
            | Self::Unavailable
            | Self::Unreachable => Retry::Yes,
            // The first two with credentials asked for anew, and by AWS's own time.
            Self::CredentialsRefused
            | Self::ClockSkew
            | Self::ModelTimeout
            | Self::Timeout
            | Self::Malformed => Retry::Once,
            Self::NoCredentials
            | Self::AccessDenied
            | Self::AccessPending
            | Self::Validation
            | Self::ContextLength
            | Self::UnknownModel
            | Self::ProfileRequired
            | Self::UnsupportedFeature
            | Self::NotFound
            | Self::QuotaExceeded
            | Self::DailyQuota
            | Self::ModelRefused
            | Self::ResourceRefused
            | Self::Oversized
            | Self::Unsendable => Retry::No,
        }
    }
}

impl BedrockError {
    /// A failure that has no answer behind it.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), request_id: None, retry_after: None, date: None }
    }

    /// From an error answer.
    pub fn from_answer(answer: &ErrorAnswer<'_>) -> Self {
        let body = ErrorBody::read(answer.body);
        // The header may hold `Code:uri`, the body's type `prefix#Code`.
        let code = answer.code.or(body.type_.as_deref()).unwrap_or_default();
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        let detail = body.detail().unwrap_or_else(|| format!("HTTP {} without a message", answer.status));
        Self {
            kind: classify(code, answer.status, body.original_status, &detail),
            detail,
            request_id: answer.request_id.map(request_id),
            retry_after: answer.retry_after,
            date: answer.date,
        }
    }

    /// From an exception inside a stream; `name` is lowerCamel there.
    pub fn in_stream(name: &str, payload: &[u8]) -> Self {
        let body = ErrorBody::read(payload);
        let mut code = name.to_owned();
        if let Some(first) = code.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let detail = body.detail().unwrap_or_else(|| format!("{name} without a message"));
        Self::new(classify(&code, 0, body.original_status, &detail), detail)
    }

    /// From a `:message-type error` message.
    pub fn in_stream_error(code: &str, message: &str) -> Self {
        Self::new(classify(code, 500, None, message), format!("{code}: {message}"))
    }

    /// Whether the call may not be streamed, but perhaps made whole: an identity without the right to the one operation, or a
    /// model that doesn't stream at all.
    pub fn refuses_streaming(&self) -> bool {
        let says = |text: &str| self.detail.contains(text);
        match self.kind {
            ErrorKind::AccessDenied => says("InvokeModelWithResponseStream"),
            ErrorKind::Validation | ErrorKind::UnsupportedFeature => {
                ["unsupported for streaming", "not support streaming", "n't support streaming"]
                    .into_iter()
                    .any(says)
            }
            _ => false,
        }
    }

    /// The one thing that the model won't take, if that is what was said.
    pub fn refusal(&self) -> Option<Refused> {
        match self.kind {
            ErrorKind::Validation
            | ErrorKind::ContextLength
            | ErrorKind::UnsupportedFeature
            | ErrorKind::ModelRefused => Refused::read(&self.detail),
            ErrorKind::NoCredentials
            | ErrorKind::CredentialsRefused
            | ErrorKind::ClockSkew
            | ErrorKind::AccessDenied
            | ErrorKind::AccessPending
            | ErrorKind::UnknownModel
            | ErrorKind::ProfileRequired
            | ErrorKind::NotFound
            | ErrorKind::QuotaExceeded
            | ErrorKind::Throttled
            | ErrorKind::DailyQuota
            | ErrorKind::ModelNotReady
            | ErrorKind::ModelTimeout
            | ErrorKind::ModelError
            | ErrorKind::StreamError
            | ErrorKind::Internal
            | ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Unreachable
            | ErrorKind::Malformed
            | ErrorKind::Unsendable
            | ErrorKind::ResourceRefused
            | ErrorKind::Oversized
            | ErrorKind::InvalidOutput => None,
        }
    }

    /// The same, as an error of a request that names resources of its own. What is denied or missing then may be one of them,
    /// and says nothing of the model.
    pub fn of_own_resources(&mut self) {
        if matches!(self.kind, ErrorKind::AccessDenied | ErrorKind::NotFound) && names_resource(&self.detail)
        {
            self.kind = ErrorKind::ResourceRefused;
        }
    }

    /// The sentence for callers: no account, no ARN, no key, no prompt.
    pub fn public(&self) -> Cow<'static, str> {
        let fixed = match self.kind {
            // These say what is wrong with the request; the caller needs them.
            ErrorKind::Validation
            | ErrorKind::UnsupportedFeature
            | ErrorKind::ModelRefused
            | ErrorKind::NotFound
            | ErrorKind::QuotaExceeded => return Cow::Owned(scrub(&self.detail)),
            ErrorKind::ContextLength => return Cow::Owned(self.overflow()),
            ErrorKind::ResourceRefused => {
                return Cow::Owned(format!(
                    "Bedrock can't use something that this request names, such as a guardrail or an `s3://` address: {}",
                    scrub(&self.detail)
                ));
            }
            ErrorKind::InvalidOutput => {
                return Cow::Owned(format!("The model's output is no valid answer: {}", scrub(&self.detail)));
            }
            ErrorKind::NoCredentials => {
                "The gateway has no AWS credentials. Its operator can run `outcrop doctor` to see which sources were tried."
            }
            ErrorKind::CredentialsRefused => "AWS refused the gateway's own credentials.",
            ErrorKind::ClockSkew => "AWS refused the gateway's signature because its clock is wrong.",
            ErrorKind::AccessDenied => {
                "The gateway's AWS account may not use this model. Its operator has to grant model access or the IAM permission bedrock:InvokeModel."
            }
            ErrorKind::AccessPending => "Access to this model is being set up; it takes about 15 minutes.",
            ErrorKind::UnknownModel => {
                "Bedrock knows no such model in this region. GET /v1/models lists what this gateway serves."
            }
            ErrorKind::ProfileRequired => {
                "This model can't be called by its bare id: use an inference profile id, such as one beginning with `us.`, `eu.` or `global.`."
            }
            ErrorKind::Throttled => "Bedrock is throttling this model: too many requests or tokens a minute.",
            ErrorKind::DailyQuota => "The day's quota of tokens for this model is used up.",
            ErrorKind::ModelNotReady => "The model is being loaded; try again soon.",
            ErrorKind::ModelTimeout => "The model took too long to answer.",
            ErrorKind::ModelError => "The model failed.",
            ErrorKind::StreamError => "The model's stream broke off.",
            ErrorKind::Internal => "Bedrock had an internal failure.",
            ErrorKind::Unavailable => "Bedrock has no capacity for this model right now.",
            ErrorKind::Timeout => "Bedrock did not answer in time.",
            ErrorKind::Unreachable => "Bedrock could not be reached.",
            ErrorKind::Malformed => "What came from Bedrock was cut or damaged.",
            ErrorKind::Oversized => {
                "The model's reply is longer than the gateway takes whole (64 MiB). Ask for less, or for a stream."
            }
            ErrorKind::Unsendable => "The call to Bedrock could not be made.",
        };
        Cow::Borrowed(fixed)
    }
}

impl BedrockError {
    /// That the prompt is too long, in the words that clients look for before they shorten it.
    fn overflow(&self) -> String {
        let said = scrub(&self.detail);
        match overflow::window(&self.detail) {
            Some(window) => format!(
                "This model's maximum context length is {window} tokens (context_length_exceeded): {said}"
            ),
            None => {
                format!("This model's maximum context length is exceeded (context_length_exceeded): {said}")
            }
        }
    }
}

/// An HTTP error answer, before its meaning.
#[derive(Debug, Clone, Copy)]
pub struct ErrorAnswer<'a> {
    /// HTTP status.
    pub status: u16,
    /// `x-amzn-errortype`, if there.
    pub code: Option<&'a str>,
    /// The body, whatever it is.
    pub body: &'a [u8],
    /// `x-amzn-requestid`
    pub request_id: Option<&'a str>,
    /// How long the upstream asks to wait.
    pub retry_after: Option<Duration>,
    /// `date`
    pub date: Option<SystemTime>,
}

/// `{"message": …}`; some gateways before Bedrock write `Message`.
#[derive(Default, Deserialize)]
struct ErrorBody {
    message: Option<String>,
    #[serde(rename = "Message")]
    message_: Option<String>,
    #[serde(rename = "originalMessage")]
    original_message: Option<String>,
    #[serde(rename = "originalStatusCode")]
    original_status: Option<u16>,
    #[serde(rename = "__type")]
    type_: Option<String>,
}

impl ErrorBody {
    /// What can be read of it; a body that isn't JSON says nothing.
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    fn detail(&self) -> Option<String> {
        let message = self.message.as_ref().or(self.message_.as_ref());
        match (message, &self.original_message) {
            (Some(message), Some(original)) => Some(format!("{message} ({original})")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        }
    }
}

fn classify(code: &str, status: u16, original_status: Option<u16>, message: &str) -> ErrorKind {
    match code {
        "ValidationException" => validation(message),
        "ServiceQuotaExceededException" => ErrorKind::QuotaExceeded,
        // What would be refused with a 400 elsewhere: cache points for a profile without caching, a tier.
        "AccessDeniedException" | "NotAuthorized" if is_refusal(message) => ErrorKind::UnsupportedFeature,
        "AccessDeniedException" | "NotAuthorized" => ErrorKind::AccessDenied,
        "MPAgreementBeingCreated" => ErrorKind::AccessPending,
        "RequestTimeTooSkewed" | "SignatureNotYetCurrent" | "RequestExpired" => ErrorKind::ClockSkew,
        "InvalidSignatureException"
            if message.contains("Signature not yet current") || message.contains("Signature expired") =>
        {
            ErrorKind::ClockSkew
        }
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "InvalidClientTokenId"
        | "IncompleteSignature" => ErrorKind::CredentialsRefused,
        "ResourceNotFoundException" => ErrorKind::NotFound,
        "ModelTimeoutException" => ErrorKind::ModelTimeout,
        "ModelErrorException" | "ModelStreamErrorException" if is_invalid_output(message) => {
            ErrorKind::InvalidOutput
        }
        "ModelErrorException" | "ModelStreamErrorException" if overflow::is_overflow(message) => {
            ErrorKind::ContextLength
        }
        "ModelErrorException" | "ModelStreamErrorException" if is_refusal(message) => ErrorKind::ModelRefused,
        "ModelErrorException" => match original_status {
            Some(original) if (400..500).contains(&original) && original != 429 => ErrorKind::ModelRefused,
            _ => ErrorKind::ModelError,
        },
        "ModelStreamErrorException" => ErrorKind::StreamError,
        "ThrottlingException" | "TooManyRequestsException" => {
            if message.contains("per day") {
                ErrorKind::DailyQuota
            } else {
                ErrorKind::Throttled
            }
        }
        "ModelNotReadyException" => ErrorKind::ModelNotReady,
        "InternalServerException" | "InternalFailure" => ErrorKind::Internal,
        "ServiceUnavailableException" | "ServiceUnavailable" | "overloaded_error" => ErrorKind::Unavailable,
        _ => by_status(status, message),
    }
}

fn by_status(status: u16, message: &str) -> ErrorKind {
    match status {
        401 => ErrorKind::CredentialsRefused,
        403 if is_refusal(message) => ErrorKind::UnsupportedFeature,
        403 => ErrorKind::AccessDenied,
        404 => ErrorKind::NotFound,
        408 => ErrorKind::ModelTimeout,
        424 => ErrorKind::ModelError,
        429 => ErrorKind::Throttled,
        503 | 529 => ErrorKind::Unavailable,
        504 => ErrorKind::Timeout,
        // Whatever it is, it is the request that Bedrock doesn't take.
        400..=499 => validation(message),
        500..=599 => ErrorKind::Internal,
        // An answer that is neither whole nor an error.
        100..=399 => ErrorKind::Malformed,
        // An exception in a stream that nobody knows.
        _ => ErrorKind::StreamError,
    }
}

/// Bedrock says many things with one exception; the text tells them apart.
fn validation(message: &str) -> ErrorKind {
    const TABLE: [(&str, ErrorKind); 7] = [
        ("model identifier is invalid", ErrorKind::UnknownModel),
        ("with on-demand throughput", ErrorKind::ProfileRequired),
        ("This model doesn't support", ErrorKind::UnsupportedFeature),
        ("This model doesn\u{2019}t support", ErrorKind::UnsupportedFeature),
        ("does not support", ErrorKind::UnsupportedFeature),
        ("unsupported model or your request did not allow", ErrorKind::UnsupportedFeature),
        ("is deprecated for this model", ErrorKind::UnsupportedFeature),
    ];
    match TABLE.iter().find(|(text, _)| message.contains(text)) {
        Some((_, kind @ (ErrorKind::UnknownModel | ErrorKind::ProfileRequired))) => *kind,
        _ if overflow::is_overflow(message) => ErrorKind::ContextLength,
        Some((_, kind)) => *kind,
        None => ErrorKind::Validation,
    }
}

/// Is it one of the things that can be left out or done another way?
fn is_refusal(message: &str) -> bool {
    Refused::read(message).is_some()
}

/// Nova's "Model produced invalid sequence as part of `ToolUse`. Please refer to the model tool use troubleshooting guide."
fn is_invalid_output(message: &str) -> bool {
    message.contains("invalid sequence") || message.contains("invalid tool use")
}

/// Is it about a resource that a request can name, and not about the model? The action says so ("is not authorized to perform:
/// s3:GetObject"), or the resource.
fn names_resource(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["s3:", "guardrail", "kms:", "bucket"].iter().any(|word| message.contains(word))
}

/// Takes ARNs, account ids and what looks like a credential out of a message, and bounds it.
fn scrub(message: &str) -> String {
    const LONGEST: usize = 512;
    let mut out = String::with_capacity(message.len().min(LONGEST));
    let mut rest = message;
    while !rest.is_empty() && out.len() < LONGEST {
        if rest.starts_with("arn:") {
            out.push_str("[arn]");
            rest = rest.trim_start_matches(|c: char| !c.is_whitespace() && !"\"'`,;()<>".contains(c));
            continue;
        }
        if let Some(length) =
            out.chars().next_back().is_none_or(|c| !is_keys(c)).then(|| credential(rest)).flatten()
        {
            out.push_str("[key]");
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let (number, tail) = rest.split_at(digits);
            out.push_str(if digits == 12 { "[account]" } else { number });
            rest = tail;
            continue;
        }
        let mut chars = rest.chars();
        if let Some(c) = chars.next() {
            out.push(if c.is_control() { ' ' } else { c });
        }
        rest = chars.as_str();
    }
    if !rest.is_empty() {
        out.push('…');
    }
    out
}

/// May it be in a credential?
fn is_keys(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/+=_-".contains(c)
}

/// How long the credential is that a text begins with: an AWS key's id, a key of Bedrock's own, or what has the length and the
/// letters of a secret.
fn credential(text: &str) -> Option<usize> {
    const IDS: [&str; 6] = ["AKIA", "ASIA", "AROA", "AIDA", "ABSK", "bedrock-api-key-"];
    let length = text.find(|c| !is_keys(c)).unwrap_or(text.len());
    let word = text.get(..length)?;
    let is_id = length >= 16 && IDS.iter().any(|id| word.starts_with(id));
    let has = |is: fn(&u8) -> bool| word.bytes().any(|byte| is(&byte));
    let is_secret =
        length >= 40 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
    (is_id || is_secret).then_some(length)
}

#[cfg(test)]
mod tests;
