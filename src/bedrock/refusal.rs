//! What a model won't take, read from what Bedrock says about it.
//!
//! Sources: texts in recorded traffic and in public reports, 2025 and 2026. A text that isn't known here is no
//! refusal: the client gets it as it is.

use std::borrow::Cow;

use super::overflow;

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
    /// More tokens than these, beside this prompt.
    Room(u32),
}

/// A refusal, and what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// What.
    pub what: Refusal,
    /// Will the model refuse the same in the next request too? Not if it was about the value that this one gave, or about
    /// what else is in it: then others with other values are none the worse.
    pub lasting: bool,
}

impl Refused {
    /// Reads what Bedrock said.
    pub fn read(said: &str) -> Option<Self> {
        use Span::{Model, Value};
        if let Some(room) = overflow::room(said) {
            return Some(Value.of(Refusal::Room(room)));
        }
        if overflow::is_overflow(said) {
            return None;
        }
        let said = plain(said);
        let find = |sentences: &[Sentence]| {
            let holds = |texts: &[&str]| texts.iter().all(|text| said.contains(text));
            sentences.iter().find(|(texts, _, _)| holds(texts)).map(|(_, what, span)| span.of(*what))
        };
        let limit = || most_tokens(&said).map(|most| Model.of(Refusal::MaxTokens(most)));
        let by_member = || {
            let member = member(&said)?;
            // `ttl` and the like: a member of what the model takes.
            let span = if member.ends_with("ttl") { Value } else { Model };
            of_member(&member).map(|what| span.of(what))
        };
        // First the sentences that name some of the members too; last those that say little.
        limit().or_else(|| find(SENTENCES)).or_else(by_member).or_else(|| find(VAGUE))
    }
}

/// What a sentence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    /// The model, whatever is asked of it.
    Model,
    /// What this request gave.
    Value,
}

impl Span {
    fn of(self, what: Refusal) -> Refused {
        Refused { what, lasting: self == Self::Model }
    }
}

/// What it holds, what it refuses, what it is about.
type Sentence = (&'static [&'static str], Refusal, Span);

impl Refusal {
    /// What else may have been meant by the same words: where the first changes nothing.
    pub fn instead(self) -> Option<Self> {
        match self {
            // `output_config` holds both.
            Self::OutputFormat => Some(Self::Reasoning),
            Self::ForcedAny | Self::ForcedNamed => Some(Self::Forced),
            Self::StrictTools => Some(Self::StrictSchema),
            _ => None,
        }
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
            Self::Room(_) => "room",
        }
    }
}

/// Sentences by what they hold, in the order they are tried.
const SENTENCES: &[Sentence] = {
    use Span::{Model, Value};
    &[
        (&["tool use in streaming mode"], Refusal::ToolsWhileStreaming, Model),
        (&["support system messages"], Refusal::System, Model),
        (&["assistant message prefill"], Refusal::Prefill, Model),
        (&["must end with a user message"], Refusal::Prefill, Model),
        (&["must start with a user message"], Refusal::LeadingAssistant, Model),
        (&["did not allow prompt caching"], Refusal::CachePoints, Model),
        (&["temperature", "top_p", "both"], Refusal::TemperatureWithTopP, Model),
        (&["temperature", "topp", "both"], Refusal::TemperatureWithTopP, Model),
        (&["temperature", "may only be set to"], Refusal::Temperature, Value),
        (&["temperature", "only the default"], Refusal::Temperature, Value),
        (&["temperature", "must be 1"], Refusal::Temperature, Value),
        (&["temperature", "must be set to 1"], Refusal::Temperature, Value),
        (&["temperature", "must equal 1"], Refusal::Temperature, Value),
        (&["temperature", "should be 1"], Refusal::Temperature, Value),
        (&["temperature", "only 1 "], Refusal::Temperature, Value),
        (&["temperature", "only 1."], Refusal::Temperature, Value),
        (&["only temperature", "1"], Refusal::Temperature, Value),
        (&["temperature", "only supports 1"], Refusal::Temperature, Value),
        (&["temperature", "fixed"], Refusal::Temperature, Value),
        (&["top_p", "only the default"], Refusal::TopP, Value),
        (&["top_p", "unset when thinking"], Refusal::TopP, Value),
        (&["top_k", "unset when thinking"], Refusal::TopK, Value),
        (&["image content block", "toolresult"], Refusal::ToolResultImages, Model),
        (&["document content block", "toolresult"], Refusal::ToolResultImages, Model),
        (&["tool_choice forces tool use"], Refusal::Forced, Value),
        (&["strict tools"], Refusal::StrictSchema, Value),
        (&[".custom.input_schema: for '"], Refusal::StrictSchema, Value),
        (&[".input_schema", "invalid schema"], Refusal::StrictSchema, Value),
        (&["grammar compilation"], Refusal::StrictSchema, Value),
        (&["compiled grammar"], Refusal::OutputSchema, Value),
        (&["output_config.format.schema"], Refusal::OutputSchema, Value),
        (&["output_format.schema"], Refusal::OutputSchema, Value),
        (&["output_format.json_schema"], Refusal::OutputSchema, Value),
        (&["textformat.structure"], Refusal::OutputSchema, Value),
        (&["response_format", "invalid schema"], Refusal::OutputSchema, Value),
        (&["does not match declared type"], Refusal::OutputSchema, Value),
        (&["the json schema"], Refusal::OutputSchema, Value),
        (&["latency performance configuration"], Refusal::Latency, Value),
    ]
};

/// Sentences that say less: tried when no member is named.
const VAGUE: &[Sentence] = {
    use Span::{Model, Value};
    &[
        (&["tier", "support"], Refusal::ServiceTier, Value),
        (&["tier", "available"], Refusal::ServiceTier, Value),
        (&["tier", "not enabled"], Refusal::ServiceTier, Value),
        (&["tier", "not allowed"], Refusal::ServiceTier, Value),
        (&["latency", "not support"], Refusal::Latency, Value),
        (&["latency", "not available"], Refusal::Latency, Value),
        (&["thinking", "is not supported on this model"], Refusal::Reasoning, Model),
        (&["thinking", "is not supported for this model"], Refusal::Reasoning, Model),
        (&["thinking", "is not supported by this model"], Refusal::Reasoning, Model),
        (&["thinking", "not support"], Refusal::Reasoning, Value),
        (&["reasoning effort", "not support"], Refusal::Reasoning, Value),
        (&["reasoning_effort", "not support"], Refusal::Reasoning, Value),
        (&["effort", "not support"], Refusal::Reasoning, Value),
        (&["reasoning", "not support"], Refusal::Reasoning, Value),
        (&["forced tool", "not "], Refusal::Forced, Model),
        (&["forcing tool", "not "], Refusal::Forced, Model),
        (&["forcing a tool", "not "], Refusal::Forced, Model),
        (&["force tool use", "not "], Refusal::Forced, Model),
        (&["tool_choice", "not support"], Refusal::Forced, Model),
        (&["tool choice", "not support"], Refusal::Forced, Model),
        (&["toolchoice", "not support"], Refusal::Forced, Model),
        (&["tool_choice", "auto"], Refusal::Forced, Model),
        (&["tool choice", "auto"], Refusal::Forced, Model),
        (&["toolchoice", "auto"], Refusal::Forced, Model),
        (&["stop sequence", "not support"], Refusal::StopTexts, Model),
        (&["stop_sequences", "not support"], Refusal::StopTexts, Model),
        (&["stopsequences", "not support"], Refusal::StopTexts, Model),
        (&["stop_sequences", "at most"], Refusal::StopTexts, Value),
        (&["stopsequences", "at most"], Refusal::StopTexts, Value),
        (&["stop sequences", "at most"], Refusal::StopTexts, Value),
        (&["stopsequences", "maxitems"], Refusal::StopTexts, Value),
        (&["stop_sequences", "maxitems"], Refusal::StopTexts, Value),
        (&["too many stop"], Refusal::StopTexts, Value),
        (&["prompt caching", "not "], Refusal::CachePoints, Model),
        (&["cache_control", "not support"], Refusal::CachePoints, Model),
        (&["cachepoint", "not support"], Refusal::CachePoints, Model),
        (&["cache point", "not support"], Refusal::CachePoints, Model),
        (&["cache points", "not "], Refusal::CachePoints, Model),
        (&["structured output", "not support"], Refusal::OutputFormat, Model),
    ]
};

/// In lower case, with one kind of apostrophe and of negation, out of JSON's escapes, and no longer than such a sentence is with
/// what it is wrapped in.
pub(super) fn plain(said: &str) -> String {
    const LONGEST: usize = 2000;
    let kept = said.chars().take(LONGEST).filter(|c| *c != '\\');
    let said: String = kept.map(|c| if c == '’' { '\'' } else { c.to_ascii_lowercase() }).collect();
    said.replace("n't ", " not ")
        .replace("unsupported", "not supported")
        .replace("unavailable", "not available")
}

/// "The maximum tokens you requested exceeds the model limit of 8192." and Claude's "`max_tokens`: 100000 > 8192,
/// which is the maximum allowed number of output tokens", and how the servers of other models say so.
fn most_tokens(said: &str) -> Option<u32> {
    const MEMBERS: [&str; 9] = [
        "maximum tokens",
        "max_tokens",
        "maxtokens",
        "max tokens",
        "max_completion_tokens",
        "max_new_tokens",
        "max_gen_len",
        "maxtokencount",
        "completion tokens",
    ];
    const BOUNDS: [&str; 14] = [
        "model limit of ",
        " > ",
        "less than or equal to ",
        "is not less or equal to ",
        "supports at most ",
        "must be at most ",
        "maximum value: ",
        "greater than the maximum of ",
        "above the maximum of ",
        "exceeds the maximum of ",
        "exceeds the limit of ",
        "exceeds the model limit: ",
        "cannot exceed ",
        "must not exceed ",
    ];
    /// One less than the number.
    const EXCLUSIVE: [&str; 2] = ["must be less than ", "must be lower than "];
    // "`max_tokens` must be greater than `thinking.budget_tokens`"
    if !MEMBERS.iter().any(|member| said.contains(member)) || said.contains("budget") {
        return None;
    }
    let after = |bounds: &[&str]| {
        bounds.iter().find_map(|bound| {
            let rest = said.split_once(bound)?.1.trim_start_matches(['`', '\'', '"', '(']);
            rest.starts_with(|c: char| c.is_ascii_digit()).then(|| overflow::first_number(rest)).flatten()
        })
    };
    let most = after(&BOUNDS).or_else(|| after(&EXCLUSIVE)?.checked_sub(1))?;
    (most > 0).then_some(most)
}

/// The member of the request that a sentence refuses, if it is of one of the known forms.
fn member(said: &str) -> Option<Cow<'_, str>> {
    const QUOTES: [char; 4] = ['`', '\'', '"', ':'];
    let last_word = |text: &str| {
        let text = text.trim_end_matches([' ', ':']);
        text.rsplit([' ', '\n', ':']).next().map(|word| word.trim_matches(QUOTES).to_owned())
    };
    if let Some((_, rest)) = said.split_once("support the ")
        && let Some((member, _)) = rest.split_once(" field")
    {
        // "This model doesn't support the toolConfig.toolChoice.any field."
        return Some(Cow::Borrowed(member.trim_matches(QUOTES)));
    }
    if let Some((_, rest)) = said.split_once("extraneous key [") {
        return rest.split_once(']').map(|(member, _)| Cow::Borrowed(member));
    }
    let named = |lead: &&str| {
        // "Unknown parameter: 'x'", "Unknown parameter in inferenceConfig: \"x\"", "unknown field `x`, expected one of"
        let rest = said.split_once(*lead)?.1;
        let rest = match rest.strip_prefix(" in ") {
            Some(place) => place.split_once(':')?.1,
            None => rest.strip_prefix(" supplied").or(rest.strip_prefix("(s)")).unwrap_or(rest),
        };
        let rest = rest.trim_start_matches([' ', ':', '`', '\'', '"']);
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.[]".contains(c))).unwrap_or(rest.len());
        let member = rest.get(..end)?.trim_end_matches('.');
        (!member.is_empty()).then_some(Cow::Borrowed(member))
    };
    let leads = [
        "unknown parameter",
        "unknown field",
        "unknown argument",
        "unrecognized request argument",
        "unrecognized parameter",
        "unrecognized field",
        "unrecognized key",
        "not supported parameter",
        "unexpected keyword argument",
        "unexpected field",
    ];
    if let Some(member) = leads.iter().find_map(named) {
        return Some(member);
    }
    [
        ": extra inputs are not permitted",
        " is deprecated for this model",
        " is not supported",
        " are not supported",
        " is not permitted",
        " is not allowed",
        " is not available for this model",
        " is not a supported parameter",
        " is not a valid parameter",
        " is not a recognized parameter",
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
        () if member == "output" || has("response_format") || ends("output_schema") => Refusal::OutputFormat,
        () if ends("stopsequences") || ends("stop_sequences") || ends("stop") => Refusal::StopTexts,
        () if ends("temperature") => Refusal::Temperature,
        () if ends("topp") || ends("top_p") => Refusal::TopP,
        () if ends("topk") || ends("top_k") => Refusal::TopK,
        () if ends("cachepoint") || has("cache_control") || has("cachepoint") => Refusal::CachePoints,
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
            assert_eq!(Refused::read(said).map(|refused| refused.what), Some(refusal), "{said}");
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
            assert_eq!(Refused::read(said), None, "{said}");
        }
    }

    #[test]
    fn whatever_it_is_wrapped_in_a_sentence_is_the_same() {
        let lasting = |what| Some(Refused { what, lasting: true });
        let passing = |what| Some(Refused { what, lasting: false });
        for (said, refused) in [
            ("output: Extra inputs are not permitted", lasting(Refusal::OutputFormat)),
            ("Unknown parameter: 'response_format'.", lasting(Refusal::OutputFormat)),
            (
                "Unknown parameter in inferenceConfig: \"topK\", must be one of: maxTokens, …",
                lasting(Refusal::TopK),
            ),
            ("Unrecognized request argument supplied: stop", lasting(Refusal::StopTexts)),
            ("unknown field `top_p`, expected one of `prompt`, `max_gen_len`", lasting(Refusal::TopP)),
            (
                "Unsupported parameter: 'temperature' is not supported with this model.",
                lasting(Refusal::Temperature),
            ),
            (
                "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
                passing(Refusal::Temperature),
            ),
            ("`temperature` may only be set to 1 when thinking is enabled.", passing(Refusal::Temperature)),
            ("invalid temperature: only 1 is allowed for this model", passing(Refusal::Temperature)),
            ("`top_k` must be unset when thinking is enabled.", passing(Refusal::TopK)),
            ("Forced tool use is not supported by this model.", lasting(Refusal::Forced)),
            ("tool_choice: only 'auto' and 'none' are accepted", lasting(Refusal::Forced)),
            ("toolConfig.toolChoice.any is not supported", lasting(Refusal::ForcedAny)),
            ("Thinking may not be enabled when tool_choice forces tool use.", passing(Refusal::Forced)),
            ("Stop sequences aren't supported for this model", lasting(Refusal::StopTexts)),
            ("#/stop_sequences: expected maxItems: 4, found: 7", passing(Refusal::StopTexts)),
            ("The flex tier is unavailable for this model in this Region", passing(Refusal::ServiceTier)),
            ("This model doesn't support the priority service tier.", passing(Refusal::ServiceTier)),
            ("This model doesn't support the serviceTier field. Remove …", lasting(Refusal::ServiceTier)),
            ("output_config.effort: 'max' is not supported on this model.", passing(Refusal::Reasoning)),
            ("thinking with a budget of 77777 is not supported", passing(Refusal::Reasoning)),
            ("thinking is not supported on this model", lasting(Refusal::Reasoning)),
            (
                "output_format.schema: Invalid schema: Enum value 'low' does not match declared type",
                passing(Refusal::OutputSchema),
            ),
            (
                "tools.2.custom.input_schema: Invalid schema: Enum value 7 does not match declared type",
                passing(Refusal::StrictSchema),
            ),
            ("Prompt caching isn't available for this inference profile", lasting(Refusal::CachePoints)),
            ("cache_control.ttl: Extra inputs are not permitted", passing(Refusal::CachePoints)),
            (
                "max_tokens is too large: 200000. This model supports at most 128000 completion tokens",
                lasting(Refusal::MaxTokens(128_000)),
            ),
            ("#/max_gen_len: 4096 is not less or equal to 2048", lasting(Refusal::MaxTokens(2048))),
            ("maxTokens must be less than 8192", lasting(Refusal::MaxTokens(8191))),
        ] {
            let json = format!("{{\"type\":\"error\",\"error\":{{\"message\":{said:?}}}}}");
            for said in [
                said.to_owned(),
                format!("The model returned the following errors: {said}"),
                format!("The model returned the following errors: {json}"),
                format!("1 validation error detected: {said}"),
                format!("{json} (original status 400)"),
            ] {
                assert_eq!(Refused::read(&said), refused, "{said}");
            }
        }
    }
}
