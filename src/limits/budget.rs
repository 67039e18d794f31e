//! Bytes that are held at once.
//!
//! ```text
//!  0                                                    limit
//!  ├── alice ──┼── bob ──┼── carol ──┼────── free ───────┤
//! ```
//!
//! What is held isn't taken away, and who sends slowly holds it for long. So where keys are several, each holds no more than
//! is left free: alone half of all, two that want everything a third each, and there is always something for the next. A
//! key's only body may take all that is free.

use super::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number of bytes that all shares together stay within.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    /// Keys leave room for each other.
    shared: bool,
    book: Arc<Mutex<Book>>,
}

/// What is taken, in all and by the key at each place.
#[derive(Debug, Default)]
struct Book {
    taken: usize,
    of: Vec<usize>,
}

impl Budget {
    pub(super) fn new(limit: Option<usize>, shared: bool) -> Self {
        Self { limit: limit.unwrap_or(usize::MAX), shared, book: Arc::default() }
    }

    /// With another limit; what is taken stays taken.
    pub(super) fn continued(&self, limit: Option<usize>, shared: bool) -> Self {
        Self { book: Arc::clone(&self.book), ..Self::new(limit, shared) }
    }

    /// Whether a key could hold another body of so many bytes now.
    pub(super) fn has_room(&self, key: usize, bytes: u64) -> bool {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.share(key).grown(&lock(&self.book), bytes).is_some()
    }

    /// For a body of this key.
    pub(super) fn share(&self, key: usize) -> Share {
        let Self { limit, shared, ref book } = *self;
        Share { limit, shared, book: Arc::clone(book), key, own: 0 }
    }
}

/// Bytes that one request holds; given back on drop.
#[derive(Debug)]
pub struct Share {
    limit: usize,
    shared: bool,
    book: Arc<Mutex<Book>>,
    key: usize,
    own: usize,
}

impl Share {
    /// Holds so many more. False if they aren't to be had; then it holds what it held.
    #[must_use = "bytes that aren't to be had must not be held"]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let mut book = lock(&self.book);
        let Some(taken) = self.grown(&book, bytes) else { return false };
        book.taken = taken;
        if book.of.len() <= self.key {
            book.of.resize(self.key + 1, 0);
        }
        book.of[self.key] += bytes;
        self.own += bytes;
        true
    }

    /// What would be taken in all with so many more, if they are to be had.
    fn grown(&self, book: &Book, bytes: usize) -> Option<usize> {
        let taken = book.taken.checked_add(bytes).filter(|taken| *taken <= self.limit)?;
        let held = book.of.get(self.key).copied().unwrap_or_default();
        let may = !self.shared || held == self.own || held + bytes <= self.limit - taken;
        may.then_some(taken)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.own == 0 {
            return;
        }
        let mut book = lock(&self.book);
        book.taken -= self.own;
        book.of[self.key] -= self.own;
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
