//! The native bodies beyond Claude's.

use super::*;
use crate::simulator::models::Format;

#[track_caller]
fn on_chat(id: &str, members: Value, refusal: Option<&str>) {
    let mut body = json!({"messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let model = model(id);
    let form = if id.starts_with("mistral") { Format::MistralChat } else { model.facts.format };
    expect(chat(model, form, &body, false), refusal);
}

#[test]
fn a_chat_body_is_held_to_its_family() {
    let mistral = "mistral.mistral-large-2407-v1:0";
    let jamba = "ai21.jamba-1-5-mini-v1:0";
    for (id, members, refusal) in [
        (GPT_OSS, json!({"max_completion_tokens": 5, "temperature": 2, "reasoning_effort": "low"}), None),
        (GPT_OSS, json!({"reasoning_effort": "none"}), Some("enum value set")),
        (GPT_OSS, json!({"model": "gpt-4"}), Some("does not match the model ID")),
        (GPT_OSS, json!({"stream": true}), Some("does not match the operation")),
        (GPT_OSS, json!({"top_k": 5}), Some("extraneous key [top_k]")),
        ("qwen.qwen3-32b-v1:0", json!({"max_tokens": 8193}), Some("less than or equal to 8192")),
        (mistral, json!({"temperature": 1.5}), Some("less than or equal to 1")),
        (mistral, json!({"seed": 1}), Some("extraneous key [seed]")),
        (jamba, json!({"temperature": 2, "n": 1, "presence_penalty": 0}), None),
        (jamba, json!({"seed": 1}), Some("extraneous key [seed]")),
        (GPT_OSS, json!({"messages": []}), Some("minimum item count")),
        (GPT_OSS, json!({"messages": [{"role": "robot", "content": "x"}]}), Some("enum value set")),
        (GPT_OSS, json!({"messages": [{"role": "user"}]}), Some("required key [content]")),
    ] {
        on_chat(id, members, refusal);
    }
}

#[test]
fn a_chats_tools_are_chosen_in_the_familys_words() {
    let mistral = "mistral.mistral-large-2407-v1:0";
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let named = json!({"type": "function", "function": {"name": "f"}});
    for (id, choice, refusal) in [
        (GPT_OSS, json!("required"), None),
        (GPT_OSS, json!("any"), Some("enum value set")),
        (GPT_OSS, named.clone(), None),
        (mistral, json!("any"), None),
        (mistral, json!("required"), Some("enum value set")),
        (mistral, named, Some("expected type: String")),
    ] {
        on_chat(id, json!({"tools": tools, "tool_choice": choice}), refusal);
    }
    let history = |id: &str, answer: &str| {
        let call = json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        json!({"tools": tools, "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": answer, "content": "ok"},
        ]})
    };
    on_chat(GPT_OSS, history("call_0", "call_0"), None);
    on_chat(GPT_OSS, history("call_0", "call_1"), Some("no tool call has the id call_1"));
    on_chat(mistral, history("call_0", "call_0"), Some("with a length of 9"));
    on_chat(mistral, history("abcDEF123", "abcDEF123"), None);
}

#[test]
fn pictures_in_a_chat_are_data_urls_for_models_that_see() {
    let image = |url: &str| json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    let png = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(b"\x89PNG\r\n"));
    on_chat("google.gemma-3-27b-it", image(&png), None);
    on_chat("google.gemma-3-27b-it", image("https://example.com/cat.png"), Some("expected a data URL"));
    on_chat("google.gemma-3-27b-it", image("data:image/png;base64,aGk="), Some("Could not process image"));
    on_chat(GPT_OSS, image(&png), Some("enum value set: [text]"));
}

#[test]
fn prompts_take_their_few_members_only() {
    let on = |id: &str, body: Value, refusal| {
        let model = model(id);
        expect(prompt(model, model.facts.format, &body), refusal);
    };
    on(MISTRAL, json!({"prompt": "hi", "top_k": 5, "stop": ["a"], "max_tokens": 5}), None);
    on(MISTRAL, json!({"prompt": "hi", "stop": vec!["a"; 11]}), Some("maximum item count: 10"));
    on(
        "mistral.mistral-large-2402-v1:0",
        json!({"prompt": "hi", "top_k": 5}),
        Some("extraneous key [top_k]"),
    );
    on("deepseek.r1-v1:0", json!({"prompt": "hi", "max_tokens": 32_768}), None);
    on(
        "deepseek.r1-v1:0",
        json!({"prompt": "hi", "max_tokens": 32_769}),
        Some("less than or equal to 32768"),
    );
    on("cohere.command-text-v14", json!({"prompt": "hi", "k": 5, "num_generations": 1}), None);
    on("cohere.command-text-v14", json!({"prompt": "hi", "top_p": 1}), Some("extraneous key [top_p]"));
    let human = "\n\nHuman: hi\n\nAssistant:";
    on("anthropic.claude-v2:1", json!({"prompt": human, "max_tokens_to_sample": 5}), None);
    on("anthropic.claude-v2:1", json!({"prompt": human}), Some("required key [max_tokens_to_sample]"));
    on("anthropic.claude-v2:1", json!({"prompt": "hi", "max_tokens_to_sample": 5}), Some("Invalid prompt"));
}

#[test]
fn command_r_has_a_shape_of_its_own() {
    let on = |members: Value, refusal| {
        let mut body = json!({"message": "hi"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        expect(cohere_chat(model("cohere.command-r-v1:0"), &body), refusal);
    };
    on(json!({"preamble": "brief", "chat_history": [{"role": "CHATBOT", "message": "x"}], "p": 0.99}), None);
    on(json!({"chat_history": [{"role": "assistant", "message": "x"}]}), Some("enum value set"));
    on(json!({"p": 1}), Some("less than or equal to 0.99"));
    on(json!({"presence_penalty": -0.5}), Some("greater than or equal to 0"));
    on(json!({"message": ""}), Some("minLength"));
    let tools = json!([{"name": "f", "description": "d", "parameter_definitions": {"a": {"type": "str"}}}]);
    let result =
        |name: &str| json!([{"call": {"name": name, "parameters": {}}, "outputs": [{"text": "ok"}]}]);
    on(json!({"tools": tools, "tool_results": result("f")}), None);
    on(json!({"tools": tools, "tool_results": result("g")}), Some("no tool is called g"));
}
