//! How many sockets this process may have.
//!
//! Running out of them hurts those who are already in: a connection that was accepted needs a second socket, to
//! Bedrock. So the number of connections stays well below the limit of open files.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For everything but clients and their calls: logs, listeners, operators, credentials, files that are fetched.
const RESERVED: u64 = 256;

/// The number of files, sockets among them, that this process may have open. `None`: any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit(Option<u64>);

impl FileLimit {
    /// The soft limit, after raising it to the hard one. Shells and service managers start programs with a soft limit of 1024
    /// for the sake of those that use `select(2)`; this one doesn't.
    pub fn raised() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current == maximum {
            return Self(current);
        }
        match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => Self(maximum),
            Err(error) => {
                tracing::warn!(%error, "cannot raise the limit of open files");
                Self(current)
            }
        }
    }

    /// As many connections as were asked for, or as there can be: of what isn't [`RESERVED`], half, since each
    /// connection may have a call of Bedrock under way. Never none.
    pub fn connections(self, asked: usize) -> usize {
        let Some(files) = self.0 else { return asked };
        let free = files - RESERVED.min(files / 2);
        usize::try_from(free / 2).map_or(asked, |most| most.clamp(1, asked.max(1)))
    }
}

impl fmt::Display for FileLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(files) => files.fmt(f),
            None => f.write_str("unlimited"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_once_and_for_all() {
        let raised = FileLimit::raised();
        assert_eq!(raised, FileLimit(getrlimit(Resource::Nofile).maximum));
        assert_eq!(raised, FileLimit::raised());
    }

    #[test]
    fn connections_leave_room_for_their_calls_and_for_the_rest() {
        for (files, asked, connections) in [
            (None, 10_000, 10_000),
            (Some(1 << 20), 10_000, 10_000),
            (Some(1024), 10_000, 384),
            (Some(1024), 100, 100),
            (Some(512), 10_000, 128),
            (Some(100), 10_000, 25),
            (Some(1), 10_000, 1),
        ] {
            assert_eq!(FileLimit(files).connections(asked), connections, "{files:?}");
        }
    }
}
