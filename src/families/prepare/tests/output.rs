//! How JSON is had, what becomes of schemas, and what refusals teach.

use super::*;
use crate::bedrock::{Refusal, Refused};
use crate::chat::JsonSource;

const POINT: &str = r#"{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"],"additionalProperties":false}"#;

fn asking(schema: &str, strict: bool) -> Request {
    let format = OutputFormat::JsonSchema {
        name: "point".into(),
        description: None,
        schema: Some(Json::parse(schema).unwrap()),
        strict,
    };
    Request { format, ..hello() }
}

/// The rung that a request gets, and the notes.
fn rung(case: &Case, request: Request) -> (&'static str, String) {
    let (prepared, notes) = case.good(request);
    let Prepared { request, json, .. } = prepared;
    let instructed =
        request.messages.iter().flat_map(|message| &message.content).any(
            |block| matches!(block, Block::Text(text) if text.decode().starts_with("Answer with one JSON")),
        );
    let rung = match (&request.format, json.map(|ask| ask.source)) {
        (OutputFormat::JsonSchema { .. }, None) => "native",
        (OutputFormat::Text, Some(JsonSource::Tool)) => "tool",
        (OutputFormat::Text, Some(JsonSource::Text)) if instructed => "words",
        (OutputFormat::Text, None) if instructed => "words, as they come",
        other => panic!("{other:?}"),
    };
    assert_eq!(instructed, rung.starts_with("words"));
    (rung, notes.join(" "))
}

#[test]
fn json_is_had_on_the_first_rung_that_the_model_can_stand_on() {
    let (forced, words) =
        ("response_format:emulated;reason=forced_tool", "response_format:emulated;reason=instructed");
    for strict in [true, false] {
        for (id, expected, notes) in [
            (SONNET_4_5, "native", ""),
            (OPUS_5, "native", ""),
            (QWEN, "native", ""),
            (NOVA, "tool", forced),
            (MISTRAL, "tool", forced),
            (GPT, "tool", forced),
            ("anthropic.claude-3-haiku-20240307-v1:0", "tool", forced),
            (OPUS_5_5, "words", words),
            (LLAMA, "words", words),
            ("openai.gpt-oss-20b-1:0", "words", words),
            ("vendor.new-model", "words", words),
        ] {
            assert_eq!(rung(&on(id), asking(POINT, strict)), (expected, notes.to_owned()), "{id}");
        }
    }
}

#[test]
fn a_schema_that_cannot_be_held_to_goes_a_rung_lower_and_says_why() {
    assert_eq!(rung(&on(TITAN), asking(POINT, true)).0, "words");
    let open = r#"{"type":"object","properties":{"x":{"type":"object"}}}"#;
    let (sonnet, warned) = (on(SONNET_4_5), "response_format.json_schema.schema:warned;reason=");
    assert_eq!(
        rung(&sonnet, asking(open, true)),
        ("tool", format!("{warned}open_object response_format:emulated;reason=forced_tool"))
    );
    // A tool that names no properties would be called with `{}`.
    let empty = r#"{ "type": "object" }"#;
    assert_eq!(rung(&sonnet, asking(empty, false)).0, "words");
    assert_eq!(rung(&on(NOVA), Request { format: OutputFormat::JsonObject, ..hello() }).0, "words");
    let many: Vec<String> = (0..25).map(|n| format!(r#""p{n}":{{"type":"string"}}"#)).collect();
    let many = format!(r#"{{"properties":{{{}}}}}"#, many.join(","));
    assert!(rung(&sonnet, asking(&many, true)).1.starts_with(&format!("{warned}above_limits")));
    assert_eq!(rung(&sonnet, asking(r#"{"type":"array","items":{}}"#, true)).0, "words");
    assert_eq!(rung(&sonnet, asking(r#"{"anyOf":[{},{}]}"#, true)).0, "words, as they come");
}

#[test]
fn a_schema_is_bent_to_what_the_model_can_be_held_to() {
    let loose = r#"{"properties":{"x":{"type":"integer","minimum":1}}}"#;
    let (prepared, notes) = on(SONNET_4_5).good(asking(loose, false));
    let OutputFormat::JsonSchema { schema: Some(schema), .. } = prepared.request.format else { panic!() };
    assert_eq!(
        schema.as_str(),
        r#"{"properties":{"x":{"type":"integer","description":"(minimum: 1)"}},"type":"object","additionalProperties":false}"#
    );
    let path = "response_format.json_schema.schema:rewritten;reason=";
    assert_eq!(
        notes,
        ["type_added", "objects_closed", "keywords_described"].map(|why| format!("{path}{why}"))
    );
}

#[test]
fn no_tool_is_forced_where_it_would_be_in_the_way() {
    let nova = on(NOVA);
    let with = |request: Request| Request { format: asking(POINT, true).format, ..request };
    assert_eq!(rung(&nova, with(with_tools(None))).0, "words");
    assert_eq!(rung(&nova, with(with_history(None, &[]))).0, "words");
    // Tools that may not be called aren't sent.
    assert_eq!(rung(&nova, with(with_tools(Some(ToolChoice::None)))).0, "tool");
    let sonnet_4 = on("anthropic.claude-sonnet-4-20250514-v1:0");
    assert_eq!(rung(&sonnet_4, asking(POINT, true)).0, "tool");
    let thinking = Request { reasoning: Some(Effort::High), ..asking(POINT, true) };
    assert_eq!(rung(&sonnet_4, thinking).0, "words");
    let mut begun = asking(POINT, true);
    begun.messages.push(message(1, Role::Assistant, vec![words("{")]));
    assert_eq!(rung(&sonnet_4, begun).0, "words, as they come");
}

#[test]
fn the_forced_tool_is_the_schema_and_is_called_once() {
    let (prepared, _) = on("anthropic.claude-3-haiku-20240307-v1:0").good(asking(POINT, true));
    let Request { tools, tool_choice, parallel_tool_calls, .. } = prepared.request;
    assert_eq!((tools.len(), tools[0].name.as_str(), tools[0].strict), (1, "point", None));
    assert_eq!(tools[0].schema.as_ref().unwrap().as_str(), POINT);
    assert_eq!(tool_choice, Some(ToolChoice::Named("point".into())));
    assert_eq!(parallel_tool_calls, Some(false));
    let (prepared, notes) = Case { streaming: true, ..on(MISTRAL) }.good(asking(POINT, true));
    assert_eq!(prepared.request.tool_choice, Some(ToolChoice::Required));
    assert_eq!(prepared.streaming, StreamingMode::Synthesised);
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn a_refusal_leads_to_the_next_rung() {
    let after = |id: &str, refusals: &[Refusal]| {
        let lessons = refusals
            .iter()
            .fold(Lessons::default(), |lessons, what| lessons.and(Refused { what: *what, lasting: true }));
        rung(&Case { lessons, ..on(id) }, asking(POINT, true)).0
    };
    assert_eq!(after(SONNET_4_5, &[Refusal::OutputFormat]), "tool");
    assert_eq!(after(SONNET_4_5, &[Refusal::OutputSchema, Refusal::Forced]), "words");
    assert_eq!(after(QWEN, &[Refusal::OutputFormat]), "words");
    assert_eq!(after(NOVA, &[Refusal::ForcedNamed]), "tool");
    assert_eq!(after(NOVA, &[Refusal::ForcedNamed, Refusal::ForcedAny]), "words");
}

#[test]
fn what_was_refused_is_left_out_with_a_note() {
    let mut request = Request {
        temperature: Some(0.5),
        max_tokens: Some(5000),
        stop: vec!["x".into()],
        reasoning: Some(Effort::Low),
        ..hello()
    };
    request.service.tier = Some(crate::chat::ServiceTier::Flex);
    request.service.latency = Some(crate::chat::Latency::Optimized);
    request.service.reply_fields = vec!["/a".into()];
    let refusals = [
        Refusal::Temperature,
        Refusal::MaxTokens(4000),
        Refusal::StopTexts,
        Refusal::Reasoning,
        Refusal::ServiceTier,
        Refusal::Latency,
        Refusal::ReplyFields,
    ];
    let lessons = refusals
        .into_iter()
        .map(|what| Refused { what, lasting: true })
        .fold(Lessons::default(), Lessons::and);
    let (prepared, notes) = Case { lessons, ..on(NOVA) }.good(request);
    assert_eq!(prepared.request.max_tokens, Some(4000));
    assert_eq!(prepared.local_stop, ["x"]);
    assert_eq!(
        notes.join(" "),
        "service_tier:dropped;reason=refused_by_model bedrock.performanceConfig:dropped;reason=refused_by_model \
         bedrock.additionalModelResponseFieldPaths:dropped;reason=refused_by_model \
         reasoning_effort:dropped;reason=refused_by_model max_tokens:clamped;reason=above_model_maximum \
         temperature:dropped;reason=refused_by_model stop:emulated;reason=no_equivalent"
    );
}

#[test]
fn tools_are_strict_as_far_as_the_limits_go() {
    let strict_tool = |n: usize, schema: &str| Tool {
        strict: Some(true),
        schema: Some(Json::parse(schema).unwrap()),
        description: Some(Text::new(" ")),
        ..tool(&format!("f{n}"))
    };
    let (prepared, notes) =
        on(SONNET_4_5).good(Request { tools: (0..22).map(|n| strict_tool(n, POINT)).collect(), ..hello() });
    assert_eq!(prepared.request.tools.iter().filter(|tool| tool.strict == Some(true)).count(), 20);
    assert_eq!(notes, [20, 21].map(|n| format!("tools[{n}].strict:dropped;reason=above_limits")));
    assert!(prepared.request.tools.iter().all(|tool| tool.description.is_none()));

    let optional: Vec<String> = (0..20).map(|n| format!(r#""p{n}":{{"type":"string"}}"#)).collect();
    let optional = format!(
        r#"{{"type":"object","properties":{{{}}},"additionalProperties":false}}"#,
        optional.join(",")
    );
    let open = r#"{"type":"object","properties":{"m":{"type":"object"}}}"#;
    let tools = vec![
        strict_tool(0, &optional),
        strict_tool(1, &optional),
        strict_tool(2, open),
        strict_tool(3, POINT),
    ];
    let (prepared, notes) = on(SONNET_4_5).good(Request { tools, ..hello() });
    let kept: Vec<_> = prepared.request.tools.iter().map(|tool| tool.strict).collect();
    assert_eq!(kept, [Some(true), None, None, Some(true)]);
    assert_eq!(prepared.request.tools[2].schema.as_ref().unwrap().as_str(), open);
    assert_eq!(
        notes,
        ["tools[1].strict:dropped;reason=above_limits", "tools[2].strict:dropped;reason=open_object"]
    );
    // The reply's own schema counts as well.
    let request =
        Request { format: asking(&optional, true).format, tools: vec![strict_tool(0, &optional)], ..hello() };
    assert_eq!(on(SONNET_4_5).good(request).1, ["tools[0].strict:dropped;reason=above_limits"]);
}

#[test]
fn a_schema_that_no_tool_can_have_is_asked_for_in_words() {
    let tree = r##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##;
    let (prepared, notes) = on(NOVA).good(asking(tree, true));
    assert!(prepared.request.tools.is_empty());
    assert_eq!(notes, ["response_format:emulated;reason=instructed"]);
}

#[test]
fn schemas_of_tools_are_what_the_family_takes() {
    let sent = |id: &str, schema: &str| {
        let mut request = with_tools(None);
        request.tools[0].schema = Some(Json::parse(schema).unwrap());
        let (prepared, notes) = on(id).good(request);
        (prepared.request.tools[0].schema.clone().unwrap().as_str().to_owned(), notes.join(" "))
    };
    let (gpt_oss, path) = ("openai.gpt-oss-20b-1:0", "tools[0].function.parameters:rewritten;reason=");
    let referring =
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"null"}}}"##;
    assert_eq!(sent(LLAMA, referring), (referring.to_owned(), String::new()));
    assert_eq!(sent(NOVA, referring), sent(gpt_oss, referring));
    assert_eq!(
        sent(gpt_oss, referring),
        (
            r#"{"type":"object","properties":{"a":{"type":"null"}}}"#.to_owned(),
            format!("{path}references_inlined")
        )
    );
    let union = r#"{"anyOf":[{"properties":{"a":{"type":"null"}}}]}"#;
    let typed = union.replacen('{', r#"{"type":"object","#, 1);
    assert_eq!(sent(NOVA, union), (typed.clone(), format!("{path}type_added")));
    assert_eq!(sent(SONNET_4_5, &typed).1, format!("{path}union_flattened"));
    let mut request = with_tools(None);
    request.tools[1].schema = Some(Json::parse(r##"{"properties":{"a":{"$ref":"#"}}}"##).unwrap());
    assert_eq!(on(gpt_oss).refused(request), "recursive_schema tools[1].function.parameters");
}
