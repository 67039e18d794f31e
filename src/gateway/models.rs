//! What is known of each model that can be called here.

use super::{Gateway, ResolveError, Target};
use crate::bedrock::ModelId;
use crate::catalog::{self, Model, Status};
use crate::chat::Request;
use crate::families::{self, EmbedFamily};

/// A model as clients may see it.
#[derive(Debug, Clone)]
pub struct ModelFacts {
    /// What clients put into `model`.
    pub id: String,
    /// Its vendor.
    pub owned_by: String,
    /// The end of its life, where known, as an ISO 8601 date.
    pub shutdown_date: Option<&'static str>,
    /// Where its calls go.
    pub target: String,
    /// The region, if it isn't the default one.
    pub region: Option<String>,
    /// The family that knows what it accepts.
    pub family: &'static str,
    /// The format of a plain text chat, or of embeddings.
    pub format: &'static str,
    /// Most tokens of prompt and reply together.
    pub context_window: Option<u32>,
    /// Most tokens of a reply.
    pub max_output_tokens: Option<u32>,
    /// `tools`, `images` …
    pub capabilities: Vec<&'static str>,
    /// The sizes of its vectors.
    pub dimensions: Vec<u32>,
    /// `active`, `legacy`, `retired` …
    pub lifecycle: Option<&'static str>,
    /// Inference profiles through which it can be called.
    pub profiles: Vec<&'static str>,
}

/// What `/v1/models` shows. Everything can be called either way.
pub struct Listing {
    /// Names to show.
    pub shows: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// The catalogue's models, or only what is configured.
    pub catalogue: bool,
    /// Models that AWS has retired.
    pub retired: bool,
}

impl Gateway {
    /// The models to show: configured names first, then the catalogue, each by name.
    pub fn models(&self) -> Vec<ModelFacts> {
        // What is neither for chats nor for embeddings is not served here, so it isn't shown.
        let names = self.routes.aliases().map(|(name, _)| name);
        let mut configured: Vec<_> = names.flat_map(|name| self.model(name)).collect();
        configured.sort_by(|a, b| a.id.cmp(&b.id));
        let mut known = Vec::new();
        if self.listing.catalogue {
            let models = catalog::models().iter();
            for model in models.filter(|model| self.listing.retired || !model.lifecycle.is_retired()) {
                known.extend(self.model(model.id));
            }
            known.retain(|model| !configured.iter().any(|ours| ours.id == model.id));
            known.sort_by(|a, b| a.id.cmp(&b.id));
        }
        configured.into_iter().chain(known).filter(|model| (self.listing.shows)(&model.id)).collect()
    }

    /// One model, shown or not: a name that can be called is described.
    pub fn model(&self, name: &str) -> Result<ModelFacts, ResolveError> {
        if name.is_empty() {
            return Err(ResolveError::Unknown(String::new()));
        }
        match self.routes.resolve_embeddings(name, &mut String::new()) {
            Ok((target, family)) => Ok(embedding_facts(name, &target, family)),
            Err(_) => self.routes.resolve(Some(name), &mut String::new()).map(|target| facts(name, &target)),
        }
    }
}

fn embedding_facts(name: &str, target: &Target, family: &dyn EmbedFamily) -> ModelFacts {
    let sizes = families::embedding_facts(family, &target.model).and_then(|facts| facts.dimensions.clone());
    ModelFacts {
        family: family.name(),
        format: family.format(&target.model).name(),
        capabilities: vec!["embeddings"],
        dimensions: sizes.unwrap_or_default(),
        ..facts(name, target)
    }
}

fn facts(name: &str, target: &Target) -> ModelFacts {
    let known = catalog::find_for(target.model.as_str());
    let (kind, format) =
        families::chat_format(target.family, &target.model, &Request::default(), target.format);
    let capabilities = target.family.capabilities(&target.model, kind);
    ModelFacts {
        id: name.to_owned(),
        owned_by: known.map_or_else(|| vendor(&target.model), |model| model.provider.to_owned()),
        shutdown_date: known.and_then(|model| model.lifecycle.eol),
        target: target.model.public().into_owned(),
        region: target.region.clone(),
        family: target.family.name(),
        format: format.name(),
        context_window: known.and_then(|model| model.context_window),
        max_output_tokens: known.and_then(|model| model.max_output_tokens),
        capabilities: [
            ("streaming", true),
            ("system", capabilities.system),
            ("tools", capabilities.tools),
            ("images", capabilities.images),
            ("documents", capabilities.documents),
        ]
        .into_iter()
        .filter_map(|(name, has)| has.then_some(name))
        .collect(),
        dimensions: Vec::new(),
        lifecycle: known.map(|model| lifecycle(model.lifecycle.status)),
        profiles: known.map_or_else(Vec::new, profiles),
    }
}

/// Every Bedrock id begins with its vendor; of an opaque ARN nothing is known.
fn vendor(model: &ModelId) -> String {
    if model.is_opaque() { "unknown" } else { model.base().split('.').next().unwrap_or("unknown") }.to_owned()
}

fn profiles(model: &Model) -> Vec<&'static str> {
    model.profiles.iter().map(|profile| profile.id).collect()
}

fn lifecycle(status: Status) -> &'static str {
    match status {
        Status::Active | Status::ActiveAssumed => "active",
        Status::Legacy => "legacy",
        Status::LegacyOrEol | Status::Eol => "retired",
    }
}
