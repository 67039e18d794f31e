//! The dialect of JSON Schema that tools' schemas are held to: draft 2020-12, and each vendor's rules on top of it.

use serde_json::{Map, Value};

use crate::simulator::models::Model;

/// What Claude says of a schema that its validator refuses, word for word.
const NOT_OF_THE_DRAFT: &str = "JSON schema is invalid. It must match JSON Schema draft 2020-12 \
                                (https://json-schema.org/draft/2020-12). Learn more about tool use at \
                                https://docs.claude.com/en/docs/tool-use.";

/// Deeper schemas are refused.
const DEPTH: u32 = 128;

/// Is it a schema that the model takes for a tool?
pub(super) fn takes(model: &Model, schema: &Value) -> Result<(), String> {
    let claude = model.provider() == "anthropic";
    if let Err(why) = check(schema, DEPTH) {
        return Err(if claude { NOT_OF_THE_DRAFT.to_owned() } else { why });
    }
    if claude {
        if ["oneOf", "allOf", "anyOf"].iter().any(|union| schema.get(union).is_some()) {
            return Err("input_schema does not support oneOf, allOf, or anyOf at the top level".to_owned());
        }
        let properties = schema["properties"].as_object().into_iter().flatten();
        if !properties.into_iter().all(|(name, _)| fits(name)) {
            return Err("properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'".to_owned());
        }
    }
    if model.provider() == "amazon"
        && let Some((odd, _)) = schema
            .as_object()
            .into_iter()
            .flatten()
            .find(|(name, _)| name.starts_with('$') || *name == "definitions")
    {
        return Err(format!("#: extraneous key [{odd}] is not permitted"));
    }
    Ok(())
}

fn fits(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// The draft's own schema, by hand.
fn check(schema: &Value, depth: u32) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else { return Err("the schema nests too deeply".to_owned()) };
    let members = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(members) => members,
        other => return Err(format!("{other} is not of type 'object', 'boolean'")),
    };
    members.iter().try_for_each(|(keyword, value)| member(keyword, value, depth))
}

fn member(keyword: &str, value: &Value, depth: u32) -> Result<(), String> {
    let is = |fine: bool, kind: &str| if fine { Ok(()) } else { Err(format!("{value} is not {kind}")) };
    match keyword {
        "items"
        | "additionalProperties"
        | "not"
        | "if"
        | "then"
        | "else"
        | "contains"
        | "propertyNames"
        | "unevaluatedItems"
        | "unevaluatedProperties"
        | "contentSchema" => check(value, depth),
        "anyOf" | "allOf" | "oneOf" | "prefixItems" => {
            let schemas = value.as_array().map(Vec::as_slice).unwrap_or_default();
            is(!schemas.is_empty(), "a list of schemas")?;
            schemas.iter().try_for_each(|schema| check(schema, depth))
        }
        "properties" | "$defs" | "definitions" | "dependentSchemas" | "patternProperties" => {
            let schemas = object(value)?;
            if keyword == "patternProperties" {
                schemas.keys().try_for_each(|pattern| is(is_balanced(pattern), "a map of patterns"))?;
            }
            schemas.values().try_for_each(|schema| check(schema, depth))
        }
        "dependencies" => object(value)?.values().try_for_each(|entry| match entry {
            Value::Array(_) => is(are_names(entry), "a map of names"),
            schema => check(schema, depth),
        }),
        "dependentRequired" => {
            object(value)?.values().try_for_each(|names| is(are_names(names), "a map of names"))
        }
        "required" => is(are_names(value), "a list of different names"),
        "type" => is(is_type(value), "valid under any of the given schemas"),
        "enum" | "examples" => is(value.is_array(), "of type 'array'"),
        "title" | "description" | "$comment" | "$id" | "$schema" | "$ref" | "$anchor" | "$dynamicRef"
        | "$dynamicAnchor" | "format" | "contentEncoding" | "contentMediaType" => {
            is(value.is_string(), "of type 'string'")
        }
        "pattern" => is(value.as_str().is_some_and(is_balanced), "a 'regex'"),
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => {
            is(value.is_boolean(), "of type 'boolean'")
        }
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
            is(value.is_number(), "of type 'number'")
        }
        "multipleOf" => is(value.as_f64().is_some_and(|number| number > 0.0), "a number above 0"),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minContains" | "maxContains"
        | "minProperties" | "maxProperties" => is(value.is_u64(), "a count"),
        _ => Ok(()),
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{value} is not of type 'object'"))
}

fn are_names(value: &Value) -> bool {
    value.as_array().is_some_and(|names| {
        let mut seen = std::collections::HashSet::new();
        names.iter().all(|name| name.as_str().is_some_and(|name| seen.insert(name)))
    })
}

fn is_type(value: &Value) -> bool {
    let known = ["string", "number", "integer", "boolean", "object", "array", "null"];
    let one = |kind: &Value| kind.as_str().is_some_and(|kind| known.contains(&kind));
    one(value)
        || (are_names(value)
            && value.as_array().is_some_and(|kinds| !kinds.is_empty() && kinds.iter().all(one)))
}

/// What can be seen of a regular expression without reading it: brackets come in pairs, and nothing is repeated twice.
fn is_balanced(pattern: &str) -> bool {
    let (mut open, mut class, mut escaped, mut repeated) = (0_u32, false, false, true);
    for c in pattern.chars() {
        if std::mem::take(&mut escaped) {
            repeated = false;
            continue;
        }
        let repeats = matches!(c, '*' | '+') && !class;
        if repeats && repeated {
            return false;
        }
        repeated = repeats || (matches!(c, '(' | '|') && !class);
        match c {
            '\\' => escaped = true,
            '[' if !class => class = true,
            ']' if class => class = false,
            '(' if !class => open += 1,
            ')' if !class => match open.checked_sub(1) {
                Some(left) => open = left,
                None => return false,
            },
            _ => {}
        }
    }
    open == 0 && !class && !escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::models::find;
    use serde_json::json;

    fn refused(id: &str, schema: &Value) -> String {
        takes(find(id).unwrap().model, schema).err().unwrap_or_default()
    }

    const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    const NOVA: &str = "amazon.nova-pro-v1:0";
    const LLAMA: &str = "us.meta.llama3-3-70b-instruct-v1:0";

    #[test]
    fn other_drafts_are_refused() {
        for schema in [
            json!({"exclusiveMinimum": true}),
            json!({"items": [{}]}),
            json!({"properties": []}),
            json!({"properties": {"a": {"required": true}}}),
            json!({"type": "any"}),
            json!({"type": ["string", "string"]}),
            json!({"type": []}),
            json!({"required": null}),
            json!({"additionalProperties": "false"}),
            json!({"enum": "a"}),
            json!({"pattern": "(a"}),
            json!({"pattern": "a**"}),
            json!({"anyOf": []}),
            json!({"minLength": -1}),
            json!({"description": null}),
            json!({"patternProperties": {"[": {}}}),
        ] {
            assert!(!refused(LLAMA, &schema).is_empty(), "{schema}");
            assert!(refused(CLAUDE, &schema).contains("draft 2020-12"), "{schema}");
        }
        let fine = json!({"type": ["object", "null"], "properties": {"a": true, "b c": {"prefixItems": [{}], "items": false}},
            "default": {"type": 5}, "pattern": "^[(]a+?\\)$", "$defs": {"x": {"minimum": 1.5}}});
        assert_eq!(refused(LLAMA, &fine), "");
    }

    #[test]
    fn vendors_have_rules_of_their_own() {
        let named = |name: &str| json!({"properties": {(name): {}}});
        assert!(refused(CLAUDE, &named("a[b]")).contains("Property keys"));
        assert!(refused(CLAUDE, &named(&"x".repeat(65))).contains("Property keys"));
        assert_eq!(refused(CLAUDE, &named("a.b-c_d")), "");
        assert_eq!(refused(NOVA, &named("a[b]")), "");
        assert!(refused(CLAUDE, &json!({"anyOf": [{}]})).contains("at the top level"));
        assert!(refused(NOVA, &json!({"$defs": {}})).contains("[$defs]"));
        assert!(refused(NOVA, &json!({"definitions": {}})).contains("[definitions]"));
        assert_eq!(refused(LLAMA, &json!({"$defs": {}})), "");
    }
}
