//! What was measured, as rows of a Markdown table.

use std::fmt::Write as _;
use std::time::Duration;

/// A property that was tried.
pub struct Row {
    /// Its place on the page `docs/reliability.md`.
    pub id: &'static str,
    pub name: &'static str,
    pub threshold: String,
    pub measured: String,
    pub verdict: Verdict,
}

pub enum Verdict {
    Holds,
    Fails,
    /// It couldn't be tried, and why.
    Skipped(String),
}

impl Row {
    pub fn new(
        id: &'static str,
        name: &'static str,
        threshold: impl Into<String>,
        measured: impl Into<String>,
        holds: bool,
    ) -> Self {
        let verdict = if holds { Verdict::Holds } else { Verdict::Fails };
        Self { id, name, threshold: threshold.into(), measured: measured.into(), verdict }
    }

    pub fn skipped(id: &'static str, name: &'static str, why: impl Into<String>) -> Self {
        Self {
            id, name, threshold: "–".into(), measured: "–".into(), verdict: Verdict::Skipped(why.into())
        }
    }
}

/// The table, `rows` with the scenario that each comes from.
pub fn markdown(rows: &[(&str, Row)], quick: bool) -> String {
    let mut text =
        "| | property | threshold | measured | verdict | command |\n|---|---|---|---|---|---|\n".to_owned();
    for (scenario, Row { id, name, threshold, measured, verdict }) in rows {
        let verdict = match verdict {
            Verdict::Holds => "holds".to_owned(),
            Verdict::Fails => "**fails**".to_owned(),
            Verdict::Skipped(why) => format!("skipped: {why}"),
        };
        let flag = if quick { " --quick" } else { "" };
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| {id} | {name} | {threshold} | {measured} | {verdict} | `just torture {scenario}{flag}` |"
        );
    }
    text
}

/// Times, to be asked for quantiles.
#[derive(Default)]
pub struct Times(pub Vec<Duration>);

impl Times {
    /// In milliseconds; without any, nothing was measured.
    pub fn at(&mut self, quantile: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * quantile).round() as usize;
        self.0.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }
}
