//! What is kept, for how long and how much of it. It knows keys and bytes; whose and what they are is said above.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::chat::Reasoning;

/// How long signed thoughts are kept, and how much room they may take.
#[derive(Debug, Clone, Copy)]
pub struct ThoughtLimits {
    /// After their last use.
    pub ttl: Duration,
    /// All of them together, in bytes. What was used longest ago makes room.
    pub max_bytes: usize,
}

/// A hash of whose turn it is, and of its calls.
pub(super) type Key = [u8; 32];

/// What an entry costs beside its texts.
const OVERHEAD: usize = 256;

/// The store.
///
/// Invariants: `bytes` is the sum over `entries`, and never above the limit; every entry's latest use stands in `uses`,
/// oldest first, so the first of them is also the first to expire.
#[derive(Debug)]
pub(super) struct Store {
    limits: ThoughtLimits,
    entries: HashMap<Key, Entry>,
    uses: VecDeque<(Key, u64)>,
    next_use: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    thoughts: Arc<[Reasoning]>,
    bytes: usize,
    last_use: u64,
    expires: Instant,
}

impl Store {
    pub(super) fn new(limits: ThoughtLimits) -> Self {
        Self { limits, entries: HashMap::new(), uses: VecDeque::new(), next_use: 0, bytes: 0 }
    }

    pub(super) fn limits(&self) -> ThoughtLimits {
        self.limits
    }

    pub(super) fn rebound(&mut self, limits: ThoughtLimits) {
        self.limits = limits;
    }

    /// Keeps them, if there is room for them at all.
    pub(super) fn put(&mut self, key: Key, thoughts: Vec<Reasoning>, now: Instant) {
        self.forget(&key);
        let bytes = thoughts.iter().map(size).sum::<usize>().saturating_add(OVERHEAD);
        if bytes > self.limits.max_bytes {
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        let entry = Entry { thoughts: thoughts.into(), bytes, last_use: 0, expires: now };
        self.entries.insert(key, entry);
        self.used(&key, now);
        self.make_room(now);
    }

    /// Gives them, and counts as a use.
    pub(super) fn find(&mut self, key: &Key, now: Instant) -> Option<Arc<[Reasoning]>> {
        self.make_room(now);
        let thoughts = Arc::clone(&self.entries.get(key)?.thoughts);
        self.used(key, now);
        Some(thoughts)
    }

    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
    }

    fn used(&mut self, key: &Key, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.next_use += 1;
        entry.last_use = self.next_use;
        entry.expires = now + self.limits.ttl;
        self.uses.push_back((*key, self.next_use));
        // Most uses in the queue have been followed by another of the same entry: now and then these go.
        if self.uses.len() > 64 + 2 * self.entries.len() {
            let entries = &self.entries;
            self.uses.retain(|(key, at)| entries.get(key).is_some_and(|entry| entry.last_use == *at));
        }
    }

    /// Drops what has expired, and what was used longest ago until the rest fits.
    fn make_room(&mut self, now: Instant) {
        while let Some((key, at)) = self.uses.front() {
            match self.entries.get(key) {
                Some(entry) if entry.last_use == *at => {
                    if entry.expires > now && self.bytes <= self.limits.max_bytes {
                        break;
                    }
                    let key = *key;
                    self.forget(&key);
                }
                Some(_) | None => {}
            }
            self.uses.pop_front();
        }
    }
}

fn size(thought: &Reasoning) -> usize {
    let Reasoning { text, signature, redacted } = thought;
    let optional = [signature, redacted].into_iter().flatten().map(|text| text.as_json().len());
    optional.sum::<usize>() + text.as_json().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::Text;

    const TTL: Duration = Duration::from_mins(1);

    fn thoughts(length: usize) -> Vec<Reasoning> {
        vec![Reasoning { text: Text::new(&"x".repeat(length)), signature: None, redacted: None }]
    }

    fn key(number: u8) -> Key {
        [number; 32]
    }

    /// Room for three of 1000 bytes each.
    fn store() -> Store {
        Store::new(ThoughtLimits { ttl: TTL, max_bytes: 4000 })
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let (mut store, now) = (store(), Instant::now());
        for number in 0..3 {
            store.put(key(number), thoughts(1000), now);
        }
        assert!(store.find(&key(0), now).is_some());
        store.put(key(3), thoughts(1000), now);
        let found: Vec<_> = (0..4).filter(|number| store.find(&key(*number), now).is_some()).collect();
        assert_eq!(found, [0, 2, 3]);
    }

    #[test]
    fn what_is_too_large_for_the_whole_store_is_not_kept_and_drives_nothing_out() {
        let (mut store, now) = (store(), Instant::now());
        store.put(key(0), thoughts(1000), now);
        store.put(key(1), thoughts(5000), now);
        assert!(store.find(&key(0), now).is_some() && store.find(&key(1), now).is_none());
    }

    #[test]
    fn each_use_keeps_an_entry_for_another_while() {
        let (mut store, start) = (store(), Instant::now());
        store.put(key(0), thoughts(10), start);
        store.put(key(1), thoughts(10), start);
        let later = start + TTL / 2;
        assert!(store.find(&key(0), later).is_some());
        assert!(store.find(&key(1), start + TTL).is_none());
        assert!(store.find(&key(0), start + TTL).is_some());
        assert!(store.find(&key(0), start + TTL * 3).is_none());
        assert_eq!((store.bytes, store.entries.len(), store.uses.len()), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn whatever_is_put_and_found_stays_within_bounds(
            steps in prop::collection::vec((0_u8..3, 0_u8..8, 0_usize..5000, 0_u64..20), 0..400),
        ) {
            let (mut store, mut now) = (store(), Instant::now());
            for (step, number, length, seconds) in steps {
                now += Duration::from_secs(seconds);
                match step {
                    0 => store.put(key(number), thoughts(length), now),
                    1 => drop(store.find(&key(number), now)),
                    _ => store.forget(&key(number)),
                }
                let sum: usize = store.entries.values().map(|entry| entry.bytes).sum();
                prop_assert_eq!(store.bytes, sum);
                prop_assert!(store.bytes <= 4000);
                prop_assert!(store.uses.len() <= 65 + 2 * store.entries.len());
            }
        }
    }
}
