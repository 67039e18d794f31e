//! Tools' schemas and names that Bedrock has no place for. The simulator refuses what its models refuse.

use serde_json::{Value, json};

use crate::support::{CLAUDE, LLAMA, NOVA, TestGateway, chat, with};

const GPT_OSS: &str = "openai.gpt-oss-120b-1:0";
const EVERY_KIND: [&str; 6] =
    [CLAUDE, NOVA, LLAMA, GPT_OSS, "mistral.mistral-large-2407-v1:0", "qwen.qwen3-32b-v1:0"];

fn function(name: &str, parameters: &Value) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

fn asking(model: &str, tools: &[Value]) -> Value {
    with(chat(model, "go"), json!({"tools": tools}))
}

fn forced(model: &str, tools: &[Value]) -> Value {
    with(asking(model, tools), json!({"tool_choice": "required"}))
}

/// Names and arguments of the calls, of a whole reply and of a stream.
async fn called(gateway: &TestGateway, body: &Value) -> [Vec<(String, Value)>; 2] {
    let whole = gateway.chat(body).await.completion();
    let whole = whole["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
    let streamed = gateway.stream(body).await;
    streamed.assert_complete(false);
    [whole, streamed.tool_calls()].map(|calls| {
        let read = |call: &Value| {
            let arguments = call["function"]["arguments"].as_str().unwrap();
            (call["function"]["name"].as_str().unwrap().to_owned(), serde_json::from_str(arguments).unwrap())
        };
        calls.iter().map(read).collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_other_drafts_and_languages_reach_every_model() {
    let gateway = TestGateway::start().await;
    let parameters = [
        json!({"properties": {"n": {"type": "Integer", "minimum": 1, "exclusiveMinimum": true}}}),
        json!({"type": ["object", "null"], "properties": {"pair": {"type": "array", "items": [{"type": "str"}, {}]}}}),
        json!({"type": "object", "properties": [], "required": null}),
        json!({"type": "object", "properties": {"a": {"type": "any", "required": true}}, "additionalProperties": "false"}),
        json!({"type": "object", "properties": {"p": {"type": "string", "pattern": "[z-a]", "enum": "x"}}}),
        json!({"type": "object", "properties": {"r": {"$ref": "#/definitions/R"}}, "definitions": {"R": {"type": "uuid"}}}),
        json!({"type": "object", "properties": {"": {}, "o": {"properties": {"": {}}}}, "oneOf": [{"required": ["o"]}]}),
        json!([]),
    ];
    for model in EVERY_KIND {
        for parameters in &parameters {
            let answer = gateway.chat(&asking(model, &[function("f", parameters)])).await;
            assert_eq!(answer.status, 200, "{model} {parameters}: {}", answer.text());
            assert!(answer.header("x-outcrop-notes").is_some(), "{model} {parameters}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_are_called_by_the_clients_names() {
    let gateway = TestGateway::start().await;
    let long = "p".repeat(80);
    let names = ["page[size]", "page_size_", "$top", "Straße", long.as_str(), "plain"];
    let properties: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
    let tool = function("find", &json!({"type": "object", "properties": properties, "required": names}));
    for model in [CLAUDE, NOVA] {
        for calls in called(&gateway, &forced(model, std::slice::from_ref(&tool))).await {
            let [(name, arguments)] = calls.as_slice() else { panic!("{model}: {calls:?}") };
            assert_eq!(name, "find");
            let mut got: Vec<&str> = arguments.as_object().unwrap().keys().map(String::as_str).collect();
            let mut expected = names.to_vec();
            got.sort_unstable();
            expected.sort_unstable();
            assert_eq!(got, expected, "{model}");
        }
    }
    // What was called so before is called so again.
    let body = json!({"model": CLAUDE, "tools": [tool], "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
            "function": {"name": "find", "arguments": "{\"$top\": \"5\", \"plain\": {\"$top\": 1}}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "none"},
    ]});
    gateway.chat(&body).await.completion();
    let sent = gateway.calls().last().unwrap().body.clone();
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["messages"][1]["content"][0]["input"], json!({"_top": "5", "plain": {"$top": 1}}));
    assert!(sent["tools"][0]["input_schema"]["properties"]["_top"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_of_one_name_are_one_or_told_apart() {
    let gateway = TestGateway::start().await;
    let find = function("find", &json!({"type": "object", "properties": {"q": {"type": "string"}}}));
    let other = function("find", &json!({"type": "object", "properties": {"id": {"type": "integer"}}}));
    for model in EVERY_KIND {
        let answer = gateway.chat(&asking(model, &[find.clone(), find.clone()])).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        assert!(answer.header("x-outcrop-notes").unwrap().contains("duplicate_tool"), "{model}");
        let answer = gateway.chat(&asking(model, &[find.clone(), other.clone()])).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        assert!(answer.header("x-outcrop-notes").unwrap().contains("duplicate_name"), "{model}");
    }
    for calls in called(&gateway, &forced(CLAUDE, &[find, other])).await {
        assert!(calls.iter().all(|(name, _)| name == "find"), "{calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nova_is_told_of_no_hyphens_and_the_client_of_its_own() {
    let gateway = TestGateway::start().await;
    let tools =
        ["room-book", "room_book"].map(|name| function(name, &json!({"type": "object", "properties": {}})));
    let choice = json!({"tool_choice": {"type": "function", "function": {"name": "room-book"}}});
    for calls in called(&gateway, &with(asking(NOVA, &tools), choice)).await {
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].0, "room-book");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn circles_and_bombs_are_refused_before_anything_is_called() {
    let gateway = TestGateway::start().await;
    let referring = |to: &str, more: &Value| {
        with(json!({"type": "object", "properties": {"p": {"$ref": to}}}), more.clone())
    };
    let values: Vec<String> = (0..3_000).map(|at| format!("value {at}")).collect();
    let copies: serde_json::Map<String, Value> =
        (0..300).map(|at| (format!("p{at}"), json!({"$ref": "#/$defs/E"}))).collect();
    for (schema, code) in [
        (referring("#/x/a", &json!({"x": {"a": {"$ref": "#/x/a"}}})), "recursive_schema"),
        (referring("#/default", &json!({"default": {"$ref": "#/default"}})), "recursive_schema"),
        (referring("#", &json!({})), "recursive_schema"),
        (
            json!({"type": "object", "properties": copies, "$defs": {"E": {"enum": values}}}),
            "schema_too_large",
        ),
    ] {
        for model in [GPT_OSS, NOVA] {
            let (status, _, refused) =
                gateway.chat(&asking(model, &[function("f", &schema)])).await.verdict();
            assert_eq!((status, refused.as_deref()), (400, Some(code)), "{model}");
        }
    }
    let list = gateway.chat(&asking(CLAUDE, &[function("f", &json!({"type": "array"}))])).await;
    assert_eq!(list.error()["param"], "tools[0].function.parameters");
    assert!(gateway.calls().is_empty());
}
