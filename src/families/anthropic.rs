//! Anthropic: Claude. Its own Messages body can say everything that Converse can, and a few things more.

use super::thinking::{Budget, Control, Member, Off, Thinking, Words};
use super::{
    CacheSupport, Capabilities, Family, FormatKind, Replay, Sampling, SingleCall, StopSupport, ToolSchemas,
    TopK,
};
use crate::bedrock::ModelId;
use crate::chat::{Block, Request};
use crate::formats::{ANTHROPIC_MESSAGES, ChatFormat};

pub(super) struct Anthropic;

impl Family for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn claims(&self, model: &ModelId) -> bool {
        model.base().starts_with("anthropic.claude")
    }

    fn capabilities(&self, model: &ModelId, format: FormatKind) -> Capabilities {
        let native = match format {
            FormatKind::Native => true,
            FormatKind::Converse => false,
        };
        let version = Version::of(model.base());
        let talks_only = version < Version(3, 0);
        Capabilities {
            tools: !talks_only,
            tool_choice_any: !talks_only && !version.chooses_tools_itself(model.base()),
            tool_choice_named: !talks_only && !version.chooses_tools_itself(model.base()),
            tool_choice_none: native,
            single_call: if native { SingleCall::Own } else { SingleCall::ClaudeField },
            strict_tools: version.takes_strict_tools(),
            tool_schemas: ToolSchemas { root_unions: false, any_property_names: false, ..ToolSchemas::ANY },
            mixed_tool_results: true,
            images_in_tool_results: true,
            tool_result_status: true,
            images: !talks_only && !model.base().contains("claude-3-5-haiku"),
            documents: !talks_only,
            json_schema: version.holds_to_schemas(model.base()),
            thinking: Thinking {
                // Its own reply has it in its usage.
                counted_at: (!native).then_some("/usage/output_tokens_details"),
                ..version.thinking(model.base())
            },
            cache: version.cache(model.base()),
            replay: if version >= Version(3, 7) { Replay::Signed } else { Replay::No },
            refusal_at: if !native && version >= Version(5, 0) { WHY_REFUSED } else { &[] },
            user: native,
            prefill: version < Version(4, 6),
            leading_assistant: true,
            sampling: version.sampling(),
            top_k: if native { TopK::Own } else { TopK::Field(&["top_k"]) },
            // The API takes thousands.
            stop: StopSupport::Native(64),
            max_output_tokens: version.max_output_tokens(model.base()),
            default_max_tokens: Some(4096),
            ..Capabilities::CAUTIOUS
        }
    }

    fn native(&self, _model: &ModelId) -> Option<&'static dyn ChatFormat> {
        Some(&ANTHROPIC_MESSAGES)
    }

    /// Office files have a place in Converse only.
    fn preferred(&self, _model: &ModelId, request: &Request) -> FormatKind {
        fn is_office(block: &Block) -> bool {
            match block {
                Block::Document(document) => {
                    !["pdf", "txt", "md", "csv", "html"].contains(&document.format.as_str())
                }
                Block::ToolResult(result) => result.content.iter().any(is_office),
                Block::Text(_)
                | Block::Image(_)
                | Block::Audio(_)
                | Block::Remote(_)
                | Block::CachePoint(_)
                | Block::ToolUse(_)
                | Block::Reasoning(_) => false,
            }
        }
        if request.messages.iter().flat_map(|message| &message.content).any(is_office) {
            FormatKind::Converse
        } else {
            FormatKind::Native
        }
    }
}

const BUDGET: Budget = Budget {
    path: &["thinking", "budget_tokens"],
    on: Member { path: &["thinking", "type"], text: "enabled" },
    word: None,
};

const ADAPTIVE: Words = Words {
    path: &["output_config", "effort"],
    words: ["low", "low", "medium", "high", "xhigh", "max"],
    on: Some(Member { path: &["thinking", "type"], text: "adaptive" }),
    off: Off::Never,
};

/// Opus 4.5 knows words too, up to this.
const UP_TO_HIGH: Words = Words { words: ["low", "low", "medium", "high", "high", "high"], ..ADAPTIVE };

/// In a whole reply and in a stream. What a reply doesn't have is passed over.
const WHY_REFUSED: &[&str] = &["/stop_details", "/delta/stop_details"];

const DISABLED: Off = Off::Member(Member { path: &["thinking", "type"], text: "disabled" });

/// The nearest to "off" that Sonnet 5.5 has.
const BETWEEN_TOOLS: Off = Off::Member(Member { path: &["thinking", "type"], text: "between_tools" });

/// Major and minor: `claude-3-5-haiku-20241022-v1:0` is 3.5, `claude-opus-4-20250514-v1:0` is 4.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u16, u16);

impl Version {
    /// Of an id that names none the strictest is assumed: it is a new one, or hides behind an ARN.
    const NEWEST: Self = Self(u16::MAX, 0);

    fn of(base: &str) -> Self {
        let Some(name) = base.strip_prefix("anthropic.claude-") else { return Self::NEWEST };
        // `claude-v2:1` and `claude-instant-v1`, before the Messages API.
        if name.starts_with('v') || name.starts_with("instant") {
            return Self(2, 0);
        }
        let mut parts = name.split('-').skip_while(|part| number(part).is_none());
        match (parts.next().and_then(number), parts.next().and_then(number)) {
            (Some(major), minor) => Self(major, minor.unwrap_or(0)),
            (None, _) => Self::NEWEST,
        }
    }

    /// Fable and Mythos 5.1, Opus and Sonnet 5.5 refuse to be told which tool to call.
    fn chooses_tools_itself(self, base: &str) -> bool {
        self >= Self(5, 1) && !base.contains("haiku")
    }

    /// Strict tools: seen to work for 4.5 and 4.6, and by one project (September 2026) for Opus 5 and Fable 5, while
    /// Opus 5.5 and Fable 5.1 refused them. Sources disagree on 4.7, 4.8 and Sonnet 5.
    fn takes_strict_tools(self) -> bool {
        (Self(4, 5)..=Self(4, 6)).contains(&self)
    }

    /// Output formats: seen to work for 4.5 and 4.6. Sources disagree on all later ones; Sonnet 5 was seen to refuse
    /// them, and what comes after 5.0 too. A refusal is remembered, so trying costs one call.
    fn holds_to_schemas(self, base: &str) -> bool {
        (Self(4, 5)..=Self(5, 0)).contains(&self) && !(base.contains("sonnet-5") || base.contains("fable"))
    }

    /// 3.7 to 4.5 count tokens; from 4.6 on they are told how hard and find the number themselves. Opus 4.7 refuses to be told
    /// not to think, and needn't be. An id that hides its model is told nothing: the two ways exclude each other.
    fn thinking(self, base: &str) -> Thinking {
        let is = |name: &str| base.contains(name);
        // The words that it knows, how it is told not to think, and whether it thinks when it is told nothing.
        let (words, off, by_default) = match self {
            Self::NEWEST if !base.starts_with("anthropic.claude-") => return Thinking::UNKNOWN,
            Self(..=2, _) | Self(3, ..=6) => return Thinking::UNKNOWN,
            Self(3, _) | Self(4, ..=5) => {
                let word = (self == Self(4, 5) && is("opus")).then_some((UP_TO_HIGH, "effort-2025-11-24"));
                return Thinking {
                    control: Control::Budget(Budget { word, ..BUDGET }),
                    own_draw: true,
                    own_tool_choice: true,
                    no_prefill: true,
                    loop_needs_thoughts: true,
                    ..Thinking::UNKNOWN
                };
            }
            Self(4, 6) => (["low", "low", "medium", "high", "high", "max"], Off::Silence, false),
            Self(4, _) => (ADAPTIVE.words, Off::Silence, false),
            Self(5, 5) if is("haiku") => (["low", "low", "medium", "high", "xhigh", "xhigh"], DISABLED, true),
            Self(5, 5) if is("sonnet") => (ADAPTIVE.words, BETWEEN_TOOLS, true),
            Self(5, 0) if is("opus") || is("sonnet") => (ADAPTIVE.words, DISABLED, true),
            Self(5.., _) => (ADAPTIVE.words, Off::Never, true),
        };
        let shown = Member { path: &["thinking", "display"], text: "summarized" };
        Thinking {
            control: Control::Words(Words { words, off, ..ADAPTIVE }),
            by_default,
            // Later ones keep their thoughts to themselves unless they are asked.
            shown: (self >= Self(4, 7)).then_some(shown),
            own_draw: true,
            no_prefill: true,
            loop_needs_thoughts: true,
            ..Thinking::UNKNOWN
        }
    }

    fn sampling(self) -> Sampling {
        if self >= Self(4, 7) {
            Sampling::Refused
        } else if self >= Self(4, 1) {
            Sampling::Either
        } else {
            Sampling::Both
        }
    }

    /// AWS's tables and model cards; the catalogue knows the minimum of each model better. An hour: 4.5 and later.
    fn cache(self, base: &str) -> Option<CacheSupport> {
        let first_with_it = self >= Self(3, 7)
            || base.contains("claude-3-5-haiku")
            || base.contains("claude-3-5-sonnet-20241022");
        let least_tokens = match self {
            Self(3, 5) if base.contains("haiku") => 2048,
            Self(4, 5..=6) if !base.contains("sonnet") => 4096,
            _ => 1024,
        };
        first_with_it.then_some(CacheSupport { least_tokens, tools: true, one_hour: self >= Self(4, 5) })
    }

    fn max_output_tokens(self, base: &str) -> Option<u32> {
        let most = match self {
            Self::NEWEST => return None,
            Self(..=2, _) | Self(3, ..=4) => 4096,
            Self(3, 5..=6) => 8192,
            Self(4, 0..=4) if base.contains("opus") => 32_000,
            Self(3, _) | Self(4, ..=5) => 64_000,
            Self(4, 6) if base.contains("sonnet") => 64_000,
            Self(4.., _) => 128_000,
        };
        Some(most)
    }
}

/// A part of an id that counts generations. A date has eight digits.
fn number(part: &str) -> Option<u16> {
    let append = |number: u16, byte: u8| byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0'));
    if (1..=2).contains(&part.len()) { part.bytes().try_fold(0, append) } else { None }
}
