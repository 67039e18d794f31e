//! What is known of each model that can be called here, and where its calls go.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Gateway, ResolveError, Target};
use crate::bedrock::ModelId;
use crate::catalog::{self, FoundationModel, Life, Live, Mode, Model, Moment, Price, Stage};
use crate::chat::{Action, Note, Request};
use crate::families::{self, Capabilities, EmbedFamily};
use crate::formats::EmbedFormat;

/// A model as clients may see it, and the decision where its calls go.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// What clients put into `model`.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its vendor.
    pub owned_by: String,
    /// What it is for: `chat` or `embedding`.
    pub mode: &'static str,
    /// What goes in: `text`, `image` …
    pub input: Vec<String>,
    /// What comes out.
    pub output: Vec<String>,
    /// Most tokens of prompt and reply together.
    pub context_window: Option<u32>,
    /// Most tokens of a reply.
    pub max_output_tokens: Option<u32>,
    /// `tools`, `images` …
    pub capabilities: Vec<&'static str>,
    /// In USD, by what is paid for: `input` and the like per token, `per_image` and `per_query` each.
    pub prices: Vec<(&'static str, f64)>,
    /// Where it is in its life, where known.
    pub stage: Option<Stage>,
    /// The days of its life, where known.
    pub dates: Dates,
    /// What was meant: a model, profile or ARN.
    pub target: String,
    /// The profile that is called instead.
    pub profile: Option<String>,
    /// The foundation model behind it, where that is known.
    pub base: Option<String>,
    /// Where it is called.
    pub region: String,
    /// The other targets of the name, in order.
    pub others: Vec<Place>,
    /// The lengths that its vectors can have.
    pub dimensions: Vec<u32>,
    /// The family that knows what it accepts.
    pub family: Option<&'static str>,
    /// The format of a plain text chat, or of embeddings.
    pub format: Option<&'static str>,
    /// Inference profiles through which it can be called.
    pub profiles: Vec<String>,
    /// Who knows it: `config`, `bedrock`, `catalogue`.
    pub sources: Vec<&'static str>,
    /// What is said about the model with each of its answers.
    pub notes: Vec<String>,
}

/// Where calls of a name go as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What is called.
    pub target: String,
    /// Where.
    pub region: String,
}

/// The days of a model's life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dates {
    /// It was opened.
    pub start: Option<Moment>,
    /// It was declared to be legacy, or will be.
    pub legacy: Option<Moment>,
    /// It is served at other prices from here on.
    pub extended_access: Option<Moment>,
    /// Requests stop working.
    pub end: Option<Moment>,
}

/// What `/v1/models` shows. Everything can be called either way.
pub struct Listing {
    /// Names to show.
    pub shows: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// The catalogue's models, or only what is configured and what Bedrock lists.
    pub catalogue: bool,
    /// Models that AWS has retired.
    pub retired: bool,
}

impl Gateway {
    /// The models to show: configured names first, then what Bedrock lists and the catalogue knows, each by name; those
    /// for embeddings last, because clients take the first for a chat.
    /// `retired` shows those as well that are past their end.
    pub fn models(&self, retired: bool) -> Vec<ModelFacts> {
        let configured: BTreeSet<&str> = self.routes.aliases().collect();
        let live = self.routes.directory().snapshot(self.routes.default_region());
        let mut others: BTreeSet<&str> =
            live.models().filter(|model| is_callable(model, &live)).map(|model| model.id.as_str()).collect();
        // A Region may offer the profile of a model that it doesn't run itself.
        others.extend(live.system_profiles().map(|profile| profile.model.as_str()));
        if self.listing.catalogue {
            others.extend(catalog::models().iter().map(|model| model.id));
        }
        let retired = retired || self.listing.retired;
        let others = others.into_iter().filter(|id| !configured.contains(id)).flat_map(|id| self.model(id));
        let others = others.filter(|model| retired || model.stage != Some(Stage::Retired));
        let configured = configured.iter().flat_map(|name| self.model(name));
        // An id that means another one is that one.
        let mut seen = HashSet::new();
        let mut shown: Vec<_> = configured
            .chain(others)
            .filter(|model| (self.listing.shows)(&model.id) && seen.insert(model.id.clone()))
            .collect();
        shown.sort_by_key(|model| model.mode == Mode::Embedding.as_str());
        tell_apart(&mut shown);
        shown
    }

    /// One model, shown or not: a name that means a known one is described as what it means.
    pub fn model(&self, name: &str) -> Result<ModelFacts, ResolveError> {
        if name.is_empty() {
            return Err(ResolveError::Unknown(String::new()));
        }
        let is_configured = self.routes.is_alias(name);
        let meant;
        let name = if is_configured {
            name
        } else {
            meant = self.routes.meaning(name)?;
            meant.as_str()
        };
        let route = self.routes.locate(name)?;
        let target = route.first();
        if target.is_unclear() && !is_configured {
            return Err(ResolveError::Opaque(target.model.clone()));
        }
        // What isn't served here isn't described either.
        if !matches!(target.mode, None | Some(Mode::Chat)) && target.embeddings.is_none() {
            return Err(ResolveError::NotChat(name.to_owned()));
        }
        let region = self.routes.region(target).to_owned();
        let live = self.routes.directory().snapshot(&region);
        let others = route.targets.iter().skip(1).map(|target| Place {
            target: target.called().public().into_owned(),
            region: self.routes.region(target).to_owned(),
        });
        Ok(ModelFacts { others: others.collect(), ..facts(name, target, region, &live, is_configured) })
    }
}

/// Clients show names alone. Bedrock calls several versions of a model alike, so these get their ids behind them.
fn tell_apart(models: &mut [ModelFacts]) {
    let mut uses: HashMap<String, u32> = HashMap::new();
    for name in models.iter().filter_map(|model| model.name.clone()) {
        *uses.entry(name).or_default() += 1;
    }
    for ModelFacts { id, name, .. } in models {
        if let Some(name) = name
            && name != id
            && uses.get(name).is_some_and(|uses| *uses > 1)
        {
            *name = format!("{name} ({id})");
        }
    }
}

/// Whether there is a way to call a listed model: what is sold as provisioned throughput only is called by the ARN of
/// what was bought.
fn is_callable(model: &FoundationModel, live: &Live) -> bool {
    model.is_on_demand() != Some(false) || live.system_profiles().any(|profile| profile.model == model.id)
}

fn facts(name: &str, target: &Target, region: String, live: &Live, is_configured: bool) -> ModelFacts {
    let known = catalog::find(target.base.as_str());
    let listed = live.model(target.base.as_str());
    let mode = target.mode.unwrap_or(Mode::Chat);
    let (kind, format) =
        families::chat_format(target.family, &target.base, &Request::default(), target.format);
    let able = target.family.capabilities(&target.base, kind).with(&target.overrides);
    let is_chat = mode == Mode::Chat;
    let sees =
        if is_chat { able.images } else { known.and_then(|known| known.capabilities.vision) == Some(true) };
    let called = target.called();
    let vectors = target.embeddings.map(|family| family.format(&target.base));
    let sizes = target.embeddings.and_then(|family| families::embedding_facts(family, &target.base));
    let sizes = sizes.and_then(|facts| facts.dimensions.clone());
    ModelFacts {
        id: name.to_owned(),
        // An alias is called as its operator called it, and not like the model behind it.
        name: if is_configured && name != target.model.as_str() {
            Some(name.to_owned())
        } else {
            listed.and_then(|listed| listed.name.clone())
        },
        owned_by: known.map_or_else(|| vendor(&target.base), |known| known.provider.to_owned()),
        mode: mode.as_str(),
        input: inputs(listed, sees, target.overrides.images),
        output: outputs(listed, mode),
        context_window: known.and_then(|known| known.context_window),
        max_output_tokens: (target.overrides.max_output_tokens)
            .or_else(|| known.and_then(|known| known.max_output_tokens))
            .or(able.max_output_tokens.filter(|_| is_chat)),
        capabilities: if is_chat { capabilities(&able, known) } else { Vec::new() },
        prices: known.map_or_else(Vec::new, |known| prices(&known.price_for(called.as_str()))),
        stage: target.stage,
        dates: dates(known, listed),
        target: target.model.public().into_owned(),
        profile: target.profile.as_ref().map(|profile| profile.public().into_owned()),
        base: (target.base != target.model || !target.base.is_opaque())
            .then(|| target.base.public().into_owned()),
        region,
        others: Vec::new(),
        dimensions: sizes.unwrap_or_default(),
        family: target.embeddings.map(EmbedFamily::name).or(is_chat.then(|| target.family.name())),
        format: vectors.map(EmbedFormat::name).or(is_chat.then(|| format.name())),
        profiles: profiles(&target.base, known, live),
        sources: [("config", is_configured), ("bedrock", listed.is_some()), ("catalogue", known.is_some())]
            .into_iter()
            .filter_map(|(source, knows)| knows.then_some(source))
            .collect(),
        notes: target.remarks.iter().map(|remark| said(*remark)).collect(),
    }
}

fn said((action, reason): (Action, &'static str)) -> String {
    Note { param: "model".into(), action, reason }.to_string()
}

/// Every Bedrock id begins with its vendor; of an opaque ARN nothing is known.
fn vendor(base: &ModelId) -> String {
    if base.is_opaque() { "unknown" } else { base.base().split('.').next().unwrap_or("unknown") }.to_owned()
}

/// Bedrock's words in lower case, else what is let through here; config goes before both.
fn inputs(listed: Option<&FoundationModel>, sees: bool, configured: Option<bool>) -> Vec<String> {
    let mut input = match listed {
        Some(listed) if !listed.input.is_empty() => lowered(&listed.input),
        Some(_) | None => ["text"].into_iter().chain(sees.then_some("image")).map(str::to_owned).collect(),
    };
    if configured == Some(false) {
        input.retain(|word| word != "image");
    }
    input
}

fn outputs(listed: Option<&FoundationModel>, mode: Mode) -> Vec<String> {
    match listed {
        Some(listed) if !listed.output.is_empty() => lowered(&listed.output),
        Some(_) | None => {
            let word = match mode {
                Mode::Chat | Mode::Rerank => "text",
                Mode::Embedding => "embedding",
                Mode::Image => "image",
                Mode::Realtime => "speech",
            };
            vec![word.to_owned()]
        }
    }
}

fn lowered(words: &[String]) -> Vec<String> {
    words.iter().map(|word| word.to_lowercase()).collect()
}

/// What it can do, called through here.
fn capabilities(able: &Capabilities, known: Option<&Model>) -> Vec<&'static str> {
    let reasons = known.and_then(|known| known.capabilities.reasoning) == Some(true);
    [
        ("streaming", true),
        ("system", able.system),
        ("tools", able.tools),
        ("images", able.images),
        ("documents", able.documents),
        ("json_schema", able.json_schema),
        ("prefill", able.prefill),
        ("reasoning", reasons),
        ("prompt_caching", able.cache.is_some()),
        ("web_search", able.web_search),
    ]
    .into_iter()
    .filter_map(|(name, has)| has.then_some(name))
    .collect()
}

fn prices(price: &Price) -> Vec<(&'static str, f64)> {
    let Price {
        input,
        output,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        input_batch,
        output_batch,
        input_priority,
        output_priority,
        input_flex,
        output_flex,
        input_above_200k,
        output_above_200k,
        per_image,
        per_query,
    } = *price;
    [
        ("input", input),
        ("output", output),
        ("cache_read", cache_read),
        ("cache_write_5m", cache_write_5m),
        ("cache_write_1h", cache_write_1h),
        ("input_batch", input_batch),
        ("output_batch", output_batch),
        ("input_priority", input_priority),
        ("output_priority", output_priority),
        ("input_flex", input_flex),
        ("output_flex", output_flex),
        ("input_above_200k", input_above_200k),
        ("output_above_200k", output_above_200k),
        ("per_image", per_image),
        ("per_query", per_query),
    ]
    .into_iter()
    .filter_map(|(what, price)| price.map(|price| (what, price)))
    .collect()
}

fn dates(known: Option<&Model>, listed: Option<&FoundationModel>) -> Dates {
    let embedded = || known.and_then(|known| known.lifecycle.eol).and_then(Moment::parse);
    match listed.map(|listed| &listed.lifecycle) {
        Some(Life { status: _, start, legacy, extended_access, end }) => Dates {
            start: *start,
            legacy: *legacy,
            extended_access: *extended_access,
            end: end.or_else(embedded),
        },
        None => Dates { end: embedded(), ..Dates::default() },
    }
}

/// What the Region lists; else what is known of all Regions.
fn profiles(base: &ModelId, known: Option<&Model>, live: &Live) -> Vec<String> {
    if live.knows_profiles() {
        let of_model = live.system_profiles().filter(|profile| profile.model == base.as_str());
        return of_model.map(|profile| profile.id.clone()).collect();
    }
    let known = known.map(|known| known.profiles.iter());
    known.into_iter().flatten().map(|profile| profile.id.to_owned()).collect()
}
