//! The simulator driven by the real AWS SDK over loopback.

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

async fn simulator() -> Simulator {
    Simulator::start(Options::default()).await.unwrap()
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
    let text = message.content().iter().filter_map(|block| block.as_text().map_or(None, Some));
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

#[tokio::test]
async fn converse_echoes_the_last_user_text() {
    let simulator = simulator().await;
    for model in [CLAUDE, LLAMA, TITAN, NOVA, "openai.gpt-oss-20b-1:0"] {
        let (text, stop) = converse(&simulator, model, "Wie geht's?\n ~ ünïcödé ").await.unwrap();
        assert_eq!((text.as_str(), stop), ("Wie geht's?\n ~ ünïcödé ", StopReason::EndTurn), "{model}");
    }
    let requests = simulator.requests();
    assert_eq!(requests[0].operation, Operation::Converse);
    assert_eq!(requests[0].model_id.as_deref(), Some(CLAUDE));
    assert!(requests[0].path.contains("%3A"));
}

#[tokio::test]
async fn converse_stream_echoes_in_pieces() {
    let simulator = simulator().await;
    let (text, events, end) = text_of(stream(&simulator, CLAUDE, "Hello there, how are you?").await).await;
    assert_eq!(text, "Hello there, how are you?");
    assert!(events > 5, "{events}");
    end.unwrap();
    let (text, events, _) = text_of(stream(&simulator, CLAUDE, "abcdefghijkl [[deltas:12]]").await).await;
    assert_eq!((text.as_str(), events), ("abcdefghijkl", 12 + 4));
}

#[tokio::test]
async fn native_formats_echo_whole_and_streamed() {
    let simulator = simulator().await;
    let text = "Say this, word for word";
    let claude = claude_body(text);
    let reply = invoke(&simulator, CLAUDE, &claude).await;
    assert_eq!(reply["content"][0]["text"], text);
    assert_eq!(reply["model"], "claude-sonnet-4-5-20250929");
    let llama = json!({"prompt": text});
    assert_eq!(invoke(&simulator, LLAMA, &llama).await["generation"], text);
    let titan = json!({"inputText": format!("User: {text}\nBot:")});
    assert_eq!(invoke(&simulator, TITAN, &titan).await["results"][0]["outputText"], text);
    let nova = json!({"messages": [{"role": "user", "content": [{"text": text}]}]});
    assert_eq!(invoke(&simulator, NOVA, &nova).await["output"]["message"]["content"][0]["text"], text);

    for (model, body, pointer) in [
        (CLAUDE, &claude, "/delta/text"),
        (LLAMA, &llama, "/generation"),
        (TITAN, &titan, "/outputText"),
        (NOVA, &nova, "/contentBlockDelta/delta/text"),
    ] {
        let (chunks, error) = chunks(&simulator, model, body).await;
        assert!(error.is_none());
        let said: String = chunks.iter().filter_map(|chunk| chunk.pointer(pointer)?.as_str()).collect();
        assert_eq!(said, text, "{model}");
        let metrics = &chunks.last().unwrap()["amazon-bedrock-invocationMetrics"];
        assert_eq!(metrics["outputTokenCount"], 6, "{model}");
    }
}

#[tokio::test]
async fn token_counts_and_latency_are_in_the_headers_of_an_invocation() {
    let simulator =
        Simulator::start(Options { signatures: Signatures::Ignored, ..Options::default() }).await.unwrap();
    let body = claude_body("four [[usage input=7 output=3 cache_read=5]]").to_string();
    let reply = raw(&simulator, &post(&format!("/model/{CLAUDE}/invoke"), &body)).await;
    for line in [
        "x-amzn-bedrock-input-token-count: 7\r\n",
        "x-amzn-bedrock-output-token-count: 3\r\n",
        "x-amzn-bedrock-cache-read-input-token-count: 5\r\n",
        "x-amzn-bedrock-invocation-latency: 42\r\n",
        "x-outcrop-simulated: true\r\n",
        "x-amzn-requestid: ",
    ] {
        assert!(reply.contains(line), "{line} {reply}");
    }
    let usage = &body_of(&reply)["usage"];
    assert_eq!((&usage["input_tokens"], &usage["cache_read_input_tokens"]), (&json!(7), &json!(5)));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_with_the_services_words() {
    let simulator = simulator().await;
    let sent = signed_by(&simulator, "wrong").converse().model_id(CLAUDE).messages(user("hi")).send().await;
    let error = sent.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    assert!(error.message().unwrap().starts_with("The request signature we calculated does not match"));
}

#[tokio::test]
async fn unknown_keys_tokens_and_stale_signatures_are_refused() {
    let options =
        Options { bearer_token: Some("key".into()), region: Some("us-east-1".into()), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let code = async |client: Client| {
        let sent = client.converse().model_id(CLAUDE).messages(user("hi")).send().await;
        sent.map_err(|error| error.into_service_error().code().unwrap().to_owned()).map(|_| ())
    };
    let keys =
        |id: &str, token: Option<&str>| Keys::new(id, "simulator", token.map(Into::into), None, "test");
    let with = |keys: Keys| Client::from_conf(config(&simulator).credentials_provider(keys).build());
    assert_eq!(code(with(keys("AKIDOTHER", None))).await, Err("UnrecognizedClientException".into()));
    assert_eq!(code(with(keys("AKIDSIMULATOR", Some("t")))).await, Err("UnrecognizedClientException".into()));
    assert_eq!(code(with(keys("AKIDSIMULATOR", None))).await, Ok(()));
    let elsewhere =
        config(&simulator).region(Region::new("eu-west-1")).credentials_provider(keys("AKIDSIMULATOR", None));
    assert_eq!(code(Client::from_conf(elsewhere.build())).await, Err("InvalidSignatureException".into()));
    for (token, expected) in [("key", Ok(())), ("other", Err("AccessDeniedException".to_owned()))] {
        let config = config(&simulator).bearer_token(Token::new(token, None));
        assert_eq!(code(Client::from_conf(config.build())).await, expected);
    }
    assert!(
        raw(&simulator, &get("/foundation-models")).await.contains("MissingAuthenticationTokenException")
    );
}

#[tokio::test]
async fn a_signature_is_good_for_five_minutes_and_for_what_it_signed() {
    let simulator = simulator().await;
    converse(&simulator, CLAUDE, "hi").await.unwrap();
    let sent = simulator.requests().remove(0);
    let mut request = http::Request::builder().method(sent.method).uri(&sent.path).body(()).unwrap();
    *request.headers_mut() = sent.headers;
    let (head, ()) = request.into_parts();
    let now = std::time::SystemTime::now();
    let options = Options::default();
    let check = |body: &[u8], now| signature::check(&options, &head, body, now);
    assert_eq!(check(&sent.body, now), Ok(()));
    let (ahead, behind) = (now + Duration::from_secs(400), now - Duration::from_secs(400));
    assert!(check(&sent.body, ahead).unwrap_err().message.starts_with("Signature expired: "));
    assert!(check(&sent.body, behind).unwrap_err().message.starts_with("Signature not yet current: "));
    assert_eq!(check(b"{}", now).unwrap_err().code.as_deref(), Some("InvalidSignatureException"));
}

#[tokio::test]
async fn exceptions_are_typed_before_the_stream_and_inside_it() {
    let simulator = simulator().await;
    let error = converse(&simulator, CLAUDE, "[[error:throttlingException]]").await.unwrap_err();
    assert!(error.is_throttling_exception());
    let error = converse(&simulator, CLAUDE, "[[http:529 overloaded_error]]").await.unwrap_err();
    assert_eq!(error.code(), Some("overloaded_error"));

    let mut reply = stream(&simulator, CLAUDE, "one two three [[error:throttlingException after=2]]").await;
    let mut deltas = 0;
    let error = loop {
        match reply.stream.recv().await {
            Ok(Some(ConverseStreamOutput::ContentBlockDelta(_))) => deltas += 1,
            Ok(Some(_)) => {}
            Ok(None) => panic!("no exception"),
            Err(error) => break error.into_service_error(),
        }
    };
    assert!(matches!(error, ConverseStreamOutputError::ThrottlingException(_)));
    assert_eq!(deltas, 2);

    let body = claude_body("one [[error:modelTimeoutException after=0]]");
    let (chunks, error) = chunks(&simulator, CLAUDE, &body).await;
    assert!(chunks.is_empty());
    assert!(matches!(error, Some(ResponseStreamError::ModelTimeoutException(_))));

    let mut reply = stream(&simulator, CLAUDE, "one [[error-message:InternalFailure after=0]]").await;
    assert!(reply.stream.recv().await.is_err());
    let (_, _, end) = text_of(stream(&simulator, CLAUDE, "one two three [[corrupt after=1]]").await).await;
    assert!(end.is_err());
}

#[tokio::test]
async fn streams_can_be_cut_reset_and_ended_too_early() {
    let simulator = simulator().await;
    let (text, _, end) =
        text_of(stream(&simulator, CLAUDE, "abcdef [[deltas:6]] [[cut after=2]]").await).await;
    assert_eq!(text, "ab");
    assert!(end.is_err());
    let (_, _, end) =
        text_of(stream(&simulator, CLAUDE, "abcdef [[deltas:6]] [[reset after=2]]").await).await;
    assert!(end.is_err());
    let (text, _, end) =
        text_of(stream(&simulator, CLAUDE, "abcdef [[deltas:6]] [[end after=3]]").await).await;
    assert_eq!(text, "abc");
    end.unwrap();
    let sent = client(&simulator).converse().model_id(CLAUDE).messages(user("[[cut]]")).send().await;
    assert!(matches!(sent.unwrap_err(), aws_sdk_bedrockruntime::error::SdkError::DispatchFailure(_)));
    assert!(simulator.observed().cancelled_streams == 0);
}

#[tokio::test]
async fn a_client_that_leaves_a_silent_stream_is_noticed() {
    let simulator = simulator().await;
    let mut watch = simulator.watch();
    let mut reply = stream(&simulator, CLAUDE, "abc [[stall after=1]]").await;
    reply.stream.recv().await.unwrap();
    assert_eq!(simulator.observed().open_streams, 1);
    drop(reply);
    let observed = *watch.wait_for(|observed| observed.cancelled_streams == 1).await.unwrap();
    assert_eq!(observed.open_streams, 0);
}

#[tokio::test]
async fn scripted_replies_come_first_and_recorded_bytes_as_they_are() {
    let simulator = simulator().await;
    let released = Arc::new(tokio::sync::Notify::new());
    let frame = Frame::event("messageStart", &json!({"role": "assistant"}));
    let (head, tail) = (frame.bytes().slice(..5), frame.bytes().slice(5..));
    simulator.script([
        Reply::error(503, "ServiceUnavailableException", "full"),
        Reply::stream([Step::Raw(head), Step::Hold(Arc::clone(&released)), Step::Raw(tail)]),
        Reply::recorded(200, [("content-type", "application/json")], r#"{"output":{"message":{"role":"assistant","content":[{"text":"recorded"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}"#),
    ]);
    let error = converse(&simulator, CLAUDE, "hi").await.unwrap_err();
    assert!(error.is_service_unavailable_exception());
    let reply = stream(&simulator, CLAUDE, "hi").await;
    released.notify_one();
    let (_, events, end) = text_of(reply).await;
    assert_eq!(events, 1);
    end.unwrap();
    assert_eq!(converse(&simulator, CLAUDE, "hi").await.unwrap().0, "recorded");
    assert_eq!(converse(&simulator, CLAUDE, "hi").await.unwrap().0, "hi");
}

#[tokio::test]
async fn tools_are_called_as_directed_and_results_echoed() {
    let simulator = simulator().await;
    let text = r#"[[tool:weather {"city":"Paris"}]][[tool:clock]]"#;
    let mut reply = client(&simulator)
        .converse_stream()
        .model_id(CLAUDE)
        .messages(user(text))
        .tool_config(tools(&["weather", "clock"]))
        .send()
        .await
        .unwrap();
    let (mut names, mut input, mut stop) = (Vec::new(), String::new(), None);
    while let Some(event) = reply.stream.recv().await.unwrap() {
        match event {
            ConverseStreamOutput::ContentBlockStart(start) => {
                names.push(start.start().unwrap().as_tool_use().unwrap().name().to_owned());
            }
            ConverseStreamOutput::ContentBlockDelta(event) => {
                input.push_str(event.delta().unwrap().as_tool_use().unwrap().input());
            }
            ConverseStreamOutput::MessageStop(end) => stop = Some(end.stop_reason().clone()),
            _ => {}
        }
    }
    assert_eq!(names, ["weather", "clock"]);
    assert_eq!(input, r#"{"city":"Paris"}"#);
    assert_eq!(stop, Some(StopReason::ToolUse));

    let mut body = claude_body("x");
    body["tools"] = json!([{"name": "weather", "input_schema": {"type": "object"}}]);
    body["messages"] = json!([
        {"role": "user", "content": "[[tool:weather]]"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]},
    ]);
    assert_eq!(invoke(&simulator, CLAUDE, &body).await["content"][0]["text"], "sunny");
}

#[tokio::test]
async fn a_forced_tool_is_called_with_what_its_schema_requires() {
    let simulator = simulator().await;
    let mut body = claude_body("Paris?");
    body["tool_choice"] = json!({"type": "tool", "name": "weather"});
    body["tools"] = json!([{"name": "weather", "input_schema": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]
    }}]);
    let reply = invoke(&simulator, CLAUDE, &body).await;
    assert_eq!(reply["stop_reason"], "tool_use");
    let call = reply["content"].as_array().unwrap().last().unwrap();
    assert_eq!(call["input"], json!({"city": "text"}));
}

#[tokio::test]
async fn limits_and_stop_sequences_end_an_answer() {
    let simulator = simulator().await;
    let limit = InferenceConfiguration::builder().max_tokens(2).build();
    let reply = client(&simulator)
        .converse()
        .model_id(CLAUDE)
        .messages(user("123456789012"))
        .inference_config(limit)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.stop_reason(), &StopReason::MaxTokens);
    assert_eq!(reply.usage().unwrap().output_tokens(), 2);

    let mut body = claude_body("one STOP two");
    body["stop_sequences"] = json!(["STOP"]);
    let reply = invoke(&simulator, CLAUDE, &body).await;
    assert_eq!(reply["content"][0]["text"], "one ");
    assert_eq!((&reply["stop_reason"], &reply["stop_sequence"]), (&json!("stop_sequence"), &json!("STOP")));
    let titan = json!({"inputText": "123456789012", "textGenerationConfig": {"maxTokenCount": 1}});
    assert_eq!(invoke(&simulator, TITAN, &titan).await["results"][0]["completionReason"], "LENGTH");
    let llama = json!({"prompt": "123456789012", "max_gen_len": 1});
    assert_eq!(invoke(&simulator, LLAMA, &llama).await["stop_reason"], "length");
}

#[tokio::test]
async fn reasoning_is_signed_and_only_accepted_back_with_its_signature() {
    let simulator = simulator().await;
    let mut reply = stream(&simulator, CLAUDE, "[[reasoning:let me see]]answer").await;
    let (mut thought, mut signature) = (String::new(), String::new());
    while let Some(event) = reply.stream.recv().await.unwrap() {
        let ConverseStreamOutput::ContentBlockDelta(event) = event else { continue };
        match event.delta().unwrap() {
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(piece)) => {
                thought.push_str(piece)
            }
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Signature(given)) => {
                signature.push_str(given);
            }
            _ => {}
        }
    }
    assert_eq!(thought, "let me see");
    let replay = |thought: &str| {
        let mut body = claude_body("go on");
        body["messages"] = json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": thought, "signature": signature},
                {"type": "text", "text": "answer"},
            ]},
            {"role": "user", "content": "go on"},
        ]);
        Blob::new(body.to_string())
    };
    let client = client(&simulator);
    client.invoke_model().model_id(CLAUDE).body(replay("let me see")).send().await.unwrap();
    let refused = client.invoke_model().model_id(CLAUDE).body(replay("something else")).send().await;
    assert!(refused.unwrap_err().into_service_error().is_validation_exception());
}

#[tokio::test]
async fn attempts_fail_as_often_as_directed_and_then_succeed() {
    let simulator = simulator().await;
    for _ in 0..2 {
        for _ in 0..2 {
            let error =
                converse(&simulator, CLAUDE, "hi [[fail-times:2 throttlingException]]").await.unwrap_err();
            assert!(error.is_throttling_exception());
        }
        let (text, _) =
            converse(&simulator, CLAUDE, "hi [[fail-times:2 throttlingException]]").await.unwrap();
        assert_eq!(text, "hi");
    }
}

#[tokio::test]
async fn models_are_invoked_only_by_ids_that_bedrock_would_take() {
    let simulator = simulator().await;
    let error = converse(&simulator, "anthropic.claude-99", "hi").await.unwrap_err();
    assert_eq!(error.message(), Some("The provided model identifier is invalid."));
    let error = converse(&simulator, "anthropic.claude-sonnet-4-5-20250929-v1:0", "hi").await.unwrap_err();
    assert!(error.message().unwrap().contains("with on-demand throughput isn’t supported"));

    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    let options = Options {
        application_profiles: vec![(arn.into(), CLAUDE.into())],
        profiles_required: false,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    converse(&simulator, arn, "hi").await.unwrap();
    converse(&simulator, "anthropic.claude-sonnet-4-5-20250929-v1:0", "hi").await.unwrap();
}

#[tokio::test]
async fn requests_are_refused_in_bedrocks_words() {
    let simulator = simulator().await;
    let client = client(&simulator);
    let system = client
        .converse()
        .model_id(TITAN)
        .system(SystemContentBlock::Text("Be brief".into()))
        .messages(user("hi"))
        .send()
        .await;
    let error = system.unwrap_err().into_service_error();
    assert!(error.message().unwrap().starts_with("This model doesn't support system messages."));
    let streamed = client
        .converse_stream()
        .model_id(LLAMA)
        .messages(user("hi"))
        .tool_config(tools(&["weather"]))
        .send()
        .await;
    let error = streamed.unwrap_err().into_service_error();
    assert_eq!(error.message(), Some("This model doesn't support tool use in streaming mode."));
    let error = converse(&simulator, CLAUDE, "  ").await.unwrap_err();
    assert!(error.message().unwrap().contains("messages.0.content.0 is blank"));
}

#[tokio::test]
async fn the_listing_has_filters_and_pages() {
    let simulator =
        Simulator::start(Options { signatures: Signatures::Ignored, ..Options::default() }).await.unwrap();
    let models = body_of(&raw(&simulator, &get("/foundation-models?byProvider=Meta")).await);
    let models = models["modelSummaries"].as_array().unwrap().clone();
    assert!(!models.is_empty() && models.iter().all(|model| model["providerName"] == "Meta"));
    let page = body_of(&raw(&simulator, &get("/inference-profiles?maxResults=2")).await);
    assert_eq!(page["inferenceProfileSummaries"].as_array().unwrap().len(), 2);
    let token = page["nextToken"].as_str().unwrap();
    let next =
        body_of(&raw(&simulator, &get(&format!("/inference-profiles?maxResults=2&nextToken={token}"))).await);
    assert_ne!(page["inferenceProfileSummaries"], next["inferenceProfileSummaries"]);
    let id = next["inferenceProfileSummaries"][0]["inferenceProfileId"].as_str().unwrap();
    let one = body_of(&raw(&simulator, &get(&format!("/inference-profiles/{id}"))).await);
    assert_eq!(one["inferenceProfileId"], id);
    let unknown = raw(&simulator, &get("/teapots")).await;
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains("UnknownOperationException"));
    assert!(unknown.contains("x-outcrop-simulated: true"));
}

#[tokio::test]
async fn tokens_are_counted_for_foundation_models_only() {
    let simulator = simulator().await;
    let count = async |model: &str| {
        let conversation =
            aws_sdk_bedrockruntime::types::ConverseTokensRequest::builder().messages(user("12345678"));
        let input = aws_sdk_bedrockruntime::types::CountTokensInput::Converse(conversation.build());
        client(&simulator).count_tokens().model_id(model).input(input).send().await
    };
    assert_eq!(count("anthropic.claude-sonnet-4-5-20250929-v1:0").await.unwrap().input_tokens(), 2);
    assert!(count(CLAUDE).await.is_err());
}

#[tokio::test]
async fn embeddings_depend_on_the_text_alone() {
    let simulator = simulator().await;
    let body = json!({"inputText": "hello", "dimensions": 256});
    let one = invoke(&simulator, "amazon.titan-embed-text-v2:0", &body).await;
    let two = invoke(&simulator, "amazon.titan-embed-text-v2:0", &body).await;
    assert_eq!(one["embedding"], two["embedding"]);
    assert_eq!(one["embedding"].as_array().unwrap().len(), 256);
    assert_eq!(one["inputTextTokenCount"], 2);
}

#[tokio::test(start_paused = true)]
async fn pauses_are_kept_to_the_millisecond() {
    let simulator = simulator().await;
    let before = tokio::time::Instant::now();
    converse(&simulator, CLAUDE, "hi [[delay:250ms]]").await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn shutting_down_closes_the_port() {
    let simulator = simulator().await;
    let address = simulator.address();
    simulator.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
}
