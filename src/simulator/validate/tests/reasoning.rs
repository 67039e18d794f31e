//! How each family is asked to think, and what it wants back.

use super::*;

const OPUS_4_5: &str = "anthropic.claude-opus-4-5-20251101-v1:0";

#[test]
fn effort_depends_on_the_generation() {
    let effort = |effort: &str| json!({"output_config": {"effort": effort}});
    on_claude(CLAUDE_4_8, effort("xhigh"), None);
    on_claude(CLAUDE_4_8, effort("extreme"), Some("output_config.effort: Input should be"));
    on_claude(CLAUDE_4_6, effort("max"), None);
    on_claude(CLAUDE_4_6, effort("xhigh"), Some("'xhigh' is not supported"));
    on_claude(CLAUDE_4_5, effort("low"), Some("does not support the effort parameter"));
    on_claude(OPUS_4_5, effort("high"), Some("does not support the effort parameter"));
    let beta =
        |effort: &str| json!({"output_config": {"effort": effort}, "anthropic_beta": ["effort-2025-11-24"]});
    on_claude(OPUS_4_5, beta("high"), None);
    on_claude(OPUS_4_5, beta("max"), Some("'max' is not supported"));
    on_claude("anthropic.claude-haiku-5-5", effort("max"), Some("'max' is not supported"));
    on_converse(NOVA, &request(json!({"outputConfig": {"effort": "low"}})), Some("outputConfig.effort"));
    on_converse(CLAUDE_4_8, &request(json!({"outputConfig": {"effort": "low"}})), None);
}

#[test]
fn thinking_has_few_members_and_few_values() {
    let thinking = |thinking: Value| json!({"thinking": thinking});
    on_claude(CLAUDE_4_8, thinking(json!({"type": "adaptive", "display": "omitted"})), None);
    on_claude(CLAUDE_4_8, thinking(json!({"type": "adaptive", "display": "loud"})), Some("thinking.display"));
    on_claude(
        CLAUDE_4_8,
        thinking(json!({"type": "adaptive", "budget_tokens": 2000})),
        Some("thinking.adaptive.budget_tokens: Extra inputs"),
    );
    on_claude("anthropic.claude-sonnet-5-5", thinking(json!({"type": "between_tools"})), None);
    on_claude(CLAUDE_4_8, thinking(json!({"type": "between_tools"})), Some("not supported"));
}

#[test]
fn a_budget_wants_the_reasoning_before_open_tool_calls_back() {
    let history = |first: Value| {
        json!({
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [first, {"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "ok"}]},
            ],
        })
    };
    let signed = json!({"type": "thinking", "thinking": "hm", "signature": signature("hm")});
    on_claude(CLAUDE_4_5, history(signed), None);
    let text = json!({"type": "text", "text": "well"});
    on_claude(
        CLAUDE_4_5,
        history(text.clone()),
        Some("messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`"),
    );
    let mut without = history(text);
    without["thinking"] = json!({"type": "disabled"});
    on_claude(CLAUDE_4_5, without, None);

    let converse = request(json!({
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        "inferenceConfig": {"maxTokens": 2000},
        "toolConfig": tool_config(),
        "messages": [
            {"role": "user", "content": [{"text": "hi"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"text": "ok"}]}}]},
        ],
    }));
    on_converse(CLAUDE_4_5, &converse, Some("but found `tool_use`"));
}

#[test]
fn what_was_redacted_comes_back_as_it_was() {
    let history = |data: &str| {
        request(json!({"messages": [
            {"role": "user", "content": [{"text": "hi"}]},
            {"role": "assistant", "content": [{"reasoningContent": {"redactedContent": data}}, {"text": "yes"}]},
            {"role": "user", "content": [{"text": "go on"}]},
        ]}))
    };
    on_converse(CLAUDE_4_5, &history(&crate::simulator::answer::redacted()), None);
    on_converse(CLAUDE_4_5, &history("Zm9yZ2Vk"), Some("Invalid `data` in `redacted_thinking`"));
}

#[test]
fn each_family_has_its_own_word_for_thinking() {
    let fields = |fields: Value| request(json!({"additionalModelRequestFields": fields}));
    for (id, given, refusal) in [
        (GPT_OSS, json!({"reasoning_effort": "low"}), None),
        (GPT_OSS, json!({"reasoning_effort": "none"}), Some("enum value set: [low, medium, high]")),
        (GPT_OSS, json!({"reasoning": {"effort": "low"}}), Some("extraneous key [reasoning]")),
        ("deepseek.v3.2", json!({"reasoning_effort": "high"}), None),
        ("deepseek.v3.2", json!({"reasoning_effort": "low"}), Some("enum value set")),
        ("zai.glm-5", json!({"reasoning_effort": "none"}), None),
        ("zai.glm-5.3", json!({"reasoning_effort": "xhigh"}), None),
        ("zai.glm-5.3", json!({"reasoning_effort": "none"}), Some("enum value set")),
        ("qwen.qwen3-32b-v1:0", json!({"reasoning_config": "high"}), None),
        ("qwen.qwen3-32b-v1:0", json!({"reasoning_config": "max"}), Some("enum value set")),
        (GPT, json!({"reasoning": {"effort": "none"}}), None),
        (GPT, json!({"reasoning": {"effort": "max"}}), None),
        ("openai.gpt-6.1-sol", json!({"reasoning": {"effort": "none"}}), Some("enum value set")),
        ("xai.grok-4.7", json!({"reasoning": {"effort": "none"}}), Some("enum value set")),
        ("xai.grok-4.7", json!({"reasoning": {"effort": "xhigh"}}), None),
        ("xai.grok-4.7", json!({"reasoning": {"effort": "max"}}), Some("enum value set")),
    ] {
        on_converse(id, &fields(given), refusal);
    }
    let nova = "amazon.nova-2-lite-v1:0";
    let high = json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}});
    on_converse(nova, &fields(high.clone()), None);
    let mut warm = fields(high);
    warm["inferenceConfig"] = json!({"temperature": 0.5});
    on_converse(nova, &warm, Some("temperature field must not be set"));
    warm["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] = json!("low");
    on_converse(nova, &warm, None);
}
