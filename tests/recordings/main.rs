//! Real exchanges with Bedrock, replayed through the whole gateway.
//!
//! `OUTCROP_RECORDINGS` names a folder of recordings: JSON files with `operation`, `model_id`, `request`, `status`,
//! `headers` and `body_base64`, the raw reply. They can't be part of this repository; without the folder the test says
//! so and passes. Each reply is served byte for byte, asked for through the OpenAI API so that the gateway calls the
//! operation and model of the recording, and what a client gets is compared with what [`expect`] reads from the bytes:
//! it shares no code with the gateway. Streams are served twice, whole and in small pieces. Embeddings are asked for with
//! what the recorded request says, and the call that comes of it is compared with that request.

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

use expect::{Embedded, Said};
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
    /// The recorded request, where it is repeated.
    request: Value,
}

#[derive(Debug, PartialEq)]
enum Expected {
    Said(Said),
    Embedded(Embedded),
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
    let options = Options {
        signatures: Signatures::Ignored,
        served_models: vec!["*".to_owned()],
        ..Options::default()
    };
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
    let ids = recordings.values().map(|recording| recording.model_id.as_str());
    for id in ids.filter(|id| is_id(id) && !makes_vectors(id)).chain([ANY]) {
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
        // What was recorded whole is answered whole.
        ("stream.upstream", json!("asked")),
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

/// Such a model is asked by its id: there is one way to ask.
fn makes_vectors(id: &str) -> bool {
    id.contains("embed")
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
        if makes_vectors(id) {
            return Ok(Ok(Self::embedded(recording, body)?));
        }

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
            let alias = format!("{api}/{id}");
            return Ok(Ok(Self { operation, alias, expected, replies, request: Value::Null }));
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
            None => {
                return Ok(Err(
                    "InvokeModel: a body the gateway doesn't write; unknown models go through Converse",
                ));
            }
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
        let expected = Expected::Said(said.with_plain_arguments());
        Self { operation, alias, expected, replies, request: Value::Null }
    }

    fn embedded(recording: &Recording, body: &[u8]) -> Result<Self> {
        let expected = if recording.status >= 400 {
            let (status, code) = expect::failure(recording.status, &recording.headers, body)?;
            Expected::Failed(status, code.to_owned())
        } else {
            Expected::Embedded(expect::embedded(body, &recording.headers)?)
        };
        Ok(Self {
            operation: Operation::InvokeModel,
            alias: recording.model_id.clone(),
            expected,
            replies: vec![recorded(recording, body)],
            request: recording.request.clone(),
        })
    }

    /// Sends what leads to the recorded exchange.
    async fn ask(&self, address: SocketAddr, simulator: &Simulator) -> Result<Expected> {
        if makes_vectors(&self.alias) {
            return self.ask_for_vectors(address, simulator).await;
        }
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

impl Case {
    /// Asks for numbers and for base64, and sees to it that the gateway calls as the recording did.
    async fn ask_for_vectors(&self, address: SocketAddr, simulator: &Simulator) -> Result<Expected> {
        let mut asked = expect::question(&self.request)?;
        asked["model"] = self.alias.as_str().into();
        let answer = client::post(address, "/v1/embeddings", &asked).await?;
        let call = simulator.requests().pop().context("nothing was called")?;
        let called: Value = serde_json::from_slice(&call.body)?;
        // What a model does when nothing is said needn't be said.
        let recorded =
            without(without(self.request.clone(), "normalize", &json!(true)), "truncate", &json!("NONE"));
        ensure!(
            call.operation == Operation::InvokeModel && called == recorded,
            "the gateway called {called} instead of {recorded}"
        );
        let body: Value = serde_json::from_str(&answer.body)?;
        if let Expected::Failed(..) = &self.expected {
            let code = body["error"]["code"].as_str().unwrap_or_default();
            return Ok(Expected::Failed(answer.status, code.to_owned()));
        }
        ensure!(answer.status == 200, "status {}: {}", answer.status, answer.body);
        asked["encoding_format"] = "base64".into();
        simulator.script(self.replies.iter().cloned());
        let coded = client::post(address, "/v1/embeddings", &asked).await?;
        Ok(Expected::Embedded(client::embedded(&body, &serde_json::from_str(&coded.body)?)?))
    }
}

/// The object without a member that has this value.
fn without(mut object: Value, name: &str, value: &Value) -> Value {
    if object.get(name) == Some(value)
        && let Some(members) = object.as_object_mut()
    {
        members.remove(name);
    }
    object
}

fn is_stream(operation: Operation) -> bool {
    matches!(operation, Operation::ConverseStream | Operation::InvokeModelWithResponseStream)
}

fn recorded(recording: &Recording, body: &[u8]) -> Reply {
    let headers = recording.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Reply::recorded(recording.status, headers, body.to_vec())
}
