//! What clients send that Bedrock refuses, and that would end their conversations since it comes back with
//! every turn.

use crate::support::{Answer, CLAUDE, NOVA, Request, TestGateway};

/// The history of an agent that called one tool, with the last words of the user behind it.
fn history(model: &str, call: &str, result: &str, user: &str) -> String {
    format!(
        r#"{{"model":"{model}","messages":[
            {{"role":"user","content":"Save it."}},
            {{"role":"assistant","content":null,"tool_calls":[{call}]}},
            {result},
            {{"role":"user","content":"{user}"}}
        ],"tools":[{{"type":"function","function":{{"name":"save","description":"Saves.","parameters":{{"type":"object","properties":{{"path":{{"type":"string"}}}}}}}}}}]}}"#
    )
}

fn call(arguments: &str) -> String {
    format!(r#"{{"id":"c1","type":"function","function":{{"name":"save","arguments":{arguments}}}}}"#)
}

const SAVED: &str = r#"{"role":"tool","tool_call_id":"c1","content":"saved"}"#;

async fn post(gateway: &TestGateway, body: &str) -> Answer {
    gateway.send(Request::post("/v1/chat/completions", body)).await
}

#[track_caller]
fn assert_noted(answer: &Answer, note: &str) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let notes = answer.header("x-outcrop-notes").unwrap_or_default();
    assert!(notes.contains(note), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_surrogate_pair_never_costs_the_conversation() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA] {
        for (body, place) in [
            (
                history(model, &call(r#""{\"path\":\"notes \\udfff.txt\"}""#), SAVED, "Next."),
                "messages[1].tool_calls[0].function.arguments:rewritten;reason=lone_surrogate",
            ),
            (
                history(
                    model,
                    &call(r#""{}""#),
                    r#"{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"half \ud801 a smile"}]}"#,
                    "Next.",
                ),
                "messages[2].content[0].text:rewritten;reason=lone_surrogate",
            ),
            (
                history(model, &call(r#""{}""#), SAVED, r"A cut emoji: \ud83e"),
                "messages[3].content:rewritten;reason=lone_surrogate",
            ),
            (
                history(model, &call(r#""{}""#), SAVED, "Next.").replace("Saves.", r"Saves \udd1e."),
                "tools[0].function.description:rewritten;reason=lone_surrogate",
            ),
        ] {
            assert_noted(&post(&gateway, &body).await, place);
            let strict = Request::post("/v1/chat/completions", body).header("x-outcrop-strict", "true");
            assert_eq!(gateway.send(strict).await.status, 400);
        }
    }
}
