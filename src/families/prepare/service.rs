//! The rules about how the call is served: Bedrock's own, whatever the model.

use crate::bedrock::Refusal;
use crate::chat::{Action, GuardrailTrace, Notes, Request, Service};
use crate::families::{Capabilities, FormatKind, Lessons};

/// The longest value that Bedrock takes for one piece of metadata, and the longest key.
const LONGEST: usize = 256;

/// Bends metadata to Bedrock's pattern (`[a-zA-Z0-9\\s:_@$#=/+,-.]{0,256}`, service model of `bedrock-runtime`).
pub(super) fn metadata(request: &mut Request, notes: &mut Notes) {
    let nameless = |key: &mut String| {
        let nameless = key.is_empty();
        if nameless {
            key.push('_');
        }
        nameless
    };
    let bend = |text: &mut String| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || ":_@$#=/+,-.".contains(c);
        if text.len() <= LONGEST && text.chars().all(allowed) {
            return false;
        }
        *text = text.chars().map(|c| if allowed(c) { c } else { '_' }).take(LONGEST).collect();
        true
    };
    for (key, value) in &mut request.service.metadata {
        if nameless(key) | bend(key) | bend(value) {
            notes.add("metadata", Action::Rewritten, "outside_bedrocks_pattern");
        }
    }
}

/// As many members of a reply Bedrock lets be asked for.
const MOST_REPLY_FIELDS: usize = 10;

/// Members of the model's own reply can be asked for through Converse only. What the gateway itself wants to know goes
/// behind what the client asks for, where there is room.
pub(super) fn reply_fields(request: &mut Request, able: &Capabilities, kind: FormatKind, notes: &mut Notes) {
    if kind == FormatKind::Native && !request.service.reply_fields.is_empty() {
        request.service.reply_fields.clear();
        notes.add("bedrock.additionalModelResponseFieldPaths", Action::Dropped, "converse_only");
    }
    let fields = &mut request.service.reply_fields;
    for pointer in able.refusal_at {
        if fields.len() < MOST_REPLY_FIELDS && !fields.iter().any(|asked| asked == pointer) {
            fields.push((*pointer).to_owned());
        }
    }
}

/// The extras of the reply that the client asked to see.
pub(super) fn extras(service: &Service) -> Vec<&'static str> {
    let mut extras = match service.guardrail.as_ref().map(|guardrail| guardrail.trace) {
        Some(GuardrailTrace::Shown | GuardrailTrace::Full) => vec!["trace"],
        Some(GuardrailTrace::Inside) | None => Vec::new(),
    };
    if !service.reply_fields.is_empty() {
        extras.push("additionalModelResponseFields");
    }
    extras
}

/// A search of the web before the answer. How much of it and from where has no place anywhere.
pub(super) fn web_search(request: &mut Request, able: &Capabilities, notes: &mut Notes) {
    let Some(options) = &request.web_search else { return };
    if !able.web_search {
        notes.add("web_search_options", Action::Dropped, "no_equivalent");
        request.web_search = None;
    } else if !options.is_empty_object() {
        notes.add("web_search_options", Action::Rewritten, "search_without_options");
    }
}

/// What the model was found to refuse, and what no table says of any model.
pub(super) fn refused(request: &mut Request, lessons: Lessons, notes: &mut Notes) {
    let mut drop = |refusal, given: bool, param: &'static str| {
        let drop = given && lessons.holds(refusal);
        if drop {
            notes.add(param, Action::Dropped, "refused_by_model");
        }
        drop
    };
    let service = &mut request.service;
    if drop(Refusal::ServiceTier, service.tier.is_some(), "service_tier") {
        service.tier = None;
    }
    if drop(Refusal::Latency, service.latency.is_some(), "bedrock.performanceConfig") {
        service.latency = None;
    }
    if drop(
        Refusal::ReplyFields,
        !service.reply_fields.is_empty(),
        "bedrock.additionalModelResponseFieldPaths",
    ) {
        service.reply_fields.clear();
    }
    if drop(Refusal::Reasoning, request.reasoning.is_some(), "reasoning_effort") {
        request.reasoning = None;
    }
}
