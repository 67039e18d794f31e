//! A tool's parameters as Cohere describes them: a name, a Python type and a text each.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::chat::{InvalidRequest, Json, Text, Tool};

/// What a tool's schema comes to.
#[derive(Debug)]
pub(super) struct Parameters<'a> {
    /// In the client's order.
    pub(super) definitions: Definitions<'a>,
    /// Some of the schema is told in words only.
    pub(super) in_words: bool,
    /// The whole schema, where its parts refer to each other.
    pub(super) whole: Option<&'a Json>,
}

#[derive(Debug)]
pub(super) struct Definitions<'a>(Vec<(String, Definition<'a>)>);

#[derive(Debug, Serialize)]
struct Definition<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Words<'a>>,
    r#type: &'static str,
    required: bool,
}

#[derive(Debug)]
enum Words<'a> {
    Given(&'a RawValue),
    /// What can't be said in a word is said in the schema's own, behind what the client said. Made when it is written: who
    /// only asks whether it is needed doesn't pay for it.
    WithSchema(Option<Text>, &'a RawValue),
}

impl Serialize for Words<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(as_written) => as_written.serialize(serializer),
            Self::WithSchema(said, schema) => {
                let before = said.as_ref().map_or_else(String::new, |said| format!("{}\n", said.decode()));
                let schema = Json::from_raw(schema);
                serializer.collect_str(&format_args!("{before}JSON Schema: {}", schema.compact()))
            }
        }
    }
}

impl<'a> Parameters<'a> {
    /// `at` is the tool's place in the request.
    pub(super) fn of(tool: &'a Tool, at: usize) -> Result<Self, InvalidRequest> {
        let refusal = |_| {
            InvalidRequest::value(
                format!("tools[{at}].function.parameters"),
                "a tool's parameters must be a JSON Schema object",
            )
        };
        let mut parameters = Self { definitions: Definitions(Vec::new()), in_words: false, whole: None };
        let Some(schema) = &tool.schema else { return Ok(parameters) };
        let Members(members) = serde_json::from_str(schema.as_str()).map_err(refusal)?;
        let mut required: Vec<String> = Vec::new();
        let mut properties = Vec::new();
        for (name, value) in members {
            match name.as_str() {
                "properties" => Members(properties) = serde_json::from_str(value.get()).map_err(refusal)?,
                "required" => required = serde_json::from_str(value.get()).map_err(refusal)?,
                "$defs" | "definitions" | "allOf" | "anyOf" | "oneOf" => {
                    parameters.in_words = true;
                    parameters.whole = Some(schema);
                }
                // What an object schema says of itself.
                _ => {}
            }
        }
        for (name, property) in properties {
            let (definition, in_words) = definition(property, required.contains(&name));
            parameters.in_words |= in_words;
            parameters.definitions.0.push((name, definition));
        }
        Ok(parameters)
    }
}

/// A property, and whether some of it had to be put in words.
fn definition(property: &RawValue, required: bool) -> (Definition<'_>, bool) {
    let Members(members) = serde_json::from_str(property.get()).unwrap_or(Members(Vec::new()));
    let mut description: Option<(&RawValue, Text)> = None;
    let mut kind = None;
    let mut more = members.is_empty();
    for (name, value) in members {
        // Not by the parser: to be refused by it costs more than all the rest.
        match (name.as_str(), Text::from_raw(value)) {
            ("description", Ok(said)) => description = Some((value, said)),
            ("type", Ok(word)) => {
                kind = python_type(&word.decode());
                more |= !matches!(kind, Some("str" | "int" | "float" | "bool"));
            }
            ("title", Ok(_)) => {}
            _ => more = true,
        }
    }
    let description = if more {
        Some(Words::WithSchema(description.map(|(_, said)| said), property))
    } else {
        description.map(|(as_written, _)| Words::Given(as_written))
    };
    (Definition { description, r#type: kind.unwrap_or("str"), required }, more)
}

fn python_type(word: &str) -> Option<&'static str> {
    Some(match word {
        "string" => "str",
        "integer" => "int",
        "number" => "float",
        "boolean" => "bool",
        "array" => "list",
        "object" => "dict",
        _ => return None,
    })
}

impl Definitions<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Definitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, definition) in &self.0 {
            map.serialize_entry(name, definition)?;
        }
        map.end()
    }
}

/// An object's members, in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(schema: &str) -> (String, bool) {
        let tool = Tool {
            name: "f".into(),
            description: None,
            schema: Some(Json::parse(schema).unwrap()),
            strict: None,
            cache: None,
        };
        let parameters = Parameters::of(&tool, 0).unwrap();
        (serde_json::to_string(&parameters.definitions).unwrap(), parameters.in_words)
    }

    #[test]
    fn plain_parameters_have_pythons_types_in_the_clients_order() {
        let (definitions, in_words) = described(
            r#"{"type":"object","properties":{"z":{"type":"string","description":"Z\u00e9"},"a":{"type":"integer"},
                "b":{"type":"number"},"c":{"type":"boolean"}},"required":["a"],"additionalProperties":false}"#,
        );
        assert_eq!(
            definitions,
            concat!(
                r#"{"z":{"description":"Z\u00e9","type":"str","required":false},"a":{"type":"int","required":true},"#,
                r#""b":{"type":"float","required":false},"c":{"type":"bool","required":false}}"#,
            )
        );
        assert!(!in_words);
    }

    #[test]
    fn what_pythons_types_cannot_say_is_said_in_words() {
        let (definitions, in_words) = described(
            r#"{"properties":{"a":{"type":"array","description":"A","items":{"type":"string"}},"b":{"enum":["x", "y"]},"c":true}}"#,
        );
        assert!(in_words);
        assert_eq!(
            definitions,
            concat!(
                r#"{"a":{"description":"A\nJSON Schema: {\"type\":\"array\",\"description\":\"A\",\"items\":{\"type\":\"string\"}}","#,
                r#""type":"list","required":false},"#,
                r#""b":{"description":"JSON Schema: {\"enum\":[\"x\",\"y\"]}","type":"str","required":false},"#,
                r#""c":{"description":"JSON Schema: true","type":"str","required":false}}"#,
            )
        );
    }

    #[test]
    fn a_schema_that_is_no_object_is_refused_by_its_place() {
        for schema in ["[]", "true", r#"{"properties":[]}"#, r#"{"required":1}"#] {
            let schema = Some(Json::parse(schema).unwrap());
            let tool = Tool { name: "f".into(), description: None, schema, strict: None, cache: None };
            let refusal = Parameters::of(&tool, 2).unwrap_err();
            assert_eq!(refusal.param.as_deref(), Some("tools[2].function.parameters"));
        }
    }
}
