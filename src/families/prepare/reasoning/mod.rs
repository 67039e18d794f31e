//! The rules about thinking: how hard, and which thoughts go back.

use crate::chat::{Action, Block, Effort, Json, Message, ModelField, Notes, Request, open_tool_loop};
use crate::families::thinking::{Budget, Control, Member, Off, Words};
use crate::families::{Capabilities, Replay, Sampling};

/// Of an answer's tokens, as many are not thought away: more only if the client asked for fewer.
const ANSWER: u32 = 4096;

/// Anthropic's clients refuse to wait for longer answers that aren't streamed, and AWS's guide repeats it; so no limit of
/// ours goes beyond it.
const LONGEST_UNSTREAMED: u32 = 21_333;

/// What else decides about thinking.
pub(super) struct Terms {
    /// The most tokens of one reply, where known.
    pub(super) most: Option<u32>,
    /// The client, or config for it, said how many tokens the reply may have.
    pub(super) limited: bool,
    /// The client wants a stream.
    pub(super) streaming: bool,
    /// The turns of the open tool loop are known to bring all that the model thought in them.
    pub(super) thoughts_complete: bool,
}

/// Asks for as much thinking as the client wants, in the model's own words. Gives what the model can do in this turn: it
/// takes less while it thinks.
pub(super) fn effort(
    request: &mut Request,
    able: &Capabilities,
    terms: &Terms,
    notes: &mut Notes,
) -> Capabilities {
    let thinking = able.thinking;
    let mut wanted = request.reasoning.take();
    if let Some(own) = own_member(request, able) {
        let thinks = !own.as_str().contains("\"disabled\"");
        if wanted.is_some() {
            notes.add("reasoning_effort", Action::Dropped, "given_as_model_field");
        }
        return if thinks { thinking_now(request, able, None, notes) } else { *able };
    }
    let off = thinking.off();
    let begins = match wanted {
        None => thinking.by_default,
        Some(Effort::None) => thinking.by_default && off == Off::Never,
        Some(_) => able.thinks(),
    };
    if begins && thinking.loop_needs_thoughts && !terms.thoughts_complete && lacks_thoughts(&request.messages)
    {
        // The client didn't bring them back, and nobody here has kept them.
        let asked = wanted.is_some_and(|wanted| wanted != Effort::None);
        let action = if asked && off != Off::Never { Action::Dropped } else { Action::Warned };
        notes.add("reasoning_effort", action, "thoughts_missing");
        if off != Off::Never {
            wanted = thinking.by_default.then_some(Effort::None);
        }
    }
    let thinks = match (thinking.control, wanted) {
        (Control::No | Control::Budget(_), Some(Effort::None)) => false,
        (Control::No, Some(_)) => {
            notes.add("reasoning_effort", Action::Dropped, "no_equivalent");
            false
        }
        (Control::Always, Some(_)) => {
            notes.add("reasoning_effort", Action::Dropped, "model_always_thinks");
            true
        }
        (Control::Words(words), Some(wanted)) => word(&words, wanted, request, able, notes),
        (Control::Budget(budget), Some(wanted)) => tokens(&budget, wanted, request, terms, notes),
        (Control::No | Control::Always | Control::Words(_) | Control::Budget(_), None) => thinking.by_default,
    };
    if !thinks {
        return *able;
    }
    if matches!(thinking.control, Control::Words(_)) && able.default_max_tokens.is_some() && !terms.limited {
        // What is sent where nobody gave a limit has room for an answer only; thoughts count too.
        let room = Budget::tokens(wanted.map_or(Effort::High, |wanted| wanted.max(Effort::Low)));
        request.max_tokens = request.max_tokens.map(|answer| terms.at_most(answer.saturating_add(room), 0));
    }
    thinking_now(request, able, wanted, notes)
}

/// The model thinks: what it doesn't take meanwhile goes, what it has to say of it is asked for.
fn thinking_now(
    request: &mut Request,
    able: &Capabilities,
    effort: Option<Effort>,
    notes: &mut Notes,
) -> Capabilities {
    if able.unlimited(effort) && request.max_tokens.take().is_some() {
        notes.add("max_tokens", Action::Dropped, "excluded_by_thinking");
    }
    let able_now = able.while_thinking(effort);
    if able_now.sampling == Sampling::Refused && able.sampling != Sampling::Refused {
        // A temperature of 1 is the model's own, and so is all of the probability.
        let neutral = |value: Option<f64>| value.is_none_or(|value| (value - 1.0).abs() < f64::EPSILON);
        for (param, given) in [
            ("temperature", !neutral(request.temperature.take())),
            ("top_p", !neutral(request.top_p.take())),
            ("top_k", request.top_k.take().is_some()),
        ] {
            if given {
                notes.add(param, Action::Dropped, "excluded_by_thinking");
            }
        }
    }
    if let Some(pointer) = able.thinking.counted_at
        && !request.service.reply_fields.iter().any(|asked| asked == pointer)
    {
        request.service.reply_fields.push(pointer.to_owned());
    }
    able_now
}

/// What the client itself wrote where the model is told how hard to think: then it has the say.
fn own_member<'r>(request: &'r Request, able: &Capabilities) -> Option<&'r Json> {
    let (path, on) = match able.thinking.control {
        Control::No | Control::Always => return None,
        Control::Words(Words { path, words: _, on, off: _ }) => (path, on),
        Control::Budget(Budget { path, on, word: _ }) => (path, Some(on)),
    };
    let roots = [on.and_then(|on| on.path.first()), path.first()];
    roots.into_iter().flatten().find_map(|root| {
        let own =
            request.model_fields.iter().find(|field| field.path.first().is_some_and(|name| name == root));
        own.map(|field| &field.value)
    })
}

/// Does it think after that?
fn word(
    words: &Words,
    wanted: Effort,
    request: &mut Request,
    able: &Capabilities,
    notes: &mut Notes,
) -> bool {
    let fields = &mut request.model_fields;
    let word = words.word(wanted);
    match (wanted, words.off) {
        (Effort::None, Off::Silence) => return false,
        (Effort::None, Off::Member(member)) => {
            fields.push(field(&member));
            return false;
        }
        (Effort::None, Off::Never) => {
            notes.add("reasoning_effort", Action::Clamped, "model_always_thinks");
        }
        (_, Off::Silence | Off::Member(_) | Off::Never) if word != wanted.as_str() => {
            notes.add("reasoning_effort", Action::Clamped, "nearest_effort");
        }
        (_, Off::Silence | Off::Member(_) | Off::Never) => {}
    }
    fields.extend(words.on.iter().chain(&able.thinking.shown).map(field));
    fields.push(ModelField::new(words.path, Json::string(word)));
    word != Words::NONE
}

/// Makes room for the thoughts before the answer. Does it think after that?
fn tokens(budget: &Budget, wanted: Effort, request: &mut Request, terms: &Terms, notes: &mut Notes) -> bool {
    let Budget { path, on, word } = budget;
    let limit = request.max_tokens.unwrap_or(ANSWER);
    let (mut tokens, answer) = (Budget::tokens(wanted), limit.min(ANSWER));
    let total = terms.at_most(limit.max(tokens.saturating_add(answer)), limit);
    if total < tokens.saturating_add(answer) {
        // The model's own limit: three parts of four for the thoughts.
        tokens = tokens.min(total - total / 4).max(Budget::LEAST);
    }
    if tokens >= total {
        notes.add("reasoning_effort", Action::Dropped, "no_room_to_think");
        return false;
    }
    if wanted == Effort::XHigh {
        notes.add("reasoning_effort", Action::Clamped, "nearest_effort");
    }
    if total > limit && terms.limited {
        notes.add("max_tokens", Action::Rewritten, "room_for_thoughts");
    }
    request.max_tokens = Some(total);
    request.model_fields.push(field(on));
    request.model_fields.push(ModelField::new(path, Json::number(tokens)));
    if let Some((words, beta)) = word {
        request.model_fields.push(ModelField::new(words.path, Json::string(words.word(wanted))));
        add_beta(&mut request.model_fields, beta);
    }
    true
}

impl Terms {
    /// `wanted` tokens for a whole reply, or as many as there may be; `given` of them are the client's.
    fn at_most(&self, wanted: u32, given: u32) -> u32 {
        let most = self.most.unwrap_or(u32::MAX);
        let most = if self.streaming { most } else { most.min(given.max(LONGEST_UNSTREAMED)) };
        wanted.min(most)
    }
}

fn field(Member { path, text }: &Member) -> ModelField {
    ModelField::new(path, Json::string(text))
}

/// Beside the client's own. What isn't a list stays as the client wrote it; the model will say so.
fn add_beta(fields: &mut Vec<ModelField>, beta: &str) {
    const BETAS: &str = "anthropic_beta";
    let beta = Json::string(beta);
    if let Some(own) = fields.iter_mut().find(|field| field.path.iter().eq([BETAS])) {
        if let Some(longer) = own.value.with_item(&beta) {
            own.value = longer;
        }
    } else {
        let list = Json::empty_array().with_item(&beta);
        fields.extend(list.map(|list| ModelField::new(&[BETAS], list)));
    }
}

/// Did the model begin the open tool loop without thinking, as far as can be seen?
fn lacks_thoughts(messages: &[Message]) -> bool {
    let since = open_tool_loop(messages);
    let Some(first) = since.first() else { return false };
    let turn = since.iter().take_while(|message| message.role == first.role);
    !turn.flat_map(|message| &message.content).any(|block| matches!(block, Block::Reasoning(_)))
}

/// Thoughts go back only where the model takes them: elsewhere it refuses them, or takes them for speech.
pub(super) fn thoughts(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    let open = request.messages.len() - open_tool_loop(&request.messages).len();
    for (at, message) in request.messages.iter_mut().enumerate() {
        let (mut left_out, mut bare) = (false, false);
        message.content.retain_mut(|block| match block {
            Block::Reasoning(thought) => {
                let takes = able.replay.takes(thought, at >= open);
                left_out |= !takes;
                // Another model's word for it means nothing to this one.
                bare |= takes && able.replay == Replay::Plain && thought.signature.take().is_some();
                takes
            }
            Block::Text(_)
            | Block::Image(_)
            | Block::Document(_)
            | Block::Audio(_)
            | Block::Remote(_)
            | Block::CachePoint(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_) => true,
        });
        for (noted, reason) in [
            (left_out && able.replay == Replay::Signed, "reasoning_unsigned"),
            (left_out && able.replay != Replay::Signed, "reasoning_not_replayed"),
            (bare, "signature_not_replayed"),
        ] {
            if noted {
                notes.add(format!("messages[{}]", message.index), Action::Dropped, reason);
            }
        }
    }
}

#[cfg(test)]
mod tests;
