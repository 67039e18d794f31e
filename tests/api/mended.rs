//! What clients send that Bedrock refuses, and that would end their conversations since it comes back with
//! every turn.

use serde_json::{Value, json};

use crate::support::{Answer, CLAUDE, NOVA, Request, TestGateway, tool};

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

/// A conversation of these turns behind a first word, with a tool `save`, and a last word.
async fn talk(gateway: &TestGateway, model: &str, turns: &[Value]) -> Answer {
    let mut messages = vec![json!({"role": "user", "content": "Save it."})];
    messages.extend_from_slice(turns);
    messages.push(json!({"role": "user", "content": "And now?"}));
    gateway.chat(&json!({"model": model, "messages": messages, "tools": [tool("save", "path")]})).await
}

fn saving(id: &Value, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "save", "arguments": arguments}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_never_costs_the_conversation() {
    let gateway = TestGateway::start().await;
    let called = json!({"role": "assistant", "content": null, "tool_calls": [saving(&json!("c1"), "{}")]});
    let result = |content: Value| json!({"role": "tool", "tool_call_id": "c1", "content": content});
    for model in [CLAUDE, NOVA, "qwen.qwen3-32b-v1:0"] {
        for turns in [
            vec![called.clone(), result(json!(null))],
            vec![called.clone(), json!({"role": "tool", "tool_call_id": "c1"})],
            vec![called.clone(), result(json!([]))],
            vec![called.clone(), result(json!({"saved": true}))],
            vec![called.clone(), result(json!([{"path": "a"}, "b", null]))],
            vec![json!({"role": "assistant", "content": null, "reasoning_content": "Perhaps"})],
            vec![json!({"role": "assistant", "tool_calls": []}), json!({"role": "user", "content": null})],
            vec![json!({"role": "assistant", "content": null, "refusal": null}), json!({"role": "system"})],
        ] {
            let answer = talk(&gateway, model, &turns).await;
            assert_eq!(answer.status, 200, "{model} {turns:?} {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_ids_or_names_for_members_never_cost_the_conversation() {
    let gateway = TestGateway::start().await;
    let result = |id: Value, content: &str| json!({"role": "tool", "tool_call_id": id, "content": content});
    for model in [CLAUDE, NOVA, "qwen.qwen3-32b-v1:0"] {
        for ids in [[json!(""), json!("")], [json!(null), json!(null)], [json!("same"), json!("same")]] {
            let turns = [
                json!({"role": "assistant", "content": null, "tool_calls": [
                    saving(&ids[0], "{\"path\":\"one\"}"), saving(&ids[1], "{\"\":{\"\":2},\"path\":\"two\"}"),
                ]}),
                result(ids[0].clone(), "first"),
                result(ids[1].clone(), "second"),
            ];
            let answer = talk(&gateway, model, &turns).await;
            assert_eq!(answer.status, 200, "{model} {}", answer.text());
            let (_, body) = gateway.last_call();
            let converse = body["toolConfig"].is_object();
            let body = body.to_string();
            let at = |text: &str| body.find(text).unwrap_or_else(|| panic!("{text}: {body}"));
            assert!(at("one") < at("two") && at("first") < at("second"), "{body}");
            assert_eq!(converse, !body.contains("\"\":") && !body.contains("\\\"\\\":"), "{body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_the_result_of_a_tool_arrive() {
    let gateway = TestGateway::start().await;
    let called = json!({"role": "assistant", "content": null, "tool_calls": [saving(&json!("c1"), "{}")]});
    let file = json!({"type": "file", "file": {"filename": "plan.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjUKcGxhbg=="}});
    let result =
        json!({"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "read"}, file]});
    for (model, inside) in [(CLAUDE, true), (NOVA, true), ("mistral.mistral-large-2402-v1:0", false)] {
        let answer = talk(&gateway, model, &[called.clone(), result.clone()]).await;
        assert_eq!(answer.status, 200, "{model} {}", answer.text());
        assert!(gateway.last_call().1.to_string().contains("JVBERi0xLjUKcGxhbg=="), "{model}");
        let notes = answer.header("x-outcrop-notes").unwrap_or_default();
        assert_eq!(notes.contains("no_files_in_tool_results"), !inside, "{model}: {notes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_named_by_address_or_number_stays_unnamed() {
    let gateway = TestGateway::start().await;
    let ask = |name: &str, user: &str| json!({"model": CLAUDE, "messages": [{"role": "user", "content": "hi"}], name: user});
    let mut sent = Vec::new();
    for (name, user) in [
        ("user", "erika@musterfrau.example"),
        ("safety_identifier", "erika@musterfrau.example"),
        ("user", "+41 44 668 18 00"),
        ("user", "Erika Musterfrau"),
        ("user", &"x".repeat(300)),
    ] {
        assert_noted(&gateway.chat(&ask(name, user)).await, "user:rewritten;reason=hashed");
        let (_, body) = gateway.last_call();
        let id = body["metadata"]["user_id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("user_") && !body.to_string().contains(user), "{body}");
        sent.push(id);
    }
    assert_eq!(sent[0], sent[1]);
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), 4);
    let answer = gateway.chat(&ask("user", "u-1")).await;
    assert_eq!((answer.status, answer.header("x-outcrop-notes")), (200, None));
    assert_eq!(gateway.last_call().1["metadata"]["user_id"], "u-1");
}
