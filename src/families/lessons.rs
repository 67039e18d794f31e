//! What a model was found to refuse, against its family's word.

use super::thinking::Thinking;
use super::{Capabilities, Sampling, StopSupport, TopK};
use crate::bedrock::{Refusal, Refused};
use crate::chat::{Block, OutputFormat, Request, Role, ToolChoice};

/// Refusals that a model has made. [`super::prepare`] bends a request to them as it does to the family's own table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lessons {
    refused: Set,
    /// Those among them that are about this request only.
    passing: Set,
    max_tokens: Option<u32>,
    /// What is left for the reply beside this prompt.
    room: Option<u32>,
}

impl Lessons {
    /// With one more. The same if it was known.
    #[must_use]
    pub fn and(self, refused: Refused) -> Self {
        let least = |known: Option<u32>, most: u32| Some(known.map_or(most, |known| known.min(most)));
        let Refused { what, lasting } = refused;
        match what {
            Refusal::Room(most) => return Self { room: least(self.room, most), ..self },
            Refusal::MaxTokens(most) if !lasting => return Self { room: least(self.room, most), ..self },
            Refusal::MaxTokens(most) => {
                return Self { max_tokens: least(self.max_tokens, most), ..self };
            }
            _ => {}
        }
        let is_new = !self.refused.holds(bit(what));
        let passing = if is_new && !lasting { self.passing.with(bit(what)) } else { self.passing };
        Self { refused: self.refused.with(bit(what)), passing, ..self }
    }

    /// Without what is about one request only: the values that it gave, its content.
    #[must_use]
    pub fn lasting(self) -> Self {
        let refused = Set(self.refused.0 & !self.passing.0);
        Self { refused, passing: Set::default(), max_tokens: self.max_tokens, room: None }
    }

    /// Those risks that are none any more once a request was taken that was prepared by these.
    #[must_use]
    pub fn taken(self, risks: Risks) -> Risks {
        let max_tokens = if self.room.is_some() { 0 } else { risks.max_tokens };
        Risks { of: Set(risks.of.0 & !self.passing.0), max_tokens, ..risks }
    }

    /// Nothing was refused.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// The most tokens that the model named.
    pub(super) fn max_tokens(self) -> Option<u32> {
        self.max_tokens
    }

    /// The most that fit beside this prompt.
    pub(super) fn room(self) -> Option<u32> {
        self.room
    }

    /// Was this refused?
    pub(super) fn holds(self, refusal: Refusal) -> bool {
        self.refused.holds(bit(refusal))
    }
}

impl Capabilities {
    /// Without what the model has refused.
    #[must_use]
    pub(super) fn taught(self, lessons: Lessons) -> Self {
        let takes = |refusals: &[Refusal]| !refusals.iter().any(|refusal| lessons.holds(*refusal));
        let temperature = takes(&[Refusal::Temperature]);
        let top_p = takes(&[Refusal::TopP]);
        let both = takes(&[Refusal::TemperatureWithTopP]);
        Self {
            system: self.system && takes(&[Refusal::System]),
            tools_while_streaming: self.tools_while_streaming && takes(&[Refusal::ToolsWhileStreaming]),
            tool_choice_any: self.tool_choice_any && takes(&[Refusal::Forced, Refusal::ForcedAny]),
            tool_choice_named: self.tool_choice_named && takes(&[Refusal::Forced, Refusal::ForcedNamed]),
            strict_tools: self.strict_tools && takes(&[Refusal::StrictTools, Refusal::StrictSchema]),
            images_in_tool_results: self.images_in_tool_results && takes(&[Refusal::ToolResultImages]),
            tool_result_status: self.tool_result_status && takes(&[Refusal::ToolResultStatus]),
            json_schema: self.json_schema && takes(&[Refusal::OutputFormat, Refusal::OutputSchema]),
            prefill: self.prefill && takes(&[Refusal::Prefill]),
            leading_assistant: self.leading_assistant && takes(&[Refusal::LeadingAssistant]),
            thinking: match (takes(&[Refusal::Reasoning]), takes(&[Refusal::ReplyFields])) {
                (false, _) => Thinking::UNKNOWN,
                (true, false) => Thinking { counted_at: None, ..self.thinking },
                (true, true) => self.thinking,
            },
            sampling: match (self.sampling, temperature, top_p) {
                (Sampling::Both, true, true) if !both => Sampling::Either,
                (sampling, true, true) => sampling,
                (Sampling::Both | Sampling::Either | Sampling::Temperature, true, false) => {
                    Sampling::Temperature
                }
                (Sampling::Both | Sampling::Either | Sampling::TopP, false, true) => Sampling::TopP,
                (
                    Sampling::Both
                    | Sampling::Either
                    | Sampling::Temperature
                    | Sampling::TopP
                    | Sampling::Refused,
                    _,
                    _,
                ) => Sampling::Refused,
            },
            refusal_at: if takes(&[Refusal::ReplyFields]) { self.refusal_at } else { &[] },
            cache: self.cache.filter(|_| takes(&[Refusal::CachePoints])),
            top_k: if takes(&[Refusal::TopK]) { self.top_k } else { TopK::No },
            stop: if takes(&[Refusal::StopTexts]) { self.stop } else { StopSupport::Emulated },
            ..self
        }
    }
}

/// What in a request a model may refuse: as long as it hasn't taken all of that before, the request has to be kept
/// until it is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Risks {
    of: Set,
    /// Depends on what exactly is asked, so that no earlier success says anything.
    always: bool,
    max_tokens: u32,
}

impl Risks {
    /// Looks a request through. `caches`: cache points may be placed where it has none; whether they were, is known
    /// later ([`Self::without_cache_points`]).
    pub fn of(request: &Request, streaming: bool, caches: bool) -> Self {
        let mut risks = Set::default();
        let mut note = |present: bool, refusal| {
            if present {
                risks = risks.with(bit(refusal));
            }
        };
        let turns = || request.messages.iter().filter(|message| message.role != Role::System);
        note(!request.stop.is_empty(), Refusal::StopTexts);
        note(request.temperature.is_some(), Refusal::Temperature);
        note(request.top_p.is_some(), Refusal::TopP);
        note(request.temperature.is_some() && request.top_p.is_some(), Refusal::TemperatureWithTopP);
        note(request.top_k.is_some(), Refusal::TopK);
        note(request.tool_choice == Some(ToolChoice::Required), Refusal::ForcedAny);
        note(matches!(request.tool_choice, Some(ToolChoice::Named(_))), Refusal::ForcedNamed);
        note(streaming && !request.tools.is_empty(), Refusal::ToolsWhileStreaming);
        note(turns().next().is_some_and(|first| first.role == Role::Assistant), Refusal::LeadingAssistant);
        note(turns().next_back().is_some_and(|last| last.role == Role::Assistant), Refusal::Prefill);
        note(caches || request.tools.iter().any(|tool| tool.cache.is_some()), Refusal::CachePoints);
        // Families say something about thinking, and ask what it cost, also where the client says nothing.
        note(true, Refusal::Reasoning);
        note(true, Refusal::ReplyFields);
        for message in &request.messages {
            note(message.role == Role::System, Refusal::System);
            for block in &message.content {
                match block {
                    Block::CachePoint(_) => note(true, Refusal::CachePoints),
                    Block::ToolResult(result) => {
                        note(result.is_error, Refusal::ToolResultStatus);
                        let is_image = |block: &Block| matches!(block, Block::Image(_));
                        note(result.content.iter().any(is_image), Refusal::ToolResultImages);
                    }
                    Block::Text(_)
                    | Block::Image(_)
                    | Block::Document(_)
                    | Block::Audio(_)
                    | Block::Remote(_)
                    | Block::ToolUse(_)
                    | Block::Reasoning(_) => {}
                }
            }
        }
        let service = &request.service;
        let always = matches!(request.format, OutputFormat::JsonSchema { .. })
            || request.tools.iter().any(|tool| tool.strict == Some(true))
            || request.reasoning.is_some()
            || service.tier.is_some()
            || service.latency.is_some()
            || !service.reply_fields.is_empty()
            || request.cache.mode.is_some();
        Self { of: risks, always, max_tokens: request.max_tokens.unwrap_or(0) }
    }

    /// No cache point went along, so whether the model takes them isn't known by its answer.
    #[must_use]
    pub fn without_cache_points(self) -> Self {
        Self { of: self.of.without(bit(Refusal::CachePoints)), ..self }
    }

    /// Has a model that took `taken` taken all of this?
    pub fn are_within(self, taken: Self) -> bool {
        !self.always && self.max_tokens <= taken.max_tokens && self.of.0 & !taken.of.0 == 0
    }

    /// With what was taken now.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            of: Set(self.of.0 | other.of.0),
            always: false,
            max_tokens: self.max_tokens.max(other.max_tokens),
        }
    }
}

/// A set of refusals, whatever the number in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Set(u32);

impl Set {
    fn with(self, bit: u32) -> Self {
        Self(self.0 | 1 << bit)
    }

    fn without(self, bit: u32) -> Self {
        Self(self.0 & !(1 << bit))
    }

    fn holds(self, bit: u32) -> bool {
        self.0 & 1 << bit != 0
    }
}

fn bit(refusal: Refusal) -> u32 {
    match refusal {
        Refusal::StopTexts => 0,
        Refusal::Temperature => 1,
        Refusal::TopP => 2,
        Refusal::TemperatureWithTopP => 3,
        Refusal::TopK => 4,
        Refusal::ForcedAny => 5,
        Refusal::ForcedNamed => 6,
        Refusal::Forced => 7,
        Refusal::ToolsWhileStreaming => 8,
        Refusal::System => 9,
        Refusal::CachePoints => 10,
        Refusal::ToolResultStatus => 11,
        Refusal::ToolResultImages => 12,
        Refusal::Prefill => 13,
        Refusal::LeadingAssistant => 14,
        Refusal::OutputFormat => 15,
        Refusal::OutputSchema => 16,
        Refusal::StrictTools => 17,
        Refusal::StrictSchema => 18,
        Refusal::Reasoning => 19,
        Refusal::ServiceTier => 20,
        Refusal::Latency => 21,
        Refusal::ReplyFields => 22,
        Refusal::MaxTokens(_) => 23,
        Refusal::Room(_) => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasting(what: Refusal) -> Refused {
        Refused { what, lasting: true }
    }

    fn sampling(start: Sampling, refusals: &[Refusal]) -> Sampling {
        let lessons = refusals.iter().fold(Lessons::default(), |lessons, what| lessons.and(lasting(*what)));
        Capabilities { sampling: start, ..Capabilities::CAUTIOUS }.taught(lessons).sampling
    }

    #[test]
    fn only_what_was_refused_is_taken_away() {
        let (temperature, top_p) = (Refusal::Temperature, Refusal::TopP);
        assert_eq!(sampling(Sampling::Both, &[]), Sampling::Both);
        assert_eq!(sampling(Sampling::Both, &[temperature]), Sampling::TopP);
        assert_eq!(sampling(Sampling::Either, &[top_p]), Sampling::Temperature);
        assert_eq!(sampling(Sampling::Both, &[top_p, temperature]), Sampling::Refused);
        assert_eq!(sampling(Sampling::Both, &[Refusal::TemperatureWithTopP]), Sampling::Either);
        assert_eq!(sampling(Sampling::Refused, &[temperature]), Sampling::Refused);
        let untaught = Capabilities::CAUTIOUS.taught(Lessons::default());
        assert_eq!(untaught, Capabilities::CAUTIOUS);
        let taught = Capabilities::CAUTIOUS.taught(Lessons::default().and(lasting(Refusal::System)));
        assert_eq!(taught, Capabilities { system: false, ..Capabilities::CAUTIOUS });
    }

    #[test]
    fn the_least_limit_counts_and_one_schema_teaches_nothing_lasting() {
        let limit = |most| lasting(Refusal::MaxTokens(most));
        let lessons = Lessons::default().and(limit(10)).and(limit(20));
        assert_eq!(lessons.lasting().max_tokens(), Some(10));
        let passing = |what| Refused { what, lasting: false };
        let schemas = passing(Refusal::OutputSchema);
        let tier = passing(Refusal::ServiceTier);
        let room = passing(Refusal::Room(100));
        for (one, holds) in [(schemas, true), (tier, true), (room, false)] {
            let lessons = Lessons::default().and(one);
            assert!(!lessons.is_empty() && lessons.lasting().is_empty(), "{one:?}");
            assert_eq!(lessons.holds(one.what), holds);
        }
        assert_eq!(Lessons::default().and(room).and(passing(Refusal::Room(70))).room(), Some(70));
        // What was known before stays known.
        let both = Lessons::default().and(lasting(Refusal::StopTexts)).and(passing(Refusal::StopTexts));
        assert!(both.lasting().holds(Refusal::StopTexts));
    }

    #[test]
    fn a_value_that_was_refused_is_no_risk_that_was_taken() {
        let request = Request { temperature: Some(0.5), max_tokens: Some(500), ..Request::default() };
        let risks = Risks::of(&request, false, false);
        let passing = |what| Lessons::default().and(Refused { what, lasting: false });
        for lessons in [passing(Refusal::Temperature), passing(Refusal::Room(100))] {
            let taken = Risks::default().and(lessons.taken(risks));
            assert!(!risks.are_within(taken), "{lessons:?}");
        }
        assert!(risks.are_within(Risks::default().and(Lessons::default().taken(risks))));
    }

    #[test]
    fn what_a_model_has_taken_is_no_risk_any_more() {
        let warm = |temperature, max_tokens| Request { max_tokens, temperature, ..Request::default() };
        let taken = Risks::default().and(Risks::of(&warm(Some(0.5), Some(100)), true, false));
        assert!(Risks::of(&warm(Some(1.0), Some(100)), true, false).are_within(taken));
        assert!(Risks::of(&warm(None, None), false, false).are_within(taken));
        assert!(!Risks::of(&warm(None, Some(101)), false, false).are_within(taken));
        let stop = Request { stop: vec!["x".into()], ..Request::default() };
        assert!(!Risks::of(&stop, false, false).are_within(taken));
        let hard = Request { reasoning: Some(crate::chat::Effort::High), ..Request::default() };
        let taken = taken.and(Risks::of(&hard, false, false));
        assert!(!Risks::of(&hard, false, false).are_within(taken));
    }
}
