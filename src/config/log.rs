//! What is logged, and in which form.

use tracing_subscriber::EnvFilter;

use super::scalar;
use super::section::Section;

/// What is logged, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// A filter that `tracing_subscriber::EnvFilter` understands: `info,outcrop::gateway=debug`.
    pub level: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for eyes.
    Human,
}

impl Log {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let format = section.read("format", |node| {
            const WORDS: [(&str, LogFormat); 3] =
                [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("human", LogFormat::Human)];
            scalar::choice(node, &WORDS)
        });
        let level = section.read("level", |node| {
            let text = scalar::text(node)?;
            match EnvFilter::builder().parse(&text) {
                Ok(_) => Ok(text),
                Err(error) => Err(scalar::invalid(
                    &text,
                    format!("a filter such as info or info,outcrop=debug: {error}"),
                )),
            }
        });
        Some(Self { format: format?, level: level? })
    }
}
