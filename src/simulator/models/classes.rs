//! The classes: what the models of one generation accept, each written as its predecessor with or without something.

use super::Can::{
    AssistantFirst, Audio, CacheHour, CachePoints, Citations, Documents, ForceAny, ForceTool, Images,
    JsonSchema, MixResults, Prefill, Reasoning, ResultMedia, ResultStatus, S3, StreamTools, Strict, System,
    SystemTurns, Tools, Video,
};
use super::{Abilities, Facts, Fields, Format, Sampling, Stop, Thinking};

const fn speaking(format: Format, can: Abilities, stop: Stop, fields: Fields) -> Facts {
    Facts { format, can, stop, sampling: Sampling::Any, thinking: Thinking::None, fields, min_tokens: 1 }
}

const fn claude(can: Abilities, sampling: Sampling, thinking: Thinking) -> Facts {
    Facts {
        format: Format::Claude,
        can,
        stop: Stop::Any,
        sampling,
        thinking,
        fields: Fields::Claude,
        min_tokens: 1,
    }
}

const fn abilities(list: &[super::Can]) -> Abilities {
    Abilities::NONE.with(list)
}

const READER: Abilities = abilities(&[
    System,
    Tools,
    StreamTools,
    ForceAny,
    ForceTool,
    Images,
    Documents,
    MixResults,
    ResultMedia,
    ResultStatus,
    AssistantFirst,
    Prefill,
    Citations,
]);
const CACHER: Abilities = READER.with(&[CachePoints]);
const THINKER: Abilities = CACHER.with(&[Reasoning]);
const WRITER_OF_JSON: Abilities = THINKER.with(&[JsonSchema, Strict, CacheHour]);
const WITHOUT_PREFILL: Abilities = WRITER_OF_JSON.without(&[Prefill]);
/// From 4.7 on strict tools are refused.
const LATER: Abilities = WITHOUT_PREFILL.without(&[Strict]);
const LISTENER: Abilities = LATER.with(&[SystemTurns]);
const WITHOUT_FORCE: Abilities = LATER.without(&[ForceAny, ForceTool]);

pub(super) const CLAUDE_2: Facts = Facts {
    fields: Fields::Only(&["top_k"]),
    ..speaking(
        Format::ClaudeText,
        abilities(&[System, Documents, AssistantFirst, Prefill]),
        Stop::Any,
        Fields::Nothing,
    )
};
pub(super) const CLAUDE_3: Facts = claude(READER, Sampling::Any, Thinking::None);
pub(super) const CLAUDE_3_CACHED: Facts = claude(CACHER, Sampling::Any, Thinking::None);
pub(super) const CLAUDE_3_7: Facts = claude(THINKER, Sampling::Any, Thinking::Budget);
pub(super) const CLAUDE_4: Facts = claude(THINKER, Sampling::Any, Thinking::Budget);
pub(super) const CLAUDE_4_1: Facts = claude(THINKER, Sampling::OneOf, Thinking::Budget);
pub(super) const CLAUDE_4_5: Facts = claude(WRITER_OF_JSON, Sampling::OneOf, Thinking::Budget);
pub(super) const CLAUDE_4_6: Facts = claude(WITHOUT_PREFILL, Sampling::OneOf, Thinking::BudgetOrAdaptive);
pub(super) const CLAUDE_4_7: Facts = claude(LATER, Sampling::Refused, Thinking::Always);
pub(super) const CLAUDE_4_8: Facts = claude(LISTENER, Sampling::Refused, Thinking::Adaptive);
pub(super) const CLAUDE_5: Facts = claude(LISTENER, Sampling::Refused, Thinking::Adaptive);
pub(super) const CLAUDE_FABLE_5: Facts = claude(LISTENER, Sampling::Refused, Thinking::Always);
pub(super) const CLAUDE_5_5: Facts = claude(WITHOUT_FORCE, Sampling::Refused, Thinking::Always);
pub(super) const CLAUDE_HAIKU_5_5: Facts = claude(LATER, Sampling::Refused, Thinking::Adaptive);
pub(super) const CLAUDE_SONNET_5_5: Facts = claude(WITHOUT_FORCE, Sampling::Refused, Thinking::BetweenTools);

const LLAMA: Abilities = abilities(&[System, Documents]);
pub(super) const LLAMA_PLAIN: Facts = speaking(Format::Llama, LLAMA, Stop::Any, Fields::Nothing);
pub(super) const LLAMA_TOOLS: Facts =
    speaking(Format::Llama, LLAMA.with(&[Tools, ResultStatus]), Stop::Any, Fields::Nothing);
pub(super) const LLAMA_VISION: Facts =
    speaking(Format::Llama, LLAMA.with(&[Tools, ResultStatus, Images]), Stop::Any, Fields::Nothing);

pub(super) const TITAN_TEXT: Facts =
    speaking(Format::Titan, abilities(&[Documents]), Stop::Bars, Fields::Nothing);
pub(super) const TITAN_EMBED: Facts =
    speaking(Format::TitanEmbed, Abilities::NONE, Stop::Refused, Fields::Nothing);
pub(super) const COHERE_EMBED: Facts =
    speaking(Format::CohereEmbed, Abilities::NONE, Stop::Refused, Fields::Nothing);
pub(super) const NOVA_EMBED: Facts =
    speaking(Format::NovaEmbed, Abilities::NONE, Stop::Refused, Fields::Nothing);

const NOVA_WORDS: Abilities =
    abilities(&[System, Tools, StreamTools, ForceAny, ForceTool, CachePoints, MixResults, ResultStatus]);
const NOVA_SEES: Abilities = NOVA_WORDS.with(&[Images, Documents, Video, S3, ResultMedia]);
pub(super) const NOVA_TEXT: Facts = speaking(Format::Nova, NOVA_WORDS, Stop::Any, Fields::Nova);
pub(super) const NOVA: Facts = speaking(Format::Nova, NOVA_SEES, Stop::Any, Fields::Nova);
pub(super) const NOVA_2: Facts =
    speaking(Format::Nova, NOVA_SEES.with(&[Reasoning]), Stop::Any, Fields::NovaReasoning);

const MISTRAL: Abilities = abilities(&[System, Tools, ForceAny, Documents, ResultStatus, JsonSchema]);
const TOP_K: Fields = Fields::Only(&["top_k"]);
pub(super) const MISTRAL_PLAIN: Facts =
    speaking(Format::MistralPrompt, abilities(&[Documents]), Stop::Any, TOP_K);
/// Those whose native bodies take a prompt as well as a chat.
pub(super) const MISTRAL_SMALL: Facts = speaking(Format::MistralPrompt, MISTRAL, Stop::Any, TOP_K);
pub(super) const MISTRAL_TOOLS: Facts = speaking(Format::MistralChat, MISTRAL, Stop::Any, TOP_K);
pub(super) const MISTRAL_VISION: Facts =
    speaking(Format::MistralChat, MISTRAL.with(&[Images]), Stop::Any, TOP_K);
pub(super) const MISTRAL_VOICE: Facts =
    speaking(Format::MistralChat, MISTRAL.with(&[Audio]), Stop::Any, TOP_K);

pub(super) const COMMAND: Facts =
    speaking(Format::CohereCommand, abilities(&[Documents]), Stop::Any, Fields::Only(&["k"]));
pub(super) const COMMAND_R: Facts = speaking(
    Format::CohereChat,
    abilities(&[System, Tools, StreamTools, Documents, MixResults]),
    Stop::Any,
    Fields::Only(&["k", "seed", "frequency_penalty", "presence_penalty"]),
);
pub(super) const JAMBA: Facts = speaking(
    Format::Jamba,
    abilities(&[System, Tools, StreamTools, Documents, MixResults]),
    Stop::Any,
    Fields::Only(&["n", "frequency_penalty", "presence_penalty"]),
);
pub(super) const DEEPSEEK_R1: Facts =
    speaking(Format::DeepSeekPrompt, abilities(&[System, Documents]), Stop::Any, Fields::Nothing);

const CHAT: Abilities = abilities(&[System, Tools, StreamTools, MixResults]);
const CHAT_JSON: Abilities = CHAT.with(&[JsonSchema]);
const CHAT_THINKER: Abilities = CHAT_JSON.with(&[Reasoning]);
const ON_OR_OFF: Fields = Fields::Effort(&["none", "high"]);
pub(super) const DEEPSEEK_V3: Facts =
    speaking(Format::Chat, CHAT_THINKER.with(&[ForceAny]), Stop::Refused, ON_OR_OFF);
pub(super) const GPT_OSS: Facts = speaking(
    Format::Chat,
    CHAT.with(&[Reasoning]),
    Stop::Refused,
    Fields::Effort(&["low", "medium", "high"]),
);
pub(super) const GPT: Facts = Facts {
    min_tokens: 16,
    sampling: Sampling::Refused,
    ..speaking(
        Format::Foreign,
        CHAT_THINKER.with(&[ForceAny, ForceTool, Images]),
        Stop::Refused,
        Fields::Reasoning(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    )
};
/// GPT that can't be kept from thinking.
pub(super) const GPT_ALWAYS: Facts =
    Facts { fields: Fields::Reasoning(&["low", "medium", "high", "xhigh", "max"]), ..GPT };
pub(super) const GROK: Facts =
    Facts { fields: Fields::Reasoning(&["low", "medium", "high", "xhigh"]), ..GPT };
pub(super) const GEMMA: Facts = speaking(Format::Chat, CHAT_JSON.with(&[Images]), Stop::Any, Fields::Chat);
pub(super) const OPEN_WEIGHT: Facts = speaking(Format::Chat, CHAT_THINKER, Stop::Any, Fields::Chat);
pub(super) const PALMYRA: Facts =
    speaking(Format::Chat, abilities(&[System, Tools, Documents]), Stop::Any, Fields::Chat);
const QWEN_WORDS: Fields = Fields::Config(&["none", "low", "medium", "high"]);
pub(super) const QWEN: Facts =
    speaking(Format::Chat, CHAT_THINKER.with(&[AssistantFirst]), Stop::Any, QWEN_WORDS);
pub(super) const QWEN_CODER: Facts =
    speaking(Format::Chat, CHAT_JSON.with(&[AssistantFirst]), Stop::Refused, QWEN_WORDS);
pub(super) const QWEN_VL: Facts =
    speaking(Format::Chat, CHAT_THINKER.with(&[AssistantFirst, Images]), Stop::Any, QWEN_WORDS);
pub(super) const KIMI: Facts =
    speaking(Format::Chat, CHAT_THINKER.with(&[ForceTool, AssistantFirst, Images]), Stop::Any, Fields::Chat);
pub(super) const KIMI_K3: Facts = Facts { min_tokens: 16, ..KIMI };
pub(super) const GLM: Facts =
    speaking(Format::Chat, CHAT_THINKER.with(&[ForceAny, AssistantFirst]), Stop::Any, ON_OR_OFF);
pub(super) const GLM_5_3: Facts = speaking(
    Format::Chat,
    CHAT_THINKER.with(&[ForceAny, ForceTool, AssistantFirst]),
    Stop::Any,
    Fields::Effort(&["low", "medium", "high", "xhigh", "max"]),
);
