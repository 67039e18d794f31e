//! The module from outside: text in, configuration or errors out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use super::*;

mod accounts;
mod defaults;
mod environment;
mod file;
mod sections;

const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load_with(yaml: &str, env: &[(&str, &str)], overrides: Overrides) -> Result<Config, Errors> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outcrop.yaml");
    std::fs::write(&path, yaml).unwrap();
    load(Sources { file: Some(&path), vars: &vars(env), overrides })
}

fn from_env(env: &[(&str, &str)]) -> Result<Config, Errors> {
    load(Sources { file: None, vars: &vars(env), overrides: Overrides::default() })
}

pub(super) fn from_yaml(yaml: &str) -> Result<Config, Errors> {
    load_with(yaml, &[], Overrides::default())
}

/// The errors as `line:column: path: problem`, or with the variable's or flag's name for the position.
fn errors_of(result: Result<Config, Errors>) -> Vec<String> {
    let Errors(errors) = result.expect_err("this configuration is wrong");
    errors
        .iter()
        .map(|error| {
            let text = error.to_string();
            match &error.place.origin {
                Origin::File(name) => text.strip_prefix(&format!("{name}:")).unwrap_or(&text).to_owned(),
                Origin::Default | Origin::Env(_) | Origin::Flag(_) => text,
            }
        })
        .collect()
}

#[track_caller]
fn assert_errors(yaml: &str, expected: &[&str]) {
    let found = errors_of(from_yaml(yaml));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "found:    {found}\nexpected: {expected}");
    }
}
