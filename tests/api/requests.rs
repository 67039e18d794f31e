//! Requests that can't be taken: always an error in OpenAI's shape, with the path of what is wrong, never a 500.

use serde_json::{Value, json};

use crate::support::{
    Answer, CLAUDE, Ending, NOVA, PNG, Request, Setup, TestGateway, chat, parse, tool, with,
};

async fn post(gateway: &TestGateway, body: impl Into<Vec<u8>>) -> Answer {
    gateway.send(Request::post("/v1/chat/completions", body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_object_is_refused() {
    let gateway = TestGateway::start().await;
    let deep = "[".repeat(100_000);
    for (body, code) in [
        ("", "invalid_json"),
        ("   ", "invalid_json"),
        ("{", "invalid_json"),
        ("hello", "invalid_json"),
        ("{\"model\": \"x\",}", "invalid_json"),
        ("{'model': 'x'}", "invalid_json"),
        ("{\"messages\": []} trailing", "invalid_json"),
        ("\u{feff}{}", "invalid_json"),
        (deep.as_str(), "invalid_type"),
        ("null", "invalid_type"),
        ("[]", "invalid_type"),
        ("\"text\"", "invalid_type"),
        ("5", "invalid_type"),
    ] {
        let answer = post(&gateway, body).await;
        let (status, kind, given) = answer.verdict();
        assert_eq!((status, kind.as_str()), (400, "invalid_request_error"), "{body:.40}");
        assert_eq!(answer.error()["param"], Value::Null);
        // Depth is found out by the parser, at a place of its choosing.
        assert!(given.as_deref() == Some(code) || body.len() > 1000, "{body:.40}: {given:?}");
    }
    let mut broken = chat(CLAUDE, "hé").to_string().into_bytes();
    let accent = broken.iter().position(|&byte| byte == 0xc3).unwrap();
    broken[accent] = 0xff;
    let answer = post(&gateway, broken).await;
    assert_eq!(answer.verdict(), (400, "invalid_request_error".to_owned(), Some("invalid_json".to_owned())));
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_prefix_of_a_request_is_refused() {
    let gateway = TestGateway::start().await;
    let body = with(chat(CLAUDE, "hi"), json!({"tools": [tool("f", "x")], "stop": ["a"], "stream": true}))
        .to_string();
    for end in 0..body.len() {
        let answer = post(&gateway, &body[..end]).await;
        assert_eq!((answer.status, answer.error()["code"].as_str()), (400, Some("invalid_json")), "{end}");
    }
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offending_member_is_named_by_its_path() {
    let gateway = TestGateway::start().await;
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (over, param, code) in [
        (json!({"messages": null}), "messages", "missing_required_parameter"),
        (json!({"messages": []}), "messages", "invalid_value"),
        (json!({"messages": {}}), "messages", "invalid_type"),
        (json!({"messages": "hi"}), "messages", "invalid_type"),
        (json!({"messages": [5]}), "messages[0]", "invalid_type"),
        (json!({"messages": [{"content": "hi"}]}), "messages[0].role", "missing_required_parameter"),
        (json!({"messages": [{"role": "wizard", "content": "hi"}]}), "messages[0].role", "invalid_value"),
        (json!({"messages": [{"role": 5, "content": "hi"}]}), "messages[0].role", "invalid_type"),
        (user(json!(5)), "messages[0].content", "invalid_type"),
        (user(json!([5])), "messages[0].content[0]", "invalid_type"),
        (user(json!([{"text": "hi"}])), "messages[0].content[0].type", "missing_required_parameter"),
        (user(json!([{"type": "text", "text": 5}])), "messages[0].content[0].text", "invalid_type"),
        (user(json!([{"type": "dance"}])), "messages[0].content[0].type", "invalid_value"),
        (
            user(json!([{"type": "image_url"}])),
            "messages[0].content[0].image_url",
            "missing_required_parameter",
        ),
        (
            user(json!([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}])),
            "messages[0].content[1].image_url.url",
            "missing_required_parameter",
        ),
        (
            user(json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}}])),
            "messages[0].content[0].image_url.url",
            "invalid_value",
        ),
        (
            user(
                json!([{"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "aGVsbG8=")}}]),
            ),
            "messages[0].content[0].image_url.url",
            "unsupported_value",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": null, "tool_calls": [{"type": "function"}]}]}),
            "messages[0].tool_calls[0].function",
            "missing_required_parameter",
        ),
        (json!({"model": 5}), "model", "invalid_type"),
        (json!({"temperature": "hot"}), "temperature", "invalid_type"),
        (json!({"temperature": -1}), "temperature", "decimal_below_min_value"),
        (json!({"temperature": 2.1}), "temperature", "decimal_above_max_value"),
        (json!({"top_p": 1.1}), "top_p", "decimal_above_max_value"),
        (json!({"max_tokens": 0}), "max_tokens", "integer_below_min_value"),
        (json!({"max_tokens": 1.5}), "max_tokens", "invalid_type"),
        (json!({"max_completion_tokens": "many"}), "max_completion_tokens", "invalid_type"),
        (json!({"stop": 5}), "stop", "invalid_type"),
        (json!({"stop": ["a", 5]}), "stop[1]", "invalid_type"),
        (json!({"stream": "yes"}), "stream", "invalid_type"),
        (json!({"stream": true, "stream_options": 5}), "stream_options", "invalid_type"),
        (json!({"n": 9}), "n", "integer_above_max_value"),
        (json!({"n": 0}), "n", "integer_below_min_value"),
        (json!({"tool_choice": 5}), "tool_choice", "invalid_type"),
        (json!({"response_format": {"type": "xml"}}), "response_format.type", "invalid_value"),
        (json!({"reasoning_effort": "heroic"}), "reasoning_effort", "invalid_value"),
        (json!({"modalities": ["audio"]}), "modalities", "unsupported_value"),
    ] {
        let answer = gateway.chat(&with(chat(CLAUDE, "hi"), over.clone())).await;
        let expected = (400, "invalid_request_error".to_owned(), Some(code.to_owned()));
        assert_eq!(answer.verdict(), expected, "{over}: {}", answer.text());
        assert_eq!(answer.error()["param"], param, "{over}");
        assert!(answer.header("x-should-retry").is_none(), "a 400 isn't repeated anyway");
        assert!(answer.header("x-outcrop-attempts").is_none());
    }
    assert!(gateway.calls().is_empty(), "nothing of it went upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_given_twice_are_refused() {
    let gateway = TestGateway::start().await;
    let body = r#"{"model": "a", "model": "b", "messages": [{"role": "user", "content": "hi"}]}"#;
    let answer = post(&gateway, body).await;
    assert_eq!((answer.status, answer.error()["param"].as_str()), (400, Some("model")));
}

/// Every value of a rich request in turn is replaced by values of all types: whatever it is, it is an answer or
/// a refusal, and never the gateway's fault.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_the_gateways_fault() {
    let gateway = TestGateway::start().await;
    let rich = json!({
        "model": NOVA,
        "messages": [
            {"role": "system", "content": "be brief", "name": "boss"},
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}"), "detail": "low"}},
            ]},
            {"role": "assistant", "content": "hm", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":\"1\"}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        ],
        "tools": [tool("f", "x")],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": true,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 100,
        "stop": ["END"],
        "stream": false,
        "stream_options": {"include_usage": true},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": true}},
        "reasoning_effort": "low",
        "logit_bias": {"50256": -100},
        "metadata": {"key": "value"},
        "user": "somebody",
    });
    let strange = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}😀"),
        json!([]),
        json!([[[]]]),
        json!({}),
        json!({"": {"": 0}}),
    ];
    let mut tried = 0;
    for (pointer, model) in pointers(&rich).iter().flat_map(|pointer| [(pointer, NOVA), (pointer, CLAUDE)]) {
        for value in &strange {
            let mut body = rich.clone();
            body["model"] = model.into();
            *body.pointer_mut(pointer).unwrap() = value.clone();
            let answer = gateway.chat(&body).await;
            assert_eq!(answer.ending, Ending::Whole);
            if answer.status == 200 && body["stream"] == true {
                parse(answer.text());
            } else if answer.status == 200 {
                answer.completion();
            } else {
                assert!(
                    (400..500).contains(&answer.status),
                    "{pointer} = {value}: {} {}",
                    answer.status,
                    answer.text()
                );
                answer.error();
            }
            tried += 1;
        }
    }
    assert!(tried > 1000, "{tried}");
}

/// The JSON pointers of every value inside.
fn pointers(value: &Value) -> Vec<String> {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (escaped(key), value)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let mut all = Vec::new();
    for (key, value) in inner {
        all.push(format!("/{key}"));
        all.extend(pointers(value).into_iter().map(|rest| format!("/{key}{rest}")));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let gateway = Setup::new().set("server.body_limit", "64KiB").start().await;
    let fits = with(chat(CLAUDE, &"x".repeat(60_000)), json!({"max_tokens": 8}));
    gateway.chat(&fits).await.completion();
    gateway.send(Request::chat(&fits).chunked()).await.completion();
    let large = chat(CLAUDE, &"x".repeat(70_000));
    for request in [Request::chat(&large), Request::chat(&large).chunked()] {
        let answer = gateway.send(request).await;
        let expected = (413, "invalid_request_error".to_owned(), Some("request_too_large".to_owned()));
        assert_eq!(answer.verdict(), expected);
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert_eq!(gateway.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_coming_is_a_timeout() {
    let gateway = Setup::new().set("server.body_timeout", "0.05").start().await;
    let answer = gateway.send(Request::chat(&chat(CLAUDE, "hi")).withholding(1)).await;
    let expected = (408, "invalid_request_error".to_owned(), Some("request_timeout".to_owned()));
    assert_eq!(answer.verdict(), expected);
    // The limit is between two pieces: a large body on a slow line may take longer in all.
    assert!(answer.text().contains("stopped arriving"), "{}", answer.text());
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_and_unknown_paths() {
    let gateway = TestGateway::start().await;
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = gateway.send(Request::new(method, "/v1/chat/completions")).await;
        let expected = (405, "invalid_request_error".to_owned(), Some("method_not_allowed".to_owned()));
        assert_eq!(answer.verdict(), expected, "{method}");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    for (method, path) in [
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/gpt-4o"),
        ("POST", "/health"),
        ("POST", "/livez"),
        ("POST", "/readyz"),
        ("POST", "/metrics"),
        ("DELETE", "/openapi.yaml"),
    ] {
        let answer = gateway.send(Request::new(method, path)).await;
        assert_eq!(answer.verdict().0, 405, "{method} {path}");
        assert_eq!(answer.header("allow"), Some("GET"));
    }
    for path in [
        "/v1",
        "/v1/",
        "/v1/chat",
        "/v1/chat/completions/",
        "/chat/completions",
        "/v1/responses",
        "/v1/engines/x/completions",
        "/v2/chat/completions",
        "/favicon.ico",
        "/..%2f..%2fetc/passwd",
        "/%00",
    ] {
        for method in ["GET", "POST"] {
            let answer = gateway.send(Request::new(method, path)).await;
            let expected = (404, "invalid_request_error".to_owned(), Some("unknown_url".to_owned()));
            assert_eq!(answer.verdict(), expected, "{method} {path}");
        }
    }
    let head = gateway.send(Request::new("HEAD", "/v1/chat/completions")).await;
    assert_eq!((head.status, head.body.len()), (405, 0));
}

/// Whoever has set up a client wrongly reads what to do in the error.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_another_api_or_base_url_says_what_to_use_instead() {
    let gateway = TestGateway::start().await;
    for (path, words) in [
        ("/v1/responses", &["Responses API isn't served", "POST /v1/chat/completions"][..]),
        ("/v1/completions", &["Completions API isn't served", "POST /v1/chat/completions"]),
        ("/v1/audio/speech", &["Speech isn't served", "POST /v1/chat/completions"]),
        ("/v1/assistants?limit=1", &["Assistants API isn't served"]),
        ("/chat/completions", &["ends in /v1, once", "POST /v1/chat/completions"]),
        ("/v1/v1/embeddings", &["ends in /v1, once", "POST /v1/embeddings"]),
        ("/api/tags", &["Ollama's API isn't served", "ends in /v1"]),
        ("/favicon.ico", &["The API is under /v1"]),
    ] {
        let answer = gateway.send(Request::post(path, "{}")).await;
        assert_eq!((answer.status, answer.error()["code"].as_str()), (404, Some("unknown_url")), "{path}");
        let message = answer.error()["message"].as_str().unwrap().to_owned();
        assert!(words.iter().all(|word| message.contains(word)), "{path}: {message}");
    }
}

/// Its clients take a 404 for a model that doesn't exist, and show no text of another shape.
#[tokio::test(flavor = "multi_thread")]
async fn anthropics_messages_are_refused_in_their_own_shape() {
    let gateway = TestGateway::start().await;
    for path in ["/v1/messages?beta=true", "/v1/messages/count_tokens", "/messages", "/v1/v1/messages"] {
        let answer = gateway.send(Request::post(path, r#"{"model":"x","messages":[]}"#)).await;
        let body = answer.json();
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/json")), "{path}");
        assert_eq!(
            (&body["type"], &body["error"]["type"]),
            (&json!("error"), &json!("invalid_request_error"))
        );
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains("isn't served") && message.contains("ends in /v1"), "{message}");
        assert!(answer.header("x-request-id").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_for_the_responses_api_is_told_so() {
    let gateway = TestGateway::start().await;
    let answer = gateway.chat(&json!({"model": CLAUDE, "input": "hi"})).await;
    assert_eq!(answer.verdict().0, 400);
    assert_eq!(answer.error()["param"], "messages");
    assert!(answer.error()["message"].as_str().unwrap().contains("Responses"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn models_that_lead_nowhere() {
    let gateway = TestGateway::start().await;
    for model in ["gpt-4o", "no such thing", "a/b", "../../etc", "arn:aws:s3:::bucket", "\u{1f600}"] {
        let answer = gateway.chat(&chat(model, "hi")).await;
        let (status, kind, code) = answer.verdict();
        assert!(status == 404 || status == 400, "{model}: {status}");
        assert_eq!(
            (kind.as_str(), code.as_deref()),
            ("invalid_request_error", Some("model_not_found")),
            "{model}"
        );
        assert_eq!(answer.error()["param"], "model", "{model}");
    }
    let long = gateway.chat(&chat(&"m".repeat(5_000), "hi")).await;
    assert_eq!(long.verdict().0, 404);
    assert!(long.body.len() < 1_000, "a client's word is not repeated at length");
    let embedder = gateway.chat(&chat("amazon.titan-embed-text-v2:0", "hi")).await;
    assert_eq!(
        embedder.verdict(),
        (400, "invalid_request_error".to_owned(), Some("model_not_found".to_owned()))
    );
    assert!(gateway.calls().is_empty());

    // Unknown to us, so it is up to Bedrock.
    let unknown = gateway.chat(&chat("acme.nothing-v1:0", "hi")).await;
    assert_eq!(unknown.verdict().0, 404);
    assert_eq!(gateway.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_two_parsers_could_read_in_two_ways() {
    let gateway = TestGateway::start().await;
    let twice = Request::get("/livez").header("host", "localhost").header("host", "other");
    let twice = gateway.send(twice).await;
    assert_eq!(twice.verdict().0, 400);
    let absolute = gateway.send(Request::get("http://elsewhere/livez")).await;
    assert_eq!(absolute.verdict().0, 400);
    let large = gateway.send(Request::get("/livez").header("x-large", &"x".repeat(17 * 1024))).await;
    assert_eq!(large.verdict().0, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_media_are_fetched_only_where_it_is_allowed_and_never_from_inside() {
    let with_url = |url: &str| {
        json!({"model": CLAUDE, "messages": [{"role": "user", "content": [
            {"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": {"url": url}},
        ]}]})
    };
    let param = "messages[0].content[1].image_url.url";
    let off = TestGateway::start().await;
    let answer = off.chat(&with_url("https://example.com/a.png")).await;
    assert_eq!((answer.status, &answer.error()["param"]), (400, &json!(param)));
    assert_eq!(answer.error()["code"], "unsupported_parameter");

    let on = Setup::new().set("fetch.enabled", "true").set("fetch.http", "true").start().await;
    for url in ["https://127.0.0.1/a.png", "http://169.254.169.254/latest", "http://[::1]/a.png"] {
        let answer = on.chat(&with_url(url)).await;
        assert_eq!((answer.status, &answer.error()["param"]), (400, &json!(param)), "{url}");
        assert_eq!(answer.error()["code"], "failed_to_download", "{url}");
    }
    assert!(on.calls().is_empty() && off.calls().is_empty());
}
