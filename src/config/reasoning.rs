//! What models think.

use std::time::Duration;

use super::scalar;
use super::section::Section;

/// What is done about thoughts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasoning {
    /// How signed thoughts are kept for clients that don't send them back; `None`: not at all.
    pub store: Option<ThoughtStore>,
}

/// How signed thoughts are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThoughtStore {
    /// After their last use.
    pub ttl: Duration,
    /// All of them together.
    pub max_bytes: usize,
}

impl Reasoning {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let mut store = section.section("store");
        let ttl = store.read("ttl", scalar::seconds_or_off);
        let max_bytes = store.read("max_bytes", scalar::size);
        let (ttl, max_bytes) = (ttl?, max_bytes?);
        Some(Self { store: ttl.map(|ttl| ThoughtStore { ttl, max_bytes }) })
    }
}
