//! `/v1/models`, on the wire.

use serde::Serialize;
use serde_json::{Map, Value};

/// The list of models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelList {
    object: &'static str,
    data: Vec<Model>,
}

/// One model. The first four members and `shutdown_date` are OpenAI's; its SDKs keep the others as extras.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Model {
    /// What clients put into `model`.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// Seconds since 1970; 0 if not known, because the SDKs insist on a number.
    pub created: u64,
    /// Who made it.
    pub owned_by: String,
    /// When it stops answering, as an ISO 8601 date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown_date: Option<String>,
    /// The family that knows what it accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Most tokens of prompt and reply together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u32>,
    /// Most tokens of a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// What it can do: `tools`, `images`, `reasoning` …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// `active`, `legacy` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<String>,
    /// Whatever else is known of it: `regions`, `profiles`, `prices` … Written beside the rest.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Model {
    /// The least that a model is.
    pub fn new(id: impl Into<String>, created: u64, owned_by: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            object: "model",
            created,
            owned_by: owned_by.into(),
            shutdown_date: None,
            family: None,
            context_window: None,
            max_output_tokens: None,
            capabilities: Vec::new(),
            lifecycle: None,
            extra: Map::new(),
        }
    }
}

impl ModelList {
    /// A list of all of `models`.
    pub fn new(models: Vec<Model>) -> Self {
        Self { object: "list", data: models }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_of_which_little_is_known_has_openais_members_only() {
        let list = ModelList::new(vec![Model::new("m", 0, "amazon")]);
        assert_eq!(
            serde_json::to_value(&list).unwrap(),
            json!({"object": "list", "data": [
                {"id": "m", "object": "model", "created": 0, "owned_by": "amazon"},
            ]})
        );
    }

    #[test]
    fn what_is_known_stands_beside_them() {
        let mut model = Model::new("m", 1, "amazon");
        model.context_window = Some(300_000);
        model.capabilities = vec!["tools".to_owned()];
        model.extra.insert("regions".to_owned(), json!(["us-east-1"]));
        let wire = serde_json::to_value(&model).unwrap();
        assert_eq!(wire["context_window"], 300_000);
        assert_eq!(wire["capabilities"], json!(["tools"]));
        assert_eq!(wire["regions"], json!(["us-east-1"]));
    }
}
