//! THE DOWNSTREAM PROTOCOL: how OpenAI's Chat Completions API looks on the wire.
//!
//! [`decode`] reads a request into the canonical model. Everything here is pure: nothing waits, and nothing
//! knows who answers the request. It may name `chat` and nothing else in the crate; the HTTP edge is its
//! only caller.

mod decode;

pub use decode::{Decision, Decoded, PARAMETERS, Parameter, Shape, decode, fuzz_decode};
