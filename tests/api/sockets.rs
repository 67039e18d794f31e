//! The sockets to Bedrock: TLS and whom it trusts, and connections that have died without a word.

use outcrop::simulator::{Options, Reply, Simulator, Step};

use crate::support::{
    CLAUDE, Deed, Fault, Issuer, Minted, Proxy, Request, Setup, Way, chat, claude_stream, pem, sts,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_a_private_authority_is_reached_if_that_is_given_and_no_other_is() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let proxy = Proxy::start_tls(simulator.address()).await.unwrap();
    let through = |bundle: Option<&str>| {
        let setup = Setup::new().upstream(proxy.url()).set("retry.max_attempts", "1");
        match bundle {
            Some(name) => setup.set("aws.ca_bundle", pem(name).to_str().unwrap()),
            None => setup,
        }
    };
    let gateway = through(Some("ca.pem")).start().await;
    for _ in 0..2 {
        gateway.chat(&chat(CLAUDE, "hi")).await.completion();
    }
    assert_eq!(simulator.requests().len(), 2);
    // Neither another authority nor those of the host.
    for bundle in [Some("other-ca.pem"), None] {
        let refused = through(bundle).start().await.chat(&chat(CLAUDE, "hi")).await;
        assert_eq!(refused.verdict(), (502, "server_error".into(), Some("upstream_unreachable".into())));
    }
    assert_eq!(simulator.requests().len(), 2, "nothing is sent to whom isn't trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_issues_credentials_is_trusted_by_the_same_bundle() {
    let minted = Minted { key: "ASIATLS".into(), secret: "s".into(), token: "t".into() };
    let given = minted.clone();
    let issuer = Issuer::start(move |_| (200, sts("AssumeRole", &given))).await;
    let proxy = Proxy::start_tls(issuer.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    let ask = async |bundle: &str| {
        let gateway = Setup::new()
            .set("aws.ca_bundle", pem(bundle).to_str().unwrap())
            .set("aws.sts_endpoint_url", &proxy.url())
            .set("accounts", "{role: {role_arn: 'arn:aws:iam::210987654321:role/bedrock'}}")
            .set("models", &format!("{{live: {{interval: 0}}, a: {{target: '{CLAUDE}', account: role}}}}"))
            .simulator(|options| options.signatures = outcrop::simulator::Signatures::Ignored)
            .start()
            .await;
        gateway.chat(&chat("a", "hi")).await.status
    };
    assert_eq!(ask("ca.pem").await, 200);
    let asked = issuer.asked().len();
    assert_eq!(ask("other-ca.pem").await, 500);
    assert_eq!(issuer.asked().len(), asked);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_variables_of_other_programs_name_the_authority_too() {
    use crate::support::{Server, outcrop};
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let proxy = Proxy::start_tls(simulator.address()).await.unwrap();
    let keys = outcrop::simulator::Credentials::default();
    let ask = async |variable: &str, bundle: &str| {
        let mut command = outcrop(&["serve", "--listen", "127.0.0.1:0"]);
        command
            .env("AWS_ENDPOINT_URL", proxy.url())
            .env("AWS_ACCESS_KEY_ID", &keys.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &keys.secret_key)
            .env("OUTCROP_MODELS__LIVE__INTERVAL", "0")
            .env("OUTCROP_RETRY__MAX_ATTEMPTS", "1")
            .env(variable, pem(bundle));
        let server = Server::started(command);
        Request::chat(&chat(CLAUDE, "hi")).send(server.address).await.status
    };
    for variable in ["SSL_CERT_FILE", "AWS_CA_BUNDLE"] {
        assert_eq!(ask(variable, "ca.pem").await, 200, "{variable}");
        assert_eq!(ask(variable, "other-ca.pem").await, 502, "{variable}");
    }
}

#[cfg(unix)]
#[test]
fn a_bundle_that_is_none_keeps_it_from_starting() {
    use crate::support::outcrop;
    for (path, words) in
        [("/nonexistent/ca.pem".into(), "No such file"), (pem("server.key"), "it holds no certificate")]
    {
        let output = outcrop(&["check"]).env("AWS_CA_BUNDLE", &path).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(said.contains("aws.ca_bundle: ") && said.contains(words), "{said}");
    }
}

/// The network has swallowed the connection: neither side is told. (On one thread, so that there is just this one.)
#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_and_never_used_again() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let proxy = Proxy::start(simulator.address()).await.unwrap();
    let mut traffic = proxy.traffic();
    let gateway = Setup::new().upstream(proxy.url()).set("timeout.idle", "0.2").start().await;
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
    assert_eq!(traffic.borrow().accepted, 1);

    let released = std::sync::Arc::new(tokio::sync::Notify::new());
    let mut steps = claude_stream();
    steps.insert(4, Step::Hold(std::sync::Arc::clone(&released)));
    simulator.script([Reply::stream(steps)]);
    let mut live = gateway.open_stream(&chat(CLAUDE, "hi")).await;
    live.piece().await.unwrap();
    proxy.order(Fault { way: Way::Down, after: 0, deed: Deed::Stall }, 1);
    released.notify_one();
    let rest = live.rest().await;
    assert!(rest.text().contains("\"error\"") && !rest.text().contains("[DONE]"), "{}", rest.text());
    // It is closed, not kept for the next call.
    traffic.wait_for(|traffic| traffic.left == 1).await.unwrap();
    let next = gateway.chat(&chat(CLAUDE, "hi")).await;
    next.completion();
    assert_eq!(next.header("x-outcrop-attempts"), Some("1"));
    let seen = *traffic.borrow();
    assert_eq!((seen.accepted, seen.left), (2, 1), "{seen:?}");
}
