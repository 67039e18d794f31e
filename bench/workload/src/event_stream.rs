//! `application/vnd.amazon.eventstream`: the messages that Bedrock streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One event, with both checksums right.
pub(crate) fn message(event: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::with_capacity(96);
    for (name, value) in
        [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")]
    {
        headers.push(u8::try_from(name.len()).expect("header names are short"));
        headers.extend_from_slice(name.as_bytes());
        headers.push(7); // a string
        headers
            .extend_from_slice(&u16::try_from(value.len()).expect("header values are short").to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let total = 12 + headers.len() + payload.len() + 4;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&word(total));
    bytes.extend_from_slice(&word(headers.len()));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(payload.as_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

/// InvokeModelWithResponseStream wraps the model's own JSON in base64, and pads it.
pub(crate) fn chunk(json: &str) -> Vec<u8> {
    message("chunk", &format!(r#"{{"bytes":"{}","p":"abcdefghijklmnop"}}"#, STANDARD.encode(json)))
}

fn word(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("messages are short").to_be_bytes()
}
