//! JSON schemas that the service compiles: structured output and strict tools take a subset of the language.

use serde_json::Value;

/// Keywords that no compiled schema may hold. `minLength` was seen to be accepted.
const REFUSED: [&str; 7] =
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxLength", "maxItems"];

/// Refuses a schema that can't be compiled, in Claude's words.
pub(super) fn compiles(schema: &Value) -> Result<(), String> {
    compiles_within(schema, 64)
}

fn compiles_within(schema: &Value, depth: u32) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else { return Err("Schema is too deeply nested".to_owned()) };
    let Some(members) = schema.as_object() else { return Ok(()) };
    let kind = schema["type"].as_str().unwrap_or("object");
    if kind == "object" && schema.get("type").is_some() && schema["additionalProperties"] != false {
        return Err("For 'object' type, 'additionalProperties' must be explicitly set to false".to_owned());
    }
    if let Some(keyword) = REFUSED.iter().find(|keyword| members.contains_key(**keyword)) {
        return Err(format!("For '{kind}' type, property '{keyword}' is not supported"));
    }
    if schema["minItems"].as_u64().is_some_and(|least| least > 1) {
        return Err("For 'array' type, 'minItems' values other than 0 or 1 are not supported".to_owned());
    }
    for named in ["properties", "$defs", "definitions"] {
        if let Some(schemas) = schema[named].as_object() {
            schemas.values().try_for_each(|schema| compiles_within(schema, depth))?;
        }
    }
    for listed in ["anyOf", "allOf", "oneOf", "prefixItems"] {
        if let Some(schemas) = schema[listed].as_array() {
            schemas.iter().try_for_each(|schema| compiles_within(schema, depth))?;
        }
    }
    compiles_within(&schema["items"], depth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_must_be_closed_at_every_depth() {
        let inner = json!({"type": "object", "properties": {}});
        let outer = |inner: Value| json!({"type": "object", "additionalProperties": false, "properties": {"a": inner}});
        assert!(compiles(&inner).is_err());
        assert!(compiles(&outer(inner)).is_err());
        assert_eq!(compiles(&outer(json!({"type": "string"}))), Ok(()));
    }

    #[test]
    fn bounds_are_refused_but_not_properties_that_are_called_so() {
        assert!(compiles(&json!({"type": "integer", "minimum": 1})).is_err());
        let named = json!({"type": "object", "additionalProperties": false, "properties": {"minimum": {}}});
        assert_eq!(compiles(&named), Ok(()));
    }
}
