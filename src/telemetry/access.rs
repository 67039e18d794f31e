//! One line a request, for whoever has to find out later what happened to it.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use super::escape::escape;
use super::labels::Outcome;
use super::logs;

/// Longest text in one field, in bytes: a client chooses some of them.
const LONGEST: usize = 256;

/// What is said about a request once it has ended. What isn't known stays `None` and isn't written. Never a
/// prompt, an answer or a key.
#[derive(Clone, Debug)]
pub struct AccessLine<'a> {
    /// The id in `x-request-id`.
    pub id: &'a str,
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The route's pattern, or the path where no route matched.
    pub path: &'a str,
    /// Whose key it was.
    pub key_id: Option<&'a str>,
    /// The model, as the client named it.
    pub model: Option<&'a str>,
    /// Where it was served from in the end: region and model id.
    pub target: Option<&'a str>,
    /// The Region in which it was called.
    pub region: Option<&'a str>,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The status sent, or 499 for a client that had left.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// The answer's `finish_reason`.
    pub finish_reason: Option<&'a str>,
    /// Tokens read by the model and not from the cache.
    pub input_tokens: Option<u64>,
    /// Tokens written by the model.
    pub output_tokens: Option<u64>,
    /// Input tokens that came from the prompt cache.
    pub cache_read_tokens: Option<u64>,
    /// Input tokens that went into it.
    pub cache_write_tokens: Option<u64>,
    /// From arrival to the first content.
    pub first_token: Option<Duration>,
    /// From arrival to the last byte.
    pub duration: Duration,
    /// Attempts made upstream, over all targets.
    pub attempts: u32,
    /// What was dropped, clamped, renamed or emulated, as in `x-outcrop-notes`.
    pub notes: Option<&'a str>,
    /// Amazon's id of the last attempt, which its support asks for.
    pub upstream_request_id: Option<&'a str>,
    /// The error's kind, as in `outcrop_errors_total`.
    pub error: Option<&'a str>,
}

impl AccessLine<'_> {
    /// Logs it under the target `outcrop::access`: at DEBUG if the level says so, else at INFO.
    pub fn emit(&self, level: Level) {
        match logs::json_sink() {
            // A line that every request pays for: written straight out it costs a tenth of an event with 20 fields.
            Some(mut sink) if level == Level::INFO => {
                if tracing::enabled!(target: "outcrop::access", Level::INFO) {
                    // A sink takes what it is given.
                    let _ = sink.write_all(&self.to_json());
                }
            }
            Some(_) | None => self.event(level),
        }
    }

    /// The line that the event would make.
    fn to_json(&self) -> Vec<u8> {
        let mut timestamp = String::with_capacity(32);
        let told = SystemTime.format_time(&mut Writer::new(&mut timestamp));
        debug_assert!(told.is_ok(), "a string takes any text");
        let mut line = Vec::with_capacity(768);
        let written = serde_json::to_writer(
            &mut line,
            &Json {
                timestamp: &timestamp,
                level: "INFO",
                message: "request",
                id: clip(self.id),
                method: clip(self.method),
                path: clip(self.path),
                key_id: self.key_id.map(clip),
                model: self.model.map(clip),
                upstream_target: self.target.map(clip),
                upstream_region: self.region.map(clip),
                stream: self.stream,
                status: self.status,
                outcome: self.outcome.as_str(),
                finish_reason: self.finish_reason.map(clip),
                input_tokens: self.input_tokens,
                output_tokens: self.output_tokens,
                cache_read_tokens: self.cache_read_tokens,
                cache_write_tokens: self.cache_write_tokens,
                first_token_ms: self.first_token.map(milliseconds),
                duration_ms: milliseconds(self.duration),
                attempts: self.attempts,
                notes: self.notes.map(clip),
                upstream_request_id: self.upstream_request_id.map(clip),
                error: self.error.map(clip),
                target: "outcrop::access",
            },
        );
        debug_assert!(written.is_ok(), "strings and numbers can always be written to memory");
        line.push(b'\n');
        match escape(&line) {
            Cow::Borrowed(_) => line,
            Cow::Owned(escaped) => escaped,
        }
    }

    fn event(&self, level: Level) {
        /// The macro's level is part of the call site, so there is one site for each.
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "outcrop::access",
                    $level,
                    id = clip(self.id),
                    method = clip(self.method),
                    path = clip(self.path),
                    key_id = self.key_id.map(clip),
                    model = self.model.map(clip),
                    // Not `target`: every line has one, and it means where in the code the line comes from.
                    upstream_target = self.target.map(clip),
                    upstream_region = self.region.map(clip),
                    stream = self.stream,
                    status = self.status,
                    outcome = self.outcome.as_str(),
                    finish_reason = self.finish_reason.map(clip),
                    input_tokens = self.input_tokens,
                    output_tokens = self.output_tokens,
                    cache_read_tokens = self.cache_read_tokens,
                    cache_write_tokens = self.cache_write_tokens,
                    first_token_ms = self.first_token.map(milliseconds),
                    duration_ms = milliseconds(self.duration),
                    attempts = self.attempts,
                    notes = self.notes.map(clip),
                    upstream_request_id = self.upstream_request_id.map(clip),
                    error = self.error.map(clip),
                    "request"
                )
            };
        }
        if level == Level::DEBUG {
            line!(Level::DEBUG);
        } else {
            line!(Level::INFO);
        }
    }
}

/// The line's members, in their order.
#[derive(Serialize)]
struct Json<'a> {
    timestamp: &'a str,
    level: &'static str,
    message: &'static str,
    id: &'a str,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_region: Option<&'a str>,
    stream: bool,
    status: u16,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_ms: Option<f64>,
    duration_ms: f64,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    target: &'static str,
}

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// With one decimal: what lies beyond is noise.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::logs::{self, Format};
    use super::*;
    use serde_json::Value;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    /// Where the tests' log lines go; keeps each write apart.
    #[derive(Clone, Default)]
    pub(in super::super) struct Captured(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Captured {
        pub(in super::super) fn writer(&self) -> impl Fn() -> Self + Clone + Send + Sync + 'static {
            let captured = self.clone();
            move || captured.clone()
        }

        pub(in super::super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().concat()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn emitted(line: &AccessLine<'_>) -> (Captured, Value) {
        let captured = Captured::default();
        let (subscriber, _) = logs::subscriber(Format::Json, "info", false, captured.writer()).unwrap();
        tracing::subscriber::with_default(subscriber, || line.emit(Level::INFO));
        let text = captured.text();
        (captured, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
    }

    fn line(text: &str) -> AccessLine<'_> {
        AccessLine {
            id: text,
            method: text,
            path: text,
            key_id: Some(text),
            model: Some(text),
            target: Some(text),
            region: Some(text),
            stream: true,
            status: 200,
            outcome: Outcome::Completed,
            finish_reason: Some(text),
            input_tokens: Some(10),
            output_tokens: Some(20),
            cache_read_tokens: None,
            cache_write_tokens: None,
            first_token: Some(Duration::from_micros(12_345)),
            duration: Duration::from_millis(1500),
            attempts: 2,
            notes: Some(text),
            upstream_request_id: Some(text),
            error: Some(text),
        }
    }

    const TEXTS: [&str; 11] = [
        "id",
        "method",
        "path",
        "key_id",
        "model",
        "finish_reason",
        "notes",
        "upstream_request_id",
        "error",
        "upstream_target",
        "upstream_region",
    ];

    #[test]
    fn hostile_text_stays_inside_its_field_on_one_line() {
        let hostile = "a\r\nb\0c\x1b[31md\u{2028}e\u{2029}f\u{85}g\"h\\i\u{9b}j";
        let (captured, json) = emitted(&line(hostile));
        let text = captured.text();
        assert_eq!(
            text.matches(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}', '\x1b']).count(),
            1,
            "{text:?}"
        );
        assert!(text.ends_with('\n'));
        for field in TEXTS {
            assert_eq!(json[field], hostile, "{field}");
        }
    }

    #[test]
    fn the_line_written_straight_out_is_the_events() {
        for text in ["x", "a\r\n\u{2028}\u{85}\"\\\x1b"] {
            let (_, event) = emitted(&line(text));
            let straight = String::from_utf8(line(text).to_json()).unwrap();
            assert_eq!(
                straight.matches(['\n', '\r', '\u{2028}', '\u{85}', '\x1b']).count(),
                1,
                "{straight:?}"
            );
            let mut straight: Value = serde_json::from_str(&straight).unwrap();
            assert!(straight["timestamp"].as_str().unwrap().ends_with('Z'));
            straight["timestamp"] = event["timestamp"].clone();
            assert_eq!(straight, event);
        }
    }

    #[test]
    fn a_line_is_one_write() {
        let (captured, _) = emitted(&line("x"));
        assert_eq!(captured.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn numbers_are_numbers_and_the_unknown_is_absent() {
        let (_, json) = emitted(&line("x"));
        assert_eq!(json["status"], 200);
        assert_eq!(json["stream"], true);
        assert_eq!(json["outcome"], "completed");
        assert_eq!(json["input_tokens"], 10);
        assert_eq!(json["output_tokens"], 20);
        assert_eq!(json["first_token_ms"], 12.3);
        assert_eq!(json["duration_ms"], 1500.0);
        assert_eq!(json["attempts"], 2);
        assert_eq!(json["level"], "INFO");
        assert_eq!(json["message"], "request");
        assert!(json.get("cache_read_tokens").is_none());
    }

    #[test]
    fn a_text_is_clipped_between_characters() {
        let long = "é".repeat(1000);
        let (_, json) = emitted(&line(&long));
        assert_eq!(json["model"], "é".repeat(128));
    }
}
