//! `GET /v1/models` and `GET /v1/models/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};

use super::Edge;
use super::error::ApiError;
use crate::gateway::ModelFacts;
use crate::openai::{Model, ModelList};

pub(super) async fn list(State(edge): State<Arc<Edge>>) -> Json<ModelList> {
    Json(ModelList::new(edge.gateway.models().iter().map(model).collect()))
}

/// The id may hold `:`, `/` and `.`, percent-encoded or not: it is everything after the prefix.
pub(super) async fn retrieve(
    State(edge): State<Arc<Edge>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Model>, ApiError> {
    // Only what isn't UTF-8 is no text, and no model is called so.
    let id = id.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(id)| id);
    edge.gateway.model(&id).map(|facts| Json(model(&facts))).map_err(ApiError::no_model)
}

/// AWS tells no date of a model's making, and OpenAI's SDKs insist on a number.
const UNKNOWN: u64 = 0;

fn model(facts: &ModelFacts) -> Model {
    let mut model = Model::new(facts.id.clone(), UNKNOWN, facts.owned_by.clone());
    model.shutdown_date = facts.shutdown_date.map(str::to_owned);
    model.family = Some(facts.family.to_owned());
    model.context_window = facts.context_window;
    model.max_output_tokens = facts.max_output_tokens;
    model.capabilities = facts.capabilities.iter().map(|name| (*name).to_owned()).collect();
    model.lifecycle = facts.lifecycle.map(str::to_owned);
    model.extra.insert("target".to_owned(), facts.target.clone().into());
    model.extra.insert("format".to_owned(), facts.format.into());
    if let Some(region) = &facts.region {
        model.extra.insert("region".to_owned(), region.clone().into());
    }
    if !facts.dimensions.is_empty() {
        model.extra.insert("dimensions".to_owned(), facts.dimensions.clone().into());
    }
    if !facts.profiles.is_empty() {
        model.extra.insert("profiles".to_owned(), facts.profiles.clone().into());
    }
    model
}
