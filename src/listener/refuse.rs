//! Requests that two parsers could read in two ways, or that ask for something this server never does.

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Version};

/// Longest value of one header, in bytes: no client of ours comes near it.
pub const MAX_HEADER_VALUE: usize = 16 * 1024;

/// Longest head of a request, in bytes: its first line and its headers.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Why a request is turned away before anything looks at it. Faults of the client all; [`Refusal::HeaderTooLarge`]
/// and [`Refusal::HeadTooLarge`] are a 431, [`Refusal::Coding`] is a 501 and the rest are a 400, after which the connection should close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `CONNECT`: this is no tunnel.
    #[error("CONNECT is not supported")]
    Connect,
    /// A target such as `http://host/path`, which is for proxies and can contradict `Host`.
    #[error("the request target must be a path")]
    AbsoluteTarget,
    /// HTTP/1.1 without `Host` (RFC 9112, 3.2).
    #[error("the Host header is missing")]
    HostMissing,
    /// More than one `Host`.
    #[error("more than one Host header")]
    HostRepeated,
    /// A header value beyond 16 KiB.
    #[error("a header value is longer than 16 KiB")]
    HeaderTooLarge,
    /// A head beyond 64 KiB.
    #[error("the request's first line and headers are longer than 64 KiB")]
    HeadTooLarge,
    /// `Transfer-Encoding` with more than `chunked` (RFC 9112, 6.1).
    #[error("no transfer coding but chunked is supported")]
    Coding,
}

/// What is wrong with this request's head, if anything. `Upgrade` is left alone: we ignore it, as RFC 9110
/// (7.8) allows, and Java's own client offers h2c on every plain-text request.
pub fn refuse_ambiguous(head: &Parts) -> Option<Refusal> {
    if head.method == Method::CONNECT {
        return Some(Refusal::Connect);
    }
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        return Some(Refusal::AbsoluteTarget);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if head.version == Version::HTTP_11 => return Some(Refusal::HostMissing),
        (_, Some(_)) => return Some(Refusal::HostRepeated),
        (_, None) => {}
    }
    if head.headers.values().any(|value| value.len() > MAX_HEADER_VALUE) {
        return Some(Refusal::HeaderTooLarge);
    }
    if length(head) > MAX_HEAD {
        return Some(Refusal::HeadTooLarge);
    }
    // hyper looks at the last coding alone, and would hand on what is still compressed.
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
    {
        return Some(Refusal::Coding);
    }
    None
}

/// How long a head is on the wire, with single spaces.
fn length(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(1, |target| target.as_str().len());
    let line = head.method.as_str().len() + target + "  HTTP/1.1\r\n\r\n".len();
    let headers = head.headers.iter();
    line + headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn refusal(request: http::request::Builder) -> Option<Refusal> {
        refuse_ambiguous(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn an_ordinary_request_passes() {
        assert_eq!(refusal(Request::post("/v1/chat/completions").header("host", "a")), None);
    }

    #[test]
    fn an_offer_to_upgrade_is_ignored() {
        let request = Request::get("/").header("host", "a").header("upgrade", "h2c");
        assert_eq!(refusal(request), None);
    }

    #[test]
    fn a_tunnel_or_a_foreign_target_is_refused() {
        assert_eq!(refusal(Request::connect("a:443").header("host", "a")), Some(Refusal::Connect));
        let absolute = Request::get("http://b/v1/models").header("host", "a");
        assert_eq!(refusal(absolute), Some(Refusal::AbsoluteTarget));
    }

    #[test]
    fn exactly_one_host_is_needed() {
        assert_eq!(refusal(Request::get("/")), Some(Refusal::HostMissing));
        assert_eq!(refusal(Request::get("/").version(Version::HTTP_10)), None);
        let twice = Request::get("/").header("host", "a").header("host", "a");
        assert_eq!(refusal(twice), Some(Refusal::HostRepeated));
    }

    #[test]
    fn a_head_may_have_64_kib_and_no_more() {
        let with = |target: usize| {
            let mut request = Request::get(format!("/{}", "t".repeat(target))).header("host", "a");
            for name in ["x1", "x2", "x3"] {
                request = request.header(name, "v".repeat(MAX_HEADER_VALUE));
            }
            request
        };
        let rest = length(&with(0).body(()).unwrap().into_parts().0);
        assert_eq!(refusal(with(MAX_HEAD - rest)), None);
        assert_eq!(refusal(with(MAX_HEAD - rest + 1)), Some(Refusal::HeadTooLarge));
    }

    #[test]
    fn chunks_are_the_only_coding() {
        let with = |codings: &[&str]| {
            let request = Request::post("/").header("host", "a");
            refusal(
                codings.iter().fold(request, |request, coding| request.header("transfer-encoding", *coding)),
            )
        };
        for codings in [&[][..], &["chunked"], &["Chunked"]] {
            assert_eq!(with(codings), None, "{codings:?}");
        }
        for codings in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["identity, chunked"],
            &["chunked, chunked"],
            &["chunked;q=1"],
            &["gzip"],
            &[""],
        ] {
            assert_eq!(with(codings), Some(Refusal::Coding), "{codings:?}");
        }
    }

    #[test]
    fn a_header_value_may_have_16_kib_and_no_more() {
        let with = |length| Request::get("/").header("host", "a").header("x", "v".repeat(length));
        assert_eq!(refusal(with(MAX_HEADER_VALUE)), None);
        assert_eq!(refusal(with(MAX_HEADER_VALUE + 1)), Some(Refusal::HeaderTooLarge));
    }
}
