//! HTTP/1.1 as a client that retries nothing and notices everything: an answer, how it ended, and when it came.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// Turns a hang into an error.
const HANG: Duration = Duration::from_secs(120);

pub const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub const NOVA: &str = "amazon.nova-lite-v1:0";
pub const MICRO: &str = "amazon.nova-micro-v1:0";

#[derive(Clone)]
pub struct Request(Vec<u8>);

impl Request {
    pub fn get(path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes())
    }

    pub fn post(path: &str, key: Option<&str>, body: &[u8]) -> Self {
        let key = key.map_or_else(String::new, |key| format!("authorization: Bearer {key}\r\n"));
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\n{key}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self([head.as_bytes(), body].concat())
    }

    pub fn chat(model: &str, text: &str, stream: bool) -> Self {
        Self::chat_of(None, model, text, stream)
    }

    pub fn chat_of(key: Option<&str>, model: &str, text: &str, stream: bool) -> Self {
        let body: Value =
            json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]});
        Self::post("/v1/chat/completions", key, body.to_string().as_bytes())
    }

    /// Over a connection of its own.
    pub async fn send(&self, address: SocketAddr) -> io::Result<Answer> {
        Connection::open(address).await?.send(self).await
    }
}

/// A whole answer, or what there was of it.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The framing came to its end.
    pub whole: bool,
    pub took: Duration,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A good answer: a whole body, and a stream's own end.
    pub fn good(&self) -> bool {
        let streams = self.head.contains("text/event-stream");
        self.status == 200 && self.whole && (!streams || self.body.ends_with(b"data: [DONE]\n\n"))
    }
}

pub struct Connection {
    socket: BufReader<TcpStream>,
}

/// An answer whose body is still to come.
pub struct Live {
    connection: Connection,
    pub status: u16,
    head: String,
    left: Framing,
    begun: Instant,
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket: BufReader::new(socket) })
    }

    /// Over a socket that somebody else has opened.
    pub fn over(socket: TcpStream) -> Self {
        Self { socket: BufReader::new(socket) }
    }

    /// One that has next to no room for what it doesn't read.
    pub async fn narrow(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4 * 1024)?;
        Ok(Self { socket: BufReader::with_capacity(1024, socket.connect(address).await?) })
    }

    pub async fn write(&mut self, request: &Request) -> io::Result<()> {
        self.socket.get_mut().write_all(&request.0).await
    }

    /// Asks, and reads the whole answer; the connection can be used again.
    pub async fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let begun = Instant::now();
        tokio::time::timeout(HANG, async {
            self.write(request).await?;
            let (status, head, framing) = self.head().await?;
            let (body, whole) = self.body(framing).await;
            Ok(Answer { status, head, body, whole, took: begun.elapsed() })
        })
        .await?
    }

    pub async fn send(mut self, request: &Request) -> io::Result<Answer> {
        self.ask(request).await
    }

    /// Waits for the head.
    pub async fn begin(mut self, request: &Request) -> io::Result<Live> {
        let begun = Instant::now();
        self.write(request).await?;
        let (status, head, left) = tokio::time::timeout(HANG, self.head()).await??;
        Ok(Live { connection: self, status, head, left, begun })
    }

    async fn head(&mut self) -> io::Result<(u16, String, Framing)> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.socket.read_line(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        head.make_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let framing = match length {
            Some(length) => Framing::Length(length.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?),
            None if head.contains("transfer-encoding: chunked") => Framing::Chunked,
            None => Framing::Length(0),
        };
        Ok((status, head, framing))
    }

    async fn body(&mut self, framing: Framing) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        let whole = match framing {
            Framing::Length(length) => {
                body.resize(length, 0);
                self.socket.read_exact(&mut body).await.is_ok()
            }
            Framing::Chunked => loop {
                match self.chunk().await {
                    Ok(chunk) if chunk.is_empty() => break true,
                    Ok(chunk) => body.extend(chunk),
                    Err(_) => break false,
                }
            },
        };
        (body, whole)
    }

    async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut size = String::new();
        self.socket.read_line(&mut size).await?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let mut chunk = vec![0; size + 2];
        self.socket.read_exact(&mut chunk).await?;
        chunk.truncate(size);
        Ok(chunk)
    }
}

impl Live {
    /// The next piece; none at the end, good or not.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        self.connection.chunk().await.ok().filter(|piece| !piece.is_empty())
    }

    pub async fn rest(mut self) -> Answer {
        let (body, whole) = self.connection.body(self.left).await;
        Answer { status: self.status, head: self.head, body, whole, took: self.begun.elapsed() }
    }
}

pub fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}
