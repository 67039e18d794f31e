//! Label values. Their spelling is what dashboards and alerts are written against.

/// A label value that stands in our source: an error's kind, a retry's reason, a request parameter's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(&'static str);

impl Label {
    /// `value` in `snake_case`, one of a small closed set.
    pub const fn new(value: &'static str) -> Self {
        Self(value)
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&'static str> for Label {
    fn from(value: &'static str) -> Self {
        Self(value)
    }
}

/// What was asked of us, by route and never by path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `GET /v1/models` and `/v1/models/{id}`
    Models,
    /// Everything else, also what no route matched.
    Other,
}

impl Endpoint {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::Other => "other",
        }
    }
}

/// How a request ended, as its client would tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The whole answer went out.
    Completed,
    /// A 4xx: the client has to change something.
    Refused,
    /// A 5xx before the first byte of an answer.
    Failed,
    /// An error after the answer had begun.
    Interrupted,
    /// The client left first.
    Abandoned,
}

impl Outcome {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Abandoned => "abandoned",
        }
    }
}

/// `gen_ai.operation.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A chat completion.
    Chat,
    /// Embeddings.
    Embeddings,
}

impl Operation {
    /// The convention's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
        }
    }
}

/// `gen_ai.token.type`: `input` and `output` are the convention's; the cache's are what Envoy AI Gateway and
/// agentgateway add, in Bedrock's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// Read by the model and not from the cache.
    Input,
    /// Written by the model, reasoning included.
    Output,
    /// Input that came from the prompt cache.
    CacheRead,
    /// Input that went into the prompt cache.
    CacheWrite,
}

impl TokenType {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
        }
    }
}

/// When a client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disconnect {
    /// Before the first byte of the answer.
    BeforeAnswer,
    /// In the middle of it.
    MidAnswer,
}

impl Disconnect {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeAnswer => "before_answer",
            Self::MidAnswer => "mid_answer",
        }
    }
}

/// Why a request was turned away before anything was called for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TurnedAway {
    /// As many calls as may be are under way, and the line is full or too slow.
    Concurrency,
    /// The same, of one key's.
    KeyConcurrency,
    /// A key's requests of the minute.
    KeyRequests,
    /// A key's tokens of the minute.
    KeyTokens,
    /// Request bodies fill the memory that is theirs.
    BodyBytes,
    /// The process has used up what it may of its memory.
    Memory,
}

impl TurnedAway {
    /// The label; also the error's kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::KeyConcurrency => "key_concurrency",
            Self::KeyRequests => "key_requests",
            Self::KeyTokens => "key_tokens",
            Self::BodyBytes => "body_bytes",
            Self::Memory => "memory",
        }
    }
}

/// How waiting in the line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueOutcome {
    /// With a permit.
    Admitted,
    /// It took too long, or another needed the place more.
    Refused,
    /// The client left.
    Abandoned,
}

impl QueueOutcome {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What came of reading the configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reload {
    /// It is in force.
    Applied,
    /// It says what it said before.
    Unchanged,
    /// It is wrong, and what was in force stays so.
    Rejected,
}

impl Reload {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
        }
    }
}
