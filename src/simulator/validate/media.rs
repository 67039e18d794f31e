//! Pictures, documents and films in a conversation.

use super::conversation::{from_model, unsupported};
use crate::simulator::converse::list;
use crate::simulator::fault::Fault;
use crate::simulator::models::{Can, Format, Model};
use crate::simulator::shape::{object, one_of, only, required, string, union};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

const IMAGES: [&str; 4] = ["png", "jpeg", "gif", "webp"];
const DOCUMENTS: [&str; 9] = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
const VIDEOS: [&str; 9] = ["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"];
const AUDIO: [&str; 15] = [
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm",
    "webm",
];
/// Converse's limits in bytes.
const IMAGE_LIMIT: usize = 3_932_160;
const DOCUMENT_LIMIT: usize = 4_718_592;

/// One block.
pub(super) fn block(model: &Model, kind: &str, value: &Value, role: &str, at: &str) -> Result<(), Fault> {
    let can = match kind {
        "image" => model.can(Can::Images),
        "document" => model.can(Can::Documents),
        "video" => model.can(Can::Video),
        "audio" => model.can(Can::Audio),
        _ => false,
    };
    if !can {
        return Err(unsupported(&format!("{kind} content block that you provided")));
    }
    if role != "user" {
        return Err(Fault::validation(format!("Assistant messages cannot contain {kind} content blocks.")));
    }
    let members = object(value, at)?;
    if let Some(place) = value["source"].get("s3Location") {
        s3_location(model, kind, place, &format!("{at}/source/s3Location"))?;
    }
    if let Some(citations) = members.get("citations")
        && citations["enabled"] == true
        && !model.can(Can::Citations)
    {
        return Err(Fault::validation("This model doesn't support citations."));
    }
    match kind {
        "image" => image(members, at),
        "document" => document(members, at),
        _ => {
            only(members, at, &["format", "source"])?;
            let formats: &[&str] = if kind == "audio" { &AUDIO } else { &VIDEOS };
            one_of(required(members, at, "format")?, &format!("{at}/{kind}/format"), formats)?;
            bytes(required(members, at, "source")?, at, &["bytes", "s3Location"], usize::MAX).map(|_| ())
        }
    }
}

/// Claude fetches documents only.
fn s3_location(model: &Model, kind: &str, place: &Value, at: &str) -> Result<(), Fault> {
    let fetches = model.can(Can::S3) || (kind == "document" && model.facts.format == Format::Claude);
    if !fetches {
        return Err(Fault::validation(
            "This model doesn't support the s3Uri field. Remove s3Uri and try again.",
        ));
    }
    let members = object(place, at)?;
    only(members, at, &["uri", "bucketOwner"])?;
    let uri = string(required(members, at, "uri")?, at)?;
    if uri.strip_prefix("s3://").is_none_or(|rest| rest.len() < 3) {
        return Err(Fault::validation(format!(
            "1 validation error detected: Value '{uri}' at 's3Location.uri' failed to satisfy constraint: Member \
             must satisfy regular expression pattern: s3://[a-z0-9][\\.\\-a-z0-9]{{1,61}}[a-z0-9](/.*)?"
        )));
    }
    Ok(())
}

fn image(members: &Map<String, Value>, at: &str) -> Result<(), Fault> {
    only(members, at, &["format", "source"])?;
    let format = required(members, at, "format")?;
    one_of(format, &format!("{at}/image/format"), &IMAGES)?;
    let source = required(members, at, "source")?;
    let Some(bytes) = bytes(source, at, &["bytes", "s3Location"], IMAGE_LIMIT)? else { return Ok(()) };
    match picture(&bytes) {
        Some(real) if format == real => Ok(()),
        Some(real) => {
            let declared = format.as_str().unwrap_or_default();
            Err(from_model(&format!(
                "The image was specified using the image/{declared} media type, but the image appears to be a \
                 image/{real} image"
            )))
        }
        None => Err(from_model("Could not process image")),
    }
}

/// The format of a picture, by its first bytes.
pub(super) fn picture(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("webp"),
        _ => None,
    }
}

fn document(members: &Map<String, Value>, at: &str) -> Result<(), Fault> {
    only(members, at, &["format", "name", "source", "context", "citations"])?;
    if let Some(format) = members.get("format") {
        one_of(format, &format!("{at}/document/format"), &DOCUMENTS)?;
    }
    let name = string(required(members, at, "name")?, at)?;
    // The text says nothing of underscores, but they were seen to be accepted.
    let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || "_-()[]".contains(c);
    if name.is_empty() || name.chars().count() > 200 || !name.chars().all(allowed) || name.contains("  ") {
        return Err(Fault::validation(
            "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, \
             parentheses, and square brackets. The name can't contain more than one consecutive whitespace \
             character.",
        ));
    }
    let kinds = ["bytes", "s3Location", "text", "content"];
    bytes(required(members, at, "source")?, at, &kinds, DOCUMENT_LIMIT).map(|_| ())
}

/// The bytes of a source, if it has them rather than a place to find them.
fn bytes(source: &Value, at: &str, kinds: &[&str], limit: usize) -> Result<Option<Vec<u8>>, Fault> {
    let at = format!("{at}/source");
    let (kind, value) = union(source, &at, kinds)?;
    if kind != "bytes" {
        return Ok(None);
    }
    let Ok(bytes) = BASE64_STANDARD.decode(string(value, &at)?) else {
        return Err(Fault::new(400, "SerializationException", "Could not decode base64"));
    };
    if bytes.is_empty() {
        return Err(Fault::malformed(&at, "expected minLength: 1, actual: 0"));
    }
    if bytes.len() > limit {
        return Err(Fault::validation(format!("The content exceeds the limit of {limit} bytes.")));
    }
    Ok(Some(bytes))
}

/// What holds for one message: a document needs words beside it.
pub(super) fn turn(content: &[Value]) -> Result<(), Fault> {
    let has = |kind: &str| content.iter().any(|block| block.get(kind).is_some());
    if has("document") && !has("text") {
        return Err(Fault::validation("A text block must be included when using documents."));
    }
    Ok(())
}

/// What holds for a whole conversation: limits, and documents told apart by name.
pub(super) fn conversation(messages: &[Value]) -> Result<(), Fault> {
    let all = |kind: &'static str| {
        messages.iter().flat_map(|message| list(&message["content"])).filter_map(move |block| block.get(kind))
    };
    if all("image").count() > 20 {
        return Err(Fault::validation("The number of images exceeds the limit of 20."));
    }
    let mut names: Vec<&str> = all("document").filter_map(|document| document["name"].as_str()).collect();
    if names.len() > 5 {
        return Err(Fault::validation("The number of documents exceeds the limit of 5."));
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Fault::validation("Messages can not contain duplicate document names."));
    }
    Ok(())
}
