//! The whole gateway from outside: the real server and the real AWS SDK over loopback, in front of a simulated
//! Bedrock. One module a behaviour.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that can't go on has failed, helpers included"
)]

mod chat;
mod streaming;
mod support;
mod tools;
