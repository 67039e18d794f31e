//! Replies that have to be JSON: held to a schema, as the input of a forced tool, or asked for in words.

use outcrop::simulator::{Frame, Reply, Step};
use serde_json::{Value, json};

use crate::support::{CLAUDE, LLAMA, NOVA, Request, Setup, TITAN, TestGateway, chat, streamed, tool, with};

const MISTRAL: &str = "mistral.mistral-large-2402-v1:0";
const QWEN: &str = "qwen.qwen3-32b-v1:0";
const GPT_OSS: &str = "openai.gpt-oss-20b-1:0";

fn trip() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "trip", "schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 40}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city", "days"],
    }}})
}

fn asking(model: &str, text: &str) -> Value {
    with(chat(model, text), json!({"response_format": trip()}))
}

fn content(completion: &Value) -> &str {
    completion["choices"][0]["message"]["content"].as_str().unwrap()
}

fn notes(answer: &crate::support::Answer) -> String {
    answer.header("x-outcrop-notes").unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_that_can_be_held_to_a_schema_answers_by_it() {
    let gateway = TestGateway::start().await;
    for (model, rung) in [
        (CLAUDE, "schema:rewritten;reason=objects_closed"),
        (QWEN, "schema:rewritten;reason=keywords_described"),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", "response_format:emulated;reason=forced_tool"),
        (NOVA, "response_format:emulated;reason=forced_tool"),
        (MISTRAL, "response_format:emulated;reason=forced_tool"),
    ] {
        let body = asking(model, "a trip");
        let answer = gateway.chat(&body).await;
        let whole = answer.completion();
        assert!(notes(&answer).contains(rung), "{model}: {}", notes(&answer));
        let parsed: Value = serde_json::from_str(content(&whole)).unwrap();
        assert!(parsed["city"].is_string() && parsed["days"].is_number(), "{model}: {parsed}");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop", "{model}");
        assert!(whole["choices"][0]["message"]["tool_calls"].is_null(), "{model}");

        let streamed = gateway.stream(&body).await;
        streamed.assert_complete(false);
        assert_eq!(streamed.text(), content(&whole), "{model}");
        assert_eq!(streamed.finish_reason().as_deref(), Some("stop"), "{model}");
        assert!(streamed.tool_calls().is_empty(), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_was_asked_for_in_words_is_taken_out_of_what_is_said() {
    let gateway = TestGateway::start().await;
    let json = r#"{"city": "Zürich", "days": 3}"#;
    for model in [LLAMA, GPT_OSS, TITAN] {
        for said in [
            json.to_owned(),
            format!("```json\n{json}\n```"),
            format!("Here you are:\n\n```json\n{json}\n```\nAnything else?"),
            format!("Sure! {json}"),
        ] {
            let body = asking(model, &format!("[[say:{said}]] [[deltas:17]]"));
            let answer = gateway.chat(&body).await;
            assert_eq!(content(&answer.completion()), json, "{model}: {said}");
            assert!(notes(&answer).contains("response_format:emulated;reason=instructed"));
            let streamed = gateway.stream(&body).await;
            streamed.assert_complete(false);
            assert_eq!(streamed.text(), json, "{model}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_no_json_is_passed_on_and_said_to_be_none() {
    let gateway = TestGateway::start().await;
    let body = asking(LLAMA, "[[say:I would rather not {honestly}.]]");
    let answer = gateway.chat(&body).await;
    assert_eq!(content(&answer.completion()), "I would rather not {honestly}.");
    assert!(notes(&answer).contains("response_format:warned;reason=reply_is_no_json"));
    let streamed = gateway.stream(&body).await;
    streamed.assert_complete(false);
    assert_eq!(streamed.text(), "I would rather not {honestly}.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_reply_and_a_refusal_stay_what_they_are() {
    let gateway = TestGateway::start().await;
    let cut = with(asking(LLAMA, r#"[[say:{"city":"Rome","days":3}]]"#), json!({"max_tokens": 2}));
    let whole = gateway.chat(&cut).await.completion();
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    assert_eq!(content(&whole), r#"{"city":"#);
    assert_eq!(gateway.stream(&cut).await.finish_reason().as_deref(), Some("length"));
    let refused = gateway.chat(&asking(NOVA, "[[refusal]] [[say:No.]]")).await.completion();
    assert_eq!(refused["choices"][0]["finish_reason"], "content_filter");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_says_before_a_forced_tool_is_not_its_json() {
    let gateway = Setup::new().unfolded().start().await;
    let usage = json!({"inputTokens": 3, "outputTokens": 9, "totalTokens": 12});
    let whole = Reply::json(
        200,
        &json!({
            "output": {"message": {"role": "assistant", "content": [{"text": "Let me think of {a} city"}]}},
            "stopReason": "max_tokens", "usage": usage, "metrics": {"latencyMs": 1},
        }),
    );
    let frames = [
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "Let me think of {a} city"}})),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "max_tokens"})),
        ("metadata", json!({"usage": usage, "metrics": {"latencyMs": 1}})),
    ];
    let frames = frames.map(|(name, payload)| Step::Frame(Frame::event(name, &payload)));
    gateway.script([whole, Reply::stream(frames)]);
    let answer = gateway.chat(&asking(NOVA, "a trip")).await.completion();
    assert_eq!((content(&answer), &answer["choices"][0]["finish_reason"]), ("", &json!("length")));
    let streamed = gateway.stream(&asking(NOVA, "a trip")).await;
    streamed.assert_complete(false);
    assert_eq!((streamed.text().as_str(), streamed.finish_reason().as_deref()), ("", Some("length")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_own_tools_are_not_mixed_up_with_the_schemas() {
    let gateway = TestGateway::start().await;
    let tools = json!({"tools": [tool("weather", "city")]});
    let body = with(asking(NOVA, r#"Let me {look}. [[tool:weather {"city":"Rome"}]]"#), tools.clone());
    let answer = gateway.chat(&body).await;
    let whole = answer.completion();
    assert!(notes(&answer).contains("response_format:emulated;reason=instructed"));
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(content(&whole), "Let me {look}.");
    assert_eq!(whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "weather");
    let streamed = gateway.stream(&body).await;
    streamed.assert_complete(false);
    assert_eq!(streamed.text(), "Let me {look}.");
    // Held to its schema a model may call as well.
    let body = with(asking(CLAUDE, r#"[[tool:weather {"city":"Rome"}]]"#), tools);
    assert_eq!(gateway.chat(&body).await.completion()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_without_a_schema_is_never_a_tool_without_parameters() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA, LLAMA] {
        let format = json!({"response_format": {"type": "json_object"}});
        let body = with(chat(model, "[[say:Well: {\"a\": {}} ]]"), format);
        assert_eq!(content(&gateway.chat(&body).await.completion()), r#"{"a": {}}"#, "{model}");
        let (_, sent) = gateway.last_call();
        assert!(sent["toolConfig"].is_null() && sent["tools"].is_null(), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_mode_refuses_what_is_only_emulated() {
    let gateway = TestGateway::start().await;
    for body in [asking(LLAMA, "hi"), streamed(&asking(NOVA, "hi"))] {
        let answer = gateway.send(Request::chat(&body).header("x-outcrop-strict", "true")).await;
        let (status, _, code) = answer.verdict();
        assert_eq!((status, code.as_deref()), (400, Some("unsupported_parameter")));
    }
    assert!(gateway.calls().is_empty());
}
