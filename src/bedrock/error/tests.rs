use super::*;

#[test]
fn what_looks_like_a_credential_is_not_passed_on() {
    for (said, shown) in [
        ("key AKIAIOSFODNN7EXAMPLE is no good", "key [key] is no good"),
        ("(ASIAXXXXXXXXXXXXXXXX)", "([key])"),
        ("secret=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY0123", "[key]"),
        ("token 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY0'", "token '[key]'"),
        ("Authorization: Bearer ABSKQmVkcm9ja0FQSUtleS0xMjM0NTY3ODkw", "Authorization: Bearer [key]"),
        ("tools.0.custom.name: String should match", "tools.0.custom.name: String should match"),
        ("toolu_bdrk_01XFDUDYJgAACzvnptvVoYEL", "toolu_bdrk_01XFDUDYJgAACzvnptvVoYEL"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("AKIA", "AKIA"),
    ] {
        assert_eq!(scrub(said), shown);
    }
}

#[test]
fn a_part_of_an_answer_is_none() {
    assert_eq!(answered(206, None, "{}").kind, ErrorKind::Malformed);
    assert_eq!(answered(302, None, "").kind, ErrorKind::Malformed);
    assert_eq!(answered(418, None, "").kind, ErrorKind::Validation);
}

fn answered(status: u16, code: Option<&str>, body: &str) -> BedrockError {
    BedrockError::from_answer(&ErrorAnswer {
        status,
        code,
        body: body.as_bytes(),
        request_id: Some("r-1"),
        retry_after: None,
        date: None,
    })
}

#[test]
fn each_exception_has_its_kind() {
    for (code, status, message, kind) in [
        ("ValidationException", 400, "1 validation error", ErrorKind::Validation),
        ("ValidationException", 400, "The provided model identifier is invalid.", ErrorKind::UnknownModel),
        (
            "ValidationException",
            400,
            "Invocation of model ID x with on-demand throughput isn’t supported.",
            ErrorKind::ProfileRequired,
        ),
        ("ValidationException", 400, "Input is too long for requested model", ErrorKind::ContextLength),
        ("ValidationException", 400, "This model doesn't support tool use.", ErrorKind::UnsupportedFeature),
        ("ServiceQuotaExceededException", 400, "", ErrorKind::QuotaExceeded),
        ("AccessDeniedException", 403, "", ErrorKind::AccessDenied),
        ("MPAgreementBeingCreated", 403, "", ErrorKind::AccessPending),
        ("ExpiredTokenException", 403, "", ErrorKind::CredentialsRefused),
        ("UnrecognizedClientException", 403, "", ErrorKind::CredentialsRefused),
        ("InvalidSignatureException", 403, "Signature expired: 2026", ErrorKind::ClockSkew),
        ("ResourceNotFoundException", 404, "", ErrorKind::NotFound),
        ("ModelTimeoutException", 408, "", ErrorKind::ModelTimeout),
        ("ModelErrorException", 424, "", ErrorKind::ModelError),
        ("ModelStreamErrorException", 424, "", ErrorKind::StreamError),
        ("ThrottlingException", 429, "Too many requests", ErrorKind::Throttled),
        (
            "ThrottlingException",
            429,
            "Too many tokens, please wait before trying again.",
            ErrorKind::Throttled,
        ),
        ("ThrottlingException", 429, "Input is too long for requested model", ErrorKind::Throttled),
        ("ThrottlingException", 429, "Too many tokens per day", ErrorKind::DailyQuota),
        ("ModelNotReadyException", 429, "", ErrorKind::ModelNotReady),
        ("InternalServerException", 500, "", ErrorKind::Internal),
        ("ServiceUnavailableException", 503, "", ErrorKind::Unavailable),
        ("Novelty", 529, "", ErrorKind::Unavailable),
        ("Novelty", 429, "", ErrorKind::Throttled),
        ("Novelty", 500, "", ErrorKind::Internal),
    ] {
        let body = serde_json::json!({ "message": message }).to_string();
        assert_eq!(answered(status, Some(code), &body).kind, kind, "{code} {message}");
        // With the uri that AWS appends.
        let with_uri = format!("{code}:http://internal.amazon.com/coral/");
        assert_eq!(answered(status, Some(&with_uri), &body).kind, kind, "{with_uri}");
    }
}

#[test]
fn without_a_code_the_status_decides() {
    assert_eq!(answered(503, None, "<html>").kind, ErrorKind::Unavailable);
    assert_eq!(answered(403, None, "{\"Message\":\"no\"}").kind, ErrorKind::AccessDenied);
    assert_eq!(answered(400, None, "{\"__type\":\"a.b#ThrottlingException\"}").kind, ErrorKind::Throttled);
}

#[test]
fn a_model_error_is_the_callers_fault_if_the_model_says_so() {
    let body = r#"{"message":"m","originalStatusCode":422,"resourceName":"r"}"#;
    assert_eq!(answered(424, Some("ModelErrorException"), body).kind, ErrorKind::ModelRefused);
    let body = r#"{"message":"m","originalStatusCode":429}"#;
    assert_eq!(answered(424, Some("ModelErrorException"), body).kind, ErrorKind::ModelError);
}

#[test]
fn exceptions_in_a_stream_are_the_same_kinds() {
    for (name, kind) in [
        ("throttlingException", ErrorKind::Throttled),
        ("internalServerException", ErrorKind::Internal),
        ("modelStreamErrorException", ErrorKind::StreamError),
        ("serviceUnavailableException", ErrorKind::Unavailable),
        ("validationException", ErrorKind::Validation),
        ("modelTimeoutException", ErrorKind::ModelTimeout),
        ("brandNewException", ErrorKind::StreamError),
    ] {
        assert_eq!(BedrockError::in_stream(name, b"{\"message\":\"m\"}").kind, kind, "{name}");
    }
}

#[test]
fn public_messages_hold_no_arn_and_no_account() {
    let body =
        r#"{"message":"User: arn:aws:iam::111122223333:user/x is wrong, account 111122223333, code 42\n"}"#;
    let error = answered(400, Some("ValidationException"), body);
    assert_eq!(error.public(), "User: [arn] is wrong, account [account], code 42 ");
    let denied = answered(403, Some("AccessDeniedException"), body);
    assert!(!denied.public().contains("1111"));
    let long =
        answered(400, Some("ValidationException"), &format!("{{\"message\":\"{}\"}}", "é".repeat(2000)));
    assert!(long.public().len() < 520);
}
