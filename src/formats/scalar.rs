//! The scalars of upstream JSON, for every format: texts kept as they are written, counts that may be floats.
//!
//! All of them are for `#[serde(default, deserialize_with = "…")]`: a missing member and a `null` are one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use crate::chat::{BlockIndex, Text};

/// A text in the form it was written in: one copy, nothing unescaped.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text>, D::Error> {
    match Option::<&'de RawValue>::deserialize(deserializer)? {
        None => Ok(None),
        Some(raw) => Text::from_raw(raw).map(Some).map_err(D::Error::custom),
    }
}

/// The number of a content block. Bodies that a guardrail rewrote say `0.0`.
pub(super) fn block_index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BlockIndex, D::Error> {
    let Count(index) = Count::deserialize(deserializer)?;
    u32::try_from(index).map(BlockIndex).map_err(|_| D::Error::custom("a block's index beyond 32 bits"))
}

/// [`block_index`] where not every event has one.
pub(super) fn optional_block_index<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BlockIndex>, D::Error> {
    match Option::<Count>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Count(index)) => u32::try_from(index)
            .map(|index| Some(BlockIndex(index)))
            .map_err(|_| D::Error::custom("a block's index beyond 32 bits")),
    }
}

/// A number of tokens, or any other count: `28`, and `28.0` from bodies that a guardrail rewrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(CountVisitor)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Count, E> {
        Ok(Count(count))
    }

    fn visit_f64<E: Error>(self, count: f64) -> Result<Count, E> {
        /// Beyond it floats skip integers.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if !(0.0..=EXACT).contains(&count) {
            return Err(E::custom("a count below zero or beyond 2^53"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be within 0..=2^53; a fraction of a token is none"
        )]
        Ok(Count(count as u64))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Piece {
        #[serde(default, deserialize_with = "text")]
        text: Option<Text>,
        #[serde(default, deserialize_with = "optional_block_index")]
        index: Option<BlockIndex>,
    }

    #[test]
    fn a_count_may_be_written_as_a_float() {
        for (json, count) in [("28", 28), ("28.0", 28), ("0", 0), ("2.9e1", 29)] {
            assert_eq!(serde_json::from_str::<Count>(json).unwrap(), Count(count), "{json}");
        }
        for json in ["-1", "-0.5", "1e300", "\"1\"", "null", "[]"] {
            assert!(serde_json::from_str::<Count>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn missing_and_null_are_one() {
        for json in ["{}", r#"{"text":null,"index":null}"#] {
            let piece: Piece = serde_json::from_slice(json.as_bytes()).unwrap();
            assert_eq!((piece.text, piece.index), (None, None));
        }
    }

    #[test]
    fn a_text_keeps_its_escapes() {
        let piece: Piece = serde_json::from_slice(br#"{"text":"a\u00e9\n","index":3.0}"#).unwrap();
        assert_eq!(piece.text.unwrap().as_json(), r#""a\u00e9\n""#);
        assert_eq!(piece.index, Some(BlockIndex(3)));
        assert!(serde_json::from_slice::<Piece>(br#"{"text":1}"#).is_err());
        assert!(serde_json::from_slice::<Piece>(br#"{"text":"\ud800"}"#).is_err());
        assert!(serde_json::from_slice::<Piece>(br#"{"index":4294967296}"#).is_err());
    }
}
