//! The environment as two layers: names that Outcrop shares with others lie under the file, its own lie over it.
//!
//! Lambda, EKS and shells set `AWS_REGION`, `HOST` and the like on their own account; what somebody wrote into Outcrop's
//! file is meant for Outcrop, so it wins, as explicit settings win in the AWS SDKs. A variable named `OUTCROP_…` is meant
//! for Outcrop as well, and is nearer to the run than the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{Error, Origin, Place, Problem};
use super::nearest::nearest;
use super::section::join;
use super::tree::{Node, Value};
use super::whole::Texts;

/// The environment. A map in tests, [`ProcessEnv`] in the binary.
pub trait Vars {
    /// The value of a variable; `None` if it isn't set. Bytes that aren't UTF-8 come as U+FFFD, which no key accepts.
    fn get(&self, name: &str) -> Option<String>;
    /// The names of all variables, to find the mistyped ones.
    fn names(&self) -> Vec<String>;
}

impl Vars for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// The environment of this process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessEnv;

impl Vars for ProcessEnv {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    fn get(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }
}

const PREFIX: &str = "OUTCROP_";

/// Variables that other programs know too, and the keys they set; a later line wins over an earlier one.
const SHARED: [(&str, &str); 11] = [
    ("AWS_DEFAULT_REGION", "aws.region"),
    ("AWS_REGION", "aws.region"),
    ("AWS_PROFILE", "aws.profile"),
    ("AWS_BEARER_TOKEN_BEDROCK", "aws.bearer_token"),
    ("AWS_ENDPOINT_URL", "aws.endpoint_url"),
    ("AWS_ENDPOINT_URL", "aws.control_endpoint_url"),
    ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "aws.endpoint_url"),
    ("AWS_ENDPOINT_URL_BEDROCK", "aws.control_endpoint_url"),
    ("AWS_ENDPOINT_URL_STS", "aws.sts_endpoint_url"),
    ("AWS_CA_BUNDLE", "aws.ca_bundle"),
    ("VALERIE_BEDROCK_MODEL", "default_model"),
];

/// Short names of our own. Their values are text as it stands, not YAML.
const SHORT: [(&str, &str); 2] =
    [("OUTCROP_LISTEN", "server.listen"), ("OUTCROP_ADMIN_LISTEN", "server.admin")];

/// Names that mean something elsewhere: to the command line, and to [`api_key`].
const ELSEWHERE: [&str; 4] = ["OUTCROP_CONFIG", API_KEY, "OUTCROP_API_KEY_FILE", "OUTCROP_RECORDINGS"];

/// Keys whose values are secrets: text as it stands, and settable by `…_FILE` too.
pub(super) const SECRETS: [&str; 4] =
    ["aws.access_key_id", "aws.secret_access_key", "aws.session_token", "aws.bearer_token"];

const API_KEY: &str = "OUTCROP_API_KEY";

/// What a variable's name ends with when its value is the path of a file that holds the secret.
const FILE: &str = "_FILE";

/// What lies under the file. `defaults` supplies the half of the listen address that `HOST` or `PORT` leaves open.
pub(super) fn shared(vars: &dyn Vars, defaults: &Node, errors: &mut Vec<Error>) -> Vec<Node> {
    let env = Environment { vars };
    // The SDKs' own switch; it is honoured here because these variables are read here.
    let ignore_endpoints = env
        .set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut layers = Vec::new();
    for (name, path) in SHARED {
        if !(ignore_endpoints && name.starts_with("AWS_ENDPOINT_URL")) {
            layers.extend(env.text(name, path, errors));
        }
    }
    layers.extend(env.host_and_port(defaults));
    layers
}

/// What lies over the file: our own variables, then `RUST_LOG`. Names that lead nowhere are mistakes.
pub(super) fn own(vars: &dyn Vars, defaults: &Node, texts: &mut Texts, errors: &mut Vec<Error>) -> Vec<Node> {
    let env = Environment { vars };
    let mut layers = Vec::new();
    let mut known: Vec<String> = ELSEWHERE.map(str::to_owned).to_vec();
    for (name, path) in SHORT {
        layers.extend(env.text(name, path, errors));
        known.push(name.to_owned());
    }
    for path in paths(defaults) {
        let name = format!("{PREFIX}{}", path.replace('.', "__").to_uppercase());
        if SECRETS.contains(&path.as_str()) {
            layers.extend(env.secret(&name, texts, errors).map(|node| Node::nested(&path, node)));
            known.push(format!("{name}{FILE}"));
        } else {
            layers.extend(env.yaml(&name, &path, errors));
        }
        known.push(name);
    }
    for name in vars.names() {
        if name.starts_with(PREFIX) && !known.contains(&name) && !is_service_link(&name, vars) {
            let nearest = nearest(&name, known.iter().map(String::as_str));
            errors.push(mistake(&name, "", Problem::UnknownVariable { nearest }));
        }
    }
    layers.extend(env.text("RUST_LOG", "log.level", errors));
    layers
}

/// The key in `OUTCROP_API_KEY` or in the file that `OUTCROP_API_KEY_FILE` names.
pub(super) fn api_key(vars: &dyn Vars, texts: &mut Texts, errors: &mut Vec<Error>) -> Option<Node> {
    Environment { vars }.secret(API_KEY, texts, errors)
}

/// Every key of the defaults as a dotted path, each section before its keys: a single key wins over a whole section.
pub(super) fn paths(defaults: &Node) -> Vec<String> {
    fn walk(node: &Node, path: &str, paths: &mut Vec<String>) {
        for entry in node.entries() {
            let path = join(path, &entry.key);
            paths.push(path.clone());
            walk(&entry.node, &path, paths);
        }
    }
    let mut paths = Vec::new();
    walk(defaults, "", &mut paths);
    paths
}

/// Kubernetes gives every pod variables about the Services beside it, and ours is likely to be called `outcrop`.
///
/// For a Service `outcrop`: `OUTCROP_SERVICE_HOST`, `OUTCROP_SERVICE_PORT[_<port name>]`, `OUTCROP_PORT` with a URL, and
/// `OUTCROP_PORT_8080_TCP[_PROTO|_PORT|_ADDR]` (kubernetes.io, "Service environment variables").
fn is_service_link(name: &str, vars: &dyn Vars) -> bool {
    let is_port_detail = |rest: &str| {
        let mut parts = rest.split('_');
        parts.next().is_some_and(|port| port.parse::<u16>().is_ok())
            && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
            && matches!(parts.next(), None | Some("PROTO" | "PORT" | "ADDR"))
            && parts.next().is_none()
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT") && vars.get(name).is_some_and(|value| value.contains("://"))
        || name
            .match_indices("_PORT_")
            .any(|(at, found)| name.get(at + found.len()..).is_some_and(is_port_detail))
}

struct Environment<'a> {
    vars: &'a dyn Vars,
}

impl Environment<'_> {
    /// A variable's value. An empty one counts as not set: that is how compose files and charts spell "none".
    fn set(&self, name: &str) -> Option<String> {
        self.vars.get(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str, path: &str, errors: &mut Vec<Error>) -> Option<Node> {
        let value = self.readable(name, path, errors)?;
        Some(Node::nested(path, Node::text(value, place(name))))
    }

    fn yaml(&self, name: &str, path: &str, errors: &mut Vec<Error>) -> Option<Node> {
        let value = self.readable(name, path, errors)?;
        let node = match Node::parse(&value, &place(name).origin) {
            Ok(node) => node,
            // Not YAML, and need not be: `[::1]:8080`. Whoever reads the key says what it expects.
            Err(_) => Node::text(&value, place(name)),
        };
        Some(Node::nested(path, node))
    }

    fn readable(&self, name: &str, path: &str, errors: &mut Vec<Error>) -> Option<String> {
        let value = self.set(name)?;
        if value.contains('\u{FFFD}') {
            errors.push(mistake(name, path, Problem::NotUnicode));
            return None;
        }
        Some(value)
    }

    /// A secret, as it stands in the variable, or in the file that its `…_FILE` names.
    fn secret(&self, name: &str, texts: &mut Texts, errors: &mut Vec<Error>) -> Option<Node> {
        let file_name = format!("{name}{FILE}");
        let given = self.readable(name, "", errors).map(|value| Node::text(value, place(name)));
        let Some(path) = self.set(&file_name) else { return given };
        if given.is_some() {
            errors.push(mistake(&file_name, "", Problem::SetTwice(name.to_owned())));
            return given;
        }
        match std::fs::read_to_string(&path) {
            // Editors and `echo` leave a newline at the end that is no part of the secret.
            Ok(content) => {
                let content = content.trim_end_matches(['\r', '\n']);
                texts.add_secret(place(&file_name).origin, content);
                Some(Node::text(content, place(&file_name)))
            }
            Err(error) => {
                errors.push(mistake(&file_name, "", Problem::Unreadable(format!("{path}: {error}"))));
                None
            }
        }
    }

    fn host_and_port(&self, defaults: &Node) -> Option<Node> {
        const PATH: &str = "server.listen";
        let (host, port) = (self.set("HOST"), self.set("PORT"));
        let place = place(if host.is_some() { "HOST" } else { "PORT" });
        if host.is_none() && port.is_none() {
            return None;
        }
        let default = match &defaults.find("server")?.find("listen")?.value {
            Value::Text(text) => text.rsplit_once(':')?,
            Value::Null | Value::Bool(..) | Value::Number(..) | Value::List(_) | Value::Map(_) => {
                return None;
            }
        };
        let host = host.unwrap_or_else(|| default.0.to_owned());
        let port = port.unwrap_or_else(|| default.1.to_owned());
        // An IPv6 address needs brackets before a port.
        let listen = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        Some(Node::nested(PATH, Node::text(listen, place)))
    }
}

fn place(name: &str) -> Place {
    Place::whole(Origin::Env(Arc::from(name)))
}

fn mistake(name: &str, path: &str, problem: Problem) -> Error {
    Error { place: place(name), path: path.to_owned(), problem }
}
