//! The service's own members, and media.

use super::*;

#[test]
fn guardrails_have_an_id_and_a_version() {
    let config = |config: Value| request(json!({"guardrailConfig": config}));
    let full = json!({"guardrailIdentifier": "abc123", "guardrailVersion": "DRAFT", "trace": "enabled"});
    on_converse(NOVA, &config(full.clone()), None);
    on_converse(
        NOVA,
        &config(json!({"guardrailIdentifier": "abc"})),
        Some("required key [guardrailVersion]"),
    );
    for (name, value, refusal) in [
        ("guardrailIdentifier", "Not An Id", "guardrailIdentifier"),
        ("guardrailVersion", "0", "guardrailVersion"),
        ("trace", "loud", "enum value set"),
        ("streamProcessingMode", "sync", "extraneous key [streamProcessingMode]"),
    ] {
        let mut changed = full.clone();
        changed[name] = json!(value);
        on_converse(NOVA, &config(changed), Some(refusal));
    }
    let arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc123";
    let streamed =
        json!({"guardrailIdentifier": arn, "guardrailVersion": "12", "streamProcessingMode": "async"});
    expect(converse(model(NOVA), &config(streamed), true), None);
}

#[test]
fn tiers_and_haste_depend_on_the_model() {
    let tier = |tier: &str| request(json!({"serviceTier": {"type": tier}}));
    on_converse(NOVA, &tier("flex"), None);
    on_converse(CLAUDE_4_5, &tier("flex"), Some("flex service tier"));
    on_converse(CLAUDE_4_5, &tier("default"), None);
    on_converse(NOVA, &tier("auto"), Some("enum value set"));
    let latency = request(json!({"performanceConfig": {"latency": "optimized"}}));
    on_converse("amazon.nova-pro-v1:0", &latency, None);
    on_converse(CLAUDE_4_5, &latency, Some("Latency performance configuration"));
}

#[test]
fn metadata_is_short_and_plain() {
    let metadata = |metadata: Value| request(json!({"requestMetadata": metadata}));
    on_converse(NOVA, &metadata(json!({"team": "a b", "cost-center": ""})), None);
    on_converse(NOVA, &metadata(json!({})), Some("/requestMetadata"));
    on_converse(NOVA, &metadata(json!({"team!": "a"})), Some("/requestMetadata"));
    on_converse(NOVA, &metadata(json!({"team": "é"})), Some("/requestMetadata"));
    on_converse(NOVA, &metadata(json!({"team": "x".repeat(257)})), Some("/requestMetadata"));
    let many: serde_json::Map<String, Value> = (0..17).map(|n| (n.to_string(), json!("x"))).collect();
    on_converse(NOVA, &metadata(Value::Object(many)), Some("/requestMetadata"));
}

#[test]
fn claude_wants_no_personal_data_for_a_users_id() {
    let native = |user: Value| json!({"metadata": {"user_id": user}});
    for (user, refusal) in [
        (json!("u-1"), None),
        (json!("550e8400-e29b-41d4-a716-446655440000"), None),
        (json!("someone@mail.example"), Some("appears to contain an email address")),
        (json!("+44 20 7946 0958"), Some("appears to contain a phone number")),
        (json!("2079460958"), Some("appears to contain a phone number")),
        (json!("x".repeat(257)), Some("at most 256 characters")),
        (json!(5), Some("valid string")),
    ] {
        on_claude(CLAUDE_4_5, native(user.clone()), refusal);
        on_converse(CLAUDE_4_5, &request(json!({"additionalModelRequestFields": native(user)})), refusal);
    }
}

#[test]
fn paths_into_the_reply_are_pointers() {
    let paths = |paths: Value| request(json!({"additionalModelResponseFieldPaths": paths}));
    on_converse(CLAUDE_3, &paths(json!(["/stop_sequence", "/usage/output_tokens_details", "/a~1b"])), None);
    on_converse(CLAUDE_3, &paths(json!(["stop_sequence"])), Some("not a valid JSON pointer"));
    on_converse(CLAUDE_3, &paths(json!(["/a~2"])), Some("not a valid JSON pointer"));
    on_converse(CLAUDE_3, &paths(json!(vec!["/a"; 11])), Some("maximum item count: 10"));
}

#[test]
fn additional_fields_depend_on_the_family() {
    let fields = |fields: Value| request(json!({"additionalModelRequestFields": fields}));
    for (id, given, refusal) in [
        (CLAUDE_3, json!({"top_k": 5}), None),
        (CLAUDE_3, json!({"top_k": "x"}), Some("top_k: Input should be a valid integer")),
        (CLAUDE_3, json!({"topK": 5}), Some("topK: Extra inputs")),
        (CLAUDE_3, json!({"anthropic_beta": "x"}), Some("anthropic_beta: Input should be a valid list")),
        (CLAUDE_3, json!({"tool_choice": {"type": "none"}}), Some("only be specified while providing tools")),
        (NOVA, json!({"inferenceConfig": {"topK": 20}}), None),
        (NOVA, json!({"inferenceConfig": {"topK": 129}}), Some("less than or equal to 128")),
        (NOVA, json!({"top_k": 20}), Some("extraneous key [top_k]")),
        (NOVA, json!({"reasoningConfig": {"type": "enabled"}}), Some("extraneous key [reasoningConfig]")),
        (MISTRAL, json!({"top_k": 20}), None),
        (MISTRAL, json!({"reasoning_effort": "high"}), Some("extraneous key")),
        ("deepseek.r1-v1:0", json!({"reasoning_effort": "high"}), Some("extraneous key")),
        (GPT_OSS, json!({"top_k": 20}), Some("extraneous key [top_k]")),
        (GPT_OSS, json!({"seed": 1}), None),
    ] {
        on_converse(id, &fields(given), refusal);
    }
    let twice = request(json!({
        "toolConfig": {"tools": tool_config()["tools"], "toolChoice": {"any": {}}},
        "additionalModelRequestFields": {"tool_choice": {"type": "any"}},
    }));
    on_converse(CLAUDE_3, &twice, Some("The additional field tool_choice conflicts"));
    let mut beside = twice.clone();
    beside["additionalModelRequestFields"] = json!({"tool_choice": {"disable_parallel_tool_use": true}});
    on_converse(CLAUDE_3, &beside, None);
}

#[test]
fn system_turns_are_for_the_few_that_take_them() {
    let turns = request(json!({"messages": [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"text": "yes"}]},
        {"role": "system", "content": [{"text": "be brief"}]},
        {"role": "user", "content": [{"text": "go on"}]},
    ]}));
    on_converse(CLAUDE_4_8, &turns, None);
    on_converse(CLAUDE_4_5, &turns, Some("system role"));
    on_converse(NOVA, &turns, Some("system role"));
    let native = json!({"messages": [
        {"role": "user", "content": "hi"}, {"role": "system", "content": "be brief"}, {"role": "user", "content": "go on"},
    ]});
    on_claude(CLAUDE_4_8, native.clone(), None);
    on_claude(CLAUDE_4_5, native, Some("'user' or 'assistant'"));
}

#[test]
fn media_are_for_those_that_see_hear_and_fetch() {
    let audio = json!([{"text": "hear"}, {"audio": {"format": "wav", "source": {"bytes": "aGk="}}}]);
    on_converse("mistral.voxtral-small-24b-2507", &asked(audio.clone()), None);
    on_converse(NOVA, &asked(audio), Some("audio content block"));
    let far =
        |uri: &str| asked(json!([{"image": {"format": "png", "source": {"s3Location": {"uri": uri}}}}]));
    on_converse(NOVA, &far("s3://bucket/cat.png"), None);
    on_converse(NOVA, &far("https://bucket/cat.png"), Some("s3Location.uri"));
    on_converse(CLAUDE_4_5, &far("s3://bucket/cat.png"), Some("s3Uri field"));
    let cited = json!([{"text": "read"}, {"document": {
        "format": "txt", "name": "a", "source": {"text": "hi"}, "citations": {"enabled": true},
    }}]);
    on_converse(CLAUDE_4_5, &asked(cited.clone()), None);
    on_converse(NOVA, &asked(cited.clone()), Some("citations"));
    let schema = json!({"type": "object", "additionalProperties": false}).to_string();
    let both = request(json!({
        "messages": [{"role": "user", "content": cited}],
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}},
    }));
    on_converse(CLAUDE_4_5, &both, Some("Citations cannot be used together"));
}

#[test]
fn pictures_in_results_are_for_few() {
    let seen = |id: &str, refusal: Option<&str>| {
        let image = json!({"format": "png", "source": {"bytes": BASE64_STANDARD.encode(b"\x89PNG")}});
        let history = request(json!({"toolConfig": tool_config(), "messages": [
            {"role": "user", "content": [{"text": "hi"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"image": image}]}}]},
        ]}));
        on_converse(id, &history, refusal);
    };
    seen(CLAUDE_4_5, None);
    seen(NOVA, None);
    seen("moonshotai.kimi-k2.5", Some("in toolResult"));
}

#[test]
fn strict_tools_are_compiled_where_they_are_known() {
    let strict = |schema: Value| {
        let spec = json!({"name": "f", "strict": true, "inputSchema": {"json": schema}});
        request(json!({"toolConfig": {"tools": [{"toolSpec": spec}]}}))
    };
    let closed = json!({"type": "object", "additionalProperties": false});
    on_converse(CLAUDE_4_5, &strict(closed.clone()), None);
    on_converse(CLAUDE_4_5, &strict(json!({"type": "object"})), Some("additionalProperties"));
    on_converse(CLAUDE_4_8, &strict(closed.clone()), Some("strict field"));
    on_converse(NOVA, &strict(closed.clone()), Some("strict field"));
    let native = json!({"tools": [{"name": "f", "input_schema": closed, "strict": true}]});
    on_claude(CLAUDE_4_5, native.clone(), None);
    on_claude(CLAUDE_3, native, Some("strict: Extra inputs"));
}
