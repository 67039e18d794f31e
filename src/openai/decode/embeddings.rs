//! The body of `POST /v1/embeddings` → [`embed::Request`](Request).
//!
//! The texts stay JSON from end to end, like those of a chat. Beside OpenAI's parameters two others are read, in the words
//! of the models that have them: `input_type` and `truncate`.

use serde_json::value::RawValue;

use super::ledger::Ledger;
use super::object::{Array, Str, Unknown, object};
use super::path::Path;
use super::{bounds, invalid, mended, missing, not_one_of, parse, positive, unsupported};
use crate::chat::{InvalidRequest, Notes, Text};
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

object! {
    struct Body<'a> {
        "model" => model: Str<'a>,
        "input" => input: &'a RawValue,
        "dimensions" => dimensions: i64,
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
    bounds::values(text)?;
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
        texts: texts(input.ok_or_else(|| missing(&root.member("input")))?)?,
        dimensions: positive(dimensions, &root.member("dimensions"))?,
        purpose: input_type.map(|word| purpose(&word)).transpose()?,
        truncate: truncate.map(|word| truncation(&word)).transpose()?,
    };
    let encoding = encoding_format.map_or(Ok(VectorEncoding::default()), |word| encoding(&word))?;
    Ok(DecodedEmbeddings { request, model, encoding, notes: ledger.into_notes() })
}

/// A text, or a list of them.
fn texts(input: &RawValue) -> Result<Vec<Text>, InvalidRequest> {
    let path = Path::Root.member("input");
    if !input.get().starts_with('[') {
        return Ok(vec![text(input, &path)?]);
    }
    let items = parse::island::<Array<&RawValue, MOST_TEXTS>>(input, &path)?.0;
    match items.first().map(|first| first.get().as_bytes()) {
        None => return Err(invalid(&path, "it is empty")),
        Some([b'[' | b'-' | b'0'..=b'9', ..]) => return Err(tokens(&path)),
        Some(_) => {}
    }
    items.iter().enumerate().map(|(at, item)| text(item, &path.item(at))).collect()
}

fn text(raw: &RawValue, path: &Path<'_>) -> Result<Text, InvalidRequest> {
    let text = parse::text(raw, path)?;
    if text.is_blank() {
        return Err(invalid(path, "it is empty, or nothing but white space"));
    }
    Ok(text)
}

/// Some clients cut texts into OpenAI's tokens by themselves, and their users don't know.
fn tokens(path: &Path<'_>) -> InvalidRequest {
    unsupported(
        path,
        "these are tokens of OpenAI's, which no model here knows; send the texts themselves \
         (LangChain's OpenAIEmbeddings does so with check_embedding_ctx_length=False)",
    )
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
            (json!(""), "input", "invalid_value"),
            (json!([]), "input", "invalid_value"),
            (json!(["a", "b", "c", " \n"]), "input[3]", "invalid_value"),
            (json!(["a", 1]), "input[1]", "invalid_type"),
            (json!(["a", null]), "input[1]", "invalid_type"),
            (json!({"text": "a"}), "input", "invalid_type"),
            (json!(7), "input", "invalid_type"),
            (json!([1, 2, 3]), "input", "unsupported_value"),
            (json!([[1, 2], [3]]), "input", "unsupported_value"),
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
