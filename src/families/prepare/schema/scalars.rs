//! What stands behind a keyword that takes a single value, read with tolerance.
//!
//! Each reader gives `None` for what can't be read.

use std::borrow::Cow;

use super::tree::Node;

/// What is read.
pub(super) enum Read<'a> {
    /// It is written as it should be.
    AsWritten,
    /// It has to be written so.
    As(Node<'a>),
}

impl<'a> Read<'a> {
    /// As it should be written.
    pub(super) fn of<'r>(&'r self, value: &'r Node<'a>) -> &'r Node<'a> {
        match self {
            Self::AsWritten => value,
            Self::As(written) => written,
        }
    }
}

/// Types, as schemas of all drafts and languages name them.
pub(super) enum Types {
    /// Anything goes.
    Any,
    /// One of these, as JSON.
    Some(Vec<&'static str>),
}

const KNOWN: [&str; 7] =
    ["\"string\"", "\"number\"", "\"integer\"", "\"boolean\"", "\"object\"", "\"array\"", "\"null\""];

impl Types {
    /// A type of the draft, or a list of different ones.
    pub(super) fn are_sound(value: &Node<'_>) -> bool {
        let one = |node: &Node<'_>| KNOWN.iter().position(|known| node.is_literal(known));
        match value {
            Node::Array(items) if (1..=KNOWN.len()).contains(&items.len()) => {
                let mut seen = [false; KNOWN.len()];
                items.iter().all(|item| {
                    let seen = one(item).and_then(|position| seen.get_mut(position));
                    seen.is_some_and(|seen| !std::mem::replace(seen, true))
                })
            }
            Node::Scalar(_) => one(value).is_some(),
            Node::Array(_) | Node::Object(_) => false,
        }
    }

    /// Reads `STRING`, `str`, `string|null`, `any` …; `None` for what names no type.
    pub(super) fn read(word: &str) -> Option<Self> {
        let mut types: Vec<&'static str> = Vec::new();
        for word in word.split(['|', ',']) {
            let kind = match word.trim().to_ascii_lowercase().as_str() {
                "string" | "str" | "text" | "char" => "\"string\"",
                "number" | "float" | "double" | "decimal" | "real" => "\"number\"",
                "integer" | "int" | "long" | "short" | "bigint" | "int32" | "int64" => "\"integer\"",
                "boolean" | "bool" => "\"boolean\"",
                "object" | "dict" | "dictionary" | "map" | "struct" => "\"object\"",
                "array" | "list" | "tuple" | "set" => "\"array\"",
                "null" | "none" | "nil" | "nonetype" => "\"null\"",
                "any" | "mixed" | "unknown" | "*" | "" => return Some(Self::Any),
                _ => return None,
            };
            if !types.contains(&kind) {
                types.push(kind);
            }
        }
        Some(Self::Some(types))
    }

    /// The value of `type`.
    pub(super) fn node(types: &[&'static str]) -> Node<'static> {
        match types {
            [only] => Node::literal(only),
            several => Node::Array(several.iter().map(|kind| Node::literal(kind)).collect()),
        }
    }
}

/// The text for what stands in a text's place; `None` where it is one.
pub(super) fn text(value: &Node<'_>) -> Option<String> {
    match value {
        Node::Scalar(json) if json.starts_with('"') => None,
        Node::Array(lines) if lines.iter().all(|line| line.as_text().is_some()) => {
            let lines: Vec<Cow<'_, str>> = lines.iter().filter_map(Node::as_text).collect();
            Some(lines.join("\n"))
        }
        Node::Scalar(_) | Node::Array(_) | Node::Object(_) => Some(value.written()),
    }
}

/// Does the word have the form that its keyword asks for?
pub(super) fn is_sound(keyword: &str, word: &str) -> bool {
    match keyword {
        "$id" => !word.trim_end_matches('#').contains('#'),
        "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" => {
            word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
        _ => true,
    }
}

/// `true` or `false`, also as a text.
pub(super) fn truth(value: &Node<'_>) -> Option<bool> {
    if value.is_literal("true") || value.is_literal("false") {
        return Some(value.is_literal("true"));
    }
    let word = value.as_text()?;
    let is = |literal: &str| word.trim().eq_ignore_ascii_case(literal);
    (is("true") || is("false")).then(|| is("true"))
}

pub(super) fn flag<'a>(value: &Node<'a>) -> Option<Read<'a>> {
    let truth = truth(value)?;
    Some(if value.as_text().is_none() {
        Read::AsWritten
    } else {
        Read::As(Node::literal(if truth { "true" } else { "false" }))
    })
}

pub(super) fn number<'a>(value: &Node<'a>) -> Option<Read<'a>> {
    match value {
        Node::Scalar(json) if is_number(json) => Some(Read::AsWritten),
        Node::Scalar(_) => {
            let text = value.as_text()?;
            let text = text.trim();
            let is_number = serde_json::from_str::<serde_json::Number>(text).is_ok();
            is_number.then(|| Read::As(Node::Scalar(Cow::Owned(text.to_owned()))))
        }
        Node::Array(_) | Node::Object(_) => None,
    }
}

pub(super) fn positive<'a>(value: &Node<'a>) -> Option<Read<'a>> {
    let read = number(value)?;
    let is_positive = magnitude(read.of(value)).is_some_and(|number| number > 0.0);
    is_positive.then_some(read)
}

pub(super) fn count<'a>(value: &Node<'a>) -> Option<Read<'a>> {
    /// Whole numbers up to here have one form as a float.
    const MOST: f64 = 9_007_199_254_740_992.0;
    let read = number(value)?;
    let written = read.of(value);
    if let Node::Scalar(json) = written
        && json.bytes().all(|digit| digit.is_ascii_digit())
    {
        return Some(read);
    }
    let number =
        magnitude(written).filter(|number| (0.0..=MOST).contains(number) && number.fract() == 0.0)?;
    Some(Read::As(Node::Scalar(Cow::Owned(format!("{:.0}", number.abs())))))
}

fn is_number(json: &str) -> bool {
    json.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

#[expect(clippy::disallowed_methods, reason = "what is no number has no magnitude")]
fn magnitude(value: &Node<'_>) -> Option<f64> {
    match value {
        Node::Scalar(json) => json.parse().ok(),
        Node::Array(_) | Node::Object(_) => None,
    }
}
