//! A JSON Schema as a tree: keys in their order, scalars as they were written.
//!
//! Only schemas are parsed so, and only those that may have to be changed. Data is never in here.

use std::borrow::Cow;

use super::DEPTH;
use crate::chat::{Json, NotJson, Text, end_of_string};

/// A JSON value. Borrowed where it is the client's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    Array(Vec<Node<'a>>),
    /// As JSON.
    Scalar(Cow<'a, str>),
}

impl<'a> Node<'a> {
    /// `None`: it nests deeper than [`DEPTH`], which [`Json`] allows.
    pub(super) fn parse(json: &'a Json) -> Option<Self> {
        Parser { rest: json.as_str() }.value(DEPTH)
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

    /// About as many bytes as it takes when it is written.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Scalar(json) => json.len() + 1,
            Self::Array(items) => items.iter().map(Self::size).sum::<usize>() + 3,
            Self::Object(members) => {
                members.iter().map(|(key, value)| key.len() + 4 + value.size()).sum::<usize>() + 3
            }
        }
    }

    /// How deep it nests; a scalar is 0.
    pub(super) fn depth(&self) -> usize {
        let inside = match self {
            Self::Scalar(_) => return 0,
            Self::Array(items) => items.iter().map(Self::depth).max(),
            Self::Object(members) => members.iter().map(|(_, value)| value.depth()).max(),
        };
        inside.unwrap_or(0) + 1
    }

    /// Written without white space.
    pub(super) fn written(&self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }

    pub(super) fn to_json(&self) -> Result<Json, NotJson> {
        Json::parse(&self.written())
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
    /// `depth` more levels may open.
    fn value(&mut self, depth: usize) -> Option<Node<'a>> {
        self.blank();
        match self.rest.as_bytes().first()? {
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.list('{', '}', |parser| {
                    parser.blank();
                    let key = unquoted(parser.string()?)?;
                    parser.blank();
                    parser.skip(':')?;
                    Some((key, parser.value(depth)?))
                })
                .map(Node::Object)
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.list('[', ']', |parser| parser.value(depth)).map(Node::Array)
            }
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
        self.take(end_of_string(self.rest, 1))
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
        Node::parse(&json).unwrap().to_json().unwrap().as_str().to_owned()
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
        let node = Node::parse(&json).unwrap();
        assert_eq!(node.member("type").unwrap().as_text().unwrap(), "object");
    }

    #[test]
    fn what_nests_too_deep_is_not_read() {
        let nested = |depth| Json::parse(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).unwrap();
        assert_eq!(Node::parse(&nested(64)).unwrap().depth(), 64);
        assert_eq!(Node::parse(&nested(65)), None);
    }
}
