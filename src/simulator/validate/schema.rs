//! JSON schemas that the service compiles: structured output and strict tools take a subset of the language.

use crate::simulator::models::{Format, Model};
use serde_json::Value;
use std::cell::Cell;

/// Keywords that no compiled schema may hold. `minLength` was seen to be accepted.
const REFUSED: [&str; 7] =
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxLength", "maxItems"];

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// The most that Claude's strict tools may have together: tools, optional properties, properties of several types.
const MOST_TOGETHER: (usize, usize, usize) = (20, 24, 16);
const DEEPEST: u32 = 64;
const MOST_PARTS: u32 = 10_000;

/// Refuses a schema that can't be compiled, in Claude's words.
pub(super) fn compiles(model: &Model, schema: &Value) -> Result<(), String> {
    let contains = ["anthropic", "zai", "qwen", "google"].contains(&model.provider());
    Compiler { root: schema, refuses_contains: contains, left: Cell::new(MOST_PARTS) }.check(
        schema,
        &[],
        DEEPEST,
    )
}

/// Refuses strict tools that are too many or too loose together.
pub(super) fn fits_together<'a>(
    model: &Model,
    schemas: impl Iterator<Item = &'a Value>,
) -> Result<(), String> {
    let (mut tools, mut optional, mut unions) = (0_usize, 0, 0);
    for schema in schemas {
        tools += 1;
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            optional += usize::from(!required.iter().any(|required| required == name));
            unions += usize::from(property.get("anyOf").is_some() || property["type"].is_array());
        }
    }
    let (most_tools, most_optional, most_unions) = MOST_TOGETHER;
    let too_many = [
        (tools, most_tools, "strict tools"),
        (optional, most_optional, "optional parameters"),
        (unions, most_unions, "parameters with union types"),
    ];
    match too_many.into_iter().find(|(count, most, _)| count > most) {
        Some((count, most, what)) if model.facts.format == Format::Claude => Err(format!(
            "Schemas contain too many {what} ({count}), which would make grammar compilation inefficient. Reduce \
             the number of {what} in your tool schemas (limit: {most})."
        )),
        _ => Ok(()),
    }
}

struct Compiler<'a> {
    root: &'a Value,
    refuses_contains: bool,
    /// What is left to look at: references can make a small schema large.
    left: Cell<u32>,
}

impl Compiler<'_> {
    /// `followed` are the references that led here: one that leads to itself never ends.
    fn check(&self, schema: &Value, followed: &[&str], depth: u32) -> Result<(), String> {
        let Some(depth) = depth.checked_sub(1) else { return Err("Schema is too deeply nested".to_owned()) };
        let Some(members) = schema.as_object() else { return Ok(()) };
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err("Schema is too complex".to_owned());
        };
        self.left.set(left);
        if let Some(reference) = schema["$ref"].as_str() {
            return self.follow(reference, followed, depth);
        }
        let kind = schema["type"].as_str().unwrap_or("object");
        let has_object = kind == "object" && schema.get("type").is_some()
            || schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "object"));
        if has_object && schema["additionalProperties"] != false {
            return Err(
                "For 'object' type, 'additionalProperties' must be explicitly set to false".to_owned()
            );
        }
        if let Some(keyword) = REFUSED.iter().find(|keyword| members.contains_key(**keyword)) {
            return Err(format!("For '{kind}' type, property '{keyword}' is not supported"));
        }
        if self.refuses_contains && members.contains_key("contains") {
            return Err(format!("For '{kind}' type, property 'contains' is not supported"));
        }
        if schema["minItems"].as_u64().is_some_and(|least| least > 1) {
            return Err("For 'array' type, 'minItems' values other than 0 or 1 are not supported".to_owned());
        }
        if let Some(format) = schema["format"].as_str().filter(|format| !FORMATS.contains(format)) {
            return Err(format!("For 'string' type, format '{format}' is not supported"));
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && (["(?=", "(?!", "(?<"].iter().any(|look| pattern.contains(look)) || refers_back(pattern))
        {
            return Err("For 'string' type, look-arounds and back-references in 'pattern' are not supported"
                .to_owned());
        }
        if let Some(schemas) = schema["properties"].as_object() {
            schemas.values().try_for_each(|schema| self.check(schema, followed, depth))?;
        }
        // Definitions are checked where they are used, and once for themselves.
        for named in ["$defs", "definitions"] {
            for (name, defined) in schema[named].as_object().into_iter().flatten() {
                self.check(defined, &[format!("#/{named}/{name}").as_str()], depth)?;
            }
        }
        for listed in ["anyOf", "allOf", "oneOf", "prefixItems"] {
            if let Some(schemas) = schema[listed].as_array() {
                schemas.iter().try_for_each(|schema| self.check(schema, followed, depth))?;
            }
        }
        self.check(&schema["items"], followed, depth)
    }

    fn follow(&self, reference: &str, followed: &[&str], depth: u32) -> Result<(), String> {
        let Some(place) = reference.strip_prefix('#') else {
            return Err(format!("External reference '{reference}' is not supported"));
        };
        if followed.contains(&reference) || place.is_empty() {
            return Err(format!("Circular reference '{reference}' is not supported"));
        }
        match self.root.pointer(place) {
            Some(target) => {
                let followed: Vec<&str> = followed.iter().copied().chain([reference]).collect();
                self.check(target, &followed, depth)
            }
            None => Err(format!("Reference '{reference}' can't be resolved")),
        }
    }
}

/// `\1`, but not an escaped backslash before a digit.
fn refers_back(pattern: &str) -> bool {
    let mut escaped = false;
    for c in pattern.chars() {
        if escaped && c.is_ascii_digit() && c != '0' {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::models::find;
    use serde_json::json;

    fn claude() -> &'static Model {
        find("anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap().model
    }

    #[test]
    fn objects_must_be_closed_at_every_depth() {
        let inner = json!({"type": "object", "properties": {}});
        let outer = |inner: Value| json!({"type": "object", "additionalProperties": false, "properties": {"a": inner}});
        assert!(compiles(claude(), &inner).is_err());
        assert!(compiles(claude(), &outer(inner)).is_err());
        assert_eq!(compiles(claude(), &outer(json!({"type": "string"}))), Ok(()));
    }

    #[test]
    fn bounds_are_refused_but_not_properties_that_are_called_so() {
        assert!(compiles(claude(), &json!({"type": "integer", "minimum": 1})).is_err());
        let named = json!({"type": "object", "additionalProperties": false, "properties": {"minimum": {}}});
        assert_eq!(compiles(claude(), &named), Ok(()));
    }

    #[test]
    fn references_stay_inside_and_come_to_an_end() {
        let with = |definition: Value| {
            json!({
                "type": "object", "additionalProperties": false,
                "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/$defs/a"}},
                "$defs": {"a": definition},
            })
        };
        assert_eq!(compiles(claude(), &with(json!({"type": "string"}))), Ok(()));
        let circle = json!({"type": "array", "items": {"$ref": "#/$defs/a"}});
        assert!(compiles(claude(), &with(circle)).unwrap_err().starts_with("Circular"));
        let outside = json!({"$ref": "https://example.com/schema"});
        assert!(compiles(claude(), &with(outside)).unwrap_err().starts_with("External"));
        assert!(compiles(claude(), &with(json!({"$ref": "#/$defs/b"}))).is_err());
    }

    #[test]
    fn formats_and_patterns_are_those_that_a_grammar_can_have() {
        for (schema, fine) in [
            (json!({"type": "string", "format": "uuid"}), true),
            (json!({"type": "string", "format": "iri"}), false),
            (json!({"type": "string", "pattern": "^[a-z]+\\\\d$"}), true),
            (json!({"type": "string", "pattern": "(?=a)"}), false),
            (json!({"type": "string", "pattern": "(a)\\1"}), false),
            (json!({"type": "array", "contains": {}}), false),
            (json!({"type": ["object", "null"]}), false),
        ] {
            assert_eq!(compiles(claude(), &schema).is_ok(), fine, "{schema}");
        }
    }

    #[test]
    fn strict_tools_are_few_and_tight() {
        let loose: serde_json::Map<String, Value> = (0..25).map(|n| (format!("p{n}"), json!({}))).collect();
        let loose = json!({"properties": loose});
        assert!(fits_together(claude(), std::iter::once(&loose)).unwrap_err().contains("optional"));
        let tight = json!({});
        assert!(fits_together(claude(), std::iter::repeat_n(&tight, 20)).is_ok());
        assert!(fits_together(claude(), std::iter::repeat_n(&tight, 21)).is_err());
    }
}
