//! Thinking: how it is asked for, and how it comes back through clients that have no word for it.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use outcrop::simulator::Reply;

use crate::support::{Answer, CLAUDE, NOVA, Request, Setup, chat, tool, with};

const OPUS_5: &str = "us.anthropic.claude-opus-5";
const OPUS_5_5: &str = "us.anthropic.claude-opus-5-5";
const THINKS_AND_CALLS: &str = r#"[[reasoning:let me see]][[redacted]][[tool:weather {"city":"Bern"}]]"#;

/// A gateway that reaches Sonnet 4.5 in Claude's own format, and as `converse` in the other.
fn setup() -> Setup {
    Setup::new().set("models.converse", &format!("{{target: '{CLAUDE}', format: converse}}"))
}

fn thinking(model: &str, text: &str) -> Value {
    with(chat(model, text), json!({"reasoning_effort": "low", "tools": [tool("weather", "city")]}))
}

/// What a client of OpenAI's own SDK sends next: role, content, calls and their ids of the answer, and the result.
fn next(body: &Value, text: &Value, calls: &[Value]) -> Value {
    let mut body = body.clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": text, "tool_calls": calls}));
    for call in calls {
        messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"}));
    }
    body
}

fn made(whole: &Value) -> Vec<Value> {
    whole["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default()
}

/// The turn of the model in a body as sent, and whether the model thinks on.
fn sent_turn(body: &Value) -> (Value, bool) {
    let thinks = [&body["thinking"], &body["additionalModelRequestFields"]["thinking"]];
    let thinks =
        thinks.iter().any(|thinking| ["enabled", "adaptive"].iter().any(|on| thinking["type"] == *on));
    (body["messages"][1]["content"].clone(), thinks)
}

fn notes(answer: &Answer) -> &str {
    answer.header("x-outcrop-notes").unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_thoughts_survive_a_client_that_knows_openais_protocol_only() {
    let gateway = setup().start().await;
    for (model, thought, redacted) in
        [(CLAUDE, "thinking", "redacted_thinking"), ("converse", "reasoningContent", "reasoningContent")]
    {
        for streamed in [false, true] {
            let body = thinking(model, THINKS_AND_CALLS);
            let (text, calls) = if streamed {
                let transcript = gateway.stream(&body).await;
                transcript.assert_complete(false);
                (Value::Null, transcript.tool_calls())
            } else {
                let whole = gateway.chat(&body).await.completion();
                assert_eq!(whole["choices"][0]["message"]["reasoning_content"], "let me see", "{model}");
                (whole["choices"][0]["message"]["content"].clone(), made(&whole))
            };
            let answer = gateway.chat(&next(&body, &text, &calls)).await;
            assert_eq!(answer.completion()["choices"][0]["message"]["content"], "21 degrees");
            assert_eq!(notes(&answer), "messages:restored;reason=signed_thoughts");
            let (turn, thinks) = sent_turn(&gateway.last_call().1);
            assert!(thinks, "{model}");
            assert_eq!(turn.as_array().unwrap().len(), 3, "{turn}");
            let kind = |block: &Value| {
                let own = block["type"].as_str().map(str::to_owned);
                own.unwrap_or_else(|| block.as_object().unwrap().keys().next().unwrap().clone())
            };
            assert_eq!((kind(&turn[0]).as_str(), kind(&turn[1]).as_str()), (thought, redacted));
            assert!(turn[0].to_string().contains("let me see"), "{turn}");
            assert!(turn[0].to_string().contains("signature"), "{turn}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_thoughts_survive_a_client_of_functions_whose_calls_have_no_ids() {
    let gateway = setup().start().await;
    let function = tool("weather", "city")["function"].clone();
    for model in [CLAUDE, "converse"] {
        let wish = json!({"reasoning_effort": "low", "functions": [function]});
        let body = with(chat(model, THINKS_AND_CALLS), wish);
        let mut next = body.clone();
        for turn in 1..3 {
            let whole = gateway.chat(&next).await.completion();
            let call = whole["choices"][0]["message"]["function_call"].clone();
            assert_eq!(call["name"], "weather", "{model} {whole}");
            let messages = next["messages"].as_array_mut().unwrap();
            messages.push(json!({"role": "assistant", "content": null, "function_call": call}));
            messages.push(json!({"role": "function", "name": "weather", "content": "21 degrees"}));
            messages.push(json!({"role": "user", "content": THINKS_AND_CALLS}));
            let answer = gateway.chat(&next).await;
            answer.completion();
            assert!(
                notes(&answer).contains("messages:restored;reason=signed_thoughts"),
                "{}",
                notes(&answer)
            );
            let (sent, thinks) = sent_turn(&gateway.last_call().1);
            assert!(thinks && sent[0].to_string().contains("let me see"), "{model} {sent}");
            let restored = gateway.last_call().1.to_string().matches("let me see").count();
            assert!(restored >= turn, "{model} {restored}");
        }
        // Another conversation with the same call has thoughts of its own, or none.
        next["messages"][0]["content"] = "something else".into();
        assert!(!notes(&gateway.chat(&next).await).contains("restored"), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_loop_keeps_its_thoughts_from_turn_to_turn() {
    let gateway = setup().start().await;
    let mut body = thinking(CLAUDE, r#"[[reasoning:first]][[tool:weather {"city":"Bern"}]]"#);
    for turn in 1..4 {
        let whole = gateway.chat(&body).await.completion();
        let calls = made(&whole);
        assert_eq!(calls.len(), 1);
        body = next(&body, &Value::Null, &calls);
        // In one turn with the result, so that the loop stays open; the simulator follows such words only.
        let more = r#"[[reasoning:more]][[tool:weather {"city":"Bern"}]]"#;
        body["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": more}));
        let sent = gateway.last_call().1;
        let thoughts = sent.to_string().matches("\"signature\"").count();
        assert_eq!(thoughts, turn - 1, "{sent}");
    }
}

/// Models that think between their calls, what they think by, what asks them to, and what is said of it.
const BETWEEN_CALLS: [(&str, &str, &str); 6] = [
    ("us.openai.gpt-5.6-sol", "[[redacted]]", "encrypted_thoughts"),
    ("us.xai.grok-4.7", "[[redacted]]", "encrypted_thoughts"),
    ("moonshotai.kimi-k2-thinking", "[[reasoning:let me see]]", "plain_thoughts"),
    ("minimax.minimax-m2.5", "[[reasoning:let me see]]", "plain_thoughts"),
    ("zai.glm-5", "[[reasoning:let me see]]", "plain_thoughts"),
    ("deepseek.v3.2", "[[reasoning:let me see]]", "plain_thoughts"),
];

fn between_calls(model: &str, thought: &str) -> Value {
    let text = format!(r#"{thought}[[tool:weather {{"city":"Bern"}}]]"#);
    with(chat(model, &text), json!({"tools": [tool("weather", "city")]}))
}

/// Whether the model's first turn went out with its thought first, and the call behind it.
#[track_caller]
fn thinks_before_it_calls(body: &Value) -> bool {
    let blocks = body["messages"][1]["content"].as_array().unwrap();
    assert!(blocks.last().unwrap().get("toolUse").is_some(), "{body}");
    match blocks.as_slice() {
        [thought, _] => thought.get("reasoningContent").is_some(),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_that_think_between_calls_get_their_thoughts_back() {
    let gateway = setup().start().await;
    for (model, thought, kind) in BETWEEN_CALLS {
        let body = between_calls(model, thought);
        for streamed in [false, true] {
            let calls = if streamed {
                gateway.stream(&body).await.tool_calls()
            } else {
                made(&gateway.chat(&body).await.completion())
            };
            // Most clients know nothing of thoughts.
            let answer = gateway.chat(&next(&body, &Value::Null, &calls)).await;
            assert_eq!(answer.completion()["choices"][0]["message"]["content"], "21 degrees", "{model}");
            assert_eq!(notes(&answer), format!("messages:restored;reason={kind}"), "{model}");
            assert!(thinks_before_it_calls(&gateway.last_call().1), "{model}");
        }
    }
    // Some send back what they got.
    let gateway = setup().set("reasoning.store.ttl", "0").start().await;
    for (model, thought, _) in BETWEEN_CALLS {
        let body = between_calls(model, thought);
        let whole = gateway.chat(&body).await.completion();
        let mut next = next(&body, &Value::Null, &made(&whole));
        next["messages"][1] = whole["choices"][0]["message"].clone();
        let answer = gateway.chat(&next).await;
        answer.completion();
        assert_eq!(notes(&answer), "", "{model}");
        assert!(thinks_before_it_calls(&gateway.last_call().1), "{model}");
        // What was thought before the user's last word is over.
        let messages = next["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": "21 degrees"}));
        messages.push(json!({"role": "user", "content": "thanks"}));
        let answer = gateway.chat(&next).await;
        answer.completion();
        assert_eq!(notes(&answer), "messages[1]:dropped;reason=reasoning_not_replayed", "{model}");
        assert!(!thinks_before_it_calls(&gateway.last_call().1), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thoughts_that_a_model_does_not_take_back_after_all_are_left_out() {
    let gateway = setup().start().await;
    for (model, thought, _) in BETWEEN_CALLS {
        for (refusal, remembered) in [
            ("The encrypted content could not be verified.", true),
            (
                "This model doesn't support the reasoningContent content block. Remove it and try again.",
                false,
            ),
            ("User messages cannot contain reasoning content", true),
        ] {
            let body = between_calls(model, &format!("{refusal} {thought}"));
            let whole = gateway.chat(&body).await.completion();
            let mut next = next(&body, &Value::Null, &made(&whole));
            if !remembered {
                next["messages"][1] = whole["choices"][0]["message"].clone();
            }
            gateway.script([Reply::error(400, "ValidationException", refusal)]);
            let answer = gateway.chat(&next).await;
            answer.completion();
            assert!(
                notes(&answer).contains("messages:dropped;reason=thoughts_refused"),
                "{}",
                notes(&answer)
            );
            assert_eq!(answer.header("x-outcrop-attempts"), Some("2"), "{model}");
            assert!(!thinks_before_it_calls(&gateway.last_call().1), "{model}");
        }
        // Where everything else is refused, thoughts aren't to blame.
        let body = between_calls(model, thought);
        let whole = gateway.chat(&body).await.completion();
        gateway.script([Reply::error(400, "ValidationException", "The toolConfig is malformed.")]);
        assert_eq!(gateway.chat(&next(&body, &Value::Null, &made(&whole))).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_never_see_each_others_thoughts() {
    let digest = |key: &str| {
        let hex = |text: String, byte: u8| text + &format!("{byte:02x}");
        Sha256::digest(key).into_iter().fold(String::new(), hex)
    };
    let keys = format!(
        "[{{id: mine, sha256: {}}}, {{id: theirs, sha256: {}}}]",
        digest("mine-1"),
        digest("theirs-1")
    );
    let gateway = setup().set("auth.keys", &keys).start().await;
    let send = async |key: &str, body: &Value| {
        gateway.send(Request::chat(body).header("authorization", &format!("Bearer {key}"))).await
    };
    let body = thinking(CLAUDE, THINKS_AND_CALLS);
    let whole = send("mine-1", &body).await.completion();
    let next = next(&body, &Value::Null, &made(&whole));
    // The same ids, by another.
    let theirs = send("theirs-1", &next).await;
    theirs.completion();
    assert_eq!(notes(&theirs), "reasoning_effort:dropped;reason=thoughts_missing");
    let (turn, thinks) = sent_turn(&gateway.last_call().1);
    assert!(!thinks && !turn.to_string().contains("let me see"), "{turn}");
    let mine = send("mine-1", &next).await;
    assert_eq!(notes(&mine), "messages:restored;reason=signed_thoughts");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_is_bounded() {
    // Room for one turn and its thoughts.
    let gateway = setup().set("reasoning.store.max_bytes", "700").start().await;
    let mut turns = Vec::new();
    for question in ["one", "two"] {
        let body = thinking(CLAUDE, &format!("{question} {THINKS_AND_CALLS}"));
        let whole = gateway.chat(&body).await.completion();
        turns.push(next(&body, &whole["choices"][0]["message"]["content"], &made(&whole)));
    }
    let (old, new) = (gateway.chat(&turns[0]).await, gateway.chat(&turns[1]).await);
    assert_eq!(notes(&old), "reasoning_effort:dropped;reason=thoughts_missing");
    assert_eq!(notes(&new), "messages:restored;reason=signed_thoughts");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_a_loop_goes_on_without_thinking_where_the_model_can() {
    let gateway = setup().set("reasoning.store.ttl", "0").start().await;
    for (model, off) in
        [(CLAUDE, Value::Null), (OPUS_5, json!({"type": "disabled"})), (OPUS_5_5, Value::Null)]
    {
        let mut body = thinking(model, THINKS_AND_CALLS);
        body.as_object_mut().unwrap().remove("reasoning_effort");
        let whole = gateway.chat(&body).await.completion();
        let answer = gateway.chat(&next(&body, &Value::Null, &made(&whole))).await;
        answer.completion();
        assert_eq!(gateway.last_call().1["thinking"], off, "{model}");
        let expected = if model == CLAUDE { "" } else { "reasoning_effort:warned;reason=thoughts_missing" };
        assert_eq!(notes(&answer), expected, "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_in_which_the_model_did_not_think_goes_on_thinking() {
    let gateway = setup().unfolded().start().await;
    let body = thinking(OPUS_5, "hi");
    // A model that finds its own budget may find that it is none.
    let call =
        json!({"type": "tool_use", "id": "toolu_bdrk_1", "name": "weather", "input": {"city": "Bern"}});
    gateway.script([Reply::json(
        200,
        &json!({
            "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-opus-5", "content": [call],
            "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
        }),
    )]);
    let whole = gateway.chat(&body).await.completion();
    let answer = gateway.chat(&next(&body, &Value::Null, &made(&whole))).await;
    answer.completion();
    assert_eq!(notes(&answer), "");
    assert!(sent_turn(&gateway.last_call().1).1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thought_that_the_model_refuses_is_left_out_the_second_time() {
    let gateway = setup().start().await;
    let body = thinking(OPUS_5, THINKS_AND_CALLS);
    let whole = gateway.chat(&body).await.completion();
    let next = next(&body, &Value::Null, &made(&whole));
    let refusal = "messages.1.content.0: Invalid `signature` in `thinking` block";
    gateway.script([Reply::error(400, "ValidationException", refusal)]);
    let answer = gateway.chat(&next).await;
    answer.completion();
    let (turn, thinks) = sent_turn(&gateway.last_call().1);
    assert!(!thinks && !turn.to_string().contains("let me see"), "{turn}");
    assert!(notes(&answer).contains("messages:dropped;reason=thoughts_refused"), "{}", notes(&answer));
    assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
    // It is not tried again.
    let again = gateway.chat(&next).await;
    again.completion();
    assert!(notes(&again).ends_with("reason=thoughts_missing"), "{}", notes(&again));
    // Another failure is none of this.
    gateway.script([Reply::error(400, "ValidationException", "max_tokens is too large")]);
    assert_eq!(gateway.chat(&next).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_thoughts_back_itself_needs_no_memory() {
    let gateway = setup().set("reasoning.store.ttl", "0").start().await;
    let body = thinking(CLAUDE, THINKS_AND_CALLS);
    let whole = gateway.chat(&body).await.completion();
    let mut next = next(&body, &Value::Null, &made(&whole));
    next["messages"][1]["reasoning_details"] = whole["choices"][0]["message"]["reasoning_details"].clone();
    let answer = gateway.chat(&next).await;
    answer.completion();
    assert_eq!(notes(&answer), "");
    let (turn, thinks) = sent_turn(&gateway.last_call().1);
    assert!(thinks && turn[0]["thinking"] == "let me see", "{turn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_effort_is_taken_by_every_generation() {
    let gateway = setup().start().await;
    for model in [
        CLAUDE,
        "converse",
        "us.anthropic.claude-opus-4-5-20251101-v1:0",
        "us.anthropic.claude-sonnet-4-6",
        "us.anthropic.claude-opus-4-7",
        OPUS_5,
        "us.anthropic.claude-sonnet-5-5",
        OPUS_5_5,
        "us.amazon.nova-2-lite-v1:0",
        NOVA,
        "openai.gpt-oss-120b-1:0",
        "us.openai.gpt-6-sol",
        "us.xai.grok-4.6",
        "qwen.qwen3-32b-v1:0",
        "deepseek.v3-v1:0",
        "zai.glm-4.7",
        "zai.glm-5.3",
        "minimax.minimax-m2",
    ] {
        for effort in ["none", "minimal", "low", "medium", "high", "xhigh", "max"] {
            let wish = json!({"reasoning_effort": effort, "max_tokens": 200, "temperature": 0.5});
            let body = with(chat(model, "hi"), wish);
            let answer = gateway.chat(&body).await;
            assert_eq!(answer.status, 200, "{model} {effort}: {}\n{:?}", answer.text(), gateway.last_call());
            gateway.stream(&body).await.assert_complete(false);
        }
    }
}
