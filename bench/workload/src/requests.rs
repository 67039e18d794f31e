//! What clients of the OpenAI API send.

use serde_json::{Value, json};

/// What a request is large in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One short question.
    Question,
    /// So many messages of about 800 bytes, with the odd character that JSON must escape: 40 are 32 KB.
    History(usize),
    /// One short question, and so many tools.
    Tools(usize),
}

/// The body of a chat request.
pub fn chat(model: &str, shape: Shape, stream: bool) -> String {
    let question = json!([{"role": "user", "content": "What is the weather like in Lisbon today?"}]);
    let mut body = json!({"model": model, "max_tokens": 512});
    match shape {
        Shape::Question => body["messages"] = question,
        Shape::History(messages) => body["messages"] = history(messages),
        Shape::Tools(tools) => {
            body["messages"] = question;
            body["tools"] = (0..tools).map(tool).collect();
        }
    }
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    body.to_string()
}

fn history(messages: usize) -> Value {
    let text =
        "The quick brown fox jumps over the lazy dog; \"quoted\" text, a tab\tand a line\nbreak. ".repeat(9);
    let system = json!({"role": "system", "content": "You are a terse assistant."});
    // The last one is the user's: a conversation can't end with what the assistant said.
    let turns = (1..messages).map(|n| {
        let role = if (messages - n) % 2 == 1 { "user" } else { "assistant" };
        json!({"role": role, "content": format!("{n}: {text}")})
    });
    std::iter::once(system).chain(turns).collect()
}

fn tool(n: usize) -> Value {
    json!({"type": "function", "function": {
        "name": format!("get_weather_{n}"),
        "description": "The weather of a city, now or on a day of the coming week. Ask for one city at a time.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Its name, in English"},
                "unit": {"type": "string", "enum": ["c", "f"]},
                "day": {"type": "integer", "minimum": 0, "maximum": 6},
                "details": {"type": "array", "items": {"type": "string", "enum": ["wind", "rain", "sun"]}}
            },
            "required": ["city"]
        }
    }})
}
