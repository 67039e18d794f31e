mod output;

use super::*;
use crate::chat::{Block, CacheMode, Message, OutputFormat, Role, Source, Text};
use crate::chat::{
    Document, Effort, Image, ImageFormat, Json, Reasoning, Tool, ToolChoice, ToolResult, ToolUse,
};
use crate::families::resolve;

const OPUS_5: &str = "anthropic.claude-opus-5";
const SONNET_4_5: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const OPUS_5_5: &str = "anthropic.claude-opus-5-5";
const LLAMA: &str = "us.meta.llama3-3-70b-instruct-v1:0";
const LLAMA_3: &str = "meta.llama3-8b-instruct-v1:0";
const TITAN: &str = "amazon.titan-text-express-v1";
const NOVA: &str = "amazon.nova-pro-v1:0";
const MISTRAL: &str = "mistral.mistral-large-2407-v1:0";
const QWEN: &str = "qwen.qwen3-32b-v1:0";
const GPT: &str = "openai.gpt-6-sol";

pub(super) struct Case {
    pub(super) model: ModelId,
    pub(super) forced: Option<FormatKind>,
    pub(super) overrides: Overrides,
    pub(super) lessons: Lessons,
    pub(super) limits: ModelLimits,
    pub(super) streaming: bool,
    pub(super) thoughts_complete: bool,
}

pub(super) fn on(model: &str) -> Case {
    Case {
        model: ModelId::parse(model).unwrap(),
        forced: None,
        overrides: Overrides::default(),
        lessons: Lessons::default(),
        limits: ModelLimits::default(),
        streaming: false,
        thoughts_complete: false,
    }
}

impl Case {
    fn prepare(&self, request: Request) -> Result<(Prepared, Vec<String>), InvalidRequest> {
        let Self { model, forced, overrides, lessons, limits, streaming, thoughts_complete } = self;
        let terms = Terms {
            family: resolve(model, None),
            model,
            forced: *forced,
            overrides: *overrides,
            lessons: *lessons,
            limits: *limits,
            streaming: *streaming,
            folding: None,
            thoughts_complete: *thoughts_complete,
            cache: CacheMode::Conversations,
        };
        let mut notes = Notes::new();
        let prepared = prepare(&terms, request, &mut notes)?;
        Ok((prepared, notes.iter().map(ToString::to_string).collect()))
    }

    pub(super) fn good(&self, request: Request) -> (Prepared, Vec<String>) {
        self.prepare(request).unwrap()
    }

    fn refused(&self, request: Request) -> String {
        match self.prepare(request) {
            Ok((_, notes)) => panic!("taken, with {notes:?}"),
            Err(InvalidRequest { param, code, .. }) => format!("{code} {}", param.unwrap_or_default()),
        }
    }
}

pub(super) fn words(words: &str) -> Block {
    Block::Text(Text::new(words))
}

pub(super) fn message(index: usize, role: Role, content: Vec<Block>) -> Message {
    Message { role, content, index }
}

pub(super) fn hello() -> Request {
    Request { messages: vec![message(0, Role::User, vec![words("hi")])], ..Request::default() }
}

pub(super) fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: None, schema: None, strict: None, cache: None }
}

pub(super) fn with_tools(choice: Option<ToolChoice>) -> Request {
    Request { tools: vec![tool("f"), tool("g")], tool_choice: choice, ..hello() }
}

pub(super) fn with_history(choice: Option<ToolChoice>, tools: &[&str]) -> Request {
    let call = Block::ToolUse(ToolUse { id: "x".into(), name: "f".into(), input: Json::empty_object() });
    let result = Block::ToolResult(ToolResult { id: "x".into(), content: vec![words("1")], is_error: false });
    Request {
        messages: vec![
            message(0, Role::User, vec![words("hi")]),
            message(1, Role::Assistant, vec![call]),
            message(2, Role::User, vec![result]),
        ],
        tools: tools.iter().map(|name| tool(name)).collect(),
        tool_choice: choice,
        ..Request::default()
    }
}

fn names(request: &Request) -> Vec<&str> {
    request.tools.iter().map(|tool| tool.name.as_str()).collect()
}

fn image() -> Block {
    Block::Image(Image { format: ImageFormat::Png, source: Source::Inline(Text::new("aGk=")) })
}

fn document(format: &str) -> Block {
    Block::Document(Document {
        name: "d".into(),
        format: format.into(),
        source: Source::Inline(Text::new("aGk=")),
    })
}

#[test]
fn a_plain_chat_passes_without_a_note() {
    for id in [OPUS_5, LLAMA, TITAN, NOVA, MISTRAL, QWEN, GPT, "vendor.new-model"] {
        let (prepared, notes) = on(id).good(hello());
        assert!(notes.is_empty(), "{id}: {notes:?}");
        assert_eq!(prepared.streaming, StreamingMode::Plain);
    }
}

#[test]
fn each_family_speaks_its_own_format_unless_told_otherwise() {
    let forced = |id, forced| Case { forced: Some(forced), ..on(id) }.good(hello()).0.format.name();
    for (id, native) in [(OPUS_5, "anthropic_messages"), (LLAMA, "llama_prompt"), (TITAN, "titan_text")] {
        assert_eq!(on(id).good(hello()).0.format.name(), native);
        assert_eq!(forced(id, FormatKind::Converse), "converse");
        assert_eq!(forced(id, FormatKind::Native), native);
    }
    for id in [NOVA, QWEN, "meta.llama4-scout-17b-instruct-v1:0", "vendor.new-model"] {
        assert_eq!(on(id).good(hello()).0.format.name(), "converse");
    }
    assert_eq!(forced("meta.llama4-scout-17b-instruct-v1:0", FormatKind::Native), "llama_prompt");
    assert_eq!(forced(NOVA, FormatKind::Native), "nova_messages");
    assert_eq!(forced("openai.gpt-6-sol", FormatKind::Native), "converse");
    // Converse doesn't know it.
    assert_eq!(on("cohere.command-text-v14").good(hello()).0.format.name(), "cohere_generate");
}

#[test]
fn llama_speaks_converse_as_soon_as_there_is_more_than_text() {
    let format = |request| on(LLAMA).good(request).0.format.name();
    assert_eq!(format(with_tools(None)), "converse");
    assert_eq!(format(with_history(None, &["f"])), "converse");
    let mut request = hello();
    request.messages[0].content.push(document("pdf"));
    assert_eq!(format(request), "converse");
    let forced = Case { forced: Some(FormatKind::Native), ..on(LLAMA) };
    assert_eq!(forced.refused(with_tools(None)), "unsupported_parameter tools");
}

#[test]
fn claude_speaks_converse_for_office_files() {
    let format = |kind| {
        let mut request = hello();
        request.messages[0].content.push(document(kind));
        on(OPUS_5).good(request).0.format.name()
    };
    assert_eq!(format("pdf"), "anthropic_messages");
    assert_eq!(format("docx"), "converse");
}

#[test]
fn sampling_is_what_the_model_takes() {
    let sampled = |id, temperature, top_p| {
        let (prepared, notes) = on(id).good(Request { temperature, top_p, ..hello() });
        (prepared.request.temperature, prepared.request.top_p, notes.join(" "))
    };
    assert_eq!(sampled(NOVA, Some(0.5), Some(0.5)), (Some(0.5), Some(0.5), String::new()));
    assert_eq!(
        sampled(NOVA, Some(1.5), None),
        (Some(1.0), None, "temperature:clamped;reason=above_maximum".into())
    );
    assert_eq!(
        sampled(SONNET_4_5, Some(0.5), Some(0.5)),
        (Some(0.5), None, "top_p:dropped;reason=excludes_temperature".into())
    );
    assert_eq!(sampled(SONNET_4_5, Some(0.5), Some(1.0)), (Some(0.5), None, String::new()));
    assert_eq!(sampled(SONNET_4_5, None, Some(0.5)), (None, Some(0.5), String::new()));
    assert_eq!(
        sampled(OPUS_5, Some(0.0), Some(0.5)),
        (
            None,
            None,
            "temperature:dropped;reason=refused_by_model top_p:dropped;reason=refused_by_model".into()
        )
    );
    assert_eq!(sampled(OPUS_5, Some(1.0), Some(1.0)), (None, None, String::new()));
    assert_eq!(
        sampled(TITAN, None, Some(0.0)),
        (None, Some(0.0001), "top_p:clamped;reason=below_minimum".into())
    );
}

#[test]
fn max_tokens_is_kept_within_the_models_limits() {
    let limited = |id, wanted, most| {
        let case =
            Case { limits: ModelLimits { max_output_tokens: most, ..ModelLimits::default() }, ..on(id) };
        let (prepared, notes) = case.good(Request { max_tokens: wanted, ..hello() });
        (prepared.request.max_tokens, notes.join(" "))
    };
    assert_eq!(limited(NOVA, None, Some(100)), (None, String::new()));
    assert_eq!(limited(NOVA, Some(100), Some(100)), (Some(100), String::new()));
    assert_eq!(
        limited(NOVA, Some(101), Some(100)),
        (Some(100), "max_tokens:clamped;reason=above_model_maximum".into())
    );
    assert_eq!(
        limited(GPT, Some(1), None),
        (Some(16), "max_tokens:clamped;reason=below_model_minimum".into())
    );
    assert_eq!(limited(SONNET_4_5, None, None), (Some(4096), String::new()));
    // It thinks, so there is room for thoughts too.
    assert_eq!(limited(OPUS_5, None, None), (Some(20_480), String::new()));
    assert_eq!(limited(OPUS_5, None, Some(1000)), (Some(1000), String::new()));
    assert_eq!(limited(TITAN, Some(9000), None).0, Some(8192));
    let overrides = Overrides { max_output_tokens: Some(7), ..Overrides::default() };
    let case = Case {
        overrides,
        limits: ModelLimits { max_output_tokens: Some(9), ..ModelLimits::default() },
        ..on(NOVA)
    };
    assert_eq!(case.good(Request { max_tokens: Some(8), ..hello() }).0.request.max_tokens, Some(7));
}

#[test]
fn stop_texts_are_watched_for_by_the_model_or_by_the_gateway() {
    let stopped = |id, stop: &[&str]| {
        let stop = stop.iter().map(|&stop| stop.to_owned()).collect();
        let (prepared, notes) = on(id).good(Request { stop, ..hello() });
        (prepared.request.stop.join(" "), prepared.local_stop.join(" "), notes.join(" "))
    };
    let is = |model: &str, local: &str, notes: &str| (model.to_owned(), local.to_owned(), notes.to_owned());
    assert_eq!(stopped(NOVA, &["a", "b"]), is("a b", "", ""));
    assert_eq!(stopped(OPUS_5, &["a", "\n"]), is("a", "\n", "stop:emulated;reason=blank"));
    assert_eq!(
        stopped(NOVA, &["1", "2", "3", "4", "5"]),
        is("1 2 3 4", "5", "stop:emulated;reason=too_many")
    );
    assert_eq!(stopped(LLAMA, &["a"]), is("", "a", "stop:emulated;reason=no_equivalent"));
    assert_eq!(
        stopped(TITAN, &["|", "||", "User:", "|a", "b"]),
        is("| || User:", "|a b", "stop:emulated;reason=refused_by_model")
    );
    assert_eq!(stopped(TITAN, &[""]), is("", "", "stop:dropped;reason=empty"));
}

#[test]
fn tools_are_refused_where_there_are_none() {
    assert_eq!(on(TITAN).refused(with_tools(None)), "unsupported_parameter tools");
    assert_eq!(on(TITAN).refused(with_history(None, &[])), "unsupported_parameter messages[1]");
    assert_eq!(on(LLAMA_3).refused(with_tools(None)), "unsupported_parameter tools");
    let none = on(TITAN).good(with_tools(Some(ToolChoice::None)));
    assert!(none.0.request.tools.is_empty() && none.1.is_empty());
}

#[test]
fn media_are_refused_with_their_place_where_the_model_cannot_read_them() {
    let with = |block| {
        let mut request = hello();
        request.messages.push(message(4, Role::User, vec![block]));
        request
    };
    assert_eq!(on(QWEN).refused(with(image())), "unsupported_parameter messages[4]");
    assert_eq!(on(QWEN).refused(with(document("pdf"))), "unsupported_parameter messages[4]");
    assert!(on(NOVA).prepare(with(image())).is_ok());
    let mut request = with_history(None, &["f"]);
    request.messages[2].content =
        vec![Block::ToolResult(ToolResult { id: "x".into(), content: vec![image()], is_error: false })];
    assert_eq!(on(QWEN).refused(request), "unsupported_parameter messages[2]");
}

#[test]
fn a_forced_choice_becomes_the_nearest_that_the_model_knows() {
    let chosen = |id, choice| {
        let (prepared, notes) = on(id).good(with_tools(Some(choice)));
        (prepared.request.tool_choice.clone(), names(&prepared.request).join(" "), notes.join(" "))
    };
    let f = || ToolChoice::Named("f".into());
    assert_eq!(chosen(NOVA, f()), (Some(f()), "f g".into(), String::new()));
    assert_eq!(
        chosen(MISTRAL, f()),
        (Some(ToolChoice::Required), "f".into(), "tool_choice:emulated;reason=only_this_tool_sent".into())
    );
    assert_eq!(
        chosen(QWEN, f()),
        (None, "f".into(), "tool_choice:dropped;reason=only_this_tool_sent".into())
    );
    assert_eq!(chosen(NOVA, ToolChoice::Required).0, Some(ToolChoice::Required));
    assert_eq!(
        chosen(OPUS_5_5, ToolChoice::Required),
        (None, "f g".into(), "tool_choice:dropped;reason=no_equivalent".into())
    );
    assert_eq!(chosen(NOVA, ToolChoice::Auto), (None, "f g".into(), String::new()));
    assert_eq!(chosen(NOVA, ToolChoice::None), (None, String::new(), String::new()));
}

#[test]
fn some_tool_of_one_is_that_tool() {
    let request = Request { tools: vec![tool("f")], ..with_tools(Some(ToolChoice::Required)) };
    let (prepared, notes) = on("moonshotai.kimi-k3").good(request);
    assert_eq!(prepared.request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert!(notes.is_empty());
}

#[test]
fn a_choice_without_its_tool_is_refused() {
    let named = |name: &str| Some(ToolChoice::Named(name.into()));
    assert_eq!(on(NOVA).refused(with_tools(named("h"))), "invalid_value tool_choice");
    assert_eq!(on(NOVA).refused(Request { tool_choice: named("f"), ..hello() }), "invalid_value tool_choice");
}

#[test]
fn none_beside_calls_in_the_history_is_told_to_claude_and_noted_elsewhere() {
    let none = || with_history(Some(ToolChoice::None), &["f"]);
    let (claude, notes) = on(OPUS_5).good(none());
    let warned = "reasoning_effort:warned;reason=thoughts_missing".to_owned();
    assert_eq!((claude.request.tool_choice, notes), (Some(ToolChoice::None), vec![warned]));
    let (nova, notes) = on(NOVA).good(none());
    assert_eq!(names(&nova.request), ["f"]);
    assert_eq!(
        (nova.request.tool_choice, notes.join(" ")),
        (None, "tool_choice:dropped;reason=no_equivalent".into())
    );
}

#[test]
fn a_history_with_calls_gets_their_tools_back() {
    let (nova, notes) = on(NOVA).good(with_history(None, &[]));
    assert_eq!(names(&nova.request), ["f"]);
    assert_eq!(notes, ["tools:emulated;reason=rebuilt_from_history"]);
    let (claude, _) = on(OPUS_5).good(with_history(None, &[]));
    assert_eq!(claude.request.tool_choice, Some(ToolChoice::None));
}

#[test]
fn one_call_a_turn_is_asked_of_claude_only() {
    let parallel = |id, value| {
        let request = Request { parallel_tool_calls: Some(value), ..with_tools(None) };
        let (prepared, notes) = on(id).good(request);
        (prepared.request.parallel_tool_calls, notes.join(" "))
    };
    assert_eq!(parallel(OPUS_5, false), (Some(false), String::new()));
    assert_eq!(parallel(NOVA, false), (None, "parallel_tool_calls:dropped;reason=no_equivalent".into()));
    assert_eq!(parallel(NOVA, true), (None, String::new()));
}

#[test]
fn strict_tools_go_where_they_are_held_to() {
    let strict = |id| {
        let mut request = with_tools(None);
        request.tools[1].strict = Some(true);
        let (prepared, notes) = on(id).good(request);
        (prepared.request.tools[1].strict, notes.join(" "))
    };
    assert_eq!(strict(SONNET_4_5), (Some(true), String::new()));
    assert_eq!(strict(OPUS_5), (None, "tools[1].strict:dropped;reason=no_equivalent".into()));
}

#[test]
fn tools_that_do_not_stream_are_called_whole() {
    let streaming = |id, request| {
        let (prepared, notes) = Case { streaming: true, ..on(id) }.good(request);
        (prepared.streaming, notes.join(" "))
    };
    assert_eq!(
        streaming(LLAMA, with_tools(None)),
        (StreamingMode::Synthesised, "stream:emulated;reason=no_tools_while_streaming".into())
    );
    assert_eq!(streaming(LLAMA, hello()), (StreamingMode::Native, String::new()));
    assert_eq!(streaming(NOVA, with_tools(None)), (StreamingMode::Native, String::new()));
}

#[test]
fn thoughts_go_back_only_to_the_model_that_signed_them() {
    let thought = |signature: Option<&str>| {
        let signature = signature.map(Text::new);
        Block::Reasoning(Reasoning { text: Text::new("hm"), signature, redacted: None })
    };
    let left = |id, signature| {
        let mut request = hello();
        request.messages.push(message(1, Role::Assistant, vec![thought(signature), words("a")]));
        request.messages.push(message(2, Role::User, vec![words("b")]));
        let (prepared, notes) = on(id).good(request);
        (prepared.request.messages[1].content.len(), notes.join(" "))
    };
    assert_eq!(left(OPUS_5, Some("s")), (2, String::new()));
    assert_eq!(left(OPUS_5, None), (1, "messages[1]:dropped;reason=reasoning_unsigned".into()));
    assert_eq!(left(NOVA, Some("s")), (1, "messages[1]:dropped;reason=reasoning_not_replayed".into()));
}

#[test]
fn in_an_open_loop_models_get_back_what_they_thought_in_their_own_way() {
    let [text, signed, encrypted] = [
        (Text::new("hm"), None, None),
        (Text::new("hm"), Some(Text::new("s")), None),
        (Text::new(""), None, Some(Text::new("ZGF0YQ=="))),
    ]
    .map(|(text, signature, redacted)| Block::Reasoning(Reasoning { text, signature, redacted }));
    // What is left of the thoughts before a call, in a loop that is open or over.
    let left = |id, thought: &Block, open: bool| {
        let mut request = with_history(None, &["f"]);
        request.messages[1].content.insert(0, thought.clone());
        if !open {
            request.messages.push(message(3, Role::Assistant, vec![words("done")]));
            request.messages.push(message(4, Role::User, vec![words("more")]));
        }
        let (prepared, notes) = on(id).good(request);
        let thoughts = prepared.request.messages[1].content.iter().filter_map(|block| match block {
            Block::Reasoning(Reasoning { text, signature, redacted }) => {
                Some(format!("{} {} {}", text.decode(), signature.is_some(), redacted.is_some()))
            }
            _ => None,
        });
        (thoughts.collect::<Vec<_>>().join(","), notes.join(" "))
    };
    let dropped = || (String::new(), "messages[1]:dropped;reason=reasoning_not_replayed".to_owned());
    for id in
        ["openai.gpt-5.6-sol", "openai.gpt-6-astra", "openai.gpt-6.1-sol", "xai.grok-4.6", "xai.grok-4.7"]
    {
        assert_eq!(left(id, &encrypted, true), (" false true".into(), String::new()), "{id}");
        for (thought, open) in [(&encrypted, false), (&text, true), (&signed, true)] {
            assert_eq!(left(id, thought, open), dropped(), "{id} {thought:?}");
        }
    }
    for id in [
        "moonshot.kimi-k2-thinking",
        "moonshotai.kimi-k3",
        "minimax.minimax-m2.5",
        "zai.glm-4.7",
        "zai.glm-5.3",
        "deepseek.v3.2",
    ] {
        assert_eq!(left(id, &text, true), ("hm false false".into(), String::new()), "{id}");
        let bare = "messages[1]:dropped;reason=signature_not_replayed".to_owned();
        assert_eq!(left(id, &signed, true), ("hm false false".into(), bare), "{id}");
        for (thought, open) in [(&text, false), (&encrypted, true), (&signed, false)] {
            assert_eq!(left(id, thought, open), dropped(), "{id} {thought:?}");
        }
    }
    for id in ["openai.gpt-oss-120b-1:0", "qwen.qwen3-32b-v1:0", NOVA] {
        assert_eq!(left(id, &text, true), dropped(), "{id}");
    }
}

#[test]
fn an_effort_without_a_place_is_noted() {
    let (prepared, notes) = on(NOVA).good(Request { reasoning: Some(Effort::High), ..hello() });
    assert_eq!(prepared.request.reasoning, None);
    assert_eq!(notes, ["reasoning_effort:dropped;reason=no_equivalent"]);
}

#[test]
fn the_schema_is_told_whole_and_first_to_models_without_system_messages() {
    let format = OutputFormat::JsonSchema {
        name: "answer".into(),
        description: Some(Text::new("the sum")),
        schema: Some(Json::parse(r#"{"b":1, "a":2}"#).unwrap()),
        strict: true,
    };
    let (prepared, _) = on(TITAN).good(Request { format, ..hello() });
    let Block::Text(text) = &prepared.request.messages[0].content[0] else { panic!() };
    let text = text.decode();
    assert!(text.contains("\"answer\" (the sum)") && text.ends_with("{\"b\":1,\"a\":2}"), "{text}");
}

#[test]
fn the_user_is_named_to_claude_only() {
    let user = |id, forced| {
        let (prepared, notes) = Case { forced, ..on(id) }.good(Request { user: Some("u".into()), ..hello() });
        (prepared.request.user.is_some(), notes.join(" "))
    };
    let dropped = || (false, "user:dropped;reason=no_equivalent".to_owned());
    assert_eq!(user(OPUS_5, None), (true, String::new()));
    assert_eq!(user(OPUS_5, Some(FormatKind::Converse)), dropped());
    assert_eq!(user(NOVA, None), dropped());
}

#[test]
fn the_conversation_is_mended_for_the_model_and_names_are_made_to_fit() {
    let mut request = with_history(None, &["f.x"]);
    request.messages[2].content.push(words("and?"));
    let (prepared, notes) = on(MISTRAL).good(request);
    assert_eq!(prepared.request.messages.len(), 5);
    assert_eq!(names(&prepared.request), ["f_x"]);
    assert_ne!(prepared.aliases, Aliases::default());
    assert_eq!(
        notes,
        ["messages[2]:rewritten;reason=tool_results_alone", "tools[0]:renamed;reason=name_pattern"]
    );
}

#[test]
fn what_a_native_format_rewrites_is_noted() {
    let says = |id, plain: &str| {
        let mut request = hello();
        request.messages[0].content = vec![words(plain)];
        on(id).good(request).1.join(" ")
    };
    assert_eq!(says(LLAMA, "<|eot_id|>"), "messages[0]:rewritten;reason=control_tokens");
    assert_eq!(says(TITAN, "a\nBot: b"), "messages[0]:rewritten;reason=turn_markers");
    assert_eq!(says(NOVA, "<|eot_id|>\nBot: b"), "");
    let mut request = hello();
    request.messages.push(message(1, Role::User, vec![words("<|eot_id|>")]));
    assert_eq!(on(LLAMA).good(request).1, ["messages[1]:rewritten;reason=control_tokens"]);
}
