//! Who is asking: API keys and whom they stand for.
//!
//! A key is 256 random bits, kept as its SHA-256. No slow hash: there is nothing to guess. It names nothing else in
//! the crate; what a model's name is, it is told.

mod key;
mod keys;
mod models;

pub use key::{NewKey, Secret, digest, new_key};
pub use keys::{KeyId, Keys, KnownKey, Principal, Refusal};
pub use models::Models;
