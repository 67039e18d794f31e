//! The prompt cache: which prefixes this simulator has seen, and what a request reads and writes of them.

use super::lock;
use super::models::{Format, Model};
use super::turn::Turn;
use std::collections::HashSet;
use std::sync::Mutex;

/// How many blocks before a checkpoint Claude looks for an older one.
const LOOK_BACK: usize = 20;

/// A beginning of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) tokens: u64,
    pub(super) digest: [u8; 32],
}

/// A place in the prompt up to which it shall be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// How many of the turn's prefixes end before it.
    pub(super) prefixes: usize,
    /// For an hour rather than five minutes.
    pub(super) hour: bool,
}

/// What a request took from the cache and left in it, in tokens.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cached {
    pub(super) read: u64,
    pub(super) written: u64,
    /// As many of those written as stay for an hour.
    pub(super) written_hour: u64,
}

/// The prefixes seen so far, by model. They never expire: the simulator has no clock.
#[derive(Debug, Default)]
pub(super) struct Cache {
    seen: Mutex<HashSet<(&'static str, [u8; 32])>>,
}

impl Cache {
    /// Reads the longest known prefix and writes the longer ones; none if the turn has no checkpoint.
    pub(super) fn visit(&self, model: &Model, turn: &Turn) -> Option<Cached> {
        let least = model.least_cached()?;
        if turn.checkpoints.is_empty() {
            return None;
        }
        let mut cached = Cached::default();
        let mut seen = lock(&self.seen);
        let look_back = if model.facts.format == Format::Claude { LOOK_BACK } else { 1 };
        for checkpoint in &turn.checkpoints {
            let before = turn.prefixes.get(..checkpoint.prefixes).unwrap_or_default();
            let known =
                before.iter().rev().take(look_back).find(|prefix| seen.contains(&(model.id, prefix.digest)));
            if let Some(known) = known {
                cached.read = cached.read.max(known.tokens);
            }
        }
        let mut reached = cached.read;
        for checkpoint in &turn.checkpoints {
            let before = turn.prefixes.get(..checkpoint.prefixes).unwrap_or_default();
            let Some(end) = before.last().filter(|end| end.tokens >= least) else { continue };
            seen.insert((model.id, end.digest));
            let new = end.tokens.saturating_sub(reached);
            cached.written = cached.written.saturating_add(new);
            if checkpoint.hour {
                cached.written_hour = cached.written_hour.saturating_add(new);
            }
            reached = reached.max(end.tokens);
        }
        Some(cached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::models::find;

    fn turn(texts: &[(usize, Option<bool>)]) -> Turn {
        let mut turn = Turn::default();
        for (tokens, checkpoint) in texts {
            turn.hear(&"four".repeat(*tokens), false);
            if let Some(hour) = checkpoint {
                turn.checkpoint(*hour);
            }
        }
        turn
    }

    #[test]
    fn a_prefix_is_written_once_and_read_ever_after() {
        let cache = Cache::default();
        let model = find("anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap().model;
        let first = turn(&[(2000, Some(true)), (1000, Some(false)), (10, None)]);
        assert_eq!(cache.visit(model, &first), Some(Cached { read: 0, written: 3000, written_hour: 2000 }));
        assert_eq!(cache.visit(model, &first), Some(Cached { read: 3000, written: 0, written_hour: 0 }));
        let grown = turn(&[(2000, Some(true)), (1000, None), (10, None), (500, Some(false))]);
        assert_eq!(cache.visit(model, &grown), Some(Cached { read: 3000, written: 510, written_hour: 0 }));
        let other = turn(&[(2001, Some(false))]);
        assert_eq!(cache.visit(model, &other).unwrap().read, 0);
        let opus = find("anthropic.claude-opus-4-8").unwrap().model;
        assert_eq!(cache.visit(opus, &first).unwrap().read, 0);
    }

    #[test]
    fn what_is_too_short_or_asks_for_nothing_is_not_cached() {
        let cache = Cache::default();
        let model = find("anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap().model;
        assert_eq!(cache.visit(model, &turn(&[(1023, Some(false))])), Some(Cached::default()));
        assert_eq!(cache.visit(model, &turn(&[(1023, Some(false))])), Some(Cached::default()));
        assert_eq!(cache.visit(model, &turn(&[(5000, None)])), None);
        let llama = find("meta.llama3-3-70b-instruct-v1:0").unwrap().model;
        assert_eq!(cache.visit(llama, &turn(&[(5000, Some(false))])), None);
    }
}
