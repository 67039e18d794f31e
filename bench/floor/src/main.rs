//! The floor: the least work that can do a gateway's job in userspace Rust. hyper on both sides and SigV4
//! between them; no JSON is read, so nothing that translates can be cheaper.
//!
//! A request's body is signed and sent to Converse as it came. A plain answer is replaced by a fixed one of
//! the same length; of a streamed one each frame is decoded and its text copied, undecoded, into an SSE chunk.
//! One single-threaded runtime a core, each with its own listening socket.
//! The address it listens on is its first line on standard output.

mod bedrock;
mod sse;

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use bedrock::Bedrock;

#[derive(Parser, Clone)]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where Bedrock is.
    #[arg(long)]
    upstream: SocketAddr,
    /// Threads, each with a runtime of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

type Body = BoxBody<Bytes, Infallible>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Two hundred tokens, as the fake Bedrock says them, in an OpenAI reply.
const CANNED: &str = include_str!("canned.json");

fn main() -> io::Result<()> {
    let args = Args::parse();
    let first = listen(args.listen)?;
    let address = first.local_addr()?;
    writeln!(io::stdout(), "{address}")?;
    for _ in 1..args.threads {
        let (upstream, listener) = (args.upstream, listen(address)?);
        std::thread::spawn(move || run(listener, upstream));
    }
    run(first, args.upstream)
}

/// Sockets of the same address share its connections.
fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

fn run(listener: std::net::TcpListener, upstream: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        let bedrock = Arc::new(Bedrock::new(upstream));
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let bedrock = Arc::clone(&bedrock);
            tokio::spawn(async move {
                let service =
                    hyper::service::service_fn(move |request| answer(Arc::clone(&bedrock), request));
                // A client that goes away ends its connection, nothing else.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    })
}

async fn answer(bedrock: Arc<Bedrock>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.method() == Method::GET {
        return Ok(response(StatusCode::OK, "application/json", full(r#"{"status":"ok"}"#)));
    }
    Ok(chat(&bedrock, request)
        .await
        .unwrap_or_else(|error| response(StatusCode::BAD_GATEWAY, "text/plain", full(error.to_string()))))
}

async fn chat(bedrock: &Bedrock, request: Request<Incoming>) -> Result<Response<Body>, Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let streaming = memchr::memmem::find(&body, b"\"stream\":true").is_some();
    let (answer, lease) = bedrock.send(body, streaming).await?;
    let status = answer.status();
    if streaming && status == StatusCode::OK {
        let body = sse::Sse::new(answer.into_body(), lease);
        return Ok(response(StatusCode::OK, "text/event-stream", body.boxed()));
    }
    let whole = answer.into_body().collect().await?.to_bytes();
    lease.give_back();
    let body = if status == StatusCode::OK { full(CANNED) } else { full(whole) };
    Ok(response(status, "application/json", body))
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

fn response(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
