//! Text to valid configuration: files, environment and flags in, a [`Config`] or every mistake out.
//!
//! Layers are parsed into trees that know their places (`tree`), laid over each other (`merge`, `env`), and read into
//! one typed section a file (`server`, `auth`, `aws` …). What comes out is valid: nothing in it needs to be checked
//! again. `config/default.yaml` is the lowest layer and the list of keys. This module opens no socket and starts
//! nothing; only the command line and `app` name it, and it names none of ours.

mod accounts;
mod auth;
mod aws;
mod effective;
mod env;
mod error;
mod fetch;
mod limits;
mod log;
mod loosen;
mod merge;
mod models;
mod nearest;
mod reasoning;
mod scalar;
mod secret;
mod section;
mod server;
mod simulator;
mod tree;
mod upstream;
mod whole;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use section::Section;
use tree::{Node, Value};

pub use accounts::{Account, Role};
pub use auth::{Auth, Key};
pub use aws::{Aws, Credentials};
pub use env::{ProcessEnv, Vars};
pub use error::{Error, Errors, Origin, Place, Problem};
pub use fetch::Fetch;
pub use limits::{KeyLimits, Limits};
pub use log::{Log, LogFormat};
pub use models::{
    Arns, Cache, Capabilities, EntryTimeout, Glob, Guardrail, Live, ModelEntry, ModelFormat, ModelList,
    Models, ProfileRule, SamplingRule, TargetEntry,
};
pub use reasoning::{Reasoning, ThoughtStore};
pub use secret::Secret;
pub use section::Sourced;
pub use server::{Cors, Server, Tls};
pub use simulator::Simulator;
pub use upstream::{Breaker, Embeddings, OnDisconnect, Retry, RetryBudget, Stream, Timeout, UpstreamStreams};
pub use whole::Texts;

/// Every key with its default: the lowest layer, and the reference that `outcrop` can print.
pub const DEFAULT_YAML: &str = include_str!("../../config/default.yaml");

/// A valid configuration. Its fields may be changed freely: nothing depends on their order of coming about.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listeners and their limits.
    pub server: Server,
    /// Who may call.
    pub auth: Auth,
    /// How much at once, and how much a minute.
    pub limits: Limits,
    /// How to reach AWS.
    pub aws: Aws,
    /// Other AWS accounts, by the names that [`ModelEntry::account`] gives.
    pub accounts: BTreeMap<String, Account>,
    /// The model for requests that name none: a key of [`Models::entries`], or an id. Deserves a warning where its
    /// origin is [`Origin::Default`]: that model may be retired; the gateway then takes another.
    pub default_model: Sourced<String>,
    /// How long to wait for Bedrock.
    pub timeout: Timeout,
    /// When to try again.
    pub retry: Retry,
    /// When a target is left alone.
    pub breaker: Breaker,
    /// What a streaming client gets besides events.
    pub stream: Stream,
    /// What is done about thoughts.
    pub reasoning: Reasoning,
    /// Whether the URLs in requests are fetched.
    pub fetch: Fetch,
    /// Refuse with 400 what would otherwise be dropped or changed with a note.
    pub strict: bool,
    /// The most replies to one request (`n`), each a call of Bedrock.
    pub max_choices: NonZeroU32,
    /// Who places cache points.
    pub cache: Cache,
    /// What stands for Bedrock with `serve --simulate`.
    pub simulator: Simulator,
    /// The guardrail before every model that has no other.
    pub guardrail: Option<Guardrail>,
    /// How texts become vectors.
    pub embeddings: Embeddings,
    /// Aliases, settings of single models, and the list of models.
    pub models: Models,
    /// What is logged.
    pub log: Log,
    effective: Node,
    texts: Texts,
    doubts: Arc<[Error]>,
    exposed: Option<Arc<Error>>,
}

impl Config {
    /// Every key with the value that [`load`] arrived at, as YAML, with `***` for secrets.
    pub fn to_yaml_redacted(&self) -> String {
        effective::to_yaml(&self.effective)
    }

    /// The keys, by their dotted paths, that have other values in `other`. Never a value: it may be a secret.
    pub fn changes(&self, other: &Self) -> Vec<String> {
        effective::changes(&self.effective, &other.effective)
    }

    /// What it was read from.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Signs that the file is not whole, though what there is of it is valid.
    pub fn doubts(&self) -> &[Error] {
        &self.doubts
    }

    /// Who else may read or write its file, if that is too many.
    pub fn exposed(&self) -> Option<&Error> {
        self.exposed.as_deref()
    }

    /// Why this may not take the place of `before` while the process runs: its file is only the beginning of `seen`, the last
    /// texts that were fine, or it would let in what is kept out now without a word that says so.
    pub fn judge_after(&self, before: &Self, seen: &Texts) -> Result<(), Errors> {
        let mut errors = self.texts.cut(seen, &before.changes(self));
        errors.extend(loosen::by_omission(before, self));
        if errors.is_empty() { Ok(()) } else { Err(Errors(errors)) }
    }
}

/// Where a configuration comes from.
pub struct Sources<'a> {
    /// A YAML or JSON file.
    pub file: Option<&'a Path>,
    /// The environment.
    pub vars: &'a dyn Vars,
    /// What the command line says.
    pub overrides: Overrides,
}

/// Values from the command line, as they were typed. They win over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Vec<Node>);

impl Overrides {
    /// Sets a key, by its dotted path, to a text. `flag` is how the user knows it: `--listen`.
    pub fn set(&mut self, flag: &str, path: &str, text: &str) {
        let place = Place::whole(Origin::Flag(Arc::from(flag)));
        self.0.push(Node::nested(path, Node::text(text, place)));
    }

    /// Sets a key, by its dotted path, to a YAML value: for numbers, booleans and lists.
    pub fn set_yaml(&mut self, flag: &str, path: &str, yaml: &str) -> Result<(), Errors> {
        match Node::parse(yaml, &Origin::Flag(Arc::from(flag))) {
            Ok(node) => {
                self.0.push(Node::nested(path, node));
                Ok(())
            }
            Err(error) => Err(Errors(vec![Error { path: path.to_owned(), ..error }])),
        }
    }
}

/// The configuration, or everything that is wrong with it.
///
/// A later layer wins: defaults, shared variables (`AWS_REGION` …), file, `OUTCROP_` variables, `RUST_LOG`, overrides.
pub fn load(sources: Sources<'_>) -> Result<Config, Errors> {
    let Sources { file, vars, overrides } = sources;
    let mut texts = Texts::default();
    let file =
        file.map(|path| read_file(path, &mut texts)).transpose().map_err(|error| Errors(vec![error]))?;
    layered(file, vars, overrides, texts)
}

/// For the fuzzer: a file that holds this gives a configuration, or errors that are told; and what is in force can be
/// read again.
///
/// # Panics
/// If not.
pub fn fuzz_load(text: &str) {
    let origin = Origin::File("fuzz".into());
    let vars = BTreeMap::<String, String>::new();
    let layered = document(text, &origin)
        .map(|file| layered(Some(file), &vars, Overrides::default(), Texts::default()));
    match layered {
        Ok(Ok(config)) => {
            let shown = config.to_yaml_redacted();
            assert!(Node::parse(&shown, &origin).is_ok(), "what is shown is no YAML: {shown}");
        }
        Ok(Err(errors)) => assert!(!errors.to_string().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A configuration file: what it says, and signs that it isn't whole.
struct Document {
    root: Node,
    doubts: Vec<Error>,
    exposed: Option<Arc<Error>>,
}

fn document(text: &str, origin: &Origin) -> Result<Document, Error> {
    let root = Node::parse(text, origin)?;
    let doubts = whole::doubts(text, &root);
    Ok(Document { root, doubts, exposed: None })
}

fn layered(
    file: Option<Document>,
    vars: &dyn Vars,
    overrides: Overrides,
    mut texts: Texts,
) -> Result<Config, Errors> {
    let defaults = Node::parse(DEFAULT_YAML, &Origin::Default).map_err(|error| Errors(vec![error]))?;
    let mut errors = Vec::new();
    let (file, doubts, exposed) = match file {
        Some(Document { root, doubts, exposed }) => (Some(root), doubts, exposed),
        None => (None, Vec::new(), None),
    };
    let mut layers = env::shared(vars, &defaults, &mut errors);
    layers.extend(file);
    layers.extend(env::own(vars, &defaults, &mut texts, &mut errors));
    layers.extend(overrides.0);
    let mut tree = defaults;
    for layer in layers {
        merge::lay_over(&mut tree, layer, &mut errors);
    }
    if let Some(key) = env::api_key(vars, &mut texts, &mut errors) {
        add_key(&mut tree, &key, &mut errors);
    }
    match read(&tree, vars, &mut errors) {
        Some(config) if errors.is_empty() => Ok(Config { texts, doubts: doubts.into(), exposed, ..config }),
        Some(_) | None => {
            // Found layer by layer and section by section; read from top to bottom.
            errors.sort_by_key(Error::position);
            Err(Errors(errors))
        }
    }
}

fn read(tree: &Node, vars: &dyn Vars, errors: &mut Vec<Error>) -> Option<Config> {
    let mut root = Section::root(tree, errors);
    let server = Server::read(root.section("server"));
    let listen = tree.find("server").and_then(|server| server.find("listen"));
    let auth = Auth::read(root.section("auth"), listen);
    let body_limit = server.as_ref().map(|server| server.body_limit);
    let limits = Limits::read(root.section("limits"), auth.as_ref(), body_limit);
    let aws = Aws::read(root.section("aws"), vars);
    let accounts = accounts::read(root.section("accounts"));
    let models = Models::read(root.section("models"), accounts.as_ref());
    let default_model = models::read_default(&mut root, models.as_ref());
    let timeout = Timeout::read(root.section("timeout"));
    let retry = Retry::read(root.section("retry"));
    let breaker = Breaker::read(root.section("breaker"));
    let stream = Stream::read(root.section("stream"));
    let reasoning = Reasoning::read(root.section("reasoning"));
    let fetch = Fetch::read(root.section("fetch"));
    let strict = root.read("strict", scalar::boolean);
    let max_choices = root.read("max_choices", scalar::count);
    let embeddings = Embeddings::read(root.section("embeddings"));
    let cache = root.read("cache", Cache::read);
    let simulator = Simulator::read(root.section("simulator"));
    let guardrail = root.optional("guardrail", Guardrail::read);
    let log = Log::read(root.section("log"));
    Some(Config {
        server: server?,
        auth: auth?,
        limits: limits?,
        aws: aws?,
        accounts: accounts?,
        default_model: default_model?,
        timeout: timeout?,
        retry: retry?,
        breaker: breaker?,
        stream: stream?,
        reasoning: reasoning?,
        fetch: fetch?,
        strict: strict?,
        max_choices: max_choices?,
        embeddings: embeddings?,
        cache: cache?,
        simulator: simulator?,
        guardrail: guardrail?,
        models: models?,
        log: log?,
        effective: tree.clone(),
        texts: Texts::default(),
        doubts: Arc::default(),
        exposed: None,
    })
}

/// Whether more than its owner and their group may do with the file what only these should.
fn exposed(path: &Path, root: &Node) -> Option<Arc<Error>> {
    const OTHERS_WRITE: u32 = 0o002;
    const OTHERS_READ: u32 = 0o004;
    let mode = std::fs::metadata(path).map_or(0, |about| about.permissions().mode()) & 0o7777;
    let problem = if mode & OTHERS_WRITE != 0 {
        Problem::Writable(mode)
    } else if mode & OTHERS_READ != 0 && effective::holds_secrets(root) {
        Problem::SecretsReadable(mode)
    } else {
        return None;
    };
    let place = Place::whole(root.place.origin.clone());
    Some(Arc::new(Error { place, path: String::new(), problem }))
}

fn read_file(path: &Path, texts: &mut Texts) -> Result<Document, Error> {
    let origin = Origin::File(path.display().to_string().into());
    match std::fs::read_to_string(path) {
        Ok(text) => {
            texts.add_document(origin.clone(), &text);
            let document = document(&text, &origin)?;
            let exposed = exposed(path, &document.root);
            Ok(Document { exposed, ..document })
        }
        Err(error) => {
            let problem = Problem::Unreadable(error.to_string());
            Err(Error { place: Place::whole(origin), path: String::new(), problem })
        }
    }
}

/// Adds the key of the environment to those of the file, under the id `env`.
fn add_key(tree: &mut Node, key: &Node, errors: &mut Vec<Error>) {
    let keys = tree.find_mut("auth").and_then(|auth| auth.find_mut("keys"));
    match (auth::key_item("env", key), keys.map(|keys| &mut keys.value)) {
        (Ok(item), Some(Value::List(items))) => items.push(item),
        (Err(problem), _) => errors.push(Error { place: key.place.clone(), path: String::new(), problem }),
        // Something else than a list stands there: reading the section will say so.
        (Ok(_), Some(_) | None) => {}
    }
}
