//! What the generations of Claude refuse, natively and behind Converse alike.

use crate::simulator::models::{Model, Sampling, Thinking};
use serde_json::Value;

const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

/// The parameters that depend on each other, wherever they were found.
#[derive(Debug, Default)]
pub(super) struct Parameters<'a> {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<&'a Value>,
    pub(super) thinking: Option<&'a Value>,
    pub(super) effort: Option<&'a Value>,
    pub(super) max_tokens: Option<u64>,
    /// A tool must be called.
    pub(super) forced: bool,
    /// The assistant has the last word.
    pub(super) prefilled: bool,
    /// `anthropic_beta`.
    pub(super) betas: Vec<String>,
    /// `metadata.user_id`.
    pub(super) user: Option<&'a Value>,
}

impl Parameters<'_> {
    /// Whether a beta of this name, without its date, is on: `effort-` is what Opus 4.5 wants for its effort, and with
    /// `interleaved-thinking` the tokens of thinking may exceed those of the answer.
    fn has_beta(&self, name: &str) -> bool {
        self.betas.iter().any(|beta| beta.starts_with(name))
    }
}

/// Claude wants no personal data in the place for the user's id.
fn check_user(user: &Value) -> Result<(), String> {
    let Some(user) = user.as_str() else {
        return Err("metadata.user_id: Input should be a valid string".to_owned());
    };
    if user.chars().count() > 256 {
        return Err("metadata.user_id: String should have at most 256 characters".to_owned());
    }
    if user.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) {
        return Err("metadata.user_id: user_id appears to contain an email address".to_owned());
    }
    let dialled = user.trim_start_matches("tel:");
    let numbers = dialled.chars().filter(char::is_ascii_digit).count();
    let others = dialled.chars().any(|c| !c.is_ascii_digit() && !"+-. ()".contains(c));
    if !others && ((10..=15).contains(&numbers) || dialled.starts_with('+') && numbers >= 7) {
        return Err("metadata.user_id: user_id appears to contain a phone number".to_owned());
    }
    Ok(())
}

/// Checks them; the error is the model's own text.
pub(super) fn check(model: &Model, parameters: &Parameters<'_>) -> Result<(), String> {
    if let Some(user) = parameters.user {
        check_user(user)?;
    }
    match model.facts.sampling {
        Sampling::OneOf if parameters.temperature.is_some() && parameters.top_p.is_some() => {
            return Err(
                "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
                    .to_owned(),
            );
        }
        Sampling::Any | Sampling::OneOf => {}
        Sampling::Refused => {
            for (name, given) in [
                ("temperature", parameters.temperature.is_some()),
                ("top_p", parameters.top_p.is_some()),
                ("top_k", parameters.top_k.is_some()),
            ] {
                if given {
                    return Err(format!("`{name}` is deprecated for this model."));
                }
            }
        }
    }
    if let Some(effort) = parameters.effort {
        check_effort(model, effort, parameters)?;
    }
    match parameters.thinking {
        Some(thinking) => check_thinking(model, thinking, parameters),
        None => Ok(()),
    }
}

fn check_effort(model: &Model, effort: &Value, parameters: &Parameters<'_>) -> Result<(), String> {
    let Some(effort) = effort.as_str().filter(|effort| EFFORTS.contains(effort)) else {
        return Err(
            "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'".to_owned()
        );
    };
    let known = model.efforts();
    if known.is_empty() || (model.id.contains("opus-4-5") && !parameters.has_beta("effort-")) {
        return Err("This model does not support the effort parameter.".to_owned());
    }
    if known.contains(&effort) {
        return Ok(());
    }
    Err(format!("output_config.effort: '{effort}' is not supported by this model"))
}

fn check_thinking(model: &Model, thinking: &Value, parameters: &Parameters<'_>) -> Result<(), String> {
    let rule = model.facts.thinking;
    let unsupported = |kind: &str| Err(format!("thinking.type: '{kind}' is not supported by this model"));
    if let Some(extra) = thinking.as_object().and_then(|members| {
        members.keys().find(|key| !["type", "budget_tokens", "display"].contains(&key.as_str()))
    }) {
        return Err(format!("thinking.{extra}: Extra inputs are not permitted"));
    }
    if let Some(display) = thinking.get("display")
        && display != "summarized"
        && display != "omitted"
    {
        return Err("thinking.display: Input should be 'summarized' or 'omitted'".to_owned());
    }
    if thinking.get("budget_tokens").is_some() && thinking["type"] != "enabled" {
        let kind = thinking["type"].as_str().unwrap_or_default();
        return Err(format!("thinking.{kind}.budget_tokens: Extra inputs are not permitted"));
    }
    let budgeted = match thinking["type"].as_str() {
        Some("disabled") => {
            return match rule {
                Thinking::Always => unsupported("disabled"),
                Thinking::None
                | Thinking::Budget
                | Thinking::BudgetOrAdaptive
                | Thinking::Adaptive
                | Thinking::BetweenTools => Ok(()),
            };
        }
        Some("between_tools") if rule == Thinking::BetweenTools => return Ok(()),
        Some("between_tools") => return unsupported("between_tools"),
        Some("adaptive") => match rule {
            Thinking::None | Thinking::Budget => return unsupported("adaptive"),
            Thinking::BudgetOrAdaptive | Thinking::Adaptive | Thinking::Always | Thinking::BetweenTools => {
                false
            }
        },
        Some("enabled") => match rule {
            Thinking::Budget | Thinking::BudgetOrAdaptive => true,
            Thinking::None | Thinking::Adaptive | Thinking::Always | Thinking::BetweenTools => {
                return unsupported("enabled");
            }
        },
        _ => {
            return Err(
                "thinking: Input tag does not match any of the expected tags: 'adaptive', 'disabled', \
                        'enabled'"
                    .to_owned(),
            );
        }
    };
    if budgeted {
        let budget = thinking["budget_tokens"].as_u64();
        let Some(budget) = budget else {
            return Err("thinking.enabled.budget_tokens: Field required".to_owned());
        };
        if budget < 1024 {
            return Err(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024".to_owned()
            );
        }
        if !parameters.has_beta("interleaved-thinking")
            && parameters.max_tokens.is_some_and(|limit| limit <= budget)
        {
            return Err("`max_tokens` must be greater than `thinking.budget_tokens`.".to_owned());
        }
        if parameters.forced {
            return Err("Thinking may not be enabled when tool_choice forces tool use.".to_owned());
        }
    }
    if parameters.temperature.is_some_and(|temperature| temperature < 1.0) {
        return Err("`temperature` may only be set to 1 when thinking is enabled.".to_owned());
    }
    if parameters.top_p.is_some_and(|top_p| top_p < 0.95) {
        return Err(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.".to_owned()
        );
    }
    if parameters.top_k.is_some() {
        return Err("`top_k` must be unset when thinking is enabled.".to_owned());
    }
    if parameters.prefilled {
        return Err(
            "Expected the last message to be from the user: thinking does not allow prefill.".to_owned()
        );
    }
    Ok(())
}
