//! A tool's input schema, as every format that takes one needs it: an object, and said to be one.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::chat::{InvalidRequest, Json};

/// The schema of a tool without parameters.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// A schema on its way out: the client's own bytes wherever they can be kept.
#[derive(Debug)]
pub(super) enum ToolSchema<'a> {
    /// As the client wrote it.
    Given(&'a Json),
    /// As the client wrote it, behind the `"type":"object"` that it leaves unsaid.
    Typed(Box<RawValue>),
}

impl<'a> ToolSchema<'a> {
    /// `tool` is the tool's place in the request, for the error: a schema that is no JSON object.
    pub(super) fn of(schema: Option<&'a Json>, tool: usize) -> Result<Self, InvalidRequest> {
        let Some(schema) = schema else { return raw(NO_PARAMETERS.to_owned(), tool).map(Self::Typed) };
        let Some(members) = schema.as_str().strip_prefix('{') else {
            return Err(not_an_object(tool));
        };
        // A schema that says its type twice fails to parse here, and does say it.
        let says_its_type = serde_json::from_str::<TypeOnly>(schema.as_str())
            .map_or(true, |TypeOnly { kind }| kind.is_some());
        if says_its_type {
            return Ok(Self::Given(schema));
        }
        let comma = if members.trim_start().starts_with('}') { "" } else { "," };
        raw(format!("{{\"type\":\"object\"{comma}{members}"), tool).map(Self::Typed)
    }
}

impl Serialize for ToolSchema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(schema) => schema.serialize(serializer),
            Self::Typed(schema) => schema.serialize(serializer),
        }
    }
}

#[derive(Deserialize)]
struct TypeOnly {
    #[serde(rename = "type")]
    kind: Option<IgnoredAny>,
}

fn raw(json: String, tool: usize) -> Result<Box<RawValue>, InvalidRequest> {
    RawValue::from_string(json).map_err(|_| not_an_object(tool))
}

fn not_an_object(tool: usize) -> InvalidRequest {
    InvalidRequest::value(
        format!("tools[{tool}].function.parameters"),
        "a tool's parameters must be a JSON Schema object",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(schema: Option<&str>) -> Result<String, InvalidRequest> {
        let schema = schema.map(|json| Json::parse(json).unwrap());
        ToolSchema::of(schema.as_ref(), 2).map(|schema| serde_json::to_string(&schema).unwrap())
    }

    #[test]
    fn a_schema_is_sent_as_it_was_written() {
        let schema = r#"{"properties": {"z":{}, "a":{}}, "type":"object"}"#;
        assert_eq!(sent(Some(schema)).unwrap(), schema);
    }

    #[test]
    fn a_schema_without_a_type_gets_one_and_keeps_the_rest() {
        assert_eq!(sent(Some(r##"{"$ref": "#/x"}"##)).unwrap(), r##"{"type":"object","$ref": "#/x"}"##);
        assert_eq!(sent(Some("{ }")).unwrap(), r#"{"type":"object" }"#);
        assert_eq!(
            sent(Some(r#"{"properties":{"type":{}}}"#)).unwrap(),
            r#"{"type":"object","properties":{"type":{}}}"#
        );
        assert_eq!(sent(None).unwrap(), NO_PARAMETERS);
    }

    #[test]
    fn a_schema_that_is_no_object_is_refused_by_its_place() {
        for schema in ["true", "[]", "\"{\""] {
            assert_eq!(sent(Some(schema)).unwrap_err().param.unwrap(), "tools[2].function.parameters");
        }
    }
}
