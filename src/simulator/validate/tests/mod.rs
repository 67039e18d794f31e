//! What is refused, with which words, and what isn't.
#![expect(clippy::needless_pass_by_value, reason = "`json!` reads better without a `&` before each")]

mod bodies;
mod caching;
mod members;
mod reasoning;

use super::*;
use crate::simulator::answer::signature;
use crate::simulator::fault::Fault;
use crate::simulator::models::{self, Model};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const CLAUDE_3: &str = "anthropic.claude-3-haiku-20240307-v1:0";
const CLAUDE_4_5: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const CLAUDE_4_6: &str = "anthropic.claude-sonnet-4-6";
const CLAUDE_4_8: &str = "anthropic.claude-opus-4-8";
const CLAUDE_5_5: &str = "anthropic.claude-opus-5-5";
const LLAMA: &str = "meta.llama3-3-70b-instruct-v1:0";
const TITAN: &str = "amazon.titan-text-express-v1";
const NOVA: &str = "amazon.nova-lite-v1:0";
const MISTRAL: &str = "mistral.mistral-7b-instruct-v0:2";
const GPT_OSS: &str = "openai.gpt-oss-20b-1:0";
const GPT: &str = "openai.gpt-6-sol";

fn model(id: &str) -> &'static Model {
    models::find(id).unwrap().model
}

/// Checks that a result is fine, or that its message has a certain part.
#[track_caller]
fn expect(result: Result<(), Fault>, refusal: Option<&str>) {
    match (result, refusal) {
        (Ok(()), None) => {}
        (Err(fault), Some(refusal)) => assert!(fault.message.contains(refusal), "{}", fault.message),
        (Ok(()), Some(refusal)) => panic!("not refused: {refusal}"),
        (Err(fault), None) => panic!("refused: {}", fault.message),
    }
}

/// A Converse request of one user text, with some members replaced.
fn request(members: Value) -> Value {
    let mut request = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

fn asked(content: Value) -> Value {
    request(json!({"messages": [{"role": "user", "content": content}]}))
}

fn tool_config() -> Value {
    json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]})
}

#[track_caller]
fn on_converse(id: &str, request: &Value, refusal: Option<&str>) {
    expect(converse(model(id), request, false), refusal);
}

#[test]
fn a_plain_conversation_is_accepted_by_every_chat_model() {
    for model in models::all() {
        let embeds = model.id.contains("embed");
        let refusal = embeds.then_some("This action doesn't support the model that you provided.");
        expect(converse(model, &request(json!({})), true), refusal);
    }
}

#[test]
fn blocks_have_exactly_one_known_member_and_text_that_is_not_blank() {
    for (content, refusal) in [
        (json!([{"text": "a", "image": {}}]), "exactly one of"),
        (json!([{}]), "exactly one of"),
        (json!([{"words": "a"}]), "extraneous key [words]"),
        (json!([{"text": 3}]), "expected type: String"),
        (json!([{"text": " \n"}]), "messages.0.content.0 is blank"),
        (json!([]), "is empty"),
        (json!("hi"), "expected type: JSONArray"),
    ] {
        on_converse(CLAUDE_3, &asked(content), Some(refusal));
    }
}

#[test]
fn unknown_members_are_refused_at_the_top_and_below() {
    on_converse(CLAUDE_3, &request(json!({"model": "x"})), Some("extraneous key [model]"));
    on_converse(CLAUDE_3, &request(json!({"inferenceConfig": {"topK": 3}})), Some("extraneous key [topK]"));
    on_converse(
        LLAMA,
        &request(json!({"additionalModelRequestFields": {"x": 1}})),
        Some("extraneous key [x]"),
    );
    on_converse(LLAMA, &request(json!({"additionalModelRequestFields": {}})), None);
    on_converse(
        CLAUDE_3,
        &request(json!({"additionalModelRequestFields": {"max_tokens": 1}})),
        Some("conflicts"),
    );
}

#[test]
fn numbers_have_ranges() {
    for (config, refusal) in [
        (json!({"temperature": 1.5}), Some("Member must have value less than or equal to 1")),
        (json!({"temperature": -0.1}), Some("greater than or equal to 0")),
        (json!({"topP": 2}), Some("'inferenceConfig.topP'")),
        (json!({"maxTokens": 0}), Some("greater than or equal to 1")),
        (json!({"maxTokens": 1.5}), Some("expected type: Integer")),
        (json!({"maxTokens": 4097}), Some("exceeds the model limit of 4096")),
        (json!({"maxTokens": 4096, "temperature": 1, "topP": 0.5, "stopSequences": ["x"]}), None),
        (json!({"stopSequences": [""]}), Some("minLength")),
        (json!({"stopSequences": [" "]}), Some("non-whitespace")),
    ] {
        on_converse(CLAUDE_3, &request(json!({"inferenceConfig": config})), refusal);
    }
    let limit = |most: u32| request(json!({"inferenceConfig": {"maxTokens": most}}));
    on_converse("zai.glm-4.7", &limit(128_000), Some("lower than 128000"));
    on_converse("zai.glm-4.7", &limit(127_999), None);
    on_converse(CLAUDE_3, &limit(4_096), None);
    on_converse(GPT, &request(json!({"inferenceConfig": {"maxTokens": 15}})), Some("equal to 16"));
    on_converse(GPT, &request(json!({"inferenceConfig": {"temperature": 1}})), Some("temperature field"));
}

#[test]
fn stop_sequences_depend_on_the_model() {
    let stop = |stop: &str| request(json!({"inferenceConfig": {"stopSequences": [stop]}}));
    on_converse(GPT_OSS, &stop("x"), Some("This model doesn't support the stopSequences field."));
    on_converse(TITAN, &stop("x"), Some("does not match pattern"));
    on_converse(TITAN, &stop("||"), None);
    on_converse(TITAN, &stop("User:"), None);
}

#[test]
fn roles_alternate_and_a_user_begins_where_the_model_wants_it() {
    let roles = |roles: &[&str]| {
        let messages: Vec<Value> =
            roles.iter().map(|role| json!({"role": role, "content": [{"text": "hi"}]})).collect();
        request(json!({"messages": messages}))
    };
    on_converse(NOVA, &roles(&[]), Some("must start with a user message"));
    on_converse(NOVA, &roles(&["assistant", "user"]), Some("must start with a user message"));
    on_converse(CLAUDE_3, &roles(&["assistant", "user"]), None);
    on_converse(NOVA, &roles(&["user", "user"]), Some("must alternate"));
    on_converse(NOVA, &roles(&["tool"]), Some("enum value set"));
    on_converse(CLAUDE_3, &roles(&["user", "assistant"]), None);
    on_converse(
        CLAUDE_4_6,
        &roles(&["user", "assistant"]),
        Some("does not support assistant message prefill"),
    );
}

#[test]
fn a_final_assistant_turn_has_no_space_at_its_end() {
    let messages = json!([
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"text": "so: "}]},
    ]);
    on_converse(CLAUDE_3, &request(json!({"messages": messages})), Some("trailing whitespace"));
}

#[test]
fn system_text_depends_on_the_model() {
    let system = request(json!({"system": [{"text": "brief"}]}));
    on_converse(TITAN, &system, Some("This model doesn't support system messages."));
    on_converse(MISTRAL, &system, Some("This model doesn't support system messages."));
    on_converse(CLAUDE_3, &system, None);
    on_converse(TITAN, &request(json!({"system": []})), None);
    on_converse(CLAUDE_3, &request(json!({"system": [{"text": ""}]})), Some("is blank"));
}

#[test]
fn tools_depend_on_the_model_and_on_streaming() {
    let tools = request(json!({"toolConfig": tool_config()}));
    on_converse("meta.llama3-8b-instruct-v1:0", &tools, Some("This model doesn't support tool use."));
    expect(converse(model(LLAMA), &tools, false), None);
    expect(converse(model(LLAMA), &tools, true), Some("tool use in streaming mode"));
    let forced = |choice: Value| {
        let mut config = tool_config();
        config["toolChoice"] = choice;
        request(json!({"toolConfig": config}))
    };
    on_converse(LLAMA, &forced(json!({"any": {}})), Some("toolConfig.toolChoice.any"));
    on_converse(CLAUDE_5_5, &forced(json!({"tool": {"name": "f"}})), Some("toolConfig.toolChoice.tool"));
    on_converse(CLAUDE_3, &forced(json!({"tool": {"name": "f"}})), None);
    on_converse(CLAUDE_3, &forced(json!({"tool": {"name": "g"}})), Some("Tool not found"));
    on_converse(CLAUDE_3, &forced(json!({"none": {}})), Some("extraneous key [none]"));
}

#[test]
fn tools_have_proper_names_and_object_schemas() {
    let tool = |name: &str, schema: Value, description: &str| {
        let spec = json!({"name": name, "description": description, "inputSchema": {"json": schema}});
        request(json!({"toolConfig": {"tools": [{"toolSpec": spec}]}}))
    };
    let object = json!({"type": "object"});
    on_converse(CLAUDE_3, &tool("get.weather", object.clone(), "d"), Some("regular expression pattern"));
    on_converse(CLAUDE_3, &tool(&"x".repeat(65), object.clone(), "d"), Some("less than or equal to 64"));
    on_converse(CLAUDE_3, &tool("f", object, ""), Some("greater than or equal to 1"));
    on_converse(CLAUDE_3, &tool("f", json!({}), "d"), Some("must be one of the following: object"));
    on_converse(CLAUDE_3, &request(json!({"toolConfig": {"tools": []}})), Some("'toolConfig.tools'"));
}

#[test]
fn every_tool_use_is_answered_in_the_next_turn_and_nothing_else_is() {
    let history = |results: Value| {
        let uses = json!([
            {"toolUse": {"toolUseId": "a", "name": "f", "input": {}}},
            {"toolUse": {"toolUseId": "b", "name": "f", "input": {}}},
        ]);
        request(json!({"toolConfig": tool_config(), "messages": [
            {"role": "user", "content": [{"text": "hi"}]},
            {"role": "assistant", "content": uses},
            {"role": "user", "content": results},
        ]}))
    };
    let result = |id: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": "ok"}]}});
    on_converse(CLAUDE_3, &history(json!([result("a"), result("b")])), None);
    on_converse(
        CLAUDE_3,
        &history(json!([result("b")])),
        Some("Expected toolResult blocks at messages.2.content for the following Ids: a"),
    );
    on_converse(
        CLAUDE_3,
        &history(json!([result("a"), result("b"), result("c")])),
        Some("exceeds the number of toolUse blocks"),
    );
    let mixed = json!([result("a"), result("b"), {"text": "and"}]);
    on_converse(CLAUDE_3, &history(mixed.clone()), None);
    on_converse(LLAMA, &history(mixed), Some("cannot be provided in the same turn"));
    let mut without_tools = history(json!([result("a"), result("b")]));
    without_tools.as_object_mut().unwrap().remove("toolConfig");
    on_converse(CLAUDE_3, &without_tools, Some("The toolConfig field must be defined"));
    let mut status = result("a");
    status["toolResult"]["status"] = json!("success");
    on_converse("writer.palmyra-x5-v1:0", &history(json!([status, result("b")])), Some("status field"));
    let odd = json!([{"toolUse": {"toolUseId": "a b", "name": "f", "input": {}}}]);
    let odd = request(json!({"toolConfig": tool_config(), "messages": [
        {"role": "user", "content": [{"text": "hi"}]}, {"role": "assistant", "content": odd},
    ]}));
    on_converse(CLAUDE_3, &odd, Some("toolUseId"));
}

#[test]
fn documents_have_words_beside_them_and_names_of_their_own() {
    let document =
        |name: &str| json!({"document": {"format": "txt", "name": name, "source": {"bytes": "aGk="}}});
    let words = json!({"text": "read"});
    on_converse(CLAUDE_3, &asked(json!([document("a")])), Some("A text block must be included"));
    on_converse(CLAUDE_3, &asked(json!([words, document("a")])), None);
    on_converse(
        CLAUDE_3,
        &asked(json!([words, document("a"), document("a")])),
        Some("duplicate document names"),
    );
    on_converse(CLAUDE_3, &asked(json!([words, document("a.txt")])), Some("file name"));
    on_converse(GPT_OSS, &asked(json!([words, document("a")])), Some("document content block"));
}

#[test]
fn images_are_what_they_say_they_are() {
    let image = |format: &str, bytes: &[u8]| {
        asked(json!([{"image": {"format": format, "source": {"bytes": BASE64_STANDARD.encode(bytes)}}}]))
    };
    let png = b"\x89PNG\r\n\x1a\n";
    on_converse(CLAUDE_3, &image("png", png), None);
    on_converse(CLAUDE_3, &image("jpeg", png), Some("appears to be a image/png image"));
    on_converse(CLAUDE_3, &image("png", b"text"), Some("Could not process image"));
    on_converse(CLAUDE_3, &image("bmp", png), Some("enum value set"));
    on_converse(LLAMA, &image("png", png), Some("image content block"));
    let url = asked(json!([{"image": {"format": "png", "source": {"url": "https://x"}}}]));
    on_converse(CLAUDE_3, &url, Some("extraneous key [url]"));
}

#[test]
fn cache_points_depend_on_the_model_and_are_few() {
    let points = |count: usize| {
        let mut blocks = vec![json!({"text": "hi"})];
        blocks.extend(vec![json!({"cachePoint": {"type": "default"}}); count]);
        asked(Value::Array(blocks))
    };
    on_converse(CLAUDE_4_5, &points(4), None);
    on_converse(CLAUDE_4_5, &points(5), Some("A maximum of 4 blocks"));
    on_converse(LLAMA, &points(1), Some("prompt caching"));
}

#[test]
fn structured_output_depends_on_the_model_and_its_schema() {
    let output = |schema: &Value| {
        let schema = json!({"schema": schema.to_string(), "name": "x"});
        request(
            json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}}),
        )
    };
    let closed = json!({"type": "object", "additionalProperties": false, "properties": {}});
    on_converse(CLAUDE_4_5, &output(&closed), None);
    on_converse(CLAUDE_4_5, &output(&json!({"type": "object"})), Some("additionalProperties"));
    on_converse(CLAUDE_3, &output(&closed), Some("outputConfig.textFormat"));
}

/// A Claude request of one user text, with some members replaced.
fn messages(members: Value) -> Value {
    let mut request = json!({
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hi"}],
    });
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            request.as_object_mut().unwrap().remove(name);
        } else {
            request[name] = value.clone();
        }
    }
    request
}

#[track_caller]
fn on_claude(id: &str, members: Value, refusal: Option<&str>) {
    expect(claude(model(id), &messages(members)), refusal);
}

#[test]
fn claude_wants_its_own_members_and_no_others() {
    on_claude(CLAUDE_3, json!({}), None);
    on_claude(CLAUDE_3, json!({"anthropic_version": null}), Some("anthropic_version: Field required"));
    on_claude(CLAUDE_3, json!({"max_tokens": null}), Some("max_tokens: Field required"));
    on_claude(CLAUDE_3, json!({"model": "x"}), Some("model: Extra inputs are not permitted"));
    on_claude(CLAUDE_3, json!({"stream": true}), Some("stream: Extra inputs are not permitted"));
    on_claude(CLAUDE_3, json!({"max_tokens": 4097}), Some("maximum allowed number of output tokens"));
    on_claude(CLAUDE_3, json!({"temperature": 1.5}), Some("temperature: range: 0..1"));
    on_claude(CLAUDE_3, json!({"messages": []}), Some("at least one message"));
    on_claude(CLAUDE_3, json!({"stop_sequences": [" "]}), Some("non-whitespace"));
    on_claude(
        CLAUDE_3,
        json!({"messages": [{"role": "system", "content": "x"}]}),
        Some("'user' or 'assistant'"),
    );
    on_claude(
        CLAUDE_3,
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}),
        Some("non-empty"),
    );
    expect(claude(model(CLAUDE_3), &json!([])), Some("Malformed input request"));
}

#[test]
fn sampling_depends_on_the_generation() {
    let both = json!({"temperature": 0.5, "top_p": 0.5});
    on_claude(CLAUDE_3, both.clone(), None);
    on_claude(CLAUDE_4_5, both, Some("cannot both be specified"));
    on_claude(CLAUDE_4_5, json!({"temperature": 0.5}), None);
    on_claude(CLAUDE_4_8, json!({"temperature": 1}), Some("`temperature` is deprecated"));
    on_claude(CLAUDE_4_8, json!({"top_k": 1}), Some("`top_k` is deprecated"));
    let config = request(json!({"inferenceConfig": {"temperature": 0.5, "topP": 0.5}}));
    on_converse(
        CLAUDE_4_5,
        &config,
        Some("The model returned the following errors: `temperature` and `top_p`"),
    );
}

#[test]
fn thinking_depends_on_the_generation() {
    let budget = |budget: u64| json!({"thinking": {"type": "enabled", "budget_tokens": budget}});
    let adaptive = json!({"thinking": {"type": "adaptive"}});
    let disabled = json!({"thinking": {"type": "disabled"}});
    on_claude(CLAUDE_4_5, budget(1024), None);
    on_claude(CLAUDE_4_5, budget(1023), Some("greater than or equal to 1024"));
    on_claude(CLAUDE_4_5, budget(4096), Some("`max_tokens` must be greater than `thinking.budget_tokens`"));
    on_claude(CLAUDE_3, budget(1024), Some("not supported"));
    on_claude(CLAUDE_4_8, budget(1024), Some("not supported"));
    on_claude(CLAUDE_4_5, adaptive.clone(), Some("not supported"));
    on_claude(CLAUDE_4_8, adaptive, None);
    on_claude(CLAUDE_4_8, disabled.clone(), None);
    on_claude(CLAUDE_5_5, disabled, Some("not supported"));
    let mut forced = budget(1024);
    forced["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    forced["tool_choice"] = json!({"type": "any"});
    on_claude(CLAUDE_4_5, forced, Some("Thinking may not be enabled when tool_choice forces tool use."));
    let mut cold = budget(1024);
    cold["temperature"] = json!(0.5);
    on_claude(CLAUDE_4_5, cold, Some("`temperature` may only be set to 1"));
    let inside = json!({"thinking": {"type": "adaptive", "effort": "low"}});
    on_claude(CLAUDE_4_8, inside, Some("thinking.effort: Extra inputs"));
}

#[test]
fn claude_takes_back_its_own_reasoning_only() {
    let history = |signature: &str| {
        json!({"messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": signature}, {"type": "text", "text": "yes"},
            ]},
            {"role": "user", "content": "go on"},
        ]})
    };
    on_claude(CLAUDE_4_5, history(&signature("hm")), None);
    on_claude(CLAUDE_4_5, history("forged"), Some("Invalid `signature`"));
    on_claude(CLAUDE_4_5, history(""), Some("signature: Field required"));
    let unsigned = request(json!({"messages": [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "yes"}]},
        {"role": "user", "content": [{"text": "go on"}]},
    ]}));
    on_converse(CLAUDE_4_5, &unsigned, Some("signature: Field required"));
    on_converse(GPT_OSS, &unsigned, None);
    on_converse("deepseek.r1-v1:0", &unsigned, Some("reasoningContent content block"));
    on_converse("deepseek.v3.2", &unsigned, None);
    on_converse("moonshotai.kimi-k2.5", &unsigned, None);
    on_converse(GPT, &unsigned, Some("reasoningContent.reasoningText content block"));
    let mut encrypted = unsigned;
    encrypted["messages"][1]["content"][0] = json!({"reasoningContent": {"redactedContent": "ZGF0YQ=="}});
    on_converse(GPT, &encrypted, None);
    on_converse("xai.grok-4.7", &encrypted, None);
    on_converse("zai.glm-5", &encrypted, Some("reasoningContent.redactedContent content block"));
}

#[test]
fn claudes_tool_uses_are_answered() {
    let history = |answer: Value| {
        json!({"messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            {"role": "user", "content": answer},
        ]})
    };
    on_claude(CLAUDE_3, history(json!([{"type": "tool_result", "tool_use_id": "a", "content": "ok"}])), None);
    on_claude(CLAUDE_3, history(json!("no")), Some("without `tool_result` blocks immediately after: a"));
    let orphan = json!([
        {"type": "tool_result", "tool_use_id": "a", "content": "ok"},
        {"type": "tool_result", "tool_use_id": "b", "content": "ok"},
    ]);
    on_claude(CLAUDE_3, history(orphan), Some("unexpected `tool_use_id`"));
}

#[test]
fn completions_take_their_few_members_only() {
    let on_llama = |body: &Value, refusal| expect(llama(model(LLAMA), body), refusal);
    on_llama(&json!({"prompt": "hi", "max_gen_len": 10, "temperature": 0.5, "top_p": 1}), None);
    on_llama(&json!({"prompt": "hi", "stop": []}), Some("extraneous key [stop]"));
    on_llama(&json!({"temperature": 0.5}), Some("required key [prompt]"));
    on_llama(&json!({"prompt": "hi", "temperature": 1.1}), Some("less than or equal to 1"));
    on_llama(&json!({"prompt": "hi", "max_gen_len": 0}), Some("greater than or equal to 1"));
    on_llama(&json!({"prompt": "hi", "images": []}), Some("extraneous key [images]"));

    let on_titan = |config: Value, refusal| {
        expect(titan(model(TITAN), &json!({"inputText": "hi", "textGenerationConfig": config})), refusal);
    };
    on_titan(json!({"maxTokenCount": 8192, "topP": 0.1, "stopSequences": ["|"]}), None);
    on_titan(json!({"maxTokenCount": 8193}), Some("less than or equal to 8192"));
    on_titan(json!({"topP": 0}), Some("not higher than 0"));
    on_titan(json!({"stopSequences": ["END"]}), Some("does not match pattern"));
    on_titan(json!({"topK": 1}), Some("extraneous key [topK]"));

    let on_nova = |members: Value, refusal| expect(nova(model(NOVA), &request(members), false), refusal);
    on_nova(
        json!({"schemaVersion": "messages-v1", "inferenceConfig": {"max_new_tokens": 5, "topK": 20}}),
        None,
    );
    on_nova(json!({"schemaVersion": "v2"}), Some("enum value set"));
    on_nova(json!({"inferenceConfig": {"topK": 129}}), Some("less than or equal to 128"));
    on_nova(json!({"additionalModelRequestFields": {}}), Some("extraneous key"));
}
