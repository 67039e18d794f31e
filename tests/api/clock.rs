//! A machine whose clock is wrong.

use crate::support::{CLAUDE, Setup, TestGateway, chat, streamed};

async fn skew(gateway: &TestGateway) -> f64 {
    let metrics = gateway.get("/metrics").await.text().to_owned();
    let line =
        metrics.lines().find(|line| line.starts_with("outcrop_clock_skew_seconds ")).unwrap().to_owned();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Until what was measured has come to where it is shown.
async fn shown(gateway: &TestGateway, is_it: impl Fn(f64) -> bool) {
    while !is_it(skew(gateway).await) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_refused_for_its_time_is_made_again_by_aws_own() {
    for seconds in [900_i64, -900] {
        let gateway = TestGateway::start().await;
        // So far so good: calls are made without the SDK by now.
        for _ in 0..2 {
            gateway.chat(&chat(CLAUDE, "hi")).await.completion();
        }
        gateway.simulator.shift_clock(seconds);
        let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
        answer.completion();
        assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
        // From then on nothing is refused, with the SDK or without.
        for body in [chat(CLAUDE, "hi"), streamed(&chat(CLAUDE, "hi"))].iter().cycle().take(6) {
            let answer = gateway.send(crate::support::Request::chat(body)).await;
            assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (200, Some("1")));
        }
        let last = gateway.calls().pop().unwrap();
        assert!(!last.headers.contains_key("amz-sdk-invocation-id"), "repeated without the SDK");

        #[expect(clippy::cast_precision_loss, reason = "it is 900")]
        let expected = seconds as f64;
        shown(&gateway, |skew| (skew - expected).abs() < 60.0).await;
        let health = gateway.get("/health").await.json();
        assert_eq!(health["clock"]["corrected"], true);
        let ready = gateway.get("/readyz?verbose").await;
        assert_eq!(ready.status, 200);
        assert!(ready.text().contains("[!] clock: AWS's less this machine's is"), "{}", ready.text());

        // Somebody sets the clock.
        gateway.simulator.shift_clock(0);
        let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
        answer.completion();
        assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
        shown(&gateway, |skew| skew.abs() < 60.0).await;
        let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
        assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (200, Some("1")));
        assert_eq!(gateway.get("/health").await.json()["clock"]["corrected"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_little_off_is_shown_and_left_alone() {
    let gateway = Setup::new().simulator(|_| {}).start().await;
    gateway.simulator.shift_clock(200);
    let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
    answer.completion();
    assert_eq!(answer.header("x-outcrop-attempts"), Some("1"));
    shown(&gateway, |skew| (skew - 200.0).abs() < 60.0).await;
    assert_eq!(gateway.get("/health").await.json()["clock"]["corrected"], false);
}
