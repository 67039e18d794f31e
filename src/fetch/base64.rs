//! Bytes to base64 as they arrive: the file itself is never held beside its text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Takes bytes in pieces of any length.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    text: String,
    /// What didn't fill a group of three: 0 to 2 bytes.
    rest: Vec<u8>,
}

impl Encoder {
    /// With room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes.div_ceil(3) * 4), rest: Vec::with_capacity(3) }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !self.rest.is_empty() && self.rest.len() < 3 {
            let Some((first, tail)) = bytes.split_first() else { return };
            self.rest.push(*first);
            bytes = tail;
        }
        STANDARD.encode_string(&self.rest, &mut self.text);
        self.rest.clear();
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % 3);
        STANDARD.encode_string(whole, &mut self.text);
        self.rest.extend_from_slice(rest);
    }

    /// Standard alphabet, with padding.
    pub(super) fn finish(mut self) -> String {
        STANDARD.encode_string(&self.rest, &mut self.text);
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_make_the_same_text_as_the_whole(pieces: Vec<Vec<u8>>) {
            let mut encoder = Encoder::default();
            for piece in &pieces {
                encoder.push(piece);
            }
            prop_assert_eq!(encoder.finish(), STANDARD.encode(pieces.concat()));
        }
    }
}
