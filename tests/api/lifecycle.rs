//! How it starts, and how it stops.

use std::collections::BTreeMap;
use std::sync::Arc;

use outcrop::app::{App, StartError};
use outcrop::config::{self, Config, Overrides, Sources};
use outcrop::simulator::{Reply, Step};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use serde_json::json;

use crate::support::{
    CLAUDE, Ending, Live, NOVA, Request, Setup, SseEvent, TestGateway, Transcript, chat, claude_stream,
    parse, streamed,
};

/// A stream in flight that waits for its release.
async fn in_flight(gateway: &TestGateway) -> (Live, Vec<u8>, Arc<Notify>) {
    let released = Arc::new(Notify::new());
    let mut steps = claude_stream();
    steps.insert(3, Step::Hold(Arc::clone(&released)));
    gateway.script([Reply::stream(steps)]);
    let mut live = gateway.open_stream(&chat(CLAUDE, "hi")).await;
    let first = live.piece().await.unwrap();
    (live, first, released)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_flight_ends_in_its_own_time() {
    let mut gateway = Setup::new().set("server.admin", "'127.0.0.1:0'").start().await;
    let (live, first, released) = in_flight(&gateway).await;
    gateway.shutdown.leave();
    // Still serving, while load balancers take notice.
    let ready = gateway.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("[-] draining"), "{}", ready.text());
    assert_eq!(gateway.get("/livez").await.status, 200);
    assert_eq!(gateway.get("/health").await.json()["status"], "draining");
    let last = gateway.chat(&chat(CLAUDE, "hi")).await;
    last.completion();
    assert_eq!(last.header("connection"), Some("close"));

    gateway.shutdown.drain();
    assert!(gateway.ended.try_recv().is_err(), "a stream is still in flight");
    released.notify_one();
    let rest = live.rest().await;
    assert_eq!(rest.ending, Ending::Whole);
    let body = String::from_utf8([first, rest.body].concat()).unwrap();
    assert_eq!(parse(&body).last(), Some(&SseEvent::Done));
    (&mut gateway.ended).await.unwrap();
    assert!(TcpStream::connect(gateway.address).await.is_err(), "nobody listens any more");
    assert!(TcpStream::connect(gateway.admin.unwrap()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_beyond_the_grace_period_ends_with_an_error_and_not_with_a_cut() {
    let mut gateway = TestGateway::start().await;
    let (live, first, _released) = in_flight(&gateway).await;
    gateway.shutdown.close();
    let mut answer = live.rest().await;
    answer.body = [first, answer.body].concat();
    let error = Transcript::of(answer).assert_broken(false);
    assert_eq!((&error["code"], &error["type"]), (&json!("shutting_down"), &json!("server_error")));
    gateway.seen(|observed| observed.cancelled_streams == 1).await;
    // Nothing is left, so nothing has to be forced.
    (&mut gateway.ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_never_pauses_ends_at_the_grace_periods_end_too() {
    let mut gateway = TestGateway::start().await;
    let mut live =
        gateway.open_stream(&chat(CLAUDE, &format!("{} [[deltas:100000]]", "ab ".repeat(100_000)))).await;
    let first = live.piece().await.unwrap();
    gateway.shutdown.close();
    let mut answer = live.rest().await;
    answer.body = [first, answer.body].concat();
    let error = Transcript::of(answer).assert_broken(false);
    assert_eq!(error["code"], "shutting_down");
    (&mut gateway.ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_beyond_the_grace_period_may_be_made_elsewhere() {
    for body in [chat(CLAUDE, "[[stall]]"), streamed(&chat(CLAUDE, "[[stall]]")), chat(NOVA, "[[stall]]")] {
        let mut gateway = TestGateway::start().await;
        let sent = gateway.dispatch(Request::chat(&body)).await;
        gateway.seen(|observed| observed.requests == 1).await;
        gateway.shutdown.close();
        let answer = sent.head().await.rest().await;
        let expected = (503, "server_error".to_owned(), Some("shutting_down".to_owned()));
        assert_eq!(answer.verdict(), expected);
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.header("x-should-retry"), None, "the client's own retries are welcome");
        assert_eq!(answer.header("connection"), Some("close"));
        gateway.seen(|observed| observed.cancelled_requests + observed.cancelled_streams == 1).await;
        (&mut gateway.ended).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn force_ends_what_is_left_and_the_call_upstream() {
    let mut gateway = TestGateway::start().await;
    let (live, _, _released) = in_flight(&gateway).await;
    gateway.shutdown.force();
    (&mut gateway.ended).await.unwrap();
    // Its last words go out if there is still time for them.
    let rest = live.rest().await;
    assert!(!rest.text().contains("[DONE]"), "half a stream doesn't look like a whole one");
    assert!(rest.ending == Ending::Cut || rest.text().contains("shutting_down"), "{}", rest.text());
    gateway.seen(|observed| observed.cancelled_streams == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_without_work_ends_at_once() {
    let mut gateway = TestGateway::start().await;
    // A kept-alive connection that waits for nothing.
    let idle = TcpStream::connect(gateway.address).await.unwrap();
    gateway.send(Request::get("/livez")).await;
    gateway.shutdown.drain();
    (&mut gateway.ended).await.unwrap();
    drop(idle);
}

fn config(keys: &[(&str, &str)]) -> Result<Config, config::Errors> {
    let mut overrides = Overrides::default();
    overrides.set("test", "server.listen", "127.0.0.1:0");
    for (path, yaml) in keys {
        overrides.set_yaml("test", path, yaml).unwrap();
    }
    config::load(Sources { file: None, vars: &BTreeMap::<String, String>::new(), overrides })
}

async fn refusal(keys: &[(&str, &str)]) -> StartError {
    match App::start(&config(keys).unwrap(), true).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn what_only_the_families_can_judge_keeps_it_from_starting() {
    for (models, words) in [
        ("{x: {target: amazon.nova-lite-v1:0, family: lama}}", "there is no family `lama`"),
        ("{x: {target: xai.grok-4.7, format: native}}", "no native format"),
    ] {
        let error = refusal(&[("models", models)]).await;
        assert!(matches!(&error, StartError::Model { name, .. } if name == "x"), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_keeps_it_from_starting() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = refusal(&[("server.listen", &format!("'{address}'"))]).await;
    assert!(matches!(error, StartError::Bind(at, ..) if at == address), "{error}");
}

#[test]
fn a_configuration_is_refused_with_everything_that_is_wrong_with_it() {
    let errors =
        config(&[("server.lisen", "x"), ("retry.max_attempts", "0"), ("timeout", "soon")]).unwrap_err();
    assert_eq!(errors.0.len(), 3, "{errors}");
    let errors = config(&[("server.listen", "'0.0.0.0:0'")]).unwrap_err();
    assert!(errors.to_string().contains("no key is configured"), "{errors}");
    assert!(config(&[("server.listen", "'0.0.0.0:0'"), ("auth.mode", "none")]).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_simulator_serves_without_an_account() {
    let app = App::start(&config(&[]).unwrap(), true).await.unwrap();
    let address = app.address();
    let shutdown = app.shutdown();
    assert!(app.simulator().is_some());
    let serving = tokio::spawn(app.serve());
    let answer = Request::chat(&chat(CLAUDE, "hi")).send(address).await;
    assert_eq!(answer.completion()["choices"][0]["message"]["content"], "hi");
    assert_eq!(answer.header("x-outcrop-simulated"), Some("true"));
    assert_eq!(Request::get("/health").send(address).await.json()["simulated"], true);
    shutdown.drain();
    serving.await.unwrap();
}
