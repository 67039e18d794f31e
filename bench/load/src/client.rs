//! One connection, one exchange.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::TcpStream;

use crate::reader::Reader;

pub(crate) type Error = Box<dyn std::error::Error>;
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// Who is asked, and what.
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) stream: bool,
    /// Bytes of text that a whole stream brings at least.
    pub(crate) text: usize,
}

/// A whole answer.
pub(crate) struct Exchange {
    /// When the first text of a stream was here.
    pub(crate) first_chunk: Option<Instant>,
    /// Of each chunk that tells when it was sent, how long it took.
    pub(crate) chunks: Vec<Duration>,
}

impl Target {
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        let socket = TcpStream::connect(&self.address).await.map_err(|error| format!("connect: {error}"))?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::task::spawn_local(async move {
            // Its failure is the failure of the exchange that it carries.
            let _ = connection.await;
        });
        Ok(sender)
    }

    /// Asks, and reads and checks the answer.
    pub(crate) async fn exchange(&self, connection: &mut Connection) -> Result<Exchange, Error> {
        let request = self.request("/v1/chat/completions").header("content-type", "application/json");
        let answer = send(connection, request.method("POST").body(Full::new(self.body.clone()))?).await?;
        let status = answer.status();
        if !self.stream || status != StatusCode::OK {
            let body = answer.into_body().collect().await?.to_bytes();
            let holds = |text: &str| memmem::find(&body, text.as_bytes()).is_some();
            if status != StatusCode::OK || !holds(workload::TEXT_MARK) || !holds(r#""finish_reason":"stop""#)
            {
                return Err(
                    format!("{status}: {}", String::from_utf8_lossy(&body[..body.len().min(300)])).into()
                );
            }
            return Ok(Exchange { first_chunk: None, chunks: Vec::new() });
        }
        self.read_stream(answer.into_body()).await
    }

    async fn read_stream(&self, mut body: Incoming) -> Result<Exchange, Error> {
        let (mut reader, mut first_chunk, mut chunks) = (Reader::default(), None, Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            reader.read(&data, |sent| chunks.push(now.saturating_sub(Duration::from_nanos(sent))));
            if first_chunk.is_none() && reader.text > 0 {
                first_chunk = Some(Instant::now());
            }
        }
        let Reader { text, finished, done, odd, .. } = reader;
        if !finished || !done || text < self.text {
            return Err(format!(
                "a stream of {text} bytes, finish reason: {finished}, [DONE]: {done}; {odd}"
            )
            .into());
        }
        Ok(Exchange { first_chunk, chunks })
    }

    /// The cheapest request there is: for connections that are to rest.
    pub(crate) async fn greet(&self, connection: &mut Connection) -> Result<(), Error> {
        let answer = send(connection, self.request("/livez").body(Full::default())?).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        if status.is_success() { Ok(()) } else { Err(format!("/livez: {status}").into()) }
    }

    fn request(&self, path: &str) -> http::request::Builder {
        let request = Request::builder().uri(path).header("host", &self.address);
        match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
    }
}

async fn send(
    connection: &mut Connection,
    request: Request<Full<Bytes>>,
) -> Result<http::Response<Incoming>, Error> {
    connection.ready().await.map_err(|error| format!("ready: {error}"))?;
    Ok(connection.send_request(request).await.map_err(|error| format!("send: {error}"))?)
}
