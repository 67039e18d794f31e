//! The metrics that are told apart by model. Handles are made once a model, so that recording on them is an atomic
//! addition and no look-up.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::labels::{Label, Operation, TokenType};
use super::metrics::Maker;

/// `0.01 * 2^n`, the conventions' choice for durations, with a tail for generations of many minutes. Seconds.
const DURATIONS: [f64; 17] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68,
    655.36,
];

/// The conventions' choice for the time per output token. Seconds.
const TOKEN_GAPS: [f64; 13] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

/// `4^n`, the conventions' choice for token counts.
const TOKEN_COUNTS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

const MODEL: &str = "gen_ai_request_model";
const OPERATION: &str = "gen_ai_operation_name";

/// The metrics of one model; a clone is the same.
#[derive(Clone, Debug)]
pub struct ModelMetrics(Arc<ModelSeries>);

#[derive(Debug)]
struct ModelSeries {
    name: Box<str>,
    by_model: Arc<ByModel>,
    first_byte: OnceLock<Histogram>,
    chat: OperationSeries,
    embeddings: OperationSeries,
}

/// Handles of one model and operation, each made when first needed, so that a model which never streams has no
/// empty histogram for it.
#[derive(Debug, Default)]
struct OperationSeries {
    duration: OnceLock<Histogram>,
    first_token: OnceLock<Histogram>,
    token_gap: OnceLock<Histogram>,
    input: OnceLock<Histogram>,
    output: OnceLock<Histogram>,
    cache_read: OnceLock<Histogram>,
    cache_write: OnceLock<Histogram>,
}

impl ModelMetrics {
    pub(super) fn new(name: &str, by_model: &Arc<ByModel>) -> Self {
        Self(Arc::new(ModelSeries {
            name: name.into(),
            by_model: Arc::clone(by_model),
            first_byte: OnceLock::new(),
            chat: OperationSeries::default(),
            embeddings: OperationSeries::default(),
        }))
    }

    /// The label.
    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    /// An attempt upstream ended: `ok`, or the fault's label.
    pub fn attempt(&self, outcome: Label) {
        self.0.by_model.attempts.with_label_values(&[&*self.0.name, outcome.as_str()]).inc();
    }

    /// A call was taken from it to another target, or past it because its breaker is open.
    pub fn fallback(&self, reason: Label) {
        self.0.by_model.fallbacks.with_label_values(&[&*self.0.name, reason.as_str()]).inc();
    }

    /// From sending an attempt to the first byte of its answer's body.
    pub fn upstream_first_byte(&self, took: Duration) {
        let series = &self.0;
        let make = || series.by_model.first_byte.with_label_values(&[&*series.name]);
        series.first_byte.get_or_init(make).observe(took.as_secs_f64());
    }

    /// From a request's arrival to the end of its answer; `error` is why it failed, if it did.
    pub fn request_duration(&self, operation: Operation, error: Option<Label>, took: Duration) {
        let histogram =
            |error| self.0.by_model.duration.with_label_values(&[operation.as_str(), &*self.0.name, error]);
        match error {
            None => self.series(operation).duration.get_or_init(|| histogram("")).observe(took.as_secs_f64()),
            Some(error) => histogram(error.as_str()).observe(took.as_secs_f64()),
        }
    }

    /// From a request's arrival to the first content of its streamed answer.
    pub fn first_token(&self, operation: Operation, took: Duration) {
        let make = || self.0.by_model.first_token.with_label_values(&[operation.as_str(), &*self.0.name]);
        self.series(operation).first_token.get_or_init(make).observe(took.as_secs_f64());
    }

    /// The mean gap between a streamed answer's tokens after the first.
    pub fn time_per_output_token(&self, operation: Operation, mean: Duration) {
        let make = || self.0.by_model.token_gap.with_label_values(&[operation.as_str(), &*self.0.name]);
        self.series(operation).token_gap.get_or_init(make).observe(mean.as_secs_f64());
    }

    /// Tokens that one request used. Types that a request didn't use needn't be reported.
    pub fn tokens(&self, operation: Operation, kind: TokenType, count: u64) {
        let series = self.series(operation);
        let slot = match kind {
            TokenType::Input => &series.input,
            TokenType::Output => &series.output,
            TokenType::CacheRead => &series.cache_read,
            TokenType::CacheWrite => &series.cache_write,
        };
        let make =
            || self.0.by_model.tokens.with_label_values(&[operation.as_str(), &*self.0.name, kind.as_str()]);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a histogram is made of floats; exact up to 2^53 tokens"
        )]
        slot.get_or_init(make).observe(count as f64);
    }

    fn series(&self, operation: Operation) -> &OperationSeries {
        match operation {
            Operation::Chat => &self.0.chat,
            Operation::Embeddings => &self.0.embeddings,
        }
    }
}

/// One target's breaker. Dropped, it isn't open.
#[derive(Debug)]
pub struct BreakerMetrics {
    /// Several targets may share a label: it counts those that are open.
    open: IntGauge,
    opened: IntCounter,
    state: Mutex<BreakerState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BreakerState {
    Closed,
    Open,
    /// Nobody is to hear of it any more.
    Forgotten,
}

impl BreakerMetrics {
    /// It has opened.
    pub fn opened(&self) {
        self.turn(BreakerState::Open);
    }

    /// It has closed.
    pub fn closed(&self) {
        self.turn(BreakerState::Closed);
    }

    /// Its target is gone. Calls under way may still open and close it, and that is no news.
    pub fn forget(&self) {
        self.turn(BreakerState::Forgotten);
    }

    fn turn(&self, next: BreakerState) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == BreakerState::Forgotten {
            return;
        }
        let was_open = *state == BreakerState::Open;
        match next {
            BreakerState::Open => {
                self.opened.inc();
                if !was_open {
                    self.open.inc();
                }
            }
            BreakerState::Closed | BreakerState::Forgotten if was_open => self.open.dec(),
            BreakerState::Closed | BreakerState::Forgotten => {}
        }
        *state = next;
    }
}

impl Drop for BreakerMetrics {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The families that [`ModelMetrics`] takes its handles from.
#[derive(Debug)]
pub(super) struct ByModel {
    attempts: IntCounterVec,
    fallbacks: IntCounterVec,
    breakers_open: IntGaugeVec,
    breakers_opened: IntCounterVec,
    first_byte: HistogramVec,
    duration: HistogramVec,
    first_token: HistogramVec,
    token_gap: HistogramVec,
    tokens: HistogramVec,
}

impl ByModel {
    /// A target's breaker. The caller bounds the names.
    pub(super) fn breaker(&self, model: &str, region: &str) -> BreakerMetrics {
        BreakerMetrics {
            open: self.breakers_open.with_label_values(&[model, region]),
            opened: self.breakers_opened.with_label_values(&[model, region]),
            state: Mutex::new(BreakerState::Closed),
        }
    }

    pub(super) fn new(make: &Maker) -> Self {
        Self {
            attempts: make.counters(
                "outcrop_upstream_attempts_total",
                "Attempts upstream, by how they ended.",
                &["model", "outcome"],
            ),
            fallbacks: make.counters(
                "outcrop_fallbacks_total",
                "Calls that were taken from a target to another one of their model's, by why.",
                &["model", "reason"],
            ),
            breakers_open: make.gauges(
                "outcrop_breaker_open",
                "Whether a target is left alone.",
                &["model", "region"],
            ),
            breakers_opened: make.counters(
                "outcrop_breaker_opened_total",
                "How often a target was begun to be left alone.",
                &["model", "region"],
            ),
            first_byte: make.histograms(
                HistogramOpts::new(
                    "outcrop_upstream_first_byte_seconds",
                    "From sending an attempt to the first byte of its answer.",
                )
                .buckets(DURATIONS.into()),
                &["model"],
            ),
            duration: make.histograms(
                gen_ai(
                    "gen_ai_server_request_duration_seconds",
                    "From a request's arrival to the end of its answer.",
                )
                .buckets(DURATIONS.into()),
                &[OPERATION, MODEL, "error_type"],
            ),
            first_token: make.histograms(
                gen_ai(
                    "gen_ai_server_time_to_first_token_seconds",
                    "From a request's arrival to the first content of its streamed answer.",
                )
                .buckets(DURATIONS.into()),
                &[OPERATION, MODEL],
            ),
            token_gap: make.histograms(
                gen_ai(
                    "gen_ai_server_time_per_output_token_seconds",
                    "The mean gap between a streamed answer's tokens after the first.",
                )
                .buckets(TOKEN_GAPS.into()),
                &[OPERATION, MODEL],
            ),
            tokens: make.histograms(
                gen_ai("gen_ai_client_token_usage", "Tokens used by a request.").buckets(TOKEN_COUNTS.into()),
                &[OPERATION, MODEL, "gen_ai_token_type"],
            ),
        }
    }
}

fn gen_ai(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::new(name, help).const_label("gen_ai_provider_name", "aws.bedrock")
}
