//! Pages that call from a browser.

use crate::auth::digest;
use crate::support::{CLAUDE, Request, Setup, TestGateway, chat};

const PAGE: &str = "https://chat.example.com";

/// What a browser asks before it lets a page ask.
fn preflight(origin: &str) -> Request {
    Request::new("OPTIONS", "/v1/chat/completions")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-stainless-lang")
}

fn call(origin: &str) -> Request {
    Request::chat(&chat(CLAUDE, "hi")).header("origin", origin).header("authorization", "Bearer sk-one")
}

async fn allowing(origins: &str) -> TestGateway {
    let keys = format!("[{{id: one, sha256: {}}}]", digest("sk-one"));
    Setup::new().set("auth.keys", &keys).set("server.cors.origins", origins).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_pages_may_by_default() {
    let gateway = TestGateway::start().await;
    assert_eq!(gateway.send(preflight(PAGE)).await.verdict().0, 405);
    let answer = gateway.send(call(PAGE)).await;
    answer.completion();
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_configured_origin_may_and_no_others() {
    let gateway = allowing("[https://chat.example.com, 'http://localhost:3000']").await;
    for origin in [PAGE, "http://localhost:3000"] {
        // Without a key: a browser shows none here.
        let asked = gateway.send(preflight(origin)).await;
        assert_eq!(asked.status, 200);
        assert_eq!(asked.header("access-control-allow-origin"), Some(origin));
        let headers = asked.header("access-control-allow-headers").unwrap();
        assert!(headers.contains("authorization") && headers.contains("x-stainless-lang"), "{headers}");
        assert_eq!(asked.header("access-control-max-age"), Some("600"));
        let answer = gateway.send(call(origin)).await;
        answer.completion();
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-expose-headers"), Some("*"));
        assert!(answer.header("vary").unwrap().contains("origin"));
    }
    for origin in
        ["https://evil.example.com", "http://chat.example.com", "https://chat.example.com:444", "null"]
    {
        assert_eq!(gateway.send(preflight(origin)).await.header("access-control-allow-origin"), None);
        assert_eq!(gateway.send(call(origin)).await.header("access-control-allow-origin"), None);
    }
    // An error is an answer that a page may read, and a key is asked for all the same.
    let refused = gateway.send(Request::chat(&chat(CLAUDE, "hi")).header("origin", PAGE)).await;
    assert_eq!(refused.verdict().0, 401);
    assert_eq!(refused.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(gateway.send(Request::get("/livez").header("origin", PAGE)).await.header("vary"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_browsers_own_credentials_are_ever_allowed() {
    for origins in ["['*']", "[https://chat.example.com]"] {
        let gateway = allowing(origins).await;
        for request in [preflight(PAGE), call(PAGE)] {
            let answer = gateway.send(request).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
    let any = allowing("['*']").await;
    assert_eq!(any.send(call(PAGE)).await.header("access-control-allow-origin"), Some("*"));
}
