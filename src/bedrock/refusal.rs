//! What a model won't take, read from what Bedrock says about it.
//!
//! Sources: texts in recorded traffic and in public reports, 2025 and 2026. A text that isn't known here is no
//! refusal: the client gets it as it is.

use std::borrow::Cow;

/// One thing in a request that the model refuses, whatever its family is said to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Stop texts.
    StopTexts,
    /// `temperature`
    Temperature,
    /// `top_p`
    TopP,
    /// `temperature` beside `top_p`.
    TemperatureWithTopP,
    /// `top_k`
    TopK,
    /// To be told that some tool must be called.
    ForcedAny,
    /// To be told which tool must be called.
    ForcedNamed,
    /// To be told to call at all.
    Forced,
    /// Tools in a streamed call.
    ToolsWhileStreaming,
    /// System messages.
    System,
    /// Cache points.
    CachePoints,
    /// Tool results that are marked as failed.
    ToolResultStatus,
    /// Pictures or files in tool results.
    ToolResultImages,
    /// The assistant's turn as the last.
    Prefill,
    /// The assistant's turn as the first.
    LeadingAssistant,
    /// Replies that are held to a schema.
    OutputFormat,
    /// This one schema of the reply.
    OutputSchema,
    /// Strict tools.
    StrictTools,
    /// One of these strict tools' schemas, or all of them together.
    StrictSchema,
    /// To be told how hard to think, or in this way.
    Reasoning,
    /// The tier of service.
    ServiceTier,
    /// The latency.
    Latency,
    /// Members of its own reply.
    ReplyFields,
    /// More tokens than these.
    MaxTokens(u32),
}

impl Refusal {
    /// Reads what Bedrock said.
    pub fn read(said: &str) -> Option<Self> {
        let said = plain(said);
        let has = |text: &str| said.contains(text);
        if let Some(most) = most_tokens(&said) {
            return Some(Self::MaxTokens(most));
        }
        // First the sentences: they name some of the members too.
        let sentence = SENTENCES.iter().find(|(texts, _)| texts.iter().all(|text| has(text)));
        sentence.map(|(_, refusal)| *refusal).or_else(|| member(&said).and_then(|member| of_member(&member)))
    }

    /// For logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::StopTexts => "stop_texts",
            Self::Temperature => "temperature",
            Self::TopP => "top_p",
            Self::TemperatureWithTopP => "temperature_with_top_p",
            Self::TopK => "top_k",
            Self::ForcedAny => "forced_any",
            Self::ForcedNamed => "forced_named",
            Self::Forced => "forced",
            Self::ToolsWhileStreaming => "tools_while_streaming",
            Self::System => "system",
            Self::CachePoints => "cache_points",
            Self::ToolResultStatus => "tool_result_status",
            Self::ToolResultImages => "tool_result_images",
            Self::Prefill => "prefill",
            Self::LeadingAssistant => "leading_assistant",
            Self::OutputFormat => "output_format",
            Self::OutputSchema => "output_schema",
            Self::StrictTools => "strict_tools",
            Self::StrictSchema => "strict_schema",
            Self::Reasoning => "reasoning",
            Self::ServiceTier => "service_tier",
            Self::Latency => "latency",
            Self::ReplyFields => "reply_fields",
            Self::MaxTokens(_) => "max_tokens",
        }
    }

    /// Will the model refuse the same in the next request too, or was it about this one's content?
    pub fn is_lasting(self) -> bool {
        match self {
            Self::OutputSchema | Self::StrictSchema => false,
            Self::StopTexts
            | Self::Temperature
            | Self::TopP
            | Self::TemperatureWithTopP
            | Self::TopK
            | Self::ForcedAny
            | Self::ForcedNamed
            | Self::Forced
            | Self::ToolsWhileStreaming
            | Self::System
            | Self::CachePoints
            | Self::ToolResultStatus
            | Self::ToolResultImages
            | Self::Prefill
            | Self::LeadingAssistant
            | Self::OutputFormat
            | Self::StrictTools
            | Self::Reasoning
            | Self::ServiceTier
            | Self::Latency
            | Self::ReplyFields
            | Self::MaxTokens(_) => true,
        }
    }
}

/// Sentences by what they hold, in the order they are tried.
const SENTENCES: &[(&[&str], Refusal)] = &[
    (&["tool use in streaming mode"], Refusal::ToolsWhileStreaming),
    (&["support system messages"], Refusal::System),
    (&["assistant message prefill"], Refusal::Prefill),
    (&["must end with a user message"], Refusal::Prefill),
    (&["must start with a user message"], Refusal::LeadingAssistant),
    (&["did not allow prompt caching"], Refusal::CachePoints),
    (&["temperature", "top_p", "both"], Refusal::TemperatureWithTopP),
    (&["temperature", "topp", "both"], Refusal::TemperatureWithTopP),
    (&["image content block", "toolresult"], Refusal::ToolResultImages),
    (&["document content block", "toolresult"], Refusal::ToolResultImages),
    (&["tool_choice forces tool use"], Refusal::Forced),
    (&["strict tools"], Refusal::StrictSchema),
    (&[".custom.input_schema: for '"], Refusal::StrictSchema),
    (&["grammar compilation"], Refusal::StrictSchema),
    (&["compiled grammar"], Refusal::OutputSchema),
    (&["output_config.format.schema"], Refusal::OutputSchema),
    (&["the json schema"], Refusal::OutputSchema),
    (&["latency performance configuration"], Refusal::Latency),
    (&["service tier", "support"], Refusal::ServiceTier),
    (&["thinking", "is not supported"], Refusal::Reasoning),
    (&["reasoning effort", "not support"], Refusal::Reasoning),
    (&["reasoning_effort", "not support"], Refusal::Reasoning),
];

/// In lower case, with one kind of apostrophe, and no longer than such a sentence is.
fn plain(said: &str) -> String {
    const LONGEST: usize = 600;
    said.chars().take(LONGEST).map(|c| if c == '’' { '\'' } else { c.to_ascii_lowercase() }).collect()
}

/// "The maximum tokens you requested exceeds the model limit of 8192." and Claude's "`max_tokens`: 100000 > 8192,
/// which is the maximum allowed number of output tokens".
fn most_tokens(said: &str) -> Option<u32> {
    let after = said
        .split_once("maximum tokens you requested exceeds the model limit of ")
        .or_else(|| said.split_once("max_tokens: ")?.1.split_once(" > "))?
        .1;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    // More digits than a number has is no limit.
    match digits.parse() {
        Ok(0) | Err(_) => None,
        Ok(most) => Some(most),
    }
}

/// The member of the request that a sentence refuses, if it is of one of the known forms.
fn member(said: &str) -> Option<Cow<'_, str>> {
    let last_word =
        |text: &str| text.rsplit([' ', '\n']).next().map(|word| word.trim_matches('`').to_owned());
    if let Some((_, rest)) = said.split_once("support the ") {
        // "This model doesn't support the toolConfig.toolChoice.any field."
        return rest.split_once(" field").map(|(member, _)| Cow::Borrowed(member.trim_matches('`')));
    }
    if let Some((_, rest)) = said.split_once("extraneous key [") {
        return rest.split_once(']').map(|(member, _)| Cow::Borrowed(member));
    }
    [
        ": extra inputs are not permitted",
        " is deprecated for this model",
        " is not supported",
        " are not supported",
    ]
    .iter()
    .find_map(|form| last_word(said.split_once(form)?.0))
    .map(Cow::Owned)
}

fn of_member(member: &str) -> Option<Refusal> {
    let has = |text: &str| member.contains(text);
    let ends = |text: &str| member.rsplit('.').next() == Some(text);
    if member.contains(' ') {
        return None;
    }
    Some(match () {
        () if ends("strict") => Refusal::StrictTools,
        () if has("toolchoice") || has("tool_choice") => match () {
            () if ends("any") => Refusal::ForcedAny,
            () if ends("tool") => Refusal::ForcedNamed,
            () if has("disable_parallel") => return None,
            () => Refusal::Forced,
        },
        () if has("effort") || has("thinking") || has("reasoning") => Refusal::Reasoning,
        () if has("output_config") || has("outputconfig") || has("textformat") || has("output_format") => {
            Refusal::OutputFormat
        }
        () if ends("stopsequences") || ends("stop_sequences") || ends("stop") => Refusal::StopTexts,
        () if ends("temperature") => Refusal::Temperature,
        () if ends("topp") || ends("top_p") => Refusal::TopP,
        () if ends("topk") || ends("top_k") => Refusal::TopK,
        () if ends("cachepoint") || ends("cache_control") => Refusal::CachePoints,
        () if ends("status") || ends("is_error") => Refusal::ToolResultStatus,
        () if ends("servicetier") || ends("service_tier") => Refusal::ServiceTier,
        () if has("performanceconfig") || ends("latency") => Refusal::Latency,
        () if has("additionalmodelresponsefieldpaths") => Refusal::ReplyFields,
        () if ends("system") => Refusal::System,
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_says_what_is_refused() {
        for (said, refusal) in [
            (
                "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
                Refusal::StopTexts,
            ),
            ("This model doesn’t support the toolConfig.toolChoice.any field. Remove …", Refusal::ForcedAny),
            ("This model doesn't support the toolConfig.toolChoice.tool field.", Refusal::ForcedNamed),
            ("This model doesn't support the toolConfig.toolChoice field.", Refusal::Forced),
            ("Thinking may not be enabled when tool_choice forces tool use.", Refusal::Forced),
            ("This model doesn't support tool use in streaming mode.", Refusal::ToolsWhileStreaming),
            (
                "This model doesn't support system messages. Try again without a system message or use a model that supports system messages.",
                Refusal::System,
            ),
            (
                "The model returned the following errors: `temperature` is deprecated for this model.",
                Refusal::Temperature,
            ),
            ("The model returned the following errors: `top_p` is deprecated for this model.", Refusal::TopP),
            (
                "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
                Refusal::TemperatureWithTopP,
            ),
            (
                "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input and try again.",
                Refusal::TopK,
            ),
            (
                "This model doesn't support the cachePoint field. Remove cachePoint and try again.",
                Refusal::CachePoints,
            ),
            (
                "You invoked an unsupported model or your request did not allow prompt caching.",
                Refusal::CachePoints,
            ),
            (
                "This model doesn't support the status field. Update the content block and try again.",
                Refusal::ToolResultStatus,
            ),
            (
                "This model does not support assistant message prefill. The conversation must end with a user message.",
                Refusal::Prefill,
            ),
            ("A conversation must start with a user message. Try again with …", Refusal::LeadingAssistant),
            ("This model doesn't support the outputConfig.textFormat field.", Refusal::OutputFormat),
            (
                "The model returned the following errors: output_config.format: Extra inputs are not permitted",
                Refusal::OutputFormat,
            ),
            (
                "output_config.format.schema: For 'object' type, property 'maxLength' is not supported",
                Refusal::OutputSchema,
            ),
            (
                "The model returned the following errors: tools.0.custom.strict: Extra inputs are not permitted",
                Refusal::StrictTools,
            ),
            ("This model doesn't support the strict field in toolSpec. Update …", Refusal::StrictTools),
            (
                "tools.3.custom.input_schema: For 'array' type, 'minItems' values other than 0 or 1 are not supported",
                Refusal::StrictSchema,
            ),
            (
                "Schemas contain too many optional parameters (25), which would make grammar compilation inefficient.",
                Refusal::StrictSchema,
            ),
            ("output_config.effort: Extra inputs are not permitted", Refusal::Reasoning),
            ("reasoning: Extra inputs are not permitted", Refusal::Reasoning),
            ("adaptive thinking is not supported on this model", Refusal::Reasoning),
            ("\"thinking.type.enabled\" is not supported for this model.", Refusal::Reasoning),
            ("This model doesn't support the serviceTier field.", Refusal::ServiceTier),
            ("Latency performance configuration is not supported for this model.", Refusal::Latency),
            ("This model doesn't support the additionalModelResponseFieldPaths field.", Refusal::ReplyFields),
            (
                "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is lower than 8192.",
                Refusal::MaxTokens(8192),
            ),
            (
                "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-x",
                Refusal::MaxTokens(64_000),
            ),
        ] {
            assert_eq!(Refusal::read(said), Some(refusal), "{said}");
        }
    }

    #[test]
    fn what_would_change_the_meaning_is_no_such_refusal() {
        for said in [
            "",
            "This model doesn't support tool use.",
            "This model doesn't support the image content block that you provided.",
            "This model doesn't support documents.",
            "Input is too long for requested model.",
            "messages.1.content.0: Expected `thinking` or `redacted_thinking`, but found `tool_use`",
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
            "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level",
            "max_tokens: Input should be greater than 0",
            "max_tokens: 5 > 99999999999999",
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ] {
            assert_eq!(Refusal::read(said), None, "{said}");
        }
    }
}
