//! Server-sent events, read strictly: nothing between events, nothing after the last one.

use serde_json::{Value, json};

use super::{Answer, Ending, Live};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SseEvent {
    /// `data:` with a chunk.
    Chunk(Value),
    /// `data:` with a truthy `error`.
    Error(Value),
    /// `data: [DONE]`
    Done,
    /// A comment, without its colon.
    Comment(String),
}

/// A stream from its head to its end.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) answer: Answer,
    pub(crate) events: Vec<SseEvent>,
}

impl Transcript {
    pub(crate) async fn read(live: Live) -> Self {
        Self::of(live.rest().await)
    }

    pub(crate) fn of(answer: Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        // An error has been told in-band: the framing itself is always sound.
        assert_eq!(answer.ending, Ending::Whole);
        let events = parse(answer.text());
        Self { answer, events }
    }

    pub(crate) fn chunks(&self) -> Vec<&Value> {
        self.events
            .iter()
            .filter_map(|event| if let SseEvent::Chunk(chunk) = event { Some(chunk) } else { None })
            .collect()
    }

    /// The deltas of the choice, in order, as `delta` or as the finish reason's chunk.
    pub(crate) fn deltas(&self) -> Vec<Value> {
        self.chunks()
            .into_iter()
            .filter_map(|chunk| chunk["choices"].get(0))
            .filter(|choice| choice["finish_reason"].is_null())
            .map(|choice| choice["delta"].clone())
            .collect()
    }

    /// All text, joined.
    pub(crate) fn text(&self) -> String {
        self.deltas().iter().filter_map(|delta| delta["content"].as_str()).collect()
    }

    pub(crate) fn finish_reason(&self) -> Option<String> {
        let chunks = self.chunks();
        let reasons: Vec<_> =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str()).collect();
        assert!(reasons.len() <= 1, "more than one finish: {reasons:?}");
        reasons.first().map(|&reason| reason.to_owned())
    }

    pub(crate) fn usage(&self) -> Option<Value> {
        self.chunks().into_iter().map(|chunk| chunk["usage"].clone()).find(|usage| !usage.is_null())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.events.contains(&SseEvent::Done)
    }

    /// Calls put together as a client does it: by index, strings concatenated.
    pub(crate) fn tool_calls(&self) -> Vec<Value> {
        let mut calls: Vec<Value> = Vec::new();
        for delta in self.deltas() {
            for piece in delta["tool_calls"].as_array().into_iter().flatten() {
                let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
                assert!(index <= calls.len(), "a gap before call {index}");
                if index == calls.len() {
                    assert_eq!(piece["type"], "function");
                    calls.push(json!({"id": piece["id"], "type": "function", "function": piece["function"]}));
                    assert!(piece["id"].is_string() && piece["function"]["name"].is_string(), "{piece}");
                    continue;
                }
                assert!(piece.get("id").is_none() && piece.get("type").is_none(), "{piece}");
                assert!(piece["function"].get("name").is_none(), "{piece}");
                let joined = calls[index]["function"]["arguments"].as_str().unwrap().to_owned()
                    + piece["function"]["arguments"].as_str().unwrap();
                calls[index]["function"]["arguments"] = joined.into();
            }
        }
        calls
    }

    /// The order that OpenAI promises, for a stream that succeeded.
    #[track_caller]
    pub(crate) fn assert_complete(&self, usage_wanted: bool) {
        assert_eq!(self.events.last(), Some(&SseEvent::Done), "{:?}", self.events);
        assert_eq!(self.events.iter().filter(|event| **event == SseEvent::Done).count(), 1);
        assert!(!self.events.iter().any(|event| matches!(event, SseEvent::Error(_))), "{:?}", self.events);
        let chunks = self.assert_chunks(usage_wanted);
        let mut rest = chunks.as_slice();
        if usage_wanted {
            let (last, before) = rest.split_last().unwrap();
            assert_eq!(last["choices"], json!([]));
            assert!(last["usage"]["total_tokens"].is_u64(), "{last}");
            rest = before;
        }
        let (finish, before) = rest.split_last().unwrap();
        assert_eq!(finish["choices"][0]["delta"], json!({}));
        assert!(finish["choices"][0]["finish_reason"].is_string(), "{finish}");
        for chunk in before {
            assert_eq!(chunk["choices"][0]["finish_reason"], Value::Null);
        }
    }

    /// What holds for a stream that broke: an error of it is the last event, exactly one, and no `[DONE]` and no
    /// finish chunk are near it. Gives the error.
    #[track_caller]
    pub(crate) fn assert_broken(&self, usage_wanted: bool) -> Value {
        let Some(SseEvent::Error(error)) = self.events.last() else { panic!("no error: {:?}", self.events) };
        let errors = self.events.iter().filter(|event| matches!(event, SseEvent::Error(_))).count();
        assert_eq!(errors, 1);
        assert!(!self.is_done());
        assert_eq!(self.finish_reason(), None);
        assert_eq!(self.usage(), None);
        self.assert_chunks(usage_wanted);
        let mut keys: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "message", "param", "type"]);
        error.clone()
    }

    /// What holds for the chunks of any stream.
    #[track_caller]
    fn assert_chunks(&self, usage_wanted: bool) -> Vec<&Value> {
        let chunks = self.chunks();
        let Some(first) = chunks.first() else { return chunks };
        let delta = &first["choices"][0]["delta"];
        assert_eq!(delta["role"], "assistant", "the role comes first");
        for chunk in &chunks {
            for same in ["id", "created", "model"] {
                assert_eq!(chunk[same], first[same], "{same} changed");
            }
            assert_eq!(chunk["object"], "chat.completion.chunk");
            let choices = chunk["choices"].as_array().unwrap();
            assert!(choices.iter().all(|choice| choice["index"] == 0));
            if !choices.is_empty() {
                // Null while it is coming, absent if nobody asked.
                assert_eq!(chunk.get("usage"), usage_wanted.then_some(&Value::Null));
            }
        }
        for chunk in chunks.iter().skip(1) {
            assert!(chunk["choices"][0]["delta"].get("role").is_none(), "the role comes once");
        }
        chunks
    }
}

/// Reads a whole body. Panics at anything that isn't a whole event.
#[track_caller]
pub(crate) fn parse(body: &str) -> Vec<SseEvent> {
    if body.is_empty() {
        return Vec::new();
    }
    let body = body.strip_suffix("\n\n").expect("the last event has its blank line");
    body.split("\n\n")
        .map(|event| {
            assert!(!event.contains(['\n', '\r']), "an event of one line: {event:?}");
            if let Some(comment) = event.strip_prefix(':') {
                return SseEvent::Comment(comment.trim().to_owned());
            }
            let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("no data: {event:?}"));
            if data == "[DONE]" {
                return SseEvent::Done;
            }
            let value: Value = serde_json::from_str(data).unwrap();
            match value.get("error") {
                Some(error) if !error.is_null() => {
                    assert_eq!(value.as_object().unwrap().len(), 1, "an error stands alone");
                    SseEvent::Error(error.clone())
                }
                _ => SseEvent::Chunk(value),
            }
        })
        .collect()
}
