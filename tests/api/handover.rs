//! What a reload hands on to the next configuration, and what it forgets with what isn't in it any more.

use std::sync::Arc;

use outcrop::simulator::{Reply, Step};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::auth::digest;
use crate::support::{
    Answer, CLAUDE, Live, NOVA, Request, Setup, TestGateway, chat, claude_stream, converse_stream, streamed,
    tool, with,
};

fn house() -> String {
    json!({"house": {"targets": [CLAUDE, NOVA]}}).to_string()
}

fn unavailable() -> Reply {
    Reply::error(503, "ServiceUnavailableException", "busy")
}

/// Nova's answer to a call that may be streamed from it.
fn nova() -> Reply {
    Reply::stream(converse_stream())
}

/// How the breaker of Claude is exported.
async fn breaker(gateway: &TestGateway) -> Option<String> {
    let metrics = gateway.get("/metrics").await;
    let series = format!("outcrop_breaker_open{{model=\"{CLAUDE}\",region=\"us-east-1\"}} ");
    metrics.text().lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
}

/// Who answers a call of the house.
async fn answers(gateway: &TestGateway) -> String {
    let answer = gateway.stream(&chat("house", "hi")).await.answer;
    answer.header("x-outcrop-model").unwrap().to_owned()
}

/// Has Claude fail three times, so that it is left alone.
async fn open(gateway: &TestGateway) {
    gateway.script((0..3).flat_map(|_| [unavailable(), nova()]));
    for _ in 0..3 {
        assert_eq!(answers(gateway).await, NOVA);
    }
    assert_eq!(breaker(gateway).await.as_deref(), Some("1"));
    assert_eq!(answers(gateway).await, NOVA);
}

const BREAKER: (&str, &str) = ("breaker", "{failures: 3, open: 600, max_open: 600}");

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_stays_open_under_other_settings_as_well() {
    let gateway = Setup::new().set("models", &house()).set(BREAKER.0, BREAKER.1).start().await;
    open(&gateway).await;
    for keys in [
        ("timeout.total", "100"),
        ("models.house.targets", &json!([{"target": CLAUDE, "concurrency": 5}, NOVA]).to_string()),
        ("retry.budget.min_per_second", "500"),
        ("breaker.failures", "4"),
        // Another way to AWS.
        ("timeout.connect", "4"),
    ] {
        gateway.reload(&[keys]).await.unwrap();
        assert_eq!(answers(&gateway).await, NOVA, "{keys:?}");
        assert_eq!(breaker(&gateway).await.as_deref(), Some("1"), "{keys:?}");
    }
    gateway.reload(&[("breaker.failures", "0")]).await.unwrap();
    assert_eq!(breaker(&gateway).await.as_deref(), Some("0"), "there is none any more");
    assert_eq!(answers(&gateway).await, CLAUDE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metric_follows_a_breaker_from_closed_to_open_to_its_probe_and_back() {
    let gateway = Setup::new()
        .set("models", &house())
        .set("breaker", "{failures: 3, open: 0.001, max_open: 0.001}")
        .start()
        .await;
    assert_eq!(breaker(&gateway).await, None, "nothing was called");
    assert_eq!(answers(&gateway).await, CLAUDE);
    assert_eq!(breaker(&gateway).await.as_deref(), Some("0"));
    gateway.script((0..3).flat_map(|_| [unavailable(), nova()]));
    for _ in 0..3 {
        assert_eq!(answers(&gateway).await, NOVA);
    }
    assert_eq!(breaker(&gateway).await.as_deref(), Some("1"));
    // Its pause is over, and one call has gone to see: it is left alone by all others.
    let released = Arc::new(Notify::new());
    let held = [Step::Hold(Arc::clone(&released))].into_iter().chain(claude_stream());
    gateway.script([Reply::stream(held), nova()]);
    gateway.seen(|observed| observed.open_streams == 0).await;
    let probe = gateway.dispatch(Request::chat(&streamed(&chat("house", "hi")))).await;
    gateway.seen(|observed| observed.open_streams == 1).await;
    assert_eq!(answers(&gateway).await, NOVA);
    // A reload neither ends the probe nor makes another.
    gateway.reload(&[("timeout.total", "100"), ("breaker.failures", "2")]).await.unwrap();
    assert_eq!(breaker(&gateway).await.as_deref(), Some("1"));
    gateway.script([nova()]);
    assert_eq!(answers(&gateway).await, NOVA);
    released.notify_one();
    assert_eq!(probe.head().await.rest().await.header("x-outcrop-model"), Some(CLAUDE));
    assert_eq!(breaker(&gateway).await.as_deref(), Some("0"));
    assert_eq!(answers(&gateway).await, CLAUDE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_taken_out_is_forgotten() {
    let gateway = Setup::new().set(BREAKER.0, BREAKER.1).start().await;
    gateway.reload(&[("models", &house())]).await.unwrap();
    open(&gateway).await;
    // A call under way is no reason to keep it.
    gateway.script([unavailable(), Reply::stream([Step::Hold(Arc::new(Notify::new()))])]);
    gateway.seen(|observed| observed.open_streams == 0).await;
    let under_way = gateway.dispatch(Request::chat(&streamed(&chat(CLAUDE, "hi")))).await;
    gateway.seen(|observed| observed.open_streams == 1).await;
    gateway.reload(&[]).await.unwrap();
    assert_eq!(breaker(&gateway).await.as_deref(), Some("0"), "nobody leaves it alone");
    drop(under_way);
    gateway.reload(&[("models", &house())]).await.unwrap();
    assert_eq!(answers(&gateway).await, CLAUDE);
    assert_eq!(breaker(&gateway).await.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_budget_that_is_used_up_stays_so() {
    // Ten within ten seconds.
    let setup = Setup::new().set("retry.budget", "{percent: 0, min_per_second: 1}");
    let gateway = setup.set("breaker.failures", "0").set("models", &house()).start().await;
    let attempts = async || {
        gateway.script((0..3).map(|_| unavailable()));
        let answer = gateway.chat(&chat(NOVA, "hi")).await;
        answer.header("x-outcrop-attempts").unwrap().to_owned()
    };
    while attempts().await != "1" {}
    for keys in [
        ("timeout.total", "100"),
        ("breaker.failures", "50"),
        ("models.house.targets", &json!([CLAUDE, {"target": NOVA, "concurrency": 5}]).to_string()),
    ] {
        gateway.reload(&[keys]).await.unwrap();
        assert_eq!(attempts().await, "1", "{keys:?}");
    }
}

/// A stream that has begun, and goes on until its client leaves.
async fn held(gateway: &TestGateway, request: Request) -> Live {
    gateway.script([Reply::stream(
        claude_stream().into_iter().take(3).chain([Step::Hold(Arc::new(Notify::new()))]),
    )]);
    let mut live = gateway.open(request).await;
    assert_eq!(live.status, 200);
    live.piece().await.unwrap();
    live
}

fn stream(model: &str) -> Request {
    Request::chat(&streamed(&chat(model, "hi")))
}

/// Sends until there is room again: a permit comes back when the gateway sees that its client has left.
async fn until_admitted(gateway: &TestGateway, request: &Request) {
    while gateway.send(request.clone()).await.status != 200 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_target_count_under_another_bound_of_it_too() {
    let bound = |most: u32| json!({"hut": {"target": CLAUDE, "concurrency": most}}).to_string();
    let gateway = Setup::new().set("models", &bound(1)).start().await;
    let first = held(&gateway, stream("hut")).await;
    assert_eq!(gateway.send(stream("hut")).await.status, 503);
    gateway.reload(&[("models", &bound(2))]).await.unwrap();
    let second = held(&gateway, stream("hut")).await;
    assert_eq!(gateway.send(stream("hut")).await.status, 503, "one from before, and one more");
    gateway.reload(&[("models", &bound(1))]).await.unwrap();
    drop(first);
    gateway.seen(|observed| observed.cancelled_streams == 1).await;
    assert_eq!(gateway.send(stream("hut")).await.status, 503, "the second is one too many still");
    drop(second);
    until_admitted(&gateway, &stream("hut")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_count_under_other_limits_too() {
    let keys = format!("[{{id: one, sha256: {}}}, {{id: two, sha256: {}}}]", digest("sk-1"), digest("sk-2"));
    let of = |key: &str| stream(CLAUDE).header("x-api-key", key);
    let setup = Setup::new().set("auth.keys", &keys).set("limits.queue.length", "0");
    let gateway = setup.set("limits.per_key.concurrency", "1").start().await;
    let first = held(&gateway, of("sk-1")).await;
    let refused = async |key: &str, why: &str| {
        let verdict = gateway.send(of(key)).await.verdict();
        assert_eq!(verdict.2.as_deref(), Some(why), "{verdict:?}");
    };
    refused("sk-1", "rate_limit_exceeded").await;
    gateway.reload(&[("timeout.total", "100")]).await.unwrap();
    refused("sk-1", "rate_limit_exceeded").await;
    // In all: the one from before is all that there may be.
    gateway.reload(&[("limits.concurrency", "1")]).await.unwrap();
    refused("sk-2", "overloaded").await;
    // Who is taken out and put in again has its own still.
    gateway.reload(&[("auth.keys", &format!("[{{id: two, sha256: {}}}]", digest("sk-2")))]).await.unwrap();
    refused("sk-1", "invalid_api_key").await;
    gateway.reload(&[]).await.unwrap();
    refused("sk-1", "rate_limit_exceeded").await;
    gateway.reload(&[("limits.per_key.concurrency", "2"), ("limits.concurrency", "2")]).await.unwrap();
    let second = held(&gateway, of("sk-1")).await;
    refused("sk-1", "rate_limit_exceeded").await;
    drop((first, second));
    until_admitted(&gateway, &of("sk-1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_out_and_put_in_again_gets_no_refill() {
    let keys = |ids: &[&str]| {
        let list: Vec<_> =
            ids.iter().map(|id| format!("{{id: {id}, sha256: {}}}", digest(&format!("sk-{id}")))).collect();
        format!("[{}]", list.join(", "))
    };
    let setup = Setup::new().set("auth.keys", &keys(&["one", "two"]));
    let gateway = setup.set("limits.per_key.requests_per_minute", "2").start().await;
    let ask =
        async || gateway.send(Request::chat(&chat(NOVA, "hi")).header("x-api-key", "sk-one")).await.status;
    assert_eq!((ask().await, ask().await, ask().await), (200, 200, 429));
    for others in [&["two"][..], &["two", "three"], &["four"]] {
        gateway.reload(&[("auth.keys", &keys(others))]).await.unwrap();
        assert_eq!(ask().await, 401);
    }
    gateway.reload(&[]).await.unwrap();
    assert_eq!(ask().await, 429);
}

fn notes(answer: &Answer) -> &str {
    answer.header("x-outcrop-notes").unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_thoughts_are_put_back_after_a_reload() {
    let gateway = Setup::new().set("reasoning.store.ttl", "1000").start().await;
    let said = r#"[[reasoning:let me see]][[tool:weather {"city":"Bern"}]]"#;
    let body =
        with(chat(CLAUDE, said), json!({"reasoning_effort": "low", "tools": [tool("weather", "city")]}));
    let calls = gateway.chat(&body).await.completion()["choices"][0]["message"]["tool_calls"].clone();
    let next = with(
        body,
        json!({"messages": [
            {"role": "user", "content": said},
            {"role": "assistant", "content": Value::Null, "tool_calls": calls},
            {"role": "tool", "tool_call_id": calls[0]["id"], "content": "21 degrees"},
        ]}),
    );
    for keys in [("timeout.total", "100"), ("reasoning.store.ttl", "2000"), ("models", &house())] {
        gateway.reload(&[keys]).await.unwrap();
        let answer = gateway.chat(&next).await;
        assert_eq!(notes(&answer), "messages:restored;reason=signed_thoughts", "{keys:?}");
    }
    gateway.reload(&[("reasoning.store.max_bytes", "1")]).await.unwrap();
    assert!(!notes(&gateway.chat(&next).await).contains("restored"), "there is no room for them any more");
}
