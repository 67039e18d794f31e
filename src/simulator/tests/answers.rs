//! What a model answers when nothing goes wrong.

use super::*;

#[tokio::test]
async fn converse_echoes_the_last_user_text() {
    let simulator = simulator().await;
    for model in [CLAUDE, LLAMA, TITAN, NOVA, "openai.gpt-oss-20b-1:0"] {
        let (text, stop) = converse(&simulator, model, "Wie geht's?\n ~ ünïcödé ").await.unwrap();
        assert_eq!((text.as_str(), stop), ("Wie geht's?\n ~ ünïcödé ", StopReason::EndTurn), "{model}");
    }
    let requests = simulator.requests();
    assert_eq!(requests[0].operation, Operation::Converse);
    assert_eq!(requests[0].model_id.as_deref(), Some(CLAUDE));
    assert!(requests[0].path.contains("%3A"));
}

#[tokio::test]
async fn converse_stream_echoes_in_pieces() {
    let simulator = simulator().await;
    let (text, events, end) = text_of(stream(&simulator, CLAUDE, "Hello there, how are you?").await).await;
    assert_eq!(text, "Hello there, how are you?");
    assert!(events > 5, "{events}");
    end.unwrap();
    let (text, events, _) = text_of(stream(&simulator, CLAUDE, "abcdefghijkl [[deltas:12]]").await).await;
    assert_eq!((text.as_str(), events), ("abcdefghijkl", 12 + 4));
}

#[tokio::test]
async fn native_formats_echo_whole_and_streamed() {
    let simulator = simulator().await;
    let text = "Say this, word for word";
    let claude = claude_body(text);
    let reply = invoke(&simulator, CLAUDE, &claude).await;
    assert_eq!(reply["content"][0]["text"], text);
    assert_eq!(reply["model"], "claude-sonnet-4-5-20250929");
    let llama = json!({"prompt": text});
    assert_eq!(invoke(&simulator, LLAMA, &llama).await["generation"], text);
    let titan = json!({"inputText": format!("User: {text}\nBot:")});
    assert_eq!(invoke(&simulator, TITAN, &titan).await["results"][0]["outputText"], text);
    let nova = json!({"messages": [{"role": "user", "content": [{"text": text}]}]});
    assert_eq!(invoke(&simulator, NOVA, &nova).await["output"]["message"]["content"][0]["text"], text);

    for (model, body, pointer) in [
        (CLAUDE, &claude, "/delta/text"),
        (LLAMA, &llama, "/generation"),
        (TITAN, &titan, "/outputText"),
        (NOVA, &nova, "/contentBlockDelta/delta/text"),
    ] {
        let (chunks, error) = chunks(&simulator, model, body).await;
        assert!(error.is_none());
        let said: String = chunks.iter().filter_map(|chunk| chunk.pointer(pointer)?.as_str()).collect();
        assert_eq!(said, text, "{model}");
        let metrics = &chunks.last().unwrap()["amazon-bedrock-invocationMetrics"];
        assert_eq!(metrics["outputTokenCount"], 6, "{model}");
    }
}

#[tokio::test]
async fn token_counts_and_latency_are_in_the_headers_of_an_invocation() {
    let simulator = open().await;
    let body = claude_body("four [[usage input=7 output=3 cache_read=5]]").to_string();
    let reply = raw(&simulator, &post(&format!("/model/{CLAUDE}/invoke"), &body)).await;
    for line in [
        "x-amzn-bedrock-input-token-count: 7\r\n",
        "x-amzn-bedrock-output-token-count: 3\r\n",
        "x-amzn-bedrock-cache-read-input-token-count: 5\r\n",
        "x-amzn-bedrock-invocation-latency: 42\r\n",
        "x-outcrop-simulated: true\r\n",
        "x-amzn-requestid: ",
    ] {
        assert!(reply.contains(line), "{line} {reply}");
    }
    let usage = &body_of(&reply)["usage"];
    assert_eq!((&usage["input_tokens"], &usage["cache_read_input_tokens"]), (&json!(7), &json!(5)));
}

#[tokio::test]
async fn tools_are_called_as_directed_and_results_echoed() {
    let simulator = simulator().await;
    let text = r#"[[tool:weather {"city":"Paris"}]][[tool:clock]]"#;
    let mut reply = client(&simulator)
        .converse_stream()
        .model_id(CLAUDE)
        .messages(user(text))
        .tool_config(tools(&["weather", "clock"]))
        .send()
        .await
        .unwrap();
    let (mut names, mut input, mut stop) = (Vec::new(), String::new(), None);
    while let Some(event) = reply.stream.recv().await.unwrap() {
        match event {
            ConverseStreamOutput::ContentBlockStart(start) => {
                names.push(start.start().unwrap().as_tool_use().unwrap().name().to_owned());
            }
            ConverseStreamOutput::ContentBlockDelta(event) => {
                input.push_str(event.delta().unwrap().as_tool_use().unwrap().input());
            }
            ConverseStreamOutput::MessageStop(end) => stop = Some(end.stop_reason().clone()),
            _ => {}
        }
    }
    assert_eq!(names, ["weather", "clock"]);
    assert_eq!(input, r#"{"city":"Paris"}"#);
    assert_eq!(stop, Some(StopReason::ToolUse));

    let mut body = claude_body("x");
    body["tools"] = json!([{"name": "weather", "input_schema": {"type": "object"}}]);
    body["messages"] = json!([
        {"role": "user", "content": "[[tool:weather]]"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]},
    ]);
    assert_eq!(invoke(&simulator, CLAUDE, &body).await["content"][0]["text"], "sunny");
}

#[tokio::test]
async fn a_forced_tool_is_called_with_what_its_schema_requires() {
    let simulator = simulator().await;
    let mut body = claude_body("Paris?");
    body["tool_choice"] = json!({"type": "tool", "name": "weather"});
    body["tools"] = json!([{"name": "weather", "input_schema": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]
    }}]);
    let reply = invoke(&simulator, CLAUDE, &body).await;
    assert_eq!(reply["stop_reason"], "tool_use");
    let call = reply["content"].as_array().unwrap().last().unwrap();
    assert_eq!(call["input"], json!({"city": "text"}));
    assert_eq!(reply["content"].as_array().unwrap().len(), 1, "no text beside a forced call");
    // One that is free to call speaks.
    body["tool_choice"] = json!({"type": "auto"});
    assert_eq!(invoke(&simulator, CLAUDE, &body).await["content"][0]["text"], "Paris?");
    // Nothing is required: a model fills what there is all the same.
    body["tool_choice"] = json!({"type": "any"});
    body["tools"][0]["input_schema"]["required"] = json!([]);
    let reply = invoke(&simulator, CLAUDE, &body).await;
    assert_eq!(reply["content"][0]["input"], json!({"city": "text"}));
}

#[tokio::test]
async fn limits_and_stop_sequences_end_an_answer() {
    let simulator = simulator().await;
    let limit = InferenceConfiguration::builder().max_tokens(2).build();
    let reply = client(&simulator)
        .converse()
        .model_id(CLAUDE)
        .messages(user("123456789012"))
        .inference_config(limit)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.stop_reason(), &StopReason::MaxTokens);
    assert_eq!(reply.usage().unwrap().output_tokens(), 2);

    let mut body = claude_body("one STOP two");
    body["stop_sequences"] = json!(["STOP"]);
    let reply = invoke(&simulator, CLAUDE, &body).await;
    assert_eq!(reply["content"][0]["text"], "one ");
    assert_eq!((&reply["stop_reason"], &reply["stop_sequence"]), (&json!("stop_sequence"), &json!("STOP")));
    let titan = json!({"inputText": "123456789012", "textGenerationConfig": {"maxTokenCount": 1}});
    assert_eq!(invoke(&simulator, TITAN, &titan).await["results"][0]["completionReason"], "LENGTH");
    let llama = json!({"prompt": "123456789012", "max_gen_len": 1});
    assert_eq!(invoke(&simulator, LLAMA, &llama).await["stop_reason"], "length");
}

#[tokio::test]
async fn reasoning_is_signed_and_only_accepted_back_with_its_signature() {
    let simulator = simulator().await;
    let mut reply = stream(&simulator, CLAUDE, "[[reasoning:let me see]]answer").await;
    let (mut thought, mut signature) = (String::new(), String::new());
    while let Some(event) = reply.stream.recv().await.unwrap() {
        let ConverseStreamOutput::ContentBlockDelta(event) = event else { continue };
        match event.delta().unwrap() {
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(piece)) => {
                thought.push_str(piece);
            }
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Signature(given)) => {
                signature.push_str(given);
            }
            _ => {}
        }
    }
    assert_eq!(thought, "let me see");
    let history = |thought: &str| {
        let mut body = claude_body("go on");
        body["messages"] = json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": thought, "signature": signature},
                {"type": "text", "text": "answer"},
            ]},
            {"role": "user", "content": "go on"},
        ]);
        Blob::new(body.to_string())
    };
    let client = client(&simulator);
    client.invoke_model().model_id(CLAUDE).body(history("let me see")).send().await.unwrap();
    let refused = client.invoke_model().model_id(CLAUDE).body(history("something else")).send().await;
    assert!(refused.unwrap_err().into_service_error().is_validation_exception());
}

#[tokio::test]
async fn requests_are_refused_in_bedrocks_words() {
    let simulator = simulator().await;
    let client = client(&simulator);
    let system = client
        .converse()
        .model_id(TITAN)
        .system(SystemContentBlock::Text("Be brief".into()))
        .messages(user("hi"))
        .send()
        .await;
    let error = system.unwrap_err().into_service_error();
    assert!(error.message().unwrap().starts_with("This model doesn't support system messages."));
    let streamed = client
        .converse_stream()
        .model_id(LLAMA)
        .messages(user("hi"))
        .tool_config(tools(&["weather"]))
        .send()
        .await;
    let error = streamed.unwrap_err().into_service_error();
    assert_eq!(error.message(), Some("This model doesn't support tool use in streaming mode."));
    let error = converse(&simulator, CLAUDE, "  ").await.unwrap_err();
    assert!(error.message().unwrap().contains("messages.0.content.0 is blank"));
}

#[tokio::test]
async fn embeddings_depend_on_the_text_alone() {
    let simulator = simulator().await;
    let body = json!({"inputText": "hello", "dimensions": 256});
    let one = invoke(&simulator, "amazon.titan-embed-text-v2:0", &body).await;
    let two = invoke(&simulator, "amazon.titan-embed-text-v2:0", &body).await;
    assert_eq!(one["embedding"], two["embedding"]);
    assert_eq!(one["embedding"].as_array().unwrap().len(), 256);
    assert_eq!(one["inputTextTokenCount"], 2);
}

#[tokio::test]
async fn each_embedding_model_answers_in_its_own_shape() {
    let simulator = simulator().await;
    let titan = invoke(
        &simulator,
        "amazon.titan-embed-text-v2:0",
        &json!({"inputText": "hi", "embeddingTypes": ["binary"]}),
    )
    .await;
    assert!(titan.get("embedding").is_none() && titan["embeddingsByType"]["binary"].is_array(), "{titan}");
    let body = json!({"inputText": "hi", "embeddingConfig": {"outputEmbeddingLength": 384}});
    let image = invoke(&simulator, "amazon.titan-embed-image-v1", &body).await;
    assert_eq!(image["embedding"].as_array().unwrap().len(), 384);
    let body = json!({"texts": ["One", "Two"], "input_type": "search_document"});
    let third = invoke(&simulator, "cohere.embed-english-v3", &body).await;
    assert_eq!(third["embeddings"][1].as_array().unwrap().len(), 1024);
    assert_eq!((&third["texts"][0], &third["response_type"]), (&json!("one"), &json!("embeddings_floats")));
    let fourth = invoke(&simulator, "cohere.embed-v4:0", &body).await;
    assert_eq!(fourth["embeddings"]["float"][1].as_array().unwrap().len(), 1536);
    let body = json!({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {
        "embeddingPurpose": "CLUSTERING", "text": {"truncationMode": "END", "value": "hi"},
    }});
    let nova = invoke(&simulator, "amazon.nova-2-multimodal-embeddings-v1:0", &body).await;
    assert_eq!(nova["embeddings"][0]["embedding"].as_array().unwrap().len(), 3072);
}

#[tokio::test]
async fn a_guardrail_shows_in_both_kinds_of_api() {
    let simulator = simulator().await;
    let (text, stop) = converse(&simulator, NOVA, "[[say:No.]][[guardrail:BLOCKED]]").await.unwrap();
    assert_eq!((text.as_str(), stop), ("No.", StopReason::GuardrailIntervened));
    let reply = invoke(&simulator, CLAUDE, &claude_body("[[say:No.]][[guardrail:ANONYMIZED]]")).await;
    assert_eq!(reply["amazon-bedrock-guardrailAction"], "INTERVENED");
    assert_eq!(reply["stop_reason"], "end_turn");
}

#[tokio::test]
async fn refusals_usage_and_stop_reasons_are_as_directed() {
    let simulator = simulator().await;
    assert_eq!(converse(&simulator, CLAUDE, "[[refusal]]").await.unwrap().1.as_str(), "content_filtered");
    let reply = invoke(&simulator, CLAUDE, &claude_body("[[refusal]]")).await;
    assert_eq!((&reply["stop_reason"], &reply["content"]), (&json!("refusal"), &json!([])));
    let (_, stop) = converse(&simulator, CLAUDE, "hi [[stop:of_the_future]]").await.unwrap();
    assert_eq!(stop.as_str(), "of_the_future");
    let sent = client(&simulator)
        .converse()
        .model_id(CLAUDE)
        .messages(user("hi [[usage input=9 output=8 cache_read=100 cache_write=20]]"))
        .send()
        .await
        .unwrap();
    let usage = sent.usage().unwrap();
    assert_eq!((usage.input_tokens(), usage.output_tokens(), usage.total_tokens()), (9, 8, 137));
    assert_eq!((usage.cache_read_input_tokens(), usage.cache_write_input_tokens()), (Some(100), Some(20)));
}

#[tokio::test]
async fn events_of_the_future_change_nothing() {
    let simulator = simulator().await;
    let (text, _, end) = text_of(stream(&simulator, CLAUDE, "hello [[unknown-event]]").await).await;
    assert_eq!(text, "hello");
    end.unwrap();
    simulator.script([Reply::stream([Step::Frame(Frame::event(
        "chunk",
        &json!({"bytes": "e30=", "future": 1}),
    ))])]);
    let (found, error) = chunks(&simulator, CLAUDE, &claude_body("hello")).await;
    assert!(error.is_none());
    assert_eq!(found, [json!({})]);
}

#[tokio::test]
async fn additional_response_fields_are_found_where_their_paths_point() {
    let simulator = open().await;
    let body = json!({
        "messages": [{"role": "user", "content": [{"text": "one STOP two"}]}],
        "inferenceConfig": {"stopSequences": ["STOP"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence", "/delta/stop_reason", "/nowhere"],
    });
    let reply = raw(&simulator, &post(&format!("/model/{CLAUDE}/converse"), &body.to_string())).await;
    let fields = &body_of(&reply)["additionalModelResponseFields"];
    assert_eq!(fields, &json!({"stop_sequence": "STOP", "delta": {"stop_reason": "stop_sequence"}}));
}

#[tokio::test]
async fn a_schema_is_answered_with_json() {
    let simulator = simulator().await;
    let mut body = claude_body("Paris?");
    body["output_config"] = json!({"format": {"type": "json_schema", "schema": {
        "type": "object", "additionalProperties": false, "required": ["city"],
        "properties": {"city": {"type": "string"}},
    }}});
    let reply = invoke(&simulator, CLAUDE, &body).await;
    assert_eq!(reply["content"][0]["text"], r#"{"city":"text"}"#);
    body["messages"][0]["content"] = json!(r#"{"city": "Paris"}"#);
    let reply = invoke(&simulator, CLAUDE, &body).await;
    assert_eq!(reply["content"][0]["text"], r#"{"city": "Paris"}"#);
}
