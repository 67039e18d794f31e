//! An OpenAI client as small as can be: one request a connection.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::expect::Said;

/// An answer: its status and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a chat and waits for the end of the answer.
pub(crate) async fn chat(address: SocketAddr, request: &Value) -> Result<Answer> {
    let body = request.to_string();
    let mut socket = TcpStream::connect(address).await?;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
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
