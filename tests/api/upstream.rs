//! Calls that repeat what the SDK has come to, and the connections that all calls share.

use std::sync::Arc;

use outcrop::simulator::{Recorded, Reply, Step};
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{CLAUDE, NOVA, Request, Setup, TestGateway, chat, claude_stream};

/// The SDK numbers its calls.
fn through_the_sdk(call: &Recorded) -> bool {
    call.headers.contains_key("amz-sdk-invocation-id")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_makes_the_first_call_and_what_follows_is_signed_like_it() {
    let gateway = Setup::new().unfolded().start().await;
    for model in [CLAUDE, NOVA] {
        for stream in [false, true] {
            for text in ["one", "two", "three"] {
                let body = chat(model, text);
                if stream {
                    gateway.stream(&body).await.assert_complete(false);
                } else {
                    gateway.chat(&body).await.completion();
                }
            }
            let calls = gateway.calls();
            let [first, second, third] = &calls[calls.len() - 3..] else { panic!("three calls") };
            assert!(through_the_sdk(first) && !through_the_sdk(second) && !through_the_sdk(third));
            assert_eq!(first.path, second.path);
            assert_ne!(first.body, second.body);
            // The same words to AWS, but for what is each call's own.
            let own = ["amz-sdk-invocation-id", "amz-sdk-request", "authorization", "x-amz-date"];
            for (name, value) in &first.headers {
                if !own.contains(&name.as_str()) && name != "content-length" {
                    assert_eq!(second.headers.get(name), Some(value), "{name}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_brings_the_next_call_back_to_the_sdk() {
    let gateway = Setup::new().set("retry.max_attempts", "1").start().await;
    let body = chat(CLAUDE, "hi");
    for (status, code, back) in [
        (403, "ExpiredTokenException", true),
        (400, "ValidationException", true),
        (429, "ThrottlingException", false),
    ] {
        gateway.chat(&body).await.completion();
        gateway.chat(&body).await.completion();
        assert!(!gateway.calls().last().is_some_and(through_the_sdk));
        gateway.script([Reply::error(status, code, "no")]);
        gateway.chat(&body).await;
        gateway.chat(&body).await.completion();
        assert_eq!(gateway.calls().last().is_some_and(through_the_sdk), back, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_says_the_same_with_the_sdk_and_without() {
    let gateway = Setup::new().set("retry.max_attempts", "1").start().await;
    for (status, code) in
        [(400, "ValidationException"), (403, "AccessDeniedException"), (429, "ThrottlingException")]
    {
        let model = if status == 400 { CLAUDE } else { NOVA };
        let body = chat(model, "hi");
        let refuse = || gateway.script([Reply::error(status, code, "because")]);
        refuse();
        let with = gateway.chat(&body).await;
        gateway.chat(&body).await.completion();
        refuse();
        let without = gateway.chat(&body).await;
        assert!(!gateway.calls().last().is_some_and(through_the_sdk), "{code}");
        assert_eq!((with.status, with.json()), (without.status, without.json()), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_is_sent_with_every_call() {
    let gateway = Setup::new()
        .set("aws.bearer_token", "bedrock-api-key-x")
        .simulator(|options| options.signatures = outcrop::simulator::Signatures::Ignored)
        .start()
        .await;
    for _ in 0..3 {
        gateway.chat(&chat(CLAUDE, "hi")).await.completion();
    }
    for call in gateway.calls() {
        assert_eq!(call.headers["authorization"], "Bearer bedrock-api-key-x");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_is_answered_like_any_other() {
    let gateway = TestGateway::start().await;
    let long = "x ".repeat(140 * 1024);
    for _ in 0..2 {
        let body = chat(CLAUDE, &long);
        gateway.chat(&body).await.completion();
        gateway.stream(&body).await.assert_complete(false);
        assert_eq!(gateway.last_call().1["messages"][0]["content"][0]["text"], json!(long));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_call_of_its_long_body() {
    let gateway = TestGateway::start().await;
    let mut steps = claude_stream();
    steps.insert(3, Step::Hold(Arc::new(Notify::new())));
    gateway.script([Reply::json(200, &json!({})).after(Step::Stall), Reply::stream(steps)]);
    let body = chat(CLAUDE, &"x ".repeat(140 * 1024));
    let waiting = gateway.dispatch(Request::chat(&body)).await;
    // It counts from its head on; its reply is taken once its body is there.
    while gateway.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(waiting);
    gateway.seen(|observed| observed.cancelled_requests == 1).await;
    let mut live = gateway.open_stream(&body).await;
    live.piece().await.unwrap();
    drop(live);
    gateway.seen(|observed| observed.cancelled_streams == 1).await;
}
