//! Who is asking: API keys and whom they stand for.
//!
//! A key is 256 random bits, kept as its SHA-256. No slow hash: there is nothing to guess. It names nothing else in
//! the crate, and doesn't know what a principal may do.

mod key;
mod keys;

pub use key::{NewKey, Secret, digest, new_key};
pub use keys::{KeyId, Keys, Principal, Refusal};
