//! What becomes of a call whose client has left, where it is read on. That it ends by default is in `streaming`.

use std::sync::Arc;

use outcrop::simulator::{Reply, Step};
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{CLAUDE, Request, Setup, TestGateway, chat, claude_stream, streamed};

fn draining() -> Setup {
    Setup::new().set("stream.on_disconnect", "drain")
}

/// The value of a series.
async fn sample(gateway: &TestGateway, name: &str, labels: &[&str]) -> Option<String> {
    let metrics = gateway.get("/metrics").await;
    let found = metrics
        .text()
        .lines()
        .find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    found.map(|line| line.rsplit(' ').next().unwrap().to_owned())
}

async fn until(gateway: &TestGateway, name: &str, labels: &[&str], value: &str) {
    while sample(gateway, name, labels).await.as_deref() != Some(value) {
        tokio::task::yield_now().await;
    }
}

/// A scripted stream that waits at this step.
fn held(gateway: &TestGateway, at: usize) -> Arc<Notify> {
    let released = Arc::new(Notify::new());
    let mut steps = claude_stream();
    steps.insert(at, Step::Hold(Arc::clone(&released)));
    gateway.script([Reply::stream(steps)]);
    released
}

const ABANDONED: (&str, &[&str]) =
    ("outcrop_http_requests_total", &["chat_completions", "\"abandoned\"", "\"499\""]);
const DRAINS: &str = "outcrop_drains_in_flight";
const OUTPUT: (&str, &[&str]) = ("gen_ai_client_token_usage_sum", &["\"output\""]);

fn request() -> Value {
    streamed(&chat(CLAUDE, "hi"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_to_its_end_and_counted() {
    let gateway = draining().start().await;
    let whole = gateway.stream(&chat(CLAUDE, "hi [[usage output=7]]")).await;
    whole.assert_complete(false);
    until(&gateway, OUTPUT.0, OUTPUT.1, "7").await;
    let released = held(&gateway, 5);
    let mut live = gateway.open(Request::chat(&request())).await;
    live.piece().await.unwrap();
    drop(live);
    until(&gateway, DRAINS, &[], "1").await;
    assert_eq!(sample(&gateway, ABANDONED.0, ABANDONED.1).await, None, "its cost isn't known yet");
    assert_eq!(
        sample(&gateway, "outcrop_http_requests_in_flight", &[]).await.as_deref(),
        Some("1"),
        "this one"
    );
    assert_eq!(
        sample(&gateway, "outcrop_calls_in_flight", &[]).await.as_deref(),
        Some("1"),
        "Bedrock is busy"
    );
    released.notify_one();
    until(&gateway, ABANDONED.0, ABANDONED.1, "1").await;
    let output: u32 = sample(&gateway, OUTPUT.0, OUTPUT.1).await.unwrap().parse().unwrap();
    assert!(output > 7, "what came after the client had left is counted");
    for gauge in [DRAINS, "outcrop_calls_in_flight", "outcrop_streams_in_flight"] {
        assert_eq!(sample(&gateway, gauge, &[]).await.as_deref(), Some("0"), "{gauge}");
    }
    assert_eq!(gateway.simulator.observed().cancelled_streams, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_is_a_call_that_was_left_before_its_answer() {
    let gateway = draining().start().await;
    let released = held(&gateway, 0);
    let sent = gateway.dispatch(Request::chat(&request())).await;
    gateway.seen(|observed| observed.open_streams == 1).await;
    drop(sent);
    until(&gateway, DRAINS, &[], "1").await;
    released.notify_one();
    until(&gateway, ABANDONED.0, ABANDONED.1, "1").await;
    assert_eq!(gateway.simulator.observed().cancelled_streams, 0);
    // Nothing of it is a stream.
    let sent =
        gateway.dispatch(Request::chat(&chat(CLAUDE, "hi [[delay:50ms]] [[usage output=1000]]"))).await;
    gateway.seen(|observed| observed.requests == 2).await;
    drop(sent);
    until(&gateway, ABANDONED.0, ABANDONED.1, "2").await;
    let output: u32 = sample(&gateway, OUTPUT.0, OUTPUT.1).await.unwrap().parse().unwrap();
    assert!(output > 1000, "{output}");
    assert_eq!(gateway.simulator.observed().cancelled_requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_on_has_its_bounds() {
    let gateway = draining().set("stream.drain_timeout", "0.05").start().await;
    for (text, before_the_answer) in [("abc [[stall after=1]]", false), ("abc [[stall after=0]]", true)] {
        let sent = gateway.dispatch(Request::chat(&streamed(&chat(CLAUDE, text)))).await;
        if before_the_answer {
            gateway.seen(|observed| observed.requests == 2).await;
            drop(sent);
        } else {
            let mut live = sent.head().await;
            live.piece().await.unwrap();
        }
    }
    gateway.seen(|observed| observed.cancelled_streams + observed.cancelled_requests == 2).await;
    until(&gateway, ABANDONED.0, ABANDONED.1, "2").await;

    let gateway = draining().set("stream.drain_events", "3").start().await;
    let mut live = gateway.open_stream(&chat(CLAUDE, "a b c d [[deltas:1000]] [[pace:1ms]]")).await;
    live.piece().await.unwrap();
    drop(live);
    gateway.seen(|observed| observed.cancelled_streams == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_waits_for_it_within_the_grace_period() {
    for patient in [true, false] {
        let mut gateway = draining().start().await;
        let released = held(&gateway, 5);
        let mut live = gateway.open(Request::chat(&request())).await;
        live.piece().await.unwrap();
        drop(live);
        until(&gateway, DRAINS, &[], "1").await;
        gateway.shutdown.drain();
        assert!(gateway.ended.try_recv().is_err());
        if patient {
            released.notify_one();
        } else {
            gateway.shutdown.close();
        }
        (&mut gateway.ended).await.unwrap();
        gateway.seen(|observed| observed.cancelled_streams == u64::from(!patient)).await;
    }
}
