//! Text and JSON values as they stand on the wire.
//!
//! A chat request is mostly text that nobody here reads: it comes as a JSON string and leaves as one.
//! [`Text`] keeps it in that form, so a history of any size is scanned once, copied and never unescaped.
//! [`Json`] does the same for tool schemas and arguments, and so keeps the order of their keys: a schema
//! in another order would be another prompt prefix to a prompt cache.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::surrogates::{lone_surrogates, without_lone_surrogates};

/// A text in the form of a JSON string literal, quotes included.
///
/// Invariant: valid JSON, a string, and decodable (no lone surrogate).
#[derive(Clone)]
pub struct Text(Box<RawValue>);

/// A JSON value in the form it was written in: keys in their order, numbers digit by digit.
///
/// Invariant: valid JSON, and all strings in it are decodable (no lone surrogate).
#[derive(Clone)]
pub struct Json(Box<RawValue>);

/// What was given is not what its type promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// Not a JSON string.
    #[error("expected a string")]
    NotAString,
    /// A string with an escape that stands for no character (half of a surrogate pair).
    #[error("it holds half of a surrogate pair")]
    LoneSurrogate,
    /// Not one JSON value.
    #[error("not valid JSON")]
    Invalid,
}

impl Text {
    /// Takes a plain text.
    pub fn new(plain: &str) -> Self {
        let mut json = String::with_capacity(plain.len() + 2);
        push_quoted(&mut json, plain);
        Self::trusted(json)
    }

    /// Takes a JSON string as it stands; nothing is unescaped.
    pub fn from_raw(raw: &RawValue) -> Result<Self, NotJson> {
        let json = raw.get();
        if !json.starts_with('"') {
            return Err(NotJson::NotAString);
        }
        // serde_json's scanner accepts any \uXXXX, also without the other half.
        if lone_surrogates(json).next().is_some() {
            return Err(NotJson::LoneSurrogate);
        }
        Ok(Self(raw.to_owned()))
    }

    /// All of `parts`, one after the other.
    pub fn concat<'a>(parts: impl IntoIterator<Item = &'a Text>) -> Self {
        let mut json = String::from("\"");
        for part in parts {
            json.push_str(part.inside());
        }
        json.push('"');
        Self::trusted(json)
    }

    /// The JSON string, quotes included.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// The same for a serialiser.
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }

    /// The text itself; borrowed if it has no escapes.
    pub fn decode(&self) -> Cow<'_, str> {
        let inside = self.inside();
        if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
            return Cow::Borrowed(inside);
        }
        // The invariant makes failure impossible; an empty text would lose data, the escaped one does not.
        serde_json::from_str::<String>(self.0.get()).map_or(Cow::Borrowed(inside), Cow::Owned)
    }

    /// No characters at all.
    pub fn is_empty(&self) -> bool {
        self.inside().is_empty()
    }

    /// Nothing but white space: Bedrock refuses such a text block.
    pub fn is_blank(&self) -> bool {
        // Most texts begin with a letter: then one byte decides.
        match self.inside().as_bytes().first() {
            None => true,
            Some(first) if first.is_ascii_alphanumeric() => false,
            Some(_) => self.decode().trim().is_empty(),
        }
    }

    /// Without white space at its end; `None` if there is none to remove.
    pub fn trimmed_end(&self) -> Option<Self> {
        let plain = self.decode();
        let trimmed = plain.trim_end();
        (trimmed.len() != plain.len()).then(|| Self::new(trimmed))
    }

    /// What stands between the quotes, without the white space at both ends of the text. It is JSON still, so
    /// that a longer text can be put together of it without unescaping any.
    pub fn trimmed_json(&self) -> &str {
        trim_end(trim_start(self.inside()))
    }

    fn inside(&self) -> &str {
        let json = self.0.get();
        json.get(1..json.len().saturating_sub(1)).unwrap_or_default()
    }

    fn trusted(json: String) -> Self {
        match RawValue::from_string(json) {
            Ok(raw) => Self(raw),
            Err(_) => unreachable!("a quoted text is valid JSON"),
        }
    }
}

/// The inside of a JSON string from its first character that isn't white space, escaped or not.
fn trim_start(mut inside: &str) -> &str {
    loop {
        let mut rest = inside.chars();
        let space = match rest.next() {
            Some('\\') => match rest.next() {
                Some('n' | 'r' | 't' | 'f') => true,
                Some('u') => {
                    let digits = rest.as_str().get(..4).unwrap_or_default();
                    rest = rest.as_str().get(4..).unwrap_or_default().chars();
                    is_space(digits)
                }
                Some(_) | None => false,
            },
            Some(plain) => plain.is_whitespace(),
            None => false,
        };
        if !space {
            return inside;
        }
        inside = rest.as_str();
    }
}

/// The same up to its last.
fn trim_end(mut inside: &str) -> &str {
    /// The text before an escape of so many characters at the end, if there is one: the backslash must not be
    /// the second of a pair.
    fn before_escape(inside: &str, length: usize) -> Option<(&str, &str)> {
        let (before, escape) = inside.split_at_checked(inside.len().checked_sub(length)?)?;
        let backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
        (escape.starts_with('\\') && backslashes % 2 == 0).then_some((before, escape))
    }
    loop {
        let without = match inside.chars().next_back() {
            Some(plain) if plain.is_whitespace() => inside.strip_suffix(plain),
            Some('n' | 'r' | 't' | 'f') if before_escape(inside, 2).is_some() => {
                before_escape(inside, 2).map(|(before, _)| before)
            }
            Some(digit) if digit.is_ascii_hexdigit() => before_escape(inside, 6)
                .filter(|(_, escape)| escape.strip_prefix("\\u").is_some_and(is_space))
                .map(|(before, _)| before),
            Some(_) | None => None,
        };
        match without {
            Some(without) => inside = without,
            None => return inside,
        }
    }
}

/// Do four hex digits stand for white space?
fn is_space(digits: &str) -> bool {
    u32::from_str_radix(digits, 16)
        .is_ok_and(|number| char::from_u32(number).is_some_and(char::is_whitespace))
}

/// Appends `plain` to `json` as a JSON string.
fn push_quoted(json: &mut String, plain: &str) {
    json.push('"');
    push_escaped(json, plain);
    json.push('"');
}

/// The place behind the quote that ends a string of valid JSON; `inside` is any place in the string, but not one between
/// a backslash and what it escapes.
pub fn end_of_string(json: &str, inside: usize) -> usize {
    let (bytes, mut at) = (json.as_bytes(), inside);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// Appends `plain` to the inside of a JSON string.
pub fn push_escaped(json: &mut String, plain: &str) {
    let mut rest = plain;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (clean, tail) = rest.split_at(at);
        json.push_str(clean);
        let mut tail = tail.chars();
        match tail.next() {
            Some('"') => json.push_str("\\\""),
            Some('\\') => json.push_str("\\\\"),
            Some('\n') => json.push_str("\\n"),
            Some('\r') => json.push_str("\\r"),
            Some('\t') => json.push_str("\\t"),
            Some(control) => {
                // Writing to a String can't fail.
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            None => {}
        }
        rest = tail.as_str();
    }
    json.push_str(rest);
}

impl Json {
    /// Parses one JSON value; what it says is kept to the byte, white space around it is not.
    pub fn parse(text: &str) -> Result<Self, NotJson> {
        serde_json::from_str::<&RawValue>(text).map_err(|_| NotJson::Invalid).and_then(Self::intact)
    }

    /// Takes a value as it stands, if each string in it can be decoded.
    pub fn intact(raw: &RawValue) -> Result<Self, NotJson> {
        match lone_surrogates(raw.get()).next() {
            None => Ok(Self(raw.to_owned())),
            Some(_) => Err(NotJson::LoneSurrogate),
        }
    }

    /// Takes a value as it stands, but for halves of surrogate pairs, which become U+FFFD.
    pub fn from_raw(raw: &RawValue) -> Self {
        match without_lone_surrogates(raw.get()) {
            Cow::Borrowed(_) => Self(raw.to_owned()),
            Cow::Owned(mended) => match RawValue::from_string(mended) {
                Ok(raw) => Self(raw),
                Err(_) => unreachable!("one escape for another of the same length keeps JSON valid"),
            },
        }
    }

    /// A number.
    pub fn number(number: u32) -> Self {
        match RawValue::from_string(number.to_string()) {
            Ok(raw) => Self(raw),
            Err(_) => unreachable!("an integer is valid JSON"),
        }
    }

    /// A string.
    pub fn string(plain: &str) -> Self {
        Self(Text::new(plain).0)
    }

    /// `true` or `false`.
    pub fn boolean(value: bool) -> Self {
        match RawValue::from_string(value.to_string()) {
            Ok(raw) => Self(raw),
            Err(_) => unreachable!("a boolean is valid JSON"),
        }
    }

    /// The array with one more item at its end; `None` if it isn't an array.
    pub fn with_item(&self, item: &Self) -> Option<Self> {
        let inside = self.as_str().strip_prefix('[')?.strip_suffix(']')?;
        let comma = if inside.trim().is_empty() { "" } else { "," };
        let json = format!("[{inside}{comma}{}]", item.as_str());
        match RawValue::from_string(json) {
            Ok(raw) => Some(Self(raw)),
            Err(_) => unreachable!("an array with one more item is valid JSON"),
        }
    }

    /// `[]`
    pub fn empty_array() -> Self {
        match RawValue::from_string("[]".to_owned()) {
            Ok(raw) => Self(raw),
            Err(_) => unreachable!("[] is valid JSON"),
        }
    }

    /// `{}`
    pub fn empty_object() -> Self {
        match RawValue::from_string("{}".to_owned()) {
            Ok(raw) => Self(raw),
            Err(_) => unreachable!("{{}} is valid JSON"),
        }
    }

    /// The schema of an object that can't have members.
    pub fn closed_object() -> Self {
        let schema = r#"{"type":"object","properties":{},"additionalProperties":false}"#;
        match RawValue::from_string(schema.to_owned()) {
            Ok(raw) => Self(raw),
            Err(_) => unreachable!("the schema is valid JSON"),
        }
    }

    /// The schema of an object that may have any members.
    pub fn open_object() -> Self {
        match RawValue::from_string(r#"{"type":"object","properties":{}}"#.to_owned()) {
            Ok(raw) => Self(raw),
            Err(_) => unreachable!("the schema is valid JSON"),
        }
    }

    /// Is it an object without members?
    pub fn is_empty_object(&self) -> bool {
        self.0.get().strip_prefix('{').is_some_and(|inside| inside.trim_start() == "}")
    }

    /// Is it an object?
    pub fn is_object(&self) -> bool {
        self.0.get().starts_with('{')
    }

    /// The value as it was written.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The same for a serialiser.
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }

    /// How deep arrays and objects nest; a scalar is 0. Reads the bytes once and builds nothing.
    pub fn depth(&self) -> usize {
        let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
        for byte in self.0.get().bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        deepest
    }

    /// The value without white space between its tokens.
    pub fn compact(&self) -> Cow<'_, str> {
        let json = self.0.get();
        let (mut in_string, mut escaped) = (false, false);
        let mut keep = |byte: u8| match byte {
            _ if escaped => {
                escaped = false;
                true
            }
            b'\\' if in_string => {
                escaped = true;
                true
            }
            b'"' => {
                in_string = !in_string;
                true
            }
            b' ' | b'\t' | b'\n' | b'\r' => in_string,
            _ => true,
        };
        if json.bytes().all(&mut keep) {
            return Cow::Borrowed(json);
        }
        let (mut in_string, mut escaped) = (false, false);
        let compact = json.chars().filter(|&c| match c {
            _ if escaped => {
                escaped = false;
                true
            }
            '\\' if in_string => {
                escaped = true;
                true
            }
            '"' => {
                in_string = !in_string;
                true
            }
            ' ' | '\t' | '\n' | '\r' => in_string,
            _ => true,
        });
        Cow::Owned(compact.collect())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Equal as texts, whatever their escapes.
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get() || self.decode() == other.decode()
    }
}

impl Eq for Text {}

/// Equal as written.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_text_keeps_the_escapes_it_came_with() {
        let text = Text::from_raw(raw(r#""a\u00e9\n\/""#)).unwrap();
        assert_eq!(text.as_json(), r#""a\u00e9\n\/""#);
        assert_eq!(text.decode(), "aé\n/");
        assert_eq!(text, Text::new("aé\n/"));
    }

    #[test]
    fn a_plain_text_round_trips_whatever_it_holds() {
        for plain in ["", "plain", "\"quoted\" \\ back", "\u{0}\u{1f}\t\r\n", "é漢🎉\u{2028}"] {
            let text = Text::new(plain);
            assert_eq!(text.decode(), plain);
            assert_eq!(serde_json::from_str::<String>(text.as_json()).unwrap(), plain);
        }
    }

    #[test]
    fn white_space_is_cut_off_however_it_is_written() {
        for (json, inside) in [
            (r#""""#, ""),
            (r#"" \n\t\r\f\u0020\u00a0\u2003 ""#, ""),
            (r#"" a b ""#, "a b"),
            (r#""\n\\n""#, r"\\n"),
            (r#""\u00e9\u0020""#, r"\u00e9"),
            (r#""x\\u0020""#, r"x\\u0020"),
            (r#""\ud83c\udf89\n""#, r"\ud83c\udf89"),
            ("\"\u{a0}é\u{2003}\"", "é"),
            (r#""\"\/""#, r#"\"\/"#),
        ] {
            let text = Text::from_raw(raw(json)).unwrap();
            assert_eq!(text.trimmed_json(), inside, "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn trimming_json_is_trimming_the_text(pieces in proptest::collection::vec(
            proptest::sample::select(&[
                " ", "\u{a0}", "a", "f", "0020", "é", r"\n", r"\t", r"\f", r"\\", r"\/", r"\u0020", r"\u0041", r"\u2003",
            ][..]), 0..8,
        )) {
            let text = Text::from_raw(raw(&format!("\"{}\"", pieces.concat()))).unwrap();
            let trimmed = Text::from_raw(raw(&format!("\"{}\"", text.trimmed_json()))).unwrap();
            let plain = text.decode();
            proptest::prop_assert_eq!(trimmed.decode(), plain.trim());
        }
    }

    #[test]
    fn a_string_ends_with_its_first_quote_that_is_not_escaped() {
        for (json, end) in [
            (r#""" "#, 2),
            (r#""a", "b""#, 3),
            (r#""\" "#, 4),
            (r#""\\" "#, 4),
            (r#""\"é" "#, 6),
            (r#""cut"#, 4),
            (r#""cut\"#, 5),
        ] {
            assert_eq!(end_of_string(json, 1), end, "{json}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        assert_eq!(Text::from_raw(raw(r#""\ud83d""#)), Err(NotJson::LoneSurrogate));
        assert_eq!(Text::from_raw(raw("12")), Err(NotJson::NotAString));
        assert!(Text::from_raw(raw(r#""\ud83c\udf89""#)).is_ok());
    }

    #[test]
    fn blank_means_white_space_only_escaped_or_not() {
        for blank in [r#""""#, r#""  ""#, r#""\n\t""#, r#""\u00a0""#] {
            assert!(Text::from_raw(raw(blank)).unwrap().is_blank(), "{blank}");
        }
        for text in [r#""a""#, r#"" .""#, r#""\\""#] {
            assert!(!Text::from_raw(raw(text)).unwrap().is_blank(), "{text}");
        }
    }

    #[test]
    fn texts_join_without_being_decoded() {
        let joined = Text::concat([&Text::new("a\n"), &Text::new("\"b\"")]);
        assert_eq!(joined.decode(), "a\n\"b\"");
    }

    #[test]
    fn depth_counts_nesting_outside_strings() {
        for (json, depth) in [("1", 0), ("[]", 1), (r#"{"a":[{"b":"[[[{"}]}"#, 3), (r#"["\"["]"#, 1)] {
            assert_eq!(Json::parse(json).unwrap().depth(), depth, "{json}");
        }
    }

    #[test]
    fn an_array_grows_at_its_end() {
        let with_one =
            |json| Json::parse(json).unwrap().with_item(&Json::number(1)).map(|json| json.0.to_string());
        assert_eq!(with_one("[]").as_deref(), Some("[1]"));
        assert_eq!(with_one("[ ]").as_deref(), Some("[ 1]"));
        assert_eq!(with_one(r#"["]", {}]"#).as_deref(), Some(r#"["]", {},1]"#));
        assert_eq!(with_one(r#""[]""#), None);
    }

    #[test]
    fn compact_drops_white_space_between_tokens_only() {
        let json = Json::parse("{ \"a b\" :\n[1, 2],\t\"c\\\" \": \" \" }").unwrap();
        assert_eq!(json.compact(), r#"{"a b":[1,2],"c\" ":" "}"#);
        assert!(matches!(Json::parse("{\"a\":1}").unwrap().compact(), Cow::Borrowed(_)));
    }
}
