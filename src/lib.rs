//! Outcrop: an OpenAI-compatible HTTP gateway for Amazon Bedrock.
//!
//! ```text
//! HTTP ─ http::layers ─ http::chat ─ openai::decode ─▶ chat::Request ─ gateway::route ─ families::prepare
//!                                                                                           │
//!                                                    bedrock::Transport ◀─ Invocation ◀─ formats::encode
//!                                                            │ frames (event type + JSON payload)
//! SSE ◀─ http::sse ◀─ openai::chunk ◀─ chat::Event ◀─ gateway::drive(formats::StreamDecoder)
//! ```
//!
//! A request crosses each room once, left to right, and its answer comes back once. Which room may name
//! which is written in ARCHITECTURE.md and held by `tests/architecture.rs`.

pub mod app;
pub mod auth;
pub mod bedrock;
pub mod catalog;
pub mod chat;
pub mod cli;
pub mod config;
pub mod embed;
pub mod families;
pub mod fetch;
pub mod formats;
pub mod gateway;
pub mod http;
pub mod limits;
pub mod listener;
pub mod openai;
pub mod simulator;
pub mod telemetry;
