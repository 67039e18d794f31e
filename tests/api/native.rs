//! Models in their own bodies, where config asks for them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Setup, TestGateway, chat, native_chunk, tool, with};
use outcrop::simulator::{Operation, Reply};

/// A family's fixture, its model, and the family that config has to name for it.
const CASES: [(&str, &str, Option<&str>); 10] = [
    ("ai21/text", "ai21.jamba-1-5-mini-v1:0", None),
    ("anthropic/completions_text", "anthropic.claude-v2:1", Some("claude_text")),
    ("cohere/chat_text", "cohere.command-r-v1:0", None),
    ("cohere/generate_text", "cohere.command-text-v14", None),
    ("deepseek/thoughts", "us.deepseek.r1-v1:0", None),
    ("gpt_oss/reasoning", "openai.gpt-oss-120b-1:0", None),
    ("llama/two_text", "meta.llama2-13b-chat-v1", None),
    ("mistral/chat_thinking", "mistral.magistral-small-2509", None),
    ("mistral/prompt_text", "mistral.mistral-7b-instruct-v0:2", None),
    ("nova/native_text", "amazon.nova-lite-v1:0", None),
];

/// A gateway that knows `native/<model>` for each model of [`CASES`].
async fn gateway() -> TestGateway {
    let models: serde_json::Map<_, _> = CASES
        .iter()
        .map(|(_, model, family)| {
            let target = json!({"target": model, "format": "native"});
            let target = match family {
                Some(family) => with(target, json!({"family": family})),
                None => target,
            };
            (format!("native/{model}"), target)
        })
        .collect();
    Setup::new().unfolded().set("models", &Value::Object(models).to_string()).start().await
}

fn read(case: &str, file: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read_to_string(fixtures.join(case).join(file)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_native_body_is_asked_for_and_understood() {
    let gateway = gateway().await;
    for (case, model, _) in CASES {
        let reply: Value = serde_json::from_str(&read(case, "reply.json")).unwrap();
        let frames = read(case, "frames.jsonl");
        let frames: Vec<Value> = frames.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let chunks: Vec<_> = frames.iter().map(|frame| native_chunk(&frame["payload"])).collect();
        gateway.script([Reply::json(200, &reply), Reply::stream(chunks)]);

        let body = chat(&format!("native/{model}"), "Why do tides rise?");
        let whole = gateway.chat(&body).await.completion();
        assert_eq!(gateway.calls().last().map(|call| call.operation), Some(Operation::InvokeModel));
        let body = with(body, json!({"stream_options": {"include_usage": true}}));
        let streamed = gateway.stream(&body).await;
        streamed.assert_complete(true);
        let operation = gateway.calls().last().map(|call| call.operation);
        assert_eq!(operation, Some(Operation::InvokeModelWithResponseStream));

        let message = &whole["choices"][0]["message"];
        assert_eq!(message["content"].as_str(), Some(streamed.text().as_str()), "{case}");
        assert!(!streamed.text().trim().is_empty(), "{case}");
        let reasoning: String =
            streamed.deltas().iter().filter_map(|delta| delta["reasoning_content"].as_str()).collect();
        assert_eq!(message["reasoning_content"].as_str().unwrap_or_default(), reasoning, "{case}");
        let finish = whole["choices"][0]["finish_reason"].as_str().map(str::to_owned);
        assert_eq!(finish, streamed.finish_reason(), "{case}");
        assert_eq!(whole["usage"]["total_tokens"], streamed.usage().unwrap()["total_tokens"], "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nova_takes_instructions_tools_and_results_in_its_own_body() {
    let gateway = gateway().await;
    let ask = |messages: Value| {
        json!({
            "model": "native/amazon.nova-lite-v1:0", "messages": messages, "top_k": 20, "max_tokens": 50,
            "tools": [tool("weather", "city")],
        })
    };
    let system = json!({"role": "system", "content": "Be brief."});
    let user =
        json!({"role": "user", "content": r#"Well? [[say:Let me see.]] [[tool:weather {"city":"Oslo"}]]"#});
    let body = ask(json!([system, user]));
    let (whole, streamed) = (gateway.chat(&body).await.completion(), gateway.stream(&body).await);
    let call = &whole["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], r#"{"city":"Oslo"}"#);
    assert_eq!(whole["choices"][0]["message"]["content"], "Let me see.");
    assert_eq!(streamed.tool_calls()[0]["function"]["arguments"], r#"{"city":"Oslo"}"#);
    assert_eq!(streamed.finish_reason().as_deref(), Some("tool_calls"));
    let (_, sent) = gateway.last_call();
    assert_eq!(sent["schemaVersion"], "messages-v1");
    assert_eq!(sent["inferenceConfig"], json!({"maxTokens": 50, "topK": 20}));

    let assistant = json!({"role": "assistant", "tool_calls": [call]});
    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"});
    let whole = gateway.chat(&ask(json!([system, user, assistant, result]))).await.completion();
    assert_eq!(whole["choices"][0]["message"]["content"], "21 degrees");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_native_body_that_breaks_off_is_no_answer() {
    let gateway = gateway().await;
    for (case, model, _) in CASES {
        let frames = read(case, "frames.jsonl");
        let first: Value = serde_json::from_str(frames.lines().next().unwrap()).unwrap();
        let middle: Value = serde_json::from_str(frames.lines().nth(1).unwrap()).unwrap();
        let chunks = [native_chunk(&first["payload"]), native_chunk(&middle["payload"])];
        gateway.script([Reply::stream(chunks)]);
        let streamed = gateway.stream(&chat(&format!("native/{model}"), "Why do tides rise?")).await;
        assert_eq!(streamed.assert_broken(false)["code"], "upstream_error", "{case}");
    }
}
