//! What came of the exchanges.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Error, Exchange};

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) latencies: Vec<Duration>,
    /// From the start of the exchange to a stream's first text.
    pub(crate) first_chunks: Vec<Duration>,
    pub(crate) chunks: Vec<Duration>,
    /// Exchanges that ended well while CPU time was measured.
    pub(crate) in_window: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

impl Tally {
    /// An exchange that began in the window.
    pub(crate) fn measure(&mut self, begun: Instant, ended: Instant, exchange: Exchange) {
        let Exchange { first_chunk, mut chunks } = exchange;
        self.latencies.push(ended - begun);
        self.first_chunks.extend(first_chunk.map(|at| at - begun));
        self.chunks.append(&mut chunks);
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}

/// Microseconds beyond `off`; null if there is nothing.
pub(crate) fn quantiles(times: &mut [Duration], off: Duration) -> Value {
    times.sort_unstable();
    let at = |quantile: f64| {
        let index = (times.len().saturating_sub(1) as f64 * quantile).round() as usize;
        times.get(index).map(|time| time.saturating_sub(off).as_secs_f64() * 1e6)
    };
    json!({"p50": at(0.5), "p99": at(0.99)})
}
