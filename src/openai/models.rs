//! `/v1/models`, on the wire.

use serde::Serialize;
use serde_json::{Map, Number, Value};

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
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for: `chat` or `embedding`.
    pub mode: &'static str,
    /// What goes in and what comes out.
    pub modalities: Modalities,
    /// Most tokens of prompt and reply together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u32>,
    /// Most tokens of a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// What it can do: `tools`, `images`, `reasoning` …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<&'static str>,
    /// The lengths that its vectors can have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<u32>,
    /// What it costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// Where it is in its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Where its calls go.
    pub outcrop: Routing,
}

/// What goes in and what comes out: `text`, `image`, `embedding` …
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Modalities {
    /// Of a prompt.
    pub input: Vec<String>,
    /// Of an answer.
    pub output: Vec<String>,
}

/// On-demand prices: of one token, but for `per_image` and `per_query`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prices {
    currency: &'static str,
    unit: &'static str,
    #[serde(flatten)]
    amounts: Map<String, Value>,
}

/// Where a model is in its life. Dates are ISO 8601.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lifecycle {
    /// `active`, `legacy` or `retired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// It was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_of_life: Option<String>,
    /// It was declared to be legacy, or will be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy: Option<String>,
    /// It is served at other prices from here on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_access: Option<String>,
    /// It stops answering.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_of_life: Option<String>,
}

/// Where a model's calls go, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Routing {
    /// The model, profile or ARN that the name stands for, without an account.
    pub target: String,
    /// The inference profile that is called instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The foundation model behind the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// The Region that is called.
    pub region: String,
    /// Who shares its calls or stands in for it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_targets: Vec<OtherTarget>,
    /// The family that knows what the model accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<&'static str>,
    /// How a plain text chat is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// Inference profiles through which it can be called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// Who knows the model.
    pub sources: Vec<&'static str>,
    /// What `x-outcrop-notes` says with each of its answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Another target of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherTarget {
    /// What is called.
    pub target: String,
    /// The Region it is called in.
    pub region: String,
}

impl ModelList {
    /// A list of all of `models`.
    pub fn new(models: Vec<Model>) -> Self {
        Self { object: "list", data: models }
    }
}

impl Prices {
    /// US dollars, by what is paid for.
    pub fn of(amounts: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        let number = |amount| Number::from_f64(amount).map_or(Value::Null, Value::Number);
        let amounts = amounts.into_iter().map(|(what, amount)| (what.to_owned(), number(amount))).collect();
        Self { currency: "USD", unit: "token", amounts }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model() -> Model {
        Model {
            id: "m".to_owned(),
            object: "model",
            created: 0,
            owned_by: "amazon".to_owned(),
            shutdown_date: None,
            name: None,
            mode: "chat",
            modalities: Modalities { input: vec!["text".to_owned()], output: vec!["text".to_owned()] },
            context_window: None,
            max_output_tokens: None,
            capabilities: Vec::new(),
            dimensions: Vec::new(),
            prices: None,
            lifecycle: None,
            outcrop: Routing {
                target: "amazon.m".to_owned(),
                profile: None,
                base_model: None,
                region: "us-east-1".to_owned(),
                other_targets: Vec::new(),
                family: None,
                format: None,
                profiles: Vec::new(),
                sources: vec!["config"],
                notes: Vec::new(),
            },
        }
    }

    #[test]
    fn what_is_not_known_is_absent() {
        assert_eq!(
            serde_json::to_value(ModelList::new(vec![model()])).unwrap(),
            json!({"object": "list", "data": [{
                "id": "m", "object": "model", "created": 0, "owned_by": "amazon", "mode": "chat",
                "modalities": {"input": ["text"], "output": ["text"]},
                "outcrop": {"target": "amazon.m", "region": "us-east-1", "sources": ["config"]},
            }]})
        );
    }

    #[test]
    fn prices_say_what_they_are_in() {
        let priced = Model { prices: Some(Prices::of([("input", 3e-6), ("per_image", 0.04)])), ..model() };
        assert_eq!(
            serde_json::to_value(priced).unwrap()["prices"],
            json!({"currency": "USD", "unit": "token", "input": 3e-6, "per_image": 0.04})
        );
    }
}
