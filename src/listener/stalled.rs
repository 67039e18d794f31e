//! Connections whose clients don't read, for whoever needs the memory that their answers are waiting in.
//!
//! A connection enters itself when a write of its own is blocked for the first time, and leaves when it ends: one that never
//! waits for its client costs nothing here. Since when each is blocked is its clock's to know, and asked only when it matters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::SharedClock;

/// The connections of one listener on which a write has ever been blocked. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Stalled(Arc<Mutex<HashMap<usize, SharedClock>>>);

impl Stalled {
    /// Of the connections whose clients have taken nothing for so long, resets the half that has been so for longer, one at
    /// least. With each goes what it was answered, and the call behind that. Tells how many; one that is read from before its
    /// turn to close comes is spared all the same.
    pub fn cut_half(&self, stalled_for: Duration) -> usize {
        let now = Instant::now();
        let mut stalled: Vec<(Instant, SharedClock)> = {
            let places = self.lock();
            let since = |clock: &SharedClock| clock.lock().stalled_since();
            let stalled = places.values().filter_map(|clock| Some((since(clock)?, clock.clone())));
            stalled.filter(|(since, _)| now.saturating_duration_since(*since) >= stalled_for).collect()
        };
        stalled.sort_unstable_by_key(|(since, _)| *since);
        stalled.truncate(stalled.len().div_ceil(2));
        for (_, clock) in &stalled {
            clock.lock().cut();
        }
        stalled.len()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, SharedClock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among them.
#[derive(Debug)]
pub(super) struct Place {
    stalled: Stalled,
    taken: Option<usize>,
}

impl Place {
    pub(super) fn new(stalled: Stalled) -> Self {
        Self { stalled, taken: None }
    }

    /// Takes it, unless that was done before.
    pub(super) fn take(&mut self, clock: &SharedClock) {
        if self.taken.is_none() {
            // No other clock is there while the place holds this one.
            let key = clock.address();
            self.stalled.lock().insert(key, clock.clone());
            self.taken = Some(key);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(key) = self.taken {
            self.stalled.lock().remove(&key);
        }
    }
}

/// What a request came in by: among its extensions, for those who have to tell why its answer ended.
#[derive(Clone, Debug)]
pub struct Connection(pub(super) SharedClock);

impl Connection {
    /// Whether it is being closed for its memory ([`Stalled::cut_half`]), and not by its client.
    pub fn was_cut(&self) -> bool {
        self.0.lock().was_cut()
    }
}
