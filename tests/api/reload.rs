//! Another configuration without another process. What the files do is in `process`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use outcrop::app::Applied;
use outcrop::simulator::{Reply, Step};
use serde_json::json;
use tokio::sync::Notify;

use crate::auth::digest;
use crate::support::{
    CLAUDE, Ending, NOVA, Request, Setup, SseEvent, TestGateway, Transcript, chat, claude_stream, parse,
    streamed, with,
};

fn fast(target: &str) -> String {
    format!("{{fast: {target}}}")
}

async fn generation(gateway: &TestGateway) -> u64 {
    gateway.get("/health").await.json()["configuration"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_under_load_fail_no_request() {
    let gateway = Arc::new(Setup::new().set("models", &fast(NOVA)).start().await);
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..4)
        .map(|client| {
            let (gateway, done, answered) = (Arc::clone(&gateway), Arc::clone(&done), Arc::clone(&answered));
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    if client % 2 == 0 {
                        gateway.chat(&chat("fast", "hi")).await.completion();
                    } else {
                        gateway.stream(&chat("fast", "hi there")).await.assert_complete(false);
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for reload in 0..200 {
        let target = if reload % 2 == 0 { CLAUDE } else { NOVA };
        let concurrency = format!("{}", 50 + reload);
        let total = format!("{}", 100 + reload);
        let keys = [
            ("models", fast(target)),
            ("limits.concurrency", concurrency),
            ("timeout.total", total),
            // Now and then another way to AWS, with connections of its own.
            ("timeout.connect", format!("{}", 3 + reload / 50)),
        ];
        let keys: Vec<_> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert!(matches!(gateway.reload(&keys).await.unwrap(), Applied::Changed { .. }));
        // So that there is something to hurt.
        let before = answered.load(Ordering::SeqCst);
        while answered.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::SeqCst);
    for client in load {
        client.await.unwrap();
    }
    assert_eq!(generation(&gateway).await, 201);
    let metrics = gateway.get("/metrics").await;
    for gauge in ["outcrop_calls_in_flight 0", "outcrop_streams_in_flight 0"] {
        assert!(metrics.text().contains(gauge), "{}", metrics.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_keeps_what_it_came_in_by() {
    let gateway = Setup::new().set("models", &fast(CLAUDE)).start().await;
    let released = Arc::new(Notify::new());
    let mut steps = claude_stream();
    steps.insert(3, Step::Hold(Arc::clone(&released)));
    gateway.script([Reply::stream(steps)]);
    let mut live = gateway.open_stream(&chat("fast", "hi")).await;
    let first = live.piece().await.unwrap();

    let keys = [("models", "{slow: amazon.nova-pro-v1:0}"), ("default_model", "slow"), ("strict", "true")];
    let Applied::Changed { keys, fixed } = gateway.reload(&keys).await.unwrap() else {
        panic!("nothing changed")
    };
    assert_eq!(keys, ["default_model", "strict", "models.slow"].map(str::to_owned));
    assert!(fixed.is_empty());
    // Overrides are laid over what was there: the name is still known, and a new one is as well.
    gateway.chat(&chat("slow", "hi")).await.completion();
    assert_eq!(gateway.get("/health").await.json()["default_model"], "slow");
    let refused = gateway.chat(&with(chat("slow", "hi"), json!({"seed": 1}))).await;
    assert_eq!(refused.verdict().0, 400, "strict from now on");

    released.notify_one();
    let rest = live.rest().await;
    assert_eq!(rest.ending, Ending::Whole);
    let body = String::from_utf8([first, rest.body].concat()).unwrap();
    assert_eq!(parse(&body).last(), Some(&SseEvent::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_and_go() {
    let keys = |key: &str| format!("[{{id: one, sha256: {}}}]", digest(key));
    let gateway = Setup::new().set("auth.keys", &keys("sk-old")).start().await;
    let ask = async |key: &str| {
        let request = Request::chat(&chat(NOVA, "hi")).header("authorization", &format!("Bearer {key}"));
        gateway.send(request).await.status
    };
    assert_eq!((ask("sk-old").await, ask("sk-new").await), (200, 401));
    gateway.reload(&[("auth.keys", &keys("sk-new"))]).await.unwrap();
    assert_eq!((ask("sk-old").await, ask("sk-new").await), (401, 200));
}

/// A listener is where it was when the process began: what the configuration says of it now opens nothing, and what it says no
/// more doesn't either.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_no_key_away_from_the_door() {
    let gateway = Setup::new().var("OUTCROP_API_KEY", "sk-one").start().await;
    let status = async || gateway.chat(&chat(NOVA, "hi")).await.status;
    assert_eq!(status().await, 401);
    for keys in [&[][..], &[("auth.mode", "none")], &[("server.listen", "127.0.0.1:9"), ("strict", "true")]] {
        let refused = gateway.reload_without_vars(keys).await.unwrap_err().to_string();
        assert!(refused.contains("nothing but a restart"), "{refused}");
        assert_eq!((status().await, generation(&gateway).await), (401, 1), "{keys:?}");
    }
    // More is fine, and so is less as long as there is one.
    let two = format!("[{{id: one, sha256: {}}}, {{id: two, sha256: {}}}]", digest("sk-1"), digest("sk-2"));
    let one = format!("[{{id: two, sha256: {}}}]", digest("sk-2"));
    for (keys, expected) in [(two, 2), (one, 3)] {
        gateway.reload_without_vars(&[("auth.keys", &keys)]).await.unwrap();
        assert_eq!((status().await, generation(&gateway).await), (401, expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_keeps_its_models_until_others_are_named() {
    let keys = |models: &str| format!("[{{id: one, sha256: {}{models}}}]", digest("sk-one"));
    let gateway = Setup::new().set("auth.keys", &keys(", models: [amazon.nova-micro-v1:0]")).start().await;
    let status = async || {
        let request = Request::chat(&chat(NOVA, "hi")).header("authorization", "Bearer sk-one");
        gateway.send(request).await.status
    };
    assert_eq!(status().await, 403);
    let refused = gateway.reload(&[("auth.keys", &keys(""))]).await.unwrap_err().to_string();
    assert!(refused.contains("\"one\" had a list of models"), "{refused}");
    assert_eq!(status().await, 403);
    gateway.reload(&[("auth.keys", &keys(", models: ['*']"))]).await.unwrap();
    assert_eq!(status().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_learnt_and_used_up_outlives_it() {
    let gateway = Setup::new().set("limits.per_key.requests_per_minute", "4").start().await;
    let body = with(chat(NOVA, "hi"), json!({"temperature": 0.5}));
    let text = "The model returned the following errors: `temperature` is deprecated for this model.";
    gateway.script([Reply::error(400, "ValidationException", text)]);
    let attempts = |answer: &crate::support::Answer| answer.header("x-outcrop-attempts").unwrap().to_owned();
    assert_eq!(attempts(&gateway.chat(&body).await), "2");

    gateway.reload(&[("timeout.total", "100"), ("models", &fast(NOVA))]).await.unwrap();
    assert_eq!(attempts(&gateway.chat(&body).await), "1", "what the model refuses is known");
    assert_eq!(gateway.get("/health").await.json()["upstream"]["state"], "ok");
    for _ in 0..2 {
        gateway.chat(&body).await.completion();
    }
    gateway.reload(&[("limits.per_key.requests_per_minute", "5")]).await.unwrap();
    assert_eq!(gateway.chat(&body).await.status, 429, "no free refill");
    let metrics = gateway.get("/metrics").await;
    let completed = r#"outcrop_http_requests_total{endpoint="chat_completions",method="POST",outcome="completed",status="200"} 4"#;
    assert!(metrics.text().contains(completed), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_changes_nothing_and_is_counted() {
    let gateway = Setup::new().set("models", &fast(NOVA)).start().await;
    // Wrong by itself, and wrong only for those who know families.
    gateway.take(&[("retry.max_attempts", "0"), ("no.such", "1")]).await;
    gateway
        .take(&[("models", "{fast: {target: amazon.nova-lite-v1:0, family: lama}}"), ("strict", "true")])
        .await;
    gateway.take(&[]).await;
    assert_eq!(generation(&gateway).await, 1);
    gateway.chat(&with(chat("fast", "hi"), json!({"seed": 1}))).await.completion();
    gateway.take(&[("strict", "true")]).await;
    assert_eq!(generation(&gateway).await, 2);
    let metrics = gateway.get("/metrics").await;
    for (outcome, count) in [("rejected", 2), ("unchanged", 1), ("applied", 1)] {
        let line = format!("outcrop_config_reloads_total{{outcome=\"{outcome}\"}} {count}");
        assert!(metrics.text().lines().any(|known| known == line), "no {line} in\n{}", metrics.text());
    }
    assert!(!metrics.text().contains("outcrop_config_last_reload_success_timestamp_seconds 0\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_restart_is_named() {
    let gateway = TestGateway::start().await;
    let keys =
        [("server.listen", "'127.0.0.1:1'"), ("server.idle_timeout", "10"), ("server.body_limit", "1KiB")];
    let Applied::Changed { fixed, .. } = gateway.reload(&keys).await.unwrap() else {
        panic!("nothing changed")
    };
    assert_eq!(fixed, ["server.listen", "server.idle_timeout"].map(str::to_owned));
    let long = gateway.chat(&chat(NOVA, &"x".repeat(2000))).await;
    assert_eq!(long.verdict().0, 413, "at the same address, with the new limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn bedrocks_listing_outlives_a_reload() {
    let gateway = Setup::new().live().start().await;
    gateway.informed().await;
    let listed = |gateway: &TestGateway| {
        gateway.calls().iter().filter(|call| call.path.starts_with("/foundation-models")).count()
    };
    let before = listed(&gateway);
    gateway.reload(&[("strict", "true"), ("models", &fast(NOVA))]).await.unwrap();
    gateway.chat(&chat("fast", "hi")).await.completion();
    assert_eq!(listed(&gateway), before, "nothing has to be asked again");
    let transcript =
        Transcript::read(gateway.open(Request::chat(&streamed(&chat("fast", "hi")))).await).await;
    transcript.assert_complete(false);
}
