//! Keys that may use some models only.

use outcrop::app::Applied;
use serde_json::{Value, json};

use crate::auth::digest;
use crate::support::{Answer, CLAUDE, NOVA, Request, Setup, TestGateway, chat, streamed, with};

/// May use all.
const ANY: &str = "sk-any";
/// May use what the test says.
const SOME: &str = "sk-some";

const TITAN_EMBED: &str = "amazon.titan-embed-text-v2:0";

fn keys(models: &str) -> String {
    format!(
        "[{{id: any, sha256: {}}}, {{id: some, sha256: {}, models: {models}}}]",
        digest(ANY),
        digest(SOME)
    )
}

/// `fast` is an alias of Nova, and what is called when no model is named.
fn setup(models: &str) -> Setup {
    let aliases = format!("{{fast: {NOVA}, claude: {CLAUDE}}}");
    Setup::new().set("auth.keys", &keys(models)).set("models", &aliases).set("default_model", "fast")
}

async fn send(gateway: &TestGateway, key: &str, request: Request) -> Answer {
    gateway.send(request.header("authorization", &format!("Bearer {key}"))).await
}

async fn ask(gateway: &TestGateway, key: &str, model: &str) -> Answer {
    send(gateway, key, Request::chat(&chat(model, "hi"))).await
}

async fn embed(gateway: &TestGateway, key: &str, model: &str) -> Answer {
    let body = json!({"model": model, "input": "hi"});
    send(gateway, key, Request::post("/v1/embeddings", body.to_string())).await
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, model: &str) {
    let expected = (status, "invalid_request_error".to_owned(), Some("model_not_found".to_owned()));
    assert_eq!(answer.verdict(), expected, "{model}");
    let message = answer.error()["message"].as_str().unwrap().to_owned();
    let start = format!("This API key does not have access to the model `{model}`.");
    assert!(message.starts_with(&start) && message.contains("operator"), "{message}");
    assert_eq!(answer.error()["param"], "model");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_uses_the_names_it_lists_and_no_other_spelling_of_their_models() {
    let gateway = setup(&format!("[fast, 'us.anthropic.*-haiku-*', {TITAN_EMBED}]")).start().await;
    let haiku = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
    for model in ["fast", haiku] {
        ask(&gateway, SOME, model).await.completion();
    }
    assert_eq!(embed(&gateway, SOME, TITAN_EMBED).await.status, 200);
    let called = gateway.calls().len();
    let profile = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{haiku}");
    let foundation = format!("arn:aws:bedrock:us-east-1::foundation-model/{NOVA}");
    let us_nova = format!("us.{NOVA}");
    let refused = [
        // What an alias of the key's stands for.
        NOVA,
        &us_nova,
        &foundation,
        // What the pattern's models are called as well.
        &haiku[3..],
        &profile,
        &haiku.replace("us.", "eu."),
        // Other models, and no models at all.
        "claude",
        CLAUDE,
        "nonsense",
        "FAST",
        " fast",
        "fast ",
        "fast\u{0}",
        "fas",
        "faster",
    ];
    for model in refused {
        for body in [chat(model, "hi"), streamed(&chat(model, "hi"))] {
            let answer = send(&gateway, SOME, Request::chat(&body)).await;
            assert_refused(&answer, 403, &model.replace('\0', ""));
            assert_eq!(answer.header("x-outcrop-model"), None);
        }
    }
    for model in ["amazon.titan-embed-text-v1", "nonsense", NOVA] {
        assert_refused(&embed(&gateway, SOME, model).await, 403, model);
    }
    assert_eq!(gateway.calls().len(), called);
    // To whoever may use all, each is what it always was.
    for model in [NOVA, CLAUDE, "claude", &foundation, &profile] {
        ask(&gateway, ANY, model).await.completion();
    }
    assert_eq!(ask(&gateway, ANY, "nonsense").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_no_model_needs_the_default_ones_name() {
    let unnamed = json!({"messages": [{"role": "user", "content": "hi"}]});
    let with_empty = with(unnamed.clone(), json!({"model": ""}));
    let with_it = setup("[fast]").start().await;
    let without_it = setup(&format!("[claude, {NOVA}]")).start().await;
    for body in [&unnamed, &with_empty] {
        send(&with_it, SOME, Request::chat(body)).await.completion();
        assert_refused(&send(&without_it, SOME, Request::chat(body)).await, 403, "fast");
    }
    assert!(without_it.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_allowed_name_leads_is_the_operators_affair() {
    let retired = "anthropic.claude-3-sonnet-20240229-v1:0";
    let models = format!(
        "{{pair: {{targets: [{CLAUDE}, {NOVA}]}}, old: {{target: '{retired}', successor: claude}}, claude: {CLAUDE}}}"
    );
    let gateway = setup("[pair, old]").set("models", &models).set("retry.max_attempts", "2").start().await;
    let body = chat("pair", "hi [[fail-times:1 serviceUnavailableException]]");
    let answer = send(&gateway, SOME, Request::chat(&body)).await;
    assert_eq!((answer.status, answer.header("x-outcrop-model")), (200, Some(NOVA)), "{}", answer.text());
    let answer = ask(&gateway, SOME, "old").await;
    assert_eq!((answer.status, answer.header("x-outcrop-model")), (200, Some(CLAUDE)), "{}", answer.text());
    assert_refused(&ask(&gateway, SOME, "claude").await, 403, "claude");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_the_models_that_it_may_use() {
    let gateway = setup("[fast, '*.nova-*', us.*]").start().await;
    let listed = async |key: &str| {
        let list = send(&gateway, key, Request::get("/v1/models")).await.json();
        let id = |model: &Value| model["id"].as_str().unwrap().to_owned();
        list["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    let (some, any) = (listed(SOME).await, listed(ANY).await);
    let expected: Vec<_> = any.iter().filter(|id| *id == "fast" || id.contains(".nova-")).cloned().collect();
    assert_eq!(some, expected);
    assert!(some.len() > 2 && any.len() > some.len() && any.contains(&"claude".to_owned()));

    for model in ["fast", NOVA, CLAUDE] {
        let answer = send(&gateway, SOME, Request::get(&format!("/v1/models/{model}"))).await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &model.into()));
    }
    for (path, model) in
        [("claude", "claude"), ("FAST", "FAST"), ("fast%20", "fast "), ("no/such", "no/such")]
    {
        let answer = send(&gateway, SOME, Request::get(&format!("/v1/models/{path}"))).await;
        assert_refused(&answer, 404, model);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_no_tokens_and_is_counted_under_a_name_of_its_own() {
    let gateway = setup("[fast]").set("limits.per_key.tokens_per_minute", "1000").start().await;
    // Reserved, none of these would have found room.
    let body = with(chat("claude", "hi"), json!({"max_tokens": 900}));
    for _ in 0..5 {
        let answer = send(&gateway, SOME, Request::chat(&body)).await;
        assert_refused(&answer, 403, "claude");
        assert_eq!(answer.header("x-ratelimit-remaining-tokens"), Some("1000"));
        assert_eq!(answer.header("retry-after"), None);
    }
    let metrics = gateway.get("/metrics").await.text().to_owned();
    assert!(metrics.contains("outcrop_errors_total{kind=\"model_not_allowed\"} 5"), "{metrics}");
    let refused = |line: &&str| {
        line.starts_with("outcrop_http_requests_total") && line.contains("refused") && line.contains("403")
    };
    assert!(metrics.lines().any(|line| refused(&line) && line.ends_with(" 5")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_gives_and_takes_models() {
    let gateway = setup("[fast]").start().await;
    let ask = async |model: &str| ask(&gateway, SOME, model).await.status;
    assert_eq!((ask("fast").await, ask("claude").await), (200, 403));
    let applied = gateway.reload(&[("auth.keys", &keys("[cl*]"))]).await.unwrap();
    assert!(matches!(applied, Applied::Changed { keys, .. } if keys == ["auth.keys"]));
    assert_eq!((ask("fast").await, ask("claude").await), (403, 200));
    gateway.reload(&[("auth.keys", &keys("['*']"))]).await.unwrap();
    assert_eq!((ask("fast").await, ask("claude").await), (200, 200));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_which_key_asked_for_what_and_which_names_nobody_knows() {
    use crate::support::{Server, outcrop};

    let mut command =
        outcrop(&["serve", "--simulate", "--listen", "127.0.0.1:0", "--set", "log.format=json"]);
    command.env("OUTCROP_AUTH__KEYS", keys(&format!("[{NOVA}, gtp-4o]")));
    let server = Server::started(command);
    let request = Request::chat(&chat(CLAUDE, "hi")).header("x-api-key", SOME);
    assert_refused(&request.send(server.address).await, 403, CLAUDE);
    let said = server.last_words();
    let events: Vec<Value> = said.lines().flat_map(serde_json::from_str).collect();
    let access = events.iter().find(|event| event["target"] == "outcrop::access").unwrap();
    for (field, value) in [
        ("key_id", "some"),
        ("model", CLAUDE),
        ("error", "model_not_allowed"),
        ("outcome", "refused"),
        ("path", "/v1/chat/completions"),
    ] {
        assert_eq!(access[field], value, "{access}");
    }
    assert!(access.get("upstream_model").is_none(), "{access}");
    let warned: Vec<_> = events
        .iter()
        .filter(|event| event["target"] == "outcrop::app::keys")
        .map(|event| (&event["level"], &event["key_id"], &event["model"]))
        .collect();
    assert_eq!(warned, [(&json!("WARN"), &json!("some"), &json!("gtp-4o"))]);
}
