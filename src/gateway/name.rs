//! What a name means that isn't configured, and why it may mean nothing.

use crate::bedrock::ModelId;
use crate::catalog::{self, Live, Meaning, Wrapped};
use crate::chat::Action;

use super::directory;

/// A name that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Neither an alias nor anything that could be a Bedrock id.
    #[error(
        "The model `{0}` does not exist here: it is neither a configured alias nor a Bedrock model id, inference profile id or ARN. GET /v1/models lists what this gateway serves."
    )]
    Unknown(String),
    /// A part of several models' names.
    #[error(
        "The model `{name}` does not exist here, and the name could mean several: {}.",
        listed(candidates)
    )]
    Ambiguous {
        /// The name.
        name: String,
        /// Some of those that it could mean.
        candidates: Vec<String>,
    },
    /// A model that another endpoint of AWS serves.
    #[error(
        "`{name}` is not served by Bedrock's Converse and InvokeModel, which this gateway calls: AWS serves it on its own OpenAI-compatible endpoint only ({endpoint}). GET /v1/models lists what this gateway serves."
    )]
    Elsewhere {
        /// The name.
        name: String,
        /// The base URL for an OpenAI client.
        endpoint: String,
    },
    /// An ARN that hides its model, which neither config nor Bedrock explains.
    #[error(
        "The ARN does not say which model is behind it. Its operator has to name the family under `models` in the configuration."
    )]
    Opaque(ModelId),
    /// An ARN of a region that isn't called from here.
    #[error(
        "The ARN is of the region {0}, which this gateway doesn't call. Its operator can name it under `models.arn.regions` in the configuration."
    )]
    Region(String),
    /// An ARN of an account that isn't called from here.
    #[error("The ARN is of an account that this gateway doesn't call.")]
    Account,
    /// A model for something else.
    #[error("`{0}` is not a chat model.")]
    NotChat(String),
    /// A model for embeddings, asked to chat.
    #[error("`{0}` is an embedding model, not a chat model: POST /v1/embeddings takes it.")]
    OnlyEmbeds(String),
    /// A model for chats, asked for embeddings.
    #[error("`{0}` is a chat model, not an embedding model: POST /v1/chat/completions takes it.")]
    OnlyChats(String),
    /// A model that may or may not make vectors: nobody here knows its body.
    #[error(
        "`{0}` is not an embedding model that this gateway knows. GET /v1/models lists those that it does, with the mode `embedding`."
    )]
    NotEmbedding(String),
}

/// A model that a name means which isn't configured.
pub(super) struct Meant {
    pub(super) model: ModelId,
    /// What is said of how it was found.
    pub(super) remarks: &'static [(Action, &'static str)],
}

/// What a name that isn't configured means: an id or ARN as it stands, or the one model that has this name without being
/// called so on Bedrock. What merely looks like an id is left to Bedrock to know. `live` is of the default `region`.
pub(super) fn read(name: &str, live: &Live, region: &str) -> Result<Meant, ResolveError> {
    const RENAMED: &[(Action, &str)] = &[(Action::Rewritten, "means_one_model")];
    const SHORTENED: &[(Action, &str)] =
        &[(Action::Rewritten, "means_one_model"), (Action::Dropped, "context_window_mark")];
    let id = |text: &str| ModelId::parse(text).map_err(|_| ResolveError::Unknown(shortened(name)));
    let exact = |text: &str| match ModelId::parse(text) {
        Ok(model) if is_known(&model, live) => Some(model),
        Ok(_) | Err(_) => None,
    };
    if let Some(model) = exact(name) {
        return Ok(Meant { model, remarks: &[] });
    }
    let Wrapped { id: inner, window } = Wrapped::read(name);
    let is_wrapped = inner.len() < name.len();
    let remarks = if window { SHORTENED } else { RENAMED };
    if is_wrapped && let Some(model) = exact(inner) {
        return Ok(Meant { model, remarks });
    }
    let names = live.names(directory::now());
    match names.meaning(inner, live) {
        Meaning::One(meant) => {
            let model = id(&meant)?;
            match elsewhere(&model, live, region) {
                Some(endpoint) => Err(ResolveError::Elsewhere { name: shortened(name), endpoint }),
                None => Ok(Meant { model, remarks }),
            }
        }
        Meaning::Several(candidates) => Err(ResolveError::Ambiguous { name: shortened(name), candidates }),
        Meaning::Nothing if names.has_bedrocks_form(inner, live) => {
            Ok(Meant { model: id(inner)?, remarks: if is_wrapped { remarks } else { &[] } })
        }
        Meaning::Nothing => Err(ResolveError::Unknown(shortened(name))),
    }
}

/// Whether an id can be called as it stands, as far as anybody knows. Of ARNs only Bedrock does.
pub(super) fn is_known(model: &ModelId, live: &Live) -> bool {
    let base = live.base(model.as_str()).unwrap_or_else(|| model.base());
    model.is_arn()
        || live.model(base).is_some()
        || catalog::find(base).is_some_and(|known| !known.is_elsewhere())
        || live.system_profiles().any(|profile| profile.model == base)
}

/// The endpoint of AWS that serves a model, if Bedrock's own operations don't (AWS's user guide, "OpenAI-compatible
/// endpoints", October 2026: GPT, Gemma 4 and Grok have a path of their own).
pub(super) fn elsewhere(model: &ModelId, live: &Live, region: &str) -> Option<String> {
    let known = catalog::find(model.base()).filter(|known| known.is_elsewhere())?;
    if live.model(known.id).is_some() || live.system_profiles().any(|profile| profile.model == known.id) {
        return None;
    }
    let path = if ["openai-gpt", "gemma", "grok"].contains(&known.family) { "/openai/v1" } else { "/v1" };
    Some(format!("https://bedrock-mantle.{region}.api.aws{path}"))
}

/// Names in an error.
fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A client's word in an error, at a length that does no harm.
pub fn shortened(name: &str) -> String {
    const LONGEST: usize = 100;
    name.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
