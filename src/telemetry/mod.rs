//! What operators see: metrics, logs, and one access line a request.
//!
//! Typed on the way in: labels come from closed enums, from [`Label`] (a string in our own source) or, for models,
//! from a bounded set of configured names. Nothing a client wrote can become a label. This module names nothing
//! else in the crate; `gateway`, `http` and `app` may name it.

pub mod access;
mod by_model;
mod escape;
mod labels;
pub mod logs;
mod metrics;
mod process;
mod scrapes;
mod sink;

pub use access::AccessLine;
pub use by_model::{BreakerMetrics, ModelMetrics};
pub use labels::{
    Disconnect, Endpoint, Label, Operation, Outcome, QueueOutcome, Reload, TokenType, TurnedAway,
};
pub use metrics::{InFlight, Metrics, Queued};
