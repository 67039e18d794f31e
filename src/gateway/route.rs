//! From what a client calls a model to where it is called.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bedrock::{ModelId, Transport};
use crate::catalog::{self, Mode};
use crate::chat::Guardrail;
use crate::families::{self, EmbedFamily, Family, FormatKind};

/// Where a call goes.
#[derive(Clone)]
pub struct Target {
    /// The model, profile or ARN that is called.
    pub model: ModelId,
    /// The region, if it isn't the default one.
    pub region: Option<String>,
    /// The way there.
    pub transport: Arc<dyn Transport>,
    /// What its vendor's models accept.
    pub family: &'static dyn Family,
    /// What its vendor's embedding models accept, if it is one of them.
    pub embeddings: Option<&'static dyn EmbedFamily>,
    /// A format that config forces.
    pub format: Option<FormatKind>,
    /// Sent when the client gives no limit.
    pub max_tokens: Option<u32>,
    /// Refuse what would be noted.
    pub strict: bool,
    /// Cache points are placed where a request has none.
    pub cache: bool,
    /// The guardrail that its operator puts before it. A client's own has no say beside it.
    pub guardrail: Option<Guardrail>,
    /// It stands in the configuration or the catalogue, so its name may be a metric's label.
    pub listed: bool,
}

impl Target {
    /// The name under which it is counted: a client's own word never is one.
    pub fn label(&self) -> &str {
        if self.listed { self.model.as_str() } else { "other" }
    }
}

/// Every configured name, and what any other name means.
pub struct Routes {
    aliases: HashMap<String, Target>,
    default_model: String,
    fallback: Arc<dyn Transport>,
    region: String,
    policy: Policy,
}

/// What holds for models that config says nothing of.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// See [`Target::strict`].
    pub strict: bool,
    /// See [`Target::cache`].
    pub cache: bool,
    /// See [`Target::guardrail`].
    pub guardrail: Option<Guardrail>,
}

/// A name that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Neither an alias nor anything that could be a Bedrock id.
    #[error(
        "The model `{0}` does not exist here: it is neither a configured alias nor a Bedrock model id, inference profile id or ARN. GET /v1/models lists what this gateway serves."
    )]
    Unknown(String),
    /// An ARN that hides its model, which config doesn't explain.
    #[error(
        "The ARN does not say which model is behind it. Its operator has to name the family under `models` in the configuration."
    )]
    Opaque,
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
        "`{0}` is not an embedding model that this gateway knows. GET /v1/models lists those that it does, with `embeddings` among their capabilities."
    )]
    NotEmbedding(String),
}

impl Routes {
    /// `default_model` is itself resolved like a client's word; `fallback` goes to `region`.
    pub fn new(
        aliases: HashMap<String, Target>,
        default_model: String,
        fallback: Arc<dyn Transport>,
        region: String,
        policy: Policy,
    ) -> Self {
        Self { aliases, default_model, fallback, region, policy }
    }

    /// The region that a target is called in.
    pub fn region<'a>(&'a self, target: &'a Target) -> &'a str {
        target.region.as_deref().unwrap_or(&self.region)
    }

    /// The configured names with their targets, in no order.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &Target)> {
        self.aliases.iter().map(|(name, target)| (name.as_str(), target))
    }

    /// What answers a request that names no model.
    pub fn default_model(&self) -> &str {
        &self.default_model
    }

    /// The target of a chat. `requested` gets the name that was meant, also if it leads nowhere.
    pub fn resolve(&self, name: Option<&str>, requested: &mut String) -> Result<Target, ResolveError> {
        let name = match name {
            Some(name) if !name.is_empty() => name,
            Some(_) | None => &self.default_model,
        };
        name.clone_into(requested);
        let target = self.find(name)?;
        if target.embeddings.is_some() {
            return Err(ResolveError::OnlyEmbeds(shortened(name)));
        }
        match mode(&target.model) {
            Some(Mode::Chat) | None => Ok(target),
            Some(_) => Err(ResolveError::NotChat(shortened(name))),
        }
    }

    /// The target of texts that shall become vectors, and its family.
    pub fn resolve_embeddings(
        &self,
        name: &str,
        requested: &mut String,
    ) -> Result<(Target, &'static dyn EmbedFamily), ResolveError> {
        name.clone_into(requested);
        let target = self.find(name)?;
        match (target.embeddings, mode(&target.model)) {
            (Some(family), _) => Ok((target, family)),
            (None, Some(Mode::Chat)) => Err(ResolveError::OnlyChats(shortened(name))),
            (None, _) => Err(ResolveError::NotEmbedding(shortened(name))),
        }
    }

    /// Whatever the name leads to, whether or not it is served here.
    pub(super) fn find(&self, name: &str) -> Result<Target, ResolveError> {
        if let Some(target) = self.aliases.get(name) {
            return Ok(target.clone());
        }
        let unknown = || ResolveError::Unknown(shortened(name));
        let model = ModelId::parse(name).map_err(|_| unknown())?;
        if model.is_opaque() {
            return Err(ResolveError::Opaque);
        }
        // Every Bedrock id is `vendor.model`; `gpt-4o` is somebody's alias that isn't configured here.
        if !model.base().contains('.') {
            return Err(unknown());
        }
        let listed = catalog::find_for(model.as_str()).is_some() && !model.is_arn();
        let family = families::resolve(&model, None);
        let embeddings = families::resolve_embeddings(&model, None);
        Ok(Target {
            model,
            region: None,
            transport: Arc::clone(&self.fallback),
            family,
            embeddings,
            format: None,
            max_tokens: None,
            strict: self.policy.strict,
            cache: self.policy.cache,
            guardrail: self.policy.guardrail.clone(),
            listed,
        })
    }
}

/// What the model is for, as far as is known.
fn mode(model: &ModelId) -> Option<Mode> {
    catalog::find_for(model.as_str()).map(|facts| facts.mode)
}

/// A client's word in an error, at a length that does no harm.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 100;
    let clean: String = name.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    clean
}
