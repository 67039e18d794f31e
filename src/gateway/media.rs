//! What a request names by URL is fetched before anything is prepared for a model.

use tokio::time::timeout_at;

use super::retry::Within;
use super::{Fault, Phase};
use crate::chat::{
    Block, Document, Image, ImageFormat, InvalidRequest, Remote, RemoteKind, Request, Source, Text,
};
use crate::fetch::{FetchError, Fetched, Fetcher, Format, Kind, Wanted};

/// Puts what the URLs lead to in their places. Without a fetcher a URL is refused.
pub(super) async fn fetch(
    fetcher: Option<&Fetcher>,
    request: &mut Request,
    within: &Within,
) -> Result<(), Fault> {
    let (mut wanted, mut paths) = (Vec::new(), Vec::new());
    each_remote(request, &mut |block| {
        if let Block::Remote(Remote { url, kind, path }) = block {
            let (kind, name) = match kind {
                RemoteKind::Image => (Kind::Image, None),
                RemoteKind::Document { name } => (Kind::File, name.clone()),
            };
            wanted.push(Wanted { url: url.clone(), kind, name });
            paths.push(path.clone());
        }
    });
    let Some(first) = paths.first() else { return Ok(()) };
    let Some(fetcher) = fetcher else {
        let message = "Remote media are not fetched here: send the data itself as a data: URL.";
        return Err(InvalidRequest::unsupported(first.clone(), message).into());
    };
    let files = timeout_at(within.deadline, fetcher.fetch_all(wanted))
        .await
        .map_err(|_| Fault::Deadline(Phase::Total, within.limits.total))?
        .map_err(|(index, error)| match error {
            FetchError::Busy => Fault::Overloaded,
            error => {
                let param = paths.get(index).cloned();
                let message = format!("Failed to download: {error}.");
                Fault::Invalid(InvalidRequest { param, code: "failed_to_download", message })
            }
        })?;
    let mut files = files.into_iter();
    each_remote(request, &mut |block| {
        if let Some(file) = files.next() {
            *block = block_of(file);
        }
    });
    Ok(())
}

/// Every block that has to be fetched, in the request's order.
fn each_remote(request: &mut Request, visit: &mut dyn FnMut(&mut Block)) {
    fn walk(blocks: &mut [Block], visit: &mut dyn FnMut(&mut Block)) {
        for block in blocks {
            match block {
                Block::Remote(_) => visit(block),
                Block::ToolResult(result) => walk(&mut result.content, visit),
                Block::Text(_)
                | Block::Image(_)
                | Block::Document(_)
                | Block::Audio(_)
                | Block::ToolUse(_)
                | Block::Reasoning(_)
                | Block::CachePoint(_) => {}
            }
        }
    }
    for message in &mut request.messages {
        walk(&mut message.content, visit);
    }
}

fn block_of(fetched: Fetched) -> Block {
    let Fetched { base64, format, name } = fetched;
    let source = Source::Inline(Text::new(&base64));
    let image = match format {
        Format::Png => ImageFormat::Png,
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Gif => ImageFormat::Gif,
        Format::Webp => ImageFormat::Webp,
        Format::Pdf
        | Format::Csv
        | Format::Doc
        | Format::Docx
        | Format::Xls
        | Format::Xlsx
        | Format::Html
        | Format::Txt
        | Format::Md => {
            let name = name.unwrap_or_else(|| "document".to_owned());
            return Block::Document(Document { name, format: format.as_str().to_owned(), source });
        }
    };
    Block::Image(Image { format: image, source })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio_rustls::rustls::RootCertStore;

    use tokio::time::Instant;

    use super::*;
    use crate::chat::{Message, Role, ToolResult};
    use crate::fetch::{Connection, Network, Settings};
    use crate::gateway::Deadlines;
    use crate::telemetry::Metrics;

    /// A picture behind every name.
    struct Pictures;

    impl Network for Pictures {
        fn resolve<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            async { Ok(vec![IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14))]) }.boxed()
        }

        fn connect(&self, _to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>> {
            let (ours, mut theirs) = duplex(4096);
            tokio::spawn(async move {
                let mut head = [0; 1024];
                let asked = theirs.read(&mut head).await.unwrap();
                assert!(asked > 0);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\x89PNG\r\n\x1a\n";
                theirs.write_all(answer).await.unwrap();
            });
            async { Ok(Box::new(ours) as Connection) }.boxed()
        }
    }

    fn fetcher() -> Fetcher {
        let settings = Settings {
            http: true,
            ports: Vec::new(),
            allow_hosts: Vec::new(),
            max_bytes: 1000,
            max_total_bytes: 1000,
            max_files: 3,
            timeout: Duration::from_secs(5),
            max_redirects: 0,
            per_request: 2,
            concurrent: 2,
        };
        let metrics = Arc::new(Metrics::new("0", "0"));
        Fetcher::with(settings, metrics, Box::new(Pictures), RootCertStore::empty()).unwrap()
    }

    fn remote(path: &str) -> Block {
        let (url, path) = ("http://pictures.example/a.png".to_owned(), path.to_owned());
        Block::Remote(Remote { url, kind: RemoteKind::Image, path })
    }

    fn request(urls: usize) -> Request {
        let mut content: Vec<Block> = (1..urls).map(|at| remote(&format!("p{at}"))).collect();
        let result = ToolResult { id: "t".into(), content: vec![remote("p0")], is_error: false };
        content.insert(0, Block::ToolResult(result));
        Request { messages: vec![Message { role: Role::User, content, index: 0 }], ..Request::default() }
    }

    async fn run(fetcher: Option<&Fetcher>, request: &mut Request) -> Result<(), Fault> {
        let second = Duration::from_secs(9);
        let limits = Deadlines { total: second, first_event: second, idle: second };
        let within = Within { limits, deadline: Instant::now() + second };
        fetch(fetcher, request, &within).await
    }

    #[tokio::test]
    async fn what_urls_lead_to_stands_in_their_places() {
        let mut request = request(3);
        run(Some(&fetcher()), &mut request).await.unwrap();
        let is_png = |block: &Block| match block {
            Block::Image(Image { format: ImageFormat::Png, source: Source::Inline(data) }) => {
                *data == Text::new("iVBORw0KGgo=")
            }
            _ => false,
        };
        let [Block::ToolResult(result), first, second] = &request.messages[0].content[..] else { panic!() };
        assert!(is_png(&result.content[0]) && is_png(first) && is_png(second));
    }

    #[tokio::test]
    async fn an_error_names_the_url_it_is_about() {
        let param = |fault| match fault {
            Fault::Invalid(InvalidRequest { param, .. }) => param,
            _ => None,
        };
        let many = run(Some(&fetcher()), &mut request(4)).await.unwrap_err();
        assert_eq!(param(many).as_deref(), Some("p3"));
        let none = run(None, &mut request(2)).await.unwrap_err();
        assert_eq!(param(none).as_deref(), Some("p0"));
    }
}
