//! Calls in several accounts: whose credentials each is signed with, and what becomes of those that AWS refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outcrop::simulator::{Credentials, Signatures};

use crate::support::{Answer, CLAUDE, Control, Issuer, Minted, NOVA, Setup, TestGateway, chat, sts};

/// The access key that the latest call was signed with.
fn signer(gateway: &TestGateway) -> String {
    let calls = gateway.calls();
    let signature = calls.last().unwrap().headers["authorization"].to_str().unwrap().to_owned();
    match signature.split_once("Credential=") {
        Some((_, scope)) => scope.split('/').next().unwrap().to_owned(),
        None => signature,
    }
}

#[track_caller]
fn assert_answered(answer: &Answer, attempts: &str) {
    answer.completion();
    assert_eq!(answer.header("x-outcrop-attempts"), Some(attempts));
}

/// An STS that gives new credentials each time, which only start to hold once `accept` says so.
async fn numbered_sts() -> (Issuer, Arc<AtomicU64>) {
    let given = Arc::<AtomicU64>::default();
    let count = Arc::clone(&given);
    let issuer = Issuer::start(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let minted = Minted {
            key: format!("ASIAROLE{number}"),
            secret: format!("canary-secret-{number}"),
            token: format!("canary-token-{number}"),
        };
        (200, sts("AssumeRole", &minted))
    })
    .await;
    (issuer, given)
}

fn accept(gateway: &TestGateway, number: u64) {
    gateway.simulator.accept(Credentials {
        access_key: format!("ASIAROLE{number}"),
        secret_key: format!("canary-secret-{number}"),
        session_token: Some(format!("canary-token-{number}")),
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn each_model_is_called_with_the_credentials_of_its_account() {
    let (issuer, _) = numbered_sts().await;
    let models = format!(
        "{{live: {{interval: 0}}, \
          keyed: {{target: '{CLAUDE}', account: keys}}, assumed: {{target: '{CLAUDE}', account: role}}, \
          far: {{target: '{CLAUDE}', account: keys, region: eu-west-1}}, token: {{target: '{CLAUDE}', account: api}}}}"
    );
    let gateway = Setup::new()
        .set("models", &models)
        .set("aws.sts_endpoint_url", &issuer.url)
        .set(
            "accounts",
            "{keys: {access_key_id: AKIDKEYS, secret_access_key: the-keys}, \
              role: {role_arn: 'arn:aws:iam::210987654321:role/bedrock', external_id: agreed-on, \
                     session_name: gateway-1, tags: {team: search}, duration: 900, source: keys}, \
              api: {bearer_token: an-api-key}}",
        )
        .simulator(|options| options.bearer_token = Some("an-api-key".to_owned()))
        .start()
        .await;
    accept(&gateway, 0);
    let keys =
        Credentials { access_key: "AKIDKEYS".into(), secret_key: "the-keys".into(), session_token: None };
    gateway.simulator.accept(keys);
    // Twice: the second call is made without the SDK, and not with the other's signature either.
    for _ in 0..2 {
        for (model, key, region) in [
            (CLAUDE, "AKIDSIMULATOR", "us-east-1"),
            ("keyed", "AKIDKEYS", "us-east-1"),
            ("assumed", "ASIAROLE0", "us-east-1"),
            ("far", "AKIDKEYS", "eu-west-1"),
            ("token", "Bearer an-api-key", ""),
        ] {
            let answer = gateway.chat(&chat(model, "hi")).await;
            assert_answered(&answer, "1");
            assert_eq!(answer.header("x-outcrop-model"), Some(CLAUDE));
            assert_eq!(signer(&gateway), key, "{model}");
            let signature = gateway.calls().pop().unwrap().headers["authorization"].clone();
            assert!(signature.to_str().unwrap().contains(region), "{model}: {signature:?}");
        }
    }
    let [asked] = &issuer.asked()[..] else { panic!("STS is asked once") };
    assert_eq!(asked.signer(), Some("AKIDKEYS"));
    for (field, value) in [
        ("Action", "AssumeRole"),
        ("RoleArn", "arn:aws:iam::210987654321:role/bedrock"),
        ("ExternalId", "agreed-on"),
        ("RoleSessionName", "gateway-1"),
        ("DurationSeconds", "900"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "search"),
    ] {
        assert_eq!(asked.field(field).as_deref(), Some(value), "{field}");
    }

    let health = gateway.get("/health").await;
    let accounts = &health.json()["accounts"];
    assert_eq!(accounts["role"]["source"], "AssumeRoleProvider");
    assert!(accounts["role"]["expires_at"].is_u64());
    assert_eq!(accounts["api"]["source"], "Bedrock API key");
    assert_eq!(accounts["keys"]["state"], "resolved");
    for hidden in ["210987654321", "AKID", "ASIA", "canary", "the-keys", "an-api-key", "agreed-on"] {
        assert!(!health.text().contains(hidden), "{hidden}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_a_source_is_assumed_with_the_base_credentials_once_for_all_regions() {
    let (issuer, given) = numbered_sts().await;
    let models = format!(
        "{{live: {{interval: 0}}, here: {{target: '{CLAUDE}', account: role}}, \
          there: {{target: '{CLAUDE}', account: role, region: eu-west-1}}}}"
    );
    let gateway = Setup::new()
        .set("models", &models)
        .set("aws.sts_endpoint_url", &issuer.url)
        .set("accounts", "{role: {role_arn: 'arn:aws:iam::210987654321:role/bedrock'}}")
        .start()
        .await;
    accept(&gateway, 0);
    for model in ["here", "there"] {
        assert_answered(&gateway.chat(&chat(model, "hi")).await, "1");
        assert_eq!(signer(&gateway), "ASIAROLE0");
    }
    assert_eq!(given.load(Ordering::Relaxed), 1);
    assert_eq!(issuer.asked()[0].signer(), Some("AKIDSIMULATOR"));
    assert_eq!(issuer.asked()[0].field("RoleSessionName").as_deref(), Some("outcrop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_aws_refuses_are_replaced_and_the_call_is_made_once_more() {
    let (issuer, given) = numbered_sts().await;
    let models = format!(
        "{{live: {{interval: 0}}, a: {{target: '{CLAUDE}', account: role}}, \
          b: {{target: '{NOVA}', account: role, region: eu-west-1}}}}"
    );
    let gateway = Setup::new()
        .set("models", &models)
        .set("aws.sts_endpoint_url", &issuer.url)
        .set("accounts", "{role: {role_arn: 'arn:aws:iam::210987654321:role/bedrock'}}")
        .start()
        .await;
    accept(&gateway, 0);
    for model in ["a", "b", "a", "b"] {
        assert_answered(&gateway.chat(&chat(model, "hi")).await, "1");
    }
    // They end before their time.
    gateway.simulator.expire("ASIAROLE0");
    accept(&gateway, 1);
    assert_answered(&gateway.chat(&chat("a", "hi")).await, "2");
    assert_eq!(signer(&gateway), "ASIAROLE1");
    // What was signed ahead in another Region has gone with them.
    assert_answered(&gateway.chat(&chat("b", "hi")).await, "1");
    assert_eq!((signer(&gateway).as_str(), given.load(Ordering::Relaxed)), ("ASIAROLE1", 2));
    // The new ones are no better: twice in all, and STS isn't asked again and again.
    gateway.simulator.expire("ASIAROLE1");
    for _ in 0..3 {
        let refused = gateway.chat(&chat("a", "hi")).await;
        let expected = (500, "server_error".to_owned(), Some("upstream_auth_error".to_owned()));
        assert_eq!(refused.verdict(), expected);
        assert_eq!(refused.header("x-outcrop-attempts"), Some("2"));
    }
    assert_eq!(given.load(Ordering::Relaxed), 2);
    // Nobody else is concerned.
    assert_answered(&gateway.chat(&chat(CLAUDE, "hi")).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_credentials_sts_refuses_is_asked_anew() {
    let first = AtomicU64::new(0);
    let issuer = Issuer::start(move |asked| {
        let minted = |key: String| Minted { key, secret: "s".into(), token: "t".into() };
        let given = match (asked.field("RoleArn").unwrap().as_str(), asked.signer()) {
            ("arn:aws:iam::210987654321:role/first", _) => {
                minted(format!("ASIAFIRST{}", first.fetch_add(1, Ordering::Relaxed)))
            }
            // The first ones have ended before their time.
            (_, Some("ASIAFIRST1")) => minted("ASIASECOND".into()),
            (_, _) => {
                let expired = "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>m</Message></Error></ErrorResponse>";
                return (403, expired.to_owned());
            }
        };
        (200, sts("AssumeRole", &given))
    })
    .await;
    let gateway = Setup::new()
        .set("models", &format!("{{live: {{interval: 0}}, a: {{target: '{CLAUDE}', account: second}}}}"))
        .set("aws.sts_endpoint_url", &issuer.url)
        .set(
            "accounts",
            "{first: {role_arn: 'arn:aws:iam::210987654321:role/first'}, \
              second: {role_arn: 'arn:aws:iam::123456789012:role/second', source: first}}",
        )
        .simulator(|options| options.signatures = Signatures::Ignored)
        .start()
        .await;
    assert_answered(&gateway.chat(&chat("a", "hi")).await, "1");
    assert_eq!(signer(&gateway), "ASIASECOND");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_credentials_fails_its_own_calls_and_leaves_the_rest_ready() {
    let issuer = Issuer::start(|_| {
        let denied =
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        (403, denied.to_owned())
    })
    .await;
    let gateway = Setup::new()
        .set("models", &format!("{{live: {{interval: 0}}, a: {{target: '{CLAUDE}', account: role}}}}"))
        .set("aws.sts_endpoint_url", &issuer.url)
        .set("accounts", "{role: {role_arn: 'arn:aws:iam::210987654321:role/bedrock'}}")
        .start()
        .await;
    let refused = gateway.chat(&chat("a", "hi")).await;
    assert_eq!(refused.verdict(), (500, "server_error".into(), Some("upstream_auth_error".into())));
    assert!(!refused.text().contains("210987654321"), "{}", refused.text());
    assert_answered(&gateway.chat(&chat(CLAUDE, "hi")).await, "1");
    let ready = gateway.get("/readyz?verbose").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert!(ready.text().contains("[!] account role: no source of credentials gave any"), "{}", ready.text());
    assert_eq!(gateway.get("/health").await.json()["accounts"]["role"]["state"], "unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_is_called_in_the_account_of_what_it_succeeds() {
    let old = "anthropic.claude-instant-v1";
    let models = format!(
        "{{live: {{interval: 0}}, old: {{target: '{old}', account: keys, region: eu-west-1, successor: '{CLAUDE}'}}, \
          elsewhere: {{target: '{old}', account: keys, successor: api}}, api: {{target: '{CLAUDE}', account: api}}}}"
    );
    let gateway = Setup::new()
        .set("models", &models)
        .set(
            "accounts",
            "{keys: {access_key_id: AKIDKEYS, secret_access_key: x}, api: {bearer_token: token}}",
        )
        .simulator(|options| options.signatures = Signatures::Ignored)
        .start()
        .await;
    for (model, key) in [("old", "AKIDKEYS"), ("elsewhere", "Bearer token")] {
        let answer = gateway.chat(&chat(model, "hi")).await;
        answer.completion();
        assert_eq!(answer.header("x-outcrop-model"), Some(CLAUDE));
        assert_eq!(signer(&gateway), key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_an_arn_of_another_account_is_not_asked_in_this_one() {
    let control = Control::denying().await;
    let arn = "arn:aws:bedrock:us-east-1:210987654321:application-inference-profile/abc123";
    let gateway = Setup::new()
        .control(&control.url)
        .set("models", &format!("{{theirs: {{target: '{arn}', account: keys, family: anthropic}}}}"))
        .set("accounts", "{keys: {access_key_id: AKIDKEYS, secret_access_key: x}}")
        .simulator(|options| {
            options.signatures = Signatures::Ignored;
            options.application_profiles = vec![(arn.to_owned(), CLAUDE.to_owned())];
        })
        .start()
        .await;
    gateway.informed().await;
    assert_answered(&gateway.chat(&chat("theirs", "hi")).await, "1");
    assert_eq!(signer(&gateway), "AKIDKEYS");
    assert!(!control.asked().iter().any(|path| path.contains("abc123")), "{:?}", control.asked());
}

/// Two targets that differ by nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_stand_in_for_each_other_and_share_a_names_calls() {
    let start = async |targets: &str| {
        let keys = |name: &str| Credentials {
            access_key: name.to_owned(),
            secret_key: "x".to_owned(),
            session_token: None,
        };
        let gateway = Setup::new()
            .set("models", &format!("{{live: {{interval: 0}}, m: {{target: null, targets: {targets}, sticky: false}}}}"))
            .set(
                "accounts",
                "{a: {access_key_id: AKIDA, secret_access_key: x}, b: {access_key_id: AKIDB, secret_access_key: x}}",
            )
            .start()
            .await;
        gateway.simulator.accept(keys("AKIDA"));
        gateway.simulator.accept(keys("AKIDB"));
        gateway
    };
    let target = |account: &str, weight: &str| format!("{{target: '{CLAUDE}', account: {account}{weight}}}");

    let gateway = start(&format!("[{}, {}]", target("a", ""), target("b", ""))).await;
    assert_answered(&gateway.chat(&chat("m", "hi")).await, "1");
    assert_eq!(signer(&gateway), "AKIDA");
    gateway.simulator.expire("AKIDA");
    for _ in 0..20 {
        gateway.chat(&chat("m", "hi")).await.completion();
        assert_eq!(signer(&gateway), "AKIDB");
    }
    // The one's breaker is not the other's: by now the first isn't tried any more.
    assert_answered(&gateway.chat(&chat("m", "hi")).await, "1");

    let gateway = start(&format!("[{}, {}]", target("a", ", weight: 1"), target("b", ", weight: 1"))).await;
    for _ in 0..60 {
        assert_answered(&gateway.chat(&chat("m", "hi")).await, "1");
    }
    let calls = gateway.calls();
    let of = |key: &str| {
        let signed = |call: &&outcrop::simulator::Recorded| {
            call.headers["authorization"].to_str().unwrap().contains(key)
        };
        calls.iter().filter(signed).count()
    };
    // All sixty in one half: once in 2^59.
    assert!(of("AKIDA") > 0 && of("AKIDB") > 0 && of("AKIDA") + of("AKIDB") == 60);
}
