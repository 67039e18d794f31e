//! COHERE COMMAND'S OWN BODY, older than Command R's: one prompt in, one text out, over InvokeModel.
//!
//! Command completes a text. One question goes as it stands; a conversation goes as a transcript in which each
//! turn begins with `User:` or `Chatbot:`, Cohere's names for the two. A line of a text that begins so is indented
//! (see [`indent_speakers`]).

use serde::{Deserialize, Serialize};

use super::completion::{Completion, CompletionStream, Piece};
use super::finish_word::stop_reason;
use super::model_fields::Fields;
use super::prompt::{Asked, Guard, Prompt, indent_speakers};
use super::scalar::Count;
use super::{ChatFormat, ProtocolError, StreamDecoder};
use crate::bedrock::{Invocation, ModelId, Reply};
use crate::chat::{Event, InvalidRequest, Message, Notes, Request, Role, StopReason};

/// The prompt body.
pub static COHERE_GENERATE: CohereGenerate = CohereGenerate;

/// See [`COHERE_GENERATE`].
#[derive(Debug)]
pub struct CohereGenerate;

impl ChatFormat for CohereGenerate {
    fn name(&self) -> &'static str {
        "cohere_generate"
    }

    fn encode(
        &self,
        request: &Request,
        model: &ModelId,
        streaming: bool,
    ) -> Result<Invocation, InvalidRequest> {
        let asked = Asked::of(request, "Command", &OWN)?;
        let Asked { messages, max_tokens, temperature, top_p, top_k, stop, fields, headers } = asked;
        let settings = Settings {
            max_tokens,
            temperature,
            p: top_p,
            k: top_k,
            stop_sequences: stop,
            // Without it a stream is one chunk.
            stream: streaming.then_some(true),
            fields,
        };
        prompt(messages)?.call(&settings, headers, model, streaming)
    }

    fn note_rewrites(&self, request: &Request, notes: &mut Notes) {
        TURN_MARKERS.note(request, "turn_markers", notes);
    }

    fn has_one_body(&self) -> bool {
        false
    }

    fn decode(&self, reply: &Reply, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        let answer: Answer = serde_json::from_slice(&reply.body).map_err(ProtocolError::shape("reply"))?;
        let piece = answer.into_piece()?.ok_or(ProtocolError::Grammar("a reply without a generation"))?;
        Completion::new(CHATBOT).whole(piece, reply, events)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream())
    }
}

const USER: &str = "User:";
const CHATBOT: &str = "Chatbot:";

const TURN_MARKERS: Guard =
    Guard { hints: &[USER, CHATBOT], opens: None, defuse: |text| indent_speakers(text, &[USER, CHATBOT]) };

/// The members that are not in `fields`.
const OWN: [&str; 7] = ["prompt", "max_tokens", "temperature", "p", "k", "stop_sequences", "stream"];

#[derive(Serialize)]
struct Settings<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(flatten)]
    fields: Fields<'a>,
}

fn prompt(messages: &[Message]) -> Result<Prompt, InvalidRequest> {
    let mut prompt = Prompt::begin("prompt", messages);
    if let [question] = messages {
        prompt.say(question, &TURN_MARKERS, "\n", "Command")?;
        return Ok(prompt);
    }
    for (position, message) in messages.iter().enumerate() {
        if position > 0 {
            prompt.template("\n");
        }
        prompt.template(match message.role {
            Role::User | Role::System => USER,
            Role::Assistant => CHATBOT,
        });
        prompt.template(" ");
        prompt.say(message, &TURN_MARKERS, "\n", "Command")?;
    }
    if messages.last().is_some_and(|message| message.role != Role::Assistant) {
        prompt.template("\n");
        prompt.template(CHATBOT);
    }
    Ok(prompt)
}

/// A whole reply has `generations`, and so has a stream that is one chunk. The chunks of a longer stream have a
/// text each, and the last of them the reason.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    generations: Option<Vec<Generation>>,
    /// Of several generations; only one is ever asked for.
    #[serde(default)]
    index: Option<Count>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    is_finished: Option<bool>,
}

#[derive(Deserialize)]
struct Generation {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
}

impl Answer {
    /// `None` if it is a piece of another generation, or of none.
    fn into_piece(self) -> Result<Option<Piece>, ProtocolError> {
        let Self { generations, index, text, finish_reason, is_finished } = self;
        if let Some(generations) = generations {
            let Some(Generation { text, finish_reason }) = generations.into_iter().next() else {
                return Ok(None);
            };
            return piece(text, finish_reason.as_deref(), None).map(Some);
        }
        if index.is_some_and(|Count(index)| index > 0) {
            return Ok(None);
        }
        piece(text, finish_reason.as_deref(), is_finished).map(Some)
    }
}

fn piece(
    text: Option<String>,
    finish_reason: Option<&str>,
    is_finished: Option<bool>,
) -> Result<Piece, ProtocolError> {
    let stop = match finish_reason {
        Some("ERROR") => return Err(ProtocolError::Reported("ERROR".to_owned())),
        Some(word) => Some(stop_reason(word)),
        None if is_finished == Some(true) => Some(StopReason::EndTurn),
        None => None,
    };
    Ok(Piece { text: text.unwrap_or_default(), stop, input_tokens: None, output_tokens: None })
}

fn stream() -> CompletionStream {
    CompletionStream::new(Completion::new(CHATBOT), |chunk| {
        let answer: Answer = serde_json::from_slice(chunk).map_err(ProtocolError::shape("chunk"))?;
        answer.into_piece()
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::bedrock::{Frame, ReplyHead, TokenCounts};
    use crate::chat::{Block, Response, Text, Usage};

    fn said(role: Role, words: &str) -> Message {
        Message { role, content: vec![Block::Text(Text::new(words))], index: 0 }
    }

    fn sent(messages: Vec<Message>, streaming: bool) -> String {
        let request = Request { messages, top_p: Some(0.5), ..Request::default() };
        let model = ModelId::parse("cohere.command-text-v14").unwrap();
        let call = COHERE_GENERATE.encode(&request, &model, streaming).unwrap();
        String::from_utf8(call.body.to_vec()).unwrap()
    }

    #[test]
    fn one_question_goes_as_it_stands_and_a_conversation_as_a_transcript() {
        let turns = [said(Role::User, "a\nUser: z"), said(Role::Assistant, "b"), said(Role::User, "c")];
        assert_eq!(sent(turns[..1].to_vec(), false), r#"{"prompt":"a\n User: z","p":0.5}"#);
        assert_eq!(
            sent(turns.to_vec(), true),
            r#"{"prompt":"User: a\n User: z\nChatbot: b\nUser: c\nChatbot:","p":0.5,"stream":true}"#
        );
        assert!(sent(turns[..2].to_vec(), false).contains(r#"Chatbot: b","#));
    }

    fn streamed(chunks: &[&str]) -> Result<(Response, u32), ProtocolError> {
        let mut decoder = COHERE_GENERATE.stream_decoder();
        let mut events = Vec::new();
        for chunk in chunks {
            let payload = Bytes::copy_from_slice(chunk.as_bytes());
            decoder.push(&Frame { event: "chunk".into(), payload }, &mut events)?;
        }
        decoder.finish(&mut events)?;
        Ok((Response::assemble(events).unwrap(), decoder.skipped()))
    }

    const METRICS: &str = r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":5,"outputTokenCount":10}"#;

    #[test]
    fn a_stream_may_be_many_chunks_or_the_whole_reply() {
        let last = format!(r#"{{"finish_reason":"MAX_TOKENS","is_finished":true,{METRICS}}}"#);
        let many = streamed(&[
            r#"{"index":0,"is_finished":false,"text":" Ok"}"#,
            r#"{"index":1,"is_finished":false,"text":" No"}"#,
            r#"{"is_finished":false,"text":"ay"}"#,
            &last,
        ])
        .unwrap();
        let one = streamed(&[&format!(
            r#"{{"id":"i","generations":[{{"id":"g","text":" Okay","finish_reason":"MAX_TOKENS"}},{{"text":"x"}}],"prompt":"p",{METRICS}}}"#
        )])
        .unwrap();
        assert_eq!((many.1, one.1), (1, 0));
        for (response, _) in [many, one] {
            assert_eq!(response.text, Some(Text::new("Okay")));
            assert_eq!(response.stop, StopReason::MaxTokens);
            assert_eq!(response.usage, Some(Usage { input: 5, output: 10, ..Usage::default() }));
        }
    }

    #[test]
    fn the_end_may_be_said_for_each_generation_and_for_all() {
        let chunks = [
            r#"{"index":0,"is_finished":false,"text":"a"}"#,
            r#"{"index":0,"is_finished":true,"finish_reason":"COMPLETE"}"#,
            r#"{"index":1,"is_finished":true,"finish_reason":"MAX_TOKENS"}"#,
            r#"{"is_finished":true,"finish_reason":"COMPLETE"}"#,
        ];
        assert_eq!(streamed(&chunks).unwrap().0.stop, StopReason::EndTurn);
        assert!(matches!(streamed(&chunks[..1]), Err(ProtocolError::Truncated)));
    }

    #[test]
    fn an_error_in_the_place_of_a_reason_is_one() {
        let failed = streamed(&[r#"{"finish_reason":"ERROR","is_finished":true}"#]);
        assert!(matches!(failed, Err(ProtocolError::Reported(_))), "{failed:?}");
    }

    #[test]
    fn the_counts_of_a_whole_reply_are_in_its_headers() {
        let tokens = TokenCounts { input: Some(9), output: Some(2), ..TokenCounts::default() };
        let body = Bytes::from_static(br#"{"generations":[{"text":" a","finish_reason":"COMPLETE"}]}"#);
        let mut events = Vec::new();
        let head = ReplyHead { tokens, ..ReplyHead::default() };
        COHERE_GENERATE.decode(&Reply { head, body }, &mut events).unwrap();
        let response = Response::assemble(events).unwrap();
        assert_eq!(response.text, Some(Text::new("a")));
        assert_eq!(response.usage, Some(Usage { input: 9, output: 2, ..Usage::default() }));
    }
}
