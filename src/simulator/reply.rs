//! What goes back to the client: a head, a body, and everything that can go wrong with either.

use super::event_stream::Frame;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// One answer, made by the simulator's models or queued with [`Simulator::script`](super::Simulator::script).
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) before: Vec<Step>,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Sent at once, with its `content-length`.
    Whole(Bytes),
    /// Sent in chunks, one for each step that has bytes.
    Steps(Vec<Step>),
    /// No reply at all: the connection closes.
    Missing,
}

/// One step of a streamed body, or of the wait before a reply's head.
#[derive(Debug, Clone)]
pub enum Step {
    /// A frame.
    Frame(Frame),
    /// Any bytes: half a frame, two frames, rubbish.
    Raw(Bytes),
    /// A pause.
    Delay(Duration),
    /// Silence until the client leaves.
    Stall,
    /// Silence until the test calls [`Notify::notify_one`].
    Hold(Arc<Notify>),
    /// Close the connection in the middle of the body; what was sent so far arrives.
    Cut,
    /// Reset the connection (TCP RST) in the middle of the body.
    Reset,
}

impl Reply {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::recorded(status, [("content-type", "application/json")], body.to_string())
    }

    /// An AWS error: `code` such as `ThrottlingException` goes into `x-amzn-ErrorType`, `message` into the body.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        super::fault::Fault::new(status, code, message).into()
    }

    /// An event stream with HTTP status 200.
    pub fn stream(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut reply =
            Self::recorded(200, [("content-type", "application/vnd.amazon.eventstream")], Bytes::new());
        reply.body = Body::Steps(steps.into_iter().collect());
        reply
    }

    /// Any reply, byte for byte. A status or a header that HTTP doesn't allow becomes a 500 that says so; the
    /// recorded `content-length`, `transfer-encoding` and `connection` are left to this connection.
    pub fn recorded<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: impl Into<Bytes>,
    ) -> Self {
        let mut reply = Self {
            before: Vec::new(),
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::new(),
            body: Body::Whole(body.into()),
        };
        for (name, value) in headers {
            reply = reply.with_header(name, value);
        }
        reply
    }

    /// No reply: the connection closes instead.
    pub fn hang_up() -> Self {
        let mut reply = Self::recorded(200, [], Bytes::new());
        reply.body = Body::Missing;
        reply
    }

    /// Adds a header. Hop-by-hop headers are skipped, invalid ones become `x-outcrop-invalid-header`.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        const HOP_BY_HOP: [&str; 3] = ["content-length", "transfer-encoding", "connection"];
        if HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop)) {
            return self;
        }
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => self.headers.append(name, value),
            _ => self.headers.append("x-outcrop-invalid-header", HeaderValue::from_static("true")),
        };
        self
    }

    /// Waits before the reply's head: [`Step::Delay`], [`Step::Hold`] or [`Step::Stall`]. Steps with bytes are
    /// nothing to wait for; [`Step::Cut`] and [`Step::Reset`] end the connection.
    #[must_use]
    pub fn after(mut self, step: Step) -> Self {
        self.before.push(step);
        self
    }
}
