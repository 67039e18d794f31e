//! Hurts a running gateway, and says whether it held what `docs/reliability.md` promises: the release binary and its
//! simulator as processes, on loopback. One Markdown table; the exit status is 1 if a property failed.

mod client;
mod front;
mod host;
mod load;
mod program;
mod scenarios;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use program::{Bench, root};
use table::{Row, Verdict};

pub type Failure = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
struct Args {
    /// Scenarios by name; all of them without.
    names: Vec<String>,
    /// In seconds instead of minutes: small numbers, which show that the rig works and what is badly wrong.
    #[arg(long)]
    quick: bool,
    /// List the scenarios.
    #[arg(long)]
    list: bool,
    /// How long `soak` lasts, in seconds.
    #[arg(long)]
    soak: Option<u64>,
    /// Try this binary.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Write the table into this file, between its markers if it has them. Rows of other scenarios stay.
    #[arg(long)]
    results: Option<PathBuf>,
}

/// What a scenario needs to know.
pub struct Context {
    pub bench: Bench,
    pub quick: bool,
    pub soak: Duration,
}

impl Context {
    /// The quick size or the full one.
    pub fn size<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

const BEGIN: &str = "<!-- torture: begin -->\n";
const END: &str = "<!-- torture: end -->";

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let args = Args::parse();
    let all = scenarios::ALL;
    if args.list {
        for (name, what) in all {
            println!("{name:18} {what}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = args.names.iter().find(|name| !all.iter().any(|(known, _)| known == name)) {
        return Err(format!("no scenario {unknown}; --list lists them").into());
    }
    let binary = args.gateway.unwrap_or_else(|| {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        target.join("release/outcrop")
    });
    let binary = binary.canonicalize().map_err(|error| format!("{}: {error}", binary.display()))?;
    let folder = tempfile::Builder::new().prefix("outcrop-torture-").tempdir()?;
    let context = Context {
        bench: Bench { binary, folder: folder.path().to_owned() },
        quick: args.quick,
        soak: Duration::from_secs(args.soak.unwrap_or(if args.quick { 20 } else { 3600 })),
    };
    let mut rows = Vec::new();
    for (name, _) in
        all.iter().filter(|(name, _)| args.names.is_empty() || args.names.iter().any(|n| n == name))
    {
        let begun = Instant::now();
        let found = tokio::select! {
            found = scenarios::run(name, &context) => found,
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
        };
        let found = found.unwrap_or_else(|error| {
            vec![Row::new("–", "the scenario ran to its end", "–", error.to_string(), false)]
        });
        for row in &found {
            let verdict = match &row.verdict {
                Verdict::Holds => "holds".to_owned(),
                Verdict::Fails => "FAILS".to_owned(),
                Verdict::Skipped(why) => format!("skipped: {why}"),
            };
            eprintln!(
                "{name}: {} {}: {} (threshold: {}): {verdict}",
                row.id, row.name, row.measured, row.threshold
            );
        }
        eprintln!("{name}: {:.0} s", begun.elapsed().as_secs_f64());
        rows.extend(found.into_iter().map(|row| (*name, row)));
    }
    let failed = rows.iter().any(|(_, row)| matches!(row.verdict, Verdict::Fails));
    let table = table::markdown(&rows, args.quick);
    println!("{table}");
    if let Some(path) = args.results {
        write(&path, &table)?;
    }
    if failed {
        // What the programs said may say why.
        eprintln!("logs: {}", folder.keep().display());
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Puts the rows into a file, in the places of those that the same scenarios had there.
fn write(path: &std::path::Path, table: &str) -> Result<(), Failure> {
    let text = if path.exists() { std::fs::read_to_string(path)? } else { format!("{BEGIN}{END}\n") };
    let (before, rest) = text.split_once(BEGIN).ok_or("the file has no markers")?;
    let (old, after) = rest.split_once(END).ok_or("the file has no end marker")?;
    let scenario = |row: &str| {
        row.rsplit("just torture ").next().and_then(|end| end.split([' ', '`']).next()).map(str::to_owned)
    };
    let fresh: Vec<_> = table.lines().skip(2).collect();
    let mut kept: Vec<_> =
        old.lines().skip(2).filter(|row| !fresh.iter().any(|new| scenario(new) == scenario(row))).collect();
    kept.extend(&fresh);
    let order =
        |row: &str| scenarios::ALL.iter().position(|(name, _)| Some((*name).to_owned()) == scenario(row));
    kept.sort_by_key(|row| order(row));
    let head: Vec<_> = table.lines().take(2).collect();
    let table = [head, kept].concat().join("\n");
    Ok(std::fs::write(path, format!("{before}{BEGIN}{table}\n{END}{after}"))?)
}
