//! What a key's limits count: calls of Bedrock, however few requests they come in, and what went out, however early its client
//! left.

use std::sync::Arc;

use outcrop::simulator::{Frame, Reply, Step};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::overload::{assert_turned_away, sample, until};
use crate::support::{
    Answer, CLAUDE, NOVA, Request, Setup, TestGateway, chat, claude_stream, converse_stream, streamed, with,
};

const TITAN: &str = "amazon.titan-embed-text-v2:0";

fn remaining(answer: &Answer) -> u32 {
    answer.header("x-ratelimit-remaining-requests").unwrap().parse().unwrap()
}

fn texts(count: usize) -> Request {
    Request::post("/v1/embeddings", json!({"model": TITAN, "input": vec!["x"; count]}).to_string())
}

fn choices(count: u32) -> Value {
    with(chat(CLAUDE, "hi"), json!({"n": count}))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_counts_as_a_request() {
    let gateway = Setup::new().set("limits.per_key.requests_per_minute", "20").start().await;
    let three = gateway.chat(&choices(3)).await;
    three.completion();
    assert_eq!(remaining(&three), 17);
    let streamed = gateway.chat(&streamed(&choices(2))).await;
    assert_eq!((streamed.status, remaining(&streamed)), (200, 15));
    let vectors = gateway.send(texts(4)).await;
    assert_eq!((vectors.status, remaining(&vectors)), (200, 11));
    let together = with(json!({"model": "cohere.embed-english-v3"}), json!({"input": vec!["x"; 90]}));
    let one = gateway.send(Request::post("/v1/embeddings", together.to_string())).await;
    assert_eq!((one.status, remaining(&one)), (200, 10), "one call takes all of them");
    let calls = gateway.calls().len();
    assert_eq!(calls, 3 + 2 + 4 + 1);
    let refused = gateway.send(texts(12)).await;
    assert_turned_away(&refused, 429, "rate_limit_error", "rate_limit_exceeded");
    assert_eq!(remaining(&refused), 10, "what isn't called isn't counted");
    assert_eq!(gateway.calls().len(), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_more_calls_than_a_minute_has_is_told_so() {
    let gateway = Setup::new().set("limits.per_key.requests_per_minute", "3").start().await;
    let refusals = [
        (gateway.chat(&choices(4)).await, "n", "4 calls"),
        (gateway.chat(&streamed(&choices(8))).await, "n", "8 calls"),
        (gateway.send(texts(200)).await, "input", "200 calls"),
    ];
    for (refused, param, calls) in refusals {
        assert_eq!(
            refused.verdict(),
            (400, "invalid_request_error".to_owned(), Some("too_many_calls".to_owned()))
        );
        assert_eq!(refused.error()["param"], param);
        let message = refused.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(calls) && message.contains("3 a minute"), "{message}");
        assert_eq!(refused.header("retry-after"), None, "it would be the same again");
    }
    assert!(gateway.calls().is_empty());
    gateway.chat(&choices(3)).await.completion();
}

/// A reply that begins and waits for a word.
fn held() -> (Reply, Arc<Notify>) {
    let released = Arc::new(Notify::new());
    let mut steps = claude_stream();
    steps.insert(3, Step::Hold(Arc::clone(&released)));
    (Reply::stream(steps), released)
}

async fn until_called(gateway: &TestGateway, times: usize) {
    while gateway.calls().len() < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn choices_that_the_key_has_no_room_for_at_once_take_turns() {
    let bounds = [
        ("limits.per_key.concurrency", "2"),
        ("limits.concurrency", "2"),
        ("models.m", "{target: us.anthropic.claude-sonnet-4-5-20250929-v1:0, concurrency: 2}"),
    ];
    for (bound, value) in bounds {
        let gateway = Setup::new().set(bound, value).set("stream.upstream", "always").start().await;
        let model = if bound == "models.m" { "m" } else { CLAUDE };
        for body in
            [with(chat(model, "hi"), json!({"n": 4})), with(streamed(&chat(model, "hi")), json!({"n": 4}))]
        {
            let before = gateway.calls().len();
            let (replies, releases): (Vec<_>, Vec<_>) = (0..4).map(|_| held()).unzip();
            gateway.script(replies);
            let driving = async {
                for (done, released) in releases.iter().enumerate() {
                    let begun = (done + 2).min(4);
                    until_called(&gateway, before + begun).await;
                    assert_eq!(gateway.calls().len(), before + begun, "{bound}: two at once and no more");
                    released.notify_one();
                }
            };
            let (answer, ()) = tokio::join!(gateway.chat(&body), driving);
            assert_eq!(answer.status, 200, "{bound}: {}", answer.text());
            assert_eq!(answer.text().matches("two").count(), 4, "{bound}: {}", answer.text());
            assert!(answer.header("x-outcrop-notes").unwrap().contains("n:warned;reason=calls_in_turns"));
        }
        until(&gateway, "outcrop_calls_in_flight", 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_take_turns_as_far_as_the_key_has_room() {
    let gateway = Setup::new().set("limits.per_key.concurrency", "2").start().await;
    let (reply, released) = {
        let released = Arc::new(Notify::new());
        (Reply::stream([Step::Hold(Arc::clone(&released))]), released)
    };
    let (other, other_released) = {
        let released = Arc::new(Notify::new());
        (Reply::stream([Step::Hold(Arc::clone(&released))]), released)
    };
    gateway.script([reply, other]);
    let waiting = gateway.dispatch(texts(6)).await;
    until_called(&gateway, 2).await;
    assert!((sample(&gateway, "outcrop_calls_in_flight").await - 2.0).abs() < 1e-9);
    assert_eq!(gateway.calls().len(), 2);
    drop(waiting);
    until(&gateway, "outcrop_calls_in_flight", 0.0).await;
    released.notify_one();
    other_released.notify_one();
}

/// A stream of so many bytes of text that then waits for ever, as each format tells it.
fn endless(model: &str, length: usize) -> Reply {
    let text = "x".repeat(length);
    let mut steps = if model == CLAUDE { claude_stream() } else { converse_stream() };
    let large = if model == CLAUDE {
        crate::support::native_chunk(
            &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        )
    } else {
        Step::Frame(Frame::event(
            "contentBlockDelta",
            &json!({"contentBlockIndex": 0, "delta": {"text": text}}),
        ))
    };
    steps.truncate(2);
    steps.extend([large, Step::Stall]);
    Reply::stream(steps)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_text_of_the_gateways_own_cuts_off_saves_none_either() {
    const OSS: &str = "openai.gpt-oss-120b-1:0";
    for body in [chat(OSS, "hi"), streamed(&chat(OSS, "hi"))] {
        let gateway = Setup::new()
            .set("limits.per_key.tokens_per_minute", "20000")
            .set("stream.upstream", "always")
            .start()
            .await;
        let mut steps = converse_stream();
        let delta = |text: String| {
            Step::Frame(Frame::event(
                "contentBlockDelta",
                &json!({"contentBlockIndex": 0, "delta": {"text": text}}),
            ))
        };
        steps.truncate(2);
        steps.extend([delta("x".repeat(40_000)), delta("STOP".to_owned()), Step::Stall]);
        gateway.script([Reply::stream(steps)]);
        let answer = gateway.chat(&with(body, json!({"max_tokens": 50, "stop": ["STOP"]}))).await;
        assert!(answer.status == 200 && answer.text().len() > 40_000, "{}", answer.text());
        until(&gateway, "outcrop_calls_in_flight", 0.0).await;
        let next = gateway.chat(&with(chat(OSS, "hi"), json!({"max_tokens": 1}))).await;
        let left: u32 = next.header("x-ratelimit-remaining-tokens").unwrap().parse().unwrap();
        assert!(left < 17_000, "{left}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_early_saves_no_tokens() {
    for model in [CLAUDE, NOVA] {
        let gateway = Setup::new().set("limits.per_key.tokens_per_minute", "20000").start().await;
        gateway.script([endless(model, 40_000)]);
        let body = with(streamed(&chat(model, "hi")), json!({"max_tokens": 50}));
        let mut live = gateway.open(Request::chat(&body)).await;
        let mut read = 0;
        while read < 40_000 {
            read += live.piece().await.unwrap().len();
        }
        drop(live);
        until(&gateway, "outcrop_calls_in_flight", 0.0).await;
        let next = gateway.chat(&with(chat(model, "hi"), json!({"max_tokens": 1}))).await;
        let left: u32 = next.header("x-ratelimit-remaining-tokens").unwrap().parse().unwrap();
        // Ten thousand went out. Some flow in again meanwhile, and the estimate was for seventy.
        assert!(left < 17_000, "{model}: {left}");
    }
}
