//! The command line.

mod doctor;
mod healthcheck;
mod listing;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::app::{App, Read, Signals};
use crate::auth::new_key;
use crate::config::{self, Auth, Config, LogFormat, Origin, Overrides, ProcessEnv, Sources};
use crate::gateway::{Gateway, Stage};
use crate::simulator::{self, Simulator};
use crate::telemetry;

/// `EX_CONFIG` of sysexits.h: the configuration is wrong.
const EXIT_CONFIG: u8 = 78;

/// An OpenAI-compatible gateway for Amazon Bedrock.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the OpenAI API.
    Serve(Serve),
    /// Check the configuration and print what is in force, without secrets.
    Check(Where),
    /// List the models that this configuration serves: name, what is called, Region, family and format, life.
    Models {
        #[command(flatten)]
        config: Where,
        /// Show those as well that AWS has retired.
        #[arg(long)]
        retired: bool,
        /// Write JSON, an object for each model.
        #[arg(long)]
        json: bool,
    },
    /// Run the Bedrock simulator alone, for other programs' tests.
    Simulate {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
        listen: SocketAddr,
        /// Accept requests without a valid signature.
        #[arg(long)]
        unsigned: bool,
        /// Ids of retired models that serve all the same, with commas between them; * is all.
        #[arg(long, value_delimiter = ',', value_name = "IDS")]
        models: Vec<String>,
    },
    /// Manage API keys.
    Keys {
        #[command(subcommand)]
        action: Keys,
    },
    /// Ask a running server whether it lives; for a container's HEALTHCHECK.
    Healthcheck {
        /// What to ask.
        #[arg(long, default_value = "http://127.0.0.1:8080/livez")]
        url: String,
    },
    /// Find out why Bedrock can't be reached, and what to do about it.
    Doctor(Where),
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make a new key, and the digest to configure for it.
    New,
}

#[derive(Debug, Args)]
struct Where {
    /// The configuration file (YAML or JSON); none is needed.
    #[arg(long, short, env = "OUTCROP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a single key, such as `--set timeout=120`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    config: Where,
    /// Where to listen, instead of server.listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Call a Bedrock simulator inside this process instead of AWS. Needs no account.
    #[arg(long)]
    simulate: bool,
}

/// Runs a command. What users asked for goes to standard output, everything else to standard error.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve(serve) => {
            let mut overrides = Overrides::default();
            if let Some(listen) = &serve.listen {
                overrides.set("--listen", "server.listen", listen);
            }
            let file = serve.config.config.clone();
            with_overrides(&serve.config, overrides, |overrides| {
                // Again and again from the same file, environment and flags.
                let read: Read = Arc::new(move || {
                    config::load(Sources {
                        file: file.as_deref(),
                        vars: &ProcessEnv,
                        overrides: overrides.clone(),
                    })
                });
                checked(read(), |config| block_on(serve_command(config, read, serve.simulate)))
            })
        }
        Command::Check(place) => with_config(&place, Overrides::default(), |config| {
            // Putting it together finds what only the parts can judge.
            block_on(async {
                let parts = App::assemble(&config).await?;
                print(&config.to_yaml_redacted());
                if let Some(exposed) = config.exposed() {
                    complain(&format!("warning: {exposed}\n"));
                }
                if let Some(retired) = retired_default(&config, &parts.gateway) {
                    complain(&format!("{retired}\n"));
                }
                if config.doubts().is_empty() {
                    return Ok(ExitCode::SUCCESS);
                }
                complain("The configuration is valid, but its file may not be whole:\n");
                for doubt in config.doubts() {
                    complain(&format!("{doubt}\n"));
                }
                Ok(ExitCode::from(EXIT_CONFIG))
            })
        }),
        Command::Models { config, retired, json } => {
            with_config(&config, Overrides::default(), |config| block_on(listing::run(config, retired, json)))
        }
        Command::Simulate { listen, unsigned, models } => {
            report(block_on(simulate(listen, unsigned, models)))
        }
        Command::Keys { action: Keys::New } => report(new_api_key()),
        Command::Healthcheck { url } => report(block_on(healthcheck::run(url))),
        Command::Doctor(place) => {
            with_config(&place, Overrides::default(), |config| block_on(doctor::run(config)))
        }
    }
}

/// Where requests without a model go, if AWS has retired the one that they are meant for.
fn retired_default(config: &Config, gateway: &Gateway) -> Option<String> {
    let config::Sourced { value: name, origin } = &config.default_model;
    // What leads nowhere at all is another mistake.
    if !gateway.model(name).is_ok_and(|model| model.stage == Some(Stage::Retired)) {
        return None;
    }
    Some(match origin {
        Origin::Default => format!(
            "No default_model is configured, and AWS has retired the built-in one ({name}): requests that name no model go to {}.",
            gateway.routes().default_model()
        ),
        _ => format!(
            "AWS has retired the configured default_model ({name}): requests that name no model will fail once it is gone."
        ),
    })
}

type Outcome = anyhow::Result<ExitCode>;

fn with_config(place: &Where, overrides: Overrides, command: impl FnOnce(Config) -> Outcome) -> ExitCode {
    with_overrides(place, overrides, |overrides| {
        let sources = Sources { file: place.config.as_deref(), vars: &ProcessEnv, overrides };
        checked(config::load(sources), command)
    })
}

/// With those of `--set` added.
fn with_overrides(
    place: &Where,
    mut overrides: Overrides,
    command: impl FnOnce(Overrides) -> ExitCode,
) -> ExitCode {
    for set in &place.sets {
        let Some((key, value)) = set.split_once('=') else {
            complain(&format!("--set {set}: expected KEY=VALUE\n"));
            return ExitCode::from(2);
        };
        if let Err(errors) = overrides.set_yaml("--set", key, value) {
            complain(&format!("{errors}\n"));
            return ExitCode::from(EXIT_CONFIG);
        }
    }
    command(overrides)
}

fn checked(read: Result<Config, config::Errors>, command: impl FnOnce(Config) -> Outcome) -> ExitCode {
    match read {
        Ok(config) => report(command(config)),
        Err(errors) => {
            complain(&format!("The configuration is not valid:\n{errors}\n"));
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn report(outcome: Outcome) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        complain(&format!("outcrop: {error:#}\n"));
        ExitCode::FAILURE
    })
}

fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    // Long requests are worked on here (`http/apart.rs`), by one thread for each core and one for another key's; the last is for
    // signals and whatever else must not wait for them.
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(cores + 2).enable_all().build()?;
    let outcome = runtime.block_on(work);
    // Dropping it would wait for whatever cannot be interrupted, such as a name that is being looked up.
    runtime.shutdown_background();
    outcome
}

/// A reader that has gone (`| head`) is no failure of ours.
fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

async fn serve_command(config: Config, read: Read, simulate: bool) -> Outcome {
    let format = match config.log.format {
        LogFormat::Auto => telemetry::logs::Format::Auto,
        LogFormat::Json => telemetry::logs::Format::Json,
        LogFormat::Human => telemetry::logs::Format::Human,
    };
    telemetry::logs::init(format, &config.log.level)?;
    let app = App::start(&config, simulate).await?;
    let signals = Signals::listen()?;
    if let Some(exposed) = config.exposed() {
        tracing::warn!(%exposed, "the configuration file is open to others");
    }
    for doubt in config.doubts() {
        tracing::warn!(%doubt, "the configuration is taken as it is, but its file may not be whole");
    }
    if config.default_model.origin == Origin::Default {
        tracing::warn!(
            model = app.default_model(),
            "no default_model is configured; requests that name no model go to this one, or to another once Bedrock's listings are read"
        );
    }
    // Files and variables answer at once. Nobody waits for more: it is told in the log, and by /health.
    let source = tokio::time::timeout(Duration::from_millis(50), app.credentials()).await;
    let source = match source {
        Ok(Ok(identity)) => identity.source,
        Ok(Err(_)) => "none found (`outcrop doctor` says which sources were tried)".to_owned(),
        Err(_elapsed) => "still being looked for".to_owned(),
    };
    complain(&greeting(&config, &app, &source));
    let served = Box::pin(app.serve_until_signalled(read, signals)).await;
    telemetry::logs::flush();
    served?;
    Ok(ExitCode::SUCCESS)
}

/// What somebody who has just started it wants to know, and a line to try it with.
fn greeting(config: &Config, app: &App, source: &str) -> String {
    let address = app.address();
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    let key = match &config.auth {
        Auth::Keys(_) => " \\\n  -H \"Authorization: Bearer $OUTCROP_API_KEY\"",
        Auth::Open => "",
    };
    let model = app.model_to_try();
    let upstream = match app.simulator() {
        Some(simulator) => format!("the built-in simulator at {} (nothing goes to AWS)", simulator.url()),
        None => region(config, &app.region()),
    };
    let admin =
        app.admin_address().map_or_else(String::new, |admin| format!("  admin        http://{admin}\n"));
    format!(
        "Outcrop {version} is listening on {scheme}://{address}\n{admin}  bedrock      {upstream}\n  credentials  {source}\n\nTry it:\n\ncurl -s {scheme}://{address}/v1/chat/completions \\\n  -H 'Content-Type: application/json'{key} \\\n  -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n\n",
        version = env!("CARGO_PKG_VERSION"),
    ) + if app.simulator().is_some() { SIMULATED } else { "" }
}

/// What is said of the simulator below the first request.
const SIMULATED: &str = "The simulator echoes. A message says what else it shall do: [[say:text]], [[tool:NAME {\"key\":\"value\"}]], \
                         [[reasoning:text]], [[stop:reason]] and more (docs/simulator.md).\n\n";

/// The region, and who chose it.
fn region(config: &Config, effective: &str) -> String {
    if effective == config.aws.region.value {
        format!("{effective} ({})", config.aws.region.origin)
    } else {
        format!("{effective} (AWS profile)")
    }
}

async fn simulate(address: SocketAddr, unsigned: bool, served_models: Vec<String>) -> Outcome {
    let signatures = if unsigned { simulator::Signatures::Ignored } else { simulator::Signatures::Checked };
    let options = simulator::Options { address, signatures, served_models, ..simulator::Options::default() };
    let keys = options.credentials.clone();
    let simulator = Simulator::start(options).await.map_err(|error| {
        anyhow::anyhow!("cannot listen on {address}: {error}: choose another address with --listen")
    })?;
    print(&format!(
        "A Bedrock simulator is listening on {url}\n\nexport AWS_ENDPOINT_URL_BEDROCK_RUNTIME={url}\nexport AWS_ENDPOINT_URL_BEDROCK={url}\nexport AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
        keys.access_key,
        keys.secret_key,
        url = simulator.url(),
    ));
    tokio::signal::ctrl_c().await?;
    simulator.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn new_api_key() -> Outcome {
    let new = new_key()?;
    print(&format!(
        "{}\n\n# Give the line above to the client. It is shown this once; the server only needs its digest:\nauth:\n  keys:\n    - id: my-key\n      sha256: {}\n      models: [\"*\"]  # or the names that it may use\n",
        new.key.expose(),
        new.digest
    ));
    Ok(ExitCode::SUCCESS)
}
