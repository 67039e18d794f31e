//! Who may name whom, and what the code keeps out of itself.
//!
//! ARCHITECTURE.md tells the rules to people; here they are data, and the sources are read for what breaks them. The
//! reader knows tokens, not types: it sees `crate::a::b`, `use crate::{a, b}` and every `super::`, in code and in the
//! unit tests beside it, but not in comments and texts.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed, helpers included")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may name of the others: paths below `crate`, and all that is below them. `app`, `cli`,
/// `main` and `lib` put the rest together and may name everything.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("auth", &[]),
    ("bedrock", &[]),
    ("catalog", &[]),
    ("chat", &[]),
    ("config", &[]),
    ("embed", &["chat::Text"]),
    (
        "families",
        &["chat", "embed", "formats", "catalog", "bedrock::ModelId", "bedrock::Refusal", "bedrock::Refused"],
    ),
    ("fetch", &["telemetry"]),
    ("formats", &["chat", "embed", "bedrock"]),
    ("gateway", &["chat", "embed", "families", "fetch", "formats", "catalog", "bedrock", "telemetry"]),
    ("http", &["openai", "chat", "embed", "gateway", "auth", "limits", "telemetry", "listener"]),
    ("limits", &[]),
    ("listener", &[]),
    ("openai", &["chat", "embed"]),
    ("simulator", &[]),
    ("telemetry", &[]),
];

const COMPOSITION: &[&str] = &["app", "cli", "main", "lib"];

/// Modules whose children must not know each other, and those children that are everybody's.
const STRANGERS: &[(&str, &[&str])] = &[
    (
        "formats",
        &[
            "bedrock_extras",
            "blocks",
            "completion",
            "finish_word",
            "fuzz",
            "guardrail",
            "model_fields",
            "prompt",
            "samples",
            "scalar",
            "service",
            "stop_details",
            "thoughts",
            "tool_schema",
            "turn",
            "vectors",
        ],
    ),
    ("families", &["capabilities", "embedding", "prepare", "thinking"]),
];

/// Words that stand for IO, clocks, chance and the environment.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "futures_util",
    "SystemTime",
    "Instant",
    "fastrand",
    "getrandom",
    "rand",
    "uuid",
    "env",
    "fs",
    "net",
    "process",
    "thread",
];

const PURE: &[&str] = &["chat", "embed", "openai", "formats", "families"];

/// Crates, by the beginning of their names, and the only places that may name them.
const ONLY_IN: &[(&str, &[&str])] = &[
    // The simulator's own tests call it with the real client: that is what it has to satisfy.
    ("aws_sdk_", &["src/bedrock/sdk.rs", "src/simulator/tests/"]),
    ("aws_", &["src/bedrock/", "src/simulator/"]),
    ("axum", &["src/http/", "src/listener/", "src/app/"]),
    ("prometheus", &["src/telemetry/"]),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "manager", "core", "shared", "prelude"];

const EMPTY_VERBS: &[&str] = &["get_", "do_", "handle_", "process_"];

/// Functions in which `get` is HTTP's method.
const NO_VERBS: &[&str] = &["get_only"];

const LONGEST: usize = 600;

/// Files beyond [`LONGEST`] lines, and why.
const LONG: &[(&str, &str)] = &[];

#[test]
fn the_sources_keep_the_rules() {
    let mut found = Vec::new();
    for path in sources(Path::new("src")) {
        let name = path.to_string_lossy().into_owned();
        let source = Source::read(&name, &fs::read_to_string(&path).unwrap());
        found.extend(source.violations());
    }
    let list = found.iter().fold(String::new(), |mut list, violation| {
        writeln!(list, "  {violation}").unwrap();
        list
    });
    assert!(found.is_empty(), "\n{list}");
}

#[test]
fn every_module_stands_in_the_table() {
    let lib = Source::read("src/lib.rs", &fs::read_to_string("src/lib.rs").unwrap());
    let mut missing = lib.declared.clone();
    missing.retain(|module| {
        !COMPOSITION.contains(&module.as_str()) && !MAY_NAME.iter().any(|(known, _)| known == module)
    });
    assert!(missing.is_empty(), "say in MAY_NAME what they may name: {missing:?}");
    for (module, _) in MAY_NAME {
        assert!(
            lib.declared.iter().any(|declared| declared == module),
            "there is no module `{module}` any more"
        );
    }
}

#[test]
fn every_exception_is_still_needed() {
    for (path, why) in LONG {
        let lines = fs::read_to_string(path).unwrap().lines().count();
        assert!(lines > LONGEST, "{path} has {lines} lines: it needs no exception ({why})");
    }
    for (module, children) in STRANGERS {
        for child in *children {
            assert!(is_child(module, child), "there is no {module}::{child}");
        }
    }
}

#[test]
fn the_reader_finds_every_way_to_name_a_module() {
    let violations =
        |code: &str| Source::read("src/openai/encode/mod.rs", &format!("//! Doc.\n{code}")).violations();
    for code in [
        "use crate::bedrock::Frame;",
        "use crate::{chat::Text, bedrock::{self, Frame}};",
        "use crate::{chat::Text, chat as c, bedrock};",
        "use crate :: bedrock;",
        "fn a() -> crate::bedrock::Frame { todo() }",
        "use super::super::bedrock::Frame;",
        "mod inner { use super::super::super::bedrock::Frame; }",
        "mod tests { mod deep {} use super::super::super::bedrock::Frame; }",
        "pub use crate::bedrock::*;",
        "macro_rules! m { () => { $crate::bedrock::Frame } }",
    ] {
        let found = violations(code);
        assert!(!found.is_empty(), "{code}");
        assert!(found.iter().all(|violation| violation.contains("bedrock")), "{code}: {found:?}");
    }
    for code in [
        "use crate::chat::{Text, Request};",
        "use crate::openai::decode;",
        "use super::decode::Wire;",
        "use super::super::chat::Text;",
        "mod tests { use super::super::decode; }",
        "// use crate::bedrock::Frame;\n/* crate::bedrock /* crate::http */ */",
        "const A: &str = \"crate::bedrock \\\" crate::http\"; const B: char = '\"';",
        "const A: &str = r#\"crate::bedrock \" crate::http\"#; fn f<'a>(a: &'a str) {}",
        "use bedrock_of_somebody_else::crate_like;",
    ] {
        assert_eq!(violations(code), Vec::<String>::new(), "{code}");
    }
}

#[test]
fn a_part_of_a_module_is_not_the_module() {
    let violations =
        |code: &str| Source::read("src/families/nova.rs", &format!("//! Doc.\n{code}")).violations();
    assert_eq!(violations("use crate::bedrock::ModelId;"), Vec::<String>::new());
    for code in ["use crate::bedrock;", "use crate::bedrock::Frame;", "use crate::bedrock::{ModelId, Frame};"]
    {
        assert_eq!(violations(code).len(), 1, "{code}");
    }
}

#[test]
fn strangers_stay_strangers() {
    for (file, code, allowed) in [
        ("src/formats/titan_text.rs", "use super::llama_prompt::NAME;", false),
        ("src/formats/converse/encode/mod.rs", "use crate::formats::{blocks, titan_text};", false),
        ("src/formats/converse/encode/mod.rs", "use super::super::titan_text::X;", false),
        ("src/formats/converse/encode/mod.rs", "use crate::formats::converse::wire::X;", true),
        ("src/formats/titan_text.rs", "use super::completion::Piece; use super::{ChatFormat, Count};", true),
        ("src/formats/mod.rs", "pub use self::titan_text::X; use crate::formats::converse;", true),
        ("src/families/nova.rs", "use super::llama;", false),
        ("src/families/nova.rs", "use super::capabilities::Capabilities;", true),
    ] {
        let found = Source::read(file, &format!("//! Doc.\n{code}")).violations();
        assert_eq!(found.is_empty(), allowed, "{file}: {code}: {found:?}");
    }
}

#[test]
fn every_other_rule_can_be_broken() {
    for (file, text, allowed) in [
        ("src/chat/turn.rs", "//! Doc.\nasync fn f() {}", false),
        ("src/chat/turn.rs", "//! Doc.\nuse std::time::Instant;", false),
        ("src/chat/turn.rs", "//! Doc.\nfn asynchronous(environment: u8) {}", true),
        ("src/gateway/drive.rs", "//! Doc.\nasync fn f() {}", true),
        ("src/gateway/drive.rs", "//! Doc.\nuse aws_sdk_bedrockruntime::Client;", false),
        ("src/bedrock/transport.rs", "//! Doc.\nuse aws_sdk_bedrockruntime::Client;", false),
        ("src/bedrock/sdk.rs", "//! Doc.\nuse aws_sdk_bedrockruntime::Client;", true),
        ("src/gateway/drive.rs", "//! Doc.\nuse aws_types::region::Region;", false),
        ("src/gateway/drive.rs", "//! Doc.\nuse axum::Router;", false),
        ("src/chat/turn.rs", "fn undocumented_module() {}", false),
        ("src/chat/helpers.rs", "//! Doc.", false),
        ("src/common/mod.rs", "//! Doc.", false),
        ("src/chat/turn.rs", "//! Doc.\nmod utils {}", false),
        ("src/chat/turn.rs", "//! Doc.\nfn get_text() {}", false),
        ("src/chat/turn.rs", "//! Doc.\nfn getter() {}", true),
        ("src/nobody/knows.rs", "//! Doc.", false),
    ] {
        let found = Source::read(file, text).violations();
        assert_eq!(found.is_empty(), allowed, "{file}: {text}: {found:?}");
    }
    let long = format!("//! Doc.\n{}", "\n".repeat(LONGEST));
    assert_eq!(Source::read("src/chat/turn.rs", &long).violations().len(), 1);
}

/// Is it a module with a file or folder of its own, and not a function?
fn is_child(module: &str, name: &str) -> bool {
    [format!("src/{module}/{name}.rs"), format!("src/{module}/{name}/mod.rs")]
        .iter()
        .any(|file| Path::new(file).exists())
}

/// All `.rs` files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert!(!path.with_extension("rs").exists(), "{}: use mod.rs inside the folder", path.display());
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What of a file matters here.
struct Source {
    /// `src/http/mod.rs`
    name: String,
    /// `["http"]`
    module: Vec<String>,
    /// Every path that the file names, from the crate's root.
    paths: Vec<Vec<String>>,
    words: Vec<String>,
    /// Modules and functions that it declares.
    declared: Vec<String>,
    functions: Vec<String>,
    has_docs: bool,
    lines: usize,
}

impl Source {
    fn read(name: &str, text: &str) -> Self {
        let module = module_of(name);
        let tokens = tokens(text);
        let declares = |keyword: &str| {
            let pairs = tokens.windows(2).filter(|pair| pair[0] == keyword && is_word(&pair[1]));
            pairs.map(|pair| pair[1].clone()).collect::<Vec<_>>()
        };
        Self {
            paths: paths(&module, &tokens),
            declared: declares("mod"),
            functions: declares("fn"),
            has_docs: text.starts_with("//!"),
            lines: text.lines().count(),
            words: tokens.into_iter().filter(|token| is_word(token)).collect(),
            name: name.to_owned(),
            module,
        }
    }

    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut report = |what: String| found.push(format!("{}: {what}", self.name));
        let home = self.module.first().map_or("lib", String::as_str);
        let composes = COMPOSITION.contains(&home);
        let allowed = MAY_NAME.iter().find(|(module, _)| *module == home).map(|(_, allowed)| *allowed);
        if !composes && allowed.is_none() {
            report(format!("the module `{home}` stands in no table"));
        }
        for path in self.paths.iter().filter(|path| !composes && path.first().is_some_and(|top| top != home))
        {
            let path = path.join("::");
            let fits = |allowed: &&str| {
                path.strip_prefix(*allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            };
            if !allowed.is_some_and(|allowed| allowed.iter().any(fits)) {
                report(format!("`{home}` may not name `{path}`"));
            }
        }
        if let (Some((_, everybodys)), Some(me)) =
            (STRANGERS.iter().find(|(module, _)| *module == home), self.module.get(1))
            && !everybodys.contains(&me.as_str())
            && me != "tests"
        {
            for path in self.paths.iter().filter(|path| path.first().is_some_and(|top| top == home)) {
                let other = path.get(1).filter(|other| other.starts_with(|c: char| c.is_ascii_lowercase()));
                if let Some(other) = other
                    && other != me
                    && !everybodys.contains(&other.as_str())
                    && is_child(home, other)
                {
                    report(format!("`{me}` may not know `{other}`"));
                }
            }
        }
        if PURE.contains(&home) {
            let impure = self.words.iter().find(|word| IMPURE.contains(&word.as_str()));
            if let Some(word) = impure {
                report(format!("`{word}` has no place in `{home}`, which is pure"));
            }
        }
        for (name, places) in ONLY_IN {
            let named = self.words.iter().find(|word| word.starts_with(name));
            if let Some(word) = named
                && !composes
                && !places.iter().any(|place| self.name.starts_with(place))
            {
                report(format!("`{word}` may only be named in {places:?}"));
                break;
            }
        }
        for name in self.module.iter().chain(&self.declared) {
            if EMPTY_NAMES.contains(&name.as_str()) {
                report(format!("a module called `{name}` says nothing about what is inside"));
            }
        }
        for name in &self.functions {
            if EMPTY_VERBS.iter().any(|verb| name.starts_with(verb)) && !NO_VERBS.contains(&name.as_str()) {
                report(format!("`{name}` begins with a verb that says nothing"));
            }
        }
        // Tests are about the module they stand beside.
        if !self.has_docs && !self.module.iter().any(|part| part == "tests") {
            report("has no module documentation at its top".to_owned());
        }
        if self.lines > LONGEST && !LONG.iter().any(|(known, _)| *known == self.name) {
            report(format!("has {} lines; cut it, or say in LONG why not", self.lines));
        }
        found
    }
}

/// `src/http/sse.rs` is `["http", "sse"]`, `src/lib.rs` is the root.
fn module_of(name: &str) -> Vec<String> {
    let path = name.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<_> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// Words and single characters; comments, texts and lifetimes left out.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).and_then(raw_text);
        let taken = if let Some(after) = raw {
            rest.len() - after.len()
        } else if word > 0 {
            tokens.push(rest[..word].to_owned());
            word
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            // A character is closed by its quote; a lifetime never is.
            let body = rest[1..].chars().next().map_or(0, char::len_utf8);
            if rest[1..].starts_with('\\') || rest[1 + body..].starts_with('\'') {
                quoted(rest, '\'')
            } else {
                1
            }
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[taken..];
    }
    tokens
}

/// What follows a raw text, if one begins with its hashes here.
fn raw_text(rest: &str) -> Option<&str> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    body.find(&end).map(|at| &body[at + end.len()..])
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Every path that begins with `crate` or `super`, from the crate's root. A `super` counts from the inline module
/// that it stands in.
fn paths(file: &[String], tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut module = file.to_vec();
    let mut inline = Vec::new();
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.last() == Some(&depth) {
                    inline.pop();
                    module.pop();
                }
            }
            "mod" if tokens.get(at + 2).is_some_and(|next| next == "{") => {
                module.push(tokens[at + 1].clone());
                inline.push(depth);
            }
            // `pub(crate)` and `pub(super)` name no path.
            "crate" | "super" if is_separator(tokens, at + 1) => {
                let mut base = if token == "crate" { Vec::new() } else { parent(&module) };
                at += 1;
                while tokens.get(at + 2).is_some_and(|next| next == "super") && is_separator(tokens, at) {
                    base = parent(&base);
                    at += 3;
                }
                at = tree(base, tokens, at, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn parent(module: &[String]) -> Vec<String> {
    module.split_last().map_or_else(Vec::new, |(_, parent)| parent.to_vec())
}

fn is_separator(tokens: &[String], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| token == ":") && tokens.get(at + 1).is_some_and(|token| token == ":")
}

/// Follows `::a::b` or `::{a, b::{c}}` from a base. Gives where it ends.
fn tree(mut base: Vec<String>, tokens: &[String], mut at: usize, found: &mut Vec<Vec<String>>) -> usize {
    while is_separator(tokens, at) {
        at += 2;
        match tokens.get(at) {
            Some(token) if token == "{" => {
                at += 1;
                while let Some(token) = tokens.get(at) {
                    match token.as_str() {
                        "}" => return at + 1,
                        "self" | "*" => {
                            found.push(base.clone());
                            at += 1;
                        }
                        word if is_word(word) && word != "as" => {
                            let mut member = base.clone();
                            member.push(word.to_owned());
                            at = tree(member, tokens, at + 1, found);
                        }
                        "as" => at += 2,
                        _ => at += 1,
                    }
                }
                return at;
            }
            Some(token) if is_word(token) => {
                base.push(token.clone());
                at += 1;
            }
            Some(_) | None => break,
        }
    }
    found.push(base);
    at
}
