//! What is mended when a model refuses one thing in a request, what is remembered, and what never is mended.

use outcrop::simulator::Reply;
use serde_json::json;

use crate::support::{Answer, CLAUDE, NOVA, Request, TestGateway, chat, tool, with};

fn refusal(text: &str) -> Reply {
    Reply::error(400, "ValidationException", text)
}

fn notes(answer: &Answer) -> String {
    answer.header("x-outcrop-notes").unwrap_or_default().to_owned()
}

const NO_TEMPERATURE: &str =
    "The model returned the following errors: `temperature` is deprecated for this model.";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_refuses_is_left_out_and_remembered() {
    let gateway = TestGateway::start().await;
    let body = with(chat(NOVA, "hi"), json!({"temperature": 0.5, "top_p": 0.5}));
    gateway.script([refusal(NO_TEMPERATURE)]);
    let answer = gateway.chat(&body).await;
    answer.completion();
    assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
    assert_eq!(notes(&answer), "temperature:dropped;reason=refused_by_model");
    let (_, sent) = gateway.last_call();
    assert_eq!(sent["inferenceConfig"], json!({"topP": 0.5}));
    // From now on at once, in streams too, and for this model only.
    let streamed = gateway.stream(&body).await;
    streamed.assert_complete(false);
    assert_eq!(streamed.answer.header("x-outcrop-attempts"), Some("1"));
    assert_eq!(notes(&streamed.answer), "temperature:dropped;reason=refused_by_model");
    let other = gateway.chat(&with(body, json!({"model": "amazon.nova-pro-v1:0"}))).await;
    assert_eq!((other.header("x-outcrop-attempts"), other.header("x-outcrop-notes")), (Some("1"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mend_that_does_not_help_is_not_remembered() {
    let gateway = TestGateway::start().await;
    let body = with(chat(NOVA, "hi"), json!({"temperature": 0.5}));
    gateway.script([refusal(NO_TEMPERATURE), refusal("Something else is wrong.")]);
    let answer = gateway.chat(&body).await;
    assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (400, Some("2")));
    let again = gateway.chat(&body).await;
    assert_eq!((again.header("x-outcrop-attempts"), again.header("x-outcrop-notes")), (Some("1"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_things_are_mended_one_after_the_other() {
    let gateway = TestGateway::start().await;
    let body =
        with(chat(NOVA, "hello world"), json!({"temperature": 0.5, "stop": ["wor"], "max_tokens": 4000}));
    gateway.script([
        refusal(NO_TEMPERATURE),
        refusal("This model doesn't support the stopSequences field. Remove stopSequences and try again."),
        refusal("The maximum tokens you requested exceeds the model limit of 1000. Try again with a maximum tokens value that is lower than 1000."),
    ]);
    let answer = gateway.chat(&body).await;
    let whole = answer.completion();
    assert_eq!(answer.header("x-outcrop-attempts"), Some("4"));
    assert_eq!(whole["choices"][0]["message"]["content"], "hello ");
    assert_eq!(gateway.last_call().1["inferenceConfig"], json!({"maxTokens": 1000}));
    assert_eq!(
        notes(&answer),
        "max_tokens:clamped;reason=above_model_maximum, temperature:dropped;reason=refused_by_model, \
         stop:emulated;reason=no_equivalent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_mended_before_their_first_event() {
    let gateway = TestGateway::start().await;
    let body =
        with(chat(NOVA, r#"[[tool:weather {"city":"Rome"}]]"#), json!({"tools": [tool("weather", "city")]}));
    gateway.script([refusal("This model doesn't support tool use in streaming mode.")]);
    let streamed = gateway.stream(&body).await;
    streamed.assert_complete(false);
    assert_eq!(streamed.tool_calls().len(), 1);
    assert_eq!(streamed.answer.header("x-outcrop-attempts"), Some("2"));
    assert_eq!(notes(&streamed.answer), "stream:emulated;reason=no_tools_while_streaming");
    assert!(gateway.calls().last().unwrap().path.ends_with("/converse"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_format_falls_a_rung_and_stays_there_unless_it_was_the_schema() {
    let gateway = TestGateway::start().await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false});
    let format =
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}});
    let body = with(chat(CLAUDE, "hi"), format);
    let tries = |answer: &Answer| {
        answer.completion();
        answer.header("x-outcrop-attempts").unwrap().to_owned()
    };
    gateway.script([refusal("output_config.format.schema: Schema is too deeply nested")]);
    let answer = gateway.chat(&body).await;
    assert_eq!(
        (tries(&answer).as_str(), notes(&answer).as_str()),
        ("2", "response_format:emulated;reason=forced_tool")
    );
    let answer = gateway.chat(&body).await;
    assert_eq!((tries(&answer).as_str(), notes(&answer).as_str()), ("1", ""));
    gateway.script([
        refusal(
            "The model returned the following errors: output_config.format: Extra inputs are not permitted",
        ),
        refusal("Thinking may not be enabled when tool_choice forces tool use."),
    ]);
    let answer = gateway.chat(&body).await;
    assert_eq!(tries(&answer), "3");
    let answer = gateway.chat(&body).await;
    assert_eq!(tries(&answer), "1");
    assert!(notes(&answer).contains("response_format:emulated;reason=instructed"), "{}", notes(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_the_meaning_is_not_mended() {
    let gateway = TestGateway::start().await;
    let body = with(chat(NOVA, "hi"), json!({"tools": [tool("f", "x")], "temperature": 0.5}));
    for text in [
        "This model doesn't support tool use.",
        "This model doesn't support the image content block that you provided.",
        "Input is too long for requested model.",
        // Nothing of this is in the request.
        "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
    ] {
        gateway.script([refusal(text)]);
        let answer = gateway.chat(&body).await;
        assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (400, Some("1")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_mode_refuses_a_mend() {
    let gateway = TestGateway::start().await;
    let body = with(chat(NOVA, "hi"), json!({"temperature": 0.5}));
    gateway.script([refusal(NO_TEMPERATURE)]);
    let answer = gateway.send(Request::chat(&body).header("x-outcrop-strict", "true")).await;
    let (status, _, code) = answer.verdict();
    assert_eq!((status, code.as_deref()), (400, Some("unsupported_parameter")));
    assert_eq!(gateway.calls().len(), 1);
    // Nothing was tried, so nothing is known.
    assert_eq!(gateway.chat(&body).await.header("x-outcrop-notes"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mend_leaves_the_retries_their_number() {
    let gateway = TestGateway::start().await;
    let body = with(chat(NOVA, "hi"), json!({"temperature": 0.5}));
    let throttled = || Reply::error(429, "ThrottlingException", "slow down");
    gateway.script([throttled(), refusal(NO_TEMPERATURE), throttled()]);
    let answer = gateway.chat(&body).await;
    answer.completion();
    assert_eq!(answer.header("x-outcrop-attempts"), Some("4"));
}
