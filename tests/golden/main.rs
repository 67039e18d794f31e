//! Bodies and streams, and what they must turn into.
//!
//! Walks `tests/fixtures/<family>/<case>/`: a new case is a new folder, there is no list to add it to. A case
//! has a `case.json` (where its facts are from, which model and format) and any of the files that [`STEPS`]
//! starts from; the file that a step must give stands beside it. `UPDATE_GOLDEN=1 cargo test --test golden` writes
//! those anew: read the diff, it is the review. Fixtures are written by hand from the protocols' references.

mod claims;
mod parameters;
mod tables;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use outcrop::bedrock::{Frame, ModelId, Operation, Reply, ReplyHead, TokenCounts};
use outcrop::chat::{BlockKind, CacheMode, Citation, Delta, Event, Response, StopReason, Usage};
use outcrop::embed;
use outcrop::families::{
    self, FormatKind, Lessons, ModelLimits, Overrides, Prepared, PreparedEmbeddings, StreamingMode, Terms,
};
use outcrop::formats::{CHAT_FORMATS, ChatFormat, EMBED_FORMATS, ProtocolError};
use outcrop::openai::{self, DecodedEmbeddings};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What a case's files turn into.
const STEPS: &[Step] = &[
    Step { given: "request.json", expected: "call.json", turn: request_into_call },
    Step { given: "reply.json", expected: "reply.events.json", turn: reply_into_events },
    Step { given: "embeddings.json", expected: "calls.json", turn: embeddings_into_calls },
    Step { given: "embeddings.reply.json", expected: "vectors.json", turn: reply_into_vectors },
    Step { given: "frames.jsonl", expected: "frames.events.json", turn: frames_into_events },
];

struct Step {
    given: &'static str,
    expected: &'static str,
    turn: fn(&Case, &str) -> Result<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Where its facts are from. Only for the reader, but every case must say.
    #[serde(rename = "source")]
    _source: String,
    /// When it was written.
    #[serde(rename = "date")]
    _date: String,
    /// The model that is asked, or that speaks so.
    model: String,
    /// A [`ChatFormat::name`] or an [`EmbedFormat::name`].
    format: String,
    /// The family that config names, where the id leads to another.
    #[serde(default)]
    family: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameLine {
    event: Box<str>,
    payload: Box<RawValue>,
}

/// Are the files to be written anew?
fn updating() -> bool {
    std::env::vars_os().any(|(name, _)| name == "UPDATE_GOLDEN")
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

#[test]
fn every_fixture_turns_into_what_stands_beside_it() -> Result<()> {
    let update = updating();
    let mut wrong = String::new();
    for folder in &case_folders()? {
        let case = case(folder)?;
        for step in STEPS.iter().filter(|step| folder.join(step.given).exists()) {
            let got = (step.turn)(&case, &read(&folder.join(step.given))?)?;
            let expected = folder.join(step.expected);
            if update {
                fs::write(&expected, got)?;
            } else if !expected.exists() || read(&expected)? != got {
                writeln!(wrong, "\n{} should be:\n{got}", expected.display())?;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    Ok(())
}

#[test]
fn a_reply_and_its_stream_say_the_same() -> Result<()> {
    for folder in case_folders()? {
        let (reply, frames) = (folder.join("reply.json"), folder.join("frames.jsonl"));
        if reply.exists() && frames.exists() {
            let case = case(&folder)?;
            let (whole, streamed) = (decode(&case, &read(&reply)?)?, stream(&case, &read(&frames)?)?);
            let fold = |events| format!("{:?}", Response::assemble(events));
            assert_eq!(fold(whole.events), fold(streamed.events), "{}", folder.display());
        }
    }
    Ok(())
}

#[test]
fn no_file_of_a_case_goes_unread() -> Result<()> {
    for folder in case_folders()? {
        let mut steps = 0;
        for file in entries(&folder)? {
            let name = file.file_name().unwrap_or_default();
            let given = STEPS.iter().any(|step| step.given == name);
            let expected = STEPS.iter().any(|step| step.expected == name && folder.join(step.given).exists());
            assert!(given || expected || name == "case.json", "nothing reads {}", file.display());
            steps += usize::from(given);
        }
        assert!(steps > 0, "{} holds nothing to check", folder.display());
    }
    Ok(())
}

/// What a client of OpenAI's API sends, and the call of Bedrock that comes of it.
fn request_into_call(case: &Case, request: &str) -> Result<String> {
    let openai::Decoded { request, stream, mut notes, model: _, include_usage: _, choices: _, forms: _ } =
        openai::decode(request.as_bytes())?;
    let model = ModelId::parse(&case.model)?;
    let terms = Terms {
        family: families::resolve(&model, case.family.as_deref()),
        model: &model,
        forced: Some(if case.format == "converse" { FormatKind::Converse } else { FormatKind::Native }),
        overrides: Overrides::default(),
        lessons: Lessons::default(),
        limits: ModelLimits::default(),
        streaming: stream,
        folding: None,
        thoughts_complete: false,
        cache: CacheMode::Conversations,
    };
    let Prepared {
        request,
        format,
        streaming,
        aliases: _,
        input_names: _,
        extras: _,
        local_stop,
        markup: _,
        json,
        caches: _,
    } = families::prepare(&terms, request, &mut notes)?;
    assert_eq!(format.name(), case.format, "the family speaks another format");
    let call = format.encode(&request, &model, streaming == StreamingMode::Native)?;
    let operation = match call.operation {
        Operation::Converse => "Converse",
        Operation::ConverseStream => "ConverseStream",
        Operation::InvokeModel => "InvokeModel",
        Operation::InvokeModelWithResponseStream => "InvokeModelWithResponseStream",
    };
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    let headers: Vec<String> =
        call.headers.iter().map(|(name, value)| format!("{}: {}", json!(name), json!(value))).collect();
    let headers = if headers.is_empty() {
        String::new()
    } else {
        format!("  \"headers\": {{{}}},\n", headers.join(", "))
    };
    let json = json.map_or_else(String::new, |ask| {
        format!("  \"json\": {},\n", json!(format!("{:?} {:?}", ask.source, ask.opening)))
    });
    // The body stays on its line: the order of its keys and every byte of it count.
    Ok(format!(
        "{{\n  \"operation\": {},\n  \"notes\": {},\n  \"local_stop\": {},\n{json}{headers}  \"body\": {}\n}}\n",
        json!(operation),
        json!(notes),
        json!(local_stop),
        std::str::from_utf8(&call.body)?,
    ))
}

fn reply_into_events(case: &Case, body: &str) -> Result<String> {
    Ok(decode(case, body)?.render())
}

fn frames_into_events(case: &Case, lines: &str) -> Result<String> {
    Ok(stream(case, lines)?.render())
}

/// What a client of OpenAI's API sends to have vectors, and the calls of Bedrock that come of it.
fn embeddings_into_calls(case: &Case, request: &str) -> Result<String> {
    let DecodedEmbeddings { request, mut notes, model: _, encoding: _ } =
        openai::decode_embeddings(request.as_bytes())?;
    let model = ModelId::parse(&case.model)?;
    let family = families::resolve_embeddings(&model, None).context("no family claims the model")?;
    let PreparedEmbeddings { pieces, format } =
        families::prepare_embeddings(family, &model, request, &mut notes)?;
    assert_eq!(format.name(), case.format, "the family speaks another format");
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    let mut calls = Vec::new();
    for piece in &pieces {
        let call = format.encode(piece, &model)?;
        assert_eq!(call.operation, Operation::InvokeModel);
        calls.push(format!("    {}", std::str::from_utf8(&call.body)?));
    }
    Ok(format!("{{\n  \"notes\": {},\n  \"bodies\": [\n{}\n  ]\n}}\n", json!(notes), calls.join(",\n")))
}

/// The vectors of a reply and their cost, of which the head says 99.
fn reply_into_vectors(case: &Case, body: &str) -> Result<String> {
    let format = EMBED_FORMATS.iter().find(|format| format.name() == case.format);
    let format = format.ok_or_else(|| anyhow!("there is no format {:?}", case.format))?;
    let tokens = TokenCounts { input: Some(99), ..TokenCounts::default() };
    let head = ReplyHead { tokens, ..ReplyHead::default() };
    let reply = Reply { head, body: Bytes::copy_from_slice(body.as_bytes()) };
    match format.decode(&reply) {
        Ok(embed::Response { vectors, input_tokens }) => {
            let vectors: Vec<_> = vectors.iter().map(|vector| format!("    {}", vector.as_json())).collect();
            let (tokens, vectors) = (json!(input_tokens), vectors.join(",\n"));
            Ok(format!("{{\n  \"tokens\": {tokens},\n  \"vectors\": [\n{vectors}\n  ]\n}}\n"))
        }
        Err(error) => Ok(format!("{}\n", json!({"error": error.to_string()}))),
    }
}

/// What a decoder gave.
struct Decoded {
    events: Vec<Event>,
    skipped: u32,
    outcome: Result<(), ProtocolError>,
}

fn decode(case: &Case, body: &str) -> Result<Decoded> {
    let mut events = Vec::new();
    let reply = Reply { head: ReplyHead::default(), body: Bytes::copy_from_slice(body.as_bytes()) };
    let outcome = format(case)?.decode(&reply, &mut events);
    Ok(Decoded { events, skipped: 0, outcome })
}

fn stream(case: &Case, lines: &str) -> Result<Decoded> {
    let (mut decoder, mut events) = (format(case)?.stream_decoder(), Vec::new());
    let frames = lines.lines().map(frame).collect::<Result<Vec<_>>>()?;
    let outcome = frames
        .iter()
        .try_for_each(|frame| decoder.push(frame, &mut events))
        .and_then(|()| decoder.finish(&mut events));
    Ok(Decoded { events, skipped: decoder.skipped(), outcome })
}

fn frame(line: &str) -> Result<Frame> {
    let FrameLine { event, payload } = serde_json::from_str(line).with_context(|| line.to_owned())?;
    Ok(Frame { event: event.into_string().into(), payload: Bytes::copy_from_slice(payload.get().as_bytes()) })
}

impl Decoded {
    /// A JSON array, an event a line: its name, its block, what it brings.
    fn render(&self) -> String {
        let mut rows: Vec<Value> = self.events.iter().map(row).collect();
        if self.skipped > 0 {
            rows.push(json!(["skipped", self.skipped]));
        }
        if let Err(error) = &self.outcome {
            rows.push(json!(["error", error.to_string()]));
        }
        let rows: Vec<String> = rows.iter().map(|row| format!("  {row}")).collect();
        format!("[\n{}\n]\n", rows.join(",\n"))
    }
}

fn row(event: &Event) -> Value {
    match event {
        Event::Start => json!(["start"]),
        Event::BlockStart { block, kind: BlockKind::Text } => json!(["block_start", block.0, "text"]),
        Event::BlockStart { block, kind: BlockKind::Reasoning } => {
            json!(["block_start", block.0, "reasoning"])
        }
        Event::BlockStart { block, kind: BlockKind::ToolUse { id, name } } => {
            json!(["block_start", block.0, "tool_use", id, name])
        }
        Event::Delta { block, delta: Delta::Citation(Citation { url, title }) } => {
            json!(["citation", block.0, url.decode(), title.as_ref().map(|title| title.decode())])
        }
        Event::Delta { block, delta } => {
            let (name, text) = match delta {
                Delta::Text(text) => ("text", text),
                Delta::Reasoning(text) => ("reasoning", text),
                Delta::Signature(text) => ("signature", text),
                Delta::Redacted(text) => ("redacted", text),
                Delta::ToolInput(text) => ("tool_input", text),
                Delta::Citation(_) => unreachable!("has a row of its own"),
            };
            json!([name, block.0, text.decode()])
        }
        Event::BlockStop { block } => json!(["block_stop", block.0]),
        Event::Refusal(words) => json!(["refusal", words.decode()]),
        Event::Stop(reason) => json!(["stop", stop_word(reason)]),
        Event::Usage(Usage { input, output, cache_read, cache_write, reasoning }) => {
            json!(["usage", {"input": input, "output": output, "cache_read": cache_read,
                "cache_write": cache_write, "reasoning": reasoning}])
        }
        Event::ServiceTier(tier) => json!(["service_tier", format!("{tier:?}")]),
        Event::Extra(extra) => json!(["extra", extra.name, extra.value]),
    }
}

fn stop_word(reason: &StopReason) -> &str {
    match reason {
        StopReason::EndTurn => "end_turn",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::ContextFull => "context_full",
        StopReason::ContentFiltered => "content_filtered",
        StopReason::Refusal => "refusal",
        StopReason::Malformed => "malformed",
        StopReason::Other(word) => word,
    }
}

fn format(case: &Case) -> Result<&'static dyn ChatFormat> {
    let format = CHAT_FORMATS.iter().find(|format| format.name() == case.format);
    format.copied().ok_or_else(|| anyhow!("there is no format {:?}", case.format))
}

fn case(folder: &Path) -> Result<Case> {
    let json = read(&folder.join("case.json"))?;
    serde_json::from_str(&json).with_context(|| format!("{}/case.json", folder.display()))
}

/// At least one: a walk that finds nothing proves nothing.
fn case_folders() -> Result<Vec<PathBuf>> {
    let root = fixture("");
    let mut cases = Vec::new();
    for family in folders(&root)? {
        cases.extend(folders(&family)?);
    }
    if cases.is_empty() { Err(anyhow!("no cases in {}", root.display())) } else { Ok(cases) }
}

/// Files beside the families and cases are other tests'.
fn folders(of: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(of)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn entries(of: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(of).with_context(|| of.display().to_string())?;
    let mut entries = listing.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    Ok(entries)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
