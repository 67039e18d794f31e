//! Where the cache may be told to cut.

use super::*;

fn point(ttl: Option<&str>) -> Value {
    match ttl {
        Some(ttl) => json!({"cachePoint": {"type": "default", "ttl": ttl}}),
        None => json!({"cachePoint": {"type": "default"}}),
    }
}

#[test]
fn a_cache_point_follows_something_that_can_be_cached() {
    on_converse(
        CLAUDE_4_5,
        &asked(json!([point(None), {"text": "hi"}])),
        Some("has no content block before it"),
    );
    on_converse(CLAUDE_4_5, &asked(json!([{"text": "hi"}, point(None)])), None);
    on_converse(NOVA, &asked(json!([{"text": "hi"}, point(None)])), None);
    let after_reasoning = request(json!({"messages": [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": signature("hm")}}},
            point(None),
            {"text": "yes"},
        ]},
        {"role": "user", "content": [{"text": "go on"}]},
    ]}));
    on_converse(CLAUDE_4_5, &after_reasoning, Some("messages.1.content.1.thinking.cache_control"));
}

#[test]
fn an_hour_comes_before_five_minutes_in_the_order_of_the_prompt() {
    let all = |tools: Option<&str>, system: Option<&str>, messages: Option<&str>| {
        let mut config = tool_config();
        config["tools"].as_array_mut().unwrap().push(point(tools));
        let system = json!([{"text": "be brief"}, point(system)]);
        let messages = json!([{"role": "user", "content": [{"text": "hi"}, point(messages)]}]);
        request(json!({"toolConfig": config, "system": system, "messages": messages}))
    };
    on_converse(CLAUDE_4_5, &all(Some("1h"), Some("1h"), Some("5m")), None);
    on_converse(
        CLAUDE_4_5,
        &all(Some("5m"), Some("1h"), None),
        Some("system.1.cache_control.ttl: a ttl='1h'"),
    );
    on_converse(CLAUDE_4_5, &all(None, None, Some("1h")), Some("must not come after a ttl='5m'"));
    on_converse(CLAUDE_4_5, &all(Some("1m"), None, None), Some("enum value set"));
    let older = "anthropic.claude-3-7-sonnet-20250219-v1:0";
    on_converse(older, &all(Some("1h"), None, None), Some("ttl field"));
    on_converse(older, &all(None, None, None), None);
    on_converse(NOVA, &all(None, None, None), Some("cachePoint field in toolConfig"));
}

#[test]
fn claudes_own_marks_keep_the_same_rules() {
    let marked = |blocks: Value| json!({"messages": [{"role": "user", "content": blocks}]});
    let text = |control: Value| json!({"type": "text", "text": "hi", "cache_control": control});
    let five = json!({"type": "ephemeral"});
    let hour = json!({"type": "ephemeral", "ttl": "1h"});
    on_claude(CLAUDE_4_5, marked(json!([text(hour.clone()), text(five.clone())])), None);
    on_claude(
        CLAUDE_4_5,
        marked(json!([text(five.clone()), text(hour.clone())])),
        Some("must not come after"),
    );
    on_claude(CLAUDE_4_5, marked(Value::Array(vec![text(five.clone()); 5])), Some("A maximum of 4 blocks"));
    on_claude(CLAUDE_4_5, marked(json!([text(json!({"type": "lasting"}))])), Some("'ephemeral'"));
    on_claude(CLAUDE_3, marked(json!([text(hour)])), Some("ttl: Extra inputs"));
    let thinking = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": signature("hm"), "cache_control": five},
        ]},
        {"role": "user", "content": "go on"},
    ]});
    on_claude(CLAUDE_4_5, thinking, Some("thinking.cache_control: Extra inputs"));
}
