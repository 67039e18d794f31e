//! What a conversation must bring back while Claude thinks.

use crate::simulator::converse::list;
use serde_json::Value;

/// With a budget to think, the turn whose tools were just answered must begin with its reasoning.
pub(super) fn converse(body: &Value) -> Result<(), String> {
    let thinking = &body["additionalModelRequestFields"]["thinking"];
    let kind = |block: &Value| {
        let names =
            [("reasoningContent", "thinking"), ("toolUse", "tool_use"), ("toolResult", "tool_result")];
        names.into_iter().find_map(|(member, kind)| block.get(member).map(|_| kind)).unwrap_or("text")
    };
    check(thinking, &body["messages"], kind)
}

/// The same for Claude's own request.
pub(super) fn claude(body: &Value) -> Result<(), String> {
    let kind = |block: &Value| match block["type"].as_str() {
        Some("thinking" | "redacted_thinking") => "thinking",
        Some("tool_use") => "tool_use",
        Some("tool_result") => "tool_result",
        _ => "text",
    };
    check(&body["thinking"], &body["messages"], kind)
}

fn check(thinking: &Value, messages: &Value, kind: impl Fn(&Value) -> &'static str) -> Result<(), String> {
    let messages = list(messages);
    let [.., asked, answered] = messages else { return Ok(()) };
    let is_open = list(&answered["content"]).iter().any(|block| kind(block) == "tool_result");
    if thinking["type"] != "enabled" || !is_open {
        return Ok(());
    }
    match list(&asked["content"]).first().map(kind) {
        None | Some("thinking") => Ok(()),
        Some(found) => Err(format!(
            "messages.{}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When \
             `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the \
             lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from \
             previous turns. To avoid this requirement, disable `thinking`.",
            messages.len().saturating_sub(2)
        )),
    }
}
