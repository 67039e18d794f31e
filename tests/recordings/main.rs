//! Real exchanges with Bedrock, replayed through the whole gateway.
//!
//! `OUTCROP_RECORDINGS` names a folder of recordings: JSON files with `operation`, `model_id`, `request`, `status`,
//! `headers` and `body_base64`, the raw reply. They can't be part of this repository; without the folder the test says
//! so and passes. Each reply is served byte for byte, asked for through the OpenAI API so that the gateway calls the
//! operation and model of the recording, and what a client gets is compared with what [`expect`] reads from the bytes:
//! it shares no code with the gateway. Streams are served twice, whole and in small pieces.

#![expect(
    clippy::print_stdout,
    reason = "what is not replayed has to be said, and a test has no other voice"
)]

mod client;
mod expect;
mod native;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use outcrop::app::App;
use outcrop::config::{self, Config, Overrides, Sources};
use outcrop::simulator::{Operation, Options, Reply, Signatures, Simulator, Step};
use serde::Deserialize;
use serde_json::{Value, json};

use expect::Said;
use native::Native;

/// Bytes at a time where a stream comes in pieces: no frame is as short, and no length is a multiple of it.
const PIECE: usize = 61;

#[derive(Deserialize)]
struct Recording {
    operation: String,
    model_id: String,
    #[serde(default)]
    request: Value,
    status: u16,
    headers: BTreeMap<String, String>,
    body_base64: String,
}

/// A recording that the gateway can be brought to repeat.
struct Case {
    operation: Operation,
    /// The model to ask for, as [`config`] names it.
    alias: String,
    expected: Expected,
    replies: Vec<Reply>,
}

#[derive(Debug, PartialEq)]
enum Expected {
    Said(Said),
    /// Status and `code` of an error.
    Failed(u16, String),
}

#[test]
fn what_bedrock_said_is_what_the_client_gets() -> Result<()> {
    let Some((_, folder)) = std::env::vars_os().find(|(name, _)| name == "OUTCROP_RECORDINGS") else {
        println!("OUTCROP_RECORDINGS is not set: no recordings are replayed");
        return Ok(());
    };
    tokio::runtime::Runtime::new()?.block_on(replay(&read(Path::new(&folder))?))
}

async fn replay(recordings: &BTreeMap<String, Recording>) -> Result<()> {
    // Recorded heads carry the dates of their time. The SDK sets its clock by them and signs with it.
    let options = Options { signatures: Signatures::Ignored, ..Options::default() };
    let simulator = Simulator::start(options).await?;
    let app = App::start(&config(recordings, &simulator)?, false).await?;
    let address = app.address();
    let serving = tokio::spawn(app.serve());

    let (mut replayed, mut skipped, mut wrong) = (0, BTreeMap::<_, u32>::new(), String::new());
    for (name, recording) in recordings {
        let body = STANDARD.decode(&recording.body_base64).with_context(|| name.clone())?;
        let case = match Case::of(recording, &body) {
            Ok(Ok(case)) => case,
            Ok(Err(why)) => {
                *skipped.entry(why).or_default() += 1;
                continue;
            }
            Err(error) => {
                writeln!(wrong, "\n{name}: no expectation: {error:#}")?;
                continue;
            }
        };
        replayed += 1;
        for reply in &case.replies {
            simulator.script([reply.clone()]);
            match case.ask(address, &simulator).await {
                Ok(got) if got == case.expected => {}
                Ok(got) => writeln!(wrong, "\n{name}:\nexpected {:#?}\ngot {got:#?}", case.expected)?,
                Err(error) => writeln!(wrong, "\n{name}: {error:#}")?,
            }
        }
    }
    serving.abort();
    println!("{replayed} recordings replayed; not replayed:");
    for (why, count) in skipped {
        println!("{count:>5}  {why}");
    }
    assert!(wrong.is_empty(), "{wrong}");
    ensure!(replayed > 0, "the folder holds no recording that can be replayed");
    Ok(())
}

fn read(folder: &Path) -> Result<BTreeMap<String, Recording>> {
    let mut recordings = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
            let recording = serde_json::from_slice(&fs::read(&path)?).with_context(|| name.clone())?;
            recordings.insert(name, recording);
        }
    }
    Ok(recordings)
}

/// Names for each model that say which API is called, and in which body: `converse/<id>`, `native/<id>`,
/// `completions/<id>` for Claude's older one, and `native/<family>/<id>` where the id hides the model.
fn config(recordings: &BTreeMap<String, Recording>, simulator: &Simulator) -> Result<Config> {
    let keys = outcrop::simulator::Credentials::default();
    let mut models = serde_json::Map::new();
    let ids = recordings.values().map(|recording| recording.model_id.as_str()).filter(|id| is_id(id));
    for id in ids.chain([ANY]) {
        let mut target = json!({ "target": id, "format": "converse" });
        if is_opaque(id) {
            target["family"] = "generic".into();
            for family in ["llama", "qwen"] {
                let target = json!({ "target": id, "format": "native", "family": family });
                models.insert(format!("native/{family}/{id}"), target);
            }
        }
        models.insert(format!("converse/{id}"), target);
        if Native::of(id) == Some(Native::Messages) {
            let target = json!({ "target": id, "format": "native", "family": "claude_text" });
            models.insert(format!("completions/{id}"), target);
        }
        if Native::of(id).is_some() {
            models.insert(format!("native/{id}"), json!({ "target": id, "format": "native" }));
        }
    }
    // Only what is recorded is asked.
    models.insert("live".to_owned(), json!({ "interval": 0 }));
    let mut overrides = Overrides::default();
    for (path, value) in [
        ("server.listen", json!("127.0.0.1:0")),
        ("aws.endpoint_url", json!(simulator.url())),
        ("aws.control_endpoint_url", json!(simulator.url())),
        ("aws.access_key_id", json!(keys.access_key)),
        ("aws.secret_access_key", json!(keys.secret_key)),
        // A recorded failure is answered once.
        ("retry.max_attempts", json!(1)),
        ("models", Value::Object(models)),
    ] {
        overrides.set_yaml("recordings", path, &value.to_string())?;
    }
    Ok(config::load(Sources { file: None, vars: &BTreeMap::<String, String>::new(), overrides })?)
}

/// Stands in for ids that no configuration accepts: Bedrock has said of them what it says of any wrong one.
const ANY: &str = "amazon.nova-micro-v1:0";

fn is_id(id: &str) -> bool {
    (id.contains('.') || id.starts_with("arn:")) && !id.starts_with("arn:aws:sagemaker")
}

/// Hides its model, so that its family has to be said.
fn is_opaque(id: &str) -> bool {
    let kinds = ["application-inference-profile", "imported-model", "custom-model", "provisioned-model"];
    kinds.iter().any(|kind| id.contains(&format!(":{kind}/"))) || id.contains(":custom-model-deployment/")
}

impl Case {
    /// The case, or why there is none.
    fn of(recording: &Recording, body: &[u8]) -> Result<Result<Self, &'static str>> {
        let Recording { operation, model_id, request, status, headers, body_base64: _ } = recording;
        let operation = match operation.as_str() {
            "Converse" => Operation::Converse,
            "ConverseStream" => Operation::ConverseStream,
            "InvokeModel" => Operation::InvokeModel,
            "InvokeModelWithResponseStream" => Operation::InvokeModelWithResponseStream,
            "CountTokens" => return Ok(Err("CountTokens: OpenAI's API has no such call")),
            other => anyhow::bail!("no expectation for the operation {other}"),
        };
        let streams = is_stream(operation);
        let invokes = matches!(operation, Operation::InvokeModel | Operation::InvokeModelWithResponseStream);
        let id = if is_id(model_id) { model_id } else { ANY };
        let native = Native::of(id);

        if *status >= 400 {
            // An error looks alike whichever operation failed.
            let operation = match (operation, native) {
                (Operation::InvokeModel, None) => Operation::Converse,
                (Operation::InvokeModelWithResponseStream, None) => Operation::ConverseStream,
                (operation, _) => operation,
            };
            let api = if invokes && native.is_some() { "native" } else { "converse" };
            let (status, code) = expect::failure(*status, headers, body)?;
            let expected = Expected::Failed(status, code.to_owned());
            let replies = vec![recorded(recording, body)];
            return Ok(Ok(Self { operation, alias: format!("{api}/{id}"), expected, replies }));
        }
        if !invokes {
            let said = if streams { expect::converse_stream(body)? } else { expect::converse(body)? };
            return Ok(Ok(Self::said(operation, format!("converse/{id}"), said, recording, body)));
        }
        let (format, alias) = match native {
            Some(Native::Messages) if Native::Completions.asked_with(request) => {
                (Native::Completions, format!("completions/{id}"))
            }
            Some(format) if format.asked_with(request) => (format, format!("native/{id}")),
            Some(_) => return Ok(Err("InvokeModel: another body than the gateway writes for the model")),
            // A hidden model is what it answers like.
            None if is_opaque(id) && memchr::memmem::find(body, b"\"generation\"").is_some() => {
                (Native::Llama, format!("native/llama/{id}"))
            }
            None if is_opaque(id) => (Native::Chat, format!("native/qwen/{id}")),
            None => return Ok(Err(why_not_native(id))),
        };
        let said =
            if streams { native::stream(format, body)? } else { native::whole(format, body, headers)? };
        Ok(Ok(Self::said(operation, alias, said, recording, body)))
    }

    fn said(operation: Operation, alias: String, said: Said, recording: &Recording, body: &[u8]) -> Self {
        let mut replies = vec![recorded(recording, body)];
        if is_stream(operation) {
            let pieces = body.chunks(PIECE).map(|piece| Step::Raw(Bytes::copy_from_slice(piece)));
            replies.push(Reply::stream(pieces.collect::<Vec<_>>()));
        }
        Self { operation, alias, expected: Expected::Said(said.with_plain_arguments()), replies }
    }

    /// Sends the chat that leads to the recorded exchange.
    async fn ask(&self, address: SocketAddr, simulator: &Simulator) -> Result<Expected> {
        let mut request = json!({
            "model": self.alias,
            "messages": [{ "role": "user", "content": "Good morning" }],
        });
        if is_stream(self.operation) {
            request["stream"] = true.into();
            request["stream_options"] = json!({ "include_usage": true });
        }
        if let Expected::Said(said) = &self.expected
            && !said.calls.is_empty()
        {
            let mut names: Vec<_> = said.calls.iter().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            let tool = |name| json!({ "type": "function", "function": { "name": name } });
            request["tools"] = names.into_iter().map(tool).collect();
        }
        let answer = client::chat(address, &request).await?;
        let called = simulator.requests().pop().map(|call| call.operation);
        ensure!(
            called == Some(self.operation),
            "the gateway called {called:?} instead of {:?}: {}",
            self.operation,
            answer.body
        );
        if let Expected::Failed(..) = &self.expected {
            let body: Value = serde_json::from_str(&answer.body)?;
            let code = body["error"]["code"].as_str().unwrap_or_default();
            return Ok(Expected::Failed(answer.status, code.to_owned()));
        }
        ensure!(answer.status == 200, "status {}: {}", answer.status, answer.body);
        let said = if is_stream(self.operation) {
            client::stream(&answer.body)
        } else {
            client::whole(&answer.body)
        };
        Ok(Expected::Said(said?.with_plain_arguments()))
    }
}

fn is_stream(operation: Operation) -> bool {
    matches!(operation, Operation::ConverseStream | Operation::InvokeModelWithResponseStream)
}

fn recorded(recording: &Recording, body: &[u8]) -> Reply {
    let headers = recording.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Reply::recorded(recording.status, headers, body.to_vec())
}

fn why_not_native(id: &str) -> &'static str {
    if id.contains("embed") {
        "InvokeModel: embeddings, which the gateway doesn't serve"
    } else {
        "InvokeModel: a body the gateway doesn't write; unknown models go through Converse"
    }
}
