//! The seam between the gateway and the wire.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::Stream;

use super::{BedrockError, ErrorKind, Frame, FrameDecoder, Invocation, Reply, ReplyHead};

/// Carries calls to Bedrock. One per region and account.
pub trait Transport: Send + Sync {
    /// Makes a call that is answered whole.
    fn invoke(&self, call: Invocation) -> BoxFuture<'_, Result<Reply, BedrockError>>;

    /// Makes a call that is answered by a stream. Resolves when the answer's head is there; dropping what
    /// it gives closes the connection, and so stops the model.
    fn invoke_stream(&self, call: Invocation) -> BoxFuture<'_, Result<Streamed, BedrockError>>;
}

/// Asks Bedrock's control plane: what there is to call.
pub trait ControlPlane: Send + Sync {
    /// A GET of `path`, which begins with `/` and is percent-encoded, in a region; `None` is the default one.
    fn read<'a>(
        &'a self,
        region: Option<&'a str>,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Reply, BedrockError>>;
}

/// A stream's head, and the stream.
pub struct Streamed {
    /// What the headers say.
    pub head: ReplyHead,
    /// The events.
    pub frames: FrameStream,
}

/// The body of a streamed answer, as bytes.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BedrockError>> + Send>>;

/// The events of a stream, in order. It ends with `None` where the bytes end between two messages, whether
/// or not the model was done; after an error it is over.
pub struct FrameStream {
    bytes: ByteStream,
    decoder: FrameDecoder,
    ended: bool,
}

impl FrameStream {
    /// Decodes `bytes`.
    pub fn new(bytes: ByteStream) -> Self {
        Self { bytes, decoder: FrameDecoder::new(), ended: false }
    }
}

impl Stream for FrameStream {
    type Item = Result<Frame, BedrockError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.ended {
            let item = match this.decoder.decode() {
                Ok(Some(Ok(frame))) => return Poll::Ready(Some(Ok(frame))),
                Ok(Some(Err(exception))) => Some(exception),
                Err(error) => Some(BedrockError::new(ErrorKind::Malformed, error.to_string())),
                Ok(None) => match std::task::ready!(this.bytes.as_mut().poll_next(cx)) {
                    Some(Ok(bytes)) => {
                        this.decoder.push(&bytes);
                        continue;
                    }
                    Some(Err(error)) => Some(error),
                    None => this
                        .decoder
                        .finish()
                        .err()
                        .map(|error| BedrockError::new(ErrorKind::Malformed, error.to_string())),
                },
            };
            this.ended = true;
            return Poll::Ready(item.map(Err));
        }
        Poll::Ready(None)
    }
}
