//! Messages: roles, content, what clients get wrong in a history.

use super::*;

#[test]
fn texts_pass_through_as_they_were_written() {
    let [Block::Text(text)] = &blocks(&talk(r#"{"role":"user","content":"a\u00e9\n\/ é"}"#))[..] else {
        panic!("one text")
    };
    assert_eq!(text.as_json(), r#""a\u00e9\n\/ é""#);
}

#[test]
fn roles_become_three() {
    let decoded = read(&talk(
        r#"{"role":"developer","content":"a"},{"role":"system","content":[{"type":"text","text":"b"}]},
           {"role":"user","content":"c","name":"bob"},{"role":"assistant","content":"d"},
           {"role":"tool","tool_call_id":"t","content":"e"}"#,
    ));
    let roles: Vec<Role> = decoded.request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::System, Role::User, Role::Assistant, Role::User]);
    assert!(decoded.request.messages.iter().enumerate().all(|(at, message)| message.index == at));
    let [Block::ToolResult(result)] = &decoded.request.messages[4].content[..] else { panic!("a result") };
    assert_eq!(result.id, "t");
    assert_eq!(notes(&decoded), ["messages[2].name:dropped;reason=no_equivalent"]);
}

#[test]
fn what_a_message_lacks_is_named() {
    for (message, param, code) in [
        (r#"{"content":"a"}"#, "messages[0].role", "missing_required_parameter"),
        (r#"{"role":"robot","content":"a"}"#, "messages[0].role", "invalid_value"),
        (
            r#"{"role":"user","content":[{"text":"a"}]}"#,
            "messages[0].content[0].type",
            "missing_required_parameter",
        ),
        (r#"{"role":"user","content":[{"type":"video"}]}"#, "messages[0].content[0].type", "invalid_value"),
        (
            r#"{"role":"user","content":[{"type":"refusal","refusal":"a"}]}"#,
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            r#"{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}"#,
            "messages[0].content[0].input_audio.data",
            "invalid_value",
        ),
    ] {
        assert_refused(&talk(message), param, code);
    }
}

#[test]
fn what_says_nothing_is_no_reason_to_end_a_conversation() {
    for (message, blocks, note) in [
        (r#"{"role":"user"}"#, 0, "content:rewritten;reason=no_content"),
        (r#"{"role":"developer","content":null}"#, 0, "content:rewritten;reason=no_content"),
        (r#"{"role":"user","content":[]}"#, 0, ""),
        (
            r#"{"role":"user","content":[null,{"type":"text","text":"a"}]}"#,
            1,
            "content[0]:dropped;reason=no_content",
        ),
        (
            r#"{"role":"user","content":[{"type":"text","text":null}]}"#,
            1,
            "content[0].text:rewritten;reason=no_content",
        ),
        (r#"{"role":"assistant","content":null,"tool_calls":[]}"#, 0, "content:rewritten;reason=no_content"),
        (
            r#"{"role":"assistant","tool_calls":null,"refusal":null}"#,
            0,
            "content:rewritten;reason=no_content",
        ),
        (
            r#"{"role":"assistant","content":null,"reasoning_content":"I"}"#,
            1,
            "content:rewritten;reason=no_content",
        ),
        (
            r#"{"role":"assistant","content":"a","tool_calls":[null]}"#,
            1,
            "tool_calls[0]:dropped;reason=no_content",
        ),
        (r#"{"role":"tool","tool_call_id":"t","content":null}"#, 1, "content:rewritten;reason=no_content"),
        (r#"{"role":"function","name":"f","content":null}"#, 1, "content:rewritten;reason=no_content"),
    ] {
        let decoded = read(&talk(message));
        assert_eq!(decoded.request.messages[0].content.len(), blocks, "{message}");
        let noted = notes(&decoded);
        assert!(
            note.is_empty() && noted.is_empty() || noted.contains(&format!("messages[0].{note}")),
            "{noted:?}"
        );
    }
}

#[test]
fn the_result_of_a_tool_may_be_any_json() {
    let part = r#"{"type":"text","text":"part"}"#;
    for (content, texts, note) in [
        ("21.50".to_owned(), vec!["21.50"], "content:rewritten;reason=json_as_text"),
        ("true".to_owned(), vec!["true"], "content:rewritten;reason=json_as_text"),
        (
            r#"{"degrees": 21}"#.to_owned(),
            vec![r#"{"degrees": 21}"#],
            "content:rewritten;reason=json_as_text",
        ),
        (part.to_owned(), vec!["part"], "content:rewritten;reason=not_a_list"),
        (
            format!(r#"[{part},"word",{{"type":"resource","uri":"x"}},7]"#),
            vec!["part", "word", r#"{"type":"resource","uri":"x"}"#, "7"],
            "content[3]:rewritten;reason=json_as_text",
        ),
    ] {
        let decoded = read(&talk(&format!(r#"{{"role":"tool","tool_call_id":"t","content":{content}}}"#)));
        let [Block::ToolResult(result)] = &decoded.request.messages[0].content[..] else { panic!() };
        let said: Vec<_> = result
            .content
            .iter()
            .map(|block| if let Block::Text(text) = block { text.decode().into_owned() } else { panic!() })
            .collect();
        assert_eq!(said, texts);
        assert!(notes(&decoded).contains(&format!("messages[0].{note}")), "{:?}", notes(&decoded));
    }
    assert_refused(&talk(r#"{"role":"user","content":7}"#), "messages[0].content", "invalid_type");
}

#[test]
fn the_result_of_a_tool_may_hold_pictures_files_and_sounds() {
    let content = format!(
        r#"[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{PNG}"}}}},
            {{"type":"file","file":{{"filename":"a.pdf","file_data":"data:application/pdf;base64,{PDF}"}}}},
            {{"type":"input_audio","input_audio":{{"data":"AAAA","format":"wav"}}}}]"#
    );
    let decoded = read(&talk(&format!(r#"{{"role":"tool","tool_call_id":"t","content":{content}}}"#)));
    let [Block::ToolResult(result)] = &decoded.request.messages[0].content[..] else { panic!() };
    assert!(matches!(&result.content[..], [Block::Image(_), Block::Document(_), Block::Audio(_)]));
    assert!(decoded.notes.is_empty());
}

#[test]
fn calls_without_ids_or_names_and_odd_arguments_are_read() {
    for (call, input) in [
        (r#"{"id":"","function":{"name":"f","arguments":"{}"}}"#, "{}"),
        (r#"{"id":null,"function":{"name":"f","arguments":null}}"#, "{}"),
        (r#"{"function":{"arguments":"null"}}"#, "{}"),
        (r#"{"function":{"name":"","arguments":"[1]"}}"#, r#"{"_raw":"[1]"}"#),
        (r#"{"function":{"name":"f","arguments":[1,2]}}"#, r#"{"_raw":[1,2]}"#),
        (r#"{"function":{"name":"f","arguments":5}}"#, r#"{"_raw":5}"#),
        (r#"{"function":{"name":"f","arguments":"{\"a\":"}}"#, r#"{"_raw":"{\"a\":"}"#),
    ] {
        let body = talk(&format!(r#"{{"role":"assistant","content":null,"tool_calls":[{call}]}}"#));
        let [Block::ToolUse(call)] = &blocks(&body)[..] else { panic!() };
        assert_eq!((call.id.as_str(), call.input.as_str()), ("", input));
    }
}

#[test]
fn an_answer_comes_back_as_the_sdk_dumps_it() {
    let decoded = read(&talk(
        r#"{"role":"assistant","content":null,"refusal":"no","annotations":[],"audio":null,"function_call":null,
            "tool_calls":[{"id":"t","type":"function","index":0,"function":{"name":"f","arguments":"{\"z\":1, \"a\":2}"}}]}"#,
    ));
    assert!(decoded.notes.is_empty(), "{:?}", decoded.notes);
    let [Block::Text(refusal), Block::ToolUse(call)] = &decoded.request.messages[0].content[..] else {
        panic!("{:?}", decoded.request.messages)
    };
    assert_eq!(refusal.decode(), "no");
    assert_eq!((call.id.as_str(), call.name.as_str()), ("t", "f"));
    assert_eq!(call.input.as_str(), r#"{"z":1, "a":2}"#);
}

#[test]
fn arguments_are_never_an_error() {
    let body = |arguments: &str| {
        talk(&format!(
            r#"{{"role":"assistant","tool_calls":[{{"id":"t","function":{{"name":"f","arguments":{arguments}}}}}]}}"#
        ))
    };
    let deep = format!("\"{}1{}\"", r#"{\"a\":"#.repeat(70), "}".repeat(70));
    for (arguments, input, noted) in [
        (r#""""#, "{}", None),
        (r#"" ""#, "{}", None),
        ("null", "{}", None),
        (r#""{\"a\":1}""#, r#"{"a":1}"#, None),
        (r#""{\"a\":""#, r#"{"_raw":"{\"a\":"}"#, Some("invalid_arguments")),
        (r#""[1]""#, r#"{"_raw":"[1]"}"#, Some("invalid_arguments")),
        (r#"{"a":1}"#, r#"{"a":1}"#, Some("not_a_string")),
        (&deep, &format!(r#"{{"_raw":{deep}}}"#), Some("invalid_arguments")),
    ] {
        let decoded = read(&body(arguments));
        let [Block::ToolUse(call)] = &decoded.request.messages[0].content[..] else { panic!("a call") };
        assert_eq!(call.input.as_str(), input);
        let path = "messages[0].tool_calls[0].function.arguments";
        let expected: Vec<String> =
            noted.iter().map(|reason| format!("{path}:rewritten;reason={reason}")).collect();
        assert_eq!(notes(&decoded), expected);
    }
}

#[test]
fn a_cache_point_inside_a_result_stands_behind_it() {
    let part = |text: &str, mark: &str| format!(r#"{{"type":"text","text":"{text}"{mark}}}"#);
    let mark = r#","cache_control":{"type":"ephemeral"}"#;
    for (parts, noted) in [
        (format!("{},{}", part("a", ""), part("b", mark)), false),
        (format!("{},{}", part("a", mark), part("b", "")), true),
        (format!("{},{}", part("a", mark), part("b", mark)), true),
    ] {
        let decoded = read(&talk(&format!(r#"{{"role":"tool","tool_call_id":"t","content":[{parts}]}}"#)));
        let [Block::ToolResult(result), Block::CachePoint(_)] = &decoded.request.messages[0].content[..]
        else {
            panic!("{:?}", decoded.request.messages)
        };
        assert_eq!(result.content.len(), 2);
        let note = "messages[0].content:rewritten;reason=cache_point_behind_result".to_owned();
        assert_eq!(notes(&decoded), Vec::from_iter(noted.then_some(note)), "{parts}");
    }
}

#[test]
fn deprecated_function_calls_get_an_id_that_their_result_shares() {
    let decoded = read(&talk(
        r#"{"role":"user","content":"a"},
           {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
           {"role":"function","name":"f","content":"r"}"#,
    ));
    let [Block::ToolUse(call)] = &decoded.request.messages[1].content[..] else { panic!("a call") };
    let [Block::ToolResult(result)] = &decoded.request.messages[2].content[..] else { panic!("a result") };
    assert_eq!((call.id.as_str(), result.id.as_str()), ("call_1", "call_1"));
    assert_eq!(
        notes(&decoded),
        [
            "messages[1].function_call:rewritten;reason=deprecated",
            "messages[2].role:rewritten;reason=deprecated",
        ]
    );
}

#[test]
fn thoughts_come_back_with_their_proof_or_without() {
    let decoded = read(&talk(
        r#"{"role":"assistant","content":"a","reasoning_content":"th","reasoning_details":[
              {"type":"reasoning.text","index":0,"text":"th","signature":"s"},
              {"type":"reasoning.encrypted","index":1,"data":"d"},{"type":"reasoning.text","text":"x"}]},
           {"role":"assistant","content":"b","reasoning_content":"th"},
           {"role":"assistant","content":"c","reasoning":"by another name"},
           {"role":"assistant","content":"d","reasoning_content":"","reasoning":"th"},
           {"role":"assistant","content":"e","reasoning_content":"th","reasoning":"th",
            "reasoning_details":[{"type":"reasoning.encrypted","data":"d"}]},
           {"role":"assistant","content":"f","reasoning":{"effort":"high"},"reasoning_content":["th"],"reasoning_details":[
              {"type":"reasoning.text","text":""},{"type":"reasoning.summary","summary":"s"}]}"#,
    ));
    let [Message { content, .. }, rest @ ..] = &decoded.request.messages[..] else { panic!("six") };
    let [Block::Reasoning(signed), Block::Reasoning(redacted), Block::Reasoning(bare), Block::Text(_)] =
        &content[..]
    else {
        panic!("{content:?}")
    };
    assert_eq!((&bare.text, &bare.signature), (&Text::new("x"), &None));
    assert_eq!((&signed.text, &signed.signature), (&Text::new("th"), &Some(Text::new("s"))));
    assert_eq!(redacted.redacted, Some(Text::new("d")));
    let thoughts = rest.iter().map(|message| {
        let thought = |block: &Block| match block {
            Block::Reasoning(crate::chat::Reasoning { text, signature: None, redacted: None }) => {
                text.decode().into_owned()
            }
            Block::Reasoning(crate::chat::Reasoning { redacted: Some(data), .. }) => {
                format!("<{}>", data.decode())
            }
            _ => String::new(),
        };
        message.content.iter().map(thought).collect::<Vec<_>>().join("|")
    });
    assert_eq!(thoughts.collect::<Vec<_>>(), ["th|", "by another name|", "th|", "<d>|th|", ""]);
    assert_eq!(
        notes(&decoded),
        [
            "messages[5].reasoning_details[1].summary:dropped;reason=unknown_field",
            "messages[5].reasoning_details[1]:dropped;reason=no_equivalent",
            "messages[5].reasoning_content:dropped;reason=no_equivalent",
            "messages[5].reasoning:dropped;reason=no_equivalent",
        ]
    );
}

#[test]
fn what_a_role_has_no_use_for_is_noted() {
    let decoded = read(&talk(r#"{"role":"user","content":"a","tool_call_id":"t","refusal":"r"}"#));
    assert_eq!(
        notes(&decoded),
        [
            "messages[0].refusal:dropped;reason=not_of_this_role",
            "messages[0].tool_call_id:dropped;reason=not_of_this_role",
        ]
    );
}
