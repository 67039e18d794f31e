//! Every metric there is, each a method. Prometheus stays inside: only [`Metrics::render`] speaks its text.
//!
//! Names: OpenTelemetry's `GenAI` conventions in Prometheus spelling (dots to underscores, unit appended) where one
//! exists, `process_*` for the process, `outcrop_*` for the rest. The conventions were still in development when
//! this was written (as of semantic conventions 1.42, May 2026).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::Method;
use prometheus::core::Collector;
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::by_model::{BreakerMetrics, ByModel, ModelMetrics};
use super::labels::{Disconnect, Endpoint, Label, Outcome, QueueOutcome, Reload, TurnedAway};
use super::process;
use super::scrapes::Scrapes;

/// Distinct model labels; further ones share [`OTHER_MODEL`]. A hundred or so series hang on each.
const MAX_MODELS: usize = 200;
const OTHER_MODEL: &str = "other";

/// Seconds in the line, whose default bound is half of one.
const QUEUE_WAITS: &[f64] = &[0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];

/// The process's metrics, in a registry of their own. One for the whole process, behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    started: SystemTime,
    scrapes: Mutex<Scrapes>,
    requests: IntCounterVec,
    errors: IntCounterVec,
    requests_in_flight: IntGauge,
    streams_in_flight: IntGauge,
    calls_in_flight: IntGauge,
    drains_in_flight: IntGauge,
    reloads: IntCounterVec,
    reloaded: Gauge,
    turned_away: IntCounterVec,
    queue_length: IntGauge,
    queue_wait: HistogramVec,
    retries: IntCounterVec,
    retries_refused: IntCounter,
    notes: IntCounterVec,
    fetches: IntCounterVec,
    disconnects: IntCounterVec,
    connections: IntCounter,
    connections_open: IntGauge,
    connections_closed: IntCounterVec,
    clock_skew: Gauge,
    by_model: Arc<ByModel>,
    models: RwLock<HashMap<Box<str>, ModelMetrics>>,
    other_models: ModelMetrics,
}

impl Metrics {
    /// All metrics, at zero. `version` and `revision` (a commit) are shown in `outcrop_build_info`.
    pub fn new(version: &str, revision: &str) -> Self {
        let make = Maker(Registry::new());
        make.gauge(
            Opts::new("outcrop_build_info", "What is running; always 1.")
                .const_label("version", version)
                .const_label("revision", revision),
        )
        .set(1);
        let by_model = Arc::new(ByModel::new(&make));
        Self {
            started: SystemTime::now(),
            scrapes: Mutex::new(Scrapes::new(Instant::now())),
            requests: make.counters(
                "outcrop_http_requests_total",
                "Requests that have ended.",
                &["endpoint", "method", "status", "outcome"],
            ),
            errors: make.counters("outcrop_errors_total", "Errors, by kind.", &["kind"]),
            requests_in_flight: make.gauge(Opts::new(
                "outcrop_http_requests_in_flight",
                "Requests that have begun and whose last byte isn't out.",
            )),
            streams_in_flight: make
                .gauge(Opts::new("outcrop_streams_in_flight", "Streamed answers being written.")),
            calls_in_flight: make
                .gauge(Opts::new("outcrop_calls_in_flight", "Permits held: admitted and not over.")),
            drains_in_flight: make.gauge(Opts::new(
                "outcrop_drains_in_flight",
                "Calls that are read on after their client has left.",
            )),
            reloads: make.counters(
                "outcrop_config_reloads_total",
                "Times that the configuration or the certificate was read again, by what came of it.",
                &["outcome"],
            ),
            reloaded: make.register(Gauge::new(
                "outcrop_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was last read without a mistake.",
            )),
            turned_away: make.counters(
                "outcrop_turned_away_total",
                "Requests refused before anything was called for them, by what was used up.",
                &["reason"],
            ),
            queue_length: make.gauge(Opts::new("outcrop_queue_length", "Requests waiting for a permit.")),
            queue_wait: make.histograms(
                HistogramOpts::new(
                    "outcrop_queue_wait_seconds",
                    "Time in the line of those that had to wait, by how it ended.",
                )
                .buckets(QUEUE_WAITS.into()),
                &["outcome"],
            ),
            retries: make.counters(
                "outcrop_upstream_retries_total",
                "Attempts that followed a failed one on the same target, by why it failed.",
                &["reason"],
            ),
            retries_refused: make.counter(
                "outcrop_upstream_retries_refused_total",
                "Attempts that weren't repeated because their target had been asked again often enough.",
            ),
            notes: make.counters(
                "outcrop_notes_total",
                "Request parameters that were dropped, clamped, renamed or emulated.",
                &["param", "action"],
            ),
            fetches: make.counters(
                "outcrop_fetches_total",
                "Remote pictures and files that were asked for, by how it ended.",
                &["outcome"],
            ),
            disconnects: make.counters(
                "outcrop_client_disconnects_total",
                "Requests whose client left before the end.",
                &["when"],
            ),
            connections: make.counter("outcrop_connections_total", "Connections accepted."),
            connections_open: make.gauge(Opts::new("outcrop_connections_open", "Connections open now.")),
            connections_closed: make.counters(
                "outcrop_connections_closed_total",
                "Connections that have ended, by why.",
                &["reason"],
            ),
            clock_skew: make.measure(
                "outcrop_clock_skew_seconds",
                "AWS's clock less this machine's, by the last answer; more than 0 where the machine is behind.",
            ),
            models: RwLock::default(),
            other_models: ModelMetrics::new(OTHER_MODEL, &by_model),
            by_model,
            registry: make.0,
        }
    }

    /// A request has begun. It is in flight until the guard drops: put it in the response's body.
    #[must_use = "the request is in flight for as long as the guard lives"]
    pub fn request_begun(&self) -> InFlight {
        InFlight::new(&self.requests_in_flight)
    }

    /// A streamed answer has begun; as [`Metrics::request_begun`].
    #[must_use = "the stream is in flight for as long as the guard lives"]
    pub fn stream_begun(&self) -> InFlight {
        InFlight::new(&self.streams_in_flight)
    }

    /// So many calls at once were admitted for a request; as [`Metrics::request_begun`].
    #[must_use = "the call is in flight for as long as the guard lives"]
    pub fn calls_begun(&self, count: usize) -> InFlight {
        InFlight::several(&self.calls_in_flight, count)
    }

    /// A call goes on without its client; as [`Metrics::request_begun`].
    #[must_use = "the call is in flight for as long as the guard lives"]
    pub fn drain_begun(&self) -> InFlight {
        InFlight::new(&self.drains_in_flight)
    }

    /// The configuration was read again.
    pub fn config_read(&self, outcome: Reload) {
        self.reloads.with_label_values(&[outcome.as_str()]).inc();
        if outcome != Reload::Rejected {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.reloaded.set(now.as_secs_f64());
        }
    }

    /// A request waits for a permit, until the guard drops.
    #[must_use = "the request waits for as long as the guard lives"]
    pub fn queued(&self) -> Queued {
        Queued {
            _in_line: InFlight::new(&self.queue_length),
            since: Instant::now(),
            waits: self.queue_wait.clone(),
            outcome: QueueOutcome::Abandoned,
        }
    }

    /// A request was refused before anything was called for it.
    pub fn turned_away(&self, why: TurnedAway) {
        self.turned_away.with_label_values(&[why.as_str()]).inc();
    }

    /// A request has ended, with the status its client saw (or would have: 499 for one that left).
    pub fn request_ended(
        &self,
        endpoint: Endpoint,
        method: &Method,
        status: http::StatusCode,
        outcome: Outcome,
    ) {
        self.requests
            .with_label_values(&[endpoint.as_str(), method_label(method), status.as_str(), outcome.as_str()])
            .inc();
    }

    /// Something went wrong and was answered or logged as `kind`.
    pub fn error(&self, kind: Label) {
        self.errors.with_label_values(&[kind.as_str()]).inc();
    }

    /// An attempt is repeated because the one before failed with `reason`.
    pub fn retry(&self, reason: Label) {
        self.retries.with_label_values(&[reason.as_str()]).inc();
    }

    /// An attempt wasn't repeated because its target has been asked again often enough.
    pub fn retry_refused(&self) {
        self.retries_refused.inc();
    }

    /// The breaker of a target, which is in a region that config names.
    pub fn breaker(&self, model: &str, region: &str) -> BreakerMetrics {
        // Bounded as those of the models are.
        let name = &self.model(model);
        self.by_model.breaker(name.name(), region)
    }

    /// A parameter wasn't passed on as it came.
    pub fn note(&self, param: Label, action: Label) {
        self.notes.with_label_values(&[param.as_str(), action.as_str()]).inc();
    }

    /// A URL in a request was fetched, or wasn't.
    pub fn fetch(&self, outcome: Label) {
        self.fetches.with_label_values(&[outcome.as_str()]).inc();
    }

    /// A client left before the end of its answer.
    pub fn client_left(&self, when: Disconnect) {
        self.disconnects.with_label_values(&[when.as_str()]).inc();
    }

    /// The listener accepted a connection.
    pub fn connection_opened(&self) {
        self.connections.inc();
        self.connections_open.inc();
    }

    /// It ended.
    pub fn connection_closed(&self, reason: Label) {
        self.connections_open.dec();
        self.connections_closed.with_label_values(&[reason.as_str()]).inc();
    }

    /// AWS's clock less this machine's, in seconds.
    pub fn clock_skew(&self, seconds: f64) {
        self.clock_skew.set(seconds);
    }

    /// The metrics of one model. `name` must come from the configuration or the catalogue, never from a request;
    /// should it grow all the same, everything after the first 200 names counts as `other`.
    ///
    /// Look it up once a request and keep it: recording on it needs no further look-up.
    pub fn model(&self, name: &str) -> ModelMetrics {
        if let Some(known) = self.models.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = models.get(name) {
            return known.clone();
        }
        if models.len() >= MAX_MODELS {
            return self.other_models.clone();
        }
        let new = ModelMetrics::new(name, &self.by_model);
        models.insert(name.into(), new.clone());
        new
    }

    /// The same as [`Self::render`], for whoever comes over the network: what that costs is bounded. Once the time for it is used
    /// up, the last text is given again.
    pub fn scrape(&self) -> Bytes {
        let mut scrapes = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        scrapes.text(|| self.render())
    }

    /// Everything in the Prometheus text format, version 0.0.4 (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "cannot write all metrics");
        }
        process::render(self.started, &mut text);
        text
    }
}

/// Counts one thing in flight until it drops.
#[derive(Debug)]
pub struct InFlight {
    gauge: IntGauge,
    count: i64,
}

impl InFlight {
    fn new(gauge: &IntGauge) -> Self {
        Self::several(gauge, 1)
    }

    fn several(gauge: &IntGauge, count: usize) -> Self {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        gauge.add(count);
        Self { gauge: gauge.clone(), count }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.sub(self.count);
    }
}

/// A wait in the line. Unless it is told how that ended, it was left.
#[derive(Debug)]
pub struct Queued {
    _in_line: InFlight,
    since: Instant,
    waits: HistogramVec,
    outcome: QueueOutcome,
}

impl Queued {
    /// It ended so.
    pub fn ended(&mut self, outcome: QueueOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let waited = self.since.elapsed().as_secs_f64();
        self.waits.with_label_values(&[self.outcome.as_str()]).observe(waited);
    }
}

/// Methods are free text to HTTP, so only those we route by are told apart.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "other",
    }
}

/// Makes metrics and registers them. Names, help and labels are constants of this file, so a mistake in them shows
/// in the first test that makes a [`Metrics`].
pub(super) struct Maker(Registry);

impl Maker {
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, opts: Opts) -> IntGauge {
        self.register(IntGauge::with_opts(opts))
    }

    fn measure(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histograms(&self, opts: HistogramOpts, labels: &[&str]) -> HistogramVec {
        self.register(HistogramVec::new(opts, labels))
    }

    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let metric = made.expect("names and labels are valid constants");
        self.0.register(Box::new(metric.clone())).expect("each name is used once");
        metric
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::{Operation, TokenType};
    use super::*;
    use http::StatusCode;
    use std::time::Duration;

    fn metrics() -> Metrics {
        Metrics::new("1.2.3", "abc")
    }

    #[track_caller]
    fn assert_line(metrics: &Metrics, line: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|l| l == line), "no {line:?} in:\n{text}");
    }

    #[test]
    fn a_scrape_is_new_while_there_is_time_for_it_and_the_last_one_after() {
        let metrics = Metrics::new("1", "r");
        let opened = |text: &Bytes| {
            let text = std::str::from_utf8(text).unwrap();
            text.lines().find(|line| line.starts_with("outcrop_connections_total ")).map(str::to_owned)
        };
        let first = metrics.scrape();
        metrics.connection_opened();
        let second = metrics.scrape();
        assert_ne!(opened(&first), opened(&second));
        metrics.connection_opened();
        metrics.scrapes.lock().unwrap().exhaust();
        assert_eq!(metrics.scrape(), second);
    }

    #[test]
    fn a_request_is_counted_by_what_it_was_and_how_it_ended() {
        let metrics = metrics();
        metrics.request_ended(Endpoint::ChatCompletions, &Method::POST, StatusCode::OK, Outcome::Completed);
        let line = r#"outcrop_http_requests_total{endpoint="chat_completions",method="POST",outcome="completed",status="200"} 1"#;
        assert_line(&metrics, line);
    }

    #[test]
    fn invented_methods_are_one_label() {
        let metrics = metrics();
        for method in ["BREW", "WHEN"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            metrics.request_ended(Endpoint::Other, &method, StatusCode::NOT_FOUND, Outcome::Refused);
        }
        let line = r#"outcrop_http_requests_total{endpoint="other",method="other",outcome="refused",status="404"} 2"#;
        assert_line(&metrics, line);
    }

    #[test]
    fn in_flight_is_for_as_long_as_the_guard_lives() {
        let metrics = metrics();
        let (request, stream) = (metrics.request_begun(), metrics.stream_begun());
        assert_line(&metrics, "outcrop_http_requests_in_flight 1");
        assert_line(&metrics, "outcrop_streams_in_flight 1");
        drop((request, stream));
        assert_line(&metrics, "outcrop_http_requests_in_flight 0");
        assert_line(&metrics, "outcrop_streams_in_flight 0");
    }

    #[test]
    fn tokens_follow_the_conventions_names() {
        let metrics = metrics();
        let model = metrics.model("claude");
        model.tokens(Operation::Chat, TokenType::Input, 1000);
        model.tokens(Operation::Chat, TokenType::CacheRead, 5);
        let labels = |kind| {
            format!(
                r#"{{gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",gen_ai_request_model="claude",gen_ai_token_type="{kind}"}}"#
            )
        };
        assert_line(&metrics, &format!("gen_ai_client_token_usage_sum{} 1000", labels("input")));
        assert_line(&metrics, &format!("gen_ai_client_token_usage_sum{} 5", labels("cache_read")));
    }

    #[test]
    fn a_ten_minute_generation_still_has_a_bucket() {
        let metrics = metrics();
        metrics.model("m").request_duration(Operation::Chat, None, Duration::from_mins(10));
        let labels =
            r#"gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",gen_ai_request_model="m""#;
        let bucket = |le| {
            format!(r#"gen_ai_server_request_duration_seconds_bucket{{error_type="",{labels},le="{le}"}}"#)
        };
        assert_line(&metrics, &format!("{} 0", bucket("327.68")));
        assert_line(&metrics, &format!("{} 1", bucket("655.36")));
    }

    #[test]
    fn a_failed_request_has_its_own_duration() {
        let metrics = metrics();
        let error = Some(Label::new("throttled"));
        metrics.model("m").request_duration(Operation::Chat, error, Duration::from_secs(1));
        let line = r#"gen_ai_server_request_duration_seconds_count{error_type="throttled",gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",gen_ai_request_model="m"} 1"#;
        assert_line(&metrics, line);
    }

    #[test]
    fn model_labels_are_bounded() {
        let metrics = metrics();
        for n in 0..MAX_MODELS + 50 {
            metrics.model(&format!("m{n}")).attempt(Label::new("ok"));
        }
        metrics.model("m0").attempt(Label::new("ok"));
        assert_line(&metrics, r#"outcrop_upstream_attempts_total{model="m0",outcome="ok"} 2"#);
        assert_line(&metrics, r#"outcrop_upstream_attempts_total{model="other",outcome="ok"} 50"#);
        assert_eq!(metrics.render().matches("outcrop_upstream_attempts_total{").count(), MAX_MODELS + 1);
    }

    #[test]
    fn every_method_shows_in_the_text() {
        let metrics = metrics();
        let why = Label::new("why");
        metrics.error(why);
        metrics.retry(why);
        metrics.note(Label::new("top_k"), Label::new("dropped"));
        metrics.fetch(why);
        metrics.turned_away(TurnedAway::KeyTokens);
        metrics.queued().ended(QueueOutcome::Admitted);
        drop(metrics.queued());
        let (_queued, _call) = (metrics.queued(), metrics.calls_begun(1));
        metrics.client_left(Disconnect::MidAnswer);
        metrics.connection_opened();
        metrics.connection_opened();
        metrics.connection_closed(why);
        let model = metrics.model("m");
        model.upstream_first_byte(Duration::from_millis(30));
        model.first_token(Operation::Chat, Duration::from_millis(300));
        model.time_per_output_token(Operation::Chat, Duration::from_millis(20));
        for line in [
            r#"outcrop_build_info{revision="abc",version="1.2.3"} 1"#,
            r#"outcrop_errors_total{kind="why"} 1"#,
            r#"outcrop_upstream_retries_total{reason="why"} 1"#,
            r#"outcrop_notes_total{action="dropped",param="top_k"} 1"#,
            r#"outcrop_fetches_total{outcome="why"} 1"#,
            r#"outcrop_turned_away_total{reason="key_tokens"} 1"#,
            r#"outcrop_queue_wait_seconds_count{outcome="admitted"} 1"#,
            r#"outcrop_queue_wait_seconds_count{outcome="abandoned"} 1"#,
            "outcrop_queue_length 1",
            "outcrop_calls_in_flight 1",
            r#"outcrop_client_disconnects_total{when="mid_answer"} 1"#,
            "outcrop_connections_total 2",
            "outcrop_connections_open 1",
            r#"outcrop_connections_closed_total{reason="why"} 1"#,
            r#"outcrop_upstream_first_byte_seconds_bucket{model="m",le="0.04"} 1"#,
            r#"gen_ai_server_time_to_first_token_seconds_bucket{gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",gen_ai_request_model="m",le="0.32"} 1"#,
            r#"gen_ai_server_time_per_output_token_seconds_bucket{gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",gen_ai_request_model="m",le="0.025"} 1"#,
        ] {
            assert_line(&metrics, line);
        }
    }
}
