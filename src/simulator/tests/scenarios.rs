//! What directives and ordinary requests bring about.

use super::*;

fn text_in(reply: &Value) -> &str {
    let blocks = reply["output"]["message"]["content"].as_array().unwrap();
    blocks.iter().find_map(|block| block["text"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn a_capability_can_be_taken_from_any_model() {
    let simulator = open().await;
    let warm = json!({"inferenceConfig": {"temperature": 0.5}});
    let text = "hi [[refuse:temperature]]";
    let refused = call(&simulator, NOVA, "converse", &conversation(text, warm.clone())).await;
    assert_eq!(
        refused["message"],
        "This model doesn't support the temperature field. Remove temperature and try again."
    );
    let healed = call(&simulator, NOVA, "converse", &conversation(text, json!({}))).await;
    assert_eq!(text_in(&healed), "hi");
    let own = conversation(r#"hi [[refuse:temperature message="too warm"]]"#, warm);
    assert_eq!(call(&simulator, NOVA, "converse", &own).await["message"], "too warm");
    let mut native = claude_body("hi [[refuse:top_k]]");
    native["top_k"] = json!(5);
    assert!(call(&simulator, CLAUDE, "invoke", &native).await["message"].as_str().unwrap().contains("topK"));
    let streamed = conversation("hi [[refuse:streaming]]", json!({}));
    assert!(call(&simulator, NOVA, "converse-stream", &streamed).await["message"].is_string());
    assert_eq!(text_in(&call(&simulator, NOVA, "converse", &streamed).await), "hi");
}

#[tokio::test]
async fn reasoning_comes_in_every_kind() {
    let simulator = open().await;
    let thought = async |model: &str, text: &str| {
        let reply = call(&simulator, model, "converse", &conversation(text, json!({}))).await;
        reply["output"]["message"]["content"][0].clone()
    };
    for (model, directive, is_signed) in [
        (CLAUDE, "[[reasoning:hm]]", true),
        (NOVA, "[[reasoning:hm]]", false),
        (NOVA, "[[signed-reasoning:hm]]", true),
        (CLAUDE, "[[unsigned-reasoning:hm]]", false),
    ] {
        let block = thought(model, &format!("{directive}yes")).await;
        let reasoning = &block["reasoningContent"]["reasoningText"];
        assert_eq!(reasoning["text"], "hm", "{model} {directive}");
        assert_eq!(reasoning["signature"].is_string(), is_signed, "{model} {directive}");
    }
    assert!(thought(CLAUDE, "[[redacted]]yes").await["reasoningContent"]["redactedContent"].is_string());
    assert_eq!(thought(NOVA, "[[think-tags:hm]]yes").await["text"], "<think>hm</think>\n\nyes");
    assert_eq!(thought(NOVA, "[[thinking-tags:hm]]yes").await["text"], "<thinking>hm</thinking>\n\nyes");
    assert_eq!(thought(NOVA, "[[reasoning-tags:hm]]yes").await["text"], "<reasoning>hm</reasoning>\n\nyes");
}

#[tokio::test]
async fn a_request_that_asks_for_reasoning_gets_some() {
    let simulator = open().await;
    for (model, fields, member) in [
        (CLAUDE, json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), "reasoningText"),
        ("us.amazon.nova-2-lite-v1:0", json!({"reasoningConfig": {"type": "enabled"}}), "reasoningText"),
        ("openai.gpt-oss-20b-1:0", json!({"reasoning_effort": "low"}), "reasoningText"),
        ("qwen.qwen3-32b-v1:0", json!({"reasoning_config": "high"}), "reasoningText"),
        ("us.openai.gpt-6-sol", json!({"reasoning": {"effort": "low"}}), "redactedContent"),
    ] {
        let body = json!({
            "messages": [{"role": "user", "content": [{"text": "hi"}]}],
            "inferenceConfig": {"maxTokens": 2000},
            "additionalModelRequestFields": fields,
            "additionalModelResponseFieldPaths": ["/usage/output_tokens_details"],
        });
        let reply = call(&simulator, model, "converse", &body).await;
        let first = &reply["output"]["message"]["content"][0]["reasoningContent"];
        assert!(first.get(member).is_some(), "{model} {reply}");
        assert_eq!(text_in(&reply), "hi");
        if model == CLAUDE {
            let fields = &reply["additionalModelResponseFields"]["usage"]["output_tokens_details"];
            assert_eq!(fields["thinking_tokens"], 6);
        }
    }
    let mut native = claude_body("hi");
    native["max_tokens"] = json!(2000);
    native["thinking"] = json!({"type": "enabled", "budget_tokens": 1024, "display": "omitted"});
    let reply = call(&simulator, CLAUDE, "invoke", &native).await;
    assert_eq!(reply["content"][0]["thinking"], "");
    assert!(reply["content"][0]["signature"].is_string());
}

#[tokio::test]
async fn tool_calls_have_the_ids_that_are_asked_for() {
    let simulator = open().await;
    let config = json!({"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}});
    let ids = async |directive: &str| {
        let text = format!("{directive}[[tool:f]][[tool:f]]");
        let reply = call(&simulator, NOVA, "converse", &conversation(&text, config.clone())).await;
        let blocks = reply["output"]["message"]["content"].as_array().unwrap().clone();
        blocks
            .iter()
            .map(|block| block["toolUse"]["toolUseId"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("[[tool-id:call_{n}]]").await, ["call_0", "call_1"]);
    assert_eq!(ids("[[tool-id:same]]").await, ["same", "same"]);
    let usual = ids("").await;
    assert!(usual[0] != usual[1] && usual[0].starts_with("tooluse_"));
    assert_eq!(ids("").await, usual);
}

#[tokio::test]
async fn a_limit_cuts_the_arguments_of_a_tool_anywhere() {
    let simulator = simulator().await;
    let mut body = json!({"messages": [{"role": "user", "content": r#"[[tool:f {"a":"0123456789"}]]"#}], "max_tokens": 3});
    body["tools"] =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let reply = invoke(&simulator, "qwen.qwen3-32b-v1:0", &body).await;
    assert_eq!(reply["choices"][0]["finish_reason"], "length");
    assert_eq!(reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], r#"{"a":"01"#);
}

#[tokio::test]
async fn an_agent_that_insists_on_tools_comes_to_an_end() {
    let simulator = open().await;
    let spec = |name: &str| json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}});
    let mut body = conversation(
        "Do it.",
        json!({
            "toolConfig": {"tools": [spec("a"), spec("b")], "toolChoice": {"any": {}}},
        }),
    );
    let mut called = Vec::new();
    for _ in 0..5 {
        let reply = call(&simulator, CLAUDE, "converse", &body).await;
        let message = reply["output"]["message"].clone();
        let blocks = message["content"].as_array().unwrap();
        let Some(used) = blocks.iter().find_map(|block| block.get("toolUse")).cloned() else {
            assert_eq!(text_in(&reply), "b is done");
            break;
        };
        called.push(used["name"].as_str().unwrap().to_owned());
        let done = format!("{} is done", used["name"].as_str().unwrap());
        let result = json!({"toolResult": {"toolUseId": used["toolUseId"], "content": [{"text": done}]}});
        let turns = body["messages"].as_array_mut().unwrap();
        turns.extend([message, json!({"role": "user", "content": [result]})]);
    }
    assert_eq!(called, ["a", "b"]);
}

#[tokio::test]
async fn an_instruction_to_answer_in_json_is_followed() {
    let simulator = open().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    for (system, text, expected) in [
        (format!("Answer with valid JSON that fits this schema: {schema}"), "How many?", r#"{"n":1}"#),
        (format!("Answer with valid JSON that fits this schema: {schema}"), r#"{"n": 5}"#, r#"{"n": 5}"#),
        ("Answer with one JSON object.".to_owned(), "How many?", r#"{"answer":"How many?"}"#),
        ("You like JSON.".to_owned(), "How many?", "How many?"),
    ] {
        let body = conversation(text, json!({"system": [{"text": system}]}));
        assert_eq!(text_in(&call(&simulator, NOVA, "converse", &body).await), expected, "{system}");
    }
}

#[tokio::test]
async fn models_without_a_system_text_are_instructed_by_the_user() {
    let simulator = open().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    for (text, expected) in [
        (format!("Answer by this JSON Schema:\n{schema}\n\nHow many?"), r#"{"n":1}"#),
        ("Is this a JSON object?".to_owned(), "Is this a JSON object?"),
    ] {
        let reply = call(&simulator, TITAN, "converse", &conversation(&text, json!({}))).await;
        assert_eq!(text_in(&reply), expected);
    }
}

#[tokio::test]
async fn retired_models_refuse_unless_they_are_named() {
    let body = conversation("hi", json!({}));
    let ids = [TITAN, "us.anthropic.claude-opus-4-20250514-v1:0", "meta.llama3-1-405b-instruct-v1:0"];
    for (served, serving) in [
        (vec![], [false, false, false]),
        (vec![TITAN], [true, false, false]),
        (vec!["anthropic.claude-opus-4-20250514-v1:0"], [false, true, false]),
        (vec!["*"], [true, true, true]),
    ] {
        let options = Options {
            signatures: Signatures::Ignored,
            profiles_required: false,
            served_models: served.iter().map(|id| (*id).to_owned()).collect(),
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        for (id, serves) in ids.into_iter().zip(serving) {
            let reply = call(&simulator, id, "converse", &body).await;
            if serves {
                assert_eq!(text_in(&reply), "hi", "{id} of {served:?}");
            } else {
                assert!(reply["message"].as_str().unwrap().contains("end of its life"), "{id}: {reply}");
            }
        }
    }
}

#[tokio::test]
async fn models_of_no_table_and_models_that_are_gone() {
    let options = Options {
        signatures: Signatures::Ignored,
        extra_models: vec![("vendor.new-1".into(), "amazon.nova-lite-v1:0".into())],
        retired_models: vec!["amazon.nova-pro-v1:0".into()],
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let body = conversation("hi", json!({}));
    assert_eq!(text_in(&call(&simulator, "vendor.new-1", "converse", &body).await), "hi");
    let gone = call(&simulator, "amazon.nova-pro-v1:0", "converse", &body).await;
    assert!(gone["message"].as_str().unwrap().contains("end of its life"));
    let listed = body_of(&raw(&simulator, &get("/foundation-models")).await);
    let models = listed["modelSummaries"].as_array().unwrap();
    let find = |id: &str| models.iter().find(|model| model["modelId"] == id).unwrap();
    assert_eq!(find("vendor.new-1")["inferenceTypesSupported"], json!(["ON_DEMAND"]));
    assert_eq!(find("amazon.nova-pro-v1:0")["modelLifecycle"]["endOfLifeTime"], "2026-01-01T00:00:00Z");
}
