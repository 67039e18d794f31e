//! Tools: calls out, results in, and the names and ids between them.

use serde_json::{Value, json};

use crate::support::{CLAUDE, LLAMA, NOVA, Setup, TITAN, TestGateway, chat, tool, with};

fn tools(names: &[&str]) -> Value {
    names.iter().map(|name| tool(name, "city")).collect()
}

fn calls(whole: &Value) -> Vec<Value> {
    whole["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default()
}

fn arguments(call: &Value) -> Value {
    serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap()
}

/// A conversation in which `name` was called and has answered.
fn after_a_call(model: &str, id: &str, name: &str) -> Value {
    json!({"model": model, "messages": [
        {"role": "user", "content": "the weather?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": id, "type": "function", "function": {"name": name, "arguments": "{\"city\":\"Zürich\"}"}},
        ]},
        {"role": "tool", "tool_call_id": id, "content": "21 degrees"},
    ]})
}

/// The ids of calls and results in a body as sent, whatever its format.
fn sent_ids(body: &Value) -> (Vec<String>, Vec<String>) {
    let (mut called, mut answered) = (Vec::new(), Vec::new());
    let blocks = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|m| m["content"].as_array().into_iter().flatten());
    for block in blocks {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        if block["toolUse"].is_object() {
            called.push(text(&block["toolUse"]["toolUseId"]));
        }
        if block["toolResult"].is_object() {
            answered.push(text(&block["toolResult"]["toolUseId"]));
        }
        match block["type"].as_str() {
            Some("tool_use") => called.push(text(&block["id"])),
            Some("tool_result") => answered.push(text(&block["tool_use_id"])),
            _ => {}
        }
    }
    (called, answered)
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_calls_come_whole_and_in_fragments() {
    let gateway = TestGateway::start().await;
    let text = r#"[[tool:weather {"city": "Zürich, the one on the lake"}]] [[tool:time {"city":"日本"}]]"#;
    for model in [CLAUDE, NOVA, LLAMA, "qwen.qwen3-32b-v1:0"] {
        let body = with(chat(model, text), json!({"tools": tools(&["weather", "time"])}));
        let whole = gateway.chat(&body).await.completion();
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(whole["choices"][0]["message"]["content"], Value::Null);
        let streamed = gateway.stream(&body).await;
        streamed.assert_complete(false);
        assert_eq!(streamed.finish_reason().as_deref(), Some("tool_calls"));
        for calls in [calls(&whole), streamed.tool_calls()] {
            assert_eq!(calls.len(), 2, "{model}");
            assert_eq!(calls[0]["function"]["name"], "weather");
            assert_eq!(arguments(&calls[0]), json!({"city": "Zürich, the one on the lake"}));
            assert_eq!(calls[1]["function"]["name"], "time");
            assert_eq!(arguments(&calls[1]), json!({"city": "日本"}));
            assert_ne!(calls[0]["id"], calls[1]["id"]);
        }
        let fragments = streamed.deltas().iter().filter(|delta| delta["tool_calls"].is_array()).count();
        assert!(fragments > 4 || model == LLAMA, "{model}: {fragments}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_before_a_call_stays_text() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA] {
        let text = r#"let me look [[tool:weather {"city":"Bern"}]]"#;
        let body = with(chat(model, text), json!({"tools": tools(&["weather"])}));
        let whole = gateway.chat(&body).await.completion();
        assert_eq!(whole["choices"][0]["message"]["content"], "let me look");
        let streamed = gateway.stream(&body).await;
        streamed.assert_complete(false);
        assert_eq!(streamed.text(), "let me look");
        // The call's number counts calls, not blocks.
        assert_eq!(streamed.tool_calls().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_arguments_has_an_empty_object() {
    let gateway = TestGateway::start().await;
    let bare = json!([{"type": "function", "function": {"name": "now"}}]);
    for model in [CLAUDE, NOVA, LLAMA] {
        let body = with(chat(model, "[[tool:now]]"), json!({"tools": bare}));
        assert_eq!(calls(&gateway.chat(&body).await.completion())[0]["function"]["arguments"], "{}");
        let streamed = gateway.stream(&body).await;
        streamed.assert_complete(false);
        assert_eq!(streamed.tool_calls()[0]["function"]["arguments"], "{}", "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_cut_at_the_limit_ends_in_length_and_not_in_calls() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA, LLAMA] {
        let text = r#"[[tool:weather {"city":"Zürich, the one on the lake"}]]"#;
        let body = with(chat(model, text), json!({"tools": tools(&["weather"]), "max_tokens": 3}));
        let whole = gateway.chat(&body).await.completion();
        let streamed = gateway.stream(&body).await;
        streamed.assert_complete(false);
        assert_eq!(whole["choices"][0]["finish_reason"], "length", "{model}");
        assert_eq!(streamed.finish_reason().as_deref(), Some("length"), "{model}");
        if model != LLAMA {
            // What there is of it has been passed on as it came; in a whole reply Bedrock leaves out what is no object.
            let arguments = streamed.tool_calls()[0]["function"]["arguments"].as_str().unwrap().to_owned();
            assert!(
                arguments.len() < 30 && serde_json::from_str::<Value>(&arguments).is_err(),
                "{arguments}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_back_together_and_in_order() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA, LLAMA, "qwen.qwen3-32b-v1:0"] {
        let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"city\":\"Bern\"}"}});
        let body = json!({"model": model, "tools": tools(&["weather", "time"]), "messages": [
            {"role": "user", "content": "both?"},
            {"role": "assistant", "content": "looking", "tool_calls": [call("call_1", "weather"), call("call_2", "time")]},
            // The other way round, one of them in parts.
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "noon"}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees"},
        ]});
        let whole = gateway.chat(&body).await.completion();
        assert_eq!(whole["choices"][0]["message"]["content"], "21 degrees\nnoon", "{model}");
        gateway.stream(&body).await.assert_complete(false);
        let (_, sent) = gateway.last_call();
        let (called, answered) = sent_ids(&sent);
        assert_eq!(called, ["call_1", "call_2"]);
        assert_eq!(answered, called);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_outside_bedrocks_pattern_are_replaced_on_both_sides() {
    let gateway = TestGateway::start().await;
    let long = "call_".to_owned() + &"x".repeat(100);
    for model in [CLAUDE, NOVA] {
        for id in ["call|weather/1 ü", long.as_str()] {
            let body = with(after_a_call(model, id, "weather"), json!({"tools": tools(&["weather"])}));
            gateway.chat(&body).await.completion();
            let (called, answered) = sent_ids(&gateway.last_call().1);
            assert_eq!(called, answered);
            assert_eq!(called.len(), 1);
            let first = called[0].clone();
            // The same id again: the prompt's prefix must not change.
            gateway.chat(&body).await.completion();
            assert_eq!(sent_ids(&gateway.last_call().1).0, [first]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_outside_bedrocks_pattern_come_back_as_the_client_knows_them() {
    let gateway = TestGateway::start().await;
    let long = "look_".repeat(30);
    for model in [CLAUDE, NOVA] {
        for name in ["get.weather", "wetter für/heute", long.as_str()] {
            let choice = json!({"type": "function", "function": {"name": name}});
            let body = with(
                after_a_call(model, "call_1", name),
                json!({"tools": tools(&["other", name]), "tool_choice": choice}),
            );
            let answer = gateway.chat(&body).await;
            assert_eq!(calls(&answer.completion())[0]["function"]["name"], name, "{model}");
            assert!(answer.header("x-outcrop-notes").unwrap().contains("tools[1]:renamed"));
            let streamed = gateway.stream(&body).await;
            streamed.assert_complete(false);
            assert_eq!(streamed.tool_calls()[0]["function"]["name"], name, "{model}");
            assert!(!gateway.last_call().1.to_string().contains(name), "it was not sent");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_choice_in_all_its_forms() {
    let gateway = TestGateway::start().await;
    let time = json!({"type": "function", "function": {"name": "time"}});
    let allowed = |mode: &str| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [{"type": "function", "function": {"name": "time"}}]}});
    for model in [CLAUDE, NOVA] {
        for (choice, expected) in [
            (json!("auto"), None),
            (Value::Null, None),
            (json!("none"), None),
            (json!("required"), Some("weather")),
            (time.clone(), Some("time")),
            (allowed("auto"), None),
            (allowed("required"), Some("time")),
        ] {
            let body = with(
                chat(model, "hello"),
                json!({"tools": tools(&["weather", "time"]), "tool_choice": choice}),
            );
            let whole = gateway.chat(&body).await.completion();
            let called = calls(&whole);
            let names: Vec<_> =
                called.iter().map(|call| call["function"]["name"].as_str().unwrap()).collect();
            assert_eq!(names, Vec::from_iter(expected), "{model} {choice}");
            let sent = gateway.last_call().1.to_string();
            let offered = choice != "none" && !choice.to_string().contains("allowed");
            assert_eq!(sent.contains("weather"), offered, "{model} {choice}: {sent}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_after_calls() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA] {
        let none = json!({"tools": tools(&["weather"]), "tool_choice": "none"});
        let answer = gateway.chat(&with(after_a_call(model, "call_1", "weather"), none)).await;
        assert!(calls(&answer.completion()).is_empty(), "{model}");
        // The history needs them, so they are sent.
        let sent = gateway.last_call().1;
        assert!(sent["tools"].is_array() || sent["toolConfig"].is_object(), "{sent}");
        let told = sent["tool_choice"]["type"] == "none";
        assert_ne!(
            told,
            answer.header("x-outcrop-notes").is_some(),
            "{model}: told, or noted that it can't be"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_cant_be_is_refused() {
    let gateway = TestGateway::start().await;
    let one = tools(&["weather"]);
    for (body, param) in [
        (
            json!({"tools": one, "tool_choice": {"type": "function", "function": {"name": "time"}}}),
            "tool_choice",
        ),
        (json!({"tools": one, "tool_choice": "sometimes"}), "tool_choice"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].function"),
        (json!({"tools": [{"type": "function", "function": {}}]}), "tools[0].function.name"),
        (json!({"tools": [{"type": "spoon"}]}), "tools[0].type"),
        (json!({"tools": {}}), "tools"),
        (json!({"tools": [one[0], 5]}), "tools[1]"),
    ] {
        let answer = gateway.chat(&with(chat(CLAUDE, "hi"), body.clone())).await;
        assert_eq!(answer.status, 400, "{body}");
        let given = answer.error()["param"].clone();
        assert!(given.as_str().unwrap().starts_with(param), "{body}: {given}");
    }
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_at_a_time_is_asked_of_claude() {
    let gateway = TestGateway::start().await;
    let body = with(chat(CLAUDE, "hi"), json!({"tools": tools(&["weather"]), "parallel_tool_calls": false}));
    gateway.chat(&body).await.completion();
    assert_eq!(gateway.last_call().1["tool_choice"]["disable_parallel_tool_use"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cant_stream_tools_is_streamed_for() {
    let gateway = TestGateway::start().await;
    let text = r#"I look [[tool:weather {"city":"Bern"}]] [[usage input=9 output=5]]"#;
    let body = with(
        chat(LLAMA, text),
        json!({"tools": tools(&["weather"]), "stream_options": {"include_usage": true}}),
    );
    let streamed = gateway.stream(&body).await;
    streamed.assert_complete(true);
    assert!(gateway.last_call().0.ends_with("/converse"));
    assert!(streamed.answer.header("x-outcrop-notes").unwrap().contains("stream:emulated"));
    assert_eq!(streamed.text(), "I look");
    assert_eq!(arguments(&streamed.tool_calls()[0]), json!({"city": "Bern"}));
    assert_eq!(streamed.finish_reason().as_deref(), Some("tool_calls"));
    assert_eq!(streamed.usage().unwrap()["total_tokens"], 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_with_calls_needs_no_tools_in_the_request() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA, LLAMA, "qwen.qwen3-32b-v1:0"] {
        let body = after_a_call(model, "call_1", "weather");
        let whole = gateway.chat(&body).await.completion();
        assert_eq!(whole["choices"][0]["message"]["content"], "21 degrees", "{model}");
        gateway.stream(&body).await.assert_complete(false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_answers_nothing_loses_nothing() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA] {
        let body = json!({"model": model, "tools": tools(&["weather"]), "messages": [
            {"role": "user", "content": "hello"},
            {"role": "tool", "tool_call_id": "call_9", "content": "an orphan"},
        ]});
        let answer = gateway.chat(&body).await;
        answer.completion();
        assert!(answer.header("x-outcrop-notes").unwrap().contains("messages[1]"));
        assert!(gateway.last_call().1.to_string().contains("an orphan"));

        let mut unanswered = after_a_call(model, "call_1", "weather");
        unanswered["messages"][2] = json!({"role": "user", "content": "never mind"});
        gateway.chat(&unanswered).await.completion();
        let (called, answered) = sent_ids(&gateway.last_call().1);
        assert_eq!(called, answered, "every call has its result");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_are_no_json_are_kept() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA] {
        for broken in ["{\"city\": \"Be", "nothing", "[1]"] {
            let mut body =
                with(after_a_call(model, "call_1", "weather"), json!({"tools": tools(&["weather"])}));
            body["messages"][1]["tool_calls"][0]["function"]["arguments"] = broken.into();
            gateway.chat(&body).await.completion();
            let sent = gateway.last_call().1.to_string();
            let escaped = serde_json::to_string(broken).unwrap();
            assert!(sent.contains(escaped.trim_matches('"')), "{sent}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deprecated_functions_are_tools() {
    let gateway = TestGateway::start().await;
    let function = tool("weather", "city")["function"].clone();
    for model in [CLAUDE, NOVA] {
        let body = json!({"model": model, "functions": [function], "function_call": {"name": "weather"}, "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": null, "function_call": {"name": "weather", "arguments": "{\"city\":\"Bern\"}"}},
            {"role": "function", "name": "weather", "content": "21 degrees"},
        ]});
        let answer = gateway.chat(&body).await;
        assert_eq!(answer.completion()["choices"][0]["message"]["function_call"]["name"], "weather");
        let (called, answered) = sent_ids(&gateway.last_call().1);
        assert_eq!(called, answered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_tools_says_so() {
    let gateway = Setup::new().simulator(|options| options.profiles_required = false).start().await;
    for model in [TITAN, "meta.llama3-2-1b-instruct-v1:0"] {
        let body = with(chat(model, "hi"), json!({"tools": tools(&["weather"])}));
        let answer = gateway.chat(&body).await;
        if answer.status == 200 {
            assert!(answer.header("x-outcrop-notes").unwrap().contains("tools:dropped"), "{model}");
        } else {
            assert_eq!(answer.status, 400);
            assert_eq!(answer.error()["param"], "tools", "{model}");
        }
    }
}

/// Kimi's tokens, as they were seen in its text and in its thoughts.
fn tokens(calls: &str) -> String {
    format!("<|tool_calls_section_begin|>{calls}<|tool_calls_section_end|>")
}

fn token_call(name: &str, number: u32, arguments: &str) -> String {
    format!(
        "<|tool_call_begin|>functions.{name}:{number}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_kimi_writes_in_its_own_tokens_are_calls() {
    let native = "{target: moonshotai.kimi-k2.5, format: native}";
    let gateway = Setup::new().set("models.native", native).start().await;
    let two = token_call("weather", 0, r#"{"city":"Bern"}"#) + " " + &token_call("weather", 1, "{}");
    for model in ["moonshotai.kimi-k2-thinking", "moonshotai.kimi-k3", "native"] {
        for (directive, content) in [("say", json!("Two at once.  And now.")), ("reasoning", Value::Null)] {
            let said = format!("[[{directive}:Two at once. {} And now.]]", tokens(&two));
            let said = if content.is_null() { said + "[[say:]]" } else { said };
            let body =
                with(chat(model, &said), json!({"max_tokens": 2000, "tools": [tool("weather", "city")]}));
            let whole = gateway.chat(&body).await.completion();
            let streamed = gateway.stream(&body).await;
            streamed.assert_complete(false);
            let choice = &whole["choices"][0];
            assert_eq!(choice["finish_reason"], "tool_calls", "{model} {whole}");
            assert_eq!(streamed.finish_reason().as_deref(), Some("tool_calls"), "{model}");
            for calls in [choice["message"]["tool_calls"].as_array().unwrap(), &streamed.tool_calls()] {
                let called: Vec<_> = calls.iter().map(|call| call["function"].clone()).collect();
                let weather = |arguments: &str| json!({"name": "weather", "arguments": arguments});
                assert_eq!(called, [weather(r#"{"city":"Bern"}"#), weather("{}")], "{model}");
                assert_ne!(calls[0]["id"], calls[1]["id"]);
            }
            assert_eq!(choice["message"]["content"], content, "{model}");
            assert!(!streamed.answer.text().contains("tool_call_begin"), "{model}");
            assert!(!whole.to_string().contains("<|"), "{model} {whole}");
        }
        let said = format!("[[say:{}]]", tokens(&token_call("unheard_of", 0, "{}")));
        let body = with(chat(model, &said), json!({"max_tokens": 2000, "tools": [tool("weather", "city")]}));
        // No such tool, no tools at all, no call wanted: it is what the model said.
        let without = with(chat(model, &format!("[[say:{}]]", tokens(&two))), json!({"max_tokens": 2000}));
        let unwanted =
            with(without.clone(), json!({"tools": [tool("weather", "city")], "tool_choice": "none"}));
        for body in [body, without, unwanted] {
            let whole = gateway.chat(&body).await.completion();
            assert_eq!(whole["choices"][0]["finish_reason"], "stop", "{model}");
            let said = whole["choices"][0]["message"]["content"].as_str().unwrap();
            assert!(said.contains("<|tool_call_begin|>"), "{model} {said}");
            assert_eq!(gateway.stream(&body).await.text(), said, "{model}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_tokens_gets_the_name_that_the_client_knows() {
    let gateway = TestGateway::start().await;
    let own = "weather.now in ".to_owned() + &"x".repeat(80);
    let asking = |said: &str| {
        let tools =
            json!([{"type": "function", "function": {"name": own, "parameters": {"type": "object"}}}]);
        with(chat("moonshotai.kimi-k2.5", said), json!({"tools": tools, "stop": ["Bern"]}))
    };
    gateway.chat(&asking("hi")).await.completion();
    let sent =
        gateway.last_call().1["toolConfig"]["tools"][0]["toolSpec"]["name"].as_str().unwrap().to_owned();
    assert_ne!(sent, own);
    let said = format!("[[say:One. {} In Bern.]]", tokens(&token_call(&sent, 0, r#"{"city":"Bern"}"#)));
    let streamed = gateway.stream(&asking(&said)).await;
    let calls = streamed.tool_calls();
    assert_eq!(calls[0]["function"], json!({"name": own, "arguments": r#"{"city":"Bern"}"#}));
    // Stop texts are looked for in what is text.
    assert_eq!(streamed.text(), "One.  In ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_deepseek_leaves_of_its_markup_before_a_call_is_no_text() {
    let gateway = TestGateway::start().await;
    let body = |said: &str| with(chat("deepseek.v3.2", said), json!({"tools": [tool("weather", "city")]}));
    let called = body(r#"[[say:I'll look. <｜DSML｜function_calls]][[tool:weather {"city":"Bern"}]]"#);
    let whole = gateway.chat(&called).await.completion();
    assert_eq!(whole["choices"][0]["message"]["content"], "I'll look. ");
    let streamed = gateway.stream(&called).await;
    streamed.assert_complete(false);
    assert_eq!((streamed.text().as_str(), streamed.tool_calls().len()), ("I'll look. ", 1));
    let talks = body("[[say:Its markup begins with <｜DSML｜function_calls]]");
    assert_eq!(gateway.stream(&talks).await.text(), "Its markup begins with <｜DSML｜function_calls");
}
