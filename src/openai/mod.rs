//! THE DOWNSTREAM PROTOCOL: how OpenAI's Chat Completions and Embeddings APIs look on the wire, both ways.
//!
//! [`decode`] reads a request into the canonical model, [`completion`] writes a whole reply, and
//! [`ChunkEncoder`] writes a streamed one; [`decode_embeddings`] and [`embeddings()`] are the same for vectors. Everything here is pure: ids and times are passed in, nothing
//! waits, and nothing knows who answers the request. It may name `chat` and `embed` and nothing else in the crate;
//! the HTTP edge is its only caller.

mod calls;
mod chunk;
mod decode;
mod embeddings;
mod encode;
mod error;
mod finish;
mod models;

pub use calls::CallForms;
pub use chunk::{ChunkEncoder, StreamOptions};
pub use decode::{
    Decision, Decoded, DecodedEmbeddings, EMBEDDING_PARAMETERS, PARAMETERS, Parameter, Shape, VectorEncoding,
    decode, decode_embeddings, fuzz_decode,
};
pub use embeddings::embeddings;
pub use encode::{EncodeError, Head, Written, completion, sum};
pub use error::{ErrorBody, error_body, error_event};
pub use models::{Lifecycle, Modalities, Model, ModelList, OtherTarget, Prices, Routing};

#[cfg(test)]
mod properties;
