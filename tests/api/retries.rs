//! What is tried again, how often, and what never is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use outcrop::simulator::{Reply, Step};
use tokio::sync::Notify;

use crate::support::{CLAUDE, LLAMA, NOVA, Request, Setup, TestGateway, chat, claude_stream, streamed};

#[tokio::test(flavor = "multi_thread")]
async fn two_failures_and_then_an_answer() {
    let gateway = TestGateway::start().await;
    for exception in ["throttlingException", "serviceUnavailableException", "internalServerException"] {
        for model in [CLAUDE, NOVA, LLAMA] {
            let body = chat(model, &format!("hi [[fail-times:2 {exception}]]"));
            let answer = gateway.chat(&body).await;
            assert_eq!(answer.completion()["choices"][0]["message"]["content"], "hi");
            assert_eq!(answer.header("x-outcrop-attempts"), Some("3"));
            let streamed = gateway.stream(&body).await;
            streamed.assert_complete(false);
            assert_eq!(streamed.answer.header("x-outcrop-attempts"), Some("3"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_attempt_is_all_if_config_says_so() {
    let gateway = Setup::new().set("retry.max_attempts", "1").start().await;
    let answer = gateway.chat(&chat(CLAUDE, "hi [[fail-times:1 throttlingException]]")).await;
    assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (429, Some("1")));
    assert_eq!(gateway.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_sends_the_same() {
    let gateway = TestGateway::start().await;
    gateway.chat(&chat(CLAUDE, "hi [[fail-times:2 throttlingException]]")).await.completion();
    let calls = gateway.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.body == calls[0].body && call.path == calls[0].path));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_before_an_answer_is_tried_again() {
    let gateway = TestGateway::start().await;
    for body in [chat(CLAUDE, "hi"), chat(NOVA, "hi")] {
        for hang_up in [Reply::hang_up(), Reply::stream([]).after(Step::Reset)] {
            gateway.script([hang_up]);
            gateway.chat(&body).await.completion();
            gateway.script([Reply::stream([Step::Cut])]);
            let streamed = gateway.stream(&body).await;
            streamed.assert_complete(false);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_tried_again_after_the_first_event() {
    let gateway = TestGateway::start().await;
    for after in 1..4 {
        let before = gateway.calls().len();
        let frames = claude_stream().into_iter().take(after).chain([Step::Cut]);
        gateway.script([Reply::stream(frames)]);
        gateway.stream(&chat(CLAUDE, "hi")).await.assert_broken(false);
        assert_eq!(gateway.calls().len(), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_own_wait_is_kept_or_handed_on() {
    let gateway = Setup::new().set("retry.max_retry_after", "1").start().await;
    let throttled = Reply::error(429, "ThrottlingException", "slow down");
    // Short enough to be waited for.
    for (header, value) in [("retry-after", "0"), ("retry-after", "0.01"), ("x-amz-retry-after", "10")] {
        gateway.script([throttled.clone().with_header(header, value)]);
        let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
        answer.completion();
        assert_eq!(answer.header("x-outcrop-attempts"), Some("2"), "{header}: {value}");
    }
    // Longer than anybody should be kept waiting: the client gets it at once, with the wait.
    for (header, value, told, millis) in [
        ("retry-after", "2", "2", "2000"),
        ("retry-after", "119.5", "120", "119500"),
        ("x-amz-retry-after", "1500", "2", "1500"),
    ] {
        gateway.script([throttled.clone().with_header(header, value)]);
        let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
        assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (429, Some("1")), "{value}");
        assert_eq!(answer.header("retry-after"), Some(told));
        assert_eq!(answer.header("retry-after-ms"), Some(millis));
        // The gateway has not tried again, so the client may.
        assert_eq!(answer.header("x-should-retry"), None);
    }
    // A moment, by the clock of who says it.
    let dated = |at: SystemTime| {
        let date = DateTime::from(at).fmt(Format::HttpDate).unwrap();
        throttled.clone().with_header("retry-after", &date)
    };
    let now = SystemTime::now();
    gateway.script([dated(now + Duration::from_hours(1))]);
    let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
    let told: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!((answer.status, (3500..=3601).contains(&told)), (429, true), "{told}");
    gateway.script([dated(now - Duration::from_hours(1))]);
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
    // A wait that is none.
    for nonsense in ["soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "NaN", "1e999"] {
        gateway.script([throttled.clone().with_header("retry-after", nonsense)]);
        let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
        answer.completion();
        assert_eq!(answer.header("x-outcrop-attempts"), Some("2"), "{nonsense}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_cant_end_in_time_is_not_begun() {
    let gateway = Setup::new().set("timeout", "5").set("retry.max_retry_after", "20").start().await;
    gateway.script([Reply::error(429, "ThrottlingException", "slow down").with_header("retry-after", "9")]);
    let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
    assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (429, Some("1")));
    assert_eq!(answer.header("retry-after"), Some("9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_between_attempts_ends_them() {
    let gateway = TestGateway::start().await;
    let released = Arc::new(Notify::new());
    let held =
        Reply::error(503, "ServiceUnavailableException", "full").after(Step::Hold(Arc::clone(&released)));
    gateway.script([held]);
    let sent = gateway.dispatch(Request::chat(&streamed(&chat(CLAUDE, "hi")))).await;
    gateway.seen(|observed| observed.requests == 1).await;
    drop(sent);
    gateway.seen(|observed| observed.cancelled_requests == 1).await;
    // Another chat on the same gateway: nothing of the first is left to be tried.
    gateway.chat(&chat(NOVA, "hi")).await.completion();
    assert_eq!(gateway.calls().len(), 2);
}
