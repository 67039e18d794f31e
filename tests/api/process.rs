//! The binary itself: what it says, and what signals do to it.

use std::process::Stdio;

use futures_util::future::join_all;
use outcrop::simulator::{Credentials, Options, Simulator};
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{CLAUDE, Control, NOVA, Request, Server, chat, outcrop, streamed};

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_with_success() {
    for name in ["TERM", "INT"] {
        let server = Server::start(&["serve", "--simulate", "--listen", "127.0.0.1:0"]);
        Request::chat(&chat(CLAUDE, "hi")).send(server.address).await.completion();
        server.signal(name);
        assert_eq!(server.exit_code(), Some(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_period_has_an_end() {
    let server =
        Server::start(&["serve", "--simulate", "--listen", "127.0.0.1:0", "--set", "server.grace=0.05"]);
    let live = Request::chat(&streamed(&chat(CLAUDE, "abc [[stall after=1]]"))).open(server.address).await;
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    drop(live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_waits_for_nothing() {
    let server = Server::start(&["serve", "--simulate", "--listen", "127.0.0.1:0"]);
    let mut live =
        Request::chat(&streamed(&chat(CLAUDE, "abc [[stall after=1]]"))).open(server.address).await;
    live.piece().await.unwrap();
    server.signal("TERM");
    // The first one has been heard when nobody is let in any more.
    while TcpStream::connect(server.address).await.is_ok() {}
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_lives_is_not_ready_and_says_why() {
    let server = Server::start(&["serve", "--listen", "127.0.0.1:0"]);
    let get = async |path: &str| Request::get(path).send(server.address).await;
    assert_eq!(get("/livez").await.status, 200);
    let ready = get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("[-] credentials"), "{}", ready.text());
    let answer = Request::chat(&chat(CLAUDE, "hi")).send(server.address).await;
    let expected = (500, "server_error".to_owned(), Some("upstream_auth_error".to_owned()));
    assert_eq!(answer.verdict(), expected);
    assert_eq!(answer.header("x-outcrop-attempts"), Some("1"), "there are none the second time either");
    assert!(answer.text().contains("outcrop doctor"), "{}", answer.text());
    assert_eq!(get("/health").await.json()["status"], "no_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expire_are_fetched_once_for_all_calls() {
    let keys = Credentials { session_token: Some("passing".to_owned()), ..Credentials::default() };
    let options = Options { credentials: keys.clone(), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let token = json!({
        "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key, "Token": keys.session_token,
        "Expiration": "2099-01-01T00:00:00Z",
    });
    let issuer = Control::start(move |_| Some((200, token.clone()))).await;
    let endpoint = format!("aws.endpoint_url={}", simulator.url());
    let mut command =
        outcrop(&["serve", "--listen", "127.0.0.1:0", "--set", &endpoint, "--set", "models.live.interval=0"]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &issuer.url);
    let server = Server::started(command);
    // The look at start, of which `/readyz` tells.
    while Request::get("/readyz").send(server.address).await.status != 200 {}
    let looked = issuer.asked().len();
    // Two models, so that two signatures are made the long way.
    for model in [CLAUDE, NOVA] {
        let requests: Vec<_> = (0..20).map(|_| Request::chat(&chat(model, "hi"))).collect();
        for answer in join_all(requests.iter().map(|request| request.send(server.address))).await {
            answer.completion();
        }
        assert_eq!(issuer.asked().len(), looked, "{model}: those of the start serve all");
    }
}

#[test]
fn a_wrong_configuration_is_an_exit_code_of_its_own() {
    for arguments in [
        &["serve", "--set", "timeout=soon"][..],
        &["check", "--set", "no.such.key=1"],
        &["serve", "--listen", "0.0.0.0:0"],
        &["serve", "--config", "/nonexistent/outcrop.yaml"],
    ] {
        let output = outcrop(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_doctor_show_the_same_way() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let keys = Credentials::default();
    let settings = [
        format!("aws.endpoint_url={}", simulator.url()),
        format!("aws.control_endpoint_url={}", simulator.url()),
        format!("aws.access_key_id={}", keys.access_key),
        format!("aws.secret_access_key={}", keys.secret_key),
        "models={lite: amazon.nova-2-lite-v1:0, list: {include: [lite]}}".to_owned(),
    ];
    let run = |command: &str| {
        let arguments: Vec<&str> =
            [command].into_iter().chain(settings.iter().flat_map(|set| ["--set", set.as_str()])).collect();
        let output = outcrop(&arguments).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let way = ["us.amazon.nova-2-lite-v1:0", "us-east-1", "nova/converse"];
    assert_eq!(run("models"), format!("lite\t{}\n", way.join("\t")));
    let diagnosis = run("doctor");
    assert!(diagnosis.contains(&format!("answers ({})", way.join(", "))), "{diagnosis}");
    assert!(diagnosis.contains("[ok]   us-east-1 lists"), "{diagnosis}");
}
