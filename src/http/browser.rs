//! What a page in somebody's browser may do at a gateway that asks for no key.
//!
//! A browser reaches what its machine reaches, and sends a page's simple requests without asking. So where nothing else
//! keeps strangers out, what marks a browser is looked at: `Origin` and `Sec-Fetch-*`, which no page can leave out or
//! forge, and the `Host` by which it came, which is a page's own name when that name was made to lead here. Programs send
//! neither mark and call by address or as localhost: nothing changes for them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};

use super::error::ApiError;
use super::{Cors, Edge};

/// Which listener a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// The API's.
    Public,
    /// The operators' own, which never asks for a key.
    Admin,
}

/// By which names this server may be called on loopback without keys, beside addresses and localhost.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// In small letters.
    pub names: Vec<Box<str>>,
    /// The API listens on loopback.
    pub public_on_loopback: bool,
    /// So do operators.
    pub admin_on_loopback: bool,
}

impl Hosts {
    fn on_loopback(&self, door: Door) -> bool {
        match door {
            Door::Public => self.public_on_loopback,
            Door::Admin => self.admin_on_loopback,
        }
    }
}

/// Whether a request was made on this machine by a program, or by a page that may: nobody else learns the answer.
pub(super) fn is_local(edge: &Edge, door: Door, method: &Method, headers: &HeaderMap) -> bool {
    // By way of a proxy on this machine, it comes from somewhere else.
    let is_handed_on = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"]
        .iter()
        .any(|name| headers.contains_key(*name));
    edge.hosts.on_loopback(door)
        && !is_handed_on
        && refused(method, headers, Some(&edge.hosts.names), edge.cors.as_ref()).is_none()
}

/// Turns away what a page of a browser must not do.
pub(super) async fn guard(
    State((edge, door)): State<(Arc<Edge>, Door)>,
    request: Request,
    next: Next,
) -> Response {
    if door == Door::Public && edge.keys.is_some() {
        return next.run(request).await;
    }
    let names = edge.hosts.on_loopback(door).then_some(edge.hosts.names.as_slice());
    match refused(request.method(), request.headers(), names, edge.cors.as_ref()) {
        Some(why) => ApiError::from_a_page(why).into_response(),
        None => next.run(request).await,
    }
}

/// Why a page's request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The page came by a name that isn't this server's.
    Host,
    /// The page is another site's.
    Origin,
    /// The body is none that a page has to ask for.
    ContentType,
}

/// `names`: those that the host has to be one of, if it is looked at.
fn refused(
    method: &Method,
    headers: &HeaderMap,
    names: Option<&[Box<str>]>,
    cors: Option<&Cors>,
) -> Option<Refused> {
    let host = headers.get(HOST);
    if let (Some(names), Some(host)) = (names, host)
        && !is_our_name(host, names)
    {
        return Some(Refused::Host);
    }
    // Node's own `fetch` sends `Sec-Fetch-Mode: cors`, and nothing else of these.
    let is_marked = headers.iter().any(|(name, value)| {
        let of_node = name == "sec-fetch-mode" && value == "cors";
        name == ORIGIN || (name.as_str().starts_with("sec-fetch-") && !of_node)
    });
    if !is_marked {
        return None;
    }
    let may = |origin: &HeaderValue| is_listed(origin, cors) || host.is_some_and(|host| is_of(origin, host));
    let is_ours = if headers.contains_key(ORIGIN) {
        headers.get_all(ORIGIN).iter().all(may)
    } else {
        let any = cors.is_some_and(|cors| cors.origins.is_none());
        let mut sites = headers.get_all("sec-fetch-site").iter();
        let is_own = sites.all(|site| site == "same-origin" || site == "none");
        any || is_own || is_a_visit(method, headers)
    };
    if !is_ours {
        return Some(Refused::Origin);
    }
    (method == Method::POST && !is_json(headers.get(CONTENT_TYPE))).then_some(Refused::ContentType)
}

/// An address, localhost or a name that was configured, with any port.
fn is_our_name(host: &HeaderValue, names: &[Box<str>]) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let (name, rest) = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').unwrap_or_default(),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if !rest.is_empty() && !rest.strip_prefix(':').is_some_and(is_port) {
        return false;
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || names.iter().any(|own| **own == *name)
}

/// Of a page that may call: as `cors.origins` has it.
fn is_listed(origin: &HeaderValue, cors: Option<&Cors>) -> bool {
    cors.is_some_and(|cors| cors.allows(origin))
}

/// Of a page that was served by this server itself.
fn is_of(origin: &HeaderValue, host: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| host.to_str().is_ok_and(|host| host.eq_ignore_ascii_case(authority)))
}

/// Somebody follows a link: the page that has it learns nothing of the answer.
fn is_a_visit(method: &Method, headers: &HeaderMap) -> bool {
    let is = |name: &str, expected: &str| headers.get(name).is_some_and(|value| value == expected);
    (method == Method::GET || method == Method::HEAD)
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

/// A kind that browsers ask about before a foreign page may send it.
fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let Some(Ok(kind)) = content_type.map(HeaderValue::to_str) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        method: &Method,
        headers: &[(&'static str, &str)],
        names: Option<&[&str]>,
        cors: &[&str],
    ) -> Option<Refused> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        let names: Option<Vec<Box<str>>> =
            names.map(|names| names.iter().map(|name| (*name).into()).collect());
        let origins = cors.iter().map(|origin| HeaderValue::from_str(origin).unwrap()).collect();
        let cors = Cors { origins: (cors != ["*"]).then_some(origins), max_age: std::time::Duration::ZERO };
        let cors = (cors.origins.as_ref().is_none_or(|origins: &Vec<_>| !origins.is_empty())).then_some(cors);
        refused(method, &headers, names.as_deref(), cors.as_ref())
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
    const HERE: (&str, &str) = ("host", "127.0.0.1:8080");

    #[test]
    fn programs_are_let_in_by_addresses_and_local_names() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.1.2.3:80",
            "[::1]:8080",
            "[::1]",
            "localhost",
            "LocalHost:1",
            "localhost.:1",
            "api.localhost",
            "gateway.test:8080",
            "Gateway.Test",
        ] {
            let headers = [("host", host), ("content-type", "application/x-www-form-urlencoded")];
            assert_eq!(of(&Method::POST, &headers, Some(&["gateway.test"]), &[]), None, "{host}");
        }
        assert_eq!(of(&Method::POST, &[], Some(&[]), &[]), None, "HTTP/1.0 needs no host");
    }

    #[test]
    fn names_that_were_made_to_lead_here_are_not_ours() {
        for host in [
            "rebind.evil.example",
            "localhost.evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "xlocalhost",
            "[evil.example]",
            "0x7f000001",
            "2130706433",
            "localhost@evil.example",
            "localhost:8080@evil.example",
            "[::1].evil.example",
            "[::1]evil.example:80",
            "[::1",
            "",
            "gateway.test.evil",
        ] {
            assert_eq!(
                of(&Method::GET, &[("host", host)], Some(&["gateway.test"]), &[]),
                Some(Refused::Host),
                "{host}"
            );
            assert_eq!(of(&Method::GET, &[("host", host)], None, &[]), None, "{host}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_turned_away() {
        for mark in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:3000"),
            ("origin", "http://127.0.0.1:8081"),
            ("origin", "http://127.0.0.1:8080.evil.example"),
            ("origin", "chrome-extension://other"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let listed = ["chrome-extension://ours"];
                assert_eq!(
                    of(&method, &[HERE, JSON, mark], Some(&[]), &listed),
                    Some(Refused::Origin),
                    "{mark:?}"
                );
            }
        }
        let twice = [HERE, JSON, ("origin", "https://a.example"), ("origin", "https://evil.example")];
        let mut headers = HeaderMap::new();
        for (name, value) in twice {
            headers.append(name, HeaderValue::from_static(value));
        }
        let cors = Cors {
            origins: Some(vec![HeaderValue::from_static("https://a.example")]),
            max_age: std::time::Duration::ZERO,
        };
        assert_eq!(refused(&Method::POST, &headers, None, Some(&cors)), Some(Refused::Origin));
    }

    #[test]
    fn pages_that_may_send_json_and_nothing_else() {
        for (origin, cors) in [
            ("https://chat.example", &["https://chat.example"][..]),
            ("vscode-file://vscode-app", &["vscode-file://vscode-app"]),
            ("https://any.example", &["*"]),
            ("null", &["*"]),
            ("http://127.0.0.1:8080", &[]),
        ] {
            let marks = [HERE, ("origin", origin), ("sec-fetch-site", "cross-site")];
            let with = |more: &[(&'static str, &str)]| {
                of(&Method::POST, &[&marks[..], more].concat(), Some(&[]), cors)
            };
            assert_eq!(with(&[JSON]), None, "{origin}");
            assert_eq!(with(&[("content-type", "application/problem+json")]), None);
            for kind in
                ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=json"]
            {
                assert_eq!(with(&[("content-type", kind)]), Some(Refused::ContentType), "{origin} {kind}");
            }
            assert_eq!(with(&[]), Some(Refused::ContentType), "{origin}");
        }
    }

    #[test]
    fn a_scheme_stands_for_all_origins_of_its_programs() {
        let of_origin = |origin: &str| {
            of(&Method::POST, &[HERE, JSON, ("origin", origin)], Some(&[]), &["vscode-webview:"])
        };
        assert_eq!(of_origin("vscode-webview://1abc"), None);
        for origin in [
            "vscode-webviewer://1abc",
            "vscode-file://vscode-app",
            "https://vscode-webview:",
            "vscode-webview",
        ] {
            assert_eq!(of_origin(origin), Some(Refused::Origin), "{origin}");
        }
    }

    #[test]
    fn nodes_own_fetch_is_no_browser() {
        let text = ("content-type", "text/plain;charset=UTF-8");
        let with = |marks: &[(&'static str, &str)]| {
            of(&Method::POST, &[&[HERE, text], marks].concat(), Some(&[]), &[])
        };
        assert_eq!(with(&[("sec-fetch-mode", "cors")]), None);
        assert_eq!(with(&[("sec-fetch-mode", "no-cors")]), Some(Refused::ContentType));
        assert_eq!(with(&[("sec-fetch-dest", "empty")]), Some(Refused::ContentType));
    }

    #[test]
    fn whoever_follows_a_link_sees_the_page() {
        let visit = [HERE, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        let to = |dest| [&visit[..], &[("sec-fetch-dest", dest)]].concat();
        assert_eq!(of(&Method::GET, &to("document"), Some(&[]), &[]), None);
        assert_eq!(of(&Method::GET, &to("iframe"), Some(&[]), &[]), Some(Refused::Origin));
        assert_eq!(of(&Method::POST, &to("document"), Some(&[]), &[]), Some(Refused::Origin));
        let typed = [HERE, ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")];
        assert_eq!(of(&Method::GET, &typed, Some(&[]), &[]), None);
    }
}
