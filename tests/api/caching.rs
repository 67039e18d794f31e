//! Who places cache points, where a request has none.

use serde_json::{Value, json};

use crate::support::{CLAUDE, Setup, chat, with};

/// Longer than the shortest prefix that any model keeps.
fn instructions() -> Value {
    json!({"role": "system", "content": "You know the house rules. ".repeat(2_000)})
}

/// A first question, the question after an answer, and the result of a tool.
fn stages() -> [(Value, bool); 3] {
    let question = json!({"role": "user", "content": "What is the weather?"});
    let answer = json!({"role": "assistant", "content": "Where?"});
    let call = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]});
    let result = json!({"role": "tool", "tool_call_id": "call_1", "content": "rain"});
    let second = json!({"role": "user", "content": "In Bern."});
    [
        (json!([instructions(), question]), false),
        (json!([instructions(), question, answer, second]), true),
        (json!([instructions(), question, call, result]), true),
    ]
}

fn asked(messages: &Value) -> Value {
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}});
    with(chat(CLAUDE, ""), json!({"messages": messages, "tools": [tool]}))
}

fn has_points(sent: &Value) -> bool {
    let sent = sent.to_string();
    sent.contains("cachePoint") || sent.contains("cache_control")
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_kept_by_default_and_single_questions_are_not() {
    let gateway = Setup::new().start().await;
    for (messages, goes_on) in stages() {
        let answer = gateway.chat(&asked(&messages)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(has_points(&gateway.last_call().1), goes_on, "{messages}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_in_the_configuration_or_in_the_request_decides() {
    for (word, always) in [("auto", true), ("explicit", false)] {
        let gateway = Setup::new().set("cache", word).start().await;
        for (messages, goes_on) in stages() {
            gateway.chat(&asked(&messages)).await;
            assert_eq!(has_points(&gateway.last_call().1), always, "{word}");
            let own = json!({"prompt_cache_options": {"mode": "conversations"}});
            gateway.chat(&with(asked(&messages), own)).await;
            assert_eq!(has_points(&gateway.last_call().1), goes_on, "{word}");
        }
    }
    let gateway = Setup::new().start().await;
    for (mode, points) in [("implicit", true), ("auto", true), ("explicit", false)] {
        for (messages, _) in stages() {
            let body = with(asked(&messages), json!({"prompt_cache_options": {"mode": mode}}));
            gateway.chat(&body).await;
            assert_eq!(has_points(&gateway.last_call().1), points, "{mode}");
        }
    }
    let body = with(chat(CLAUDE, "hi"), json!({"prompt_cache_options": {"mode": "always"}}));
    assert_eq!(gateway.chat(&body).await.status, 400);
}
