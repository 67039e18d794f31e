//! What can be wrong with a configuration, where it was written, and how to mend it.

use std::fmt;
use std::sync::Arc;

/// Every mistake found: those of the file from top to bottom, then variables, then flags. Never empty.
#[derive(Debug)]
pub struct Errors(pub Vec<Error>);

impl std::error::Error for Errors {}

/// One line an error.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// One mistake: `outcrop.yaml:3:5: server.listen: …`.
#[derive(Debug)]
pub struct Error {
    /// Where the wrong value was written.
    pub place: Place,
    /// The key, its parents first, joined by dots. Empty when the mistake isn't about a key.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
}

impl Error {
    /// The order to list errors in: by origin, then by place.
    pub(super) fn position(&self) -> (u8, u64, u64) {
        let origin = match self.place.origin {
            Origin::Default => 0,
            Origin::File(_) => 1,
            Origin::Env(_) => 2,
            Origin::Flag(_) => 3,
        };
        (origin, self.place.line, self.place.column)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, path, problem } = self;
        if path.is_empty() {
            write!(f, "{place}: {problem}")
        } else {
            write!(f, "{place}: {path}: {problem}")
        }
    }
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, variable or flag.
    pub origin: Origin,
    /// Line in the file, from 1; 0 where lines mean nothing.
    pub line: u64,
    /// Column in the line, in characters, from 1.
    pub column: u64,
}

impl Place {
    /// The whole of an origin that has no lines worth naming.
    pub(super) fn whole(origin: Origin) -> Self {
        Self { origin, line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(_) | Origin::Default if self.line > 0 => {
                write!(f, "{}:{}:{}", self.origin, self.line, self.column)
            }
            Origin::File(_) | Origin::Default | Origin::Env(_) | Origin::Flag(_) => {
                write!(f, "{}", self.origin)
            }
        }
    }
}

/// What a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file, by its path.
    File(Arc<str>),
    /// An environment variable, by its name.
    Env(Arc<str>),
    /// A command-line flag, as it is typed.
    Flag(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(name) | Self::Env(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// What is wrong. The text is for the operator: it says what was found, what belongs there, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation, and every variant has one")]
pub enum Problem {
    #[error("can't be read: {0}")]
    Unreadable(String),
    #[error("{0}")]
    Syntax(String),
    #[error("unknown key{}{}", did_you_mean(nearest.as_deref()), and_hint(*hint))]
    UnknownKey { nearest: Option<String>, hint: Option<&'static str> },
    #[error("unknown variable{}", did_you_mean(nearest.as_deref()))]
    UnknownVariable { nearest: Option<String> },
    #[error("the value isn't UTF-8")]
    NotUnicode,
    #[error("expected {expected}, found {found}")]
    WrongType { expected: &'static str, found: &'static str },
    #[error("{found:?} isn't {expected}")]
    Invalid { found: String, expected: String },
    #[error("is missing")]
    Missing,
    #[error("must not hold a user or password")]
    UrlCredentials,
    #[error("must not be empty")]
    Empty,
    #[error("isn't a SHA-256 digest: 64 hexadecimal digits; `outcrop keys new` makes a key with its digest")]
    NotDigest,
    #[error("{0} is set as well: keep one of the two")]
    SetTwice(String),
    #[error("must be more than 0")]
    NotPositive,
    #[error(
        "the same address as server.listen: give it a port of its own, or leave it out to share the listener"
    )]
    SharedListener,
    #[error("TLS needs both server.tls.cert and server.tls.key")]
    IncompleteTls,
    #[error(
        "{0} can be reached from other machines, and no key is configured: set OUTCROP_API_KEY, add a key to \
         auth.keys (`outcrop keys new` makes one), or set auth.mode to none if something in front checks callers"
    )]
    OpenToNetwork(std::net::SocketAddr),
    #[error(
        "needs at least one key: set OUTCROP_API_KEY or add one to auth.keys (`outcrop keys new` makes one)"
    )]
    NoKeys,
    #[error("would leave the configured keys unchecked: remove the keys, or set auth.mode to keys")]
    KeysUnused,
    #[error("a second key with the id {0:?}: ids tell keys apart in logs and limits")]
    DuplicateKeyId(String),
    #[error("the same key as {0:?}: two ids for one key can't be told apart")]
    DuplicateKey(String),
    #[error("needs {0} as well: credentials are given whole or not at all")]
    IncompleteCredentials(String),
    #[error(
        "needs one of profile, role_arn, access_key_id (with secret_access_key) and bearer_token: how shall its credentials be had?"
    )]
    NoCredentialsOfAccount,
    #[error("{0} is set as well: an account's credentials are had in one way")]
    TwoSources(&'static str),
    #[error("goes with role_arn only")]
    OnlyWithRole,
    #[error("there is no account {0:?} in accounts")]
    UnknownAccount(String),
    #[error("the account {0:?} has a bearer_token, which can't assume a role")]
    SourceWithoutCredentials(String),
    #[error("{0:?} needs this account's credentials itself: one of the circle needs another source")]
    CircularSource(String),
    #[error("less than retry.base_delay")]
    BackoffOrder,
    #[error("less than breaker.open")]
    BreakerOrder,
    #[error("less than fetch.max_bytes")]
    TotalBelowOne,
    #[error("less than server.body_limit: a request of that length could never be taken")]
    BodiesBelowOne,
    #[error(
        "would leave the key no model: name those that it may use (* is any text), or leave `models` out to let it use all"
    )]
    NoModels,
    #[error("less than limits.memory_percent: streams would be closed while new calls are taken")]
    EmergencyOrder,
    #[error("auth.keys has no key with this id{}", did_you_mean(nearest.as_deref()))]
    NoSuchKey { nearest: Option<String> },
    #[error("an alias needs a target: `target: <model id or ARN>`")]
    NoTarget,
    #[error("there is a list of `targets`; `target` belongs into it")]
    TargetAndTargets,
    #[error("a list of targets has at least one and at most {0}")]
    TargetCount(usize),
    #[error("{0:?} is another alias: name the model id or ARN that it stands for")]
    AliasOfAlias(String),
    #[error(
        "the ARN {0} doesn't say which model is behind it: add `family`, such as anthropic, llama or nova"
    )]
    OpaqueArn(String),
    #[error(
        "the ARN {0} doesn't say which model is behind it: make it the target of an alias in models, with a `family`"
    )]
    OpaqueDefault(String),
    #[error(
        "says nothing at all, as a file that was emptied: write `{{}}` if that is meant, or leave the file out"
    )]
    SaysNothing,
    #[error("has no value, and the file ends here, as one that was cut: write `null` if that is meant")]
    EndsWithoutValue,
    #[error(
        "the file ends with a key of which it doesn't say what models it may use, as one that was cut: add \
         `models: [\"*\"]` if it may use all, or end the file with a line `...`"
    )]
    EndsWithKey,
    #[error("others may read it (mode {0:04o}), and it holds secrets: chmod 600")]
    SecretsReadable(u32),
    #[error("others may write it (mode {0:04o}), and so decide who may call and what: chmod 600")]
    Writable(u32),
    #[error("was emptied, and said something before")]
    Emptied,
    #[error("ends in the middle of a line, as a file that is half written")]
    CutLine,
    #[error(
        "is the beginning of what it was before and no more, as a file that was cut: if that is meant, end it with a line `...`"
    )]
    Cut,
    #[error("holds the beginning of the secret that it held before")]
    CutSecret,
    #[error(
        "there were keys, and now everybody could call: nothing but a restart takes the need for a key away"
    )]
    KeysGone,
    #[error(
        "the key {0:?} had a list of models, and now has none: write `models: [\"*\"]` if it may use all, or restart"
    )]
    ModelsGone(String),
    #[error("was set, and is left out now: only a restart lifts this restriction")]
    RestrictionGone,
    #[error("{found:?} isn't {expected}: the AWS SDK would crash on it")]
    SdkPanics { found: String, expected: &'static str },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

fn and_hint(hint: Option<&'static str>) -> String {
    hint.map(|hint| format!(": {hint}")).unwrap_or_default()
}
