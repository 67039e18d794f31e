//! Frames of `application/vnd.amazon.eventstream`, with both checksums, whole or deliberately broken.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

/// One encoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

/// An event of a stream before it is encoded.
#[derive(Debug)]
pub(super) struct Event {
    /// `contentBlockDelta`, or `chunk` for native formats.
    pub(super) name: &'static str,
    pub(super) payload: Value,
    /// Whether it carries a piece of the answer, and not only structure.
    pub(super) content: bool,
}

impl Frame {
    /// `:message-type event` with a JSON payload. `name` is the event type: `contentBlockDelta`, `chunk`.
    pub fn event(name: &str, payload: &Value) -> Self {
        Self::encode(
            &[(":event-type", name), (":content-type", "application/json"), (":message-type", "event")],
            Bytes::from(payload.to_string()),
        )
    }

    /// `:message-type exception`. `name` begins with a small letter: `throttlingException`.
    pub fn exception(name: &str, payload: &Value) -> Self {
        Self::encode(
            &[
                (":exception-type", name),
                (":content-type", "application/json"),
                (":message-type", "exception"),
            ],
            Bytes::from(payload.to_string()),
        )
    }

    /// `:message-type error`, which carries its text in headers and has no payload.
    pub fn error(code: &str, message: &str) -> Self {
        Self::encode(
            &[(":error-code", code), (":error-message", message), (":message-type", "error")],
            Bytes::new(),
        )
    }

    /// The same frame with its last checksum wrong.
    #[must_use]
    pub fn corrupted(&self) -> Self {
        let mut bytes = BytesMut::from(self.0.as_ref());
        if let Some(last) = bytes.last_mut() {
            *last ^= 0xff;
        }
        Self(bytes.freeze())
    }

    /// The frame's bytes, prelude to checksum.
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }

    fn encode(headers: &[(&str, &str)], payload: Bytes) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                Header::new((*name).to_owned(), HeaderValue::String((*value).to_owned().into()))
            })
            .collect();
        let mut bytes = BytesMut::new();
        // Fails only above the format's limits (128 KiB of headers, 16 MiB of payload). An empty frame would make
        // the client wait, so what was written so far goes out: a frame that no decoder accepts.
        if let Err(error) = write_message_to(&Message::new_from_parts(headers, payload), &mut bytes) {
            tracing::warn!(%error, "the simulator could not encode a frame");
        }
        Self(bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_eventstream::frame::read_message_from;
    use serde_json::json;

    #[test]
    fn a_frame_reads_back() {
        let frame = Frame::event("chunk", &json!({"bytes": "e30="}));
        let message = read_message_from(frame.bytes()).unwrap();
        assert_eq!(message.payload().as_ref(), br#"{"bytes":"e30="}"#);
        assert_eq!(message.headers().len(), 3);
    }

    #[test]
    fn a_corrupted_frame_does_not() {
        assert!(read_message_from(Frame::event("chunk", &json!({})).corrupted().bytes()).is_err());
    }
}
