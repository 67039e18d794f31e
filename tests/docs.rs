//! What the documents say, held against what there is: commands, keys, error codes, paths and links.
//!
//! Documents are read as text, by their tables and code spans. Only facts that would mislead a reader are checked here;
//! what an answer looks like is checked where the answers are, in `tests/api` and `tests/clients`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on has failed, helpers included"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use outcrop::app::App;
use outcrop::config::{self, Overrides, Sources};
use serde_json::Value;

#[test]
fn readmes_two_commands_are_the_ones_that_everybody_uses() {
    let readme = read("README.md");
    let commands: Vec<_> = shell_blocks(section(&readme, "## Run it")).collect();
    let [run, test] = commands.as_slice() else {
        panic!("README's first section holds two commands: {commands:?}")
    };
    let justfile = read("justfile");
    assert_eq!(recipe(&justfile, "run").trim_end_matches(" {{ flags }}"), *run);
    assert_eq!(recipe(&justfile, "test").trim_end_matches(" {{ filter }}"), *test);
    let steps = read(".ci/run");
    assert!(steps.lines().any(|line| line == format!("step 'tests' {test}")), ".ci/run doesn't run `{test}`");
}

#[test]
fn every_key_of_the_configuration_is_documented_and_no_other() {
    let keys = default_keys();
    let text = read("docs/configuration.md");
    let documented = documented_keys(section(&text, "## Keys"));
    // `NAME…` stands for what only a file can have.
    let is_of_a_name = |key: &&String| ["models.NAME", "accounts.NAME"].iter().any(|of| key.starts_with(of));
    let real: BTreeSet<_> = documented.iter().filter(|key| !is_of_a_name(key)).cloned().collect();
    let parents: BTreeSet<_> = real.iter().filter(|key| covers(key, &keys)).cloned().collect();
    let missing: Vec<_> = keys.difference(&real).collect();
    let invented: Vec<_> = real.difference(&keys).filter(|key| !parents.contains(*key)).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks {missing:?}");
    assert!(invented.is_empty(), "docs/configuration.md tells of {invented:?}, which don't exist");
}

#[test]
fn readmes_table_of_keys_leaves_none_out_and_invents_none() {
    let keys = default_keys();
    let text = read("README.md");
    let documented = documented_keys(section(&text, "## Configuration"));
    let missing: Vec<_> =
        keys.iter().filter(|key| !documented.iter().any(|known| is_below(key, known))).collect();
    let invented: Vec<_> =
        documented.iter().filter(|key| *key != "models.<name>" && !covers(key, &keys)).collect();
    assert!(missing.is_empty(), "README.md lacks {missing:?}");
    assert!(invented.is_empty(), "README.md tells of {invented:?}, which don't exist");
}

#[test]
fn every_error_code_is_documented_and_no_other() {
    let mut codes = BTreeSet::new();
    for folder in ["openai", "chat", "families", "formats", "gateway"] {
        for path in files(&Path::new("src").join(folder), "rs") {
            codes.extend(texts_after("code: \"", without_tests(&fs::read_to_string(path).unwrap())));
        }
    }
    let table = read("src/http/error.rs");
    for mark in ["Some(\"", "client(status, \""] {
        codes.extend(texts_after(mark, without_tests(&table)));
    }
    for rest in without_tests(&table).split("StatusCode::").skip(1) {
        // On one line or on two.
        if let Some((constant, after)) = rest.split_once(',')
            && let Some(code) = after.trim_start().strip_prefix('"')
            && constant.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        {
            codes.extend(code.split('"').next().map(str::to_owned));
        }
    }
    assert!(codes.len() > 20, "the sources are read wrongly: {codes:?}");
    let text = read("docs/errors.md");
    let mut documented = BTreeSet::new();
    for cells in table_rows(&text) {
        // Both tables have it in their fourth column.
        let column = cells.get(3).map_or("", |cell| cell.split("(log:").next().unwrap_or_default());
        documented.extend(code_spans(column).map(str::to_owned));
    }
    let missing: Vec<_> = codes.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&codes).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
    assert!(invented.is_empty(), "docs/errors.md tells of {invented:?}, which nothing answers");
}

#[test]
fn the_openapi_description_has_the_routers_paths_and_methods() {
    let spec: Value = serde_saphyr::from_str(&read("openapi.yaml")).unwrap();
    let mut described = BTreeMap::new();
    for (path, item) in spec["paths"].as_object().unwrap() {
        let methods =
            ["get", "post", "put", "patch", "delete"].iter().filter(|method| item.get(*method).is_some());
        described.insert(path.clone(), methods.copied().collect::<Vec<_>>().join(","));
    }
    let mut routed = BTreeMap::new();
    for route in read("src/http/mod.rs").split(".route(\"").skip(1) {
        let (path, handler) = route.split_once("\", ").unwrap();
        let method = handler.split('(').next().unwrap();
        // `any` is the page that greets a person.
        let method = if method == "any" { "get" } else { method };
        routed.insert(path.replace("{*id}", "{model}"), method.to_owned());
    }
    assert_eq!(described, routed);
}

#[tokio::test]
async fn the_example_deployment_starts() {
    let sources = Sources {
        file: Some(Path::new("config/example.yaml")),
        vars: &BTreeMap::<String, String>::new(),
        overrides: Overrides::default(),
    };
    let config = config::load(sources).unwrap();
    // `check` says nothing of families and formats; this does.
    if let Err(error) = App::assemble(&config).await {
        panic!("config/example.yaml: {error}");
    }
}

#[test]
fn every_pain_has_its_tests() {
    let page = read("docs/pains.md");
    let mut numbers = Vec::new();
    let mut missing = Vec::new();
    for cells in table_rows(&page) {
        let [number, elsewhere, here, tests] = cells.as_slice() else { panic!("four cells: {cells:?}") };
        let Ok(number) = number.parse::<u32>() else { continue };
        numbers.push(number);
        assert!(!elsewhere.is_empty() && !here.is_empty(), "{number} says nothing");
        assert!(code_spans(tests).next().is_some(), "{number} is tried nowhere");
        missing.extend(code_spans(tests).filter(|test| !is_there(test)).map(|test| (number, test)));
    }
    assert_eq!(numbers, (1..=52).collect::<Vec<_>>());
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Is there such a fixture, or a test of that name in the file that its path leads to?
fn is_there(test: &str) -> bool {
    if test.starts_with("tests/fixtures/") {
        return Path::new(test).join("case.json").exists();
    }
    let Some((path, name)) = test.rsplit_once("::") else { return false };
    let path = path.replace("::", "/");
    if let Some(path) = path.strip_prefix("clients/") {
        let suite = fs::read_to_string(format!("tests/clients/{path}.py"));
        return suite.is_ok_and(|suite| suite.contains(&format!("\ndef {name}(")));
    }
    // A module of tests is a file, or stands at the end of the module's own.
    let parent = path.strip_suffix("/tests").unwrap_or(&path);
    let candidates = [&path, parent].into_iter().flat_map(|path| {
        [format!("src/{path}.rs"), format!("src/{path}/mod.rs"), format!("tests/{path}.rs")]
    });
    let mark = format!("fn {name}(");
    candidates.into_iter().filter(|file| Path::new(file).exists()).any(|file| {
        let source = read(&file);
        source.split("#[test]").chain(source.split("#[tokio::test")).skip(1).any(|rest| {
            rest.split("fn ").nth(1).is_some_and(|first| format!("fn {first}").starts_with(&mark))
        })
    })
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut documents = files(Path::new("docs"), "md");
    documents.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from));
    let mut broken = Vec::new();
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        let folder = document.parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains(':') {
                continue;
            }
            let target = if file.is_empty() { document.clone() } else { folder.join(file) };
            let leads = target.exists() && (anchor.is_empty() || anchors(&target).contains(anchor));
            if !leads {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// What shows that a promise is kept has to exist: tests as `path.rs::name`, scenarios as "rig `name`", fuzz targets as
/// "fuzz target `name`".
#[test]
fn what_the_page_on_reliability_names_exists() {
    let text = read("docs/reliability.md");
    let (promises, _) = text.split_once("## Measured").unwrap();
    let mut missing = Vec::new();
    let mut named = 0;
    for (file, test) in code_spans(promises).filter_map(|span| span.split_once(".rs::")) {
        named += 1;
        let source = fs::read_to_string(format!("{file}.rs")).unwrap_or_default();
        if !source.contains(&format!("fn {test}(")) {
            missing.push(format!("{file}.rs::{test}"));
        }
    }
    assert!(named > 60, "the page is read wrongly: {named} tests");
    let scenarios = read("torture/src/scenarios/mod.rs");
    for scenario in promises.split("rig `").skip(1).filter_map(|rest| rest.split('`').next()) {
        if !scenarios.contains(&format!("(\"{scenario}\", ")) {
            missing.push(format!("rig {scenario}"));
        }
    }
    for list in promises.split("fuzz target").skip(1) {
        // One, or several behind one another.
        let list = list.split(['|', '\n']).next().unwrap();
        for target in code_spans(list).filter(|target| !target.contains("::")) {
            if !Path::new("fuzz/fuzz_targets").join(target).with_extension("rs").exists() {
                missing.push(format!("fuzz target {target}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/reliability.md names {missing:#?}");
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

/// A document from a heading to the next one of its level.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let (_, rest) =
        document.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("there is no `{heading}`"));
    let level = heading.split(' ').next().unwrap();
    rest.split(&format!("\n{level} ")).next().unwrap()
}

fn shell_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next())
}

/// The first line of a recipe's body.
fn recipe<'a>(justfile: &'a str, name: &str) -> &'a str {
    let mut lines = justfile.lines().skip_while(|line| line.split([' ', ':']).next() != Some(name));
    lines.nth(1).unwrap_or_else(|| panic!("the justfile has no `{name}`")).trim()
}

/// Every key that has a value in the defaults, by its path.
fn default_keys() -> BTreeSet<String> {
    let defaults: Value = serde_saphyr::from_str(config::DEFAULT_YAML).unwrap();
    let mut keys = BTreeSet::new();
    collect(&defaults, "", &mut keys);
    keys
}

fn collect(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        // An empty map is a key whose names the operator chooses.
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(member, &path, keys);
            }
        }
        _ => {
            keys.insert(path.to_owned());
        }
    }
}

/// The keys in the first columns of a text's tables. Under a heading of one section its name is left out; `.idle` after
/// `timeout.total` is `timeout.idle`.
fn documented_keys(text: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for part in text.split("\n### ") {
        let heading: Vec<_> = code_spans(part.lines().next().unwrap_or_default()).collect();
        let prefix = match heading.as_slice() {
            [one] => format!("{one}."),
            _ => String::new(),
        };
        for cells in table_rows(part) {
            let mut parent = String::new();
            for span in code_spans(cells[0]) {
                let key = match span.strip_prefix('.') {
                    Some(rest) => format!("{parent}.{rest}"),
                    None => format!("{prefix}{span}"),
                };
                key.rsplit_once('.').map_or("", |(above, _)| above).clone_into(&mut parent);
                keys.insert(key);
            }
        }
    }
    keys
}

/// Is `key` the same as `other`, or inside it?
fn is_below(key: &str, other: &str) -> bool {
    key.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Is `key` one of the keys, or a map of some?
fn covers(key: &str, keys: &BTreeSet<String>) -> bool {
    keys.iter().any(|known| is_below(known, key))
}

/// The cells of a text's table rows, without heads and rules.
fn table_rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines: Vec<_> = text.lines().collect();
    let is_row = |line: &str| line.starts_with('|') && !line.starts_with("|---");
    let rows: Vec<_> = lines
        .iter()
        .enumerate()
        .filter(|(at, line)| is_row(line) && !lines.get(at + 1).is_some_and(|next| next.starts_with("|---")))
        .map(|(_, line)| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    rows.into_iter()
}

fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or_default()
}

/// The texts that begin where a mark ends. One that a method is called on isn't a code.
fn texts_after<'a>(mark: &'a str, source: &'a str) -> impl Iterator<Item = String> + 'a {
    let texts = source.split(mark).skip(1).filter_map(|rest| rest.split_once('"'));
    texts.filter(|(_, after)| !after.starts_with('.')).map(|(text, _)| text.to_owned())
}

/// The anchors that a Markdown file's headings make.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let heading = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    text.lines().filter(|line| line.starts_with('#')).map(heading).collect()
}
