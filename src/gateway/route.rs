//! From what a client calls a model to where it is called.
//!
//! Here a name meets everything that is known of it: the configuration, Bedrock's own listings, the embedded catalogue,
//! in this order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Gateway;
use super::directory::{self, Base, Directory};
use super::profile::{ProfileChoice, is_profile_only, profile_for};
use crate::bedrock::{ModelId, Transport};
use crate::catalog::{self, Hiding, Live, Mode, Stage};
use crate::chat::{Action, Guardrail, Notes};
use crate::families::{self, EmbedFamily, Family, FormatKind, Overrides};

/// Where a call goes.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a decision of its own")]
pub struct Target {
    /// The model, profile or ARN that was meant.
    pub model: ModelId,
    /// The profile that is called instead: the model is sold so only.
    pub profile: Option<ModelId>,
    /// The foundation model behind it, which says what it can do; itself where nobody knows.
    pub base: ModelId,
    /// The region, if it isn't the default one.
    pub region: Option<String>,
    /// The account that is called, if it isn't the base one.
    pub account: Option<String>,
    /// The way there.
    pub transport: Arc<dyn Transport>,
    /// What its vendor's models accept.
    pub family: &'static dyn Family,
    /// What its vendor's embedding models accept, if it is one of them.
    pub embeddings: Option<&'static dyn EmbedFamily>,
    /// A format that config forces.
    pub format: Option<FormatKind>,
    /// What config knows better than the family.
    pub overrides: Overrides,
    /// What it is for, where known.
    pub mode: Option<Mode>,
    /// Where it is in its life, where known.
    pub stage: Option<Stage>,
    /// What to say about the model with each answer.
    pub remarks: Vec<(Action, &'static str)>,
    /// Refuse what would be noted.
    pub strict: bool,
    /// Cache points are placed where a request has none.
    pub cache: bool,
    /// The guardrail that its operator puts before it. A client's own has no say beside it.
    pub guardrail: Option<Guardrail>,
    /// It stands in the configuration, the catalogue or Bedrock's listing, so its name may be a metric's label.
    pub listed: bool,
    /// Through which profile it is called, where Bedrock refuses its bare id.
    profiles: ProfileChoice,
    /// It hides its model, and nothing else says what that is.
    guessed: bool,
    /// Besides, nothing tells how to talk to it.
    unclear: bool,
}

impl Target {
    /// The name under which it is counted: a client's own word never is one.
    pub fn label(&self) -> &str {
        if self.listed { self.model.as_str() } else { "other" }
    }

    /// What has to be said about the model with each answer.
    pub(super) fn remark(&self, notes: &mut Notes) {
        for (action, reason) in &self.remarks {
            notes.add("model", *action, reason);
        }
    }

    /// It hides its model, and nothing tells how to talk to it.
    pub(super) fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// What is called.
    pub fn called(&self) -> &ModelId {
        self.profile.as_ref().unwrap_or(&self.model)
    }
}

/// What config says of a name.
#[derive(Clone)]
pub struct Alias {
    /// The model, profile or ARN that is meant.
    pub model: ModelId,
    /// The region, if it isn't the default one.
    pub region: Option<String>,
    /// The account, if it isn't the base one.
    pub account: Option<String>,
    /// Whose model it is, if the id doesn't say.
    pub family: Option<&'static dyn Family>,
    /// The same for embedding models. An id has one of the two.
    pub embeddings: Option<&'static dyn EmbedFamily>,
    /// The format to speak, if the family shouldn't choose.
    pub format: Option<FormatKind>,
    /// What it can do, where the family doesn't know.
    pub overrides: Overrides,
    /// Overrides [`Rules::strict`].
    pub strict: Option<bool>,
    /// Overrides [`Rules::cache`].
    pub cache: Option<bool>,
    /// Overrides [`Rules::guardrail`].
    pub guardrail: Option<Guardrail>,
    /// Overrides the general choice, [`Rules::profiles`].
    pub profiles: Option<ProfileChoice>,
    /// What is called when AWS retires it: another name.
    pub successor: Option<String>,
}

impl Alias {
    /// A name that means a model and nothing else.
    pub fn of(model: ModelId) -> Self {
        Self {
            model,
            region: None,
            account: None,
            family: None,
            embeddings: None,
            format: None,
            overrides: Overrides::default(),
            strict: None,
            cache: None,
            guardrail: None,
            profiles: None,
            successor: None,
        }
    }
}

/// What config says of all names.
pub struct Rules {
    /// Refuse what would be noted.
    pub strict: bool,
    /// See [`Target::cache`].
    pub cache: bool,
    /// See [`Target::guardrail`].
    pub guardrail: Option<Guardrail>,
    /// Through which profile a bare id is called, where it has to be.
    pub profiles: ProfileChoice,
    /// Say so with each answer of a model whose end is announced.
    pub warn_legacy: bool,
    /// What is called instead of a model that is at its end, by foundation-model id.
    pub successors: HashMap<String, String>,
    /// The accounts that a client's ARN may name; `None` allows all.
    pub accounts: Option<HashSet<String>>,
}

/// The ways to every account and region that may be called; no account is the base one.
pub type Transports = HashMap<(Option<String>, String), Arc<dyn Transport>>;

/// Every configured name, and what any other name means.
pub struct Routes {
    aliases: HashMap<String, Alias>,
    default_model: String,
    transports: Transports,
    region: String,
    rules: Rules,
    directory: Arc<Directory>,
}

/// A name that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Neither an alias nor anything that could be a Bedrock id.
    #[error(
        "The model `{0}` does not exist here: it is neither a configured alias nor a Bedrock model id, inference profile id or ARN. GET /v1/models lists what this gateway serves."
    )]
    Unknown(String),
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

impl Routes {
    /// `default_model` is itself resolved like a client's word; without a region of its own a call goes to `region`.
    /// `transports` are the ways to all regions that may be called, which an alias's always is, in every account of an
    /// alias.
    pub fn new(
        aliases: HashMap<String, Alias>,
        default_model: String,
        region: String,
        transports: Transports,
        rules: Rules,
        directory: Arc<Directory>,
    ) -> Self {
        Self { aliases, default_model, transports, region, rules, directory }
    }

    /// The region that a target is called in.
    pub fn region<'a>(&'a self, target: &'a Target) -> &'a str {
        target.region.as_deref().unwrap_or(&self.region)
    }

    /// The default region.
    pub fn default_region(&self) -> &str {
        &self.region
    }

    /// The configured names, in no order.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.aliases.keys().map(String::as_str)
    }

    /// Whether a name is configured.
    pub fn is_alias(&self, name: &str) -> bool {
        self.aliases.contains_key(name)
    }

    /// What answers a request that names no model.
    pub fn default_model(&self) -> &str {
        &self.default_model
    }

    /// What Bedrock says of its models.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The names that config gives as successors.
    pub fn successors(&self) -> impl Iterator<Item = &str> {
        let of_aliases = self.aliases.values().filter_map(|alias| alias.successor.as_deref());
        of_aliases.chain(self.rules.successors.values().map(String::as_str))
    }

    /// The target of a chat for a name. `requested` gets the name that was meant, also if it leads nowhere.
    pub fn resolve(&self, name: Option<&str>, requested: &mut String) -> Result<Target, ResolveError> {
        let name = match name {
            Some(name) if !name.is_empty() => name,
            Some(_) | None => &self.default_model,
        };
        name.clone_into(requested);
        let target = self.locate(name)?;
        if target.embeddings.is_some() {
            return Err(ResolveError::OnlyEmbeds(shortened(name)));
        }
        // As far as is known.
        if target.mode.is_some_and(|mode| mode != Mode::Chat) {
            return Err(ResolveError::NotChat(shortened(name)));
        }
        if target.unclear {
            return Err(ResolveError::Opaque(target.model));
        }
        Ok(target)
    }

    /// The target of texts that shall become vectors, and its family.
    pub fn resolve_embeddings(
        &self,
        name: &str,
        requested: &mut String,
    ) -> Result<(Target, &'static dyn EmbedFamily), ResolveError> {
        name.clone_into(requested);
        let target = self.locate(name)?;
        match (target.embeddings, target.mode) {
            (Some(family), _) => Ok((target, family)),
            (None, Some(Mode::Chat)) => Err(ResolveError::OnlyChats(shortened(name))),
            (None, _) if target.guessed => Err(ResolveError::Opaque(target.model)),
            (None, _) => Err(ResolveError::NotEmbedding(shortened(name))),
        }
    }

    /// Where a name leads, whatever for: a model that is at its end leads to its successor.
    pub fn locate(&self, name: &str) -> Result<Target, ResolveError> {
        let (mut target, mut successor) = self.place(name)?;
        // A circle of successors ends where it began.
        let mut passed = HashSet::new();
        while let Some(next) = successor.filter(|next| next != name && passed.insert(next.clone())) {
            let reason = match target.stage {
                Some(Stage::Legacy) => "legacy_successor",
                Some(Stage::Retired | Stage::Active) | None => "retired_successor",
            };
            let strict = target.strict;
            (target, successor) = self.place(&next)?;
            target.strict |= strict;
            target.remarks.push((Action::Rerouted, reason));
            // What an operator puts before a name stays before it, whatever it leads to.
            if let Some(guardrail) = self.aliases.get(name).and_then(|alias| alias.guardrail.clone()) {
                target.guardrail = Some(guardrail);
            }
            // And what is called in an account stays there, unless the successor says where it is called itself.
            if let Some(account) = self.aliases.get(name).and_then(|alias| alias.account.clone())
                && target.account.is_none()
            {
                target.transport = self.transport(Some(&account), self.region(&target))?;
                target.account = Some(account);
            }
        }
        Ok(target)
    }

    /// Begins to look up what is behind the configured ARNs, as soon as it is known which of them Bedrock lists.
    pub async fn look_ahead(&self) {
        let mut rounds = self.directory.rounds();
        if rounds.wait_for(|rounds| *rounds > 0).await.is_err() {
            return;
        }
        let asked = |alias: &&Alias| alias.model.is_opaque() && alias.account.is_none();
        for alias in self.aliases.values().filter(asked) {
            self.directory.behind(&alias.model);
        }
    }

    /// The profile through which a target has to be called, now that Bedrock has refused its bare id.
    pub(super) fn detour(&self, target: &Target) -> Option<ModelId> {
        let region = self.region(target);
        profile_for(&target.model, region, target.profiles, &self.directory.snapshot(region))
    }

    /// Where one name leads by itself, and what is called instead.
    fn place(&self, name: &str) -> Result<(Target, Option<String>), ResolveError> {
        let configured = self.is_alias(name);
        let alias = match self.aliases.get(name) {
            Some(alias) => alias.clone(),
            None => Alias::of(ModelId::parse(name).map_err(|_| ResolveError::Unknown(shortened(name)))?),
        };
        let Alias {
            model,
            region,
            account,
            family,
            embeddings,
            format,
            overrides,
            strict,
            cache,
            guardrail,
            profiles,
            successor,
        } = alias;
        let (region, transport) = self.way(&model, account.as_deref(), region, configured)?;
        let live = self.directory.snapshot(region.as_deref().unwrap_or(&self.region));
        let (base, found) = self.base(&model, account.is_none(), &live);
        // Every Bedrock id is `vendor.model`; `gpt-4o` is somebody's alias that isn't configured here.
        if !configured && !model.is_opaque() && !base.as_str().contains('.') {
            return Err(ResolveError::Unknown(shortened(name)));
        }
        let is_hidden = model.is_opaque() && base == model;
        let known = catalog::find(base.as_str());
        let listed = live.model(base.as_str());
        if !model.is_arn() && known.is_none() && listed.is_none() && live.knows_models() {
            self.directory.wish(base.as_str());
        }
        let stage = catalog::stage(known, listed, directory::now());
        let is_ending = matches!(stage, Some(Stage::Legacy | Stage::Retired));
        // An ARN is what somebody meant, exactly.
        let general = || self.rules.successors.get(base.as_str()).filter(|_| !model.is_arn()).cloned();
        let successor = successor.or_else(general).filter(|_| is_ending);
        let mut remarks = Vec::new();
        match stage {
            Some(Stage::Retired) => remarks.push((Action::Warned, "retired_by_aws")),
            Some(Stage::Legacy) if self.rules.warn_legacy => remarks.push((Action::Warned, "legacy")),
            Some(Stage::Legacy | Stage::Active) | None => {}
        }
        // Whose chat model it is somebody said, so it makes no vectors.
        let chats = family.or(found);
        let embeddings =
            embeddings.or_else(|| families::resolve_embeddings(&base, None).filter(|_| chats.is_none()));
        let is_guess = is_hidden && chats.is_none() && embeddings.is_none();
        if is_guess {
            remarks.push((Action::Warned, "unknown_model"));
        }
        let profiles = profiles.unwrap_or(self.rules.profiles);
        let profile = if base == model && is_profile_only(&model, &live) {
            profile_for(&model, region.as_deref().unwrap_or(&self.region), profiles, &live)
        } else {
            None
        };
        let target = Target {
            family: chats.unwrap_or_else(|| families::resolve(&base, None)),
            mode: embeddings
                .map(|_| Mode::Embedding)
                .or_else(|| known.map(|known| known.mode))
                .or_else(|| listed?.mode()),
            embeddings,
            guessed: is_guess,
            listed: configured || !model.is_arn() && (known.is_some() || listed.is_some()),
            // Every foundation model for chats speaks Converse, and one is behind such a profile: good enough until
            // it is known which.
            unclear: is_guess
                && !(self.directory.asks() && Hiding::of(model.as_str()) == Some(Hiding::ApplicationProfile)),
            strict: strict.unwrap_or(self.rules.strict),
            cache: cache.unwrap_or(self.rules.cache),
            guardrail: guardrail.or_else(|| self.rules.guardrail.clone()),
            model,
            profile,
            base,
            region,
            account,
            transport,
            format,
            overrides,
            stage,
            remarks,
            profiles,
        };
        Ok((target, successor))
    }

    /// The region and the way there. An ARN is called in its own region, if that may be called.
    fn way(
        &self,
        model: &ModelId,
        account: Option<&str>,
        region: Option<String>,
        configured: bool,
    ) -> Result<(Option<String>, Arc<dyn Transport>), ResolveError> {
        if !configured
            && let (Some(account), Some(allowed)) = (model.account(), &self.rules.accounts)
            && !allowed.contains(account)
        {
            return Err(ResolveError::Account);
        }
        let region = region.or_else(|| model.region().map(str::to_owned)).filter(|own| *own != self.region);
        let transport = self.transport(account, region.as_deref().unwrap_or(&self.region))?;
        Ok((region, transport))
    }

    fn transport(&self, account: Option<&str>, region: &str) -> Result<Arc<dyn Transport>, ResolveError> {
        let place = (account.map(str::to_owned), region.to_owned());
        let transport = self.transports.get(&place).map(Arc::clone);
        transport.ok_or_else(|| ResolveError::Region(shortened(region)))
    }

    /// The foundation model behind an id, or itself, and the family of imported weights. `asks`: Bedrock may be asked,
    /// which it is in the base account only.
    fn base(&self, model: &ModelId, asks: bool, live: &Live) -> (ModelId, Option<&'static dyn Family>) {
        if model.is_opaque() && !asks {
            return (model.clone(), None);
        }
        if model.is_opaque() {
            return match self.directory.behind(model) {
                Some(Base::Model(base)) => (base, None),
                Some(Base::Family(family)) => (model.clone(), Some(family)),
                None => (model.clone(), None),
            };
        }
        let id = live.base(model.as_str()).unwrap_or_else(|| model.base());
        let base = match live.base(id) {
            Some(base) => ModelId::parse(base),
            None => ModelId::parse(id),
        };
        (base.unwrap_or_else(|_| model.clone()), None)
    }
}

impl Gateway {
    /// Keeps what Bedrock says of its models fresh, and looks up what is behind the configured ARNs before somebody
    /// calls them. Never ends.
    pub async fn stay_informed(&self) {
        tokio::join!(self.routes.directory.run(), self.routes.look_ahead());
    }

    /// The target of a chat for a name. A request waits here only if its ARN hides a model that can't be guessed at,
    /// and no longer than [`super::Asking::lookup_wait`].
    pub(super) async fn find(
        &self,
        name: Option<&str>,
        requested: &mut String,
    ) -> Result<Target, ResolveError> {
        match self.routes.resolve(name, requested) {
            Err(ResolveError::Opaque(arn)) if self.routes.directory.found(&arn).await => {
                self.routes.resolve(name, requested)
            }
            outcome => outcome,
        }
    }

    /// The same for embeddings.
    pub(super) async fn find_embeddings(
        &self,
        name: &str,
        requested: &mut String,
    ) -> Result<(Target, &'static dyn EmbedFamily), ResolveError> {
        match self.routes.resolve_embeddings(name, requested) {
            Err(ResolveError::Opaque(arn)) if self.routes.directory.found(&arn).await => {
                self.routes.resolve_embeddings(name, requested)
            }
            outcome => outcome,
        }
    }
}

/// A client's word in an error, at a length that does no harm.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 100;
    let clean: String = name.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    clean
}
