//! A JSON Schema as a tree: keys in their order, scalars as they were written.
//!
//! Only schemas are parsed so, and only those that may have to be changed. Data is never in here.

use std::borrow::Cow;

use crate::chat::{Json, NotJson, Text};

/// A JSON value. Borrowed where it is the client's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    Array(Vec<Node<'a>>),
    /// As JSON.
    Scalar(Cow<'a, str>),
}

impl<'a> Node<'a> {
    /// `None`: it nests deeper than `depth`, which [`Json`] allows.
    pub(super) fn parse(json: &'a Json, depth: usize) -> Option<Self> {
        if json.depth() > depth {
            return None;
        }
        Parser { rest: json.as_str() }.value()
    }

    pub(super) fn text(plain: &str) -> Self {
        Self::Scalar(Cow::Owned(Text::new(plain).as_json().to_owned()))
    }

    pub(super) fn literal(json: &'static str) -> Self {
        Self::Scalar(Cow::Borrowed(json))
    }

    pub(super) fn members(&self) -> Option<&Vec<(Cow<'a, str>, Self)>> {
        match self {
            Self::Object(members) => Some(members),
            Self::Array(_) | Self::Scalar(_) => None,
        }
    }

    pub(super) fn members_mut(&mut self) -> Option<&mut Vec<(Cow<'a, str>, Self)>> {
        match self {
            Self::Object(members) => Some(members),
            Self::Array(_) | Self::Scalar(_) => None,
        }
    }

    /// A member of an object; the last of those that are called so.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members()?.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Sets a member in its place, or at the end.
    pub(super) fn set(&mut self, name: &'static str, value: Self) {
        let Some(members) = self.members_mut() else { return };
        match members.iter_mut().rev().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => members.push((Cow::Borrowed(name), value)),
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            Self::Object(_) | Self::Scalar(_) => &[],
        }
    }

    /// How many members or items it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Object(members) => members.len(),
            Self::Array(items) => items.len(),
            Self::Scalar(_) => 0,
        }
    }

    /// The text of a string.
    pub(super) fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Scalar(json) => unquoted(json),
            Self::Object(_) | Self::Array(_) => None,
        }
    }

    pub(super) fn is_literal(&self, json: &str) -> bool {
        matches!(self, Self::Scalar(own) if own == json)
    }

    /// What `pointer` (`#/$defs/A`) leads to.
    pub(super) fn at(&self, pointer: &str) -> Option<&Self> {
        let path = pointer.strip_prefix('#')?;
        if path.is_empty() {
            return Some(self);
        }
        path.strip_prefix('/')?.split('/').try_fold(self, |node, step| {
            let name = step.replace("~1", "/").replace("~0", "~");
            match node {
                Self::Object(_) => node.member(&name),
                Self::Array(items) => match name.parse::<usize>() {
                    Ok(index) => items.get(index),
                    Err(_) => None,
                },
                Self::Scalar(_) => None,
            }
        })
    }

    /// Written without white space.
    pub(super) fn to_json(&self) -> Result<Json, NotJson> {
        let mut json = String::new();
        self.write(&mut json);
        Json::parse(&json)
    }

    pub(super) fn write(&self, json: &mut String) {
        match self {
            Self::Scalar(scalar) => json.push_str(scalar),
            Self::Array(items) => {
                json.push('[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        json.push(',');
                    }
                    item.write(json);
                }
                json.push(']');
            }
            Self::Object(members) => {
                json.push('{');
                for (position, (key, value)) in members.iter().enumerate() {
                    if position > 0 {
                        json.push(',');
                    }
                    json.push_str(Text::new(key).as_json());
                    json.push(':');
                    value.write(json);
                }
                json.push('}');
            }
        }
    }
}

fn unquoted(json: &str) -> Option<Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        return match serde_json::from_str::<String>(json) {
            Ok(text) => Some(Cow::Owned(text)),
            // Half a surrogate pair: no text.
            Err(_) => None,
        };
    }
    Some(Cow::Borrowed(inside))
}

/// Cuts JSON that is known to be valid into its pieces. What isn't valid gives `None`, never a wrong tree.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Option<Node<'a>> {
        self.blank();
        match self.rest.as_bytes().first()? {
            b'{' => self
                .list('{', '}', |parser| {
                    parser.blank();
                    let key = unquoted(parser.string()?)?;
                    parser.blank();
                    parser.skip(':')?;
                    Some((key, parser.value()?))
                })
                .map(Node::Object),
            b'[' => self.list('[', ']', Self::value).map(Node::Array),
            b'"' => self.string().map(|string| Node::Scalar(Cow::Borrowed(string))),
            _ => {
                let end = self.rest.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len());
                self.take(end).map(|scalar| Node::Scalar(Cow::Borrowed(scalar)))
            }
        }
    }

    fn list<T>(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.skip(open)?;
        let mut items = Vec::new();
        self.blank();
        while !self.rest.starts_with(close) {
            if !items.is_empty() {
                self.skip(',')?;
            }
            items.push(item(self)?);
            self.blank();
        }
        self.skip(close)?;
        Some(items)
    }

    fn string(&mut self) -> Option<&'a str> {
        let mut escaped = false;
        let end = self.rest.bytes().enumerate().skip(1).find(|(_, byte)| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        })?;
        self.take(end.0 + 1)
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn skip(&mut self, expected: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn take(&mut self, end: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> String {
        let json = Json::parse(json).unwrap();
        Node::parse(&json, 64).unwrap().to_json().unwrap().as_str().to_owned()
    }

    #[test]
    fn what_is_read_is_written_as_it_was_but_for_white_space() {
        assert_eq!(
            written("{ \"z\" : [1.50, -0,\n1e400 , true,null,\"a\\u0041\\\"]\"] , \"\":{ },\"a\":[ ]}"),
            r#"{"z":[1.50,-0,1e400,true,null,"a\u0041\"]"],"":{},"a":[]}"#
        );
        assert_eq!(written("\"x\""), "\"x\"");
    }

    #[test]
    fn an_escaped_key_is_the_key_it_stands_for() {
        let json = Json::parse(r#"{"ty\u0070e":"object"}"#).unwrap();
        let node = Node::parse(&json, 64).unwrap();
        assert_eq!(node.member("type").unwrap().as_text().unwrap(), "object");
    }

    #[test]
    fn pointers_lead_through_objects_and_arrays() {
        let json = Json::parse(r#"{"$defs":{"a/b~":{"anyOf":[{"x":1},{"y":2}]}}}"#).unwrap();
        let node = Node::parse(&json, 64).unwrap();
        assert!(node.at("#/$defs/a~1b~0/anyOf/1/y").unwrap().is_literal("2"));
        assert_eq!(node.at("#"), Some(&node));
        for nowhere in ["#/$defs/c", "http://x", "", "#$defs", "#/$defs/a~1b~0/anyOf/2"] {
            assert_eq!(node.at(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn what_nests_too_deep_is_not_read() {
        let json = Json::parse(&format!("{}{}", "[".repeat(65), "]".repeat(65))).unwrap();
        assert_eq!(Node::parse(&json, 64), None);
    }
}
