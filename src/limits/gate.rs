//! The line, where tasks stand in it.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Bound, Entrance, Line, Refusal, Ticket};
use super::sync::{Arc, Mutex, MutexGuard, PoisonError, oneshot};

/// Tells a waiter: a slot is its own, or its place is another's. Sent under the lock and while the waiter is in the
/// line, so that it always arrives.
type Waiter = oneshot::Sender<Result<(), Refusal>>;

/// Gives permits.
#[derive(Clone)]
pub(super) struct Gate(Arc<Mutex<Line<Waiter>>>);

/// What becomes of somebody at the gate.
pub enum Entry {
    /// Goes on.
    Permit(Permit),
    /// Waits.
    Waiting(Waiting),
}

/// Calls under way. They are over when this drops.
#[must_use = "the call is under way for as long as its permit lives"]
pub struct Permit {
    gate: Gate,
    key: usize,
    /// One for each call that it allows at once.
    slots: usize,
}

/// A place in the line: a future of the permit. Dropping it leaves.
#[must_use = "the place is kept for as long as this lives"]
pub struct Waiting {
    gate: Gate,
    key: usize,
    ticket: Ticket,
    told: oneshot::Receiver<Result<(), Refusal>>,
    /// The answer was taken.
    done: bool,
}

impl Gate {
    pub(super) fn new(slots: Option<usize>, places: usize, keys: impl IntoIterator<Item = Bound>) -> Self {
        Self(Arc::new(Mutex::new(Line::new(slots, places, keys))))
    }

    /// Other bounds, from now on, for those who are in as well: see [`Line::rebound`].
    pub(super) fn rebound(&self, slots: Option<usize>, places: usize, keys: impl IntoIterator<Item = Bound>) {
        let mut line = self.lock();
        line.rebound(slots, places, keys);
        let next = line.next();
        call(&mut line, next);
    }

    /// Whether nobody of this key is in, or in the line.
    pub(super) fn is_empty_for(&self, key: usize) -> bool {
        self.lock().is_empty_for(key)
    }

    pub(super) fn refuses(&self, key: usize) -> Option<Refusal> {
        self.lock().refuses(key)
    }

    pub(super) fn enter(&self, key: usize) -> Result<Entry, Refusal> {
        let mut line = self.lock();
        let mut listener = None;
        let entrance = line.enter(key, || {
            let (tell, told) = oneshot::channel();
            listener = Some(told);
            tell
        })?;
        match (entrance, listener) {
            (Entrance::Waits(ticket, displaced), Some(told)) => {
                if let Some(displaced) = displaced {
                    // Whoever is in the line listens.
                    let _heard = displaced.send(Err(Refusal::Busy));
                }
                Ok(Entry::Waiting(Waiting { gate: self.clone(), key, ticket, told, done: false }))
            }
            // Who holds doesn't listen, and who waits does.
            (Entrance::Holds | Entrance::Waits(..), _) => Ok(Entry::Permit(Permit::new(self.clone(), key))),
        }
    }

    fn leave(&self, key: usize) {
        let mut line = self.lock();
        let next = line.leave(key);
        call(&mut line, next);
    }

    fn lock(&self) -> MutexGuard<'_, Line<Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells those whose turn it is, beginning with `next`.
fn call(line: &mut Line<Waiter>, mut next: Option<Waiter>) {
    while let Some(waiter) = next {
        // Whoever is in the line listens.
        let _heard = waiter.send(Ok(()));
        next = line.next();
    }
}

#[cfg(test)]
impl Gate {
    /// Slots held and places taken, by key.
    pub(super) fn counts(&self) -> Vec<(usize, usize)> {
        self.lock().counts()
    }
}

impl Waiting {
    /// What it still waits for.
    pub fn obstacle(&self) -> Refusal {
        self.gate.lock().obstacle(self.key)
    }
}

impl Future for Waiting {
    type Output = Result<Permit, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let told = std::task::ready!(Pin::new(&mut self.told).poll(cx));
        self.done = true;
        // Nobody is dropped from the line untold.
        Poll::Ready(told.unwrap_or(Err(Refusal::Busy)).map(|()| Permit::new(self.gate.clone(), self.key)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.done || self.gate.lock().withdraw(self.key, self.ticket) {
            return;
        }
        // It was told in the meantime, and didn't hear it.
        if let Ok(Ok(())) = self.told.try_recv() {
            self.gate.leave(self.key);
        }
    }
}

impl Permit {
    fn new(gate: Gate, key: usize) -> Self {
        Self { gate, key, slots: 1 }
    }

    /// Allows as many calls at once as are free at this moment, up to `most`. How many that are, with those that it allowed
    /// before.
    pub fn widen(&mut self, most: usize) -> usize {
        if self.slots < most {
            let mut line = self.gate.lock();
            while self.slots < most && line.widen(self.key) {
                self.slots += 1;
            }
        }
        self.slots
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for _ in 0..self.slots {
            self.gate.leave(self.key);
        }
    }
}
