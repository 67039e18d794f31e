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
        refusal("Forced tool use is not supported by this model."),
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

/// What a call came to: status, attempts, notes, and what was sent last.
async fn mended(
    gateway: &TestGateway,
    body: &serde_json::Value,
    refused: Reply,
) -> (u16, String, serde_json::Value) {
    gateway.script([refused]);
    let answer = gateway.chat(body).await;
    let what = format!("{} {}", answer.header("x-outcrop-attempts").unwrap_or_default(), notes(&answer));
    (answer.status, what, gateway.last_call().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_one_whatever_status_it_comes_with() {
    let cached = json!([{"role": "user", "content": [
        {"type": "text", "text": "word ".repeat(2_000), "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "and?"},
    ]}]);
    let cached = with(chat(CLAUDE, ""), json!({"messages": cached}));
    let caching = "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for more information.";
    let warm = with(chat(NOVA, "hi"), json!({"temperature": 0.4}));
    let wrapped = format!("The model returned the following errors: {{\"message\":\"{NO_TEMPERATURE}\"}}");
    let ends = with(chat(NOVA, "hi"), json!({"stop": ["END"]}));
    let stops = "Stop sequences are not supported for this model.";
    for (body, reply, note) in [
        (
            &cached,
            Reply::error(403, "AccessDeniedException", caching),
            "2 messages[0]:dropped;reason=no_prompt_cache",
        ),
        (
            &cached,
            Reply::error(400, "ValidationException", caching),
            "2 messages[0]:dropped;reason=no_prompt_cache",
        ),
        (&warm, Reply::error(424, "ModelErrorException", &wrapped), "2 temperature:dropped"),
        (&warm, Reply::error(403, "AccessDeniedException", NO_TEMPERATURE), "2 temperature:dropped"),
        (&ends, Reply::error(403, "AccessDeniedException", stops), "2 stop:emulated"),
        (&ends, Reply::error(400, "ValidationException", stops), "2 stop:emulated"),
    ] {
        let gateway = TestGateway::start().await;
        let (status, what, _) = mended(&gateway, body, reply.clone()).await;
        assert_eq!(status, 200, "{reply:?}");
        assert!(what.starts_with(note), "{reply:?}: {what}");
    }
    // One that says nothing else is one of access.
    let gateway = TestGateway::start().await;
    let denied = Reply::error(
        403,
        "AccessDeniedException",
        "You don't have access to the model with the specified model ID.",
    );
    assert_eq!(mended(&gateway, &warm, denied).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_refused_itself_is_gone_below() {
    let gateway = TestGateway::start().await;
    let body = with(chat(NOVA, "hi"), json!({"max_tokens": 9_000}));
    let limit = |most: u32| {
        refusal(&format!(
            "The maximum tokens you requested exceeds the model limit of {most}. Try again with a maximum tokens value that is lower than {most}."
        ))
    };
    gateway.script([limit(5_000), limit(5_000)]);
    let answer = gateway.chat(&body).await;
    answer.completion();
    assert_eq!(answer.header("x-outcrop-attempts"), Some("3"));
    assert_eq!(notes(&answer), "max_tokens:clamped;reason=above_model_maximum");
    assert_eq!(gateway.last_call().1["inferenceConfig"]["maxTokens"], 4_999);
    // It is the model's: the next one is told at once.
    let answer = gateway.chat(&body).await;
    assert_eq!(
        (answer.header("x-outcrop-attempts"), gateway.last_call().1["inferenceConfig"]["maxTokens"].as_u64()),
        (Some("1"), Some(4_999))
    );
    let answer = gateway.chat(&with(body, json!({"max_tokens": 4_999}))).await;
    assert_eq!(notes(&answer), "");
    // As the simulator has it of one model.
    let answer = gateway.chat(&with(chat("zai.glm-4.7", "hi"), json!({"max_tokens": 500_000}))).await;
    answer.completion();
    assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
    assert_eq!(gateway.last_call().1["inferenceConfig"]["maxTokens"], 127_999);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_does_not_fit_beside_its_prompt_gets_the_room_that_is_left() {
    let gateway = TestGateway::start().await;
    let body = with(chat(NOVA, "hi"), json!({"max_tokens": 5_000}));
    gateway.chat(&body).await.completion();
    for (text, left) in [
        (
            "This model's maximum context length is 16384 tokens. However, you requested 5000 output tokens and your prompt contains 12000 input tokens, for a total of 17000 tokens.",
            4_384,
        ),
        (
            "input length and `max_tokens` exceed context limit: 199000 + 5000 > 200000, decrease input length or `max_tokens` and try again",
            1_000,
        ),
        (
            "'max_tokens' is too large: 5000. This model's maximum context length is 8192 tokens and your request has 8000 input tokens (5000 > 8192 - 8000).",
            192,
        ),
    ] {
        let (status, what, sent) = mended(&gateway, &body, refusal(text)).await;
        assert_eq!(
            (status, what.as_str()),
            (200, "2 max_tokens:clamped;reason=beyond_the_context"),
            "{text}"
        );
        let most = sent["inferenceConfig"]["maxTokens"].as_u64().unwrap();
        assert!(most <= left && most * 10 >= left * 9, "{text}: {most}");
        // Nobody else's prompt is as long.
        let answer = gateway.chat(&body).await;
        assert_eq!((answer.header("x-outcrop-attempts"), notes(&answer).as_str()), (Some("1"), ""));
    }
    // Nor is it done where the client forbids it.
    gateway.script([refusal("input length and `max_tokens` exceed context limit: 199000 + 5000 > 200000")]);
    let strict = gateway.send(Request::chat(&body).header("x-outcrop-strict", "true")).await;
    assert_eq!(strict.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_too_long_is_called_so_in_words_that_clients_know() {
    let gateway = TestGateway::start().await;
    let n = "This model's maximum context length is 131072 tokens (context_length_exceeded): ";
    let unknown = "This model's maximum context length is exceeded (context_length_exceeded): ";
    for (reply, beginning) in [
        (
            refusal(
                "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.",
            ),
            unknown,
        ),
        (refusal("The prompt (140000 tokens) is longer than the model's context length of 131072."), n),
        (
            refusal("expected maxLength: 131072, actual: 160000, please reformat your input and try again."),
            unknown,
        ),
        (
            Reply::error(
                424,
                "ModelErrorException",
                "The input token count (140000) exceeds the maximum number of tokens allowed (131072).",
            ),
            n,
        ),
        (Reply::error(413, "RequestTooLarge", "Request exceeds maximum input token length of 131072"), n),
    ] {
        gateway.script([reply.clone()]);
        let answer = gateway.chat(&chat(NOVA, "hi")).await;
        let error = answer.error();
        assert_eq!(
            (answer.status, error["code"].as_str()),
            (400, Some("context_length_exceeded")),
            "{reply:?}"
        );
        assert!(error["message"].as_str().unwrap().starts_with(beginning), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_refused_to_one_is_not_taken_from_others() {
    let gateway = TestGateway::start().await;
    for (odd, text, usual) in [
        (
            json!({"service_tier": "priority"}),
            "This model doesn't support the priority service tier.",
            json!({"service_tier": "flex"}),
        ),
        (
            json!({"temperature": 0.3}),
            "Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is supported.",
            json!({"temperature": 0.9}),
        ),
        (
            json!({"stop": ["a", "b", "c"]}),
            "#/stop_sequences: expected maxItems: 2, found: 3",
            json!({"stop": ["a"]}),
        ),
        (
            json!({"temperature": 0.3, "bedrock": {"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}}}}),
            "inferenceConfig.temperature: Extra inputs are not permitted",
            json!({"temperature": 0.9}),
        ),
    ] {
        let usual = with(chat(NOVA, "hi"), usual);
        gateway.chat(&usual).await.completion();
        let before = gateway.last_call().1;
        let (status, what, _) = mended(&gateway, &with(chat(NOVA, "hi"), odd), refusal(text)).await;
        assert!(status == 200 && what.starts_with('2'), "{text}: {status} {what}");
        let answer = gateway.chat(&usual).await;
        assert_eq!((answer.header("x-outcrop-attempts"), notes(&answer).as_str()), (Some("1"), ""), "{text}");
        assert_eq!(gateway.last_call().1, before, "{text}");
    }
}
