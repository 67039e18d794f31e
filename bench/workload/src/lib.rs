//! What goes over the wire in every measurement: the requests of clients and the answers of Bedrock.
//!
//! Rendered once, before anything is measured. The answers come from the public descriptions of the four
//! formats; they are long enough and regular enough that [`TEXT_MARK`] and counting bytes prove them whole.

mod event_stream;
mod replies;
mod requests;

pub use replies::{Format, TEXT_MARK};
pub use requests::{Shape, chat};

/// The model that is asked for unless another is named: a Claude, so the native Messages format.
pub const MODEL: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";
