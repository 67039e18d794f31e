//! What a family claims to be able to do is shown by its fixtures.
//!
//! For each family and each body that it speaks, every column of [`Capabilities`] that one of its models claims needs a
//! request under `tests/fixtures/<family>/`, of a model that claims it, which asks for that very thing. What asks for
//! it is told by the request itself, never by what the case is called.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use outcrop::bedrock::ModelId;
use outcrop::chat::NamePattern;
use outcrop::families::{
    self, Capabilities, Control, FAMILIES, FormatKind, Replay, Sampling, SingleCall, StopSupport, TopK,
};
use serde_json::Value;

use crate::tables::{IDS, able};
use crate::{case, case_folders, fixture, folders, read};

/// A column, and whether a request asks for it.
type Column = (&'static str, fn(&Value) -> bool);

#[test]
fn what_a_family_claims_a_fixture_shows() -> Result<()> {
    let mut claimed: BTreeMap<(String, bool), BTreeSet<&str>> = BTreeMap::new();
    for (id, family) in
        IDS.lines().filter_map(|line| line.split_once(' ')).filter(|(_, family)| *family != "-")
    {
        for (kind, able) in able(&ModelId::parse(id)?) {
            let key = (family.to_owned(), kind == FormatKind::Native);
            claimed.entry(key).or_default().extend(columns(&able).map(|(name, _)| name));
        }
    }
    assert!(claimed.len() > FAMILIES.len(), "{claimed:?}");
    let mut shown: BTreeMap<(String, bool), BTreeSet<&str>> = BTreeMap::new();
    for folder in case_folders()?.into_iter().filter(|folder| folder.join("request.json").exists()) {
        let case = case(&folder)?;
        let model = ModelId::parse(&case.model)?;
        let family = families::resolve(&model, case.family.as_deref());
        let under = folder.parent().and_then(|parent| parent.file_name()).context("a family's folder")?;
        if under != family.name() {
            // A format's own cases are told by its name.
            continue;
        }
        let native = case.format != "converse";
        let able =
            family.capabilities(&model, if native { FormatKind::Native } else { FormatKind::Converse });
        let request: Value = serde_json::from_str(&read(&folder.join("request.json"))?)?;
        let asked = columns(&able).filter(|(_, asks)| asks(&request)).map(|(name, _)| name);
        shown.entry((family.name().to_owned(), native)).or_default().extend(asked);
    }
    let mut missing = Vec::new();
    for ((family, native), claims) in &claimed {
        let none = BTreeSet::new();
        let shown = shown.get(&(family.clone(), *native)).unwrap_or(&none);
        let body = if *native { "its own body" } else { "converse" };
        missing.extend(claims.difference(shown).map(|column| format!("{family}, {body}: {column}")));
    }
    assert!(missing.is_empty(), "no fixture shows what is claimed:\n{}", missing.join("\n"));
    Ok(())
}

/// Or a family's cases would count for nobody.
#[test]
fn every_folder_of_fixtures_is_a_familys_or_a_protocols() -> Result<()> {
    let names: Vec<&str> = families::names().collect();
    for folder in folders(&fixture(""))? {
        let name = folder.file_name().and_then(|name| name.to_str()).context("a name")?;
        let known = names.contains(&name)
            || names.contains(&name.replace('_', "-").as_str())
            || ["converse", "openai"].contains(&name);
        assert!(known, "tests/fixtures/{name} is no family's");
    }
    Ok(())
}

/// The columns that a model claims something in.
#[expect(clippy::too_many_lines, reason = "a table: a row for each column")]
fn columns(able: &Capabilities) -> impl Iterator<Item = Column> + use<> {
    let Capabilities {
        system,
        tools,
        tools_while_streaming,
        tool_choice_any,
        tool_choice_named,
        tool_choice_none,
        single_call,
        strict_tools,
        tool_schemas,
        tool_names,
        mixed_tool_results,
        images_in_tool_results,
        tool_result_status,
        images,
        documents,
        audio,
        s3,
        json_schema,
        thinking,
        cache,
        web_search,
        replay,
        // Of replies.
        call_markup: _,
        refusal_at: _,
        user,
        prefill,
        leading_assistant,
        sampling,
        top_k,
        seed,
        penalties,
        logit_bias,
        logprobs,
        least_top_p,
        stop,
        least_max_tokens,
        max_output_tokens: _,
        default_max_tokens,
    } = *able;
    let native_stop = match stop {
        StopSupport::Native(_) | StopSupport::BarsOrUser => true,
        StopSupport::Emulated => false,
    };
    let columns: [(bool, Column); 38] = [
        (system, ("system", |request| said(request, &["system", "developer"]).next().is_some())),
        (tools, ("tools", |request| !list(&request["tools"]).is_empty())),
        // Where there are none, the column says nothing.
        (
            tools && tools_while_streaming,
            ("tools_while_streaming", |request| {
                !list(&request["tools"]).is_empty() && request["stream"] == true
            }),
        ),
        (tool_choice_any, ("tool_choice_any", |request| request["tool_choice"] == "required")),
        (tool_choice_named, ("tool_choice_named", |request| request["tool_choice"]["type"] == "function")),
        // Without calls in the history the tools themselves are left out.
        (
            tools && tool_choice_none,
            ("tool_choice_none", |request| {
                request["tool_choice"] == "none" && said(request, &["tool"]).next().is_some()
            }),
        ),
        (
            tools && single_call != SingleCall::No,
            ("single_call", |request| {
                request["parallel_tool_calls"] == false && !list(&request["tools"]).is_empty()
            }),
        ),
        (
            strict_tools,
            ("strict_tools", |request| {
                list(&request["tools"]).iter().any(|tool| tool["function"]["strict"] == true)
            }),
        ),
        (
            tools && !tool_schemas.root_unions,
            ("union_flattened", |request| {
                schemas(request).any(|schema| schema["anyOf"].is_array() || schema["oneOf"].is_array())
            }),
        ),
        (
            tools && !tool_schemas.references,
            ("references_inlined", |request| {
                schemas(request).any(|schema| schema.to_string().contains("\"$ref\""))
            }),
        ),
        (
            tools && !tool_schemas.any_property_names,
            ("properties_renamed", |request| {
                let names = |schema: &Value| schema["properties"].as_object().cloned().unwrap_or_default();
                schemas(request)
                    .any(|schema| names(schema).keys().any(|name| !NamePattern::PROPERTIES.fits(name)))
            }),
        ),
        (
            tools && tool_names != NamePattern::TOOLS,
            ("tools_renamed", |request| {
                list(&request["tools"]).iter().any(|tool| tool["function"]["name"].to_string().contains('-'))
            }),
        ),
        (
            tools && mixed_tool_results,
            ("mixed_tool_results", |request| {
                list(&request["messages"])
                    .windows(2)
                    .any(|pair| pair[0]["role"] == "tool" && pair[1]["role"] == "user")
            }),
        ),
        (
            tools && images && images_in_tool_results,
            ("images_in_tool_results", |request| parts(request, &["tool"], "image_url")),
        ),
        // OpenAI has no word for a failure; a call that nobody answered is told as one.
        (
            tools && tool_result_status,
            ("tool_result_status", |request| {
                let calls = said(request, &["assistant"]).map(|message| list(&message["tool_calls"]).len());
                calls.sum::<usize>() > said(request, &["tool"]).count()
            }),
        ),
        (images, ("images", |request| parts(request, &["user"], "image_url"))),
        (documents, ("documents", |request| parts(request, &["user"], "file"))),
        (audio, ("audio", |request| parts(request, &["user"], "input_audio"))),
        (s3, ("s3", |request| request["messages"].to_string().contains("\"s3://"))),
        (json_schema, ("json_schema", |request| request["response_format"]["type"] == "json_schema")),
        (thinking.control != Control::No, ("reasoning", |request| request["reasoning_effort"].is_string())),
        (
            cache.is_some(),
            ("cache", |request| {
                let messages = request["messages"].to_string();
                messages.contains("\"cache_control\"") || messages.contains("\"prompt_cache_breakpoint\"")
            }),
        ),
        (
            cache.is_some_and(|cache| cache.tools),
            ("cache of tools", |request| {
                list(&request["tools"]).iter().any(|tool| tool["cache_control"].is_object())
            }),
        ),
        (
            cache.is_some_and(|cache| cache.one_hour),
            ("cache for an hour", |request| request.to_string().contains("\"ttl\":\"1h\"")),
        ),
        (web_search, ("web_search", |request| request["web_search_options"].is_object())),
        (
            replay == Replay::Signed,
            ("signed_reasoning", |request| {
                said(request, &["assistant"])
                    .any(|message| message["reasoning_details"].to_string().contains("\"signature\""))
            }),
        ),
        (
            replay == Replay::Encrypted,
            ("encrypted_reasoning", |request| {
                said(request, &["assistant"])
                    .any(|message| message["reasoning_details"].to_string().contains("reasoning.encrypted"))
            }),
        ),
        (
            replay == Replay::Plain,
            ("plain_reasoning", |request| {
                said(request, &["assistant"]).any(|message| message["reasoning_content"].is_string())
            }),
        ),
        (user, ("user", |request| request["user"].is_string())),
        (
            prefill,
            ("prefill", |request| {
                list(&request["messages"]).last().is_some_and(|last| last["role"] == "assistant")
            }),
        ),
        (
            leading_assistant,
            ("leading_assistant", |request| {
                said(request, &["user", "assistant"]).next().is_some_and(|first| first["role"] == "assistant")
            }),
        ),
        // Whichever of the two it takes: both are asked for.
        (
            sampling != Sampling::Refused,
            ("sampling", |request| request["temperature"].is_number() && request["top_p"].is_number()),
        ),
        (top_k != TopK::No, ("top_k", |request| request["top_k"].is_number())),
        (seed, ("seed", |request| request["seed"].is_number())),
        (
            penalties,
            ("penalties", |request| {
                request["frequency_penalty"].is_number() && request["presence_penalty"].is_number()
            }),
        ),
        (
            logit_bias,
            ("logit_bias", |request| request["logit_bias"].as_object().is_some_and(|bias| !bias.is_empty())),
        ),
        (logprobs, ("logprobs", |request| request["logprobs"] == true)),
        (native_stop, ("stop", |request| request["stop"].is_string() || !list(&request["stop"]).is_empty())),
    ];
    let bounds: [(bool, Column); 3] = [
        (
            least_top_p > 0.0,
            ("least_top_p", |request| request["top_p"].as_f64().is_some_and(|top_p| top_p < 0.001)),
        ),
        (least_max_tokens > 1, ("least_max_tokens", |request| request["max_tokens"] == 1)),
        (
            default_max_tokens.is_some(),
            ("default_max_tokens", |request| {
                request["max_tokens"].is_null() && request["max_completion_tokens"].is_null()
            }),
        ),
    ];
    columns.into_iter().chain(bounds).filter_map(|(claims, column)| claims.then_some(column))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn said<'a>(request: &'a Value, roles: &'a [&str]) -> impl Iterator<Item = &'a Value> {
    let has = |message: &&Value| message["role"].as_str().is_some_and(|role| roles.contains(&role));
    list(&request["messages"]).iter().filter(has)
}

fn parts(request: &Value, roles: &[&str], kind: &str) -> bool {
    said(request, roles).flat_map(|message| list(&message["content"])).any(|part| part["type"] == kind)
}

fn schemas(request: &Value) -> impl Iterator<Item = &Value> {
    list(&request["tools"]).iter().map(|tool| &tool["function"]["parameters"])
}
