//! HOW MUCH AT ONCE: who may go on, who waits, who is turned away.
//!
//! Four bounds. *Permits* bound the calls under way, in all and for each key, with a short line before them
//! (`line`, pure; `gate`, where tasks wait). *Turns* share the threads that work on long requests in the same way. *Rates*
//! bound calls and tokens a minute for each key (`bucket`). The *budget* bounds the bytes of request bodies in memory. What is taken is given back on drop, so it can ride in an
//! answer's body. The clock is passed in, and nothing here knows HTTP or what a request says. It names nothing else in the
//! crate; `http` and `app` may name it.

mod bucket;
mod budget;
mod gate;
mod line;
mod sync;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bucket::Bucket;
use budget::Budget;
use gate::Gate;
use line::Bound;

pub use bucket::Level;
pub use budget::Share;
pub use gate::{Entry, Permit, Waiting};
pub use line::Refusal;

/// What is bounded. `None` bounds nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Calls under way at once.
    pub concurrency: Option<usize>,
    /// Calls that may wait for a permit.
    pub queue_length: usize,
    /// How long each may wait.
    pub queue_wait: Duration,
    /// Bytes of request bodies in memory at once.
    pub body_bytes: Option<usize>,
    /// Long requests that are worked on at once.
    pub turns: usize,
}

/// The bounds of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// Its calls under way at once.
    pub concurrency: Option<usize>,
    /// Its requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Its tokens a minute.
    pub tokens_per_minute: Option<u32>,
}

/// All bounds and what is taken of them. Clones are the same.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    queue_wait: Duration,
    gate: Gate,
    turns: Gate,
    budget: Budget,
    keys: HashMap<Box<str>, Key>,
    /// Keys that were taken out. Their calls go on, and coming back is no free refill. Who has nothing under way and all of its
    /// allowances is forgotten at the next change.
    former: HashMap<Box<str>, Key>,
    /// Who shows no key, where none is needed: all of them together.
    nobody: Key,
    /// The concurrency of each place in the lines, those of former keys included. What a forgotten key leaves is a new one's.
    places: Vec<Option<usize>>,
}

/// A key among the others. There are as many as the configuration names: a stranger's makes no entry.
#[derive(Clone)]
pub struct Key {
    /// Its place in the line.
    index: usize,
    rates: Arc<Mutex<Rates>>,
}

struct Rates {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// A minute's allowance is used up. Come back when there is enough again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// How long that takes.
    pub wait: Duration,
}

/// What is left of a key's minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels {
    /// Of requests, if they are bounded.
    pub requests: Option<Level>,
    /// Of tokens, if they are bounded.
    pub tokens: Option<Level>,
}

impl Limits {
    /// Nothing taken. `keys` are all that can ever come in, `nobody` who comes in without.
    pub fn new(settings: &Settings, nobody: KeyLimits, keys: Vec<(String, KeyLimits)>, now: Instant) -> Self {
        let Settings { concurrency, queue_length, queue_wait, body_bytes, turns } = *settings;
        let shared = are_several(&keys);
        let places: Vec<_> = [nobody.concurrency]
            .into_iter()
            .chain(keys.iter().map(|(_, limits)| limits.concurrency))
            .collect();
        let gate = Gate::new(concurrency, queue_length, slots(&places, shared));
        let turns = Gate::new(Some(turns), usize::MAX, turns_of(&places, turns, shared));
        let keys = keys
            .into_iter()
            .zip(1..)
            .map(|((name, limits), index)| (name.into_boxed_str(), Key::new(index, limits, now)))
            .collect();
        let nobody = Key::new(0, nobody, now);
        Self(Arc::new(Inner {
            queue_wait,
            gate,
            turns,
            budget: Budget::new(body_bytes, shared),
            keys,
            former: HashMap::new(),
            nobody,
            places,
        }))
    }

    /// With other bounds, and all that is taken of these: permits, places in the line, allowances that are used up, bytes. What is
    /// held stays held, even beyond a bound that has become lower. A key is the same if its name is.
    #[must_use = "this stays as it is, and what both share follows the new bounds"]
    pub fn continued(
        &self,
        settings: &Settings,
        nobody: KeyLimits,
        keys: Vec<(String, KeyLimits)>,
        now: Instant,
    ) -> Self {
        let Settings { concurrency, queue_length, queue_wait, body_bytes, turns: most_turns } = *settings;
        let before = &*self.0;
        let shared = are_several(&keys);
        let names: HashSet<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
        // Those that are still in may be taking something at this moment, and are looked at the next time.
        let is_out = |key: &Key| before.gate.is_empty_for(key.index) && before.turns.is_empty_for(key.index);
        let stays = |key: &Key| !(key.is_unused(now) && is_out(key));
        let earlier = before.former.iter().filter(|(_, key)| stays(key));
        let gone = before.keys.iter().chain(earlier).filter(|(name, _)| !names.contains(&***name));
        let former: HashMap<Box<str>, Key> = gone.map(|(name, key)| (name.clone(), key.clone())).collect();
        let mut places = before.places.clone();
        let taken: HashSet<usize> =
            before.keys.values().chain(former.values()).map(|key| key.index).collect();
        let back =
            before.former.iter().filter(|(name, _)| names.contains(&***name)).map(|(_, key)| key.index);
        let taken: HashSet<usize> = taken.into_iter().chain(back).chain([before.nobody.index]).collect();
        let mut free = (0..places.len()).filter(|place| !taken.contains(place));
        let known: HashMap<Box<str>, Key> = keys
            .into_iter()
            .map(|(name, limits)| {
                let known = before.keys.get(name.as_str()).or_else(|| before.former.get(name.as_str()));
                let key = match known {
                    Some(key) => key.rebound(limits, now),
                    None => Key::new(free.next().unwrap_or(places.len()), limits, now),
                };
                match places.get_mut(key.index) {
                    Some(place) => *place = limits.concurrency,
                    None => places.push(limits.concurrency),
                }
                (name.into_boxed_str(), key)
            })
            .collect();
        let nobody_key = before.nobody.rebound(nobody, now);
        places[nobody_key.index] = nobody.concurrency;
        let gate = before.gate.clone();
        gate.rebound(concurrency, queue_length, slots(&places, shared));
        let turns = before.turns.clone();
        turns.rebound(Some(most_turns), usize::MAX, turns_of(&places, most_turns, shared));
        let budget = before.budget.continued(body_bytes, shared);
        let nobody = nobody_key;
        Self(Arc::new(Inner { queue_wait, gate, turns, budget, keys: known, former, nobody, places }))
    }

    /// The key of a name; one that nobody configured has nobody's.
    pub fn key(&self, name: Option<&str>) -> &Key {
        name.and_then(|name| self.0.keys.get(name)).unwrap_or(&self.0.nobody)
    }

    /// Whether [`Self::enter`] would turn this key away if it came now. Takes nothing.
    pub fn refuses(&self, key: &Key) -> Option<Refusal> {
        self.0.gate.refuses(key.index)
    }

    /// A permit, a place in the line for one, or neither.
    pub fn enter(&self, key: &Key) -> Result<Entry, Refusal> {
        self.0.gate.enter(key.index)
    }

    /// A turn at the threads that work on long requests, or a place in the line for one. To be given back soon.
    pub fn turn(&self, key: &Key) -> Result<Entry, Refusal> {
        self.0.turns.enter(key.index)
    }

    /// How long one may stand in the line.
    pub fn queue_wait(&self) -> Duration {
        self.0.queue_wait
    }

    /// Whether this key could hold a body of so many bytes now. Takes nothing.
    pub fn has_room(&self, key: &Key, bytes: u64) -> bool {
        self.0.budget.has_room(key.index, bytes)
    }

    /// A share of the bytes that may be held, for a body of this key's; empty at first.
    pub fn share(&self, key: &Key) -> Share {
        self.0.budget.share(key.index)
    }
}

/// Whether what one key takes may be another's loss.
fn are_several(keys: &[(String, KeyLimits)]) -> bool {
    keys.len() > 1
}

/// What each key may hold of the slots: its own bound, if it has one, else a share.
fn slots(places: &[Option<usize>], shared: bool) -> impl Iterator<Item = Bound> {
    let unbound = if shared { Bound::Share } else { Bound::All };
    places.iter().map(move |concurrency| concurrency.map_or(unbound, Bound::Slots))
}

/// And of the turns: all but one, so that another's work begins at once, whatever a key's work takes.
fn turns_of(places: &[Option<usize>], turns: usize, shared: bool) -> impl Iterator<Item = Bound> {
    let bound = if shared { Bound::Slots(turns.saturating_sub(1).max(1)) } else { Bound::All };
    places.iter().map(move |_| bound)
}

impl Key {
    fn new(index: usize, limits: KeyLimits, now: Instant) -> Self {
        let KeyLimits { concurrency: _, requests_per_minute, tokens_per_minute } = limits;
        let bucket = |limit: Option<u32>| limit.map(|limit| Bucket::full(limit, now));
        let rates = Rates { requests: bucket(requests_per_minute), tokens: bucket(tokens_per_minute) };
        Self { index, rates: Arc::new(Mutex::new(rates)) }
    }

    /// The same with other limits. An allowance that is bounded only now is full.
    fn rebound(&self, limits: KeyLimits, now: Instant) -> Self {
        fn resize(bucket: &mut Option<Bucket>, limit: Option<u32>, now: Instant) {
            match (bucket.as_mut(), limit) {
                (Some(bucket), Some(limit)) => bucket.resize(limit),
                (None, Some(limit)) => *bucket = Some(Bucket::full(limit, now)),
                (_, None) => *bucket = None,
            }
        }
        let KeyLimits { concurrency: _, requests_per_minute, tokens_per_minute } = limits;
        let mut rates = self.rates();
        resize(&mut rates.requests, requests_per_minute, now);
        resize(&mut rates.tokens, tokens_per_minute, now);
        drop(rates);
        self.clone()
    }

    /// Whether nobody has it any more, and nothing of it is used up.
    fn is_unused(&self, now: Instant) -> bool {
        let is_full = |bucket: &Option<Bucket>| bucket.as_ref().is_none_or(|bucket| bucket.is_full(now));
        let Rates { requests, tokens } = &*self.rates();
        // The one is the list's that it is looked at in.
        Arc::strong_count(&self.rates) == 1 && is_full(requests) && is_full(tokens)
    }

    fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many of this minute's requests: a call upstream is one each.
    pub fn take_requests(&self, count: u64, now: Instant) -> Result<(), Exhausted> {
        self.rates().requests.as_mut().map_or(Ok(()), |bucket| bucket.take(count, now))
    }

    /// Gives requests back that came to nothing.
    pub fn return_requests(&self, count: u64, now: Instant) {
        if let Some(bucket) = &mut self.rates().requests {
            bucket.refund(count, now);
        }
    }

    /// The requests of a whole minute, if they are bounded.
    pub fn requests_per_minute(&self) -> Option<u32> {
        self.rates().requests.as_ref().map(Bucket::size)
    }

    /// So many tokens of this minute's, until it is known how many it were. More than a whole minute's count as that.
    pub fn reserve(&self, estimate: u64, now: Instant) -> Result<Reservation, Exhausted> {
        let mut rates = self.rates();
        let taken = match &mut rates.tokens {
            Some(bucket) => {
                let estimate = bucket.most(estimate);
                bucket.take(estimate, now)?;
                estimate
            }
            None => 0,
        };
        Ok(Reservation { key: self.clone(), taken })
    }

    /// What is left.
    pub fn levels(&self, now: Instant) -> Levels {
        let rates = self.rates();
        let level = |bucket: &Option<Bucket>| bucket.as_ref().map(|bucket| bucket.level(now));
        Levels { requests: level(&rates.requests), tokens: level(&rates.tokens) }
    }
}

/// Tokens that are taken but not counted yet. Dropped without [`Self::settle`], it stays taken.
#[must_use = "it stands until it is settled"]
pub struct Reservation {
    key: Key,
    taken: u64,
}

impl Reservation {
    /// So many at least: what is taken stands, and what is missing is taken as well.
    pub fn settle_at_least(self, used: u64, now: Instant) {
        let used = used.max(self.taken);
        self.settle(used, now);
    }

    /// So many it were: the rest goes back, or what is missing is taken as well, into debt if need be.
    pub fn settle(self, used: u64, now: Instant) {
        if let Some(bucket) = &mut self.key.rates().tokens {
            if used < self.taken {
                bucket.refund(self.taken - used, now);
            } else {
                bucket.charge(used - self.taken, now);
            }
        }
    }
}
