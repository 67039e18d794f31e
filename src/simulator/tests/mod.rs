//! The simulator driven by the real AWS SDK over loopback.

mod accidents;
mod answers;
mod authentication;
mod caching;
mod control_plane;
mod guardrails;
mod native;
mod properties;
mod recordings;
mod scenarios;

use super::*;
use aws_sdk_bedrockruntime::config::{
    BehaviorVersion, Credentials as Keys, Region, Token, retry::RetryConfig,
};
use aws_sdk_bedrockruntime::error::ProvideErrorMetadata as _;
use aws_sdk_bedrockruntime::operation::converse::ConverseError;
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStreamOutput as ConverseStreamReply;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::error::{ConverseStreamOutputError, ResponseStreamError};
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ContentBlockDelta, ConversationRole, ConverseStreamOutput, InferenceConfiguration, Message,
    ReasoningContentBlockDelta, ResponseStream, StopReason, SystemContentBlock, Tool, ToolConfiguration,
    ToolInputSchema, ToolSpecification,
};
use aws_sdk_bedrockruntime::{Client, Config};
use aws_smithy_types::Document;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const LLAMA: &str = "us.meta.llama3-3-70b-instruct-v1:0";
const TITAN: &str = "amazon.titan-text-express-v1";
const NOVA: &str = "amazon.nova-lite-v1:0";

/// Retired models are served as well.
fn of_all_ages() -> Options {
    Options { served_models: vec!["*".into()], ..Options::default() }
}

async fn simulator() -> Simulator {
    Simulator::start(of_all_ages()).await.unwrap()
}

/// One that takes requests without a signature.
async fn open() -> Simulator {
    Simulator::start(Options { signatures: Signatures::Ignored, ..of_all_ages() }).await.unwrap()
}

/// Sends a JSON body to an operation of a model and reads the JSON of the reply, whatever its status.
async fn call(simulator: &Simulator, model: &str, operation: &str, body: &Value) -> Value {
    body_of(&raw(simulator, &post(&format!("/model/{model}/{operation}"), &body.to_string())).await)
}

/// A Converse request of one user text, with more members.
fn conversation(text: &str, members: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": [{"text": text}]}]});
    if let Value::Object(members) = members {
        body.as_object_mut().unwrap().extend(members);
    }
    body
}

fn config(simulator: &Simulator) -> aws_sdk_bedrockruntime::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(simulator.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
}

fn signed_by(simulator: &Simulator, secret: &str) -> Client {
    let keys = Keys::new("AKIDSIMULATOR", secret, None, None, "test");
    Client::from_conf(config(simulator).credentials_provider(keys).build())
}

fn client(simulator: &Simulator) -> Client {
    signed_by(simulator, "simulator")
}

fn user(text: &str) -> Message {
    Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text(text.to_owned()))
        .build()
        .unwrap()
}

fn tools(names: &[&str]) -> ToolConfiguration {
    let schema = Document::Object([("type".to_owned(), Document::String("object".to_owned()))].into());
    let tools = names.iter().map(|name| {
        let spec = ToolSpecification::builder()
            .name(*name)
            .input_schema(ToolInputSchema::Json(schema.clone()))
            .build()
            .unwrap();
        Tool::ToolSpec(spec)
    });
    ToolConfiguration::builder().set_tools(Some(tools.collect())).build().unwrap()
}

async fn converse(
    simulator: &Simulator,
    model: &str,
    text: &str,
) -> Result<(String, StopReason), ConverseError> {
    let sent = client(simulator).converse().model_id(model).messages(user(text)).send().await;
    let reply = sent.map_err(aws_sdk_bedrockruntime::error::SdkError::into_service_error)?;
    let message = reply.output().unwrap().as_message().unwrap();
    let text = message.content().iter().filter_map(|block| match block {
        ContentBlock::Text(text) => Some(text),
        _ => None,
    });
    Ok((text.cloned().collect(), reply.stop_reason().clone()))
}

async fn stream(simulator: &Simulator, model: &str, text: &str) -> ConverseStreamReply {
    client(simulator).converse_stream().model_id(model).messages(user(text)).send().await.unwrap()
}

/// The texts and the number of events of a stream, and how it ended.
async fn text_of(mut reply: ConverseStreamReply) -> (String, usize, Result<(), String>) {
    let (mut text, mut events) = (String::new(), 0);
    loop {
        match reply.stream.recv().await {
            Ok(Some(ConverseStreamOutput::ContentBlockDelta(event))) => {
                if let Some(ContentBlockDelta::Text(piece)) = event.delta() {
                    text.push_str(piece);
                }
                events += 1;
            }
            Ok(Some(_)) => events += 1,
            Ok(None) => return (text, events, Ok(())),
            Err(error) => return (text, events, Err(format!("{error:?}"))),
        }
    }
}

async fn invoke(simulator: &Simulator, model: &str, body: &Value) -> Value {
    let reply = client(simulator)
        .invoke_model()
        .model_id(model)
        .content_type("application/json")
        .body(Blob::new(body.to_string()))
        .send()
        .await
        .unwrap();
    serde_json::from_slice(reply.body().as_ref()).unwrap()
}

async fn chunks(
    simulator: &Simulator,
    model: &str,
    body: &Value,
) -> (Vec<Value>, Option<ResponseStreamError>) {
    let mut reply = client(simulator)
        .invoke_model_with_response_stream()
        .model_id(model)
        .body(Blob::new(body.to_string()))
        .send()
        .await
        .unwrap();
    let mut chunks = Vec::new();
    loop {
        match reply.body.recv().await {
            Ok(Some(ResponseStream::Chunk(part))) => {
                chunks.push(serde_json::from_slice(part.bytes().unwrap().as_ref()).unwrap());
            }
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (chunks, None),
            Err(error) => return (chunks, Some(error.into_service_error())),
        }
    }
}

fn claude_body(text: &str) -> Value {
    json!({
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": text}],
    })
}

/// Sends bytes as they are and reads until the server closes or the reply is complete.
async fn raw(simulator: &Simulator, request: &str) -> String {
    let mut socket = TcpStream::connect(simulator.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn body_of(reply: &str) -> Value {
    serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Waits until the counters are as wanted. A minute is never needed: it turns a hang into a failure.
async fn until(simulator: &Simulator, wanted: impl FnMut(&Observed) -> bool) -> Observed {
    let mut watch = simulator.watch();
    let seen = tokio::time::timeout(Duration::from_mins(1), watch.wait_for(wanted)).await;
    *seen.unwrap().unwrap()
}
