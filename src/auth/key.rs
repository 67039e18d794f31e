//! Keys themselves: how they are made, hashed and kept out of sight.

use std::fmt::{self, Write};
use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Tells people and secret scanners what they have found.
const PREFIX: &str = "oc-";

/// Text that must not be seen. `Debug` hides it, there is no `Display`, and only [`Secret::expose`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. Every call is a place where it could leak.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A key that has just been made.
#[derive(Debug)]
pub struct NewKey {
    /// For its user, once.
    pub key: Secret,
    /// For the configuration: the SHA-256 of the key in lower-case hex.
    pub digest: String,
}

/// Makes a key: `oc-` and 256 bits from the operating system, in URL-safe base64. Fails where the system has no
/// randomness to give.
pub fn new_key() -> io::Result<NewKey> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(io::Error::from)?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits));
    let digest = hex(&digest(&key));
    Ok(NewKey { key: Secret(key), digest })
}

/// What is kept of a key: its SHA-256.
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_256_bits_and_fits_its_digest() {
        let new = new_key().unwrap();
        let bits = new.key.expose().strip_prefix(PREFIX).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(bits).unwrap().len(), 32);
        assert_eq!(new.digest, hex(&digest(new.key.expose())));
    }

    #[test]
    fn no_two_keys_are_the_same() {
        assert_ne!(new_key().unwrap().digest, new_key().unwrap().digest);
    }

    #[test]
    fn the_digest_is_what_sha256sum_prints() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&digest("abc")), expected);
    }

    #[test]
    fn debug_shows_no_secret() {
        let new = new_key().unwrap();
        assert!(!format!("{new:?}").contains(new.key.expose()));
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
    }
}
