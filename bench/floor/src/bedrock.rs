//! Signed calls of Converse over a pool of connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Error;

type Sender = SendRequest<Full<Bytes>>;

pub(crate) struct Bedrock {
    address: SocketAddr,
    host: String,
    identity: Identity,
    /// Connections at rest, the one used last on top.
    idle: Arc<Mutex<Vec<Sender>>>,
}

impl Bedrock {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let keys =
            Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "fixed");
        Self { address, host: address.to_string(), identity: keys.into(), idle: Arc::default() }
    }

    pub(crate) async fn send(&self, body: Bytes, stream: bool) -> Result<(Response<Incoming>, Lease), Error> {
        let request = self.signed(body, stream)?;
        let mut sender = self.connection().await?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        Ok((response, Lease { sender, idle: Arc::clone(&self.idle) }))
    }

    fn signed(&self, body: Bytes, stream: bool) -> Result<Request<Full<Bytes>>, Error> {
        let operation = if stream { "converse-stream" } else { "converse" };
        let path = format!("/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/{operation}");
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region("us-east-1")
            .name("bedrock")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = [("host", self.host.as_str()), ("content-type", "application/json")];
        let signable = SignableRequest::new("POST", &path, headers.into_iter(), SignableBody::Bytes(&body))?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let request =
            Request::post(&path).header("host", &self.host).header("content-type", "application/json");
        let mut signed = request.body(())?;
        instructions.apply_to_request_http1x(&mut signed);
        Ok(signed.map(|()| Full::new(body)))
    }

    async fn connection(&self) -> Result<Sender, Error> {
        while let Some(sender) = lock(&self.idle).pop() {
            if !sender.is_closed() {
                return Ok(sender);
            }
        }
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(async move {
            // Its failure is the failure of the request that it carries.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// A connection in use. It is dropped unless its answer has been read to the end.
pub(crate) struct Lease {
    sender: Sender,
    idle: Arc<Mutex<Vec<Sender>>>,
}

impl Lease {
    pub(crate) fn give_back(self) {
        lock(&self.idle).push(self.sender);
    }
}

fn lock(idle: &Mutex<Vec<Sender>>) -> std::sync::MutexGuard<'_, Vec<Sender>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
