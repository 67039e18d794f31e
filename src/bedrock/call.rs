//! The words that `formats` and the transport share. No IO.

use std::borrow::Cow;

use bytes::Bytes;

use super::ModelId;

/// Longest answer that is taken whole, read so or put together from a stream. The largest models write well under 1 MiB of
/// text.
pub const LONGEST_REPLY: usize = 64 * 1024 * 1024;

/// One call of Bedrock Runtime: what to send, and how.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Which of the four operations.
    pub operation: Operation,
    /// Model id, inference profile id or ARN, for the path.
    pub model: ModelId,
    /// Headers beside those that every call has: (name in lower case, value).
    pub headers: Vec<(&'static str, String)>,
    /// The JSON body, byte for byte as it will be sent.
    pub body: Bytes,
}

/// The operations that run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `POST /model/{id}/converse`
    Converse,
    /// `POST /model/{id}/converse-stream`
    ConverseStream,
    /// `POST /model/{id}/invoke`
    InvokeModel,
    /// `POST /model/{id}/invoke-with-response-stream`
    InvokeModelWithResponseStream,
}

impl Operation {
    /// The one for a model's own body.
    pub fn invoke(streaming: bool) -> Self {
        if streaming { Self::InvokeModelWithResponseStream } else { Self::InvokeModel }
    }

    /// The same that answers with an event stream.
    #[must_use]
    pub fn streamed(self) -> Self {
        match self {
            Self::Converse | Self::ConverseStream => Self::ConverseStream,
            Self::InvokeModel | Self::InvokeModelWithResponseStream => Self::InvokeModelWithResponseStream,
        }
    }

    /// The same that answers whole.
    #[must_use]
    pub fn whole(self) -> Self {
        match self {
            Self::Converse | Self::ConverseStream => Self::Converse,
            Self::InvokeModel | Self::InvokeModelWithResponseStream => Self::InvokeModel,
        }
    }

    /// Does it answer with an event stream?
    pub fn is_stream(self) -> bool {
        match self {
            Self::ConverseStream | Self::InvokeModelWithResponseStream => true,
            Self::Converse | Self::InvokeModel => false,
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What its headers say.
    pub head: ReplyHead,
    /// The JSON body, byte for byte.
    pub body: Bytes,
}

/// What the headers of an answer say.
#[derive(Debug, Clone, Default)]
pub struct ReplyHead {
    /// `x-amzn-requestid`
    pub request_id: Option<String>,
    /// `x-amzn-bedrock-*-token-count`: the only usage some families give (plain InvokeModel replies).
    pub tokens: TokenCounts,
    /// `x-outcrop-simulated`: no model wrote this.
    pub simulated: bool,
}

/// An upstream's id of a call as it may be shown: of letters, digits and few signs, and no longer than an id is.
pub(super) fn request_id(told: &str) -> String {
    const LONGEST: usize = 128;
    let fits = |c: &char| c.is_ascii_alphanumeric() || "-_.:/+=".contains(*c);
    told.chars().filter(fits).take(LONGEST).collect()
}

/// Token counts from headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// `x-amzn-bedrock-input-token-count`
    pub input: Option<u64>,
    /// `x-amzn-bedrock-output-token-count`
    pub output: Option<u64>,
    /// `x-amzn-bedrock-cache-read-input-token-count`
    pub cache_read: Option<u64>,
    /// `x-amzn-bedrock-cache-write-input-token-count`
    pub cache_write: Option<u64>,
}

/// One event of an event stream. Exceptions never get here: they are errors of the stream.
#[derive(Debug, Clone)]
pub struct Frame {
    /// `:event-type`: `messageStart`, `contentBlockDelta`, `chunk` …
    pub event: Cow<'static, str>,
    /// The JSON payload. Of a `chunk` it is the model's own JSON, taken out of its base64 wrapping.
    pub payload: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstreams_id_is_short_and_plain() {
        for (told, shown) in [
            ("11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555555"),
            ("a b\tc\u{7f}é<script>", "abcscript"),
            (&"x".repeat(12_000), &"x".repeat(128)),
        ] {
            assert_eq!(request_id(told), shown);
        }
    }
}
