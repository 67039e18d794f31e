//! The two tables that are kept as text: what each model can do, and a request as it is read.

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;
use outcrop::bedrock::ModelId;
use outcrop::families::{self, CacheSupport, Capabilities, FormatKind, SingleCall, TopK};
use outcrop::openai;

use crate::{fixture, updating};

/// Every id that the catalogue knows, and some that it forgot, with its family or `-`.
const IDS: &str = include_str!("../fixtures/model_ids.txt");

/// What each chat model can do: a line for Converse, and one for its own format where there is one.
#[test]
fn every_row_of_the_table_of_capabilities_is_as_written() -> Result<()> {
    let chats = IDS.lines().filter_map(|line| line.split_once(' ')).filter(|(_, family)| *family != "-");
    let mut table = String::new();
    for (id, _) in chats {
        for row in rows(id)? {
            writeln!(table, "{row}")?;
        }
    }
    compare("capabilities.txt", &table)
}

#[test]
fn a_request_with_everything_is_read() -> Result<()> {
    let body = fs::read(fixture("openai/full.json"))?;
    let openai::Decoded { request, model, stream, include_usage, choices, forms: _, notes } =
        openai::decode(&body)?;
    let mut read =
        format!("{model:?} stream={stream} include_usage={include_usage} choices={choices}\n{request:#?}\n");
    for note in notes.iter() {
        writeln!(read, "{note}")?;
    }
    compare("openai/full.decoded.txt", &read)
}

fn compare(file: &str, now: &str) -> Result<()> {
    let file = fixture(file);
    if updating() {
        return Ok(fs::write(file, now)?);
    }
    let written = fs::read_to_string(&file)?;
    for (now, written) in now.lines().zip(written.lines()) {
        assert_eq!(now, written, "{}", file.display());
    }
    assert_eq!(now.lines().count(), written.lines().count(), "{}", file.display());
    Ok(())
}

fn rows(id: &str) -> Result<Vec<String>> {
    let model = ModelId::parse(id)?;
    let family = families::resolve(&model, None);
    let native = families::supports_native(family, &model).then_some(FormatKind::Native);
    let kinds = [FormatKind::Converse].into_iter().chain(native);
    kinds.map(|kind| row(id, kind, family.capabilities(&model, kind))).collect()
}

fn row(id: &str, kind: FormatKind, able: Capabilities) -> Result<String> {
    let Capabilities {
        system,
        tools,
        tools_while_streaming,
        tool_choice_any,
        tool_choice_named,
        tool_choice_none,
        single_call,
        strict_tools,
        mixed_tool_results,
        images_in_tool_results,
        tool_result_status,
        images,
        documents,
        audio,
        s3,
        json_schema,
        cache,
        web_search,
        signed_reasoning,
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
        max_output_tokens,
        default_max_tokens,
    } = able;
    let flags = [
        (system, "system"),
        (tools, "tools"),
        (tools_while_streaming, "tools_while_streaming"),
        (tool_choice_any, "any"),
        (tool_choice_named, "named"),
        (tool_choice_none, "none"),
        (single_call != SingleCall::No, "single_call"),
        (strict_tools, "strict_tools"),
        (mixed_tool_results, "mixed_results"),
        (images_in_tool_results, "images_in_results"),
        (tool_result_status, "result_status"),
        (images, "images"),
        (documents, "documents"),
        (audio, "audio"),
        (s3, "s3"),
        (json_schema, "json_schema"),
        (web_search, "web_search"),
        (signed_reasoning, "signed_reasoning"),
        (user, "user"),
        (prefill, "prefill"),
        (leading_assistant, "leading_assistant"),
        (seed, "seed"),
        (penalties, "penalties"),
        (logit_bias, "logit_bias"),
        (logprobs, "logprobs"),
    ];
    let mut row = format!("{id}: {kind:?} sampling={sampling:?} stop={stop:?}");
    for (_, flag) in flags.into_iter().filter(|(on, _)| *on) {
        write!(row, " {flag}")?;
    }
    for (name, value) in [("max", max_output_tokens), ("default", default_max_tokens)] {
        if let Some(value) = value {
            write!(row, " {name}={value}")?;
        }
    }
    if let Some(CacheSupport { least_tokens, tools, one_hour }) = cache {
        write!(row, " cache>={least_tokens}")?;
        row.push_str(if tools { "+tools" } else { "" });
        row.push_str(if one_hour { "+1h" } else { "" });
    }
    match top_k {
        TopK::No => {}
        TopK::Own => row.push_str(" top_k"),
        TopK::Field(path) => write!(row, " top_k={}", path.join("."))?,
    }
    if least_top_p > 0.0 {
        write!(row, " top_p>={least_top_p}")?;
    }
    if least_max_tokens > 1 {
        write!(row, " max_tokens>={least_max_tokens}")?;
    }
    Ok(row)
}
