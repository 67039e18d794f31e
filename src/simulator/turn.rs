//! What a request says, whatever its format: enough to answer it.

use serde_json::{Map, Value, json};

/// A request, read.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The texts of the last user turn.
    pub(super) text: String,
    /// The texts of its tool results, in order.
    pub(super) results: Vec<String>,
    /// Its pictures and such: `image/png, 68 bytes`.
    pub(super) media: Vec<String>,
    /// Everything said so far: what the prompt's tokens are counted from, and what tells conversations apart.
    pub(super) prompt: String,
    pub(super) tools: Vec<Tool>,
    pub(super) force: Force,
    pub(super) max_tokens: Option<u64>,
    pub(super) stops: Vec<String>,
    /// The schema that the answer's JSON must follow.
    pub(super) schema: Option<Value>,
}

#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) schema: Value,
}

/// Whether a tool must be called.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Force {
    #[default]
    No,
    Any,
    Named(String),
}

impl Turn {
    /// Adds a text of the conversation; `last` if it belongs to the last user turn.
    pub(super) fn hear(&mut self, text: &str, last: bool) {
        self.prompt.push_str(text);
        if last {
            self.text.push_str(text);
        }
    }

    /// The tool that the request insists on.
    pub(super) fn forced_tool(&self) -> Option<&Tool> {
        match &self.force {
            Force::No => None,
            Force::Any => self.tools.first(),
            Force::Named(name) => self.tools.iter().find(|tool| tool.name == *name),
        }
    }
}

/// Tokens of a text: four characters each.
pub(super) fn tokens(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(4)).unwrap_or(u64::MAX)
}

/// The index of the last user message.
pub(super) fn last_user(messages: &[Value]) -> Option<usize> {
    messages.iter().rposition(|message| message["role"] == "user")
}

/// The smallest value that a JSON schema allows, more or less: required properties only.
pub(super) fn sample(schema: &Value) -> Value {
    sample_within(schema, 16)
}

fn sample_within(schema: &Value, depth: u32) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[choice].get(0) {
            return sample_within(first, depth);
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0).and_then(Value::as_str));
    match kind {
        Some("string") => json!("text"),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => {
            let wanted = schema["minItems"].as_u64().unwrap_or(0).min(8);
            Value::Array((0..wanted).map(|_| sample_within(&schema["items"], depth)).collect())
        }
        _ => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let members: Map<String, Value> = required
                .iter()
                .filter_map(Value::as_str)
                .map(|name| (name.to_owned(), sample_within(&schema["properties"][name], depth)))
                .collect();
            Value::Object(members)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_required_properties() {
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
        assert_eq!(sample(&schema), json!({"city": "text", "days": 3, "unit": "c", "at": {"lat": 1}}));
    }

    #[test]
    fn a_sample_of_anything_ends() {
        assert_eq!(sample(&json!(true)), json!({}));
        let mut deep = json!({});
        for _ in 0..64 {
            deep = json!({"anyOf": [deep]});
        }
        assert_eq!(sample(&deep), Value::Null);
    }

    #[test]
    fn four_characters_are_a_token() {
        assert_eq!(["", "a", "four", "five!"].map(tokens), [0, 1, 1, 2]);
        assert_eq!(tokens("éééé"), 1);
    }
}
