//! Why something was not fetched: little for the client, more for the counters.
//!
//! A client chooses the URL and reads the error. Were there one text for a name that doesn't exist and another for a port
//! that is closed, it could map the network behind us by asking. So all that depends on the network is one sentence
//! ([`FetchError::Unavailable`]), and [`FetchError::label`] keeps the difference for the operator. What can be told from
//! the URL alone is told.

use super::content::Kind;

/// Why something was not fetched. `Display` is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// By the URL alone; nothing was looked up.
    #[error("the URL is not one that this server fetches: {0}")]
    Refused(Refusal),
    /// Anything that depends on the network.
    #[error("the URL could not be fetched")]
    Unavailable(Cause),
    /// Larger than is allowed, alone or with what was fetched before it.
    #[error("what the URL leads to is too large: at most {max} bytes are fetched")]
    TooLarge {
        /// The bound that was passed.
        max: usize,
    },
    /// The first bytes say that it is something else.
    #[error("what the URL leads to is not {}", .0.expected())]
    WrongKind(Kind),
    /// More URLs than one request may have.
    #[error("too many URLs: at most {max} are fetched for a request")]
    TooMany {
        /// The bound.
        max: usize,
    },
    /// As much is being fetched as this process may.
    #[error("the server is busy fetching for others")]
    Busy,
}

impl FetchError {
    /// What to count it as: one of a closed set.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused_url",
            Self::Unavailable(cause) => cause.label(),
            Self::TooLarge { .. } => "too_large",
            Self::WrongKind(_) => "wrong_kind",
            Self::TooMany { .. } => "too_many",
            Self::Busy => "busy",
        }
    }
}

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an absolute URL, or one that parsers disagree on.
    #[error("it is not a valid URL")]
    Malformed,
    /// Neither https nor, where it is allowed, http.
    #[error("its scheme is not allowed")]
    Scheme,
    /// A user or a password.
    #[error("it has a user or password")]
    Userinfo,
    /// Neither the scheme's own nor one that is allowed.
    #[error("its port is not allowed")]
    Port,
    /// Not on the list.
    #[error("its host is not allowed")]
    Host,
}

/// What went wrong on the network. Never for a client to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The host has an address that isn't public.
    Address,
    /// The name has no address.
    Unresolved,
    /// No connection.
    Unconnected,
    /// No TLS, or not with whom it should be.
    Tls,
    /// Something that isn't HTTP, or that ended too early.
    Broken,
    /// Another status than 200.
    Status,
    /// A compressed body, though none was asked for.
    Encoded,
    /// Too many redirects.
    Redirects,
    /// A redirect to a URL that wouldn't be fetched either.
    Redirect,
    /// It took too long.
    TimedOut,
}

impl Cause {
    fn label(self) -> &'static str {
        match self {
            Self::Address => "refused_address",
            Self::Unresolved => "unresolved",
            Self::Unconnected => "unconnected",
            Self::Tls => "tls",
            Self::Broken => "broken",
            Self::Status => "status",
            Self::Encoded => "encoded",
            Self::Redirects => "redirects",
            Self::Redirect => "refused_redirect",
            Self::TimedOut => "timed_out",
        }
    }
}

impl From<Cause> for FetchError {
    fn from(cause: Cause) -> Self {
        Self::Unavailable(cause)
    }
}
