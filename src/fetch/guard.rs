//! Which URLs are fetched: everything that can be decided before a name is looked up.
//!
//! A URL is parsed once, by the `url` crate. What comes out, a [`Target`], is what the rest of the module works with: the
//! name that is looked up, the address that is checked, the name that TLS verifies and the bytes of the request all come
//! from the same parse. The well-known ways around such guards are two parsers that read a URL differently.

use std::net::IpAddr;

use url::{Host, Position, Url};

use super::address::is_public;
use super::error::{Cause, FetchError, Refusal};

/// Longer URLs are refused. Signed ones have 2 KiB or so.
const LONGEST: usize = 8 * 1024;

/// The longest name that DNS can hold.
const LONGEST_NAME: usize = 253;

/// A host, or all hosts below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// In lower case.
    name: String,
    below: bool,
}

impl HostPattern {
    /// `images.example.com` is that host alone; `*.example.com` is every host below that domain, at any depth, and not
    /// the domain itself. In ASCII: a name in another script stands in its `xn--` form.
    pub fn new(pattern: &str) -> Self {
        let (name, below) = match pattern.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (pattern, false),
        };
        Self { name: name.to_ascii_lowercase(), below }
    }

    fn matches(&self, host: &str) -> bool {
        if self.below {
            host.strip_suffix(&self.name)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|sub| !sub.is_empty())
        } else {
            host == self.name
        }
    }
}

/// The rules for URLs.
#[derive(Debug)]
pub(super) struct Guard {
    /// Plain http too.
    pub(super) http: bool,
    /// Besides the scheme's own.
    pub(super) ports: Vec<u16>,
    /// Empty: any.
    pub(super) allow_hosts: Vec<HostPattern>,
}

/// Where to go. Only a [`Guard`] makes one.
#[derive(Debug, Clone)]
pub(super) struct Target {
    url: Url,
    pub(super) host: TargetHost,
    pub(super) port: u16,
}

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetHost {
    /// A name to look up: in lower case, in ASCII, without a dot at its end.
    Name(String),
    /// A public address.
    Address(IpAddr),
}

impl Guard {
    /// Checks a URL as a client wrote it.
    pub(super) fn check(&self, text: &str) -> Result<Target, FetchError> {
        refuse_ambiguous(text)?;
        let url = Url::parse(text).map_err(|_| FetchError::Refused(Refusal::Malformed))?;
        self.admit(url)
    }

    /// Checks where a target redirects to: by the same rules, and never from https to http. Whatever is wrong is the
    /// other side's doing and not the client's, who isn't told.
    pub(super) fn follow(&self, from: &Target, location: &str) -> Result<Target, FetchError> {
        let checked = refuse_ambiguous(location).and_then(|()| {
            let url = from.url.join(location).map_err(|_| FetchError::Refused(Refusal::Malformed))?;
            if from.is_https() && url.scheme() != "https" {
                return Err(FetchError::Refused(Refusal::Scheme));
            }
            self.admit(url)
        });
        checked.map_err(|error| match error {
            FetchError::Refused(_) => Cause::Redirect.into(),
            FetchError::Unavailable(_)
            | FetchError::TooLarge { .. }
            | FetchError::WrongKind(_)
            | FetchError::TooMany { .. }
            | FetchError::Busy => error,
        })
    }

    fn admit(&self, mut url: Url) -> Result<Target, FetchError> {
        let refused = |why| Err(FetchError::Refused(why));
        let own_port = match url.scheme() {
            "https" => 443,
            "http" if self.http => 80,
            _ => return refused(Refusal::Scheme),
        };
        if url.as_str().len() > LONGEST {
            return refused(Refusal::Malformed);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused(Refusal::Userinfo);
        }
        let port = url.port().unwrap_or(own_port);
        if port != own_port && !self.ports.contains(&port) {
            return refused(Refusal::Port);
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                // The URL standard lets more pass than DNS has ever had in the name of a host.
                let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
                if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_plain) {
                    return refused(Refusal::Malformed);
                }
                TargetHost::Name(name.to_owned())
            }
            Some(Host::Ipv4(address)) => TargetHost::Address(address.into()),
            Some(Host::Ipv6(address)) => TargetHost::Address(address.into()),
            None => return refused(Refusal::Malformed),
        };
        let spelled = match &host {
            TargetHost::Name(name) => name.clone(),
            TargetHost::Address(address) => address.to_string(),
        };
        if !self.allow_hosts.is_empty() && !self.allow_hosts.iter().any(|pattern| pattern.matches(&spelled)) {
            return refused(Refusal::Host);
        }
        if let TargetHost::Address(address) = host
            && !is_public(address)
        {
            return Err(Cause::Address.into());
        }
        url.set_fragment(None);
        Ok(Target { url, host, port })
    }
}

/// Refuses what the URL standard has parsers repair in silence: backslashes turned into slashes, tabs and line ends taken
/// out, blanks cut off. No honest client writes them.
fn refuse_ambiguous(text: &str) -> Result<(), FetchError> {
    let ambiguous =
        text.len() > LONGEST || text.chars().any(|c| c == '\\' || c.is_control() || c.is_whitespace());
    if ambiguous { Err(FetchError::Refused(Refusal::Malformed)) } else { Ok(()) }
}

impl Target {
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// For the `host` header: with the port unless it is the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = match &self.host {
            TargetHost::Name(name) => name.clone(),
            TargetHost::Address(IpAddr::V4(address)) => address.to_string(),
            TargetHost::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// For the request line: path and query.
    pub(super) fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    /// The last part of the path, as it stands in the URL.
    pub(super) fn last_segment(&self) -> Option<&str> {
        self.url.path_segments()?.next_back().filter(|segment| !segment.is_empty())
    }
}

/// What the guard promises of any URL, for the fuzzer: the first line is a client's, the second a redirect's.
///
/// # Panics
/// If it lets something pass that it shouldn't.
pub fn fuzz_guard(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, location) = text.split_once('\n').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let listed = || vec![HostPattern::new("images.example.com"), HostPattern::new("*.example.org")];
    for (http, ports, allow_hosts) in
        [(false, vec![], vec![]), (true, vec![8080], vec![]), (true, vec![], listed())]
    {
        let guard = Guard { http, ports, allow_hosts };
        let Ok(target) = guard.check(first) else { continue };
        assert_safe(&guard, &target);
        if let Some(next) = location.map(|location| guard.follow(&target, location)) {
            match next {
                Ok(next) => {
                    assert_safe(&guard, &next);
                    assert!(next.is_https() || !target.is_https(), "from https to http");
                }
                Err(error) => assert!(matches!(error, FetchError::Unavailable(_)), "{error:?}"),
            }
        }
    }
}

/// Asks the standard library and a second parse, none of which made the decision.
fn assert_safe(guard: &Guard, target: &Target) {
    let again = Url::parse(target.url.as_str());
    assert!(again.is_ok_and(|again| again == target.url), "parsed twice, it is another URL: {}", target.url);
    assert!(target.is_https() || guard.http, "the scheme: {}", target.url);
    assert!(
        matches!((target.is_https(), target.port), (true, 443) | (false, 80))
            || guard.ports.contains(&target.port),
        "the port: {}",
        target.url
    );
    let authority = target.authority();
    assert!(authority.bytes().all(|b| b.is_ascii_graphic() && !b"/\\@?#".contains(&b)), "{authority}");
    let path = target.path_and_query();
    assert!(path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b'#'), "{path}");
    match &target.host {
        TargetHost::Name(name) => {
            assert!(name.parse::<IpAddr>().is_err(), "an address went by as a name: {name}");
            assert_eq!(name, &name.to_ascii_lowercase(), "not in lower case");
            let listed = name == "images.example.com" || name.ends_with(".example.org");
            assert!(guard.allow_hosts.is_empty() || listed, "not on the list: {name}");
        }
        TargetHost::Address(IpAddr::V4(a)) => {
            let [first, second, ..] = a.octets();
            let inside = a.is_private() || a.is_loopback() || a.is_link_local() || a.is_unspecified();
            let inside = inside || a.is_multicast() || a.is_broadcast() || a.is_documentation();
            assert!(!inside && first != 0 && first < 224 && (first, second & 0xc0) != (100, 64), "{a}");
            assert!(guard.allow_hosts.is_empty(), "not on the list: {a}");
        }
        TargetHost::Address(IpAddr::V6(a)) => {
            let inside = a.is_loopback() || a.is_unspecified() || a.is_multicast() || a.is_unique_local();
            let inside = inside || a.is_unicast_link_local() || a.to_ipv4().is_some();
            assert!(!inside && a.segments()[0] != 0x2002 && a.segments()[0] != 0x64, "{a}");
            assert!(guard.allow_hosts.is_empty(), "not on the list: {a}");
        }
    }
}
