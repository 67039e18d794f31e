//! What operators and their machines ask, and what every answer says about itself.

use crate::auth::digest;
use crate::support::{CLAUDE, NOVA, Request, Setup, TITAN, TestGateway, chat, streamed, tool, with};
use serde_json::json;

/// Credentials are looked for in the background.
async fn until_ready(gateway: &TestGateway) {
    while gateway.get("/readyz").await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer() {
    let gateway = TestGateway::start().await;
    let alive = gateway.get("/livez").await;
    assert_eq!((alive.status, alive.text()), (200, "ok\n"));
    until_ready(&gateway).await;
    assert_eq!(gateway.get("/readyz").await.text(), "ok\n");
    for path in ["/readyz?verbose", "/readyz?verbose=1", "/readyz?a=b&verbose"] {
        let verbose = gateway.get(path).await;
        for check in ["[+] config ok", "[+] listener ok", "[+] credentials ok", "[+] draining ok"] {
            assert!(verbose.text().contains(check), "{}", verbose.text());
        }
        assert_eq!(verbose.header("cache-control"), Some("no-store"));
    }
    let head = gateway.send(Request::new("HEAD", "/livez")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_an_operator_what_is_asked_first() {
    let gateway = Setup::new().set("default_model", NOVA).set("aws.region", "eu-central-1").start().await;
    until_ready(&gateway).await;
    let health = gateway.get("/health").await.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["region"], "eu-central-1");
    assert_eq!(health["default_model"], NOVA);
    assert_eq!(health["simulated"], false);
    assert!(health["uptime_seconds"].is_u64());
    assert_eq!(health["credentials"]["state"], "resolved");
    assert!(health["credentials"]["source"].is_string());
    assert_eq!(health["upstream"]["state"], "unknown");
    gateway.chat(&chat(NOVA, "hi")).await.completion();
    assert_eq!(gateway.get("/health").await.json()["upstream"]["state"], "ok");
    // Bedrock's trouble makes nobody restart this process.
    gateway.chat(&chat(NOVA, "[[error:serviceUnavailableException]]")).await.error();
    let health = gateway.get("/health").await;
    assert_eq!((health.status, &health.json()["upstream"]["state"]), (200, &json!("failing")));
    assert_eq!(gateway.get("/readyz").await.status, 200);
    assert!(!health.text().contains("AKID"), "no key, not even its id");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_learn_nothing_of_the_accounts() {
    let keys = format!("[{{id: one, sha256: {}}}]", digest("sk-one"));
    let accounts = "{billing: {access_key_id: AKIDX, secret_access_key: hush}}";
    let gateway = Setup::new()
        .set("auth.keys", &keys)
        .set("accounts", accounts)
        .set("aws.region", "eu-central-1")
        .set("server.listen", "'0.0.0.0:0'")
        .set("server.admin", "127.0.0.1:0")
        .start()
        .await;
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], gateway.address.port()));
    let telling = ["billing", "eu-central-1", "Static", "\"source\":\"", "default_model"];
    for path in ["/health", "/readyz?verbose"] {
        let ask = |key: &str| Request::get(path).header("x-api-key", key);
        for request in [Request::get(path), ask("sk-two"), ask("sk-one").header("api-key", "sk-two")] {
            let answer = request.send(local).await;
            assert!([200, 503].contains(&answer.status), "still a probe: {}", answer.status);
            for word in telling {
                assert!(!answer.text().contains(word), "{word}: {}", answer.text());
            }
        }
        for answer in [ask("sk-one").send(local).await, Request::get(path).send(gateway.admin.unwrap()).await]
        {
            assert!(answer.text().contains("billing"), "{}", answer.text());
        }
    }
    let stranger = Request::get("/health").send(local).await.json();
    assert!(stranger["status"].is_string() && stranger["credentials"]["state"].is_string(), "{stranger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_machine_itself_health_tells_all_but_not_to_who_comes_by_a_proxy_or_a_page() {
    let keys = format!("[{{id: one, sha256: {}}}]", digest("sk-one"));
    let gateway = Setup::new().set("auth.keys", &keys).start().await;
    let tells = async |name: &str, value: &str| {
        let answer = gateway.send(Request::get("/health").header(name, value)).await;
        answer.json()["region"].is_string()
    };
    assert!(tells("x-anything", "1").await);
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("via", "1.1 proxy"),
        ("origin", "https://news.example.org"),
        ("host", "rebound.example.org"),
    ] {
        assert!(!tells(name, value).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let gateway = TestGateway::start().await;
    gateway.chat(&chat(NOVA, "hi [[usage input=70 output=7]]")).await.completion();
    gateway
        .stream(&chat(NOVA, "hi [[fail-times:1 throttlingException]] [[usage input=30 output=3]]"))
        .await
        .assert_complete(false);
    gateway.chat(&chat(NOVA, "[[error:validationException]]")).await.error();
    gateway.chat(&chat("secret-alias-of-a-client", "hi")).await.error();
    gateway.chat(&json!({"messages": 5})).await.error();
    let answer = gateway.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let metrics = answer.text();
    let sample = |start: &str, labels: &[&str]| {
        let found = metrics
            .lines()
            .find(|line| line.starts_with(start) && labels.iter().all(|label| line.contains(label)));
        let line = found.unwrap_or_else(|| panic!("no {start} {labels:?} in\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(sample("outcrop_upstream_retries_total", &["throttled"]), 1.0));
    assert!(near(sample("outcrop_errors_total", &["validation"]), 1.0));
    assert!(near(sample("gen_ai_client_token_usage_sum", &["input", NOVA]), 100.0));
    assert!(near(sample("gen_ai_client_token_usage_sum", &["output", NOVA]), 10.0));
    assert!(near(sample("outcrop_streams_in_flight", &[]), 0.0));
    assert!(near(sample("outcrop_upstream_attempts_total", &["\"ok\"", NOVA]), 2.0));
    for word in ["secret-alias-of-a-client", "hi [["] {
        assert!(!metrics.contains(word), "a client's words are no labels");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_counted_with_what_it_cost_so_far() {
    let gateway = TestGateway::start().await;
    let text = "one two three [[usage input=70]] [[error:internalServerException after=2]]";
    gateway.stream(&chat(CLAUDE, text)).await.assert_broken(false);
    let metrics = gateway.get("/metrics").await.text().to_owned();
    let counted = metrics.lines().find(|line| {
        line.starts_with("gen_ai_client_token_usage_sum")
            && line.contains("\"input\"")
            && line.contains(CLAUDE)
    });
    assert!(counted.is_some_and(|line| line.ends_with(" 70")), "{counted:?} in\n{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_its_client_leaves_is_counted_with_what_it_cost_so_far() {
    let gateway = TestGateway::start().await;
    let text = "one two three [[usage input=70]] [[stall after=2]]";
    let mut live = gateway.open_stream(&chat(CLAUDE, text)).await;
    live.piece().await.unwrap();
    drop(live);
    gateway.seen(|observed| observed.cancelled_streams == 1).await;
    let counted = |metrics: &str, of: &str| {
        metrics.lines().any(|line| line.starts_with(of) && line.contains(CLAUDE) && line.ends_with(" 70"))
    };
    // The call upstream ends first, the account a moment later.
    let mut metrics = gateway.get("/metrics").await.text().to_owned();
    while !counted(&metrics, "gen_ai_client_token_usage_sum") {
        assert!(!metrics.contains("gen_ai_client_token_usage_sum"), "another cost:\n{metrics}");
        tokio::task::yield_now().await;
        metrics = gateway.get("/metrics").await.text().to_owned();
    }
    assert!(metrics.contains("mid_answer"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_in_both_forms() {
    let gateway = TestGateway::start().await;
    let json = gateway.get("/openapi.json").await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert!(json.json()["paths"]["/v1/chat/completions"].is_object());
    let yaml = gateway.get("/openapi.yaml").await;
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(yaml.text().contains("/v1/chat/completions:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_listener_takes_operations_off_the_public_one() {
    let gateway = Setup::new().set("server.admin", "'127.0.0.1:0'").start().await;
    let admin = gateway.admin.unwrap();
    assert_ne!(admin, gateway.address);
    for path in ["/health", "/livez", "/readyz", "/metrics", "/openapi.yaml", "/openapi.json"] {
        let there = Request::get(path).send(admin).await;
        assert!(there.status == 200 || path == "/readyz", "{path}: {}", there.status);
    }
    for path in ["/health", "/livez"] {
        assert_eq!(gateway.get(path).await.status, 200, "probes answer on both");
    }
    for path in ["/metrics", "/openapi.yaml", "/openapi.json"] {
        assert_eq!(gateway.get(path).await.verdict().0, 404, "{path}");
    }
    for request in [Request::chat(&chat(CLAUDE, "hi")), Request::get("/v1/models")] {
        assert_eq!(request.send(admin).await.verdict().0, 404, "no chats there");
    }
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_are_kept_when_well_formed_and_made_when_not() {
    let gateway = TestGateway::start().await;
    let longest = "x".repeat(128);
    for given in ["abc", "req_01.A-b", longest.as_str()] {
        for request in [Request::get("/livez"), Request::chat(&chat(CLAUDE, "hi")), Request::get("/nothing")]
        {
            let answer = gateway.send(request.header("x-request-id", given)).await;
            assert_eq!(answer.header("x-request-id"), Some(given));
        }
    }
    let too_long = "x".repeat(129);
    let mut made = Vec::new();
    for given in ["", "a b", "a\"b", "<script>", "ü", too_long.as_str()] {
        let answer = gateway.send(Request::get("/livez").header("x-request-id", given)).await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id.starts_with("req_") && id != given, "{given}: {id}");
        made.push(id);
    }
    made.push(gateway.get("/livez").await.header("x-request-id").unwrap().to_owned());
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 7, "each is new");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_name_their_target_and_bedrocks_request_id() {
    let gateway = Setup::new().set("models", &format!("{{fast: {NOVA}}}")).start().await;
    for body in
        [chat("fast", "hi"), streamed(&chat("fast", "hi")), chat("fast", "[[error:validationException]]")]
    {
        let answer = gateway.send(Request::chat(&body)).await;
        assert_eq!(answer.header("x-outcrop-model"), Some(NOVA));
        assert_eq!(answer.header("x-outcrop-attempts"), Some("1"));
        assert!(!answer.header("x-outcrop-upstream-request-id").unwrap().is_empty());
        assert!(answer.header("cache-control").is_some());
        assert_eq!(answer.header("x-outcrop-notes"), None, "nothing was changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_simulator_say_so_and_others_do_not() {
    let gateway = TestGateway::start().await;
    for body in [chat(NOVA, "hi"), streamed(&chat(CLAUDE, "hi"))] {
        let answer = gateway.send(Request::chat(&body)).await;
        assert_eq!((answer.status, answer.header("x-outcrop-simulated")), (200, Some("true")));
    }
    let own = gateway.chat(&json!({"model": NOVA})).await;
    assert_eq!(own.header("x-outcrop-simulated"), None, "this was no answer of a model");
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_mode_refuses_what_would_be_changed() {
    let lenient = TestGateway::start().await;
    let strict = Setup::new().set("strict", "true").start().await;
    let alias =
        Setup::new().set("models", &format!("{{exact: {{target: {CLAUDE}, strict: true}}}}")).start().await;
    for (over, param) in [
        (json!({"seed": 7}), "seed"),
        (json!({"temperature": 0.5, "top_p": 0.5}), "top_p"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"logit_bias": {"1": 5}}), "logit_bias"),
        (json!({"no_such_parameter": true}), "no_such_parameter"),
        (json!({"max_tokens": 1_000_000}), "max_tokens"),
    ] {
        let body = with(chat(CLAUDE, "hi"), over);
        let taken = lenient.chat(&body).await;
        taken.completion();
        assert!(taken.header("x-outcrop-notes").unwrap().contains(param), "{param}");
        let asked = |value: &str| Request::chat(&body).header("x-outcrop-strict", value);
        let refusals = [
            strict.chat(&body).await,
            lenient.send(asked("true")).await,
            lenient.send(asked("1")).await,
            lenient.send(asked("True")).await,
            alias.chat(&with(body.clone(), json!({"model": "exact"}))).await,
        ];
        for refused in refusals {
            let expected =
                (400, "invalid_request_error".to_owned(), Some("unsupported_parameter".to_owned()));
            assert_eq!(refused.verdict(), expected, "{param}");
            assert_eq!(refused.error()["param"], param);
        }
        lenient.send(asked("false")).await.completion();
        // A client can't loosen what the operator has made strict.
        assert_eq!(strict.send(asked("false")).await.status, 400);
    }
    assert!(strict.calls().is_empty());
    strict.chat(&chat(CLAUDE, "hi")).await.completion();
    // A warning changes nothing.
    strict.chat(&chat(TITAN, "hi")).await.completion();
    let plain =
        with(chat(NOVA, "hi"), json!({"tools": [tool("f", "x")], "stop": ["END"], "temperature": 0.1}));
    strict.chat(&plain).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_hold_a_clients_words_without_harm() {
    let gateway = TestGateway::start().await;
    let mut body = chat(CLAUDE, "hi");
    body["\r\nset-cookie: a=b"] = json!(1);
    for n in 0..100 {
        body[format!("{n} {}", "ü".repeat(3000))] = json!(1);
    }
    let answer = gateway.chat(&body).await;
    answer.completion();
    assert_eq!(answer.header("set-cookie"), None);
    let notes = answer.header("x-outcrop-notes").unwrap();
    assert!(notes.contains("__set-cookie__a_b:dropped"), "{notes}");
    assert!(notes.ends_with("*:dropped;reason=unknown_field"), "too many to name, but not lost: {notes}");
}
