//! Cohere's chat body (Command R).

use crate::simulator::fault::Fault;
use crate::simulator::models::Model;
use crate::simulator::shape::{array, object, one_of, only, required, string, whole, within};
use serde_json::{Map, Value};

const MEMBERS: [&str; 20] = [
    "message",
    "chat_history",
    "preamble",
    "documents",
    "max_tokens",
    "temperature",
    "p",
    "k",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop_sequences",
    "tools",
    "tool_results",
    "prompt_truncation",
    "return_prompt",
    "raw_prompting",
    "search_queries_only",
    "force_single_step",
    "stream",
];

/// Refuses what Command R would refuse.
pub(in crate::simulator) fn cohere_chat(model: &Model, body: &Value) -> Result<(), Fault> {
    let request = object(body, "")?;
    only(request, "", &MEMBERS)?;
    let message = string(required(request, "", "message")?, "/message")?;
    if message.is_empty() && !request.contains_key("tool_results") {
        return Err(Fault::malformed("/message", "expected minLength: 1, actual: 0"));
    }
    numbers(model, request)?;
    if let Some(history) = request.get("chat_history") {
        for (index, said) in array(history, "/chat_history")?.iter().enumerate() {
            let at = format!("/chat_history/{index}");
            let members = object(said, &at)?;
            only(members, &at, &["role", "message", "tool_calls", "tool_results"])?;
            let roles = ["USER", "CHATBOT", "SYSTEM", "TOOL"];
            one_of(required(members, &at, "role")?, &format!("{at}/role"), &roles)?;
            if let Some(message) = members.get("message") {
                string(message, &at)?;
            }
        }
    }
    let tools = request.get("tools").map_or(Ok(&[][..]), |tools| array(tools, "/tools"))?;
    let names = tools.iter().enumerate().map(tool).collect::<Result<Vec<_>, _>>()?;
    let results =
        request.get("tool_results").map_or(Ok(&[][..]), |results| array(results, "/tool_results"))?;
    for (index, result) in results.iter().enumerate() {
        let at = format!("/tool_results/{index}");
        let members = object(result, &at)?;
        only(members, &at, &["call", "outputs"])?;
        let call = object(required(members, &at, "call")?, &at)?;
        only(call, &at, &["name", "parameters", "generation_id"])?;
        object(required(call, &at, "parameters")?, &format!("{at}/call/parameters"))?;
        let name = string(required(call, &at, "name")?, &at)?;
        if !names.contains(&name) {
            return Err(Fault::validation(format!("tool_results: no tool is called {name}")));
        }
        for output in array(required(members, &at, "outputs")?, &at)? {
            object(output, &format!("{at}/outputs"))?;
        }
    }
    Ok(())
}

fn numbers(model: &Model, request: &Map<String, Value>) -> Result<(), Fault> {
    for (name, low, high) in [
        ("temperature", 0.0, 1.0),
        ("p", 0.01, 0.99),
        ("k", 0.0, 500.0),
        ("frequency_penalty", 0.0, 1.0),
        ("presence_penalty", 0.0, 1.0),
    ] {
        if let Some(value) = request.get(name) {
            within(value, &format!("/{name}"), low, high)?;
        }
    }
    if let Some(limit) = request.get("max_tokens")
        && whole(limit, "/max_tokens", 1)? > model.max_tokens
    {
        return Err(Fault::validation(format!(
            "too many tokens: max tokens must be less than or equal to {}",
            model.max_tokens
        )));
    }
    if let Some(stops) = request.get("stop_sequences") {
        array(stops, "/stop_sequences")?
            .iter()
            .try_for_each(|stop| string(stop, "/stop_sequences").map(|_| ()))?;
    }
    match request.get("prompt_truncation") {
        Some(kind) => one_of(kind, "/prompt_truncation", &["OFF", "AUTO_PRESERVE_ORDER"]),
        None => Ok(()),
    }
}

fn tool((index, tool): (usize, &Value)) -> Result<&str, Fault> {
    let at = format!("/tools/{index}");
    let members = object(tool, &at)?;
    only(members, &at, &["name", "description", "parameter_definitions"])?;
    string(required(members, &at, "description")?, &at)?;
    if let Some(parameters) = members.get("parameter_definitions") {
        for (name, parameter) in object(parameters, &at)? {
            let at = format!("{at}/parameter_definitions/{name}");
            let members = object(parameter, &at)?;
            only(members, &at, &["description", "type", "required"])?;
            string(required(members, &at, "type")?, &at)?;
        }
    }
    string(required(members, &at, "name")?, &at)
}
