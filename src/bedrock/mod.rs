//! UPSTREAM: everything that is said to Amazon Bedrock and heard from it.
//!
//! It carries bytes and doesn't understand them: no `chat` here. Bodies are written and read by
//! `formats`; `sdk` is the only file that names an `aws_sdk_*` crate.
//!
//! ```text
//! Invocation ─ sdk ─┬─ the SDK, its signature watched by pass ─ connector ─┬─ pool ─▶ Bedrock
//!                   └─ pass: like a call that it has just made ────────────┘
//! aws: accounts and regions ─ keeper: an account's credentials ─ clock: AWS's time
//! ```

mod aws;
mod call;
mod clock;
mod connector;
mod error;
mod exchange;
mod frames;
mod keeper;
mod model_id;
mod overflow;
mod pass;
mod pool;
mod refusal;
mod sdk;
mod sources;
mod transport;

pub use aws::{AccountSource, Aws, CredentialsUnavailable, Role, Settings, SetupError, StaticCredentials};
pub use call::{Frame, Invocation, LONGEST_REPLY, Operation, Reply, ReplyHead, TokenCounts};
pub use clock::Skew;
pub use error::{BedrockError, ErrorAnswer, ErrorKind, Retry};
pub use frames::{FrameDecoder, FrameError, fuzz_frames};
pub use keeper::{CredentialsState, Identity};
pub use model_id::{InvalidModelId, ModelId, fuzz_model_id};
pub use refusal::{Refusal, Refused};
pub use sdk::fuzz_retry_after;
pub use sources::Tried;
pub use transport::{ByteStream, ControlPlane, FrameStream, Streamed, Transport};
