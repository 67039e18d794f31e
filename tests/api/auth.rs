//! Who may come in.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::support::{CLAUDE, Request, Setup, TestGateway, chat};

const KEY: &str = "sk-outcrop-0123456789";
const OTHER: &str = "sk-outcrop-of-somebody-else";

pub(crate) fn digest(key: &str) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(key) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

async fn with_keys() -> TestGateway {
    let keys = format!("[{{id: mine, sha256: {}}}, {{id: theirs, sha256: {}}}]", digest(KEY), digest(OTHER));
    Setup::new().set("auth.keys", &keys).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_key_comes_in_by_any_of_the_three_headers() {
    let gateway = with_keys().await;
    for key in [KEY, OTHER] {
        for request in [
            Request::chat(&chat(CLAUDE, "hi")).header("authorization", &format!("Bearer {key}")),
            Request::chat(&chat(CLAUDE, "hi")).header("Authorization", &format!("bearer {key}")),
            Request::chat(&chat(CLAUDE, "hi")).header("x-api-key", key),
            Request::chat(&chat(CLAUDE, "hi")).header("api-key", key),
            Request::chat(&chat(CLAUDE, "hi"))
                .header("api-key", key)
                .header("authorization", &format!("Bearer {key}")),
        ] {
            gateway.send(request).await.completion();
        }
    }
    let listed = gateway.send(Request::get("/v1/models").header("x-api-key", KEY)).await;
    assert_eq!(listed.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_else_is_refused_before_anything_is_read() {
    let gateway = with_keys().await;
    let bearer = |key: &str| ("authorization", format!("Bearer {key}"));
    for headers in [
        vec![],
        vec![bearer("wrong")],
        vec![bearer(&KEY[..KEY.len() - 1])],
        vec![bearer(&format!("{KEY}x"))],
        vec![bearer("")],
        vec![("authorization", KEY.to_owned())],
        vec![("authorization", format!("Basic {KEY}"))],
        vec![("x-api-key", "wrong".to_owned())],
        vec![("x-api-key", String::new())],
        // Both are known, and it can't be told whose call it is.
        vec![bearer(KEY), ("x-api-key", OTHER.to_owned())],
        vec![bearer(KEY), bearer(KEY)],
        vec![bearer(KEY), ("api-key", "wrong".to_owned())],
    ] {
        for mut request in [
            Request::post("/v1/chat/completions", "not even JSON"),
            Request::get("/v1/models"),
            Request::get("/v1/models/x"),
            Request::get("/v1/chat/completions"),
        ] {
            for (name, value) in &headers {
                request = request.header(name, value);
            }
            let answer = gateway.send(request).await;
            let expected = (401, "invalid_request_error".to_owned(), Some("invalid_api_key".to_owned()));
            assert_eq!(answer.verdict(), expected, "{headers:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.text().contains("sk-outcrop"), "{}", answer.text());
        }
    }
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_need_no_key() {
    let gateway = with_keys().await;
    for path in ["/health", "/livez", "/metrics", "/openapi.yaml", "/openapi.json"] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }
    assert_ne!(gateway.get("/readyz").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_the_environment_is_one_more() {
    let gateway = Setup::new().var("OUTCROP_API_KEY", KEY).start().await;
    assert_eq!(gateway.chat(&chat(CLAUDE, "hi")).await.status, 401);
    let known = Request::chat(&chat(CLAUDE, "hi")).header("authorization", &format!("Bearer {KEY}"));
    gateway.send(known).await.completion();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_any_key_will_do() {
    let gateway = TestGateway::start().await;
    let with_any = Request::chat(&chat(CLAUDE, "hi")).header("authorization", "Bearer whatever");
    gateway.send(with_any).await.completion();
    // The client's key is nobody else's business.
    assert!(gateway.calls().iter().all(|call| !format!("{:?}", call.headers).contains("whatever")));
}
