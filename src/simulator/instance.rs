//! A value for a JSON schema: the same for the same schema, the smallest that fits, more or less.

use serde_json::{Map, Number, Value, json};

/// References and choices are followed as deep as this.
const DEEPEST: u32 = 16;

/// Below this depth an object that requires nothing stays empty, so that schemas which hold themselves don't multiply.
const SPARSE: u32 = DEEPEST - 3;

/// A value that `schema` allows: required properties only, or all where none is required, as a model would fill them; first choices, formats and bounds kept.
pub(super) fn instance(schema: &Value) -> Value {
    within(schema, schema, DEEPEST)
}

/// What a system text wants of the answer.
#[derive(Debug, PartialEq)]
pub(super) enum Instruction {
    /// JSON by this schema.
    Schema(Value),
    /// JSON of any kind.
    Json,
}

/// Looks for an instruction to answer in JSON. It takes more than the word: a text that merely speaks of JSON is
/// no instruction.
pub(super) fn instructed(system: &str) -> Option<Instruction> {
    let lower = system.to_lowercase();
    let said = [
        "json object",
        "json schema",
        "valid json",
        "json only",
        "only json",
        "only with json",
        "single json",
    ];
    if !said.iter().any(|words| lower.contains(words)) {
        return None;
    }
    let schema = system.match_indices('{').find_map(|(at, _)| {
        let text = system.get(at..)?;
        match serde_json::Deserializer::from_str(text).into_iter::<Value>().next() {
            Some(Ok(value)) if is_schema(&value) => Some(value),
            _ => None,
        }
    });
    Some(schema.map_or(Instruction::Json, Instruction::Schema))
}

fn is_schema(value: &Value) -> bool {
    ["type", "properties", "$ref", "anyOf", "enum"].iter().any(|keyword| value.get(keyword).is_some())
}

fn within(schema: &Value, root: &Value, depth: u32) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(target) = schema["$ref"].as_str().and_then(|place| root.pointer(place.strip_prefix('#')?)) {
        return within(target, root, depth);
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(first) = schema[choice].get(0) {
            return within(first, root, depth);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return together(parts.iter().map(|part| within(part, root, depth)));
    }
    match kind(schema) {
        Some("string") => Value::String(text(schema)),
        Some("integer") => number(schema, true),
        Some("number") => number(schema, false),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => array(schema, root, depth),
        _ => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut names: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
            if names.is_empty()
                && depth >= SPARSE
                && let Some(properties) = schema["properties"].as_object()
            {
                names.extend(properties.keys().map(String::as_str));
            }
            let member = |name: &str| (name.to_owned(), within(&schema["properties"][name], root, depth));
            Value::Object(names.into_iter().map(member).collect::<Map<String, Value>>())
        }
    }
}

/// The type, or the first of several that isn't null.
fn kind(schema: &Value) -> Option<&str> {
    let several = schema["type"].as_array().map(Vec::as_slice).unwrap_or_default();
    schema["type"]
        .as_str()
        .or_else(|| several.iter().filter_map(Value::as_str).find(|kind| *kind != "null"))
        .or_else(|| several.first().and_then(Value::as_str))
}

/// One object of several, or the first of other values.
fn together(parts: impl Iterator<Item = Value>) -> Value {
    let mut whole: Option<Value> = None;
    for part in parts {
        whole = Some(match (whole, part) {
            (Some(Value::Object(mut all)), Value::Object(more)) => {
                all.extend(more);
                Value::Object(all)
            }
            (Some(first), _) | (None, first) => first,
        });
    }
    whole.unwrap_or_default()
}

fn text(schema: &Value) -> String {
    let text = match schema["format"].as_str() {
        Some("date-time") => "2026-01-02T03:04:05Z",
        Some("date") => "2026-01-02",
        Some("time") => "03:04:05Z",
        Some("duration") => "P1D",
        Some("email") => "someone@example.com",
        Some("hostname") => "example.com",
        Some("uri") => "https://example.com/",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => {
            let length = |name: &str| {
                schema[name].as_u64().map(|length| usize::try_from(length).unwrap_or(usize::MAX))
            };
            let least = length("minLength").unwrap_or(0).min(10_000);
            let most = length("maxLength").unwrap_or(usize::MAX);
            return "text".chars().cycle().take(least.max(4).min(most)).collect();
        }
    };
    text.to_owned()
}

fn number(schema: &Value, whole: bool) -> Value {
    let bound = |name: &str| schema[name].as_f64();
    if let Some(step) = schema.get("multipleOf") {
        return step.clone();
    }
    if let Some(least) = schema.get("minimum").filter(|least| least.is_number()) {
        return least.clone();
    }
    let number = match (bound("exclusiveMinimum"), bound("maximum"), bound("exclusiveMaximum")) {
        (Some(least), _, _) => least + 1.0,
        (None, Some(most), _) if most < 1.0 => most,
        (None, _, Some(most)) if most <= 1.0 => most - 1.0,
        _ => 1.0,
    };
    let floor = number.floor();
    if whole || floor.total_cmp(&number).is_eq() {
        return json!(floor.to_string().parse::<i64>().unwrap_or(1));
    }
    Number::from_f64(number).map_or(json!(1), Value::Number)
}

fn array(schema: &Value, root: &Value, depth: u32) -> Value {
    if let Some(places) = schema["prefixItems"].as_array() {
        return places.iter().map(|place| within(place, root, depth)).collect();
    }
    let wanted = schema["minItems"].as_u64().unwrap_or(0).min(8);
    (0..wanted).map(|_| within(&schema["items"], root, depth)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_the_required_properties() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "minimum": 3},
                "unit": {"enum": ["c", "f"]},
                "note": {"type": "string"},
                "at": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]}
            },
            "required": ["city", "days", "unit", "at"]
        });
        assert_eq!(instance(&schema), json!({"city": "text", "days": 3, "unit": "c", "at": {"lat": 1}}));
    }

    #[test]
    fn references_formats_and_bounds_are_kept() {
        let schema = json!({
            "$defs": {"day": {"type": "string", "format": "date"}},
            "type": "object",
            "properties": {
                "day": {"$ref": "#/$defs/day"},
                "code": {"type": ["null", "string"], "minLength": 6},
                "short": {"type": "string", "maxLength": 2},
                "less": {"type": "number", "exclusiveMaximum": 0.5},
                "pair": {"type": "array", "prefixItems": [{"const": 1}, {"type": "boolean"}]},
                "both": {"allOf": [
                    {"required": ["a"], "properties": {"a": {"type": "null"}}},
                    {"required": ["b"], "properties": {"b": {"type": "integer"}}}
                ]}
            },
            "required": ["day", "code", "short", "less", "pair", "both"]
        });
        assert_eq!(
            instance(&schema),
            json!({
                "day": "2026-01-02", "code": "textte", "short": "te", "less": -0.5, "pair": [1, true],
                "both": {"a": null, "b": 1}
            })
        );
    }

    #[test]
    fn an_instance_of_anything_ends() {
        assert_eq!(instance(&json!(true)), json!({}));
        let mut deep = json!({});
        for _ in 0..64 {
            deep = json!({"anyOf": [deep]});
        }
        assert_eq!(instance(&deep), Value::Null);
        assert_eq!(instance(&json!({"$ref": "#"})), Value::Null);
    }

    #[test]
    fn an_instruction_is_told_from_talk() {
        assert_eq!(instructed("You know all about JSON."), None);
        assert_eq!(instructed("Answer with a JSON object."), Some(Instruction::Json));
        let schema = json!({"type": "object", "properties": {}});
        let system =
            format!("Use {{braces}}. Answer with valid JSON by this schema: {schema} and nothing else.");
        assert_eq!(instructed(&system), Some(Instruction::Schema(schema)));
    }
}
