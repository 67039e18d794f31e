//! The rules about how tokens are drawn, and how many.

use crate::chat::{Action, Draw, Json, ModelField, Notes, Request};
use crate::families::{Capabilities, Sampling, StopSupport, TopK};

/// `most` is the model's own limit, `room` what is left beside the prompt. Gives the one that holds.
pub(super) fn max_tokens(
    request: &mut Request,
    able: &Capabilities,
    most: Option<u32>,
    room: Option<u32>,
    notes: &mut Notes,
) -> Option<u32> {
    let reason = match (most, room) {
        (most, Some(room)) if most.is_none_or(|most| room < most) => "beyond_the_context",
        _ => "above_model_maximum",
    };
    let most = most.into_iter().chain(room).min();
    let Some(wanted) = request.max_tokens else {
        request.max_tokens =
            able.default_max_tokens.map(|default| most.map_or(default, |most| default.min(most)));
        return most;
    };
    // A limit that is below the least there is would be the catalogue's error; the least wins.
    let taken = most.map_or(wanted, |most| wanted.min(most)).max(able.least_max_tokens);
    if taken < wanted {
        notes.add("max_tokens", Action::Clamped, reason);
    } else if taken > wanted {
        notes.add("max_tokens", Action::Clamped, "below_model_minimum");
    }
    request.max_tokens = Some(taken);
    most
}

/// Bedrock counts both from 0 to 1, where OpenAI lets temperature go up to 2. A value of 1 is every model's
/// own, so leaving it out changes nothing.
pub(super) fn sampling(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    let drop = |value: &mut Option<f64>, param: &'static str, reason, notes: &mut Notes| {
        if value.take().is_some_and(|value| value < 1.0) {
            notes.add(param, Action::Dropped, reason);
        }
    };
    match able.sampling {
        Sampling::Either if request.temperature.is_some() => {
            drop(&mut request.top_p, "top_p", "excludes_temperature", notes);
        }
        Sampling::Both | Sampling::Either | Sampling::Temperature | Sampling::TopP | Sampling::Refused => {}
    }
    if let Sampling::TopP | Sampling::Refused = able.sampling
        && request.temperature.take().is_some_and(|temperature| (temperature - 1.0).abs() > f64::EPSILON)
    {
        notes.add("temperature", Action::Dropped, "refused_by_model");
    }
    if let Sampling::Temperature | Sampling::Refused = able.sampling {
        drop(&mut request.top_p, "top_p", "refused_by_model", notes);
    }
    if let Some(temperature) = &mut request.temperature
        && *temperature > 1.0
    {
        *temperature = 1.0;
        notes.add("temperature", Action::Clamped, "above_maximum");
    }
    if let Some(top_p) = &mut request.top_p
        && *top_p < able.least_top_p
    {
        *top_p = able.least_top_p;
        notes.add("top_p", Action::Clamped, "below_minimum");
    }
}

/// `top_k` and what few models know beside it. Silence and what is neutral change nothing.
pub(super) fn draw(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    let refused = able.sampling == Sampling::Refused;
    match able.top_k {
        TopK::Own if !refused => {}
        TopK::Field(path) if !refused => {
            let number = request.top_k.take().map(Json::number);
            request.model_fields.extend(number.map(|number| ModelField::new(path, number)));
        }
        TopK::Own | TopK::Field(_) | TopK::No => {
            if request.top_k.take().is_some() {
                let reason = if refused { "refused_by_model" } else { "no_equivalent" };
                notes.add("top_k", Action::Dropped, reason);
            }
        }
    }
    let Draw { seed, frequency_penalty, presence_penalty, logit_bias, logprobs } = &mut request.draw;
    let mut without = |able: bool, param: &'static str, given: bool| {
        let drop = given && !able;
        if drop {
            notes.add(param, Action::Dropped, "no_equivalent");
        }
        drop
    };
    if without(able.seed, "seed", seed.is_some()) {
        *seed = None;
    }
    if without(able.penalties, "frequency_penalty", frequency_penalty.is_some()) {
        *frequency_penalty = None;
    }
    if without(able.penalties, "presence_penalty", presence_penalty.is_some()) {
        *presence_penalty = None;
    }
    if without(able.logit_bias, "logit_bias", logit_bias.is_some()) {
        *logit_bias = None;
    }
    without(able.logprobs, "top_logprobs", logprobs.is_some_and(|others| others > 0));
    if without(able.logprobs, "logprobs", logprobs.is_some()) {
        *logprobs = None;
    }
}

/// Leaves the stop texts that the model watches for, and gives the others. Blank ones are among those:
/// Bedrock refuses them, but a line end is the stop text that is asked for most.
pub(super) fn stop(request: &mut Request, support: StopSupport, notes: &mut Notes) -> Vec<String> {
    let mut local = Vec::new();
    for stop in std::mem::take(&mut request.stop) {
        let refused = match support {
            StopSupport::Native(_) if stop.trim().is_empty() => Some("blank"),
            StopSupport::Native(most) if request.stop.len() >= most => Some("too_many"),
            StopSupport::Native(_) => None,
            StopSupport::BarsOrUser if stop == "User:" || stop.bytes().all(|byte| byte == b'|') => None,
            StopSupport::BarsOrUser => Some("refused_by_model"),
            StopSupport::Emulated => Some("no_equivalent"),
        };
        match refused {
            _ if stop.is_empty() => notes.add("stop", Action::Dropped, "empty"),
            None => request.stop.push(stop),
            Some(reason) => {
                notes.add("stop", Action::Emulated, reason);
                local.push(stop);
            }
        }
    }
    local
}
