//! Who goes next. A plain state machine: no clock, no waking, no locks.
//!
//! ```text
//!            enter                    leave (of anybody)
//! outside ──────────▶ waiting ────────────────────────────▶ holding ──▶ outside
//!    ▲ └──────────────────┼──────────────────────────────────▲  leave
//!    │  enter, a slot is free and nobody is before            │
//!    └────────────────────┘ withdraw, displaced
//! ```
//!
//! A slot never stays free while somebody waits who may have it. It goes to the key that holds the fewest; among
//! equals, to the one whose last turn is the longest ago. So a key that holds more than its share gets no further
//! slot while another waits, and whoever sends fifty times as much as the rest waits for itself.
//!
//! Slots are never taken away, so some are kept free: of the slots that others don't hold, a key bound by its share
//! ([`Bound::Share`]) leaves an eighth, though it may always have one. Whoever comes after it finds a slot, however long its
//! calls last.
//!
//! The line is short, and a full one is shared in the same way: a newcomer displaces the latest of the key
//! with the most in it, if that key has more in it than the newcomer's would.

use std::collections::VecDeque;

/// Why somebody can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// All slots are taken.
    #[error("the gateway is at its limit of concurrent requests")]
    Busy,
    /// This key's are.
    #[error("this key is at its limit of concurrent requests")]
    KeyBusy,
}

/// How many slots a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// So many.
    Slots(usize),
    /// Seven eighths of what the others leave, and one at least.
    Share,
    /// All there are: there is nobody else to leave any to.
    All,
}

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What becomes of somebody who enters.
#[derive(Debug)]
pub(super) enum Entrance<W> {
    /// Holds a slot.
    Holds,
    /// Waits, and has perhaps taken the place of another.
    Waits(Ticket, Option<W>),
}

/// Slots, and who waits for one. `W` is how a waiter is told.
#[derive(Debug)]
pub(super) struct Line<W> {
    slots: usize,
    places: usize,
    held: usize,
    waiting: usize,
    /// Counts turns and tickets.
    clock: u64,
    keys: Vec<Key<W>>,
}

#[derive(Debug)]
struct Key<W> {
    /// The slots it may hold.
    bound: Bound,
    held: usize,
    last_turn: u64,
    waiters: VecDeque<(Ticket, W)>,
}

impl<W> Line<W> {
    /// `None` is no bound.
    pub(super) fn new(slots: Option<usize>, places: usize, keys: impl IntoIterator<Item = Bound>) -> Self {
        let key = |bound| Key { bound, held: 0, last_turn: 0, waiters: VecDeque::new() };
        Self {
            slots: slots.unwrap_or(usize::MAX),
            places,
            held: 0,
            waiting: 0,
            clock: 0,
            keys: keys.into_iter().map(key).collect(),
        }
    }

    /// A slot if one is free, else a place in the line, with `waiter` in it.
    pub(super) fn enter(&mut self, key: usize, waiter: impl FnOnce() -> W) -> Result<Entrance<W>, Refusal> {
        // Nobody may be before: whoever waits while a slot is free waits for another key's sake.
        if self.may_hold(key) {
            self.hold(key);
            return Ok(Entrance::Holds);
        }
        if let Some(refusal) = self.refuses(key) {
            return Err(refusal);
        }
        let displaced = if self.waiting < self.places {
            self.waiting += 1;
            None
        } else {
            self.longest().and_then(|longest| self.keys[longest].waiters.pop_back()).map(|(_, waiter)| waiter)
        };
        self.clock += 1;
        let ticket = Ticket(self.clock);
        self.keys[key].waiters.push_back((ticket, waiter()));
        Ok(Entrance::Waits(ticket, displaced))
    }

    /// What [`Self::enter`] would say.
    pub(super) fn refuses(&self, key: usize) -> Option<Refusal> {
        let has_place = || {
            self.waiting < self.places
                || self.longest().is_some_and(|longest| {
                    self.keys[longest].waiters.len() > self.keys[key].waiters.len() + 1
                })
        };
        (!self.may_hold(key) && !has_place()).then(|| self.obstacle(key))
    }

    /// Whether nobody of this key holds or waits.
    pub(super) fn is_empty_for(&self, key: usize) -> bool {
        let key = &self.keys[key];
        key.held == 0 && key.waiters.is_empty()
    }

    /// What stands before this key.
    pub(super) fn obstacle(&self, key: usize) -> Refusal {
        if self.is_at_its_bound(key) { Refusal::KeyBusy } else { Refusal::Busy }
    }

    /// Other bounds, from now on. Whoever holds a slot keeps it, and whoever waits its place; further keys stand behind those
    /// that there are. Afterwards [`Self::next`] may find somebody.
    pub(super) fn rebound(
        &mut self,
        slots: Option<usize>,
        places: usize,
        keys: impl IntoIterator<Item = Bound>,
    ) {
        let new = Self::new(slots, places, keys);
        (self.slots, self.places) = (new.slots, new.places);
        for (index, key) in new.keys.into_iter().enumerate() {
            match self.keys.get_mut(index) {
                Some(known) => known.bound = key.bound,
                None => self.keys.push(key),
            }
        }
    }

    /// A slot more, if one is free for this key. Nobody is passed over: who waits has no right to it.
    pub(super) fn widen(&mut self, key: usize) -> bool {
        let may = self.may_hold(key);
        if may {
            self.hold(key);
        }
        may
    }

    /// Gives a slot back. Whoever holds it next is told what is returned. Where shares grow by it, [`Self::next`] may find
    /// another.
    pub(super) fn leave(&mut self, key: usize) -> Option<W> {
        self.held -= 1;
        self.keys[key].held -= 1;
        self.next()
    }

    /// Gives a slot to whoever comes next, if one is free and somebody waits who may have it.
    pub(super) fn next(&mut self) -> Option<W> {
        if self.waiting == 0 {
            return None;
        }
        let waits = |key: &usize| !self.keys[*key].waiters.is_empty() && self.may_hold(*key);
        let next = (0..self.keys.len())
            .filter(waits)
            .min_by_key(|key| (self.keys[*key].held, self.keys[*key].last_turn))?;
        let (_, waiter) = self.keys[next].waiters.pop_front()?;
        self.waiting -= 1;
        self.hold(next);
        Some(waiter)
    }

    /// Gives a place up. False if it is no longer there: by then it was a slot, or another's.
    pub(super) fn withdraw(&mut self, key: usize, ticket: Ticket) -> bool {
        let waiters = &mut self.keys[key].waiters;
        // In the order of their tickets.
        match waiters.binary_search_by_key(&ticket.0, |(ticket, _)| ticket.0) {
            Ok(place) => {
                waiters.remove(place);
                self.waiting -= 1;
                true
            }
            Err(_) => false,
        }
    }

    fn may_hold(&self, key: usize) -> bool {
        self.held < self.slots && !self.is_at_its_bound(key)
    }

    fn is_at_its_bound(&self, key: usize) -> bool {
        let Key { bound, held, .. } = self.keys[key];
        match bound {
            Bound::All => false,
            Bound::Slots(most) => held >= most,
            Bound::Share => {
                let left = self.slots.saturating_sub(self.held - held);
                held >= (left - left.div_ceil(8)).max(1)
            }
        }
    }

    fn hold(&mut self, key: usize) {
        self.clock += 1;
        self.held += 1;
        self.keys[key].held += 1;
        self.keys[key].last_turn = self.clock;
    }

    /// The key with the most in the line.
    fn longest(&self) -> Option<usize> {
        let longest = (0..self.keys.len()).max_by_key(|key| self.keys[*key].waiters.len())?;
        (!self.keys[longest].waiters.is_empty()).then_some(longest)
    }
}

#[cfg(test)]
impl<W> Line<W> {
    /// Slots held and places taken, by key.
    pub(super) fn counts(&self) -> Vec<(usize, usize)> {
        self.keys.iter().map(|key| (key.held, key.waiters.len())).collect()
    }
}
