//! Failures of Bedrock, and what a client is told of each: the table of statuses, types, codes and headers.

use outcrop::simulator::{Reply, Step};
use serde_json::{Value, json};

use crate::support::{CLAUDE, NOVA, Nobody, Request, Setup, TestGateway, chat, streamed};

/// What Bedrock says.
struct Said {
    status: u16,
    code: &'static str,
    message: &'static str,
}

/// What the client hears.
struct Heard {
    status: u16,
    kind: &'static str,
    code: &'static str,
    retry_after: Option<&'static str>,
    attempts: usize,
}

const fn said(status: u16, code: &'static str, message: &'static str) -> Said {
    Said { status, code, message }
}

const fn heard(status: u16, kind: &'static str, code: &'static str, attempts: usize) -> Heard {
    Heard { status, kind, code, retry_after: None, attempts }
}

impl Heard {
    const fn after(self, seconds: &'static str) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const SECRETS: &str = "User: arn:aws:sts::123456789012:assumed-role/gateway/i-0abc is not authorized to perform: \
     bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x with account 123456789012";

const TABLE: [(Said, Heard); 40] = [
    (said(400, "ValidationException", "The value is not good."), heard(400, INVALID, "invalid_value", 1)),
    (said(400, "ValidationException", SECRETS), heard(400, INVALID, "invalid_value", 1)),
    (
        said(400, "ValidationException", "Input is too long for requested model."),
        heard(400, INVALID, "context_length_exceeded", 1),
    ),
    (
        said(400, "ValidationException", "prompt is too long: 200001 tokens > 200000 maximum"),
        heard(400, INVALID, "context_length_exceeded", 1),
    ),
    (
        said(400, "ValidationException", "The provided model identifier is invalid."),
        heard(404, INVALID, "model_not_found", 1),
    ),
    (
        said(
            400,
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn’t supported.",
        ),
        heard(400, INVALID, "model_not_found", 1),
    ),
    (
        said(400, "ValidationException", "This model doesn't support tool use."),
        heard(400, INVALID, "unsupported_parameter", 1),
    ),
    (
        said(400, "ServiceQuotaExceededException", "Your request exceeds the service quota."),
        heard(429, "insufficient_quota", "insufficient_quota", 1),
    ),
    (said(403, "AccessDeniedException", SECRETS), heard(403, "permission_error", "model_access_denied", 1)),
    (
        said(403, "MPAgreementBeingCreated", "Your AWS Marketplace subscription is being set up."),
        heard(403, "permission_error", "model_access_pending", 1).after("900"),
    ),
    (
        said(403, "ExpiredTokenException", "The security token is expired"),
        heard(500, SERVER, "upstream_auth_error", 2),
    ),
    (
        said(403, "UnrecognizedClientException", "The token is invalid."),
        heard(500, SERVER, "upstream_auth_error", 2),
    ),
    (
        said(403, "InvalidSignatureException", "It does not match."),
        heard(500, SERVER, "upstream_auth_error", 2),
    ),
    (
        said(403, "InvalidSignatureException", "Signature expired: 20261123T000000Z is now earlier than …"),
        heard(500, SERVER, "upstream_auth_error", 2),
    ),
    (
        said(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        heard(500, SERVER, "upstream_auth_error", 2),
    ),
    (
        said(404, "ResourceNotFoundException", "This model version has reached the end of its life."),
        heard(404, INVALID, "model_not_found", 1),
    ),
    (said(404, "ResourceNotFoundException", SECRETS), heard(404, INVALID, "model_not_found", 1)),
    (said(408, "ModelTimeoutException", "Model has timed out."), heard(504, SERVER, "timeout", 2)),
    (said(424, "ModelErrorException", "The model failed."), heard(502, SERVER, "upstream_error", 3)),
    (said(424, "ModelStreamErrorException", "The stream failed."), heard(502, SERVER, "upstream_error", 3)),
    (
        said(429, "ThrottlingException", "Too many requests, please wait."),
        heard(429, "rate_limit_error", "rate_limit_exceeded", 3).after("5"),
    ),
    (
        said(429, "ThrottlingException", "Too many tokens per day, please wait before trying again."),
        heard(429, "insufficient_quota", "insufficient_quota", 1),
    ),
    (
        said(429, "ModelNotReadyException", "Model is not ready for inference."),
        heard(503, SERVER, "model_not_ready", 3).after("15"),
    ),
    (said(500, "InternalServerException", SECRETS), heard(502, SERVER, "server_error", 3)),
    (said(500, "InternalFailure", ""), heard(502, SERVER, "server_error", 3)),
    (
        said(503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
        heard(503, SERVER, "overloaded", 3).after("5"),
    ),
    (said(529, "overloaded_error", "Overloaded"), heard(503, SERVER, "overloaded", 3).after("5")),
    // Without a code the status decides.
    (said(400, "", "no"), heard(400, INVALID, "invalid_value", 1)),
    (said(401, "", "no"), heard(500, SERVER, "upstream_auth_error", 2)),
    (said(403, "", SECRETS), heard(403, "permission_error", "model_access_denied", 1)),
    (said(404, "", "no"), heard(404, INVALID, "model_not_found", 1)),
    (said(408, "", "no"), heard(504, SERVER, "timeout", 2)),
    (said(413, "", "no"), heard(400, INVALID, "invalid_value", 1)),
    (said(424, "", "no"), heard(502, SERVER, "upstream_error", 3)),
    (said(429, "", "no"), heard(429, "rate_limit_error", "rate_limit_exceeded", 3).after("5")),
    (said(500, "", "no"), heard(502, SERVER, "server_error", 3)),
    (said(502, "", "no"), heard(502, SERVER, "server_error", 3)),
    (said(503, "", "no"), heard(503, SERVER, "overloaded", 3).after("5")),
    (said(504, "", "no"), heard(504, SERVER, "timeout", 2)),
    (said(529, "", "no"), heard(503, SERVER, "overloaded", 3).after("5")),
];

fn reply(said: &Said) -> Reply {
    if said.code.is_empty() {
        Reply::json(said.status, &json!({"message": said.message}))
    } else {
        Reply::error(said.status, said.code, said.message)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_failure_has_its_place_in_the_table() {
    let gateway = TestGateway::start().await;
    for (said, heard) in &TABLE {
        // By its profile: a bare id that is only sold as one would be called again by it.
        for body in [chat(CLAUDE, "hi"), streamed(&chat(&format!("us.{NOVA}"), "hi"))] {
            let what = format!("{} {} {}", said.status, said.code, said.message);
            gateway.script(vec![reply(said); heard.attempts]);
            let answer = gateway.send(Request::chat(&body)).await;
            let expected = (heard.status, heard.kind.to_owned(), Some(heard.code.to_owned()));
            assert_eq!(answer.verdict(), expected, "{what}");
            let param = if heard.code == "model_not_found" { json!("model") } else { Value::Null };
            assert_eq!(answer.error()["param"], param, "{what}");
            assert_eq!(
                answer.header("x-outcrop-attempts"),
                Some(heard.attempts.to_string().as_str()),
                "{what}"
            );
            assert_eq!(answer.header("retry-after"), heard.retry_after, "{what}");
            // What the gateway has repeated enough, an SDK must not repeat again.
            let repeated_by_sdks = matches!(heard.status, 408 | 409 | 429 | 500..);
            assert_eq!(answer.header("x-should-retry"), repeated_by_sdks.then_some("false"), "{what}");
            assert!(answer.header("x-outcrop-upstream-request-id").is_some(), "{what}");
            for secret in ["arn:", "123456789012", "assumed-role", "i-0abc"] {
                assert!(!answer.text().contains(secret), "{what}: {}", answer.text());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_own_status_tells_whose_fault_it_was() {
    let gateway = TestGateway::start().await;
    for (original, attempts, expected) in [
        (400, 1, (400, INVALID, "upstream_error")),
        (422, 1, (400, INVALID, "upstream_error")),
        (429, 3, (502, SERVER, "upstream_error")),
        (500, 3, (502, SERVER, "upstream_error")),
    ] {
        let body =
            json!({"message": "no", "originalStatusCode": original, "resourceName": "arn:aws:bedrock:x"});
        let reply = Reply::json(424, &body).with_header("x-amzn-ErrorType", "ModelErrorException");
        gateway.script(vec![reply; attempts]);
        let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
        let (status, kind, code) = expected;
        assert_eq!(answer.verdict(), (status, kind.to_owned(), Some(code.to_owned())), "{original}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_inside_in_a_stream_too() {
    let gateway = TestGateway::start().await;
    for (model, name) in [
        (CLAUDE, "validationException"),
        (NOVA, "validationException"),
        (CLAUDE, "internalServerException"),
        (NOVA, "throttlingException"),
    ] {
        let text = format!("abc [[error:{name} after=1 message=\"{SECRETS}\"]]");
        let broken = gateway.stream(&chat(model, &text)).await;
        broken.assert_broken(false);
        let end = broken.answer.text().rsplit("data: ").next().unwrap().to_owned();
        for secret in ["arn:", "123456789012", "assumed-role"] {
            assert!(!end.contains(secret), "{end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_is_a_bad_gateway() {
    let gateway = Setup::new().unfolded().start().await;
    let json_type = [("content-type", "application/json")];
    for (what, reply) in [
        ("html", Reply::recorded(200, [("content-type", "text/html")], "<html>hello</html>")),
        ("nothing", Reply::recorded(200, json_type, "")),
        ("half of it", Reply::recorded(200, json_type, "{\"content\":[{\"type\":\"te")),
        ("another shape", Reply::recorded(200, json_type, "{\"greeting\":\"hello\"}")),
        ("a list", Reply::recorded(200, json_type, "[]")),
        ("no text", Reply::recorded(200, json_type, "\"text\"")),
        ("not UTF-8", Reply::recorded(200, json_type, vec![b'{', 0xff, b'}'])),
        ("cut", Reply::stream([Step::Raw("{\"content\"".into()), Step::Cut])),
    ] {
        for model in [CLAUDE, NOVA] {
            gateway.script(vec![reply.clone(); 2]);
            let answer = gateway.chat(&chat(model, "hi")).await;
            let expected = (502, SERVER.to_owned(), Some("upstream_error".to_owned()));
            assert_eq!(answer.verdict(), expected, "{model}: {what}");
            assert_eq!(answer.header("x-outcrop-attempts"), Some("2"), "{model}: {what}");
            // A stream that is no stream.
            gateway.script(vec![reply.clone(); 2]);
            let answer = gateway.send(Request::chat(&streamed(&chat(model, "hi")))).await;
            assert_eq!(answer.verdict(), expected, "{model} streamed: {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_no_answer() {
    let gateway = TestGateway::start().await;
    gateway.script(vec![Reply::recorded(302, [("location", "http://127.0.0.1:9/")], ""); 3]);
    let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
    assert_eq!(answer.verdict().0, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_isnt_there_is_unreachable() {
    let nobody = Nobody::new();
    let gateway = Setup::new().upstream(nobody.url()).start().await;
    for body in [chat(CLAUDE, "hi"), streamed(&chat(NOVA, "hi"))] {
        let answer = gateway.send(Request::chat(&body)).await;
        let expected = (502, SERVER.to_owned(), Some("upstream_unreachable".to_owned()));
        assert_eq!(answer.verdict(), expected);
        assert_eq!(answer.header("x-outcrop-attempts"), Some("3"));
        assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    }
    let health = gateway.get("/health").await.json();
    assert_eq!(health["upstream"]["state"], "failing", "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_the_gateways_own_trouble() {
    let gateway = Setup::new().set("aws.secret_access_key", "wrong").start().await;
    let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
    assert_eq!(answer.verdict(), (500, SERVER.to_owned(), Some("upstream_auth_error".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bedrock_api_key_is_sent_as_a_bearer_token() {
    let gateway = Setup::new()
        .simulator(|options| options.bearer_token = Some("bedrock-api-key-test".to_owned()))
        .var("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-test")
        .start()
        .await;
    for model in [CLAUDE, NOVA] {
        gateway.chat(&chat(model, "hi")).await.completion();
        gateway.stream(&chat(model, "hi")).await.assert_complete(false);
    }
    for call in gateway.calls() {
        assert_eq!(call.headers["authorization"], "Bearer bedrock-api-key-test");
    }
}
