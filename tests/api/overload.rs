//! More than there is room for: who is turned away, who waits, and what comes free when.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use outcrop::simulator::{Reply, Step};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::support::{
    Answer, CLAUDE, Ending, Live, NOVA, Request, Setup, TestGateway, chat, claude_stream, converse_stream,
    streamed, with,
};

/// Room for one call.
fn one() -> Setup {
    Setup::new().set("limits.concurrency", "1")
}

/// A streamed call that is under way until it is released, or its client leaves.
async fn under_way(gateway: &TestGateway, request: Request) -> (Live, Arc<Notify>) {
    let released = Arc::new(Notify::new());
    let mut steps = claude_stream();
    steps.insert(3, Step::Hold(Arc::clone(&released)));
    gateway.script([Reply::stream(steps)]);
    let mut live = gateway.open(request).await;
    assert!(live.piece().await.is_some());
    (live, released)
}

fn stream() -> Request {
    Request::chat(&streamed(&chat(CLAUDE, "hi")))
}

pub(crate) async fn sample(gateway: &TestGateway, name: &str) -> f64 {
    let metrics = gateway.get("/metrics").await;
    let line = metrics.text().lines().find(|line| line.starts_with(name));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// Waits until a metric has a value, by asking for it.
pub(crate) async fn until(gateway: &TestGateway, name: &str, value: f64) {
    while (sample(gateway, name).await - value).abs() > 1e-9 {
        tokio::task::yield_now().await;
    }
}

/// A refusal that invites to come again.
#[track_caller]
pub(crate) fn assert_turned_away(answer: &Answer, status: u16, kind: &str, code: &str) {
    assert_eq!(answer.verdict(), (status, kind.to_owned(), Some(code.to_owned())));
    assert_eq!(answer.header("x-should-retry"), None, "the client may come again");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    let millis: u64 = answer.header("retry-after-ms").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds) && millis.div_ceil(1_000) == seconds, "{seconds} {millis}");
}

const KEYS: [(&str, &str); 2] = [("busy", "sk-outcrop-of-the-busy"), ("calm", "sk-outcrop-of-the-calm")];

fn with_keys(setup: Setup) -> Setup {
    let mut list = String::new();
    for (id, key) in KEYS {
        write!(list, "{{id: {id}, sha256: {}}}, ", hex(key)).unwrap();
    }
    setup.set("auth.keys", &format!("[{list}]"))
}

fn hex(key: &str) -> String {
    Sha256::digest(key).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn of(key: usize, request: Request) -> Request {
    request.header("x-api-key", KEYS[key].1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_short_of_memory_calls_nothing_new() {
    let gateway = TestGateway::start().await;
    gateway.memory.store(85, Ordering::SeqCst);
    while gateway.get("/readyz").await.status == 200 {}
    let refused = gateway.chat(&chat(CLAUDE, "hi")).await;
    assert_eq!(refused.verdict(), (503, "server_error".into(), Some("overloaded".into())));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("x-should-retry"), None, "another replica may have room");
    let ready = gateway.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("[-] memory: it runs short"), "{}", ready.text());
    assert_eq!(gateway.get("/livez").await.status, 200);
    assert!(gateway.get("/metrics").await.text().contains("outcrop_turned_away_total{reason=\"memory\"} 1"));
    assert!(gateway.calls().is_empty());
    gateway.memory.store(84, Ordering::SeqCst);
    while gateway.get("/readyz").await.status == 503 {}
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_memory_is_all_but_used_up_streams_that_nobody_reads_are_closed_and_no_others() {
    // Were they read on without their clients, to the end, nothing would be gained.
    let setup = Setup::new().set("stream.on_disconnect", "drain").set("stream.drain_events", "1000000");
    let gateway = setup.start().await;
    let (mut read, released) = under_way(&gateway, stream()).await;
    let frames = converse_stream();
    // Sixteen megabytes and more, in deltas.
    let endless: Vec<_> =
        frames[..2].iter().chain(std::iter::repeat_n(&frames[2], 80_000)).cloned().collect();
    let mut unread = Vec::new();
    for _ in 0..3 {
        gateway.script([Reply::stream(endless.clone())]);
        unread.push(gateway.open_stream(&chat(NOVA, "hi")).await);
    }
    gateway.memory.store(94, Ordering::SeqCst);
    while gateway.get("/readyz").await.status == 200 {}
    assert!(sample(&gateway, "outcrop_streams_in_flight").await > 3.0);
    gateway.memory.store(95, Ordering::SeqCst);
    until(&gateway, r#"outcrop_connections_closed_total{reason="memory"}"#, 3.0).await;
    until(&gateway, "outcrop_streams_in_flight", 1.0).await;
    gateway.seen(|observed| observed.cancelled_streams == 3).await;
    until(&gateway, "outcrop_drains_in_flight", 0.0).await;
    for live in unread {
        assert_eq!(live.rest().await.ending, Ending::Cut);
    }
    // We left, and not they.
    let metrics = gateway.get("/metrics").await;
    for line in [
        r#"outcrop_http_requests_total{endpoint="chat_completions",method="POST",outcome="interrupted",status="200"} 3"#,
        r#"outcrop_errors_total{kind="memory"} 3"#,
    ] {
        assert!(metrics.text().lines().any(|known| known == line), "no {line} in\n{}", metrics.text());
    }
    assert!(!metrics.text().contains("outcrop_client_disconnects_total{"), "{}", metrics.text());
    // Who only waits for the model isn't to blame.
    released.notify_one();
    assert!(read.piece().await.is_some());
    assert_eq!(read.rest().await.ending, Ending::Whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_limit_a_call_is_refused_at_once_and_nothing_else_is() {
    let gateway = one().set("limits.queue.length", "0").start().await;
    let (live, released) = under_way(&gateway, stream()).await;
    // The last one before its body, the rest of which never comes.
    let unread = Request::chat(&chat(CLAUDE, "hi")).withholding(1_000);
    for request in [Request::chat(&chat(CLAUDE, "hi")), stream(), unread] {
        let refused = gateway.send(request).await;
        assert_turned_away(&refused, 503, "server_error", "overloaded");
        assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() <= 5);
    }
    for path in ["/livez", "/readyz", "/health", "/metrics", "/v1/models"] {
        let answer = gateway.get(path).await;
        assert!(answer.status == 200 || path == "/readyz", "{path}: {}", answer.status);
    }
    assert_eq!(gateway.send(Request::get("/v1/chat/completions")).await.status, 503, "the path is full");
    assert!(sample(&gateway, r#"outcrop_turned_away_total{reason="concurrency"}"#).await > 2.0);
    assert_eq!(gateway.calls().len(), 1);
    released.notify_one();
    assert_eq!(live.rest().await.ending, Ending::Whole);
    until(&gateway, "outcrop_calls_in_flight", 0.0).await;
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_is_open_when_everything_is_full() {
    let gateway = one().set("limits.queue.length", "0").set("server.admin", "'127.0.0.1:0'").start().await;
    let (_live, _released) = under_way(&gateway, stream()).await;
    for path in ["/livez", "/metrics"] {
        assert_eq!(Request::get(path).send(gateway.admin.unwrap()).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_admitted_when_a_stream_has_ended_to_its_last_byte() {
    let gateway = one().set("limits.queue.wait", "600").start().await;
    let (live, released) = under_way(&gateway, stream()).await;
    let waiting = gateway.dispatch(Request::chat(&chat(CLAUDE, "hi"))).await;
    until(&gateway, "outcrop_queue_length", 1.0).await;
    assert_eq!(gateway.calls().len(), 1, "it waits here, and not at Bedrock");
    released.notify_one();
    live.rest().await;
    waiting.head().await.rest().await.completion();
    until(&gateway, r#"outcrop_queue_wait_seconds_count{outcome="admitted"}"#, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_has_an_end() {
    let gateway = one().set("limits.queue.wait", "0.01").start().await;
    let (_live, _released) = under_way(&gateway, stream()).await;
    let refused = gateway.chat(&chat(CLAUDE, "hi")).await;
    assert_turned_away(&refused, 503, "server_error", "overloaded");
    until(&gateway, r#"outcrop_queue_wait_seconds_count{outcome="refused"}"#, 1.0).await;
    until(&gateway, "outcrop_queue_length", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_gives_back_its_permit_or_its_place() {
    let gateway = one().set("limits.queue.wait", "600").start().await;
    let (live, _released) = under_way(&gateway, stream()).await;
    let waiting = gateway.dispatch(Request::chat(&chat(CLAUDE, "of nobody"))).await;
    until(&gateway, "outcrop_queue_length", 1.0).await;
    drop(waiting);
    until(&gateway, "outcrop_queue_length", 0.0).await;
    let next = gateway.dispatch(Request::chat(&chat(CLAUDE, "hi"))).await;
    until(&gateway, "outcrop_queue_length", 1.0).await;
    // In the middle of its stream.
    drop(live);
    next.head().await.rest().await.completion();
    until(&gateway, "outcrop_calls_in_flight", 0.0).await;
    assert_eq!(gateway.calls().len(), 2, "nothing was called for the one who left the line");
    until(&gateway, r#"outcrop_queue_wait_seconds_count{outcome="abandoned"}"#, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_and_a_wrong_one_hold_no_permit() {
    let gateway = one().set("limits.queue.length", "0").start().await;
    let _slow = gateway.dispatch(Request::chat(&chat(CLAUDE, "hi")).withholding(10)).await;
    until(&gateway, "outcrop_http_requests_in_flight", 2.0).await;
    gateway.chat(&json!({"messages": 5})).await.error();
    until(&gateway, "outcrop_http_requests_in_flight", 2.0).await;
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_give_their_permits_back() {
    let gateway = one().set("limits.queue.wait", "600").start().await;
    for text in ["[[error:validationException]]", "[[error:throttlingException]]", "[[cut after=1]]"] {
        gateway.chat(&chat(NOVA, text)).await.error();
        gateway.stream(&chat(NOVA, "a b c d [[cut after=2]]")).await.assert_broken(false);
    }
    gateway.chat(&chat("nothing", "hi")).await.error();
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
    until(&gateway, "outcrop_calls_in_flight", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_at_its_own_limit_is_told_so_and_no_other_key_is() {
    let limits = "{busy: {concurrency: 1}}";
    let setup = with_keys(Setup::new()).set("limits.keys", limits).set("limits.queue.length", "0");
    let gateway = setup.start().await;
    let (_live, _released) = under_way(&gateway, of(0, stream())).await;
    let refused = gateway.send(of(0, Request::chat(&chat(CLAUDE, "hi")))).await;
    assert_turned_away(&refused, 429, "rate_limit_error", "rate_limit_exceeded");
    gateway.send(of(1, Request::chat(&chat(CLAUDE, "hi")))).await.completion();
    assert_eq!(refused.header("x-ratelimit-limit-requests"), None, "that is another limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_long_the_calls_of_one_key_last_another_finds_a_slot() {
    let setup = with_keys(Setup::new()).set("limits.concurrency", "4").set("limits.queue.length", "0");
    let gateway = setup.start().await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(under_way(&gateway, of(0, stream())).await);
    }
    let refused = gateway.send(of(0, Request::chat(&chat(CLAUDE, "hi")))).await;
    assert_turned_away(&refused, 429, "rate_limit_error", "rate_limit_exceeded");
    for _ in 0..3 {
        gateway.send(of(1, Request::chat(&chat(CLAUDE, "hi")))).await.completion();
    }
    // A target's own bound is everybody's, too.
    let target = format!("{{target: {CLAUDE}, concurrency: 4}}");
    let bound = with_keys(Setup::new()).set("models.m", &target).start().await;
    let ask = |key: usize| of(key, Request::chat(&chat("m", "hi")));
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(under_way(&bound, of(0, Request::chat(&streamed(&chat("m", "hi"))))).await);
    }
    assert_eq!(bound.send(ask(0)).await.status, 503);
    for _ in 0..3 {
        bound.send(ask(1)).await.completion();
    }
    drop(streams);
    until(&bound, "outcrop_calls_in_flight", 0.0).await;
    bound.send(ask(0)).await.completion();
    // Who is alone leaves nothing to nobody.
    let alone = Setup::new().set("limits.concurrency", "2").start().await;
    let (_first, _released) = under_way(&alone, stream()).await;
    alone.chat(&chat(CLAUDE, "hi")).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_of_one_key_leave_room_for_another() {
    let setup = with_keys(Setup::new()).set("server.body_limit", "1MiB").set("limits.body_bytes", "4MiB");
    let gateway = setup.start().await;
    let large = chat(CLAUDE, &"x".repeat(700_000));
    let mut slow = Vec::new();
    // Each keeps what has come of it, and isn't complete.
    for _ in 0..8 {
        slow.push(gateway.dispatch(of(0, Request::chat(&large)).withholding(1)).await);
    }
    until(&gateway, r#"outcrop_turned_away_total{reason="body_bytes"}"#, 6.0).await;
    let refused = gateway.send(of(0, Request::chat(&large))).await;
    assert_turned_away(&refused, 503, "server_error", "overloaded");
    for _ in 0..3 {
        gateway.send(of(1, Request::chat(&large))).await.completion();
        gateway.send(of(1, Request::chat(&large)).chunked()).await.completion();
    }
    drop(slow);
    until(&gateway, "outcrop_http_requests_in_flight", 1.0).await;
    gateway.send(of(0, Request::chat(&large))).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_a_minute_are_counted_by_key_and_shown() {
    let gateway =
        with_keys(Setup::new()).set("limits.keys", "{busy: {requests_per_minute: 2}}").start().await;
    for remaining in ["1", "0"] {
        let answer = gateway.send(of(0, Request::chat(&chat(CLAUDE, "hi")))).await;
        answer.completion();
        assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("2"));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(remaining));
        assert!(answer.header("x-ratelimit-reset-requests").unwrap().ends_with('s'));
        assert_eq!(answer.header("x-ratelimit-limit-tokens"), None);
    }
    // Before its body is read.
    let refused = gateway.send(of(0, stream()).withholding(1_000)).await;
    assert_turned_away(&refused, 429, "rate_limit_error", "rate_limit_exceeded");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    let other = gateway.send(of(1, Request::chat(&chat(CLAUDE, "hi")))).await;
    other.completion();
    assert_eq!(other.header("x-ratelimit-limit-requests"), None);
    assert_eq!(gateway.send(of(0, Request::get("/v1/models"))).await.status, 200, "lists don't count");
    assert!(
        (sample(&gateway, r#"outcrop_turned_away_total{reason="key_requests"}"#).await - 1.0).abs() < 1e-9
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_a_minute_are_what_the_model_counted() {
    let gateway = Setup::new().set("limits.per_key.tokens_per_minute", "6000").start().await;
    let send = async |text: &str| {
        let answer = gateway.chat(&with(chat(NOVA, text), json!({"max_tokens": 1000}))).await;
        assert_eq!(answer.header("x-ratelimit-limit-tokens"), Some("6000"));
        assert!(answer.header("x-ratelimit-remaining-tokens").unwrap().parse::<u32>().unwrap() < 6_000);
        until(&gateway, "outcrop_calls_in_flight", 0.0).await;
        answer.status
    };
    // More than a minute's together, by the estimate; but what fails costs nothing, and what is short little.
    for _ in 0..10 {
        assert_eq!(send("[[error:validationException]]").await, 400);
        assert_eq!(send("[[usage input=9 output=9]]").await, 200);
    }
    // More than was reserved, and more than a minute's.
    assert_eq!(send("[[usage input=90000 output=90000]]").await, 200);
    assert_eq!(send("hi").await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_had_its_tokens_waits_for_more() {
    let gateway = Setup::new().set("limits.per_key.tokens_per_minute", "100").start().await;
    let body = with(chat(NOVA, "hi [[usage input=60 output=30]]"), json!({"max_tokens": 20}));
    gateway.chat(&body).await.completion();
    until(&gateway, "outcrop_calls_in_flight", 0.0).await;
    let refused = gateway.chat(&body).await;
    assert_turned_away(&refused, 429, "rate_limit_error", "rate_limit_exceeded");
    assert_eq!(refused.error()["message"], "This API key is at its limit of tokens per minute.");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_bodies_share_a_budget() {
    let setup = Setup::new().set("server.body_limit", "1MiB").set("limits.body_bytes", "1MiB");
    let gateway = setup.start().await;
    let large = chat(CLAUDE, &"x".repeat(700_000));
    gateway.chat(&large).await.completion();
    // One that keeps its memory, and isn't complete.
    let slow = gateway.dispatch(Request::chat(&large).withholding(1)).await;
    let refused = loop {
        let answer = gateway.chat(&large).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_turned_away(&refused, 503, "server_error", "overloaded");
    let chunked = gateway.send(Request::chat(&large).chunked()).await;
    assert_turned_away(&chunked, 503, "server_error", "overloaded");
    gateway.chat(&chat(CLAUDE, "small")).await.completion();
    drop(slow);
    until(&gateway, "outcrop_http_requests_in_flight", 1.0).await;
    gateway.chat(&large).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_of_json_is_a_400() {
    let gateway = TestGateway::start().await;
    let deep = "[".repeat(1_000_000);
    let bomb = format!(r#"{{"model":"{NOVA}","messages":[{}]}}"#, vec!["{}"; 2_000_000].join(","));
    for body in [
        deep.clone(),
        format!(r#"{{"messages":{deep}{}}}"#, "]".repeat(1_000_000)),
        format!(r#"{{"unknown":{deep}{}}}"#, "]".repeat(1_000_000)),
        bomb,
    ] {
        assert_eq!(gateway.send(Request::post("/v1/chat/completions", body)).await.verdict().0, 400);
    }
    gateway.chat(&chat(NOVA, "hi")).await.completion();
}
