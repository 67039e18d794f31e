//! What a configuration lets in that the one before it kept out, because something isn't there any more.
//!
//! Whoever opens something has to say so: a line that is gone may have been lost. Where there is no word for it, it takes a
//! restart.

use super::auth::{Auth, Key};
use super::error::{Error, Place, Problem};
use super::tree::Node;
use super::{Config, ModelEntry};

/// What `after` opens by leaving it out.
pub(super) fn by_omission(before: &Config, after: &Config) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut say = |path: &str, problem| {
        errors.push(Error { place: nearest(&after.effective, path), path: path.to_owned(), problem });
    };
    if let Auth::Keys(were) = &before.auth {
        match &after.auth {
            Auth::Open => say("auth.keys", Problem::KeysGone),
            Auth::Keys(are) => {
                for key in are.iter().filter(|key| key.models.is_none()) {
                    let is_the_same = |other: &Key| other.id == key.id || other.sha256 == key.sha256;
                    if were.iter().any(|other| is_the_same(other) && other.models.is_some()) {
                        say("auth.keys", Problem::ModelsGone(key.id.clone()));
                    }
                }
            }
        }
    }
    let hosts = |config: &Config| !config.fetch.allow_hosts.is_empty();
    if before.fetch.enabled && hosts(before) && after.fetch.enabled && !hosts(after) {
        say("fetch.allow_hosts", Problem::RestrictionGone);
    }
    if before.models.arn.accounts.is_some() && after.models.arn.accounts.is_none() {
        say("models.arn.accounts", Problem::RestrictionGone);
    }
    if after.guardrail.is_none() {
        if before.guardrail.is_some() {
            say("guardrail", Problem::RestrictionGone);
        }
        for (name, entry) in before.models.entries.iter().filter(|(_, entry)| is_guarded(entry)) {
            // A name that is gone opens nothing; a model that loses its entry does.
            let is_open = match after.models.entries.get(name) {
                Some(after) => !is_guarded(after),
                None => entry.targets.iter().any(|target| target.target == *name),
            };
            if is_open {
                say(&format!("models.{name}.guardrail"), Problem::RestrictionGone);
            }
        }
    }
    errors
}

/// Whether a guardrail of its own stands before each of its targets.
fn is_guarded(entry: &ModelEntry) -> bool {
    entry.targets.iter().all(|target| target.guardrail.is_some())
}

/// Where it stands, or would.
fn nearest(root: &Node, path: &str) -> Place {
    let there = path.split('.').scan(root, |node, key| {
        *node = node.find(key)?;
        Some(*node)
    });
    there.last().unwrap_or(root).place.clone()
}

#[cfg(test)]
mod tests {
    use super::super::tests::from_yaml;
    use super::*;

    const KEYS: &str = "auth: {keys: [{id: one, sha256: \
                        9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, models: [a]}]}\n";

    #[track_caller]
    fn opened(before: &str, after: &str) -> Vec<String> {
        let (before, after) = (from_yaml(before).unwrap(), from_yaml(after).unwrap());
        let text = |error: &Error| format!("{}: {:?}", error.path, error.problem);
        by_omission(&before, &after).iter().map(text).collect()
    }

    #[test]
    fn keys_that_are_gone_open_and_one_key_less_does_not() {
        let two = KEYS.replace(
            "]}]}",
            "]}, {id: two, sha256: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752}]}",
        );
        assert_eq!(opened(&two, KEYS), [""; 0]);
        assert_eq!(opened(KEYS, &two), [""; 0]);
        for nobody in ["{}", "auth: {mode: none}", "auth: {keys: []}"] {
            assert_eq!(opened(KEYS, nobody), ["auth.keys: KeysGone"]);
        }
        assert_eq!(opened("{}", "auth: {mode: none}"), [""; 0], "there were none");
    }

    #[test]
    fn a_key_gets_other_models_by_a_word_and_not_by_its_absence() {
        let with = |models: &str| KEYS.replace(", models: [a]", models);
        assert_eq!(opened(KEYS, &with(", models: [b, c]")), [""; 0]);
        assert_eq!(opened(KEYS, &with(", models: [\"*\"]")), [""; 0]);
        assert_eq!(opened(KEYS, &with("")), ["auth.keys: ModelsGone(\"one\")"]);
        // It is the same key under another name.
        assert_eq!(opened(KEYS, &with("").replace("one", "two")), ["auth.keys: ModelsGone(\"two\")"]);
        assert_eq!(opened(&with(""), &with("")), [""; 0]);
    }

    #[test]
    fn guardrails_hosts_and_accounts_are_not_lost_either() {
        for (before, after, path) in [
            ("guardrail: 'g:1'", "strict: true", "guardrail"),
            (
                "fetch: {enabled: true, allow_hosts: [a.example]}",
                "fetch: {enabled: true}",
                "fetch.allow_hosts",
            ),
            ("models: {arn: {accounts: ['123456789012']}}", "models: {}", "models.arn.accounts"),
            (
                "models: {f: {target: amazon.nova-lite-v1:0, guardrail: 'g:1'}}",
                "models: {f: amazon.nova-lite-v1:0}",
                "models.f.guardrail",
            ),
            (
                "models: {amazon.nova-lite-v1:0: {guardrail: 'g:1'}}",
                "{}",
                "models.amazon.nova-lite-v1:0.guardrail",
            ),
        ] {
            assert_eq!(opened(before, after), [format!("{path}: RestrictionGone")], "{before}");
            assert_eq!(opened(after, before), [""; 0]);
            assert_eq!(opened(before, before), [""; 0]);
        }
        assert_eq!(opened("fetch: {enabled: true, allow_hosts: [a.example]}", "{}"), [""; 0]);
        let alias = "models: {f: {target: amazon.nova-lite-v1:0, guardrail: 'g:1'}}";
        assert_eq!(opened(alias, "{}"), [""; 0], "nobody can call it by that name");
        assert_eq!(opened(alias, "{guardrail: 'g:2', models: {f: amazon.nova-lite-v1:0}}"), [""; 0]);
    }
}
