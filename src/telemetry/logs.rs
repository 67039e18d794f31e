//! Log lines to standard error: one event, one line, one write.
//!
//! The AWS SDK's crates never log below INFO, whatever the filter says: at TRACE they have printed credentials
//! (RUSTSEC-2023-0125). There is no switch for that.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::Duration;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::{Layer, Registry};

use super::escape::OneLine;
use super::sink::Sink;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// [`Format::Human`] on a terminal, else [`Format::Json`].
    #[default]
    Auto,
    /// One JSON object a line, fields at its top level.
    Json,
    /// For eyes; coloured on a terminal only.
    Human,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// Not a filter in the syntax of `tracing_subscriber::EnvFilter`.
    #[error("the log filter is invalid: {0}")]
    Filter(#[from] ParseError),
    /// Nobody logs any more.
    #[error("the log has ended: {0}")]
    Gone(#[from] reload::Error),
    /// Called twice.
    #[error("logging has already begun")]
    AlreadyBegun,
    /// No thread to write from.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
}

/// Where this process logs to, once it does.
static SINK: OnceLock<Sink> = OnceLock::new();

/// The same, if the lines are JSON.
static JSON: OnceLock<Sink> = OnceLock::new();

/// Puts another filter in the place of the one in force.
pub(super) type Refilter = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

static FILTER: OnceLock<Refilter> = OnceLock::new();

/// Logs by another filter from now on, if this process logs.
pub fn refilter(filter: &str) -> Result<(), LogsError> {
    let filter = EnvFilter::builder().parse(filter)?;
    match FILTER.get() {
        Some(refilter) => refilter(filter).map_err(LogsError::Gone),
        None => Ok(()),
    }
}

/// For whoever writes a whole JSON line by itself.
pub(super) fn json_sink() -> Option<Sink> {
    JSON.get().cloned()
}

/// Waits a moment for lines that aren't written yet. For the end of the process.
pub fn flush() {
    if let Some(sink) = SINK.get() {
        sink.flush(Duration::from_secs(1));
    }
}

/// Begins to log, for the rest of the process. `filter` is as in `RUST_LOG`: `info`, or
/// `info,outcrop::gateway=debug,outcrop::access=off`.
pub fn init(format: Format, filter: &str) -> Result<(), LogsError> {
    let terminal = io::stderr().is_terminal();
    let format = match format {
        Format::Auto if terminal => Format::Human,
        Format::Auto => Format::Json,
        Format::Json | Format::Human => format,
    };
    let sink = Sink::start(io::stderr())?;
    let lines = sink.clone();
    let (subscriber, refilter) = subscriber(format, filter, terminal, move || lines.clone())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogsError::AlreadyBegun)?;
    if format == Format::Json {
        JSON.set(sink.clone()).map_err(|_| LogsError::AlreadyBegun)?;
    }
    SINK.set(sink).map_err(|_| LogsError::AlreadyBegun)?;
    FILTER.set(refilter).map_err(|_| LogsError::AlreadyBegun)?;
    std::panic::set_hook(Box::new(panicked));
    Ok(())
}

/// One line for a panic, as for any other event, and where it was. What it says isn't shown: slicing a text at the wrong
/// place quotes the text, and that may be a prompt.
fn panicked(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // Empty unless RUST_BACKTRACE asks for it.
    let backtrace = std::backtrace::Backtrace::capture();
    let backtrace =
        (backtrace.status() == std::backtrace::BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(target: "outcrop::panic", location, thread, backtrace, "panicked");
}

pub(super) fn subscriber<F, W>(
    format: Format,
    filter: &str,
    ansi: bool,
    writer: F,
) -> Result<(impl Subscriber + Send + Sync, Refilter), LogsError>
where
    F: Fn() -> W + Send + Sync + 'static,
    W: io::Write + 'static,
{
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse(filter)?);
    let lines: Box<dyn Layer<_> + Send + Sync> = match format {
        Format::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(move || OneLine(writer()))
            .boxed(),
        Format::Auto | Format::Human => fmt::layer().with_ansi(ansi).with_writer(writer).boxed(),
    };
    let subscriber = Registry::default().with(lines).with(filter).with(filter_fn(is_to_be_told));
    Ok((subscriber, Box::new(move |filter| handle.reload(filter))))
}

/// Whether this can be logged without risk to a credential, and tells something.
fn is_to_be_told(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    // After each failed attempt it complains of a connection that isn't one of its own: `bedrock/pool.rs` has them.
    if target == "aws_smithy_runtime::client::http::connection_poisoning" {
        return false;
    }
    *metadata.level() <= Level::INFO || !target.starts_with("aws_")
}

#[cfg(test)]
mod tests {
    use super::super::access::tests::Captured;
    use super::*;

    fn lines(format: Format, filter: &str, ansi: bool, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let (subscriber, _) = subscriber(format, filter, ansi, captured.writer()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        captured.text()
    }

    #[test]
    fn the_sdk_never_logs_below_info() {
        for filter in ["trace", "aws_smithy_runtime=trace", "aws_smithy_runtime::client=debug,info"] {
            let text = lines(Format::Json, filter, false, || {
                tracing::trace!(target: "aws_smithy_runtime::client", "credential");
                tracing::debug!(target: "aws_smithy_runtime::client", "credential");
                tracing::debug!(target: "aws_config::profile", "credential");
                tracing::info!(target: "aws_smithy_runtime::client", "harmless");
                tracing::error!(target: "aws_smithy_runtime::client::http::connection_poisoning", "credential");
            });
            assert!(!text.contains("credential"), "{filter}: {text}");
            assert!(text.contains("harmless"), "{filter}: {text}");
        }
    }

    #[test]
    fn others_log_what_the_filter_says() {
        let text = lines(Format::Json, "info,outcrop::x=debug", false, || {
            tracing::debug!(target: "outcrop::x", "wanted");
            tracing::debug!(target: "outcrop::y", "unwanted");
        });
        assert!(text.contains("wanted") && !text.contains("unwanted"), "{text}");
    }

    #[test]
    fn colour_is_for_terminals() {
        let log = || tracing::info!(field = "a", "message");
        assert!(!lines(Format::Human, "info", false, log).contains('\x1b'));
        assert!(lines(Format::Human, "info", true, log).contains('\x1b'));
    }

    #[test]
    fn control_characters_reach_no_terminal() {
        let text = lines(Format::Human, "info", true, || {
            tracing::info!(field = "a\x1b]0;title\x07\r\nforged line", "message");
        });
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.contains("\x1b]0;"), "{text:?}");
    }

    #[test]
    fn another_filter_holds_from_then_on() {
        let captured = Captured::default();
        let (subscriber, refilter) = subscriber(Format::Json, "info", false, captured.writer()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            for word in ["first", "second"] {
                tracing::debug!(word, "said");
                refilter(EnvFilter::new("debug")).unwrap();
            }
            refilter(EnvFilter::new("off")).unwrap();
            tracing::error!(word = "third", "said");
        });
        let text = captured.text();
        assert!(text.contains("second") && !text.contains("first") && !text.contains("third"), "{text}");
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        let error = subscriber(Format::Json, "info,=loud=", false, io::sink).map(drop).unwrap_err();
        assert!(error.to_string().starts_with("the log filter is invalid"), "{error}");
    }
}
