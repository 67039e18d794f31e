//! The native bodies that aren't Converse's, answered and streamed each in its own way.

use super::*;

const MISTRAL: &str = "mistral.mistral-7b-instruct-v0:2";
const LARGE_2402: &str = "mistral.mistral-large-2402-v1:0";
const LARGE_2407: &str = "mistral.mistral-large-2407-v1:0";
const LARGE_3: &str = "mistral.mistral-large-3-675b-instruct";
const COMMAND: &str = "cohere.command-text-v14";
const COMMAND_R: &str = "cohere.command-r-v1:0";
const JAMBA: &str = "ai21.jamba-1-5-mini-v1:0";
const R1: &str = "us.deepseek.r1-v1:0";
const GPT_OSS: &str = "openai.gpt-oss-20b-1:0";
const QWEN: &str = "qwen.qwen3-32b-v1:0";
const CLAUDE_2: &str = "anthropic.claude-v2:1";

fn chat(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

#[tokio::test]
async fn every_native_body_is_echoed_whole_and_streamed() {
    let simulator = simulator().await;
    let text = "Say this, word for word";
    let spaced = " Say this, word for word";
    let human = format!("\n\nHuman: {text}\n\nAssistant:");
    for (model, body, whole, streamed, expected) in [
        (
            MISTRAL,
            json!({"prompt": format!("<s>[INST] {text} [/INST]")}),
            "/outputs/0/text",
            "/outputs/0/text",
            spaced,
        ),
        (LARGE_2402, chat(text), "/choices/0/message/content", "/choices/0/delta/content", text),
        (LARGE_2407, chat(text), "/choices/0/message/content", "/choices/0/message/content", text),
        (LARGE_3, chat(text), "/choices/0/message/content", "/choices/0/delta/content", text),
        (COMMAND, json!({"prompt": text}), "/generations/0/text", "/generations/0/text", spaced),
        (COMMAND, json!({"prompt": text, "stream": true}), "/generations/0/text", "/text", spaced),
        (COMMAND_R, json!({"message": text}), "/text", "/text", text),
        (JAMBA, chat(text), "/choices/0/message/content", "/choices/0/delta/content", spaced),
        (GPT_OSS, chat(text), "/choices/0/message/content", "/choices/0/delta/content", text),
        (QWEN, chat(text), "/choices/0/message/content", "/choices/0/delta/content", text),
        (
            CLAUDE_2,
            json!({"prompt": human, "max_tokens_to_sample": 99}),
            "/completion",
            "/completion",
            spaced,
        ),
        (
            R1,
            json!({"prompt": format!("<｜User｜>{text}<｜Assistant｜>")}),
            "/choices/0/text",
            "/choices/0/text",
            text,
        ),
    ] {
        let reply = invoke(&simulator, model, &body).await;
        assert_eq!(reply.pointer(whole).and_then(Value::as_str), Some(expected), "{model} {reply}");
        let (chunks, error) = chunks(&simulator, model, &body).await;
        assert!(error.is_none(), "{model}");
        let said: String = chunks.iter().filter_map(|chunk| chunk.pointer(streamed)?.as_str()).collect();
        assert_eq!(said, expected, "{model}");
        let metrics = &chunks.last().unwrap()["amazon-bedrock-invocationMetrics"];
        assert_eq!(metrics["outputTokenCount"], 6, "{model}");
    }
}

#[tokio::test]
async fn ends_are_told_in_each_vendors_words() {
    let simulator = simulator().await;
    let text = "123456789012";
    let human = format!("\n\nHuman: {text}\n\nAssistant:");
    let limited = |limit: &str, mut body: Value| {
        body[limit] = json!(1);
        body
    };
    for (model, limit, body, pointer, cut, ended) in [
        (MISTRAL, "max_tokens", json!({"prompt": text}), "/outputs/0/stop_reason", "length", "stop"),
        (LARGE_2407, "max_tokens", chat(text), "/choices/0/stop_reason", "length", "stop"),
        (LARGE_3, "max_tokens", chat(text), "/choices/0/finish_reason", "length", "stop"),
        (
            COMMAND,
            "max_tokens",
            json!({"prompt": text}),
            "/generations/0/finish_reason",
            "MAX_TOKENS",
            "COMPLETE",
        ),
        (COMMAND_R, "max_tokens", json!({"message": text}), "/finish_reason", "MAX_TOKENS", "COMPLETE"),
        (JAMBA, "max_tokens", chat(text), "/choices/0/finish_reason", "length", "stop"),
        (R1, "max_tokens", json!({"prompt": text}), "/choices/0/stop_reason", "length", "stop"),
        (GPT_OSS, "max_completion_tokens", chat(text), "/choices/0/finish_reason", "length", "stop"),
        (
            CLAUDE_2,
            "max_tokens_to_sample",
            json!({"prompt": human}),
            "/stop_reason",
            "max_tokens",
            "stop_sequence",
        ),
    ] {
        let reply = invoke(&simulator, model, &limited(limit, body.clone())).await;
        assert_eq!(reply.pointer(pointer).unwrap(), cut, "{model}");
        let mut whole = body;
        if model == CLAUDE_2 {
            whole[limit] = json!(99);
        }
        let reply = invoke(&simulator, model, &whole).await;
        assert_eq!(reply.pointer(pointer).unwrap(), ended, "{model}");
    }
}

#[tokio::test]
async fn a_chat_calls_tools_and_takes_their_results() {
    let simulator = simulator().await;
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": parameters}}]);
    for (model, any) in [(LARGE_3, "any"), (QWEN, "required")] {
        let mut body = chat("Paris?");
        body["tools"] = tools.clone();
        body["tool_choice"] = json!(any);
        let reply = invoke(&simulator, model, &body).await;
        let message = &reply["choices"][0]["message"];
        let call = &message["tool_calls"][0];
        assert_eq!(reply["choices"][0]["finish_reason"], "tool_calls", "{model}");
        assert_eq!(call["function"], json!({"name": "weather", "arguments": r#"{"city":"text"}"#}));
        assert_eq!(invoke(&simulator, model, &body).await, reply, "the same request, the same answer");
        let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny"});
        body["messages"].as_array_mut().unwrap().extend([message.clone(), result]);
        let reply = invoke(&simulator, model, &body).await;
        assert_eq!(reply["choices"][0]["message"]["content"], "sunny", "{model}");
        assert_eq!(reply["choices"][0]["finish_reason"], "stop");
    }
    let mut body = chat(r#"[[tool:weather {"city":"Rome"}]][[tool:weather]]"#);
    body["tools"] = tools;
    let (chunks, _) = chunks(&simulator, QWEN, &body).await;
    let deltas = chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0"));
    let (mut ids, mut arguments) = (Vec::new(), [String::new(), String::new()]);
    for delta in deltas {
        ids.extend(delta["id"].as_str());
        let index = usize::try_from(delta["index"].as_u64().unwrap()).unwrap();
        arguments[index].push_str(delta["function"]["arguments"].as_str().unwrap());
    }
    assert_eq!(arguments, [r#"{"city":"Rome"}"#, "{}"]);
    assert!(ids.len() == 2 && ids[0] != ids[1]);
}

#[tokio::test]
async fn command_r_calls_tools_without_ids() {
    let simulator = simulator().await;
    let tools =
        json!([{"name": "weather", "description": "d", "parameter_definitions": {"city": {"type": "str"}}}]);
    let mut body = json!({"message": r#"[[tool:weather {"city":"Rome"}]]"#, "tools": tools});
    let call = json!({"name": "weather", "parameters": {"city": "Rome"}});
    assert_eq!(invoke(&simulator, COMMAND_R, &body).await["tool_calls"], json!([call]));
    let (chunks, _) = chunks(&simulator, COMMAND_R, &body).await;
    assert!(chunks.iter().any(|chunk| chunk["event_type"] == "tool-calls-generation"));
    let last = chunks.last().unwrap();
    assert_eq!((&last["event_type"], &last["is_finished"]), (&json!("stream-end"), &json!(true)));
    body["tool_results"] = json!([{"call": call, "outputs": [{"text": "sunny"}]}]);
    let reply = invoke(&simulator, COMMAND_R, &body).await;
    assert_eq!((&reply["text"], reply.get("tool_calls")), (&json!("sunny"), None));
}

#[tokio::test]
async fn thoughts_are_where_each_family_has_them() {
    let simulator = simulator().await;
    let reply = invoke(&simulator, GPT_OSS, &chat("[[reasoning:hm]]yes")).await;
    assert_eq!(reply["choices"][0]["message"]["content"], "<reasoning>hm</reasoning>yes");
    let reply = invoke(&simulator, QWEN, &chat("[[reasoning:hm]]yes")).await;
    assert_eq!(reply["choices"][0]["message"]["reasoning_content"], "hm");
    assert_eq!(reply["choices"][0]["message"]["content"], "yes");
    let open = json!({"prompt": "<｜User｜>yes<｜Assistant｜><think>\n"});
    let reply = invoke(&simulator, R1, &open).await;
    assert_eq!(reply["choices"][0]["text"], "Let me think about that.\n</think>\n\nyes");
    let mut effort = chat("yes");
    effort["reasoning_effort"] = json!("low");
    let reply = invoke(&simulator, GPT_OSS, &effort).await;
    let content = reply["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(content.starts_with("<reasoning>Let me think") && content.ends_with("yes"));
}

#[tokio::test]
async fn json_is_answered_where_json_is_asked_for() {
    let simulator = simulator().await;
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["day"],
        "properties": {"day": {"type": "string", "format": "date"}},
    });
    let mut body = chat("When?");
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let reply = invoke(&simulator, QWEN, &body).await;
    assert_eq!(reply["choices"][0]["message"]["content"], r#"{"day":"2026-01-02"}"#);
    body["response_format"] = json!({"type": "json_object"});
    let reply = invoke(&simulator, QWEN, &body).await;
    assert_eq!(reply["choices"][0]["message"]["content"], "{}");
}

#[tokio::test]
async fn claude_2_takes_messages_as_well() {
    let simulator = simulator().await;
    let reply = invoke(&simulator, CLAUDE_2, &claude_body("hello")).await;
    assert_eq!((&reply["content"][0]["text"], &reply["type"]), (&json!("hello"), &json!("message")));
}
