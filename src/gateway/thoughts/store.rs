//! What is kept, for how long and how much of it. It knows keys and bytes; whose and what they are is said above.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::chat::Reasoning;

/// How long signed thoughts are kept, and how much room they may take.
#[derive(Debug, Clone, Copy)]
pub struct ThoughtLimits {
    /// After their last use.
    pub ttl: Duration,
    /// All of them together, in bytes. What was used longest ago makes room, of the caller who holds the most.
    pub max_bytes: usize,
}

/// A hash of whose turn it is, and of its calls.
pub(super) type Key = [u8; 32];

/// What an entry costs beside its texts.
const OVERHEAD: usize = 256;

/// Who fills the store: callers share it. `None`: those without a key, all together.
pub(super) type Holder = Option<Arc<str>>;

/// The store.
///
/// Nobody's thoughts are driven out by another who holds more: room is made by whoever holds the most at that moment, so each
/// may hold as much as the others leave, and has at least an equal part.
///
/// Invariants: `bytes` is the sum over `entries`, and never above the limit; every entry's latest use stands in `uses`,
/// oldest first, so the first of them is also the first to expire. `shelves` has each holder with its bytes and its uses
/// likewise, and `heaviest` each of them by its bytes; who holds nothing is in neither.
#[derive(Debug)]
pub(super) struct Store {
    limits: ThoughtLimits,
    entries: HashMap<Key, Entry>,
    uses: Uses,
    next_use: u64,
    bytes: usize,
    shelves: HashMap<Holder, Shelf>,
    heaviest: BTreeSet<(usize, Holder)>,
}

#[derive(Debug)]
struct Entry {
    thoughts: Arc<[Reasoning]>,
    bytes: usize,
    last_use: u64,
    expires: Instant,
    holder: Holder,
}

/// What one holder has.
#[derive(Debug, Default)]
struct Shelf {
    bytes: usize,
    entries: usize,
    uses: Uses,
}

/// Uses of entries, oldest first; only an entry's latest counts.
#[derive(Debug, Default)]
struct Uses(VecDeque<(Key, u64)>);

impl Uses {
    fn push(&mut self, key: Key, at: u64, entries: &HashMap<Key, Entry>, live: usize) {
        self.0.push_back((key, at));
        // Most uses in the queue have been followed by another of the same entry: now and then these go.
        if self.0.len() > 64 + 2 * live {
            self.0.retain(|(key, at)| entries.get(key).is_some_and(|entry| entry.last_use == *at));
        }
    }

    /// The entry that was used longest ago.
    fn oldest(&mut self, entries: &HashMap<Key, Entry>) -> Option<Key> {
        while let Some((key, at)) = self.0.front() {
            if entries.get(key).is_some_and(|entry| entry.last_use == *at) {
                return Some(*key);
            }
            self.0.pop_front();
        }
        None
    }
}

impl Store {
    pub(super) fn new(limits: ThoughtLimits) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            uses: Uses::default(),
            next_use: 0,
            bytes: 0,
            shelves: HashMap::new(),
            heaviest: BTreeSet::new(),
        }
    }

    pub(super) fn limits(&self) -> ThoughtLimits {
        self.limits
    }

    pub(super) fn rebound(&mut self, limits: ThoughtLimits) {
        self.limits = limits;
    }

    /// Keeps them for their holder, if there is room for them at all.
    pub(super) fn put(&mut self, key: Key, holder: &Holder, thoughts: Vec<Reasoning>, now: Instant) {
        self.forget(&key);
        let bytes = thoughts.iter().map(size).sum::<usize>().saturating_add(OVERHEAD);
        if bytes > self.limits.max_bytes {
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.weigh(holder, |shelf| {
            shelf.bytes = shelf.bytes.saturating_add(bytes);
            shelf.entries += 1;
        });
        let holder = holder.clone();
        self.entries
            .insert(key, Entry { thoughts: thoughts.into(), bytes, last_use: 0, expires: now, holder });
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
        if let Some(Entry { bytes, holder, .. }) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(bytes);
            self.weigh(&holder, |shelf| {
                shelf.bytes = shelf.bytes.saturating_sub(bytes);
                shelf.entries = shelf.entries.saturating_sub(1);
            });
        }
    }

    /// Changes what a holder has, and its place among the others.
    fn weigh(&mut self, holder: &Holder, change: impl FnOnce(&mut Shelf)) {
        let own = self.shelves.entry(holder.clone()).or_default();
        let before = own.bytes;
        change(own);
        let (after, is_empty) = (own.bytes, own.entries == 0);
        let mut place = (before, holder.clone());
        self.heaviest.remove(&place);
        if is_empty {
            self.shelves.remove(holder);
        } else {
            place.0 = after;
            self.heaviest.insert(place);
        }
    }

    fn used(&mut self, key: &Key, now: Instant) {
        let live = self.entries.len();
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.next_use += 1;
        entry.last_use = self.next_use;
        entry.expires = now + self.limits.ttl;
        let holder = entry.holder.clone();
        self.uses.push(*key, self.next_use, &self.entries, live);
        if let Some(shelf) = self.shelves.get_mut(&holder) {
            shelf.uses.push(*key, self.next_use, &self.entries, shelf.entries);
        }
    }

    /// Drops what has expired, and of whoever holds the most what was used longest ago, until the rest fits.
    fn make_room(&mut self, now: Instant) {
        while let Some(key) = self.uses.oldest(&self.entries) {
            if self.entries.get(&key).is_none_or(|entry| entry.expires > now) {
                break;
            }
            self.forget(&key);
        }
        while self.bytes > self.limits.max_bytes {
            let heaviest = self.heaviest.last().and_then(|(_, holder)| self.shelves.get_mut(holder));
            let Some(key) = heaviest.and_then(|shelf| shelf.uses.oldest(&self.entries)) else { break };
            self.forget(&key);
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
            store.put(key(number), &None, thoughts(1000), now);
        }
        assert!(store.find(&key(0), now).is_some());
        store.put(key(3), &None, thoughts(1000), now);
        let found: Vec<_> = (0..4).filter(|number| store.find(&key(*number), now).is_some()).collect();
        assert_eq!(found, [0, 2, 3]);
    }

    #[test]
    fn what_is_too_large_for_the_whole_store_is_not_kept_and_drives_nothing_out() {
        let (mut store, now) = (store(), Instant::now());
        store.put(key(0), &None, thoughts(1000), now);
        store.put(key(1), &None, thoughts(5000), now);
        assert!(store.find(&key(0), now).is_some() && store.find(&key(1), now).is_none());
    }

    #[test]
    fn each_use_keeps_an_entry_for_another_while() {
        let (mut store, start) = (store(), Instant::now());
        store.put(key(0), &None, thoughts(10), start);
        store.put(key(1), &None, thoughts(10), start);
        let later = start + TTL / 2;
        assert!(store.find(&key(0), later).is_some());
        assert!(store.find(&key(1), start + TTL).is_none());
        assert!(store.find(&key(0), start + TTL).is_some());
        assert!(store.find(&key(0), start + TTL * 3).is_none());
        assert_eq!((store.bytes, store.entries.len(), store.uses.0.len()), (0, 0, 0));
    }

    #[test]
    fn whoever_holds_the_most_makes_room() {
        let (mut store, now) = (Store::new(ThoughtLimits { ttl: TTL, max_bytes: 6 * 1300 }), Instant::now());
        let [alice, bob, carol]: [Holder; 3] = ["alice", "bob", "carol"].map(|name| Some(name.into()));
        store.put(key(100), &bob, thoughts(1000), now);
        for number in 0..60 {
            store.put(key(number), &alice, thoughts(1000), now);
        }
        assert!(store.find(&key(100), now).is_some(), "the oldest of all, and its holder's only one");
        let left: Vec<_> = (0..60).filter(|number| store.find(&key(*number), now).is_some()).collect();
        assert_eq!(left, [55, 56, 57, 58, 59], "nobody else wants the room");
        // Those who come later have their parts, too, and nobody less than another.
        for number in 101..110 {
            store.put(key(number), &bob, thoughts(1000), now);
            store.put(key(number + 20), &carol, thoughts(1000), now);
        }
        let held = |holder: &Holder| store.shelves.get(holder).map_or(0, |shelf| shelf.entries);
        assert_eq!([&alice, &bob, &carol].map(held), [2, 2, 2]);
        let later = now + TTL;
        assert!(store.find(&key(59), later).is_none());
        assert!(store.shelves.is_empty() && store.heaviest.is_empty(), "who holds nothing leaves nothing");
    }

    #[test]
    fn what_is_put_again_by_another_is_that_ones() {
        let (mut store, now) = (store(), Instant::now());
        let other: Holder = Some("other".into());
        store.put(key(0), &None, thoughts(1000), now);
        store.put(key(0), &other, thoughts(1000), now);
        assert_eq!(store.shelves.keys().collect::<Vec<_>>(), [&other]);
    }

    proptest! {
        #[test]
        fn whatever_is_put_and_found_stays_within_bounds(
            steps in prop::collection::vec((0_u8..3, 0_u8..8, 0_u8..3, 0_usize..5000, 0_u64..20), 0..400),
        ) {
            let (mut store, mut now) = (store(), Instant::now());
            for (step, number, holder, length, seconds) in steps {
                now += Duration::from_secs(seconds);
                match step {
                    0 => {
                        let holder = (holder > 0).then(|| holder.to_string().into());
                        store.put(key(number), &holder, thoughts(length), now);
                    }
                    1 => drop(store.find(&key(number), now)),
                    _ => store.forget(&key(number)),
                }
                let sum: usize = store.entries.values().map(|entry| entry.bytes).sum();
                prop_assert_eq!(store.bytes, sum);
                prop_assert!(store.bytes <= 4000);
                prop_assert!(store.uses.0.len() <= 65 + 2 * store.entries.len());
                let by_weight: BTreeSet<_> =
                    store.shelves.iter().map(|(holder, shelf)| (shelf.bytes, holder.clone())).collect();
                prop_assert_eq!(&by_weight, &store.heaviest);
                for (holder, shelf) in &store.shelves {
                    let own: Vec<_> =
                        store.entries.values().filter(|entry| entry.holder == *holder).map(|entry| entry.bytes).collect();
                    prop_assert_eq!((shelf.bytes, shelf.entries), (own.iter().sum(), own.len()));
                    prop_assert!(shelf.entries > 0 && shelf.uses.0.len() <= 65 + 2 * shelf.entries);
                }
            }
        }
    }
}
