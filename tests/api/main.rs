//! The whole gateway from outside: the real server and the real AWS SDK over loopback, in front of a simulated
//! Bedrock. One module a behaviour.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on has failed, helpers included"
)]

mod accounts;
mod auth;
mod caching;
mod chat;
mod choices;
mod clock;
mod cors;
mod counting;
#[cfg(unix)]
mod credentials;
mod crowds;
mod departure;
mod embeddings;
mod errors;
mod fallback;
mod faults;
mod framing;
mod handover;
mod healing;
mod key_models;
mod lifecycle;
mod mended;
mod models;
mod names;
mod native;
mod operations;
mod output;
mod overload;
mod panics;
#[cfg(unix)]
mod process;
mod reasoning;
mod reload;
mod requests;
mod retries;
mod routing;
#[cfg(unix)]
mod secrets;
mod sockets;
mod streaming;
mod support;
mod tls;
mod tool_schemas;
mod tools;
mod upstream;
