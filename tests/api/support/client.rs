//! HTTP/1.1 by hand: an answer with its framing, so that a cut one is never taken for a whole one.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Turns a hang into a failure. Nothing is measured by it.
const HANG: Duration = Duration::from_mins(1);

/// A request, byte for byte as it will be sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
    withheld: usize,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            chunked: false,
            withheld: 0,
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::form(path, "application/json", body)
    }

    /// A body of some kind.
    pub(crate) fn form(path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::new("POST", path) }.header("content-type", kind)
    }

    /// A chat.
    pub(crate) fn chat(body: &Value) -> Self {
        Self::post("/v1/chat/completions", body.to_string())
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the body without saying how long it is.
    pub(crate) fn chunked(self) -> Self {
        Self { chunked: true, ..self }
    }

    /// Announces so many bytes more than it sends.
    pub(crate) fn withholding(self, bytes: usize) -> Self {
        Self { withheld: bytes, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str("host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let Some(body) = &self.body else { return (head + "\r\n").into_bytes() };
        if !self.chunked {
            let mut bytes =
                format!("{head}content-length: {}\r\n\r\n", body.len() + self.withheld).into_bytes();
            bytes.extend_from_slice(body);
            return bytes;
        }
        let mut bytes = (head + "transfer-encoding: chunked\r\n\r\n").into_bytes();
        for piece in body.chunks(4096) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// Sends it over a connection of its own and waits for the head of the answer.
    pub(crate) async fn open(&self, address: SocketAddr) -> Live {
        let sent = Sent::send(self, address).await;
        sent.head().await
    }

    /// Sends it over this connection and waits for the head of the answer.
    pub(crate) async fn open_on(&self, socket: TcpStream) -> Live {
        Sent::send_on(self, socket).await.head().await
    }

    /// Sends it and waits for the whole answer.
    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        self.open(address).await.rest().await
    }
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It closes the connection.
    Close,
    /// It resets the connection.
    Reset,
    /// It says that it sends no more, and keeps the connection.
    HalfClose,
}

impl Leave {
    /// Gives back what is still open.
    async fn with(self, mut socket: TcpStream) -> Option<TcpStream> {
        match self {
            Self::Close => None,
            Self::Reset => {
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
                None
            }
            Self::HalfClose => {
                socket.shutdown().await.unwrap();
                Some(socket)
            }
        }
    }
}

/// A request whose answer nobody has looked at yet. Dropping it leaves.
pub(crate) struct Sent {
    socket: TcpStream,
    to_head: bool,
}

impl Sent {
    pub(crate) async fn send(request: &Request, address: SocketAddr) -> Self {
        Self::send_on(request, TcpStream::connect(address).await.unwrap()).await
    }

    async fn send_on(request: &Request, mut socket: TcpStream) -> Self {
        let (reader, mut writer) = socket.split();
        let bytes = request.bytes();
        // A refusal may come while the body is still being written; both directions must move.
        let written = writer.write_all(&bytes);
        tokio::select! {
            written = written => drop(written),
            _ = async { reader.readable().await } => {}
        }
        Self { socket, to_head: request.method == "HEAD" }
    }

    pub(crate) async fn leave(self, how: Leave) -> Option<TcpStream> {
        how.with(self.socket).await
    }

    pub(crate) async fn head(self) -> Live {
        let mut live = Live {
            socket: self.socket,
            buffer: Vec::new(),
            status: 0,
            headers: HeaderMap::new(),
            framing: Framing::Length(0),
            ending: None,
        };
        let end = loop {
            if let Some(end) = find(&live.buffer, b"\r\n\r\n") {
                break end;
            }
            assert!(live.fill().await, "no head: {:?}", String::from_utf8_lossy(&live.buffer));
        };
        let head: Vec<u8> = live.buffer.drain(..end + 4).collect();
        let head = std::str::from_utf8(&head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        live.status = status.parse().unwrap();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            live.headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value.trim()).unwrap(),
            );
        }
        live.framing = match (live.header("transfer-encoding"), live.header("content-length")) {
            (Some("chunked"), None) => Framing::Chunked,
            (None, Some(length)) if !self.to_head => Framing::Length(length.parse().unwrap()),
            (None, _) => Framing::Length(0),
            other => panic!("ambiguous framing: {other:?}"),
        };
        live
    }
}

/// How an answer's body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With the last chunk, or all the announced bytes.
    Whole,
    /// The connection closed before.
    Cut,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

/// An answer whose body is still coming. Dropping it leaves.
pub(crate) struct Live {
    socket: TcpStream,
    buffer: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    framing: Framing,
    ending: Option<Ending>,
}

impl Live {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The next piece of the body as it was framed, or nothing at its end.
    pub(crate) async fn piece(&mut self) -> Option<Vec<u8>> {
        if self.ending.is_some() {
            return None;
        }
        match self.framing {
            Framing::Length(length) => {
                while self.buffer.len() < length {
                    if !self.fill().await {
                        self.ending = Some(Ending::Cut);
                        return Some(std::mem::take(&mut self.buffer));
                    }
                }
                self.ending = Some(Ending::Whole);
                Some(self.buffer.drain(..length).collect())
            }
            Framing::Chunked => {
                let line = loop {
                    if let Some(line) = find(&self.buffer, b"\r\n") {
                        break line;
                    }
                    if !self.fill().await {
                        self.ending = Some(Ending::Cut);
                        return None;
                    }
                };
                let size = std::str::from_utf8(&self.buffer[..line]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                let whole = line + 2 + size + 2;
                while self.buffer.len() < whole {
                    if !self.fill().await {
                        self.ending = Some(Ending::Cut);
                        return None;
                    }
                }
                let chunk: Vec<u8> = self.buffer.drain(..whole).collect();
                assert!(chunk.ends_with(b"\r\n"), "a chunk without its end");
                if size == 0 {
                    self.ending = Some(Ending::Whole);
                    return None;
                }
                Some(chunk[line + 2..line + 2 + size].to_vec())
            }
        }
    }

    pub(crate) async fn leave(self, how: Leave) -> Option<TcpStream> {
        how.with(self.socket).await
    }

    /// The whole answer.
    pub(crate) async fn rest(mut self) -> Answer {
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await {
            body.extend(piece);
        }
        Answer { status: self.status, headers: self.headers, body, ending: self.ending.unwrap() }
    }

    /// Reads something; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let read = tokio::time::timeout(HANG, self.socket.read_buf(&mut self.buffer));
        // A connection may end in a reset as well.
        matches!(read.await.expect("the gateway hangs"), Ok(1..))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {} {:?}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// A successful completion: its body.
    #[track_caller]
    pub(crate) fn completion(&self) -> Value {
        let body = self.json();
        assert_eq!(self.status, 200, "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(body["object"], "chat.completion");
        assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"), "{body}");
        body
    }

    /// An error in OpenAI's shape and nothing else: its object.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let body = self.json();
        assert!(self.status >= 400, "{} {body}", self.status);
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert!(self.header("x-request-id").is_some(), "every answer has its id");
        let whole = body.as_object().unwrap();
        assert_eq!(whole.keys().collect::<Vec<_>>(), ["error"]);
        let mut keys: Vec<_> = body["error"].as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "message", "param", "type"]);
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
        body["error"].clone()
    }

    /// Status, type and code of an error.
    #[track_caller]
    pub(crate) fn verdict(&self) -> (u16, String, Option<String>) {
        let error = self.error();
        let code = error["code"].as_str().map(str::to_owned);
        (self.status, error["type"].as_str().unwrap().to_owned(), code)
    }
}
