//! CANONICAL EMBEDDINGS: texts in, vectors out, in nobody's protocol.
//!
//! What `chat` is to chats, and as pure: no IO, no clock, no foreign types. It borrows `chat`'s idea of a text and nothing
//! else. A vector stays what the model wrote, digit by digit; only who wants it as bytes makes numbers of it.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::chat::Text;

/// What is to become vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The texts, each a vector of its own. Never empty.
    pub texts: Vec<Text>,
    /// How long the vectors shall be; absent is the model's own choice.
    pub dimensions: Option<u32>,
    /// What they are for; absent is [`Purpose::Document`].
    pub purpose: Option<Purpose>,
    /// What becomes of a text that is too long; absent is [`Truncate::Never`].
    pub truncate: Option<Truncate>,
}

/// What vectors are for: some models place a question near its answers rather than near its likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To be found.
    Document,
    /// To find.
    Query,
    /// To be told apart.
    Classification,
    /// To be grouped.
    Clustering,
}

/// What becomes of a text that is too long for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truncate {
    /// It is an error.
    Never,
    /// Its beginning is left out.
    Start,
    /// Its end is left out.
    End,
}

/// The vectors, in the order of the texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// One for each text.
    pub vectors: Vec<Vector>,
    /// Tokens read, where the model counts them.
    pub input_tokens: Option<u64>,
}

/// A vector as the model wrote it: a JSON array of numbers.
///
/// Invariant: valid JSON, a flat array, at least one number and nothing else in it.
#[derive(Debug, Clone)]
pub struct Vector(Box<RawValue>);

/// Not an array of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an array of numbers")]
pub struct NotAVector;

impl Vector {
    /// Takes an array as it stands. Reads its bytes once, and makes no number of them.
    pub fn from_raw(raw: &RawValue) -> Result<Self, NotAVector> {
        let inside = raw.get().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or(NotAVector)?;
        // In valid JSON nothing but numbers can be written with these.
        let numbers = inside.bytes().all(|b| b.is_ascii_digit() || b"+-.eE, \t\r\n".contains(&b));
        if numbers && inside.bytes().any(|b| b.is_ascii_digit()) {
            Ok(Self(raw.to_owned()))
        } else {
            Err(NotAVector)
        }
    }

    /// The array, as it was written.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Its numbers, each the nearest that 32 bits can hold.
    pub fn numbers(&self) -> impl Iterator<Item = f32> {
        // The invariant leaves nothing that isn't a number; a vector of another length would be the worse mistake.
        self.0
            .get()
            .trim_matches(['[', ']'])
            .split(',')
            .map(|digits| digits.trim().parse().unwrap_or(f32::NAN))
    }
}

/// Equal as written.
impl PartialEq for Vector {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for Vector {}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Request {
    /// The same request in pieces of at most `most` texts, in order.
    pub fn pieces(self, most: usize) -> Vec<Self> {
        let Self { texts, dimensions, purpose, truncate } = self;
        let mut pieces = Vec::with_capacity(texts.len().div_ceil(most.max(1)));
        let mut texts = texts.into_iter().peekable();
        while texts.peek().is_some() {
            let texts = texts.by_ref().take(most.max(1)).collect();
            pieces.push(Self { texts, dimensions, purpose, truncate });
        }
        pieces
    }
}

impl Response {
    /// One response of the pieces' responses, in order. Its tokens are known if they are of every piece.
    pub fn join(pieces: Vec<Self>) -> Self {
        let counts = pieces.iter().map(|piece| piece.input_tokens);
        let input_tokens = counts.reduce(|a, b| Some(a?.saturating_add(b?))).flatten();
        Self { vectors: pieces.into_iter().flat_map(|piece| piece.vectors).collect(), input_tokens }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(json: &str) -> Result<Vector, NotAVector> {
        Vector::from_raw(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_vector_keeps_its_digits() {
        let written = "[-0.041503906, 2.79E-5 ,\n1,-8.386342087760568e-4]";
        let vector = vector(written).unwrap();
        assert_eq!(vector.as_json(), written);
        assert_eq!(serde_json::to_string(&vector).unwrap(), written);
        assert_eq!(vector.numbers().collect::<Vec<_>>(), [-0.041_503_906, 2.79e-5, 1.0, -8.386_342e-4]);
    }

    #[test]
    fn what_is_no_flat_array_of_numbers_is_no_vector() {
        for json in
            ["[]", "[ ]", "[null]", "[[1]]", r#"["1"]"#, "[true]", "[{}]", "1", r#""1""#, "{}", "null"]
        {
            assert_eq!(vector(json), Err(NotAVector), "{json}");
        }
    }

    #[test]
    fn a_sum_of_which_a_part_is_unknown_is_unknown() {
        let piece = |input_tokens| Response { vectors: Vec::new(), input_tokens };
        assert_eq!(Response::join(vec![piece(Some(2)), piece(Some(3))]).input_tokens, Some(5));
        assert_eq!(Response::join(vec![piece(Some(2)), piece(None)]).input_tokens, None);
        assert_eq!(Response::join(Vec::new()).input_tokens, None);
    }

    proptest! {
        #[test]
        fn pieces_hold_every_text_once_and_in_order(texts in 0_usize..300, most in 0_usize..100) {
            let texts: Vec<_> = (0..texts).map(|n| Text::new(&n.to_string())).collect();
            let request = Request { texts: texts.clone(), dimensions: Some(256), ..Request::default() };
            let pieces = request.pieces(most);
            prop_assert!(pieces.iter().all(|piece| (1..=most.max(1)).contains(&piece.texts.len())));
            prop_assert!(pieces.iter().all(|piece| piece.dimensions == Some(256)));
            let joined: Vec<_> = pieces.into_iter().flat_map(|piece| piece.texts).collect();
            prop_assert_eq!(joined, texts);
        }

        #[test]
        fn any_numbers_are_a_vector_and_come_back(numbers in prop::collection::vec(any::<f32>().prop_filter("JSON has no others", |n| n.is_finite()), 1..50)) {
            let written = serde_json::to_string(&numbers).unwrap();
            let vector = vector(&written).unwrap();
            prop_assert_eq!(vector.numbers().collect::<Vec<_>>(), numbers);
        }
    }
}
