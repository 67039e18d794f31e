//! Who may call, and which models.

use super::*;

#[tokio::test]
async fn a_wrong_secret_is_refused_with_the_services_words() {
    let simulator = simulator().await;
    let sent = signed_by(&simulator, "wrong").converse().model_id(CLAUDE).messages(user("hi")).send().await;
    let error = sent.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    assert!(error.message().unwrap().starts_with("The request signature we calculated does not match"));
}

#[tokio::test]
async fn unknown_keys_tokens_and_stale_signatures_are_refused() {
    let options =
        Options { bearer_token: Some("key".into()), region: Some("us-east-1".into()), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let code = async |client: Client| {
        let sent = client.converse().model_id(CLAUDE).messages(user("hi")).send().await;
        sent.map_err(|error| error.into_service_error().code().unwrap().to_owned()).map(|_| ())
    };
    let keys =
        |id: &str, token: Option<&str>| Keys::new(id, "simulator", token.map(Into::into), None, "test");
    let with = |keys: Keys| Client::from_conf(config(&simulator).credentials_provider(keys).build());
    assert_eq!(code(with(keys("AKIDOTHER", None))).await, Err("UnrecognizedClientException".into()));
    assert_eq!(code(with(keys("AKIDSIMULATOR", Some("t")))).await, Err("UnrecognizedClientException".into()));
    assert_eq!(code(with(keys("AKIDSIMULATOR", None))).await, Ok(()));
    let elsewhere =
        config(&simulator).region(Region::new("eu-west-1")).credentials_provider(keys("AKIDSIMULATOR", None));
    assert_eq!(code(Client::from_conf(elsewhere.build())).await, Err("InvalidSignatureException".into()));
    for (token, expected) in [("key", Ok(())), ("other", Err("AccessDeniedException".to_owned()))] {
        let config = config(&simulator).bearer_token(Token::new(token, None));
        assert_eq!(code(Client::from_conf(config.build())).await, expected);
    }
    assert!(
        raw(&simulator, &get("/foundation-models")).await.contains("MissingAuthenticationTokenException")
    );
}

#[tokio::test]
async fn a_signature_is_good_for_five_minutes_and_for_what_it_signed() {
    let simulator = simulator().await;
    converse(&simulator, CLAUDE, "hi").await.unwrap();
    let sent = simulator.requests().remove(0);
    let mut request = http::Request::builder().method(sent.method).uri(&sent.path).body(()).unwrap();
    *request.headers_mut() = sent.headers;
    let (head, ()) = request.into_parts();
    let check = |body: &[u8], seconds| {
        simulator.shift_clock(seconds);
        signature::check(&simulator.shared, &head, body)
    };
    assert_eq!(check(&sent.body, 0), Ok(()));
    assert!(check(&sent.body, 400).unwrap_err().message.starts_with("Signature expired: "));
    assert!(check(&sent.body, -400).unwrap_err().message.starts_with("Signature not yet current: "));
    assert_eq!(check(b"{}", 0).unwrap_err().code.as_deref(), Some("InvalidSignatureException"));
}

#[tokio::test]
async fn credentials_come_and_go() {
    let simulator = simulator().await;
    let newer = Credentials {
        access_key: "ASIANEWER".into(),
        secret_key: "newer".into(),
        session_token: Some("its token".into()),
    };
    let keys = Keys::new("ASIANEWER", "newer", Some("its token".into()), None, "test");
    let code = async || {
        let client = Client::from_conf(config(&simulator).credentials_provider(keys.clone()).build());
        let sent = client.converse().model_id(CLAUDE).messages(user("hi")).send().await;
        sent.map_err(|error| error.into_service_error().code().unwrap().to_owned()).map(|_| ())
    };
    assert_eq!(code().await, Err("UnrecognizedClientException".into()));
    simulator.accept(newer);
    assert_eq!(code().await, Ok(()));
    simulator.expire("ASIANEWER");
    assert_eq!(code().await, Err("ExpiredTokenException".into()));
    converse(&simulator, CLAUDE, "hi").await.unwrap();
}

#[tokio::test]
async fn models_are_invoked_only_by_ids_that_bedrock_would_take() {
    let simulator = simulator().await;
    let error = converse(&simulator, "anthropic.claude-99", "hi").await.unwrap_err();
    assert_eq!(error.message(), Some("The provided model identifier is invalid."));
    let error = converse(&simulator, "anthropic.claude-sonnet-4-5-20250929-v1:0", "hi").await.unwrap_err();
    assert!(error.message().unwrap().contains("with on-demand throughput isn’t supported"));

    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    let options = Options {
        application_profiles: vec![(arn.into(), CLAUDE.into())],
        profiles_required: false,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    converse(&simulator, arn, "hi").await.unwrap();
    converse(&simulator, "anthropic.claude-sonnet-4-5-20250929-v1:0", "hi").await.unwrap();
}
