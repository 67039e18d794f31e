//! An OpenAI client as small as can be: one request a connection.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::expect::{Embedded, Said};

/// An answer: its status and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a chat and waits for the end of the answer.
pub(crate) async fn chat(address: SocketAddr, request: &Value) -> Result<Answer> {
    post(address, "/v1/chat/completions", request).await
}

/// Sends a request and waits for the end of the answer.
pub(crate) async fn post(address: SocketAddr, path: &str, request: &Value) -> Result<Answer> {
    let body = request.to_string();
    let mut socket = TcpStream::connect(address).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body.as_bytes()).await?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await?;
    let text = String::from_utf8(bytes)?;
    let (head, body) = text.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split(' ').nth(1).context("an answer has a status")?.parse()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok(Answer { status, body: if chunked { unchunk(body)? } else { body.to_owned() } })
}

fn unchunk(mut rest: &str) -> Result<String> {
    let mut body = String::new();
    loop {
        let (length, after) = rest.split_once("\r\n").context("the body is cut")?;
        let length = usize::from_str_radix(length, 16)?;
        if length == 0 {
            return Ok(body);
        }
        let (chunk, after) = after.split_at_checked(length).context("a chunk is cut")?;
        body.push_str(chunk);
        rest = after.strip_prefix("\r\n").context("a chunk has its end")?;
    }
}

/// What a `chat.completion` says.
pub(crate) fn whole(body: &str) -> Result<Said> {
    let completion: Value = serde_json::from_str(body)?;
    let choice = &completion["choices"][0];
    let mut said = Said { finish_reason: word(&choice["finish_reason"]), ..Said::default() };
    speak(&mut said, &choice["message"]);
    for call in list(&choice["message"]["tool_calls"]) {
        said.calls.push((word(&call["function"]["name"]), word(&call["function"]["arguments"])));
    }
    count(&mut said, &completion["usage"]);
    Ok(said)
}

/// What a stream of `chat.completion.chunk` says.
pub(crate) fn stream(body: &str) -> Result<Said> {
    let mut said = Said::default();
    let mut done = false;
    for event in body.split("\n\n").filter(|event| !event.is_empty() && !event.starts_with(':')) {
        let data = event.strip_prefix("data: ").with_context(|| format!("not an event: {event:?}"))?;
        ensure!(!done, "something comes after [DONE]: {data}");
        if data == "[DONE]" {
            done = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(data)?;
        if let Some(error) = chunk.get("error") {
            bail!("the stream broke: {error}");
        }
        count(&mut said, &chunk["usage"]);
        for choice in list(&chunk["choices"]) {
            said.finish_reason += &word(&choice["finish_reason"]);
            speak(&mut said, &choice["delta"]);
            for piece in list(&choice["delta"]["tool_calls"]) {
                let at = usize::try_from(piece["index"].as_u64().context("a call has its index")?)?;
                said.calls.resize(said.calls.len().max(at + 1), Default::default());
                said.calls[at].0 += &word(&piece["function"]["name"]);
                said.calls[at].1 += &word(&piece["function"]["arguments"]);
            }
        }
    }
    ensure!(done, "the stream ended without [DONE]");
    Ok(said)
}

/// What a list of embeddings says, as numbers and as base64 of them.
pub(crate) fn embedded(answer: &Value, coded: &Value) -> Result<Embedded> {
    let mut vectors = Vec::new();
    for (item, coded) in list(&answer["data"]).iter().zip(list(&coded["data"])) {
        let numbers: Vec<f64> = serde_json::from_value(item["embedding"].clone())?;
        let bytes = STANDARD.decode(coded["embedding"].as_str().context("base64 is a text")?)?;
        let floats =
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        #[expect(clippy::cast_possible_truncation, reason = "32 bits are what the format has")]
        let same = numbers.iter().map(|number| *number as f32).eq(floats);
        ensure!(same, "base64 says something else than the numbers");
        vectors.push(numbers);
    }
    Ok(Embedded { vectors, tokens: answer["usage"]["total_tokens"].as_u64() })
}

fn speak(said: &mut Said, message: &Value) {
    said.text += &word(&message["content"]);
    said.reasoning += &word(&message["reasoning_content"]);
}

fn count(said: &mut Said, usage: &Value) {
    if let Some(prompt) = usage["prompt_tokens"].as_u64() {
        said.prompt_tokens = Some(prompt);
        said.completion_tokens = usage["completion_tokens"].as_u64();
        said.cached_tokens = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
