//! Members of the model's own body that the canonical model has no place for, as one JSON object.
//!
//! A family states them as paths (`["inferenceConfig", "topK"]`), a client as top-level members. Converse takes the
//! object as `additionalModelRequestFields`; a native format has its members at the top of its body.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::chat::{InvalidRequest, Json, ModelField};

/// An object in the order in which its members were first named. Where two fields have one path, the later wins.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    members: Vec<(&'a str, Member<'a>)>,
}

#[derive(Debug)]
enum Member<'a> {
    Value(&'a Json),
    Object(Fields<'a>),
}

impl<'a> Fields<'a> {
    pub(super) fn new(fields: &'a [ModelField]) -> Self {
        let mut object = Self::default();
        for ModelField { path, value } in fields {
            object.put(path, value);
        }
        object
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// For a body that has these members at its top: none may be one that the format writes itself.
    pub(super) fn beside(self, own: &[&str]) -> Result<Self, InvalidRequest> {
        match self.members.iter().find(|(name, _)| own.contains(name)) {
            None => Ok(self),
            Some((name, _)) => Err(InvalidRequest::value(
                format!("bedrock.additionalModelRequestFields.{name}"),
                "This member of the model's body is written from the request's own parameters.",
            )),
        }
    }

    /// Puts one more.
    pub(super) fn put(&mut self, path: &'a [Cow<'static, str>], value: &'a Json) {
        let Some((name, rest)) = path.split_first() else { return };
        let at = self.members.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.members.push((name, Member::Object(Self::default())));
            self.members.len() - 1
        });
        let Some((_, member)) = self.members.get_mut(at) else { return };
        match member {
            member if rest.is_empty() => *member = Member::Value(value),
            Member::Object(inner) => inner.put(rest, value),
            Member::Value(_) => {
                let mut inner = Self::default();
                inner.put(rest, value);
                *member = Member::Object(inner);
            }
        }
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, member) in &self.members {
            match member {
                Member::Value(value) => map.serialize_entry(name, value)?,
                Member::Object(inner) => map.serialize_entry(name, inner)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &[&'static str], json: &str) -> ModelField {
        ModelField::new(path, Json::parse(json).unwrap())
    }

    fn written(fields: &[ModelField]) -> String {
        serde_json::to_string(&Fields::new(fields)).unwrap()
    }

    #[test]
    fn paths_that_begin_alike_share_an_object() {
        let fields =
            [field(&["a", "x"], "1"), field(&["b"], "[2]"), field(&["a", "y", "z"], "3"), field(&["b"], "4")];
        assert_eq!(written(&fields), r#"{"a":{"x":1,"y":{"z":3}},"b":4}"#);
        assert!(Fields::new(&[]).is_empty());
    }

    #[test]
    fn the_later_of_two_that_exclude_each_other_wins() {
        assert_eq!(written(&[field(&["a"], "1"), field(&["a", "x"], "2")]), r#"{"a":{"x":2}}"#);
        assert_eq!(written(&[field(&["a", "x"], "2"), field(&["a"], "1")]), r#"{"a":1}"#);
    }

    #[test]
    fn a_member_that_the_format_writes_itself_is_refused() {
        let fields = [field(&["max_tokens"], "1")];
        let error = Fields::new(&fields).beside(&["max_tokens"]).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("bedrock.additionalModelRequestFields.max_tokens"));
    }
}
