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
    let gateway = allowing("[]").await;
    assert_eq!(gateway.send(preflight(PAGE)).await.verdict().0, 401);
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

/// Sends what a program or a page sends, and gives the status and the code of the answer.
async fn turned_away(gateway: &TestGateway, request: Request) -> (u16, String) {
    let answer = gateway.send(request).await;
    let code = if answer.status == 200 { String::new() } else { answer.json()["error"]["code"].to_string() };
    (answer.status, code.trim_matches('"').to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_pages_of_others_can_do_nothing() {
    let gateway = TestGateway::start().await;
    let form = |kind| Request::form("/v1/chat/completions", kind, chat(CLAUDE, "hi").to_string());
    for request in [
        form("text/plain").header("origin", PAGE),
        form("application/json").header("origin", "null"),
        form("multipart/form-data; boundary=x").header("sec-fetch-site", "cross-site"),
        Request::get("/v1/models").header("origin", PAGE),
        Request::get("/no/such/path").header("origin", PAGE),
        preflight(PAGE),
    ] {
        assert_eq!(turned_away(&gateway, request).await, (403, "origin_not_allowed".to_owned()));
    }
    assert!(gateway.calls().is_empty());
    // A program says nothing of where it comes from.
    for kind in ["application/x-www-form-urlencoded", "text/plain"] {
        assert_eq!(turned_away(&gateway, form(kind)).await.0, 200, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_pages_that_may_call_send_json() {
    let page = "vscode-file://vscode-app";
    let gateway = Setup::new().set("server.cors.origins", &format!("['{page}']")).start().await;
    let answer = gateway.send(Request::chat(&chat(CLAUDE, "hi")).header("origin", page)).await;
    answer.completion();
    assert_eq!(answer.header("access-control-allow-origin"), Some(page));
    let form = Request::form("/v1/chat/completions", "text/plain", chat(CLAUDE, "hi").to_string());
    let form = form.header("origin", page);
    assert_eq!(turned_away(&gateway, form).await, (415, "unsupported_media_type".to_owned()));
    assert_eq!(turned_away(&gateway, call(PAGE)).await, (403, "origin_not_allowed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_made_to_lead_here_is_nobodys() {
    let gateway = Setup::new().set("server.hosts", "[gateway.internal]").start().await;
    for (host, status) in [("rebind.evil.example", 421), ("gateway.internal:8080", 200), ("localhost", 200)] {
        for path in ["/health", "/v1/models", "/"] {
            assert_eq!(
                gateway.send(Request::get(path).header("host", host)).await.status,
                status,
                "{host}{path}"
            );
        }
    }
    // Whoever shows a key is no page of a stranger's.
    let gateway = allowing("[]").await;
    let named = call(PAGE).header("host", "gateway.internal");
    assert_eq!(turned_away(&gateway, named).await.0, 200);
}
