//! Load for an OpenAI-compatible gateway. Every answer is checked: all of the text, a finish reason, `[DONE]`.
//! One JSON object on standard output, times in microseconds.
//!
//! - `closed`: so many connections, each as fast as it goes.
//! - `open`: requests at a constant rate. Latency counts from the scheduled time, so a slow gateway can't
//!   hide its queue.
//! - `idle`: so many connections that send one request each and then rest.

mod arrivals;
mod client;
mod process;
mod reader;
mod tally;

use std::cell::RefCell;
use std::error::Error;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

use client::Target;
use process::Meter;
use tally::Tally;

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Closed,
    Open,
    Idle,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// One short question.
    Question,
    /// Forty messages, 32 KB.
    History,
}

#[derive(Parser)]
struct Args {
    /// The gateway.
    #[arg(long)]
    address: String,
    /// Its process.
    #[arg(long)]
    pid: u32,
    /// What else belongs to the measurement, and not to the rest of the machine's work.
    #[arg(long = "also-pid")]
    also: Vec<u32>,
    #[arg(long, value_enum, default_value = "closed")]
    mode: Mode,
    /// How many, for `closed` and `idle`.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Requests a second, for `open`.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// How long to measure; for `idle`, how long to rest.
    #[arg(long, default_value_t = 3.0)]
    secs: f64,
    /// Before that; for `open` longer than a stream.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    #[arg(long, value_enum, default_value = "question")]
    shape: Shape,
    /// Ask for streams.
    #[arg(long)]
    stream: bool,
    /// Bytes of text that a whole stream brings at least.
    #[arg(long, default_value_t = 900)]
    text: usize,
    #[arg(long, default_value = workload::MODEL)]
    model: String,
    /// Sent as a bearer token.
    #[arg(long)]
    key: Option<String>,
    /// Longest time of one exchange.
    #[arg(long, default_value_t = 20.0)]
    timeout: f64,
    /// What the upstream waits before a stream: taken off the time of its first chunk.
    #[arg(long, default_value_t = 0)]
    upstream_first_ms: u64,
}

/// When to measure, and for how long an exchange may last.
#[derive(Clone, Copy)]
struct Span {
    warmup: Duration,
    measured: Duration,
    timeout: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = tokio::task::LocalSet::new().block_on(&runtime, run(args))?;
    writeln!(std::io::stdout(), "{result}")?;
    Ok(())
}

async fn run(args: Args) -> Result<Value, Box<dyn Error>> {
    let shape = match args.shape {
        Shape::Question => workload::Shape::Question,
        Shape::History => workload::Shape::History(40),
    };
    let target = Rc::new(Target {
        address: args.address,
        key: args.key,
        body: workload::chat(&args.model, shape, args.stream).into(),
        stream: args.stream,
        text: args.text,
    });
    let tally = Rc::new(RefCell::new(Tally::default()));
    let meter = Meter { gateway: args.pid, also: args.also };
    let span = Span {
        warmup: Duration::from_secs_f64(args.warmup),
        measured: Duration::from_secs_f64(args.secs),
        timeout: Duration::from_secs_f64(args.timeout),
    };
    process::reset_peak(args.pid)?;
    let window = match args.mode {
        Mode::Closed => arrivals::closed(&target, &tally, args.connections, span, &meter).await?,
        Mode::Open => arrivals::open(&target, &tally, args.rate, span, &meter).await?,
        Mode::Idle => {
            let idle = arrivals::idle(&target, &tally, args.connections, span, &meter).await?;
            let tally = tally.borrow();
            return Ok(json!({
                "errors": tally.errors,
                "first_error": tally.first_error,
                "held": idle.held,
                "kib_per_connection": idle.grown_kib / idle.held.max(1) as f64,
                "peak_mib": process::peak_mib(args.pid)?,
            }));
        }
    };
    let mut tally = tally.borrow_mut();
    let first = Duration::from_millis(args.upstream_first_ms);
    Ok(json!({
        "requests": tally.in_window,
        "per_second": tally.in_window as f64 / window.seconds,
        "cpu_us": (tally.in_window > 0).then(|| window.gateway * 1e6 / tally.in_window as f64),
        "latency_us": tally::quantiles(&mut tally.latencies, Duration::ZERO),
        "first_chunk_us": tally::quantiles(&mut tally.first_chunks, first),
        "chunk_added_us": tally::quantiles(&mut tally.chunks, Duration::ZERO),
        "peak_mib": process::peak_mib(args.pid)?,
        "errors": tally.errors,
        "first_error": tally.first_error,
        "others_cores": (window.others / window.seconds).max(0.0),
    }))
}
