//! Capabilities that a directive takes from a model: a request that uses one is refused, in Bedrock's words or in any
//! others. What a request uses is looked for in the members of all formats at once.

use super::converse::list;
use super::fault::Fault;
use http::HeaderMap;
use serde_json::Value;

/// A request, to be looked through.
pub(super) struct Request<'a> {
    pub(super) body: &'a Value,
    pub(super) headers: &'a HeaderMap,
    pub(super) streaming: bool,
}

/// Something that a model can or can't do.
struct Capability {
    name: &'static str,
    /// Members of the body, as JSON pointers.
    members: &'static [&'static str],
    /// Blocks of messages, tool results and system texts, by Converse's member or by the `type` of others.
    blocks: &'static [&'static str],
    header: Option<&'static str>,
    /// What no list can say.
    also: fn(&Request<'_>) -> bool,
    text: &'static str,
}

const NOTHING: Capability = Capability {
    name: "",
    members: &[],
    blocks: &[],
    header: None,
    also: |_| false,
    text: "The request is not valid.",
};

const CAPABILITIES: &[Capability] = &[
    Capability {
        name: "streaming",
        also: |request| request.streaming,
        text: "The model is unsupported for streaming.",
        ..NOTHING
    },
    Capability {
        name: "system",
        members: &["/system", "/preamble"],
        also: |request| {
            list(&request.body["messages"]).first().is_some_and(|first| first["role"] == "system")
        },
        text: "This model doesn't support system messages. Try again without a system message or use a model that \
               supports system messages.",
        ..NOTHING
    },
    Capability {
        name: "system_turns",
        also: |request| list(&request.body["messages"]).iter().skip(1).any(|turn| turn["role"] == "system"),
        text: "This model doesn't support the system role in messages. Use the system field and try again.",
        ..NOTHING
    },
    Capability {
        name: "tools",
        members: &["/toolConfig", "/tools"],
        text: "This model doesn't support tool use.",
        ..NOTHING
    },
    Capability {
        name: "stream_tools",
        also: |request| {
            let has = |name| request.body.get(name).is_some();
            request.streaming && (has("toolConfig") || has("tools"))
        },
        text: "This model doesn't support tool use in streaming mode.",
        ..NOTHING
    },
    Capability {
        name: "tool_choice",
        members: &["/toolConfig/toolChoice", "/tool_choice"],
        text: "This model doesn't support the toolConfig.toolChoice field. Remove toolConfig.toolChoice and try again.",
        ..NOTHING
    },
    Capability {
        name: "tool_choice_any",
        members: &["/toolConfig/toolChoice/any"],
        also: |request| {
            let choice = &request.body["tool_choice"];
            choice["type"] == "any" || choice == "any" || choice == "required"
        },
        text: "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any and \
               try again.",
        ..NOTHING
    },
    Capability {
        name: "tool_choice_tool",
        members: &["/toolConfig/toolChoice/tool", "/tool_choice/name", "/tool_choice/function"],
        text: "This model doesn't support the toolConfig.toolChoice.tool field. Remove toolConfig.toolChoice.tool \
               and try again.",
        ..NOTHING
    },
    Capability {
        name: "strict",
        also: |request| {
            let tools = list(&request.body["toolConfig"]["tools"]).iter().chain(list(&request.body["tools"]));
            tools.into_iter().any(|tool| {
                [&tool["toolSpec"]["strict"], &tool["strict"], &tool["function"]["strict"]]
                    .iter()
                    .any(|strict| **strict == true)
            })
        },
        text: "This model doesn't support the strict field in toolSpec. Remove strict and try again.",
        ..NOTHING
    },
    Capability {
        name: "images",
        blocks: &["image", "image_url"],
        members: &["/images"],
        text: "This model doesn't support the image content block that you provided. Update the content block and \
               try again.",
        ..NOTHING
    },
    Capability {
        name: "documents",
        blocks: &["document"],
        text: "This model doesn't support the document content block that you provided. Update the content block \
               and try again.",
        ..NOTHING
    },
    Capability {
        name: "video",
        blocks: &["video"],
        text: "This model doesn't support the video content block that you provided. Update the content block and \
               try again.",
        ..NOTHING
    },
    Capability {
        name: "audio",
        blocks: &["audio"],
        text: "This model doesn't support the audio content block that you provided. Update the content block and \
               try again.",
        ..NOTHING
    },
    Capability {
        name: "s3",
        also: |request| holds(request.body, "s3Location"),
        text: "This model doesn't support the s3Uri field. Remove s3Uri and try again.",
        ..NOTHING
    },
    Capability {
        name: "temperature",
        members: &["/inferenceConfig/temperature", "/textGenerationConfig/temperature", "/temperature"],
        text: "This model doesn't support the temperature field. Remove temperature and try again.",
        ..NOTHING
    },
    Capability {
        name: "top_p",
        members: &["/inferenceConfig/topP", "/textGenerationConfig/topP", "/top_p", "/p"],
        text: "This model doesn't support the topP field. Remove topP and try again.",
        ..NOTHING
    },
    Capability {
        name: "top_k",
        members: &[
            "/additionalModelRequestFields/top_k",
            "/additionalModelRequestFields/inferenceConfig/topK",
            "/inferenceConfig/topK",
            "/top_k",
            "/k",
        ],
        text: "This model doesn't support the topK field. Remove topK and try again.",
        ..NOTHING
    },
    Capability {
        name: "stop_sequences",
        members: &[
            "/inferenceConfig/stopSequences",
            "/textGenerationConfig/stopSequences",
            "/stop_sequences",
            "/stop",
        ],
        text: "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
        ..NOTHING
    },
    Capability {
        name: "max_tokens",
        members: &[
            "/inferenceConfig/maxTokens",
            "/textGenerationConfig/maxTokenCount",
            "/max_tokens",
            "/max_completion_tokens",
            "/max_gen_len",
        ],
        text: "This model doesn't support the maxTokens field. Remove maxTokens and try again.",
        ..NOTHING
    },
    Capability {
        name: "cache_points",
        also: |request| holds(request.body, "cachePoint") || holds(request.body, "cache_control"),
        text: "This model doesn't support the cachePoint field. Remove cachePoint and try again.",
        ..NOTHING
    },
    Capability {
        name: "status",
        also: |request| {
            let results = blocks(request.body).into_iter();
            results.map(|block| &block["toolResult"]).any(|result| result.get("status").is_some())
        },
        text: "This model doesn't support the status field. Remove status and try again.",
        ..NOTHING
    },
    Capability {
        name: "mixed_results",
        also: |request| {
            list(&request.body["messages"]).iter().any(|turn| {
                let blocks = list(&turn["content"]);
                let results = blocks
                    .iter()
                    .filter(|block| block.get("toolResult").is_some() || block["type"] == "tool_result");
                (1..blocks.len()).contains(&results.count())
            })
        },
        text: "Conversation blocks and tool result blocks cannot be provided in the same turn.",
        ..NOTHING
    },
    Capability {
        name: "leading_assistant",
        also: |request| {
            list(&request.body["messages"]).first().is_some_and(|turn| turn["role"] == "assistant")
        },
        text: "A conversation must start with a user message. Try again with a conversation that starts with a user \
               message.",
        ..NOTHING
    },
    Capability {
        name: "prefill",
        also: |request| {
            list(&request.body["messages"]).last().is_some_and(|turn| turn["role"] == "assistant")
        },
        text: "The model returned the following errors: This model does not support assistant message prefill. The \
               conversation must end with a user message.",
        ..NOTHING
    },
    Capability {
        name: "reasoning_history",
        blocks: &["reasoningContent", "thinking", "redacted_thinking"],
        text: "This model doesn't support the reasoningContent content block that you provided. Update the content \
               block and try again.",
        ..NOTHING
    },
    Capability {
        name: "reasoning",
        members: &[
            "/additionalModelRequestFields/thinking",
            "/additionalModelRequestFields/reasoning",
            "/additionalModelRequestFields/reasoning_effort",
            "/additionalModelRequestFields/reasoning_config",
            "/additionalModelRequestFields/reasoningConfig",
            "/thinking",
            "/reasoning_effort",
            "/reasoningConfig",
        ],
        text: "This model doesn't support the reasoning fields. Remove them and try again.",
        ..NOTHING
    },
    Capability {
        name: "effort",
        members: &[
            "/additionalModelRequestFields/output_config/effort",
            "/output_config/effort",
            "/outputConfig/effort",
        ],
        text: "The model returned the following errors: This model does not support the effort parameter.",
        ..NOTHING
    },
    Capability {
        name: "json_schema",
        members: &["/outputConfig/textFormat", "/output_config/format", "/response_format"],
        text: "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat and try \
               again.",
        ..NOTHING
    },
    Capability {
        name: "citations",
        blocks: &["citationsContent", "searchResult", "search_result"],
        also: |request| holds(request.body, "citations"),
        text: "This model doesn't support citations.",
        ..NOTHING
    },
    Capability {
        name: "parallel_tool_calls",
        members: &[
            "/additionalModelRequestFields/tool_choice/disable_parallel_tool_use",
            "/tool_choice/disable_parallel_tool_use",
            "/parallel_tool_calls",
        ],
        text: "This model doesn't support the disable_parallel_tool_use field. Remove it and try again.",
        ..NOTHING
    },
    Capability {
        name: "additional_fields",
        members: &["/additionalModelRequestFields"],
        text: "This model doesn't support the additionalModelRequestFields field. Remove additionalModelRequestFields \
               and try again.",
        ..NOTHING
    },
    Capability {
        name: "guardrail",
        members: &["/guardrailConfig"],
        header: Some("x-amzn-bedrock-guardrailidentifier"),
        text: "This model doesn't support guardrails. Remove guardrailConfig and try again.",
        ..NOTHING
    },
    Capability {
        name: "service_tier",
        members: &["/serviceTier"],
        header: Some("x-amzn-bedrock-service-tier"),
        text: "This model doesn't support the serviceTier field. Remove serviceTier and try again.",
        ..NOTHING
    },
    Capability {
        name: "latency",
        members: &["/performanceConfig"],
        header: Some("x-amzn-bedrock-performanceconfig-latency"),
        text: "This model doesn't support the performanceConfig field. Remove performanceConfig and try again.",
        ..NOTHING
    },
    Capability {
        name: "metadata",
        members: &["/requestMetadata", "/metadata"],
        header: Some("x-amzn-bedrock-request-metadata"),
        text: "This model doesn't support the requestMetadata field. Remove requestMetadata and try again.",
        ..NOTHING
    },
];

/// Whether a directive may name this capability.
pub(super) fn is_known(name: &str) -> bool {
    CAPABILITIES.iter().any(|known| known.name == name)
}

/// The refusal of the first capability in `refused` that the request uses.
pub(super) fn check(refused: &[(String, Option<String>)], request: &Request<'_>) -> Result<(), Fault> {
    for (name, message) in refused {
        if let Some(used) = CAPABILITIES.iter().find(|known| known.name == name && known.is_used(request)) {
            return Err(Fault::validation(message.as_deref().unwrap_or(used.text)));
        }
    }
    Ok(())
}

impl Capability {
    fn is_used(&self, request: &Request<'_>) -> bool {
        let has = |pointer: &&str| request.body.pointer(pointer).is_some_and(|value| !value.is_null());
        let in_blocks = || {
            blocks(request.body).iter().any(|block| {
                self.blocks.iter().any(|kind| block.get(kind).is_some() || block["type"] == *kind)
            })
        };
        self.members.iter().any(has)
            || self.header.is_some_and(|name| request.headers.contains_key(name))
            || (self.also)(request)
            || (!self.blocks.is_empty() && in_blocks())
    }
}

/// The blocks of all messages, and those inside their tool results.
fn blocks(body: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    for block in list(&body["messages"]).iter().flat_map(|message| list(&message["content"])) {
        found.push(block);
        found.extend(list(&block["toolResult"]["content"]));
        if block["type"] == "tool_result" {
            found.extend(list(&block["content"]));
        }
    }
    found
}

/// Whether a member of this name is anywhere.
fn holds(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(members) => {
            members.contains_key(name) || members.values().any(|member| holds(member, name))
        }
        Value::Array(items) => items.iter().any(|item| holds(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn uses(name: &str, body: &Value, expected: bool) {
        let request = Request { body, headers: &HeaderMap::new(), streaming: false };
        let refused = [(name.to_owned(), Some("no".to_owned()))];
        assert_eq!(check(&refused, &request).is_err(), expected, "{name}");
    }

    #[test]
    fn a_capability_is_found_in_either_kind_of_body() {
        uses("temperature", &json!({"inferenceConfig": {"temperature": 0}}), true);
        uses("temperature", &json!({"temperature": 1}), true);
        uses("temperature", &json!({"inferenceConfig": {"topP": 1}}), false);
        let converse = json!({"messages": [{"role": "user", "content": [{"toolResult": {"content": [{"image": {}}]}}]}]});
        uses("images", &converse, true);
        uses("mixed_results", &converse, false);
        let native = json!({"messages": [{"role": "user", "content": [
            {"type": "tool_result", "content": "x"}, {"type": "text", "text": "y", "cache_control": {}},
        ]}]});
        uses("mixed_results", &native, true);
        uses("cache_points", &native, true);
        uses("images", &native, false);
        uses("prefill", &json!({"messages": [{"role": "user"}, {"role": "assistant"}]}), true);
    }

    #[test]
    fn capabilities_have_names_of_their_own() {
        for (place, capability) in CAPABILITIES.iter().enumerate() {
            assert!(CAPABILITIES.iter().skip(place + 1).all(|other| other.name != capability.name));
        }
    }
}
