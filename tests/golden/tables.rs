//! The tables that are kept as text: what each model can do, how each is told to think, and a request as it is read.

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;
use outcrop::bedrock::ModelId;
use outcrop::chat::{
    Block, CacheMode, CallMarkup, Effort, Message, NamePattern, Notes, Request, Role, Text, Tool, ToolChoice,
};
use outcrop::families::{
    self, CacheSupport, Capabilities, Control, FormatKind, Lessons, ModelLimits, Overrides, Replay,
    SingleCall, Terms, TopK,
};
use outcrop::openai;

use crate::{fixture, updating};

/// Every id that the catalogue knows, and some that it forgot, with its family or `-`.
pub(crate) const IDS: &str = include_str!("../fixtures/model_ids.txt");

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

/// What becomes of each `reasoning_effort` on each model that thinks. The request also sets a temperature and insists on a
/// tool, which some models don't take meanwhile.
#[test]
fn every_effort_on_every_model_that_thinks_is_as_written() -> Result<()> {
    let efforts = [
        None,
        Some(Effort::None),
        Some(Effort::Minimal),
        Some(Effort::Low),
        Some(Effort::Medium),
        Some(Effort::High),
        Some(Effort::XHigh),
        Some(Effort::Max),
    ];
    let chats = IDS.lines().filter_map(|line| line.split_once(' ')).filter(|(_, family)| *family != "-");
    let mut table = String::new();
    for (id, _) in chats {
        let model = ModelId::parse(id)?;
        let mut before = String::new();
        for (kind, able) in able(&model) {
            let mut rows = String::new();
            for effort in efforts.into_iter().filter(|_| able.thinking.control != Control::No) {
                writeln!(rows, "  {:8} {}", effort.map_or("-", Effort::as_str), told(&model, kind, effort)?)?;
            }
            // What is told in a model's own format is mostly what it is told behind Converse.
            if rows != before {
                write!(table, "{id} {kind:?}\n{rows}")?;
            }
            before = rows;
        }
    }
    compare("reasoning.txt", &table)
}

fn told(model: &ModelId, kind: FormatKind, effort: Option<Effort>) -> Result<String> {
    let says = Message { role: Role::User, content: vec![Block::Text(Text::new("hi"))], index: 0 };
    let tool = Tool { name: "f".into(), description: None, schema: None, strict: None, cache: None };
    let tools = families::resolve(model, None).capabilities(model, kind).tools;
    let request = Request {
        messages: vec![says],
        tools: if tools { vec![tool.clone(), Tool { name: "g".into(), ..tool }] } else { Vec::new() },
        tool_choice: tools.then_some(ToolChoice::Required),
        temperature: Some(0.5),
        reasoning: effort,
        ..Request::default()
    };
    let terms = Terms {
        family: families::resolve(model, None),
        model,
        forced: Some(kind),
        overrides: Overrides::default(),
        lessons: Lessons::default(),
        limits: ModelLimits::default(),
        streaming: true,
        folding: None,
        thoughts_complete: false,
        cache: CacheMode::Conversations,
    };
    let mut notes = Notes::new();
    let request = families::prepare(&terms, request, &mut notes)?.request;
    let mut told = Vec::new();
    for field in &request.model_fields {
        told.push(format!("{}={}", field.path.join("."), field.value.as_str()));
    }
    told.extend(request.max_tokens.map(|tokens| format!("max_tokens={tokens}")));
    told.extend(request.temperature.map(|temperature| format!("temperature={temperature}")));
    told.extend(request.tool_choice.map(|choice| format!("{choice:?}")));
    told.extend(notes.iter().map(|note| format!("[{note}]")));
    Ok(told.join(" "))
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
    able(&model).map(|(kind, able)| row(id, kind, &able)).collect()
}

pub(crate) fn able(model: &ModelId) -> impl Iterator<Item = (FormatKind, Capabilities)> {
    let family = families::resolve(model, None);
    let native = families::supports_native(family, model).then_some(FormatKind::Native);
    [FormatKind::Converse].into_iter().chain(native).map(move |kind| (kind, family.capabilities(model, kind)))
}

#[expect(clippy::too_many_lines, reason = "a table: a line for each column")]
fn row(id: &str, kind: FormatKind, able: &Capabilities) -> Result<String> {
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
        // In a table of its own.
        thinking: _,
        cache,
        web_search,
        replay,
        call_markup,
        refusal_at,
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
    } = *able;
    let flags = [
        (system, "system"),
        (tools, "tools"),
        (tools_while_streaming, "tools_while_streaming"),
        (tool_choice_any, "any"),
        (tool_choice_named, "named"),
        (tool_choice_none, "none"),
        (single_call != SingleCall::No, "single_call"),
        (strict_tools, "strict_tools"),
        (!tool_schemas.root_unions, "no_root_unions"),
        (!tool_schemas.references, "no_references"),
        (!tool_schemas.any_property_names, "property_names"),
        (tool_names != NamePattern::TOOLS, "tool_names"),
        (mixed_tool_results, "mixed_results"),
        (images_in_tool_results, "images_in_results"),
        (tool_result_status, "result_status"),
        (images, "images"),
        (documents, "documents"),
        (audio, "audio"),
        (s3, "s3"),
        (json_schema, "json_schema"),
        (web_search, "web_search"),
        (replay == Replay::Signed, "signed_reasoning"),
        (replay == Replay::Encrypted, "encrypted_reasoning_in_loops"),
        (replay == Replay::Plain, "plain_reasoning_in_loops"),
        (matches!(call_markup, CallMarkup::Calls(_)), "calls_in_text"),
        (matches!(call_markup, CallMarkup::Tail(_)), "markup_behind_text"),
        (!refusal_at.is_empty(), "tells_why_refused"),
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
