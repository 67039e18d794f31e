//! The listeners and their limits.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;

use super::error::Problem;
use super::scalar;
use super::section::Section;
use super::tree::Node;

/// The listeners and their limits.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where health, metrics and the API's description listen, if not with the API.
    pub admin: Option<SocketAddr>,
    /// The API's certificate; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// Whose pages may call; `None`: nobody's.
    pub cors: Option<Cors>,
    /// By which other names it may be called where it asks for no key; in small letters.
    pub hosts: Vec<Box<str>>,
    /// How often the configuration and the certificate are looked at; `None`: when told to.
    pub watch: Option<Duration>,
    /// The longest request body, in bytes.
    pub body_limit: usize,
    /// Connections open at once.
    pub max_connections: NonZeroU32,
    /// Of these from one address; `None`: all of them.
    pub max_connections_per_address: Option<NonZeroU32>,
    /// For a request's head to arrive.
    pub header_timeout: Duration,
    /// For the next request on a kept-alive connection.
    pub idle_timeout: Duration,
    /// Between two pieces of a request body.
    pub body_timeout: Duration,
    /// For a whole request body.
    pub body_total_timeout: Duration,
    /// For a client to take what was written.
    pub write_stall_timeout: Duration,
    /// From the signal to stop until no more connections are taken.
    pub drain_delay: Duration,
    /// From then on, for requests under way.
    pub grace: Duration,
}

/// Which web pages' scripts may read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Of these origins; `None`: of any.
    pub origins: Option<Vec<HeaderValue>>,
    /// How long a browser may remember that it may.
    pub max_age: Duration,
}

impl Cors {
    #[expect(clippy::option_option, reason = "outside: was it readable; inside: was it set")]
    fn read(mut section: Section<'_>) -> Option<Option<Self>> {
        let origins = section.list("origins", |item| item.read_here(origin));
        let max_age = section.read("max_age", scalar::seconds);
        let (origins, max_age) = (origins?, max_age?);
        Some((!origins.is_empty()).then(|| Self { origins: origins.into_iter().collect(), max_age }))
    }
}

/// `https://chat.example.com`, as a browser writes it, or a program's whole scheme, `vscode-webview:`, whose origins are made
/// up anew at each installation; `None` is `*`. Whatever else stood here would match nothing, and nobody would know.
fn origin(node: &Node) -> Result<Option<HeaderValue>, Problem> {
    let text = scalar::text(node)?;
    if text == "*" {
        return Ok(None);
    }
    let wrong = || {
        scalar::invalid(
            &text,
            "an origin such as https://chat.example.com, a program's scheme such as vscode-webview:, or \"*\"",
        )
    };
    let (scheme, rest) = text.split_once(':').ok_or_else(wrong)?;
    // Editors and extensions have schemes of their own.
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    if !is_scheme {
        return Err(wrong());
    }
    // Every page of the web would be more than one word should allow.
    let is_of_programs = !matches!(scheme, "http" | "https" | "file" | "data" | "blob" | "about");
    if rest.is_empty() && is_of_programs {
        return HeaderValue::from_str(&text).map_err(|_| wrong()).map(Some);
    }
    let rest = rest.strip_prefix("//").ok_or_else(wrong)?;
    let is_whole = rest.parse::<Authority>().is_ok_and(|authority| authority.as_str() == rest);
    if !is_whole || rest.contains('@') || rest.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(wrong());
    }
    HeaderValue::from_str(&text).map_err(|_| wrong()).map(Some)
}

/// `gateway.internal`, without a port, which isn't looked at.
fn host(node: &Node) -> Result<Box<str>, Problem> {
    let text = scalar::text(node)?;
    let is_name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !is_name {
        return Err(scalar::invalid(&text, "the name of a host such as gateway.internal, without a port"));
    }
    Ok(text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase().into())
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those that lead to its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose certificates clients have to show.
    pub client_ca: Option<PathBuf>,
}

impl Tls {
    #[expect(clippy::option_option, reason = "outside: were they readable; inside: were they set")]
    fn read(mut section: Section<'_>) -> Option<Option<Self>> {
        let cert = section.optional("cert", scalar::text)?;
        let key = section.optional("key", scalar::text)?;
        let client_ca = section.optional("client_ca", scalar::text)?;
        match (cert, key, client_ca) {
            (Some(cert), Some(key), client_ca) => {
                Some(Some(Self { cert: cert.into(), key: key.into(), client_ca: client_ca.map(Into::into) }))
            }
            (None, None, None) => Some(None),
            (Some(_), None, _) => {
                section.fail("key", Problem::IncompleteTls);
                None
            }
            (None, Some(_), _) | (None, None, Some(_)) => {
                section.fail("cert", Problem::IncompleteTls);
                None
            }
        }
    }
}

impl Server {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let listen = section.read("listen", scalar::listen);
        let admin = section.optional("admin", scalar::listen);
        let tls = Tls::read(section.section("tls"));
        let cors = Cors::read(section.section("cors"));
        let hosts = section.list("hosts", |item| item.read_here(host));
        let watch = section.read("watch", scalar::seconds_or_off);
        let body_limit = section.read("body_limit", scalar::size);
        let max_connections = section.read("max_connections", scalar::count);
        let per_address = section.read("max_connections_per_address", scalar::count_or_off);
        let header_timeout = section.read("header_timeout", scalar::positive_seconds);
        let idle_timeout = section.read("idle_timeout", scalar::positive_seconds);
        let body_timeout = section.read("body_timeout", scalar::positive_seconds);
        let body_total_timeout = section.read("body_total_timeout", scalar::positive_seconds);
        let write_stall_timeout = section.read("write_stall_timeout", scalar::positive_seconds);
        let drain_delay = section.read("drain_delay", scalar::seconds);
        let grace = section.read("grace", scalar::seconds);

        // Port 0 stands for a free one: twice 0 is two ports.
        if let (Some(listen), Some(Some(admin))) = (listen, admin)
            && listen == admin
            && listen.port() != 0
        {
            section.fail("admin", Problem::SharedListener);
        }
        Some(Self {
            listen: listen?,
            admin: admin?,
            tls: tls?,
            cors: cors?,
            hosts: hosts?,
            watch: watch?,
            body_limit: body_limit?,
            max_connections: max_connections?,
            max_connections_per_address: per_address?,
            header_timeout: header_timeout?,
            idle_timeout: idle_timeout?,
            body_timeout: body_timeout?,
            body_total_timeout: body_total_timeout?,
            write_stall_timeout: write_stall_timeout?,
            drain_delay: drain_delay?,
            grace: grace?,
        })
    }
}
