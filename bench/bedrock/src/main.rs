//! A fake Bedrock Runtime that costs next to nothing: answers and frames are rendered once, so that what a
//! run measures is the gateway in front of it. Plain HTTP/1.1, one thread, signatures unread.
//!
//! `GET /control?first_ms=200&delay_ms=20` sets the pace of streams while it runs. With a delay each delta's
//! text is the time at which it was sent, so that `load` knows what the gateway added to every chunk.
//! The address it listens on is its first line on standard output.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, BytesMut};
use clap::Parser;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};
use workload::Format;

#[derive(Parser)]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Deltas in a stream.
    #[arg(long, default_value_t = 100)]
    deltas: usize,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(args))
}

async fn serve(args: Args) -> io::Result<()> {
    let listener = listen(args.listen)?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let fake = Arc::new(Fake {
        answers: Format::ALL.map(|format| Answer::render(format, args.deltas)),
        deltas: args.deltas,
        pace: RwLock::default(),
    });
    loop {
        let (socket, _) = listener.accept().await?;
        let fake = Arc::clone(&fake);
        tokio::spawn(async move {
            // A client that goes away is no failure of the fake; one that isn't answered reports it itself.
            let _ = connection(socket, &fake).await;
        });
    }
}

/// A queue long enough that thousands of connections may come at once.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}

struct Fake {
    /// By [`Format`].
    answers: [Answer; Format::ALL.len()],
    deltas: usize,
    pace: RwLock<Pace>,
}

/// How fast streams go. Without a delay a whole stream is one write.
#[derive(Clone, Copy, Default)]
struct Pace {
    first: Duration,
    delay: Duration,
}

/// HTTP responses, ready to be written.
struct Answer {
    format: Format,
    plain: Vec<u8>,
    stream: Vec<u8>,
    stream_head: Vec<u8>,
    stream_tail: Vec<u8>,
}

impl Answer {
    fn render(format: Format, deltas: usize) -> Self {
        let mut stream_head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n\
             X-Amzn-Bedrock-Content-Type: application/json\r\n{REQUEST_ID}Transfer-Encoding: chunked\r\n\r\n"
        )
        .into_bytes();
        push_chunk(&mut stream_head, &format.stream_head());
        let mut stream_tail = Vec::new();
        push_chunk(&mut stream_tail, &format.stream_tail(deltas));
        stream_tail.extend_from_slice(b"0\r\n\r\n");
        let mut stream = stream_head.clone();
        for n in 0..deltas {
            push_chunk(&mut stream, &format.numbered_delta(n)); // a chunk for each event, as AWS sends them
        }
        stream.extend_from_slice(&stream_tail);
        Self { format, plain: json("200 OK", &format.reply()), stream, stream_head, stream_tail }
    }
}

const REQUEST_ID: &str = "x-amzn-RequestId: 8d1b2f5e-0000-4000-8000-00000000c0de\r\n";

fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{REQUEST_ID}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn push_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return; // it would be the last chunk
    }
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

async fn connection(mut socket: TcpStream, fake: &Fake) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    while let Some(head) = read_head(&mut socket, &mut buffer).await? {
        while buffer.len() < head.length {
            buffer.reserve(head.length - buffer.len());
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.advance(head.length);
        let (path, query) = head.path.split_once('?').unwrap_or((&head.path, ""));
        let pace = *fake.pace.read().unwrap_or_else(PoisonError::into_inner);
        let answer = |format: Format| &fake.answers[format as usize];
        match path.rsplit('/').next().unwrap_or_default() {
            "converse" => plain(&mut socket, answer(Format::Converse), pace).await?,
            "invoke" => plain(&mut socket, answer(Format::native(path)), pace).await?,
            "converse-stream" => stream(&mut socket, answer(Format::Converse), fake.deltas, pace).await?,
            "invoke-with-response-stream" => {
                stream(&mut socket, answer(Format::native(path)), fake.deltas, pace).await?;
            }
            "control" => {
                let pace = Pace { first: millis(query, "first_ms"), delay: millis(query, "delay_ms") };
                *fake.pace.write().unwrap_or_else(PoisonError::into_inner) = pace;
                socket.write_all(&json("200 OK", "{}")).await?;
            }
            _ => {
                socket.write_all(&json("404 Not Found", r#"{"message":"the fake has no such path"}"#)).await?
            }
        }
    }
    Ok(())
}

struct Head {
    path: String,
    length: usize,
}

/// The next request's head, taken out of the buffer; `None` at the end of the connection.
async fn read_head(socket: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<Head>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(buffer).map_err(io::Error::other)? {
            httparse::Status::Complete(taken) => {
                let length = request
                    .headers
                    .iter()
                    .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                    .and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok())
                    .unwrap_or(0);
                let path = request.path.unwrap_or("/").to_owned();
                buffer.advance(taken);
                return Ok(Some(Head { path, length }));
            }
            httparse::Status::Partial => {
                if socket.read_buf(buffer).await? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

async fn plain(socket: &mut TcpStream, answer: &Answer, pace: Pace) -> io::Result<()> {
    if !pace.first.is_zero() {
        tokio::time::sleep(pace.first).await;
    }
    socket.write_all(&answer.plain).await
}

async fn stream(socket: &mut TcpStream, answer: &Answer, deltas: usize, pace: Pace) -> io::Result<()> {
    if pace.delay.is_zero() {
        return socket.write_all(&answer.stream).await;
    }
    let mut due = Instant::now() + pace.first;
    let mut out = answer.stream_head.clone();
    for _ in 0..deltas {
        sleep_until(due).await;
        push_chunk(&mut out, &answer.format.delta(&format!("T{:019} ", now_nanos())));
        socket.write_all(&out).await?;
        out.clear();
        due += pace.delay;
    }
    socket.write_all(&answer.stream_tail).await
}

/// The wall clock, which every process on the machine shares.
fn now_nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn millis(query: &str, key: &str) -> Duration {
    let value = query.split('&').find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key));
    Duration::from_millis(value.and_then(|(_, value)| value.parse().ok()).unwrap_or(0))
}
