//! The listeners and their limits.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Problem;
use super::scalar;
use super::section::Section;

/// The listeners and their limits.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where health, metrics and the API's description listen, if not with the API.
    pub admin: Option<SocketAddr>,
    /// The API's certificate; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// How often the configuration and the certificate are looked at; `None`: when told to.
    pub watch: Option<Duration>,
    /// The longest request body, in bytes.
    pub body_limit: usize,
    /// Connections open at once.
    pub max_connections: NonZeroU32,
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
        let watch = section.read("watch", scalar::seconds_or_off);
        let body_limit = section.read("body_limit", scalar::size);
        let max_connections = section.read("max_connections", scalar::count);
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
            watch: watch?,
            body_limit: body_limit?,
            max_connections: max_connections?,
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
