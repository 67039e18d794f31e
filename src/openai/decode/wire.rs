//! The request as it stands on the wire. Source of each member: OpenAI's API reference and SDK types.
//!
//! `&RawValue` marks what is passed on without being read, and what may have more than one shape.

use serde::de::{Error as _, MapAccess};
use serde_json::value::RawValue;

use super::object::{Array, Loose, Others, Pairs, Str, Unknown, Whole, object};
use super::parameters::Rest;

object! {
    struct Body<'a> {
        "model" => model: Str<'a>,
        "messages" => messages: Array<Message<'a>, 16_384>,
        "stream" => stream: bool,
        "stream_options" => stream_options: StreamOptions<'a>,
        "n" => n: Whole,
        "temperature" => temperature: f64,
        "top_p" => top_p: f64,
        "max_completion_tokens" => max_completion_tokens: Whole,
        "max_tokens" => max_tokens: Whole,
        "stop" => stop: &'a RawValue,
        "tools" => tools: Array<Tool<'a>, 4_096>,
        "tool_choice" => tool_choice: &'a RawValue,
        "parallel_tool_calls" => parallel_tool_calls: bool,
        "functions" => functions: Array<Function<'a>, 4_096>,
        "function_call" => function_call: &'a RawValue,
        "response_format" => response_format: ResponseFormat<'a>,
        "reasoning_effort" => reasoning_effort: Str<'a>,
        "reasoning" => reasoning: Reasoning<'a>,
        "thinking" => thinking: Thinking<'a>,
        "modalities" => modalities: Array<Str<'a>, 16>,
        "user" => user: Str<'a>,
        "safety_identifier" => safety_identifier: Str<'a>,
        "top_k" => top_k: Whole,
        "seed" => seed: Whole,
        "frequency_penalty" => frequency_penalty: f64,
        "presence_penalty" => presence_penalty: f64,
        "logit_bias" => logit_bias: &'a RawValue,
        "logprobs" => logprobs: bool,
        "top_logprobs" => top_logprobs: Whole,
        "verbosity" => verbosity: Str<'a>,
        "web_search_options" => web_search_options: &'a RawValue,
        "metadata" => metadata: Pairs<'a, Str<'a>>,
        "service_tier" => service_tier: Str<'a>,
        "prompt_cache_key" => prompt_cache_key: Str<'a>,
        "prompt_cache_options" => prompt_cache_options: CacheOptions<'a>,
        "bedrock" => bedrock: Bedrock<'a>,
        ..Rest<'a>
    }
}

object! {
    /// Of `OpenRouter`.
    struct Reasoning<'a> {
        "effort" => effort: Str<'a>,
        "max_tokens" => max_tokens: Whole,
        "enabled" => enabled: bool,
        "exclude" => exclude: bool,
        ..Unknown<'a>
    }
}

object! {
    /// Anthropic's.
    struct Thinking<'a> {
        "type" => kind: Str<'a>,
        "budget_tokens" => budget_tokens: Whole,
        ..Unknown<'a>
    }
}

object! {
    struct CacheOptions<'a> {
        "mode" => mode: Str<'a>,
        "ttl" => ttl: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    /// On a content part.
    struct CacheBreakpoint<'a> {
        "mode" => mode: Str<'a>,
        "ttl" => ttl: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    /// Anthropic's, on a content part, a message or a tool.
    struct CacheControl<'a> {
        "type" => kind: Str<'a>,
        "ttl" => ttl: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    /// Our own extension: Bedrock's members by Bedrock's names.
    struct Bedrock<'a> {
        "guardrailConfig" => guardrail_config: GuardrailConfig<'a>,
        "performanceConfig" => performance_config: PerformanceConfig<'a>,
        "serviceTier" => service_tier: TierConfig<'a>,
        "requestMetadata" => request_metadata: Pairs<'a, Str<'a>>,
        "additionalModelRequestFields" => additional_model_request_fields: Pairs<'a, &'a RawValue>,
        "additionalModelResponseFieldPaths" => additional_model_response_field_paths: Array<Str<'a>, 10>,
        ..Unknown<'a>
    }
}

object! {
    struct GuardrailConfig<'a> {
        "guardrailIdentifier" => identifier: Str<'a>,
        "guardrailVersion" => version: Str<'a>,
        "trace" => trace: Str<'a>,
        "streamProcessingMode" => stream_processing_mode: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct PerformanceConfig<'a> {
        "latency" => latency: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct TierConfig<'a> {
        "type" => kind: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct StreamOptions<'a> {
        "include_usage" => include_usage: bool,
        "include_obfuscation" => include_obfuscation: bool,
        ..Unknown<'a>
    }
}

object! {
    struct ResponseFormat<'a> {
        "type" => kind: Str<'a>,
        "json_schema" => json_schema: JsonSchema<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct JsonSchema<'a> {
        "name" => name: Str<'a>,
        "description" => description: &'a RawValue,
        "schema" => schema: &'a RawValue,
        "strict" => strict: bool,
        ..Unknown<'a>
    }
}

object! {
    /// One message of any role; which members a role takes is decided by `messages`.
    struct Message<'a> {
        "role" => role: Str<'a>,
        "content" => content: &'a RawValue,
        "name" => name: Str<'a>,
        "refusal" => refusal: &'a RawValue,
        "tool_calls" => tool_calls: Array<Loose<'a, ToolCall<'a>>, 4_096>,
        "tool_call_id" => tool_call_id: Str<'a>,
        "function_call" => function_call: FunctionCall<'a>,
        "reasoning_content" => reasoning_content: &'a RawValue,
        "reasoning" => reasoning: &'a RawValue,
        "reasoning_details" => reasoning_details: Array<ReasoningDetail<'a>, 1_024>,
        "annotations" => annotations: &'a RawValue,
        "audio" => audio: &'a RawValue,
        "cache_control" => cache_control: CacheControl<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct Part<'a> {
        "type" => kind: Str<'a>,
        "text" => text: &'a RawValue,
        "refusal" => refusal: &'a RawValue,
        "image_url" => image_url: Loose<'a, ImageUrl<'a>>,
        "file" => file: FilePart<'a>,
        "input_audio" => input_audio: AudioPart<'a>,
        "prompt_cache_breakpoint" => prompt_cache_breakpoint: CacheBreakpoint<'a>,
        "cache_control" => cache_control: CacheControl<'a>,
        ..Shapes<'a>
    }
}

/// Members of parts as other APIs write them: `shapes` reads them.
#[derive(Debug, Default)]
pub(super) struct Shapes<'a> {
    pub(super) members: Vec<(&'static str, &'a RawValue)>,
    pub(super) unknown: Unknown<'a>,
}

impl Shapes<'_> {
    const NAMES: [&'static str; 8] =
        ["detail", "file_data", "file_url", "filename", "source", "title", "data", "mimeType"];
}

impl<'a> Others<'a> for Shapes<'a> {
    fn take<A: MapAccess<'a>>(&mut self, key: Str<'a>, map: &mut A) -> Result<(), A::Error> {
        let Some(name) = Self::NAMES.into_iter().find(|name| *name == &*key) else {
            return self.unknown.take(key, map);
        };
        if self.members.iter().any(|(known, _)| *known == name) {
            return Err(A::Error::duplicate_field(name));
        }
        self.members.push((name, map.next_value()?));
        Ok(())
    }
}

object! {
    /// Anthropic's, in a part of the type `image` or `document`.
    struct SourcePart<'a> {
        "type" => kind: Str<'a>,
        "media_type" => media_type: Str<'a>,
        "data" => data: Str<'a>,
        "url" => url: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct ImageUrl<'a> {
        "url" => url: Str<'a>,
        "detail" => detail: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct AudioPart<'a> {
        "data" => data: Str<'a>,
        "format" => format: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct FilePart<'a> {
        "file_data" => file_data: Str<'a>,
        "file_url" => file_url: Str<'a>,
        "file_id" => file_id: &'a RawValue,
        "filename" => name: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct ToolCall<'a> {
        "id" => id: Str<'a>,
        "type" => kind: Str<'a>,
        "function" => function: FunctionCall<'a>,
        "custom" => custom: CustomCall<'a>,
        #[expect(dead_code, reason = "numbers the pieces of a stream; clients that joined them send it back")]
        "index" => index: Whole,
        ..Unknown<'a>
    }
}

object! {
    struct FunctionCall<'a> {
        "name" => name: Str<'a>,
        "arguments" => arguments: &'a RawValue,
        ..Unknown<'a>
    }
}

object! {
    struct CustomCall<'a> {
        "name" => name: Str<'a>,
        "input" => input: &'a RawValue,
        ..Unknown<'a>
    }
}

object! {
    /// Our own extension, as `encode` writes it.
    struct ReasoningDetail<'a> {
        "type" => kind: Str<'a>,
        #[expect(dead_code, reason = "numbers the pieces of a stream; clients that joined them send it back")]
        "index" => index: Whole,
        "text" => text: &'a RawValue,
        "signature" => signature: &'a RawValue,
        "data" => data: &'a RawValue,
        ..Unknown<'a>
    }
}

object! {
    struct Tool<'a> {
        "type" => kind: Str<'a>,
        "function" => function: Function<'a>,
        "custom" => custom: CustomTool<'a>,
        "cache_control" => cache_control: CacheControl<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct Function<'a> {
        "name" => name: Str<'a>,
        "description" => description: &'a RawValue,
        "parameters" => parameters: &'a RawValue,
        "strict" => strict: bool,
        ..Unknown<'a>
    }
}

object! {
    struct CustomTool<'a> {
        "name" => name: Str<'a>,
        "description" => description: &'a RawValue,
        "format" => format: CustomFormat<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct CustomFormat<'a> {
        "type" => kind: Str<'a>,
        "grammar" => grammar: &'a RawValue,
        ..Unknown<'a>
    }
}

object! {
    struct ToolChoice<'a> {
        "type" => kind: Str<'a>,
        "function" => function: Named<'a>,
        "custom" => custom: Named<'a>,
        "allowed_tools" => allowed_tools: AllowedTools<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct Named<'a> {
        "name" => name: Str<'a>,
        ..Unknown<'a>
    }
}

object! {
    struct AllowedTools<'a> {
        "mode" => mode: Str<'a>,
        "tools" => tools: Array<AllowedTool<'a>, 4_096>,
        ..Unknown<'a>
    }
}

object! {
    struct AllowedTool<'a> {
        "type" => kind: Str<'a>,
        "function" => function: Named<'a>,
        "custom" => custom: Named<'a>,
        ..Unknown<'a>
    }
}
