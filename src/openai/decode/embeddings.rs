//! The body of `POST /v1/embeddings` → [`embed::Request`](Request).
//!
//! The texts stay JSON from end to end, like those of a chat. Beside OpenAI's parameters two others are read,
//! in the words of the models that have them: `input_type` and `truncate`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::ledger::Ledger;
use super::object::{Array, Str, Unknown, Whole, object};
use super::path::Path;
use super::tokens::{self, NoToken};
use super::{bounds, invalid, mended, missing, not_one_of, parse, positive};
use crate::chat::{Action, InvalidRequest, Notes, Text};
use crate::embed::{Purpose, Request, Truncate};

/// A request for embeddings, and what concerns only the way its answer is delivered.
#[derive(Debug, Clone)]
pub struct DecodedEmbeddings {
    /// What is asked of the model.
    pub request: Request,
    /// `model` as the client wrote it.
    pub model: String,
    /// How the vectors are to be written.
    pub encoding: VectorEncoding,
    /// What was dropped while reading.
    pub notes: Notes,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VectorEncoding {
    /// As arrays of numbers.
    #[default]
    Float,
    /// As base64 of their 32-bit floats, the lowest byte first. OpenAI's SDKs ask for it by themselves.
    Base64,
}

/// Every parameter that is read.
pub static EMBEDDING_PARAMETERS: &[&str] =
    &["model", "input", "dimensions", "encoding_format", "user", "input_type", "truncate"];

/// Most texts in one request, as OpenAI has it.
const MOST_TEXTS: usize = 2048;

/// Most tokens in one request, as OpenAI has it.
const MOST_TOKENS: usize = 300_000;

/// Most bytes that they may become. A token is 4 on the average and 128 at most.
const MOST_TOKEN_BYTES: usize = 8 << 20;

object! {
    struct Body<'a> {
        "model" => model: Str<'a>,
        "input" => input: &'a RawValue,
        "dimensions" => dimensions: Whole,
        "encoding_format" => encoding_format: Str<'a>,
        "user" => user: Str<'a>,
        "input_type" => input_type: Str<'a>,
        "truncate" => truncate: Str<'a>,
        ..Unknown<'a>
    }
}

/// Reads the body of `POST /v1/embeddings`. Every error is the client's and names the member it is about.
pub fn decode_embeddings(body: &[u8]) -> Result<DecodedEmbeddings, InvalidRequest> {
    mended::read(body, texts_to_embed)
}

fn texts_to_embed(text: &str, mut ledger: Ledger) -> Result<DecodedEmbeddings, InvalidRequest> {
    bounds::values_and_numbers(text, MOST_TOKENS)?;
    let Body { model, input, dimensions, encoding_format, user, input_type, truncate, rest } =
        parse::body(text)?;
    let root = Path::Root;
    ledger.unknown(&root, &rest);
    if user.is_some_and(|user| !user.is_empty()) {
        ledger.dropped(&root.member("user"), "no_equivalent");
    }
    // A chat model stands by for chats that name none. For vectors there is no such guess.
    let model = parse::name(model, &root.member("model"))?;
    let request = Request {
        texts: texts(input.ok_or_else(|| missing(&root.member("input")))?, &mut ledger)?,
        dimensions: positive(dimensions, &root.member("dimensions"))?,
        purpose: input_type.map(|word| purpose(&word)).transpose()?,
        truncate: truncate.map(|word| truncation(&word)).transpose()?,
    };
    let encoding = encoding_format.map_or(Ok(VectorEncoding::default()), |word| encoding(&word))?;
    Ok(DecodedEmbeddings { request, model, encoding, notes: ledger.into_notes() })
}

/// A text or a list of them, each as it is or in tokens.
fn texts(input: &RawValue, ledger: &mut Ledger) -> Result<Vec<Text>, InvalidRequest> {
    let path = Path::Root.member("input");
    let Some(inside) = input.get().strip_prefix('[') else {
        return Ok(vec![parse::text(input, &path)?]);
    };
    let mut tokens = Tokens { left: MOST_TOKENS, room: MOST_TOKEN_BYTES };
    if inside.trim_start().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Ok(vec![tokens.text(input, &path, ledger)?]);
    }
    let items = parse::island::<Array<&RawValue, MOST_TEXTS>>(input, &path)?.0;
    if items.is_empty() {
        return Err(invalid(&path, "it is empty"));
    }
    let read = |(at, item): (usize, &RawValue)| {
        let path = path.item(at);
        if item.get().starts_with('[') { tokens.text(item, &path, ledger) } else { parse::text(item, &path) }
    };
    items.into_iter().enumerate().map(read).collect()
}

/// What the lists of tokens of one request may still hold, and become.
struct Tokens {
    left: usize,
    room: usize,
}

impl Tokens {
    /// Some clients cut texts into OpenAI's tokens by themselves, and their users don't know.
    fn text(&mut self, raw: &RawValue, path: &Path<'_>, ledger: &mut Ledger) -> Result<Text, InvalidRequest> {
        let list = parse::island::<Array<Whole, MOST_TOKENS>>(raw, path)?;
        let mut bytes = Vec::with_capacity(list.len().saturating_mul(4));
        let mut open = Vec::new();
        for (at, Whole(token)) in list.iter().enumerate() {
            let Some(left) = self.left.checked_sub(1) else {
                return Err(invalid(path, &format!("a request holds at most {MOST_TOKENS} tokens")));
            };
            self.left = left;
            let begun = bytes.len();
            let known = u32::try_from(*token)
                .map_err(|_| NoToken)
                .and_then(|token| tokens::push(token, &mut open, &mut bytes));
            if known.is_err() {
                let why =
                    format!("{token} is no token of cl100k_base, the encoding of OpenAI's embedding models");
                return Err(invalid(&path.item(at), &why));
            }
            let Some(room) = self.room.checked_sub(bytes.len() - begun) else {
                return Err(invalid(
                    path,
                    &format!("its tokens are more than {MOST_TOKEN_BYTES} bytes of text"),
                ));
            };
            self.room = room;
        }
        ledger.add(path, Action::Rewritten, "tokens_as_text");
        let plain = String::from_utf8_lossy(&bytes);
        if matches!(plain, Cow::Owned(_)) {
            // A character may be cut in the middle, where a client cuts a long list of tokens in two.
            ledger.rewritten(path, "invalid_utf8");
        }
        Ok(Text::new(&plain))
    }
}

fn encoding(word: &str) -> Result<VectorEncoding, InvalidRequest> {
    match word {
        "float" => Ok(VectorEncoding::Float),
        "base64" => Ok(VectorEncoding::Base64),
        _ => Err(not_one_of(&Path::Root.member("encoding_format"), &["float", "base64"])),
    }
}

fn purpose(word: &str) -> Result<Purpose, InvalidRequest> {
    const WORDS: [(&str, Purpose); 4] = [
        ("search_document", Purpose::Document),
        ("search_query", Purpose::Query),
        ("classification", Purpose::Classification),
        ("clustering", Purpose::Clustering),
    ];
    let known = WORDS.iter().find(|(name, _)| *name == word).map(|(_, purpose)| *purpose);
    known.ok_or_else(|| not_one_of(&Path::Root.member("input_type"), &WORDS.map(|(name, _)| name)))
}

fn truncation(word: &str) -> Result<Truncate, InvalidRequest> {
    match word {
        "NONE" => Ok(Truncate::Never),
        "START" => Ok(Truncate::Start),
        "END" => Ok(Truncate::End),
        _ => Err(not_one_of(&Path::Root.member("truncate"), &["NONE", "START", "END"])),
    }
}

/// For the fuzzer: whatever the bytes are, texts to embed or a short refusal.
///
/// # Panics
///
/// If a promise of [`DecodedEmbeddings`] or [`InvalidRequest`] is broken.
pub fn fuzz_decode_embeddings(data: &[u8]) {
    match decode_embeddings(data) {
        Ok(decoded) => {
            let texts = &decoded.request.texts;
            assert!((1..=MOST_TEXTS).contains(&texts.len()) && !decoded.model.is_empty());
        }
        Err(error) => assert!(error.message.len() < 1_000, "a message repeats content at length"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &Value) -> Result<DecodedEmbeddings, InvalidRequest> {
        decode_embeddings(body.to_string().as_bytes())
    }

    /// The same with a model.
    fn input(input: &Value) -> Result<Vec<Text>, InvalidRequest> {
        read(&json!({"model": "m", "input": input})).map(|decoded| decoded.request.texts)
    }

    #[test]
    fn one_text_is_a_list_of_one() {
        assert_eq!(input(&json!("a")).unwrap(), [Text::new("a")]);
        assert_eq!(input(&json!(["a", "b"])).unwrap(), [Text::new("a"), Text::new("b")]);
    }

    #[test]
    fn the_offending_text_is_named() {
        for (value, param, code) in [
            (json!([]), "input", "invalid_value"),
            (json!(["a", 1]), "input[1]", "invalid_type"),
            (json!(["a", null]), "input[1]", "invalid_type"),
            (json!({"text": "a"}), "input", "invalid_type"),
            (json!(7), "input", "invalid_type"),
            (json!([1, 100_256]), "input[1]", "invalid_value"),
            (json!([1, -2]), "input[1]", "invalid_value"),
            (json!([[1, 2], [3, u64::from(u32::MAX) + 1]]), "input[1][1]", "invalid_value"),
            (json!([[1, "2"]]), "input[0][1]", "invalid_type"),
            (json!([1, [2]]), "input[1]", "invalid_type"),
            (json!([[1], 2]), "input[1]", "invalid_type"),
            (json!(null), "input", "missing_required_parameter"),
            (json!(vec!["a"; MOST_TEXTS + 1]), "input", "invalid_value"),
        ] {
            let error = input(&value).unwrap_err();
            assert_eq!((error.param.as_deref(), error.code), (Some(param), code), "{}", error.message);
            assert!(error.message.len() < 300, "{}", error.message);
        }
        assert_eq!(input(&json!(vec!["a"; MOST_TEXTS])).unwrap().len(), MOST_TEXTS);
    }

    #[test]
    fn tokens_become_texts_with_a_note() {
        let note = |place: &str| format!("{place}:rewritten;reason=tokens_as_text");
        for (value, texts, noted) in [
            (json!([9906, 4435, 0]), vec!["Hello World!"], vec![note("input")]),
            (json!([[9906], [4435, 0]]), vec!["Hello", " World!"], vec![note("input[0]"), note("input[1]")]),
            (json!(["Hello", [4435]]), vec!["Hello", " World"], vec![note("input[1]")]),
            (json!([[], "a"]), vec!["", "a"], vec![note("input[0]")]),
            // Half of a character.
            (
                json!([[9468]]),
                vec!["\u{fffd}"],
                vec![note("input[0]"), "input[0]:rewritten;reason=invalid_utf8".to_owned()],
            ),
        ] {
            let decoded = read(&json!({"model": "m", "input": value})).unwrap();
            assert_eq!(decoded.request.texts, texts.into_iter().map(Text::new).collect::<Vec<_>>());
            assert_eq!(decoded.notes.iter().map(ToString::to_string).collect::<Vec<_>>(), noted);
        }
    }

    #[test]
    fn tokens_are_bounded_by_number_and_by_what_they_become() {
        let half = vec![0; MOST_TOKENS / 2];
        assert!(input(&json!([half, half])).is_ok());
        assert_eq!(input(&json!([half, half, [0]])).unwrap_err().param.as_deref(), Some("input[2]"));
        let longest = (0..100_256_u32)
            .max_by_key(|token| {
                let mut bytes = Vec::new();
                tokens::push(*token, &mut Vec::new(), &mut bytes).map_or(0, |()| bytes.len())
            })
            .unwrap();
        let error = input(&json!([[0], vec![longest; 100_000]])).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("input[1]"), "{}", error.message);
    }

    #[test]
    fn blank_texts_are_texts() {
        assert_eq!(input(&json!(["", " \n"])).unwrap(), [Text::new(""), Text::new(" \n")]);
    }

    #[test]
    fn every_parameter_is_read() {
        let decoded = read(&json!({
            "model": "m", "input": "a", "dimensions": 256, "encoding_format": "base64",
            "input_type": "search_query", "truncate": "END", "user": "u", "normalize": true,
        }))
        .unwrap();
        assert_eq!((decoded.model.as_str(), decoded.encoding), ("m", VectorEncoding::Base64));
        let Request { texts: _, dimensions, purpose, truncate } = decoded.request;
        assert_eq!((dimensions, purpose, truncate), (Some(256), Some(Purpose::Query), Some(Truncate::End)));
        let notes: Vec<_> = decoded.notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, ["normalize:dropped;reason=unknown_field", "user:dropped;reason=no_equivalent"]);
    }

    #[test]
    fn what_is_not_said_is_absent() {
        let decoded = read(&json!({"model": "m", "input": "a", "dimensions": null, "user": ""})).unwrap();
        let texts = vec![Text::new("a")];
        assert_eq!(decoded.request, Request { texts, ..Request::default() });
        assert_eq!(decoded.encoding, VectorEncoding::Float);
        assert!(decoded.notes.is_empty());
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (name, value) in [
            ("model", json!("")),
            ("model", json!(null)),
            ("dimensions", json!(0)),
            ("dimensions", json!("256")),
            ("dimensions", json!(2.5)),
            ("encoding_format", json!("int8")),
            ("input_type", json!("image")),
            ("truncate", json!(true)),
        ] {
            let mut body = json!({"model": "m", "input": "a"});
            body[name] = value;
            assert_eq!(read(&body).unwrap_err().param.as_deref(), Some(name), "{body}");
        }
        assert_eq!(decode_embeddings(b"[]").unwrap_err().param, None);
        assert_eq!(decode_embeddings(b"\xff").unwrap_err().code, "invalid_json");
    }
}
