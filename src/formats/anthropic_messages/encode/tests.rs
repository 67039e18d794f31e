use serde_json::{Value, json};

use super::*;

fn message(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, index: 3 }
}

fn text(plain: &str) -> Block {
    Block::Text(Text::new(plain))
}

fn ask(content: Vec<Block>) -> Request {
    Request { messages: vec![message(Role::User, content)], ..Request::default() }
}

fn sent(request: &Request) -> Value {
    serde_json::from_slice(&body(request, false).unwrap()).unwrap()
}

#[test]
fn the_least_request_has_what_bedrock_requires_and_nothing_else() {
    assert_eq!(
        body(&ask(vec![text("hi")]), false).unwrap(),
        concat!(
            r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":4096,"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#
        )
    );
}

#[test]
fn the_settings_have_their_places() {
    let mut request = Request {
        max_tokens: Some(9),
        temperature: Some(0.7),
        top_p: Some(0.5),
        stop: vec!["END".into()],
        user: Some("u-1".into()),
        ..ask(vec![text("hi")])
    };
    request.messages.insert(0, message(Role::System, vec![text("be brief")]));
    let Value::Object(mut wire) = sent(&request) else { panic!("an object") };
    wire.remove("messages");
    assert_eq!(
        Value::Object(wire),
        json!({
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 9,
            "system": [{"type":"text","text":"be brief"}],
            "temperature": 0.7,
            "top_p": 0.5,
            "stop_sequences": ["END"],
            "metadata": {"user_id":"u-1"},
        })
    );
}

#[test]
fn a_tool_turn_is_written_block_by_block() {
    let request = Request {
        messages: vec![
            message(
                Role::Assistant,
                vec![
                    text("let me see"),
                    Block::ToolUse(ToolUse {
                        id: "t1".into(),
                        name: "weather".into(),
                        input: Json::parse(r#"{"z": 1.50, "a":"\u00e9"}"#).unwrap(),
                    }),
                    Block::Reasoning(Reasoning {
                        text: Text::new("hm"),
                        signature: Some(Text::new("sig")),
                        redacted: None,
                    }),
                    Block::Reasoning(Reasoning {
                        text: Text::new(""),
                        signature: None,
                        redacted: Some(Text::new("cmVk")),
                    }),
                ],
            ),
            message(
                Role::User,
                vec![
                    Block::ToolResult(ToolResult {
                        id: "t1".into(),
                        content: vec![text("rain")],
                        is_error: false,
                    }),
                    Block::ToolResult(ToolResult { id: "t2".into(), content: vec![], is_error: true }),
                ],
            ),
        ],
        ..Request::default()
    };
    let body = String::from_utf8(body(&request, false).unwrap().to_vec()).unwrap();
    // Thoughts come first, and the input is the client's to the byte.
    assert!(body.contains(concat!(
        r#"{"role":"assistant","content":["#,
        r#"{"type":"thinking","thinking":"hm","signature":"sig"},"#,
        r#"{"type":"redacted_thinking","data":"cmVk"},"#,
        r#"{"type":"text","text":"let me see"},"#,
        r#"{"type":"tool_use","id":"t1","name":"weather","input":{"z": 1.50, "a":"\u00e9"}}]}"#,
    )));
    assert!(body.contains(concat!(
        r#"{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"rain"}]},"#,
        r#"{"type":"tool_result","tool_use_id":"t2","is_error":true}"#,
    )));
}

#[test]
fn each_tool_choice_has_its_shape() {
    let off = json!({"disable_parallel_tool_use":true});
    let with = |mut choice: Value, more: &Value| {
        choice.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        choice
    };
    for (choice, plain, one_call) in [
        (None, Value::Null, with(json!({"type":"auto"}), &off)),
        (Some(ToolChoice::Auto), Value::Null, with(json!({"type":"auto"}), &off)),
        (Some(ToolChoice::Required), json!({"type":"any"}), with(json!({"type":"any"}), &off)),
        (
            Some(ToolChoice::Named("f".into())),
            json!({"type":"tool","name":"f"}),
            with(json!({"type":"tool","name":"f"}), &off),
        ),
        (Some(ToolChoice::None), json!({"type":"none"}), json!({"type":"none"})),
    ] {
        let tools =
            vec![Tool { name: "f".into(), description: None, schema: None, strict: Some(true), cache: None }];
        let mut request = Request { tools, tool_choice: choice, ..ask(vec![text("hi")]) };
        assert_eq!(sent(&request)["tool_choice"], plain);
        request.parallel_tool_calls = Some(false);
        assert_eq!(sent(&request)["tool_choice"], one_call);
        assert_eq!(
            sent(&request)["tools"],
            json!([{"name":"f","input_schema":{"type":"object","properties":{}},"strict":true}])
        );
        request.tools.clear();
        assert_eq!(sent(&request)["tool_choice"], Value::Null);
    }
}

#[test]
fn pictures_and_pdfs_pass_through_and_texts_are_taken_out_of_base64() {
    let file = |format: &str, data: &str| {
        Block::Document(Document {
            name: "n".into(),
            format: format.into(),
            source: Source::Inline(Text::new(data)),
        })
    };
    let picture =
        Block::Image(Image { format: ImageFormat::Jpeg, source: Source::Inline(Text::new("/9j/")) });
    let request = ask(vec![picture, file("pdf", "JVBERg=="), file("csv", "YSwi4oKsIg==")]);
    assert_eq!(
        sent(&request)["messages"][0]["content"],
        json!([
            {"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/"}},
            {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERg=="},"title":"n"},
            {"type":"document","source":{"type":"text","media_type":"text/plain","data":"a,\"€\""},"title":"n"},
        ])
    );
    for (format, data) in [("docx", "UEsD"), ("txt", "not base64"), ("txt", "/w==")] {
        let refused = body(&ask(vec![file(format, data)]), false).unwrap_err();
        assert_eq!(refused.param.unwrap(), "messages[3].content");
    }
}

#[test]
fn a_reply_schema_keeps_its_order() {
    let mut request = ask(vec![text("hi")]);
    request.format = OutputFormat::JsonSchema {
        name: "answer".into(),
        description: None,
        schema: Some(Json::parse(r#"{"z":1, "a":2}"#).unwrap()),
        strict: true,
    };
    let wire = String::from_utf8(body(&request, false).unwrap().to_vec()).unwrap();
    assert!(wire.contains(r#""output_config":{"format":{"type":"json_schema","schema":{"z":1, "a":2}}}"#));
    request.format = OutputFormat::JsonObject;
    assert_eq!(body(&request, false).unwrap_err().param.unwrap(), "response_format");
}
