//! How hard each generation of Claude can be told to try.

use super::Model;

/// By a part of the id; the first that fits counts.
const EFFORTS: [(&str, &[&str]); 5] = [
    ("opus-4-5", &["low", "medium", "high"]),
    ("4-6", &["low", "medium", "high", "max"]),
    ("haiku-5-5", &["low", "medium", "high", "xhigh"]),
    ("-4-5", &[]),
    ("mythos-preview", &["low", "medium", "high", "xhigh", "max"]),
];
/// The generations after those.
const LATER: [&str; 7] = ["opus-4-7", "opus-4-8", "opus-5", "sonnet-5", "fable-5", "mythos-5", "haiku-5"];

impl Model {
    /// The values of `output_config.effort` that the model takes.
    pub(in crate::simulator) fn efforts(&self) -> &'static [&'static str] {
        let listed = EFFORTS.iter().find(|(part, _)| self.id.contains(part)).map(|(_, efforts)| *efforts);
        let later = LATER.iter().any(|part| self.id.contains(part));
        listed.unwrap_or(if later { &["low", "medium", "high", "xhigh", "max"] } else { &[] })
    }
}
