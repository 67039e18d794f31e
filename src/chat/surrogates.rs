//! Halves of surrogate pairs in JSON: `\ud83d` without its `\ude00`.
//!
//! JavaScript and Java cut texts between the two, JSON's grammar lets the half through, and whatever wants to
//! decode the text refuses it: Bedrock refuses the whole body. A half stands for no character, so U+FFFD,
//! which says just that, takes its place. The escape is as long as the other: a place in the text stays where
//! it was.

use std::borrow::Cow;

/// The bytes of one escape: `\uXXXX`.
const ESCAPE: usize = 6;

/// U+FFFD, escaped.
const REPLACEMENT: &str = "\\ufffd";

/// Where in `json`, which is valid JSON or at least lexes like it, the escapes begin that are half a pair.
///
/// One search for `\u`, and a few bytes looked at for each that is found: linear, since no backslash is
/// counted twice.
pub fn lone_surrogates(json: &str) -> impl Iterator<Item = usize> {
    let bytes = json.as_bytes();
    let mut second = None;
    memchr::memmem::find_iter(bytes, b"\\u").filter(move |&at| {
        let Some(half) = half(bytes, at) else { return false };
        // The backslash may itself be escaped.
        let before = bytes.get(..at).unwrap_or_default();
        if before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
            return false;
        }
        match half {
            Half::Second => second != Some(at),
            Half::First => {
                let next = at + ESCAPE;
                let paired = bytes.get(next..next + 2) == Some(b"\\u")
                    && matches!(self::half(bytes, next), Some(Half::Second));
                second = paired.then_some(next);
                !paired
            }
        }
    })
}

/// `json` with U+FFFD for each half of a pair; borrowed if there is none.
pub fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut places = lone_surrogates(json).peekable();
    if places.peek().is_none() {
        return Cow::Borrowed(json);
    }
    let mut mended = String::with_capacity(json.len());
    let mut from = 0;
    for at in places {
        mended.push_str(json.get(from..at).unwrap_or_default());
        mended.push_str(REPLACEMENT);
        from = at + ESCAPE;
    }
    mended.push_str(json.get(from..).unwrap_or_default());
    Cow::Owned(mended)
}

/// Which half of a pair an escape is.
#[derive(Clone, Copy)]
enum Half {
    /// `\ud800` to `\udbff`.
    First,
    /// `\udc00` to `\udfff`.
    Second,
}

fn half(bytes: &[u8], at: usize) -> Option<Half> {
    match bytes.get(at + 2..at + ESCAPE)? {
        [b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', _, _] => Some(Half::First),
        [b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', _, _] => Some(Half::Second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_the_replacement_character_and_the_rest_stays() {
        for (json, mended) in [
            (r#""a \ud83d b""#, r#""a \ufffd b""#),
            (r#""\uDE00""#, r#""\ufffd""#),
            (r#""\ud83d\ude00 and \ud83d""#, r#""\ud83d\ude00 and \ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ude00\ude00""#, r#""\ud83d\ude00\ufffd""#),
            (r#""\\\ud800""#, r#""\\\ufffd""#),
            (r#"{"\udfff":["\udbff\u00e9"]}"#, r#"{"\ufffd":["\ufffd\u00e9"]}"#),
        ] {
            assert_eq!(without_lone_surrogates(json), mended);
        }
    }

    #[test]
    fn what_only_looks_like_a_half_is_left_alone() {
        for json in [
            r#""\\ud83d""#,
            r#""\\\\udc00""#,
            r#""\ud7ff\ue000""#,
            r#""\u00e9""#,
            r#""ud83d""#,
            "\"\u{1f600}\"",
        ] {
            assert!(matches!(without_lone_surrogates(json), Cow::Borrowed(_)), "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_lexes_decodes_afterwards(pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "\\ud83d", "\\uDE00", "\\udbff", "\\\\", "u", "d83d", "\\n", "x", "\\u00e9", "é", "\\\"",
            ]),
            0..12,
        )) {
            let json = format!("\"{}\"", pieces.concat());
            let mended = without_lone_surrogates(&json);
            let decoded: String = serde_json::from_str(&mended).unwrap();
            // Where serde decodes the text as it came, nothing was to mend.
            if let Ok(own) = serde_json::from_str::<String>(&json) {
                proptest::prop_assert_eq!((&mended, &decoded), (&Cow::Borrowed(json.as_str()), &own));
            }
        }
    }
}
