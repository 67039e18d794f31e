//! Bytes that are held at once.

use super::sync::{Arc, AtomicUsize, Ordering};

/// A number of bytes that all shares together stay within.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

impl Budget {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self { limit: limit.unwrap_or(usize::MAX), taken: Arc::default() }
    }

    /// With another limit; what is taken stays taken.
    pub(super) fn with_limit(&self, limit: Option<usize>) -> Self {
        Self { taken: Arc::clone(&self.taken), ..Self::new(limit) }
    }

    pub(super) fn has_room(&self, bytes: u64) -> bool {
        let free = self.limit.saturating_sub(self.taken.load(Ordering::Relaxed));
        bytes <= free as u64
    }

    pub(super) fn share(&self) -> Share {
        Share { limit: self.limit, taken: Arc::clone(&self.taken), own: 0 }
    }
}

/// Bytes that one request holds; given back on drop.
#[derive(Debug)]
pub struct Share {
    limit: usize,
    taken: Arc<AtomicUsize>,
    own: usize,
}

impl Share {
    /// Holds so many more. False if they aren't to be had; then it holds what it held.
    #[must_use = "bytes that aren't to be had must not be held"]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let grown = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.limit);
        // A mere count: nothing is read on the strength of it.
        let done = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        if done {
            self.own += bytes;
        }
        done
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.own, Ordering::Relaxed);
    }
}
