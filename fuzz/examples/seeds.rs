//! Writes `fuzz/seeds/` anew from `tests/fixtures/`: `cd fuzz && cargo run --example seeds`.
//!
//! Seeds are committed, so that a fuzzer starts where the last one did; this only keeps them in step with the
//! fixtures. An example, because `cargo fuzz` takes every binary for a target.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outcrop::formats::CHAT_FORMATS;
use outcrop_fuzz::message;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct FrameLine {
    event: String,
    payload: Box<RawValue>,
}

#[derive(Deserialize)]
struct Case {
    format: String,
}

/// A client's URL, and in the second line where its server redirects to.
const URLS: [(&str, &str); 12] = [
    ("plain", "https://images.example.com/a/b.png?size=1#top\n/c.png"),
    ("listed", "https://a.b.example.org/\n//images.example.com/x"),
    ("port", "http://a.example:8080/\nhttps://a.example:443/"),
    ("userinfo", "http://user:password@a.example/\nhttp://@127.0.0.1/"),
    ("backslash", "http://127.0.0.1\\@a.example/\n\\\\127.0.0.1\\"),
    ("decimal", "http://2130706433/\nhttp://93.184.3970830/"),
    ("octal_hex", "http://0177.0.0x0.1/\nhttp://0x5d.0xb8.0xd7.0x0e/"),
    ("wide", "http://１２７。０．0｡1/\nhttp://bücher.example/"),
    ("escaped", "http://%31%32%37.0.0.1/\nhttp://a%2eexample/%2e%2e/"),
    ("mapped", "http://[::ffff:127.0.0.1]/\nhttp://[64:ff9b::7f00:1]/"),
    ("v6", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/\nhttps://[fe80::1%25eth0]/"),
    ("dots", "http://localhost./\nhttp://127.0.0.1./../.."),
];

/// As the target `converse_stream` numbers them.
const CONVERSE_EVENTS: [&str; 6] =
    ["contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStart", "messageStop", "metadata"];
const UNHEARD_OF: u8 = 6;

fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixtures = here.join("../tests/fixtures");
    let seeds = here.join("seeds");
    if seeds.exists() {
        fs::remove_dir_all(&seeds)?;
    }
    write(&seeds, "chat_request", "openai-full", &fs::read(fixtures.join("openai/full.json"))?)?;
    for family in folders(&fixtures)? {
        for case in folders(&family)? {
            let part = |path: &Path| -> Result<String> {
                Ok(path.file_name().context("a folder has a name")?.to_string_lossy().into_owned())
            };
            let name = format!("{}-{}", part(&family)?, part(&case)?);
            if let Some(request) = read(&case.join("request.json"))? {
                write(&seeds, "chat_request", &name, request.as_bytes())?;
            }
            let Some(frames) = read(&case.join("frames.jsonl"))? else { continue };
            let frames: Vec<FrameLine> =
                frames.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            let native = frames.iter().all(|frame| frame.event == "chunk");
            write(&seeds, "frames", &name, &wire(&frames))?;
            let Case { format } =
                serde_json::from_str(&read(&case.join("case.json"))?.context("a case says what it is")?)?;
            let target = match format.as_str() {
                "converse" => "converse_stream",
                "anthropic_messages" => "messages_stream",
                _ => "native_stream",
            };
            let mut seed = lines(&frames, native);
            if target == "native_stream" {
                let at = CHAT_FORMATS.iter().position(|known| known.name() == format);
                seed.insert(0, u8::try_from(at.context("a case has a format")?)?);
            }
            write(&seeds, target, &name, &seed)?;
        }
    }
    for (name, text) in texts(here)? {
        let (target, name) = name.split_once('/').context("a target and a name")?;
        write(&seeds, target, name, text.as_bytes())?;
    }
    for (name, url) in URLS {
        write(&seeds, "fetch_guard", name, url.as_bytes())?;
    }
    for (name, bytes) in failures() {
        write(&seeds, "frames", name, &bytes)?;
    }
    Ok(())
}

/// The bytes of the stream behind a number that says how they are cut.
fn wire(frames: &[FrameLine]) -> Vec<u8> {
    let mut bytes = vec![97];
    for frame in frames {
        let payload = frame.payload.get().as_bytes();
        let payload = if frame.event == "chunk" {
            format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(payload)).into_bytes()
        } else {
            payload.to_vec()
        };
        bytes.extend(message(
            &[
                (":event-type", frame.event.as_str()),
                (":content-type", "application/json"),
                (":message-type", "event"),
            ],
            &payload,
        ));
    }
    bytes
}

/// Seeds that are texts, by target and name.
fn texts(here: &Path) -> Result<Vec<(&'static str, String)>> {
    let config = |name: &str| fs::read_to_string(here.join("../config").join(name));
    let mut texts =
        vec![("config/default", config("default.yaml")?), ("config/example", config("example.yaml")?)];
    let written = [
        ("model_id/plain", "amazon.nova-lite-v1:0"),
        ("model_id/profile", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("model_id/arn", "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc123"),
        ("model_id/foundation", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5"),
        ("model_id/dots", "a/../b"),
        ("model_id/escaped", "a%2f%2e%2e%2fb"),
        ("retry_after/millis", "1500\n2"),
        ("retry_after/seconds", "\n0.5"),
        ("retry_after/date", "x\nWed, 21 Oct 2026 07:28:00 GMT\nWed, 21 Oct 2026 07:27:00 GMT"),
        (
            "embeddings_request/one",
            r#"{"model":"amazon.titan-embed-text-v2:0","input":"hi","dimensions":256}"#,
        ),
        (
            "embeddings_request/many",
            r#"{"model":"cohere.embed-english-v3","input":["a","\u00e9"],"encoding_format":"base64","input_type":"search_query","truncate":"END","user":"u"}"#,
        ),
        ("embeddings_request/tokens", r#"{"model":"m","input":[[1,2],[3]]}"#),
        ("chunks/text", "\x00\n\x01\n\x04one \n\x04two\n\x08\n\x09\n\x0a12"),
        ("chunks/call", "\x00\n\x02\n\x05why\n\x06s\n\x08\n\x23f\n\x27{\"a\"\n\x27:1}\n\x28\n\x09"),
    ];
    texts.extend(written.map(|(name, text)| (name, text.to_owned())));
    Ok(texts)
}

/// Streams that end badly.
fn failures() -> [(&'static str, Vec<u8>); 3] {
    let throttled = message(
        &[
            (":exception-type", "throttlingException"),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        br#"{"message":"Too many requests, please wait before trying again."}"#,
    );
    let error = message(
        &[
            (":error-code", "InternalFailure"),
            (":error-message", "An internal error"),
            (":message-type", "error"),
        ],
        b"",
    );
    let misnamed = message(
        &[(":event-type", "modelStreamErrorException"), (":message-type", "event")],
        br#"{"message":"The model failed","originalStatusCode":500,"originalMessage":"x"}"#,
    );
    [("exception", throttled), ("error", error), ("exception-as-event", misnamed)]
        .map(|(name, bytes)| (name, [&[5], bytes.as_slice()].concat()))
}

/// A line for each event, behind a byte that chooses its name.
fn lines(frames: &[FrameLine], native: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        let at = CONVERSE_EVENTS.iter().position(|known| *known == frame.event);
        bytes.push(if native { 0 } else { at.and_then(|at| u8::try_from(at).ok()).unwrap_or(UNHEARD_OF) });
        bytes.extend_from_slice(frame.payload.get().as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

fn folders(of: &Path) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<_> = fs::read_dir(of)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

fn read(path: &Path) -> Result<Option<String>> {
    if path.exists() { Ok(Some(fs::read_to_string(path)?)) } else { Ok(None) }
}

fn write(seeds: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(seeds.join(target))?;
    fs::write(seeds.join(target).join(name), bytes)?;
    Ok(())
}
