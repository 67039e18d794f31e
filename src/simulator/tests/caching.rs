//! What is read from the cache and written to it, as each API reports it.

use super::*;

/// So many tokens of text.
fn long(tokens: usize) -> String {
    "four".repeat(tokens)
}

#[tokio::test]
async fn converse_reports_what_was_written_and_read_and_for_how_long() {
    let simulator = open().await;
    let point = |ttl: &str| json!({"cachePoint": {"type": "default", "ttl": ttl}});
    let body = json!({
        "system": [{"text": long(1500)}, point("1h")],
        "messages": [{"role": "user", "content": [{"text": long(1100)}, point("5m"), {"text": "hello"}]}],
    });
    let first = call(&simulator, CLAUDE, "converse", &body).await["usage"].clone();
    assert_eq!(
        (&first["inputTokens"], &first["cacheWriteInputTokens"]),
        (&json!(2), &json!(2600)),
        "{first}"
    );
    assert_eq!(first["cacheReadInputTokens"], 0);
    assert_eq!(
        first["cacheDetails"],
        json!([{"ttl": "5m", "inputTokens": 1100}, {"ttl": "1h", "inputTokens": 1500}])
    );
    let second = call(&simulator, CLAUDE, "converse", &body).await["usage"].clone();
    assert_eq!(
        (&second["cacheReadInputTokens"], &second["cacheWriteInputTokens"]),
        (&json!(2600), &json!(0))
    );
    assert_eq!(second["totalTokens"], first["totalTokens"]);
    let plain =
        call(&simulator, CLAUDE, "converse", &conversation("hello", json!({}))).await["usage"].clone();
    assert!(plain.get("cacheReadInputTokens").is_none());
}

#[tokio::test]
async fn claude_reports_the_same_in_its_own_words_and_in_headers() {
    let simulator = open().await;
    let mut body = claude_body("hello");
    body["system"] = json!([{"type": "text", "text": long(2000), "cache_control": {"type": "ephemeral"}}]);
    let request = post(&format!("/model/{CLAUDE}/invoke"), &body.to_string());
    let reply = raw(&simulator, &request).await;
    assert!(reply.contains("x-amzn-bedrock-cache-write-input-token-count: 2000\r\n"));
    let usage = &body_of(&reply)["usage"];
    assert_eq!(usage["cache_creation_input_tokens"], 2000);
    assert_eq!(
        usage["cache_creation"],
        json!({"ephemeral_5m_input_tokens": 2000, "ephemeral_1h_input_tokens": 0})
    );
    let usage = body_of(&raw(&simulator, &request).await)["usage"].clone();
    assert_eq!((&usage["cache_read_input_tokens"], &usage["input_tokens"]), (&json!(2000), &json!(2)));
}

#[tokio::test]
async fn tools_are_the_beginning_of_a_prompt() {
    let simulator = open().await;
    let tool =
        |name: &str| json!({"name": name, "description": long(1200), "input_schema": {"type": "object"}});
    let mut body = claude_body("hello");
    body["tools"] = json!([tool("a")]);
    body["system"] = json!([{"type": "text", "text": "brief", "cache_control": {"type": "ephemeral"}}]);
    call(&simulator, CLAUDE, "invoke", &body).await;
    body["tools"] = json!([tool("b")]);
    let usage = call(&simulator, CLAUDE, "invoke", &body).await["usage"].clone();
    assert_eq!(usage["cache_read_input_tokens"], 0, "another tool is another prefix");
}
