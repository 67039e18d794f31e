//! From what a client calls a model to where it is called.
//!
//! Here a name meets everything that is known of it: the configuration, Bedrock's own listings, the embedded catalogue,
//! in this order.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Gateway;
use super::default::DefaultModel;
use super::directory::{self, Base, Directory};
use super::name::{self, Meant, ResolveError, shortened};
use super::profile::{ProfileChoice, is_profile_only, profile_for};
use super::target::{Route, Target, Timeouts};
use super::upstream::Location;
use crate::bedrock::{ModelId, Transport};
use crate::catalog::{self, Hiding, Live, Mode, Stage};
use crate::chat::{Action, CacheMode, Guardrail};
use crate::families::{self, EmbedFamily, Family, FormatKind, Overrides};

/// What config says of a name.
#[derive(Clone)]
pub struct Alias {
    /// Where its calls go. Never empty.
    pub targets: Vec<AliasTarget>,
    /// As [`Route::sticky`].
    pub sticky: bool,
    /// Overrides [`Rules::strict`].
    pub strict: Option<bool>,
    /// Overrides [`Rules::cache`].
    pub cache: Option<CacheMode>,
    /// Overrides the gateway's own.
    pub timeouts: Timeouts,
    /// What is called when AWS retires its models: another name.
    pub successor: Option<String>,
}

/// What config says of one target of a name.
#[derive(Clone)]
pub struct AliasTarget {
    /// The model, profile or ARN that is meant.
    pub model: ModelId,
    /// The region, if it isn't the default one.
    pub region: Option<String>,
    /// As [`Target::account`].
    pub account: Option<String>,
    /// As [`Target::weight`].
    pub weight: Option<u32>,
    /// As [`Target::concurrency`].
    pub concurrency: Option<usize>,
    /// Whose model it is, if the id doesn't say.
    pub family: Option<&'static dyn Family>,
    /// The same for embedding models. An id has one of the two.
    pub embeddings: Option<&'static dyn EmbedFamily>,
    /// The format to speak, if the family shouldn't choose.
    pub format: Option<FormatKind>,
    /// What it can do, where the family doesn't know.
    pub overrides: Overrides,
    /// Overrides [`Rules::guardrail`].
    pub guardrail: Option<Guardrail>,
    /// Overrides the general choice, [`Rules::profiles`].
    pub profiles: Option<ProfileChoice>,
}

impl Alias {
    /// A name that means a model and nothing else.
    pub fn of(model: ModelId) -> Self {
        Self {
            targets: vec![AliasTarget::of(model)],
            sticky: true,
            strict: None,
            cache: None,
            timeouts: Timeouts::default(),
            successor: None,
        }
    }
}

impl AliasTarget {
    /// A model and nothing else.
    pub fn of(model: ModelId) -> Self {
        Self {
            model,
            region: None,
            account: None,
            weight: None,
            concurrency: None,
            family: None,
            embeddings: None,
            format: None,
            overrides: Overrides::default(),
            guardrail: None,
            profiles: None,
        }
    }
}

/// What config says of all names.
pub struct Rules {
    /// Refuse what would be noted.
    pub strict: bool,
    /// See [`Target::cache`].
    pub cache: CacheMode,
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
    default_model: DefaultModel,
    transports: Transports,
    region: String,
    rules: Rules,
    directory: Arc<Directory>,
}

impl Routes {
    /// `default_model` is itself resolved like a client's word; without a region of its own a call goes to `region`.
    /// `transports` are the ways to all regions that may be called, which an alias's always is, in every account of an
    /// alias.
    pub fn new(
        aliases: HashMap<String, Alias>,
        default_model: DefaultModel,
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

    /// Where a target is called, accounts and regions apart: tells it from others of the same model.
    pub fn site<'a>(&'a self, target: &'a Target) -> Cow<'a, str> {
        site(target.account.as_deref(), self.region(target))
    }

    /// Where the configured targets are. A successor that takes the place of one isn't among them.
    pub(super) fn locations(&self) -> HashSet<Location> {
        let targets = self.aliases.values().flat_map(|alias| &alias.targets);
        let location = |target: &AliasTarget| {
            let AliasTarget { model, region, account, .. } = target;
            let region = region.as_deref().or_else(|| model.region()).unwrap_or(&self.region);
            (model.clone(), site(account.as_deref(), region).into())
        };
        targets.map(location).collect()
    }

    /// The default region.
    pub fn default_region(&self) -> &str {
        &self.region
    }

    /// The configured names, in no order.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.aliases.keys().map(String::as_str)
    }

    /// What may have been meant by a name that leads nowhere: the nearest of the configured ones and of the models that can be
    /// called, as far as they are `allowed`.
    pub fn nearest(&self, name: &str, allowed: impl Fn(&str) -> bool) -> Vec<String> {
        let live = self.directory.snapshot(&self.region);
        let near = live.names(directory::now()).nearest(name, self.aliases(), allowed);
        near.into_iter().map(str::to_owned).collect()
    }

    /// The endpoint of AWS that serves a model, if Bedrock's own operations don't, as far as is known.
    pub fn elsewhere(&self, model: &ModelId) -> Option<String> {
        name::elsewhere(model, &self.directory.snapshot(&self.region), &self.region)
    }

    /// Whether a name is configured.
    pub fn is_alias(&self, name: &str) -> bool {
        self.aliases.contains_key(name)
    }

    /// What answers a request that names no model.
    pub fn default_model(&self) -> &str {
        match &self.default_model {
            // Then its operator says where it leads.
            DefaultModel::BuiltIn(own) if self.aliases.contains_key(own) => own,
            default => default.now(&self.directory.snapshot(&self.region), directory::now()),
        }
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

    /// The name that a chat asks for, given what it says: absent or empty is the default model.
    pub fn meant<'a>(&'a self, name: Option<&'a str>) -> &'a str {
        match name {
            Some(name) if !name.is_empty() => name,
            Some(_) | None => self.default_model(),
        }
    }

    /// The route of a chat for a name. `requested` gets the name that was meant, also if it leads nowhere.
    pub fn resolve(&self, name: Option<&str>, requested: &mut String) -> Result<Route, ResolveError> {
        let name = self.meant(name);
        name.clone_into(requested);
        let mut route = self.locate(name)?;
        keep_usable(&mut route.targets, |target| {
            if target.embeddings.is_some() {
                return Err(ResolveError::OnlyEmbeds(shortened(name)));
            }
            // As far as is known.
            if target.mode.is_some_and(|mode| mode != Mode::Chat) {
                return Err(ResolveError::NotChat(shortened(name)));
            }
            if target.unclear { Err(ResolveError::Opaque(target.model.clone())) } else { Ok(()) }
        })?;
        Ok(route)
    }

    /// The route of texts that shall become vectors, and their model's family. A target with another model isn't on it.
    pub fn resolve_embeddings(
        &self,
        name: &str,
        requested: &mut String,
    ) -> Result<(Route, &'static dyn EmbedFamily), ResolveError> {
        name.clone_into(requested);
        let mut route = self.locate(name)?;
        let first = route.first();
        let family = match (first.embeddings, first.mode) {
            (Some(family), _) => family,
            (None, Some(Mode::Chat)) => return Err(ResolveError::OnlyChats(shortened(name))),
            (None, _) if first.guessed => return Err(ResolveError::Opaque(first.model.clone())),
            (None, _) => return Err(ResolveError::NotEmbedding(shortened(name))),
        };
        let base = first.base.clone();
        route.targets.retain(|target| target.base == base);
        Ok((route, family))
    }

    /// Where a name leads, whatever for: in the place of a model that is at its end stand its successors.
    pub fn locate(&self, name: &str) -> Result<Route, ResolveError> {
        // A circle of successors ends where it began.
        self.follow(name, &mut HashSet::new())
    }

    fn follow(&self, name: &str, passed: &mut HashSet<String>) -> Result<Route, ResolveError> {
        let configured = self.aliases.get(name);
        let mut rewritten: &[(Action, &'static str)] = &[];
        let alias = if let Some(alias) = configured {
            Cow::Borrowed(alias)
        } else {
            let live = self.directory.snapshot(&self.region);
            let Meant { model, remarks } = name::read(name, &live, &self.region)?;
            rewritten = remarks;
            Cow::Owned(Alias::of(model))
        };
        let mut targets = Vec::with_capacity(alias.targets.len());
        for own in &alias.targets {
            let (mut target, successor) = self.place(configured.is_some(), &alias, own)?;
            target.remarks.extend_from_slice(rewritten);
            let Some(next) = successor.filter(|next| next != name && passed.insert(next.clone())) else {
                targets.push(target);
                continue;
            };
            let reason = match target.stage {
                Some(Stage::Legacy) => "legacy_successor",
                Some(Stage::Retired | Stage::Active) | None => "retired_successor",
            };
            let mut successors = self.follow(&next, passed)?.targets;
            for (at, successor) in successors.iter_mut().enumerate() {
                successor.strict |= target.strict;
                successor.remarks.extend_from_slice(rewritten);
                successor.remarks.push((Action::Rerouted, reason));
                // What an operator puts before a name stays before it, whatever it leads to.
                if configured.is_some() && own.guardrail.is_some() {
                    successor.guardrail.clone_from(&own.guardrail);
                }
                // And what is called in an account stays there, unless the successor says where it is called itself.
                if let (Some(account), None) = (&own.account, &successor.account) {
                    successor.transport = self.transport(Some(account), self.region(successor))?;
                    successor.account = Some(account.clone());
                }
                // The first takes the place, the others stand in for it.
                successor.weight = own.weight.filter(|_| at == 0);
            }
            targets.append(&mut successors);
        }
        Ok(Route { targets, sticky: alias.sticky, timeouts: alias.timeouts })
    }

    /// The id or ARN of a known model that a name means which isn't configured.
    pub(super) fn meaning(&self, name: &str) -> Result<ModelId, ResolveError> {
        let live = self.directory.snapshot(&self.region);
        let Meant { model, remarks: _ } = name::read(name, &live, &self.region)?;
        if name::is_known(&model, &live) { Ok(model) } else { Err(ResolveError::Unknown(shortened(name))) }
    }

    /// Begins to look up what is behind the configured ARNs, as soon as it is known which of them Bedrock lists.
    pub async fn look_ahead(&self) {
        let mut rounds = self.directory.rounds();
        if rounds.wait_for(|rounds| *rounds > 0).await.is_err() {
            return;
        }
        if let DefaultModel::BuiltIn(_) = self.default_model {
            tracing::info!(
                target: "outcrop::models",
                model = self.default_model(),
                "no default_model is configured; this one, which Bedrock lists, answers requests that name none"
            );
        }
        let targets = self.aliases.values().flat_map(|alias| &alias.targets);
        for target in targets.filter(|target| target.model.is_opaque() && target.account.is_none()) {
            self.directory.behind(&target.model);
        }
    }

    /// The profile through which a target has to be called, now that Bedrock has refused its bare id.
    pub(super) fn detour(&self, target: &Target) -> Option<ModelId> {
        let region = self.region(target);
        profile_for(&target.model, region, target.profiles, &self.directory.snapshot(region))
    }

    /// Where one target of a name leads by itself, and what is called instead.
    fn place(
        &self,
        configured: bool,
        alias: &Alias,
        own: &AliasTarget,
    ) -> Result<(Target, Option<String>), ResolveError> {
        let Alias { targets: _, sticky: _, timeouts: _, strict, cache, successor } = alias;
        let AliasTarget {
            model,
            region,
            account,
            weight,
            concurrency,
            family,
            embeddings,
            format,
            overrides,
            guardrail,
            profiles,
        } = own;
        let (region, transport) = self.way(model, account.as_deref(), region.as_deref(), configured)?;
        let live = self.directory.snapshot(region.as_deref().unwrap_or(&self.region));
        let (base, found) = self.base(model, account.is_none(), &live);
        let is_hidden = model.is_opaque() && base == *model;
        let known = catalog::find(base.as_str());
        let listed = live.model(base.as_str());
        if !model.is_arn() && known.is_none() && listed.is_none() && live.knows_models() {
            self.directory.wish(base.as_str());
        }
        let stage = catalog::stage(known, listed, directory::now());
        let is_ending = matches!(stage, Some(Stage::Legacy | Stage::Retired));
        // An ARN is what somebody meant, exactly.
        let general = || self.rules.successors.get(base.as_str()).filter(|_| !model.is_arn()).cloned();
        let successor = successor.clone().or_else(general).filter(|_| is_ending);
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
        let profile = if base == *model && is_profile_only(model, &live) {
            profile_for(model, region.as_deref().unwrap_or(&self.region), profiles, &live)
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
            guardrail: guardrail.clone().or_else(|| self.rules.guardrail.clone()),
            weight: *weight,
            concurrency: *concurrency,
            model: model.clone(),
            profile,
            base,
            region,
            account: account.clone(),
            transport,
            format: *format,
            overrides: *overrides,
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
        region: Option<&str>,
        configured: bool,
    ) -> Result<(Option<String>, Arc<dyn Transport>), ResolveError> {
        if !configured
            && let (Some(account), Some(allowed)) = (model.account(), &self.rules.accounts)
            && !allowed.contains(account)
        {
            return Err(ResolveError::Account);
        }
        let region = region.or_else(|| model.region()).filter(|own| *own != self.region);
        let transport = self.transport(account, region.unwrap_or(&self.region))?;
        Ok((region.map(str::to_owned), transport))
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
    /// The route of a chat for a name. A request waits here only if its ARN hides a model that can't be guessed at,
    /// and no longer than [`super::Asking::lookup_wait`].
    pub(super) async fn find(
        &self,
        name: Option<&str>,
        requested: &mut String,
    ) -> Result<Route, ResolveError> {
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
    ) -> Result<(Route, &'static dyn EmbedFamily), ResolveError> {
        match self.routes.resolve_embeddings(name, requested) {
            Err(ResolveError::Opaque(arn)) if self.routes.directory.found(&arn).await => {
                self.routes.resolve_embeddings(name, requested)
            }
            outcome => outcome,
        }
    }
}

fn site<'a>(account: Option<&str>, region: &'a str) -> Cow<'a, str> {
    match account {
        None => Cow::Borrowed(region),
        Some(account) => Cow::Owned(format!("{account}/{region}")),
    }
}

/// Drops the targets that can't be used. With none left, the error is the first one's.
fn keep_usable(
    targets: &mut Vec<Target>,
    usable: impl Fn(&Target) -> Result<(), ResolveError>,
) -> Result<(), ResolveError> {
    let mut first_error = None;
    targets.retain(|target| match usable(target) {
        Ok(()) => true,
        Err(error) => {
            first_error.get_or_insert(error);
            false
        }
    });
    match first_error {
        Some(error) if targets.is_empty() => Err(error),
        Some(_) | None => Ok(()),
    }
}
