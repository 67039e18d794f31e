//! Tools and the choice among them.

use super::*;

const TOOLS: &str = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},
                               {"type":"function","function":{"name":"g"}}]"#;

fn choose(choice: &str) -> String {
    with(&format!(r#"{TOOLS},"tool_choice":{choice}"#))
}

#[test]
fn tool_choice_has_many_forms() {
    for (choice, expected, tools) in [
        (r#""none""#, ToolChoice::None, 2),
        (r#""auto""#, ToolChoice::Auto, 2),
        (r#""required""#, ToolChoice::Required, 2),
        (r#"{"type":"function","function":{"name":"g"}}"#, ToolChoice::Named("g".into()), 2),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}}"#,
            ToolChoice::Required,
            1,
        ),
    ] {
        let decoded = read(&choose(choice));
        assert_eq!(decoded.request.tool_choice, Some(expected));
        assert_eq!(decoded.request.tools.len(), tools, "{choice}");
        assert!(decoded.notes.is_empty(), "{:?}", decoded.notes);
    }
}

#[test]
fn a_choice_that_cannot_be_made_is_refused() {
    for (choice, param) in [
        (r#""any""#, "tool_choice"),
        (r#"{"type":"function","function":{"name":"h"}}"#, "tool_choice.function.name"),
        (r#"{"type":"tool"}"#, "tool_choice.type"),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"h"}}]}}"#,
            "tool_choice.allowed_tools.tools[0].function.name",
        ),
    ] {
        assert_refused(&choose(choice), param, "invalid_value");
    }
    assert_refused(&with(r#""tool_choice":"required""#), "tool_choice", "invalid_value");
    assert_eq!(read(&with(r#""tool_choice":"auto""#)).request.tool_choice, Some(ToolChoice::Auto));
}

#[test]
fn what_a_tool_lacks_is_named() {
    for (tool, param, code) in [
        (r#"{"function":{"name":"f"}}"#, "tools[0].type", "missing_required_parameter"),
        (r#"{"type":"function","name":"f"}"#, "tools[0].function", "missing_required_parameter"),
        (r#"{"type":"function","function":{}}"#, "tools[0].function.name", "missing_required_parameter"),
        (r#"{"type":"function","function":{"name":""}}"#, "tools[0].function.name", "invalid_value"),
        (r#"{"type":"web_search"}"#, "tools[0].type", "invalid_value"),
    ] {
        assert_refused(&with(&format!(r#""tools":[{tool}]"#)), param, code);
    }
}

#[test]
fn deprecated_functions_become_tools() {
    let decoded = read(&with(r#""functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"}"#));
    assert_eq!(decoded.request.tools[0].name, "f");
    assert_eq!(decoded.request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(
        notes(&decoded),
        ["functions:rewritten;reason=deprecated", "function_call:rewritten;reason=deprecated"]
    );
    assert_refused(&with(&format!(r#"{TOOLS},"functions":[{{"name":"f"}}]"#)), "functions", "invalid_value");
}

#[test]
fn custom_tools_become_functions_of_one_text() {
    let decoded = read(
        r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"t","type":"custom","custom":{"name":"c","input":"a\n\"b\""}}]}],
            "tools":[{"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{}}}}]}"#,
    );
    assert_eq!(
        decoded.request.tools[0].schema.as_ref().unwrap().as_str(),
        super::super::tools::CUSTOM_SCHEMA
    );
    let [Block::ToolUse(call)] = &decoded.request.messages[0].content[..] else { panic!("a call") };
    assert_eq!(call.input.as_str(), r#"{"input":"a\n\"b\""}"#);
    assert_eq!(
        notes(&decoded),
        [
            "tools[0].custom:emulated;reason=custom_tool",
            "tools[0].custom.format:dropped;reason=no_equivalent"
        ]
    );
}
