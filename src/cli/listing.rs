//! `outcrop models`: what this configuration serves, for people, for `cut` and for programs.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Outcome, complain, print};
use crate::app::App;
use crate::catalog::Moment;
use crate::config::Config;
use crate::gateway::{ModelFacts, Stage};

/// Longest wait for Bedrock's listings.
const LISTING: Duration = Duration::from_secs(15);

const HEADER: [&str; 5] = ["NAME", "CALLS", "REGION", "FAMILY/FORMAT", "LIFE"];

pub(super) async fn run(config: Config, retired: bool, as_json: bool) -> Outcome {
    let app = App::assemble(&config).await?;
    let directory = app.gateway.routes().directory();
    if directory.asks() {
        // Whoever has no credentials has not asked to wait for them.
        let listed = async {
            directory.refresh().await;
            app.gateway.routes().look_ahead().await;
            directory.settled().await;
        };
        if tokio::time::timeout(LISTING, listed).await.is_err() {
            complain("Bedrock lists nothing in time; this is what the embedded catalogue knows.\n");
        }
        for (region, what, kind) in directory.failures() {
            complain(&format!(
                "{what} in {region} failed ({}); the embedded catalogue stands in.\n",
                kind.label()
            ));
        }
    }
    let models = app.gateway.models(retired);
    print(&match () {
        () if as_json => format!("{:#}\n", models.iter().map(object).collect::<Value>()),
        () if io::stdout().is_terminal() => table(&models),
        () => lines(&models),
    });
    Ok(ExitCode::SUCCESS)
}

/// A line each, with tabs.
fn lines(models: &[ModelFacts]) -> String {
    models.iter().fold(String::new(), |text, model| text + &model.id + "\t" + &decision(model) + "\n")
}

/// The same below a header, in columns.
fn table(models: &[ModelFacts]) -> String {
    let header = HEADER.map(str::to_owned).to_vec();
    let rows = models.iter().map(|model| std::iter::once(model.id.clone()).chain(columns(model)).collect());
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn aligned(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        // Writing to a String can't fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn object(model: &ModelFacts) -> Value {
    json!({
        "id": model.id,
        "called": called(model),
        "region": model.region,
        "mode": model.mode,
        "family": model.family,
        "format": model.format,
        "stage": model.stage.map(Stage::as_str),
        "until": model.dates.end.map(Moment::date),
    })
}

/// Where a model's calls go, as people and `cut` can read it.
pub(super) fn decision(model: &ModelFacts) -> String {
    columns(model).join("\t")
}

fn columns(model: &ModelFacts) -> Vec<String> {
    let way = [model.family, model.format].into_iter().flatten().collect::<Vec<_>>().join("/");
    let way = if way.is_empty() { model.mode.to_owned() } else { way };
    let mut columns = vec![called(model).to_owned(), model.region.clone(), way];
    if let Some(stage @ (Stage::Legacy | Stage::Retired)) = model.stage {
        let end = model.dates.end.map_or_else(String::new, |end| format!(" until {}", end.date()));
        columns.push(format!("{}{end}", stage.as_str()));
    }
    columns
}

fn called(model: &ModelFacts) -> &str {
    model.profile.as_ref().unwrap_or(&model.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_header_over_its_columns_and_nothing_behind_them() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let text = aligned(&[
            row(&["NAME", "CALLS", "LIFE"]),
            row(&["a", "amazon.x", "legacy"]),
            row(&["löng", "b"]),
        ]);
        assert_eq!(text, "NAME  CALLS     LIFE\na     amazon.x  legacy\nlöng  b\n");
    }
}
