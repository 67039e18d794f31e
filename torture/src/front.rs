//! An upstream that counts and times what the gateway does, and fails on demand: in front of a simulator, which gives the
//! answers. It reads just enough HTTP to know where a request ends and which model it is for.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// In a request's text: frames without end.
pub const ENDLESS: &str = "endless frames, please";

/// What it does to calls.
#[derive(Default)]
pub struct Orders {
    /// Every call fails.
    pub down: bool,
    /// Calls of these models fail.
    pub failing: HashSet<&'static str>,
    /// Ends of credentials by access key id: used later, they are refused.
    pub ends: HashMap<String, SystemTime>,
}

/// What it has seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Calls of models, and when the last one came.
    pub calls: u64,
    pub called_at: Option<Instant>,
    /// Of them, those that failed by order.
    pub failed: u64,
    pub refused_credentials: u64,
    /// Calls that the gateway has left before their answer's end, and when the last one was.
    pub left: u64,
    pub left_at: Option<Instant>,
    /// Connections, and the most there were at once.
    pub open: u64,
    pub most: u64,
}

pub struct Front {
    pub address: SocketAddr,
    orders: Arc<Mutex<Orders>>,
    seen: watch::Sender<Seen>,
    serving: JoinHandle<()>,
}

impl Front {
    pub async fn start(simulator: SocketAddr) -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), simulator).await
    }

    pub async fn start_at(address: SocketAddr, simulator: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (orders, seen) = (Arc::<Mutex<Orders>>::default(), watch::Sender::default());
        let shared = Shared { simulator, orders: Arc::clone(&orders), seen: seen.clone() };
        let serving = tokio::spawn(serve(listener, shared));
        Ok(Self { address, orders, seen, serving })
    }

    pub fn order(&self, how: impl FnOnce(&mut Orders)) {
        how(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    pub fn watch(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Clone)]
struct Shared {
    simulator: SocketAddr,
    orders: Arc<Mutex<Orders>>,
    seen: watch::Sender<Seen>,
}

async fn serve(listener: TcpListener, shared: Shared) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            let shared = shared.clone();
            connections.spawn(async move {
                shared.seen.send_modify(|seen| {
                    seen.open += 1;
                    seen.most = seen.most.max(seen.open);
                });
                // How it ends has been seen by then.
                let _ended = answer_all(stream, &shared).await;
                shared.seen.send_modify(|seen| seen.open -= 1);
            });
        }
    }
}

async fn answer_all(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // What has been written has gone: it isn't the gateway's side that holds it.
    socket2::SockRef::from(&stream).set_send_buffer_size(16 * 1024)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        if let Some(refusal) = judge(&head, shared) {
            stream.write_all(refusal.as_bytes()).await?;
            continue;
        }
        let out = stream.get_mut();
        let answered = if body.windows(ENDLESS.len()).any(|window| window == ENDLESS.as_bytes()) {
            endless(out).await
        } else {
            forward(out, &head, &body, shared.simulator).await
        };
        match answered {
            Ok(true) => {}
            // The answer's own end was that of its connection.
            Ok(false) => return Ok(()),
            Err(error) => {
                shared.seen.send_modify(|seen| {
                    seen.left += 1;
                    seen.left_at = Some(Instant::now());
                });
                return Err(error);
            }
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Counts a call, and refuses it if that is the order.
fn judge(head: &str, shared: &Shared) -> Option<String> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    if !path.starts_with("/model/") {
        return None;
    }
    let orders = shared.orders.lock().unwrap_or_else(PoisonError::into_inner);
    let key = header(head, "authorization")
        .and_then(|value| value.split("Credential=").nth(1)?.split('/').next())
        .unwrap_or_default();
    let expired = orders.ends.get(key).is_some_and(|end| SystemTime::now() > *end);
    let plain = path.replace("%3A", ":");
    let fails = orders.down || orders.failing.iter().any(|model| plain.contains(model));
    shared.seen.send_modify(|seen| {
        seen.calls += 1;
        seen.called_at = Some(Instant::now());
        seen.failed += u64::from(fails);
        seen.refused_credentials += u64::from(expired);
    });
    let (status, code) = match (expired, fails) {
        (true, _) => (403, "ExpiredTokenException"),
        (_, true) => (503, "ServiceUnavailableException"),
        _ => return None,
    };
    let body = r#"{"message":"by order"}"#;
    Some(format!(
        "HTTP/1.1 {status} x\r\nx-amzn-errortype: {code}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// Lets the simulator answer. `true`: the connection may be used again. An error: the gateway has left.
async fn forward(out: &mut TcpStream, head: &str, body: &[u8], simulator: SocketAddr) -> io::Result<bool> {
    let mut back = TcpStream::connect(simulator).await?;
    back.set_nodelay(true)?;
    back.write_all(head.as_bytes()).await?;
    back.write_all(body).await?;
    let (mut reader, mut writer) = out.split();
    let mut buffer = vec![0; 16 * 1024];
    let mut answer = Answer::default();
    let mut end = [0; 1];
    loop {
        tokio::select! {
            read = back.read(&mut buffer) => {
                let read = read?;
                if read == 0 {
                    return Ok(false);
                }
                writer.write_all(&buffer[..read]).await?;
                if answer.is_over(&buffer[..read]) {
                    return Ok(true);
                }
            }
            gone = reader.read(&mut end) => match gone {
                Ok(1..) => return Err(io::ErrorKind::InvalidData.into()),
                Ok(0) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Err(error) => return Err(error),
            },
        }
    }
}

/// Finds the end of an answer.
#[derive(Default)]
struct Answer {
    seen: Vec<u8>,
    /// All bytes there will be, once the head has said so.
    length: Option<usize>,
    chunked: bool,
    count: usize,
}

impl Answer {
    fn is_over(&mut self, bytes: &[u8]) -> bool {
        self.count += bytes.len();
        if self.length.is_none() && !self.chunked {
            self.seen.extend_from_slice(bytes);
            let Some(end) = self.seen.windows(4).position(|window| window == b"\r\n\r\n") else {
                return false;
            };
            let head = String::from_utf8_lossy(&self.seen[..end + 4]).into_owned();
            self.chunked = header(&head, "transfer-encoding").is_some();
            self.length = header(&head, "content-length")
                .and_then(|value| value.parse::<usize>().ok())
                .map(|body| end + 4 + body);
        }
        if self.chunked {
            self.seen.extend_from_slice(bytes);
            let from = self.seen.len().saturating_sub(5);
            self.seen.drain(..from);
            return self.seen == b"0\r\n\r\n";
        }
        self.length.is_some_and(|length| self.count >= length)
    }
}

/// Converse's events without end, as fast as they are read.
async fn endless(out: &mut TcpStream) -> io::Result<bool> {
    let begin = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n";
    out.write_all(begin).await?;
    out.write_all(&chunk(&frame("messageStart", r#"{"role":"assistant"}"#))).await?;
    let delta = chunk(&frame(
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"of words that nobody reads there is no end, "},"p":"abcdefg"}"#,
    ));
    loop {
        out.write_all(&delta).await?;
    }
}

fn chunk(frame: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", frame.len()).as_bytes(), frame, b"\r\n"].concat()
}

/// A message of `application/vnd.amazon.eventstream`.
fn frame(event: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in
        [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")]
    {
        headers.push(name.len() as u8);
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let total = (12 + headers.len() + payload.len() + 4) as u32;
    let mut frame = total.to_be_bytes().to_vec();
    frame.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}
