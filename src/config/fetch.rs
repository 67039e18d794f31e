//! Pictures and files behind URLs: whether they are fetched, from where, and how much of them.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::error::Problem;
use super::scalar;
use super::section::Section;
use super::tree::Node;

/// Whether and how the URLs in requests are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Nothing is fetched without it.
    pub enabled: bool,
    /// Plain http as well as https.
    pub http: bool,
    /// Ports besides the schemes' own.
    pub ports: Vec<u16>,
    /// Hosts, and `*.` before a domain, in ASCII. Empty: any host with a public address.
    pub allow_hosts: Vec<String>,
    /// The largest file, in bytes.
    pub max_bytes: usize,
    /// All files of a request together, in bytes. Never below `max_bytes`.
    pub max_total_bytes: usize,
    /// URLs in a request.
    pub max_files: NonZeroU32,
    /// For one URL, redirects included.
    pub timeout: Duration,
    /// Redirects that one URL may lead through.
    pub max_redirects: u8,
    /// At once for one request.
    pub per_request: NonZeroU32,
    /// At once for all requests.
    pub concurrent: NonZeroU32,
}

impl Fetch {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let enabled = section.read("enabled", scalar::boolean);
        let http = section.read("http", scalar::boolean);
        let ports = section.list("ports", |item| item.read_here(scalar::port));
        let allow_hosts = section.list("allow_hosts", |item| item.read_here(host_pattern));
        let max_bytes = section.read("max_bytes", scalar::size);
        let max_total_bytes = section.read("max_total_bytes", scalar::size);
        let max_files = section.read("max_files", scalar::count);
        let timeout = section.read("timeout", scalar::positive_seconds);
        let max_redirects = section.read("max_redirects", scalar::few);
        let per_request = section.read("per_request", scalar::count);
        let concurrent = section.read("concurrent", scalar::count);
        if let (Some(one), Some(all)) = (max_bytes, max_total_bytes)
            && all < one
        {
            section.fail("max_total_bytes", Problem::TotalBelowOne);
        }
        Some(Self {
            enabled: enabled?,
            http: http?,
            ports: ports?,
            allow_hosts: allow_hosts?,
            max_bytes: max_bytes?,
            max_total_bytes: max_total_bytes?,
            max_files: max_files?,
            timeout: timeout?,
            max_redirects: max_redirects?,
            per_request: per_request?,
            concurrent: concurrent?,
        })
    }
}

/// `images.example.com`, `*.example.com`, an IP address. Whatever else stood here would match nothing, and nobody would know.
fn host_pattern(node: &Node) -> Result<String, Problem> {
    let text = scalar::text(node)?;
    let name = text.strip_prefix("*.").unwrap_or(&text);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if text.parse::<IpAddr>().is_ok() || name.split('.').all(is_label) {
        Ok(text)
    } else {
        let expected =
            "a host such as images.example.com or *.example.com (in ASCII, without scheme, port or path)";
        Err(scalar::invalid(&text, expected))
    }
}
