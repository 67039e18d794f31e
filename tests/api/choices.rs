//! Several answers to one request, and the forms in which calls of tools come back.

use outcrop::simulator::Reply;
use serde_json::{Value, json};

use crate::support::{
    CLAUDE, LLAMA, NOVA, Setup, SseEvent, TestGateway, chat, claude_stream, exception, tool, with,
};

fn weather() -> Value {
    tool("weather", "city")["function"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_choice_is_a_call_of_its_own_and_all_are_paid_for() {
    let gateway = TestGateway::start().await;
    let one = gateway.chat(&chat(CLAUDE, "hi")).await.completion();
    let answer = gateway.chat(&with(chat(CLAUDE, "hi"), json!({"n": 3}))).await;
    let three = answer.completion();
    let choices = three["choices"].as_array().unwrap();
    let indices: Vec<_> = choices.iter().map(|choice| choice["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert!(choices.iter().all(|choice| choice["message"]["content"] == "hi"));
    for count in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        assert_eq!(three["usage"][count].as_u64(), one["usage"][count].as_u64().map(|count| 3 * count));
    }
    assert_eq!(answer.header("x-outcrop-attempts"), Some("3"));
    assert_eq!(answer.header("x-outcrop-notes"), Some("n:warned;reason=billed_per_choice"));
    assert_eq!(gateway.calls().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn choices_share_a_stream_and_end_it_together() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, LLAMA, NOVA] {
        let body =
            with(chat(model, "one two three"), json!({"n": 2, "stream_options": {"include_usage": true}}));
        let transcript = gateway.stream(&body).await;
        let mut said = [String::new(), String::new()];
        let mut finished = [0, 0];
        let mut ids = std::collections::HashSet::new();
        for chunk in transcript.chunks() {
            ids.insert(chunk["id"].to_string());
            for choice in chunk["choices"].as_array().unwrap() {
                let at = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
                said[at].push_str(choice["delta"]["content"].as_str().unwrap_or_default());
                finished[at] += usize::from(choice["finish_reason"] == "stop");
            }
        }
        assert_eq!(said, ["one two three", "one two three"], "{model}");
        assert_eq!((finished, ids.len()), ([1, 1], 1), "{model}");
        let last = transcript.events.len() - 1;
        assert_eq!(transcript.events[last], SseEvent::Done);
        let SseEvent::Chunk(usage) = &transcript.events[last - 1] else { panic!("usage comes last") };
        assert_eq!(usage["choices"], json!([]));
        assert!(usage["usage"]["completion_tokens"].as_u64().unwrap() >= 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_fails_fails_the_request() {
    let gateway = Setup::new().set("retry.max_attempts", "1").start().await;
    gateway.script([Reply::error(400, "ValidationException", "no")]);
    let answer = gateway.chat(&with(chat(CLAUDE, "hi"), json!({"n": 2}))).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    // Another gateway: the call of the other choice, which nobody waits for, would take a reply of this script.
    let gateway = Setup::new().set("retry.max_attempts", "1").start().await;
    let broken = claude_stream().into_iter().take(3).chain([exception("throttlingException", "slow")]);
    gateway.script([Reply::stream(broken), Reply::stream(claude_stream())]);
    let transcript = gateway.stream(&with(chat(CLAUDE, "hi"), json!({"n": 2}))).await;
    assert!(matches!(transcript.events.last(), Some(SseEvent::Error(_))));
    assert!(!transcript.is_done());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_choices_than_configured_are_refused() {
    let gateway = Setup::new().set("max_choices", "2").start().await;
    let answer = gateway.chat(&with(chat(CLAUDE, "hi"), json!({"n": 3}))).await;
    assert_eq!((answer.status, &answer.error()["param"]), (400, &json!("n")));
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_custom_tools_come_back_as_such() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA] {
        let body = with(
            chat(model, r#"[[tool:run {"input":"ls -l \"a b\""}]]"#),
            json!({"tools": [{"type": "custom", "custom": {"name": "run", "description": "Runs it"}}]}),
        );
        let answer = gateway.chat(&body).await.completion();
        let call = &answer["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(
            (&call["type"], &call["custom"]),
            (&json!("custom"), &json!({"name": "run", "input": "ls -l \"a b\""}))
        );
        assert_eq!(call.get("function"), None);

        let transcript = gateway.stream(&body).await;
        let pieces: Vec<_> =
            transcript.deltas().iter().filter_map(|delta| delta.get("tool_calls").cloned()).collect();
        let input: String = pieces.iter().filter_map(|piece| piece[0]["custom"]["input"].as_str()).collect();
        assert_eq!((input.as_str(), &pieces[0][0]["type"]), ("ls -l \"a b\"", &json!("custom")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_functions_gets_a_function_call() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA] {
        let body =
            with(chat(model, r#"[[tool:weather {"city":"Bern"}]]"#), json!({"functions": [weather()]}));
        let answer = gateway.chat(&body).await.completion();
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "function_call");
        assert_eq!(
            choice["message"]["function_call"],
            json!({"name": "weather", "arguments": "{\"city\":\"Bern\"}"})
        );
        assert_eq!(choice["message"].get("tool_calls"), None);

        let transcript = gateway.stream(&body).await;
        assert_eq!(transcript.finish_reason().as_deref(), Some("function_call"));
        let (mut name, mut arguments) = (String::new(), String::new());
        for delta in transcript.deltas() {
            name.push_str(delta["function_call"]["name"].as_str().unwrap_or_default());
            arguments.push_str(delta["function_call"]["arguments"].as_str().unwrap_or_default());
        }
        assert_eq!((name.as_str(), arguments.as_str()), ("weather", "{\"city\":\"Bern\"}"));
    }
}
