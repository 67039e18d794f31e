//! The rows. One line a model: id, class, most output tokens, how it is reached, where it is in its life, and the
//! geo prefixes of its inference profiles.

use super::Can::{
    AssistantFirst, CachePoints, Citations, Documents, ForceAny, ForceTool, Images, JsonSchema, MixResults,
    Prefill, Reasoning, ResultStatus, StreamTools, System, Tools, Video,
};
use super::{Facts, Format, Model, Sampling, Stop, Thinking};

const ON_DEMAND: bool = true;
const PROFILE: bool = false;
const LEGACY: bool = true;
const ACTIVE: bool = false;

const fn model(
    id: &'static str,
    facts: &'static Facts,
    max_tokens: u64,
    on_demand: bool,
    legacy: bool,
    profiles: &'static str,
) -> Model {
    Model { id, facts, max_tokens, on_demand, legacy, profiles }
}

/// A class that Converse alone can talk to.
const fn foreign(can: &'static [super::Can], stop: Stop) -> Facts {
    speaking(Format::Foreign, can, stop)
}

const fn speaking(format: Format, can: &'static [super::Can], stop: Stop) -> Facts {
    Facts { format, can, stop, sampling: Sampling::Any, thinking: Thinking::None, min_tokens: 1 }
}

const fn claude(can: &'static [super::Can], sampling: Sampling, thinking: Thinking) -> Facts {
    Facts { format: Format::Claude, can, stop: Stop::Any, sampling, thinking, min_tokens: 1 }
}

const CLAUDE_3: Facts = claude(
    &[
        System,
        Tools,
        StreamTools,
        ForceAny,
        ForceTool,
        Images,
        Documents,
        MixResults,
        ResultStatus,
        AssistantFirst,
        Prefill,
        Citations,
    ],
    Sampling::Any,
    Thinking::None,
);
const CLAUDE_3_CACHED: Facts = claude(
    &[
        System,
        Tools,
        StreamTools,
        ForceAny,
        ForceTool,
        Images,
        Documents,
        MixResults,
        ResultStatus,
        AssistantFirst,
        Prefill,
        Citations,
        CachePoints,
    ],
    Sampling::Any,
    Thinking::None,
);
const THINKER: &[super::Can] = &[
    System,
    Tools,
    StreamTools,
    ForceAny,
    ForceTool,
    Images,
    Documents,
    MixResults,
    ResultStatus,
    AssistantFirst,
    Prefill,
    Citations,
    CachePoints,
    Reasoning,
];
const WRITER_OF_JSON: &[super::Can] = &[
    System,
    Tools,
    StreamTools,
    ForceAny,
    ForceTool,
    Images,
    Documents,
    MixResults,
    ResultStatus,
    AssistantFirst,
    Prefill,
    Citations,
    CachePoints,
    Reasoning,
    JsonSchema,
];
const WITHOUT_PREFILL: &[super::Can] = &[
    System,
    Tools,
    StreamTools,
    ForceAny,
    ForceTool,
    Images,
    Documents,
    MixResults,
    ResultStatus,
    AssistantFirst,
    Citations,
    CachePoints,
    Reasoning,
    JsonSchema,
];
const WITHOUT_FORCE: &[super::Can] = &[
    System,
    Tools,
    StreamTools,
    Images,
    Documents,
    MixResults,
    ResultStatus,
    AssistantFirst,
    Citations,
    CachePoints,
    Reasoning,
    JsonSchema,
];
const CLAUDE_3_7: Facts = claude(THINKER, Sampling::Any, Thinking::Budget);
const CLAUDE_4: Facts = claude(THINKER, Sampling::Any, Thinking::Budget);
const CLAUDE_4_1: Facts = claude(THINKER, Sampling::OneOf, Thinking::Budget);
const CLAUDE_4_5: Facts = claude(WRITER_OF_JSON, Sampling::OneOf, Thinking::Budget);
const CLAUDE_4_6: Facts = claude(WITHOUT_PREFILL, Sampling::OneOf, Thinking::BudgetOrAdaptive);
const CLAUDE_4_7: Facts = claude(WITHOUT_PREFILL, Sampling::Refused, Thinking::Always);
const CLAUDE_4_8: Facts = claude(WITHOUT_PREFILL, Sampling::Refused, Thinking::Adaptive);
const CLAUDE_FABLE_5: Facts = claude(WITHOUT_PREFILL, Sampling::Refused, Thinking::Always);
const CLAUDE_5_5: Facts = claude(WITHOUT_FORCE, Sampling::Refused, Thinking::Always);
const CLAUDE_SONNET_5_5: Facts = claude(WITHOUT_FORCE, Sampling::Refused, Thinking::BetweenTools);

const LLAMA_PLAIN: Facts = speaking(Format::Llama, &[System, Documents], Stop::Any);
const LLAMA_TOOLS: Facts = speaking(Format::Llama, &[System, Documents, Tools, ResultStatus], Stop::Any);
const LLAMA_VISION: Facts =
    speaking(Format::Llama, &[System, Documents, Tools, ResultStatus, Images], Stop::Any);

const TITAN_TEXT: Facts = speaking(Format::Titan, &[Documents], Stop::Bars);
const TITAN_EMBED: Facts = speaking(Format::TitanEmbed, &[], Stop::Refused);
const COHERE_EMBED: Facts = speaking(Format::CohereEmbed, &[], Stop::Refused);
const NOVA_EMBED: Facts = speaking(Format::NovaEmbed, &[], Stop::Refused);

const NOVA_TEXT: Facts = speaking(
    Format::Nova,
    &[System, Tools, StreamTools, ForceAny, ForceTool, CachePoints, MixResults, ResultStatus],
    Stop::Any,
);
const NOVA: Facts = speaking(
    Format::Nova,
    &[
        System,
        Tools,
        StreamTools,
        ForceAny,
        ForceTool,
        CachePoints,
        MixResults,
        ResultStatus,
        Images,
        Documents,
        Video,
    ],
    Stop::Any,
);
const NOVA_2: Facts = speaking(
    Format::Nova,
    &[
        System,
        Tools,
        StreamTools,
        ForceAny,
        ForceTool,
        CachePoints,
        MixResults,
        ResultStatus,
        Images,
        Documents,
        Video,
        Reasoning,
    ],
    Stop::Any,
);

const MISTRAL_PLAIN: Facts = foreign(&[Documents], Stop::Any);
const MISTRAL_TOOLS: Facts =
    foreign(&[System, Tools, ForceAny, Documents, ResultStatus, JsonSchema], Stop::Any);
const MISTRAL_VISION: Facts =
    foreign(&[System, Tools, ForceAny, Documents, ResultStatus, JsonSchema, Images], Stop::Any);
const JAMBA: Facts = foreign(&[System, Tools, StreamTools, Documents, MixResults], Stop::Any);
const DEEPSEEK_R1: Facts = foreign(&[System, Documents], Stop::Any);
const DEEPSEEK_V3: Facts =
    foreign(&[System, Tools, StreamTools, ForceAny, MixResults, JsonSchema, Reasoning], Stop::Refused);
const GPT_OSS: Facts = foreign(&[System, Tools, StreamTools, MixResults, Reasoning], Stop::Refused);
const GPT: Facts = Facts {
    min_tokens: 16,
    sampling: Sampling::Refused,
    ..foreign(
        &[System, Tools, StreamTools, ForceAny, ForceTool, Images, MixResults, JsonSchema],
        Stop::Refused,
    )
};
const GEMMA: Facts = foreign(&[System, Tools, StreamTools, Images, MixResults, JsonSchema], Stop::Any);
const OPEN_WEIGHT: Facts =
    foreign(&[System, Tools, StreamTools, MixResults, JsonSchema, Reasoning], Stop::Any);
const PALMYRA: Facts = foreign(&[System, Tools, Documents], Stop::Any);
const QWEN: Facts =
    foreign(&[System, Tools, StreamTools, MixResults, AssistantFirst, JsonSchema, Reasoning], Stop::Any);
const QWEN_CODER: Facts =
    foreign(&[System, Tools, StreamTools, MixResults, AssistantFirst, JsonSchema], Stop::Refused);
const QWEN_VL: Facts = foreign(
    &[System, Tools, StreamTools, MixResults, AssistantFirst, JsonSchema, Reasoning, Images],
    Stop::Any,
);
const KIMI: Facts = foreign(
    &[System, Tools, StreamTools, ForceTool, MixResults, AssistantFirst, JsonSchema, Reasoning, Images],
    Stop::Any,
);
const KIMI_K3: Facts = Facts {
    min_tokens: 16,
    ..foreign(
        &[System, Tools, StreamTools, ForceTool, MixResults, AssistantFirst, JsonSchema, Reasoning, Images],
        Stop::Any,
    )
};
const GLM: Facts = foreign(
    &[System, Tools, StreamTools, ForceAny, MixResults, AssistantFirst, JsonSchema, Reasoning],
    Stop::Any,
);

pub(super) const MODELS: &[Model] = &[
    model("ai21.jamba-1-5-large-v1:0", &JAMBA, 4_096, ON_DEMAND, LEGACY, ""),
    model("ai21.jamba-1-5-mini-v1:0", &JAMBA, 4_096, ON_DEMAND, LEGACY, ""),
    model("amazon.nova-2-lite-v1:0", &NOVA_2, 64_000, PROFILE, ACTIVE, "apac eu global jp us"),
    model("amazon.nova-2-multimodal-embeddings-v1:0", &NOVA_EMBED, 4_096, ON_DEMAND, ACTIVE, ""),
    model("amazon.nova-2-pro-preview-20251202-v1:0", &NOVA_2, 64_000, PROFILE, ACTIVE, "apac eu us"),
    model("amazon.nova-lite-v1:0", &NOVA, 10_000, ON_DEMAND, ACTIVE, "apac eu us"),
    model("amazon.nova-micro-v1:0", &NOVA_TEXT, 10_000, ON_DEMAND, ACTIVE, "apac eu us"),
    model("amazon.nova-premier-v1:0", &NOVA, 10_000, PROFILE, LEGACY, "us"),
    model("amazon.nova-pro-v1:0", &NOVA, 10_000, ON_DEMAND, ACTIVE, "apac eu us"),
    model("amazon.titan-embed-g1-text-02", &TITAN_EMBED, 4_096, ON_DEMAND, ACTIVE, ""),
    model("amazon.titan-embed-image-v1", &TITAN_EMBED, 4_096, ON_DEMAND, ACTIVE, ""),
    model("amazon.titan-embed-text-v1", &TITAN_EMBED, 4_096, ON_DEMAND, ACTIVE, ""),
    model("amazon.titan-embed-text-v2:0", &TITAN_EMBED, 4_096, ON_DEMAND, ACTIVE, ""),
    model("amazon.titan-text-express-v1", &TITAN_TEXT, 8_192, ON_DEMAND, LEGACY, ""),
    model("amazon.titan-text-lite-v1", &TITAN_TEXT, 4_096, ON_DEMAND, LEGACY, ""),
    model("amazon.titan-text-premier-v1:0", &TITAN_TEXT, 3_072, ON_DEMAND, LEGACY, ""),
    model("anthropic.claude-3-5-haiku-20241022-v1:0", &CLAUDE_3_CACHED, 8_192, ON_DEMAND, LEGACY, "eu us"),
    model("anthropic.claude-3-5-sonnet-20240620-v1:0", &CLAUDE_3, 8_192, ON_DEMAND, LEGACY, "apac eu us"),
    model(
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        &CLAUDE_3_CACHED,
        8_192,
        PROFILE,
        LEGACY,
        "apac eu us",
    ),
    model("anthropic.claude-3-7-sonnet-20240620-v1:0", &CLAUDE_3_7, 8_192, ON_DEMAND, LEGACY, ""),
    model("anthropic.claude-3-7-sonnet-20250219-v1:0", &CLAUDE_3_7, 8_192, PROFILE, LEGACY, "eu us"),
    model("anthropic.claude-3-haiku-20240307-v1:0", &CLAUDE_3, 4_096, ON_DEMAND, LEGACY, "apac eu us"),
    model("anthropic.claude-3-opus-20240229-v1:0", &CLAUDE_3, 4_096, ON_DEMAND, LEGACY, "eu us"),
    model("anthropic.claude-3-sonnet-20240229-v1:0", &CLAUDE_3, 4_096, ON_DEMAND, LEGACY, "apac eu us"),
    model("anthropic.claude-fable-5", &CLAUDE_FABLE_5, 128_000, PROFILE, ACTIVE, "apac au eu global us"),
    model("anthropic.claude-fable-5-1", &CLAUDE_5_5, 128_000, PROFILE, ACTIVE, "eu global us us-gov"),
    model("anthropic.claude-fable-5-2", &CLAUDE_5_5, 128_000, PROFILE, ACTIVE, "global"),
    model(
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        &CLAUDE_4_5,
        64_000,
        PROFILE,
        ACTIVE,
        "apac au eu global jp us",
    ),
    model(
        "anthropic.claude-haiku-5-5",
        &CLAUDE_4_8,
        128_000,
        PROFILE,
        ACTIVE,
        "apac au eu global jp us us-gov",
    ),
    model("anthropic.claude-mythos-5", &CLAUDE_FABLE_5, 128_000, PROFILE, ACTIVE, "us"),
    model("anthropic.claude-mythos-5-1", &CLAUDE_5_5, 128_000, PROFILE, ACTIVE, "global us"),
    model("anthropic.claude-mythos-preview", &CLAUDE_FABLE_5, 128_000, PROFILE, ACTIVE, "apac au us"),
    model("anthropic.claude-opus-4-1-20250805-v1:0", &CLAUDE_4_1, 32_000, PROFILE, LEGACY, "eu us"),
    model("anthropic.claude-opus-4-20250514-v1:0", &CLAUDE_4, 32_000, PROFILE, LEGACY, "eu us"),
    model("anthropic.claude-opus-4-5-20251101-v1:0", &CLAUDE_4_5, 64_000, PROFILE, ACTIVE, "eu global us"),
    model("anthropic.claude-opus-4-6-v1", &CLAUDE_4_6, 128_000, PROFILE, ACTIVE, "au eu global us"),
    model("anthropic.claude-opus-4-7", &CLAUDE_4_7, 128_000, PROFILE, ACTIVE, "apac au eu global jp us"),
    model(
        "anthropic.claude-opus-4-8",
        &CLAUDE_4_8,
        128_000,
        PROFILE,
        ACTIVE,
        "apac au eu global jp us us-gov",
    ),
    model("anthropic.claude-opus-5", &CLAUDE_4_8, 128_000, PROFILE, ACTIVE, "apac au eu global jp us us-gov"),
    model(
        "anthropic.claude-opus-5-5",
        &CLAUDE_5_5,
        128_000,
        PROFILE,
        ACTIVE,
        "apac au eu global jp us us-gov",
    ),
    model("anthropic.claude-sonnet-4-20250514-v1:0", &CLAUDE_4, 64_000, PROFILE, LEGACY, "apac eu global us"),
    model(
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        &CLAUDE_4_5,
        64_000,
        PROFILE,
        LEGACY,
        "au eu global jp us us-gov",
    ),
    model("anthropic.claude-sonnet-4-6", &CLAUDE_4_6, 64_000, PROFILE, ACTIVE, "apac au eu global jp us"),
    model(
        "anthropic.claude-sonnet-5",
        &CLAUDE_4_8,
        128_000,
        PROFILE,
        ACTIVE,
        "apac au eu global jp us us-gov",
    ),
    model(
        "anthropic.claude-sonnet-5-5",
        &CLAUDE_SONNET_5_5,
        128_000,
        PROFILE,
        ACTIVE,
        "apac au eu global jp us us-gov",
    ),
    model("cohere.embed-english-v3", &COHERE_EMBED, 4_096, ON_DEMAND, ACTIVE, ""),
    model("cohere.embed-multilingual-v3", &COHERE_EMBED, 4_096, ON_DEMAND, ACTIVE, ""),
    model("cohere.embed-v4:0", &COHERE_EMBED, 4_096, ON_DEMAND, ACTIVE, "global us"),
    model("deepseek.r1-v1:0", &DEEPSEEK_R1, 8_192, PROFILE, LEGACY, "us"),
    model("deepseek.v3-v1:0", &DEEPSEEK_V3, 8_000, ON_DEMAND, LEGACY, ""),
    model("deepseek.v3.1", &DEEPSEEK_V3, 8_000, ON_DEMAND, ACTIVE, ""),
    model("deepseek.v3.2", &DEEPSEEK_V3, 8_000, ON_DEMAND, ACTIVE, "eu us"),
    model("google.gemma-3-12b-it", &GEMMA, 8_000, ON_DEMAND, LEGACY, ""),
    model("google.gemma-3-27b-it", &GEMMA, 8_000, ON_DEMAND, LEGACY, ""),
    model("google.gemma-3-4b-it", &GEMMA, 8_000, ON_DEMAND, LEGACY, ""),
    model("google.gemma-4-26b-a4b", &GEMMA, 256_000, ON_DEMAND, ACTIVE, ""),
    model("google.gemma-4-31b", &GEMMA, 256_000, ON_DEMAND, ACTIVE, ""),
    model("google.gemma-4-e2b", &GEMMA, 128_000, ON_DEMAND, ACTIVE, ""),
    model("meta.llama2-13b-chat-v1", &LLAMA_PLAIN, 4_096, ON_DEMAND, LEGACY, ""),
    model("meta.llama2-70b-chat-v1", &LLAMA_PLAIN, 4_096, ON_DEMAND, LEGACY, ""),
    model("meta.llama3-1-405b-instruct-v1:0", &LLAMA_TOOLS, 4_096, ON_DEMAND, LEGACY, "us"),
    model("meta.llama3-1-70b-instruct-v1:0", &LLAMA_TOOLS, 4_096, ON_DEMAND, LEGACY, "us"),
    model("meta.llama3-1-8b-instruct-v1:0", &LLAMA_TOOLS, 4_096, ON_DEMAND, LEGACY, "us"),
    model("meta.llama3-2-11b-instruct-v1:0", &LLAMA_VISION, 4_096, PROFILE, LEGACY, "us"),
    model("meta.llama3-2-1b-instruct-v1:0", &LLAMA_PLAIN, 4_096, PROFILE, LEGACY, "eu us"),
    model("meta.llama3-2-3b-instruct-v1:0", &LLAMA_PLAIN, 4_096, PROFILE, LEGACY, "eu us"),
    model("meta.llama3-2-90b-instruct-v1:0", &LLAMA_VISION, 4_096, PROFILE, LEGACY, "us"),
    model("meta.llama3-3-70b-instruct-v1:0", &LLAMA_TOOLS, 4_096, PROFILE, LEGACY, "us"),
    model("meta.llama3-70b-instruct-v1:0", &LLAMA_PLAIN, 8_192, ON_DEMAND, LEGACY, ""),
    model("meta.llama3-8b-instruct-v1:0", &LLAMA_PLAIN, 8_192, ON_DEMAND, LEGACY, ""),
    model("meta.llama4-maverick-17b-instruct-v1:0", &LLAMA_VISION, 8_192, PROFILE, LEGACY, "us"),
    model("meta.llama4-scout-17b-instruct-v1:0", &LLAMA_VISION, 8_192, PROFILE, LEGACY, "us"),
    model("minimax.minimax-m2", &OPEN_WEIGHT, 8_000, ON_DEMAND, LEGACY, ""),
    model("minimax.minimax-m2.1", &OPEN_WEIGHT, 8_000, ON_DEMAND, LEGACY, ""),
    model("minimax.minimax-m2.5", &OPEN_WEIGHT, 8_000, ON_DEMAND, ACTIVE, ""),
    model("mistral.devstral-2-123b", &MISTRAL_TOOLS, 32_000, ON_DEMAND, LEGACY, ""),
    model("mistral.magistral-small-2509", &MISTRAL_TOOLS, 40_000, ON_DEMAND, ACTIVE, ""),
    model("mistral.ministral-3-14b-instruct", &MISTRAL_TOOLS, 8_000, ON_DEMAND, ACTIVE, ""),
    model("mistral.ministral-3-3b-instruct", &MISTRAL_TOOLS, 8_000, ON_DEMAND, ACTIVE, ""),
    model("mistral.ministral-3-8b-instruct", &MISTRAL_TOOLS, 8_000, ON_DEMAND, ACTIVE, ""),
    model("mistral.mistral-7b-instruct-v0:2", &MISTRAL_PLAIN, 4_096, ON_DEMAND, LEGACY, ""),
    model("mistral.mistral-large-2402-v1:0", &MISTRAL_TOOLS, 4_096, ON_DEMAND, ACTIVE, ""),
    model("mistral.mistral-large-2407-v1:0", &MISTRAL_TOOLS, 8_191, ON_DEMAND, ACTIVE, ""),
    model("mistral.mistral-large-3-675b-instruct", &MISTRAL_VISION, 32_000, ON_DEMAND, ACTIVE, ""),
    model("mistral.mistral-small-2402-v1:0", &MISTRAL_TOOLS, 4_096, ON_DEMAND, ACTIVE, ""),
    model("mistral.mixtral-8x7b-instruct-v0:1", &MISTRAL_PLAIN, 4_096, ON_DEMAND, LEGACY, ""),
    model("mistral.pixtral-large-2502-v1:0", &MISTRAL_VISION, 16_384, PROFILE, ACTIVE, "eu us"),
    model("mistral.voxtral-mini-3b-2507", &MISTRAL_TOOLS, 8_192, ON_DEMAND, LEGACY, ""),
    model("mistral.voxtral-small-24b-2507", &MISTRAL_TOOLS, 8_192, ON_DEMAND, LEGACY, ""),
    model("moonshot.kimi-k2-thinking", &KIMI, 16_000, ON_DEMAND, LEGACY, ""),
    model("moonshotai.kimi-k2-thinking", &KIMI, 16_000, ON_DEMAND, LEGACY, ""),
    model("moonshotai.kimi-k2.5", &KIMI, 16_000, ON_DEMAND, ACTIVE, ""),
    model("moonshotai.kimi-k3", &KIMI_K3, 131_072, PROFILE, ACTIVE, "global in us"),
    model("moonshotai.kimi-k3.1", &KIMI_K3, 4_096, PROFILE, ACTIVE, "global"),
    model("nvidia.nemotron-nano-12b-v2", &OPEN_WEIGHT, 8_000, ON_DEMAND, LEGACY, "us-gov"),
    model("nvidia.nemotron-nano-3-30b", &OPEN_WEIGHT, 8_000, ON_DEMAND, ACTIVE, "us-gov"),
    model("nvidia.nemotron-nano-9b-v2", &OPEN_WEIGHT, 8_000, ON_DEMAND, LEGACY, "us-gov"),
    model("nvidia.nemotron-super-3-120b", &OPEN_WEIGHT, 32_000, ON_DEMAND, ACTIVE, "us-gov"),
    model("openai.gpt-5.4", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-5.5", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-5.6-cyber", &GPT, 128_000, ON_DEMAND, ACTIVE, ""),
    model("openai.gpt-5.6-luna", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-5.6-sol", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-5.6-terra", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-6-astra", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-6-luna", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-6-sol", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-6.1-sol", &GPT, 131_072, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-6.1-terra", &GPT, 128_000, PROFILE, ACTIVE, "global us"),
    model("openai.gpt-daybreak-blue-5.6-sol", &GPT, 128_000, ON_DEMAND, ACTIVE, ""),
    model("openai.gpt-oss-120b", &GPT_OSS, 16_384, ON_DEMAND, ACTIVE, ""),
    model("openai.gpt-oss-120b-1:0", &GPT_OSS, 16_384, ON_DEMAND, ACTIVE, "us-gov"),
    model("openai.gpt-oss-20b", &GPT_OSS, 16_384, ON_DEMAND, ACTIVE, ""),
    model("openai.gpt-oss-20b-1:0", &GPT_OSS, 16_384, ON_DEMAND, ACTIVE, "us-gov"),
    model("openai.gpt-oss-safeguard-120b", &GPT_OSS, 16_000, ON_DEMAND, ACTIVE, ""),
    model("openai.gpt-oss-safeguard-20b", &GPT_OSS, 16_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-235b-a22b-2507", &QWEN, 8_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-235b-a22b-2507-v1:0", &QWEN, 8_192, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-32b", &QWEN, 8_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-32b-v1:0", &QWEN, 8_192, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-coder-30b-a3b-instruct", &QWEN_CODER, 16_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-coder-30b-a3b-v1:0", &QWEN_CODER, 16_384, ON_DEMAND, LEGACY, ""),
    model("qwen.qwen3-coder-480b-a35b-instruct", &QWEN_CODER, 16_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-coder-480b-a35b-v1:0", &QWEN_CODER, 16_384, ON_DEMAND, LEGACY, ""),
    model("qwen.qwen3-coder-next", &QWEN_CODER, 16_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-next-80b-a3b", &QWEN, 8_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-next-80b-a3b-instruct", &QWEN, 8_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-vl-235b-a22b", &QWEN_VL, 8_000, ON_DEMAND, ACTIVE, ""),
    model("qwen.qwen3-vl-235b-a22b-instruct", &QWEN_VL, 8_000, ON_DEMAND, ACTIVE, ""),
    model("writer.palmyra-vision-7b", &PALMYRA, 4_096, ON_DEMAND, ACTIVE, ""),
    model("writer.palmyra-x4-v1:0", &PALMYRA, 8_192, PROFILE, LEGACY, "us"),
    model("writer.palmyra-x5-v1:0", &PALMYRA, 8_192, PROFILE, LEGACY, "us"),
    model("xai.grok-4.3", &GPT, 16_384, ON_DEMAND, ACTIVE, ""),
    model("xai.grok-4.6", &GPT, 500_000, PROFILE, ACTIVE, "global us us-gov"),
    model("xai.grok-4.7", &GPT, 524_288, PROFILE, ACTIVE, "global us"),
    model("zai.glm-4.7", &GLM, 128_000, ON_DEMAND, LEGACY, ""),
    model("zai.glm-4.7-flash", &GLM, 128_000, ON_DEMAND, LEGACY, ""),
    model("zai.glm-5", &GLM, 128_000, ON_DEMAND, ACTIVE, ""),
    model("zai.glm-5.3", &GLM, 128_000, PROFILE, ACTIVE, "global us"),
];
