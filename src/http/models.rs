//! `GET /v1/models` and `GET /v1/models/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, State};

use super::error::ApiError;
use super::{Edge, unknown};
use crate::auth::{Models, Principal};
use crate::chat::InvalidRequest;
use crate::gateway::{Dates, ModelFacts, Moment, Place, Stage};
use crate::openai::{Lifecycle, Modalities, Model, ModelList, OtherTarget, Prices, Routing};

/// `?retired=true` shows what AWS has retired as well.
pub(super) async fn list(
    State(edge): State<Arc<Edge>>,
    principal: Option<Extension<Principal>>,
    RawQuery(query): RawQuery,
) -> Result<Json<ModelList>, ApiError> {
    let retired = wants_retired(query.as_deref())?;
    let models = edge.gateway.models(retired).into_iter();
    let models = models.filter(|model| may_use(principal.as_deref(), &model.id));
    Ok(Json(ModelList::new(models.map(model).collect())))
}

/// Other parameters are somebody else's.
fn wants_retired(query: Option<&str>) -> Result<bool, InvalidRequest> {
    let mut pairs =
        query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    match pairs.find(|(name, _)| *name == "retired") {
        None | Some((_, "false")) => Ok(false),
        Some((_, "true")) => Ok(true),
        Some(_) => Err(InvalidRequest::value("retired", "`retired` is true or false.")),
    }
}

/// The id may hold `:`, `/` and `.`, percent-encoded or not: it is everything after the prefix.
pub(super) async fn retrieve(
    State(edge): State<Arc<Edge>>,
    principal: Option<Extension<Principal>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Model>, ApiError> {
    // Only what isn't UTF-8 is no text, and no model is called so.
    let id = id.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(id)| id);
    if !may_use(principal.as_deref(), &id) {
        return Err(ApiError::not_shown(&id));
    }
    let any = Models::any();
    let models = principal.as_deref().map_or(&any, Principal::models);
    let missing = |error| unknown::name(error, &id, edge.gateway.routes(), models).not_listed();
    edge.gateway.model(&id).map(|facts| Json(model(facts))).map_err(missing)
}

/// Without keys everybody may.
fn may_use(principal: Option<&Principal>, model: &str) -> bool {
    principal.is_none_or(|principal| principal.models().allow(model))
}

fn model(facts: ModelFacts) -> Model {
    let ModelFacts {
        id,
        name,
        owned_by,
        mode,
        input,
        output,
        context_window,
        max_output_tokens,
        capabilities,
        prices,
        stage,
        dates: Dates { start, legacy, extended_access, end },
        target,
        profile,
        base,
        region,
        others,
        dimensions,
        family,
        format,
        profiles,
        sources,
        notes,
    } = facts;
    let date = |moment: Option<Moment>| moment.map(Moment::date);
    let lifecycle = Lifecycle {
        status: stage.map(Stage::as_str),
        start_of_life: date(start),
        legacy: date(legacy),
        extended_access: date(extended_access),
        end_of_life: date(end),
    };
    Model {
        id,
        object: "model",
        // OpenAI's SDKs insist on a number.
        created: start.map_or(0, |start| u64::try_from(start.seconds()).unwrap_or(0)),
        owned_by,
        shutdown_date: date(end),
        name,
        mode,
        modalities: Modalities { input, output },
        context_window,
        max_output_tokens,
        capabilities,
        dimensions,
        prices: (!prices.is_empty()).then(|| Prices::of(prices)),
        lifecycle: (lifecycle != Lifecycle::default()).then_some(lifecycle),
        outcrop: Routing {
            target,
            profile,
            base_model: base,
            region,
            other_targets: others
                .into_iter()
                .map(|Place { target, region }| OtherTarget { target, region })
                .collect(),
            family,
            format,
            profiles,
            sources,
            notes,
        },
    }
}
