//! OpenAI's tokens back into text: clients of its embeddings (LangChain's, without being asked) cut texts
//! with `cl100k_base` and send the numbers. No model here knows them.
//!
//! The vocabulary was made by merging pairs, so each token is two earlier ones, down to single bytes. That is
//! how it is kept: 256 bytes for the first tokens, then two numbers of three bytes, the lowest first, for
//! each that follows. It is read in place, so that nothing is unpacked when the server starts, and nothing
//! held.

/// 256 bytes, then 6 for each token. A test holds it to the checksum of the vocabulary that OpenAI publishes.
static PAIRS: &[u8] = include_bytes!("cl100k_base.pairs");

/// Tokens that are bytes.
const BYTES: usize = 256;

/// Bytes of a pair.
const PAIR: usize = 6;

/// Tokens that stand for no text, and the marks that they are written with.
const SPECIAL: [(u32, &str); 5] = [
    (100_257, "<|endoftext|>"),
    (100_258, "<|fim_prefix|>"),
    (100_259, "<|fim_middle|>"),
    (100_260, "<|fim_suffix|>"),
    (100_276, "<|endofprompt|>"),
];

/// Not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoToken;

/// Appends the bytes of a token: at most 128 of them, found in twice as many steps. `open` is empty before and after, and
/// only kept by the caller so that it needn't be allocated for each token.
pub(super) fn push(token: u32, open: &mut Vec<u32>, bytes: &mut Vec<u8>) -> Result<(), NoToken> {
    if let Some((_, mark)) = SPECIAL.iter().find(|(number, _)| *number == token) {
        bytes.extend_from_slice(mark.as_bytes());
        return Ok(());
    }
    open.clear();
    open.push(token);
    while let Some(token) = open.pop() {
        let at = usize::try_from(token).map_err(|_| NoToken)?;
        match at.checked_sub(BYTES) {
            None => bytes.push(*PAIRS.get(at).ok_or(NoToken)?),
            Some(pair) => {
                let from = pair.checked_mul(PAIR).and_then(|from| from.checked_add(BYTES)).ok_or(NoToken)?;
                let (first, second) = PAIRS.get(from..from + PAIR).ok_or(NoToken)?.split_at(PAIR / 2);
                open.push(number(second));
                open.push(number(first));
            }
        }
    }
    Ok(())
}

/// Of three bytes, the lowest first.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn text(tokens: &[u32]) -> String {
        let mut bytes = Vec::new();
        for token in tokens {
            push(*token, &mut Vec::new(), &mut bytes).unwrap();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn the_vocabulary_is_the_one_that_openai_publishes() {
        let tokens = u32::try_from((PAIRS.len() - BYTES) / PAIR + BYTES).unwrap();
        assert_eq!(tokens, 100_256);
        let mut published = String::new();
        for token in 0..tokens {
            let mut bytes = Vec::new();
            push(token, &mut Vec::new(), &mut bytes).unwrap();
            assert!((1..=128).contains(&bytes.len()));
            writeln!(published, "{} {token}", STANDARD.encode(&bytes)).unwrap();
        }
        // Of cl100k_base.tiktoken, as tiktoken (0.8, tiktoken_ext/openai_public.py) checks what it downloads.
        let expected = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7";
        let sum = Sha256::digest(published.as_bytes()).iter().fold(String::new(), |mut sum, byte| {
            write!(sum, "{byte:02x}").unwrap();
            sum
        });
        assert_eq!(sum, expected);
    }

    #[test]
    fn tokens_become_the_text_that_they_were_cut_from() {
        assert_eq!(text(&[9906, 4435, 0]), "Hello World!");
        assert_eq!(text(&[100_257]), "<|endoftext|>");
        assert_eq!(text(&[]), "");
        for token in [100_256, 100_261, 100_277, 200_000, u32::MAX] {
            assert_eq!(push(token, &mut Vec::new(), &mut Vec::new()), Err(NoToken), "{token}");
        }
    }
}
