//! The notes of one request while it is read, bounded: a hostile body must not turn into a million notes.

use super::object::Unknown;
use super::path::Path;
use crate::chat::{Action, Notes};

/// Notes of one request. More say nothing new to an operator, and each costs memory.
pub(super) const MOST_NOTES: usize = 64;

/// Longest member name that is repeated; the rest of it is cut.
const LONGEST_NAME: usize = 64;

pub(super) struct Ledger {
    notes: Notes,
    left: usize,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { notes: Notes::new(), left: MOST_NOTES }
    }

    pub(super) fn dropped(&mut self, path: &Path<'_>, reason: &'static str) {
        self.add(path, Action::Dropped, reason);
    }

    pub(super) fn rewritten(&mut self, path: &Path<'_>, reason: &'static str) {
        self.add(path, Action::Rewritten, reason);
    }

    /// The same of a place whose path is written already.
    pub(super) fn rewritten_at(&mut self, path: String, reason: &'static str) {
        self.add_at(|| path, Action::Rewritten, reason);
    }

    pub(super) fn add(&mut self, path: &Path<'_>, action: Action, reason: &'static str) {
        self.add_at(|| path.to_string(), action, reason);
    }

    fn add_at(&mut self, path: impl FnOnce() -> String, action: Action, reason: &'static str) {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                self.notes.add(path(), action, reason);
            }
            None => self.notes.add("*", Action::Dropped, "more_notes"),
        }
    }

    /// Notes each member of the object at `path` that isn't known here.
    pub(super) fn unknown(&mut self, path: &Path<'_>, unknown: &Unknown<'_>) {
        for key in &unknown.keys {
            self.dropped(&path.member(&printable(key)), "unknown_field");
        }
        if unknown.more {
            self.dropped(&path.member("*"), "unknown_field");
        }
    }

    pub(super) fn into_notes(self) -> Notes {
        self.notes
    }
}

/// A client's own words, fit for a header and a log line.
pub(super) fn printable(key: &str) -> String {
    key.chars().take(LONGEST_NAME).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
