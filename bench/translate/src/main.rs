//! Translation alone: what each step between OpenAI's bytes and Bedrock's costs in CPU time, on one thread,
//! with no socket. Each step is measured on an input and on one twice as large: a step that costs more
//! than twice as much then isn't linear.
//!
//! `--once STEP --times N` only runs a step, for callgrind and perf. `--list` names the steps.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use clap::Parser;
use outcrop::bedrock::{FrameDecoder, Invocation, ModelId, Reply, ReplyHead};
use outcrop::chat::{CacheMode, Notes, Request, Response};
use outcrop::families::{self, FormatKind, Lessons, ModelLimits, Overrides, Prepared, Terms};
use outcrop::formats::{
    ANTHROPIC_MESSAGES, COHERE_CHAT, CONVERSE, ChatFormat, LLAMA_PROMPT, MISTRAL_PROMPT, NOVA_MESSAGES,
    OPENAI_CHAT, TITAN_TEXT,
};
use outcrop::openai::{self, CallForms, ChunkEncoder, Head, StreamOptions};
use rustix::time::{ClockId, clock_gettime};
use workload::{Format, Shape};

/// The gateway's allocator is part of what it costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Args {
    /// Only steps whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// CPU time to spend on a batch; the best of five batches counts.
    #[arg(long, default_value_t = 50)]
    batch_ms: u64,
    /// Run this step and print nothing.
    #[arg(long)]
    once: Option<String>,
    /// How often, for `--once`.
    #[arg(long, default_value_t = 100)]
    times: u32,
    /// On the larger input, for `--once`.
    #[arg(long)]
    large: bool,
    /// Print the steps' names and nothing else.
    #[arg(long)]
    list: bool,
}

/// One thing to measure.
struct Step {
    name: String,
    /// What the two sizes are.
    sizes: &'static str,
    small: Work,
    large: Work,
}

/// Does it once; the result is the length of what came out.
type Work = Box<dyn Fn() -> Result<usize>>;

const BATCHES: u32 = 5;

fn main() -> Result<()> {
    let args = Args::parse();
    let steps = steps()?;
    if let Some(name) = &args.once {
        let step =
            steps.iter().find(|step| step.name == *name).with_context(|| format!("no step {name:?}"))?;
        return repeat(if args.large { &step.large } else { &step.small }, args.times);
    }
    let mut out = io::stdout().lock();
    let mut chosen = steps.iter().filter(|step| step.name.contains(&args.only));
    if args.list {
        return chosen.try_for_each(|step| Ok(writeln!(out, "{}\t{}", step.name, step.sizes)?));
    }
    writeln!(out, "| step | sizes | CPU µs | at twice the size | growth |\n|---|---|--:|--:|--:|")?;
    for step in chosen {
        let batch = Duration::from_millis(args.batch_ms);
        let (small, large) = (measure(&step.small, batch)?, measure(&step.large, batch)?);
        let Step { name, sizes, .. } = step;
        writeln!(out, "| {name} | {sizes} | {small:.1} | {large:.1} | {:.2} |", large / small)?;
    }
    Ok(())
}

/// CPU microseconds of one run. Other work on the machine only ever adds, so the best batch is the truest.
fn measure(work: &Work, batch: Duration) -> Result<f64> {
    let mut times = 1;
    while cpu_time(work, times)? < batch.as_secs_f64() {
        times *= 2;
    }
    let mut best = f64::INFINITY;
    for _ in 0..BATCHES {
        best = best.min(cpu_time(work, times)? * 1e6 / f64::from(times));
    }
    Ok(best)
}

fn cpu_time(work: &Work, times: u32) -> Result<f64> {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let start = now();
    repeat(work, times)?;
    Ok(now() - start)
}

fn repeat(work: &Work, times: u32) -> Result<()> {
    for _ in 0..times {
        black_box(work()?);
    }
    Ok(())
}

/// The formats that Bedrock's answers are written in here.
const ANSWERS: [(&str, &dyn ChatFormat, Format); 5] = [
    ("claude", &ANTHROPIC_MESSAGES, Format::Claude),
    ("converse", &CONVERSE, Format::Converse),
    ("chat completions", &OPENAI_CHAT, Format::OpenAi),
    ("llama", &LLAMA_PROMPT, Format::Llama),
    ("titan", &TITAN_TEXT, Format::Titan),
];

/// A model of each format that requests are written in, and whether it has tools.
const SPOKEN: [(&str, &str, &dyn ChatFormat, bool); 8] = [
    ("claude", workload::MODEL, &ANTHROPIC_MESSAGES, true),
    ("converse", "qwen.qwen3-32b-v1:0", &CONVERSE, true),
    ("chat completions", "qwen.qwen3-32b-v1:0", &OPENAI_CHAT, true),
    ("nova", "amazon.nova-pro-v1:0", &NOVA_MESSAGES, true),
    ("command r", "cohere.command-r-v1:0", &COHERE_CHAT, true),
    ("llama", "meta.llama3-70b-instruct-v1:0", &LLAMA_PROMPT, false),
    ("mistral", "mistral.mixtral-8x7b-instruct-v0:1", &MISTRAL_PROMPT, false),
    ("titan", "amazon.titan-text-express-v1", &TITAN_TEXT, false),
];

fn steps() -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut add = |name: String, sizes, small, large| steps.push(Step { name, sizes, small, large });

    let decode = |shape| decode_request(workload::chat(workload::MODEL, shape, false));
    add("decode a history".into(), "32, 64 KB", decode(Shape::History(40)), decode(Shape::History(80)));
    add(
        "decode a long history".into(),
        "320, 640 KB",
        decode(Shape::History(400)),
        decode(Shape::History(800)),
    );
    add("decode tools".into(), "40, 80 tools", decode(Shape::Tools(40)), decode(Shape::Tools(80)));
    for (name, model, format, _) in SPOKEN {
        let encode = |shape| encode_request(model, format, shape);
        let (small, large) = (encode(Shape::History(40))?, encode(Shape::History(80))?);
        add(format!("{name}: encode a history"), "32, 64 KB", small, large);
    }
    for (name, model, format, _) in SPOKEN.into_iter().filter(|(.., tools)| *tools) {
        let encode = |tools| encode_request(model, format, Shape::Tools(tools));
        add(format!("{name}: encode tools"), "40, 80 tools", encode(40)?, encode(80)?);
    }
    for (name, format, wire) in ANSWERS {
        let (small, large) =
            (wire.reply(), wire.reply().replacen(workload::TEXT_MARK, &"word ".repeat(240), 1));
        add(
            format!("{name}: a whole reply"),
            "1.2, 2.4 KB",
            translate_reply(format, small),
            translate_reply(format, large),
        );
    }
    for (name, format, wire) in ANSWERS {
        let stream = |deltas| translate_stream(format, stream_bytes(wire, deltas));
        add(format!("{name}: a stream"), "1,000, 2,000 events", stream(1000), stream(2000));
    }
    Ok(steps)
}

/// OpenAI's bytes into the canonical request.
fn decode_request(body: String) -> Work {
    Box::new(move || Ok(openai::decode(body.as_bytes())?.request.messages.len()))
}

/// The canonical request into the call of Bedrock: what the family bends, and the format's bytes. The request
/// has to be copied each time, which is counted with it.
fn encode_request(model: &str, format: &'static dyn ChatFormat, shape: Shape) -> Result<Work> {
    let request = openai::decode(workload::chat(model, shape, false).as_bytes())?.request;
    let model = ModelId::parse(model)?;
    let forced = if format.name() == CONVERSE.name() { FormatKind::Converse } else { FormatKind::Native };
    let (first, spoken) = prepare_and_encode(&model, forced, request.clone())?;
    if spoken != format.name() || first.body.is_empty() {
        return Err(anyhow!("{} is spoken to in {spoken}, not {}", model.as_str(), format.name()));
    }
    Ok(Box::new(move || Ok(prepare_and_encode(&model, forced, request.clone())?.0.body.len())))
}

fn prepare_and_encode(
    model: &ModelId,
    forced: FormatKind,
    request: Request,
) -> Result<(Invocation, &'static str)> {
    let terms = Terms {
        family: families::resolve(model, None),
        model,
        forced: Some(forced),
        overrides: Overrides::default(),
        lessons: Lessons::default(),
        limits: ModelLimits::default(),
        streaming: false,
        folding: None,
        cache: CacheMode::Conversations,
        thoughts_complete: false,
    };
    let Prepared { request, format, .. } = families::prepare(&terms, request, &mut Notes::default())?;
    Ok((format.encode(&request, model, false)?, format.name()))
}

/// Bedrock's whole reply into OpenAI's.
fn translate_reply(format: &'static dyn ChatFormat, body: String) -> Work {
    let reply = Reply { head: ReplyHead::default(), body: Bytes::from(body) };
    Box::new(move || {
        let mut events = Vec::new();
        format.decode(&reply, &mut events)?;
        Ok(openai::completion(&HEAD, &CallForms::default(), &[Response::assemble(events)?])?.body.len())
    })
}

/// A whole event stream's bytes, in pieces as a connection gives them, into SSE.
fn translate_stream(format: &'static dyn ChatFormat, pieces: Vec<Bytes>) -> Work {
    Box::new(move || {
        let mut frames = FrameDecoder::new();
        let mut decoder = format.stream_decoder();
        let mut encoder =
            ChunkEncoder::new(&HEAD, CallForms::default(), 1, StreamOptions { include_usage: true });
        let (mut events, mut out, mut written) = (Vec::new(), Vec::new(), 0);
        for piece in &pieces {
            frames.push(piece);
            while let Some(frame) = frames.decode()? {
                decoder.push(&frame?, &mut events)?;
                for event in events.drain(..) {
                    encoder.push(0, &event, &mut out)?;
                }
            }
            written += std::mem::take(&mut out).len();
        }
        frames.finish()?;
        decoder.finish(&mut events)?;
        for event in events.drain(..) {
            encoder.push(0, &event, &mut out)?;
        }
        encoder.finish(0, &mut out)?;
        Ok(written + out.len())
    })
}

const HEAD: Head<'static> =
    Head { id: "chatcmpl-0198c0de0000700080000000000000ff", created: 1_760_000_000, model: workload::MODEL };

fn stream_bytes(wire: Format, deltas: usize) -> Vec<Bytes> {
    let mut bytes = wire.stream_head();
    bytes.extend((0..deltas).flat_map(|n| wire.numbered_delta(n)));
    bytes.extend(wire.stream_tail(deltas));
    Bytes::from(bytes).chunks(8 * 1024).map(Bytes::copy_from_slice).collect()
}
