//! How hard to think: OpenAI's `reasoning_effort`, and two ways in which clients of other gateways and vendors say it.
//!
//! The canonical ask is an effort. A number of tokens is taken for the effort whose own number is nearest: how many tokens an
//! effort is, families know for each model.

use super::ledger::Ledger;
use super::path::Path;
use super::{missing, not_one_of, parameters, wire};
use crate::chat::{Effort, InvalidRequest};

const WORDS: [(&str, Effort); 7] = [
    ("none", Effort::None),
    ("minimal", Effort::Minimal),
    ("low", Effort::Low),
    ("medium", Effort::Medium),
    ("high", Effort::High),
    ("xhigh", Effort::XHigh),
    ("max", Effort::Max),
];

/// The first that says something counts: `reasoning_effort`, `reasoning`, `thinking`. What the others say otherwise is noted.
pub(super) fn effort(
    word: Option<&str>,
    reasoning: Option<wire::Reasoning<'_>>,
    thinking: Option<wire::Thinking<'_>>,
    ledger: &mut Ledger,
) -> Result<Option<Effort>, InvalidRequest> {
    let root = Path::Root;
    let path = root.member("reasoning_effort");
    let mut effort = word.map(|word| named(word, &path)).transpose()?;
    let mut other = |path: &Path<'_>, said: Option<Effort>, ledger: &mut Ledger| {
        if said.is_some() && effort.is_some() && said != effort {
            ledger.dropped(path, "other_effort_wins");
        }
        effort = effort.or(said);
    };
    if let Some(wire) = reasoning {
        let path = root.member("reasoning");
        let said = openrouters(wire, &path, ledger)?;
        other(&path, said, ledger);
    }
    if let Some(wire) = thinking {
        let path = root.member("thinking");
        let said = anthropics(wire, &path, ledger)?;
        other(&path, said, ledger);
    }
    Ok(effort)
}

fn named(word: &str, path: &Path<'_>) -> Result<Effort, InvalidRequest> {
    let known = WORDS.iter().find(|(name, _)| *name == word);
    known.map(|(_, effort)| *effort).ok_or_else(|| not_one_of(path, &WORDS.map(|(name, _)| name)))
}

/// The object of `OpenRouter`, whose `effort` is also OpenAI's in the Responses API.
fn openrouters(
    wire: wire::Reasoning<'_>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Option<Effort>, InvalidRequest> {
    let wire::Reasoning { effort, max_tokens, enabled, exclude, rest } = wire;
    ledger.unknown(path, &rest);
    if exclude == Some(true) {
        ledger.dropped(&path.member("exclude"), "no_equivalent");
    }
    let effort = effort.map(|word| named(&word, &path.member("effort"))).transpose()?;
    let budget = path.member("max_tokens");
    let tokens = parameters::integer(max_tokens, &budget, 0, i64::MAX)?;
    Ok(match (effort, tokens, enabled) {
        (Some(effort), tokens, _) => {
            if tokens.is_some() {
                ledger.dropped(&budget, "other_effort_wins");
            }
            Some(effort)
        }
        (None, _, Some(false)) => Some(Effort::None),
        (None, Some(tokens), _) => Some(nearest(tokens, &budget, ledger)),
        (None, None, Some(true)) => Some(Effort::Medium),
        (None, None, None) => None,
    })
}

/// Anthropic's own, which some clients send to any model.
fn anthropics(
    wire: wire::Thinking<'_>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Option<Effort>, InvalidRequest> {
    let wire::Thinking { kind, budget_tokens, rest } = wire;
    ledger.unknown(path, &rest);
    let budget = path.member("budget_tokens");
    let tokens = parameters::integer(budget_tokens, &budget, 0, i64::MAX)?;
    let path = path.member("type");
    let kind = kind.ok_or_else(|| missing(&path))?;
    Ok(match (&*kind, tokens) {
        ("enabled", Some(tokens)) => Some(nearest(tokens, &budget, ledger)),
        ("enabled", None) => Some(Effort::Medium),
        // How hard is the model's own affair, and that is what `high` is to it.
        ("adaptive", _) => Some(Effort::High),
        ("disabled", _) => Some(Effort::None),
        _ => return Err(not_one_of(&path, &["enabled", "adaptive", "disabled"])),
    })
}

/// The effort for so many tokens. Halfway between two it is the lesser, which costs less.
fn nearest(tokens: i64, path: &Path<'_>, ledger: &mut Ledger) -> Effort {
    ledger.rewritten(path, "nearest_effort");
    match tokens {
        ..=0 => Effort::None,
        1..=1536 => Effort::Minimal,
        1537..=5120 => Effort::Low,
        5121..=12_288 => Effort::Medium,
        12_289..=24_576 => Effort::High,
        24_577.. => Effort::Max,
    }
}

#[cfg(test)]
mod tests {
    use crate::chat::Effort;
    use crate::openai::decode;

    fn asked(members: &str) -> Result<(Option<Effort>, Vec<String>), String> {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],{members}}}"#);
        let decoded = decode(body.as_bytes()).map_err(|error| error.param.unwrap_or_default())?;
        Ok((decoded.request.reasoning, decoded.notes.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn other_words_for_thinking_become_the_nearest_effort() {
        let budget = |path: &str| vec![format!("{path}:rewritten;reason=nearest_effort")];
        for (members, effort, notes) in [
            (r#""reasoning":{"effort":"low"}"#, Some(Effort::Low), vec![]),
            (r#""reasoning":{"max_tokens":2000}"#, Some(Effort::Low), budget("reasoning.max_tokens")),
            (r#""reasoning":{"max_tokens":64000}"#, Some(Effort::Max), budget("reasoning.max_tokens")),
            (r#""reasoning":{"enabled":true}"#, Some(Effort::Medium), vec![]),
            (r#""reasoning":{"enabled":false,"max_tokens":null}"#, Some(Effort::None), vec![]),
            (r#""reasoning":{}"#, None, vec![]),
            (r#""reasoning":null,"thinking":null"#, None, vec![]),
            (
                r#""thinking":{"type":"enabled","budget_tokens":10000}"#,
                Some(Effort::Medium),
                budget("thinking.budget_tokens"),
            ),
            (r#""thinking":{"type":"disabled"}"#, Some(Effort::None), vec![]),
            (r#""thinking":{"type":"adaptive"}"#, Some(Effort::High), vec![]),
        ] {
            assert_eq!(asked(members), Ok((effort, notes)), "{members}");
        }
    }

    #[test]
    fn the_first_way_to_say_it_counts_and_the_others_are_noted() {
        let dropped = |param: &str| format!("{param}:dropped;reason=other_effort_wins");
        for (members, effort, notes) in [
            (
                r#""reasoning_effort":"high","reasoning":{"effort":"low"},"thinking":{"type":"disabled"}"#,
                Effort::High,
                vec![dropped("reasoning"), dropped("thinking")],
            ),
            (r#""reasoning_effort":"low","reasoning":{"effort":"low"}"#, Effort::Low, vec![]),
            (
                r#""reasoning":{"effort":"low","max_tokens":9000,"exclude":true,"x":1}"#,
                Effort::Low,
                vec![
                    "reasoning.x:dropped;reason=unknown_field".to_owned(),
                    "reasoning.exclude:dropped;reason=no_equivalent".to_owned(),
                    dropped("reasoning.max_tokens"),
                ],
            ),
        ] {
            assert_eq!(asked(members), Ok((Some(effort), notes)), "{members}");
        }
    }

    #[test]
    fn what_says_nothing_of_thinking_is_refused_by_its_place() {
        for (members, param) in [
            (r#""reasoning":{"effort":"a lot"}"#, "reasoning.effort"),
            (r#""reasoning":{"max_tokens":-1}"#, "reasoning.max_tokens"),
            (r#""reasoning":true"#, "reasoning"),
            (r#""thinking":{}"#, "thinking.type"),
            (r#""thinking":{"type":"hard"}"#, "thinking.type"),
            (r#""thinking":{"type":"enabled","budget_tokens":"many"}"#, "thinking.budget_tokens"),
        ] {
            assert_eq!(asked(members), Err(param.to_owned()), "{members}");
        }
    }
}
