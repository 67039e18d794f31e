//! A guardrail that the request brings, and what a directive makes of it.

use super::*;

fn config(trace: &str) -> Value {
    json!({"guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": trace}})
}

#[tokio::test]
async fn a_guardrail_tells_what_it_did_only_if_it_is_asked_to() {
    let simulator = open().await;
    for (text, trace, stop, has_trace) in [
        ("hi", "enabled", "end_turn", true),
        ("hi", "disabled", "end_turn", false),
        ("hi [[guardrail:ANONYMIZED]]", "enabled", "guardrail_intervened", true),
        ("hi [[guardrail:ANONYMIZED]]", "disabled", "guardrail_intervened", false),
    ] {
        let reply = call(&simulator, NOVA, "converse", &conversation(text, config(trace))).await;
        assert_eq!(reply["stopReason"], stop, "{text} {trace}");
        assert_eq!(reply.get("trace").is_some(), has_trace, "{text} {trace}");
        assert_eq!(reply["output"]["message"]["content"][0]["text"], "hi");
    }
}

#[tokio::test]
async fn a_guardrail_that_blocks_answers_in_the_models_place() {
    let simulator = open().await;
    let blocked = conversation("hi [[guardrail:BLOCKED]]", config("enabled"));
    let reply = call(&simulator, NOVA, "converse", &blocked).await;
    assert_eq!(
        reply["output"]["message"]["content"][0]["text"],
        "Sorry, the model cannot answer this question."
    );
    assert!(reply["trace"]["guardrail"].get("outputAssessments").is_some());
    let before = conversation("hi [[guardrail:BLOCKED input]][[say:No.]]", config("enabled"));
    let reply = call(&simulator, NOVA, "converse", &before).await;
    assert_eq!(reply["output"]["message"]["content"][0]["text"], "No.");
    assert!(reply["trace"]["guardrail"].get("inputAssessment").is_some());
    assert_eq!(reply["usage"]["outputTokens"], 0);
}

/// A native call with these headers.
async fn invoked(simulator: &Simulator, text: &str, headers: &str, members: Value) -> String {
    let mut body = claude_body(text);
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let body = body.to_string();
    let length = body.len();
    let head = format!("POST /model/{CLAUDE}/invoke HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    raw(simulator, &format!("{head}{headers}content-length: {length}\r\n\r\n{body}")).await
}

#[tokio::test]
async fn native_calls_bring_their_guardrail_in_headers() {
    let simulator = open().await;
    let named = "X-Amzn-Bedrock-GuardrailIdentifier: abc\r\nX-Amzn-Bedrock-GuardrailVersion: DRAFT\r\n";
    let traced = format!("{named}X-Amzn-Bedrock-Trace: ENABLED\r\n");
    let body = body_of(&invoked(&simulator, "hi", named, json!({})).await);
    assert_eq!(body["amazon-bedrock-guardrailAction"], "NONE");
    assert!(body.get("amazon-bedrock-trace").is_none());
    let body = body_of(&invoked(&simulator, "hi [[guardrail:ANONYMIZED]]", &traced, json!({})).await);
    assert_eq!(body["amazon-bedrock-guardrailAction"], "INTERVENED");
    assert!(body.get("amazon-bedrock-trace").is_some());
    let config = json!({"amazon-bedrock-guardrailConfig": {"streamProcessingMode": "ASYNCHRONOUS"}});
    assert!(invoked(&simulator, "hi", named, config.clone()).await.starts_with("HTTP/1.1 200"));
    for (headers, members) in [
        ("", config),
        ("X-Amzn-Bedrock-GuardrailIdentifier: abc\r\n", json!({})),
        ("X-Amzn-Bedrock-Trace: LOUD\r\n", json!({})),
        ("X-Amzn-Bedrock-Service-Tier: auto\r\n", json!({})),
        ("X-Amzn-Bedrock-PerformanceConfig-Latency: optimized\r\n", json!({})),
        ("X-Amzn-Bedrock-Request-Metadata: [1]\r\n", json!({})),
    ] {
        assert!(invoked(&simulator, "hi", headers, members).await.starts_with("HTTP/1.1 400"), "{headers}");
    }
    let granted =
        "X-Amzn-Bedrock-Service-Tier: default\r\nX-Amzn-Bedrock-Request-Metadata: {\"team\": \"a\"}\r\n";
    let reply = invoked(&simulator, "hi", granted, json!({})).await;
    assert!(reply.contains("x-amzn-bedrock-service-tier: default\r\n"), "{reply}");
}
