//! Whose fault a failure is: what it says of the target, and whether another target may help.

use super::breaker::Heard;
use super::{Fault, Phase};
use crate::bedrock::ErrorKind;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The request's: no other target would take it either, or shouldn't be asked to.
    Request,
    /// The gateway's own, or that of the time that the client gave, or of something that only the request names. It says
    /// nothing of the target.
    Here,
    /// The request's or the target's, nobody knows: it isn't held against the target.
    Unclear,
    /// The gateway's: as much is being done at the target as may be.
    Full,
    /// The target has too much to do.
    Busy,
    /// The target has failed, and may not fail again at once.
    Flaky,
    /// The target has taken too long. Another one may as well, and time passes: once is enough.
    Slow,
    /// The target can't do it, and won't be able to in a moment.
    Out,
}

impl Blame {
    /// What it is for a failure.
    pub(super) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Invalid(_) | Fault::Model(_) => Self::Request,
            Fault::Internal(_) | Fault::Deadline(Phase::Total, _) => Self::Here,
            Fault::Overloaded => Self::Full,
            Fault::Deadline(Phase::FirstEvent | Phase::Idle | Phase::Reply, _) => Self::Slow,
            Fault::Upstream(_) | Fault::Protocol(_) | Fault::Assemble(_) => {
                fault.kind().map_or(Self::Here, Self::of_kind)
            }
        }
    }

    /// What it is if the request names resources of its own: what is denied then may be those.
    pub(super) fn with_own_resources(self, fault: &Fault) -> Self {
        match fault.kind() {
            Some(ErrorKind::AccessDenied | ErrorKind::NotFound) => Self::Unclear,
            Some(_) | None => self,
        }
    }

    fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Validation
            | ErrorKind::ContextLength
            | ErrorKind::UnsupportedFeature
            | ErrorKind::ModelRefused => Self::Request,
            ErrorKind::Unsendable | ErrorKind::ResourceRefused => Self::Here,
            ErrorKind::InvalidOutput | ErrorKind::Oversized => Self::Unclear,
            ErrorKind::Throttled => Self::Busy,
            ErrorKind::Unreachable
            | ErrorKind::Internal
            | ErrorKind::ModelError
            | ErrorKind::StreamError
            | ErrorKind::Malformed => Self::Flaky,
            ErrorKind::ModelTimeout | ErrorKind::Timeout => Self::Slow,
            ErrorKind::NoCredentials
            | ErrorKind::CredentialsRefused
            | ErrorKind::ClockSkew
            | ErrorKind::AccessDenied
            | ErrorKind::AccessPending
            | ErrorKind::UnknownModel
            | ErrorKind::ProfileRequired
            | ErrorKind::NotFound
            | ErrorKind::QuotaExceeded
            | ErrorKind::DailyQuota
            | ErrorKind::ModelNotReady
            | ErrorKind::Unavailable => Self::Out,
        }
    }

    /// What the target's breaker is told; nothing where it has said nothing.
    pub(super) fn heard(self) -> Option<Heard> {
        match self {
            Self::Request => Some(Heard::Good),
            Self::Busy => Some(Heard::Busy),
            Self::Flaky | Self::Slow | Self::Out => Some(Heard::Bad),
            Self::Here | Self::Unclear | Self::Full => None,
        }
    }

    /// May another target be tried?
    pub(super) fn moves_on(self) -> bool {
        match self {
            Self::Request | Self::Here => false,
            Self::Unclear | Self::Full | Self::Busy | Self::Flaky | Self::Slow | Self::Out => true,
        }
    }

    /// With another target to go to, is it better to go there than to try again here?
    pub(super) fn moves_at_once(self) -> bool {
        self.moves_on() && !matches!(self, Self::Flaky | Self::Unclear)
    }
}
