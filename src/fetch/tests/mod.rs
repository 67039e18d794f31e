//! The module from outside: a network without sockets, which tells who was connected to.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::RootCertStore;

use super::*;

mod bounds;
#[expect(dead_code, reason = "tests of the server's TLS take the rest of it")]
mod certificate;
mod failures;
mod hosts;
mod redirects;
mod tls;

pub(super) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on";

/// Public addresses of servers that don't exist.
const ALPHA: &str = "93.184.215.14";
const BETA: &str = "2606:2800:21f:cb07:6820:80da:af6b:8b2c";

/// What a server does with each connection.
#[derive(Clone)]
enum Server {
    /// Reads a request, answers, closes.
    Answers(Vec<u8>),
    /// Reads a request, answers, and then again and again: the last part, after the pause.
    Drips(Vec<u8>, Vec<u8>, Duration),
    /// Speaks first, as SSH does, and closes.
    Greets(&'static [u8]),
    /// Accepts, reads, and says nothing.
    Silent,
    /// Never accepts.
    Filtered,
    /// Speaks TLS first.
    Secure(TlsAcceptor, Box<Server>),
}

/// Names, servers, and a record of what was asked of them. Whatever has no server refuses connections.
#[derive(Clone, Default)]
struct Net(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    names: HashMap<String, VecDeque<Vec<IpAddr>>>,
    servers: HashMap<SocketAddr, Server>,
    lookups: Vec<String>,
    connects: Vec<SocketAddr>,
    requests: Vec<String>,
    open: usize,
    most_open: usize,
}

impl Net {
    /// A name's addresses, look-up by look-up; the last answer stands.
    fn name(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        self.0.lock().unwrap().names.insert(name.to_owned(), answers.iter().map(parse).collect());
        self
    }

    fn server(self, address: &str, port: u16, server: Server) -> Self {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        self.0.lock().unwrap().servers.insert(address, server);
        self
    }

    /// `alpha.example.com` with a server on port 80.
    fn alpha(server: Server) -> Self {
        Self::default().name("alpha.example.com", &[&[ALPHA]]).server(ALPHA, 80, server)
    }

    fn connects(&self) -> Vec<String> {
        self.0.lock().unwrap().connects.iter().map(ToString::to_string).collect()
    }

    fn lookups(&self) -> Vec<String> {
        self.0.lock().unwrap().lookups.clone()
    }

    fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap().requests.clone()
    }

    fn most_open(&self) -> usize {
        self.0.lock().unwrap().most_open
    }

    async fn serve(self, server: Server, mut stream: Connection) -> io::Result<()> {
        match server {
            Server::Answers(answer) => {
                self.read_request(&mut stream).await?;
                stream.write_all(&answer).await?;
                stream.shutdown().await
            }
            Server::Drips(answer, part, pause) => {
                self.read_request(&mut stream).await?;
                stream.write_all(&answer).await?;
                loop {
                    stream.write_all(&part).await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Server::Greets(greeting) => {
                stream.write_all(greeting).await?;
                stream.shutdown().await
            }
            Server::Silent => loop {
                stream.read_u8().await?;
            },
            Server::Filtered => unreachable!("never connected"),
            Server::Secure(tls, server) => {
                let stream: Connection = Box::new(tls.accept(stream).await?);
                Box::pin(self.serve(*server, stream)).await
            }
        }
    }

    async fn read_request(&self, stream: &mut Connection) -> io::Result<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await?);
        }
        self.0.lock().unwrap().requests.push(String::from_utf8(request).unwrap());
        Ok(())
    }
}

impl Network for Net {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut state = self.0.lock().unwrap();
        state.lookups.push(name.to_owned());
        let answers = state.names.get_mut(name);
        let answer = answers.map(|answers| {
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers.front().unwrap().clone() }
        });
        let answer = answer.ok_or_else(|| io::Error::other("no such name"));
        Box::pin(async move { answer })
    }

    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>> {
        let server = {
            let mut state = self.0.lock().unwrap();
            state.connects.push(to);
            state.servers.get(&to).cloned()
        };
        Box::pin(async move {
            let Some(server) = server else { return Err(io::ErrorKind::ConnectionRefused.into()) };
            if let Server::Filtered = server {
                return std::future::pending().await;
            }
            let (ours, theirs) = duplex(4096);
            let net = self.clone();
            tokio::spawn(async move {
                {
                    let mut state = net.0.lock().unwrap();
                    state.open += 1;
                    state.most_open = state.most_open.max(state.open);
                }
                // A client that has had enough isn't the server's failure.
                let _ended = net.clone().serve(server, Box::new(theirs)).await;
                net.0.lock().unwrap().open -= 1;
            });
            let connection: Connection = Box::new(ours);
            Ok(connection)
        })
    }
}

fn settings() -> Settings {
    Settings {
        http: true,
        ports: Vec::new(),
        allow_hosts: Vec::new(),
        max_bytes: 1000,
        max_total_bytes: 2000,
        max_files: 4,
        timeout: Duration::from_secs(5),
        max_redirects: 3,
        per_request: 2,
        concurrent: 3,
    }
}

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new("0", "0"))
}

fn fetcher(net: &Net, settings: Settings) -> Fetcher {
    Fetcher::with(settings, metrics(), Box::new(net.clone()), RootCertStore::empty()).unwrap()
}

async fn fetch(net: &Net, url: &str) -> Result<Fetched, FetchError> {
    fetcher(net, settings()).fetch(url, Kind::Image).await
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn picture() -> Server {
    Server::Answers(ok("content-type: image/png\r\n", PNG))
}

#[track_caller]
fn assert_counted(fetcher: &Fetcher, outcome: &str, times: usize) {
    let line = format!("outcrop_fetches_total{{outcome=\"{outcome}\"}} {times}");
    let text = fetcher.metrics.render();
    assert!(text.lines().any(|l| l == line), "no {line:?} in:\n{text}");
}

#[tokio::test(start_paused = true)]
async fn a_picture_arrives_as_base64() {
    let net = Net::alpha(picture());
    let fetcher = fetcher(&net, settings());
    let url = "http://alpha.example.com/a/cat%20one.png?size=2#top";
    let Fetched { base64, format, name } = fetcher.fetch(url, Kind::Image).await.unwrap();
    assert_eq!(base64, "iVBORw0KGgoAAAANSUhEUiBhbmQgc28gb24=");
    assert_eq!((format, name.as_deref()), (Format::Png, Some("cat one.png")));
    assert_counted(&fetcher, "fetched", 1);
}

#[tokio::test(start_paused = true)]
async fn the_request_says_who_asks_and_nothing_about_the_client() {
    let net = Net::alpha(picture());
    fetch(&net, "http://ALPHA.example.com:80/a?b=c#d").await.unwrap();
    let expected = format!(
        "GET /a?b=c HTTP/1.1\r\nhost: alpha.example.com\r\nuser-agent: outcrop/{}\r\n\
         accept: image/png, image/jpeg, image/gif, image/webp\r\naccept-encoding: identity\r\n\
         connection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(net.requests(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_file_may_be_any_format_that_bedrock_reads() {
    for (headers, body, format) in [
        ("content-type: text/csv\r\n", &b"a,b\n1,2\n3,4\n"[..], "csv"),
        ("content-type: application/octet-stream\r\n", b"%PDF-1.7 and so on", "pdf"),
        ("", PNG, "png"),
        ("", b"# a", "md"),
    ] {
        let net = Net::alpha(Server::Answers(ok(headers, body)));
        let fetched = fetcher(&net, settings()).fetch("http://alpha.example.com/report.md", Kind::File).await;
        assert_eq!(fetched.unwrap().format.as_str(), format);
    }
}
