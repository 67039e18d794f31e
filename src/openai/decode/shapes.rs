//! Parts as other APIs write them: OpenAI's own Responses (`input_text`, `input_image`, `input_file`),
//! Anthropic's Messages (`image` and `document` with a `source`) and MCP (`image` with `data`). Frameworks
//! mix them up, above all in results of tools, and each says the same as a part of Chat Completions.

use super::ledger::Ledger;
use super::missing;
use super::object::{Loose, Str, Unknown};
use super::path::Path;
use super::{invalid, parse, wire};
use crate::chat::InvalidRequest;

/// The types of parts that [`read`] knows.
pub(super) const TYPES: [&str; 6] =
    ["input_text", "output_text", "input_image", "input_file", "image", "document"];

/// Gives a part the shape of Chat Completions, with a note; any other is left as it is, but what it has no
/// use for is noted.
pub(super) fn read<'a>(
    mut part: wire::Part<'a>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<wire::Part<'a>, InvalidRequest> {
    ledger.unknown(path, &part.rest.unknown);
    let mut members = Members { path, members: std::mem::take(&mut part.rest.members) };
    let kind = part.kind.as_deref().and_then(|kind| TYPES.into_iter().find(|known| *known == kind));
    if let Some(kind) = kind {
        let shape = match kind {
            "input_text" | "output_text" => "text",
            "input_image" => {
                if let Some(Loose::Text(url)) = part.image_url {
                    part.image_url = Some(Loose::Object(wire::ImageUrl {
                        url: Some(url),
                        detail: members.text("detail")?,
                        rest: Unknown::default(),
                    }));
                }
                "image_url"
            }
            "image" => {
                let url = Some(members.bytes(ledger)?);
                part.image_url =
                    Some(Loose::Object(wire::ImageUrl { url, detail: None, rest: Unknown::default() }));
                "image_url"
            }
            _ => {
                let inside = kind == "document";
                part.file = Some(wire::FilePart {
                    file_data: if inside {
                        Some(members.bytes(ledger)?)
                    } else {
                        members.text("file_data")?
                    },
                    file_url: members.text("file_url")?,
                    file_id: None,
                    name: members.text(if inside { "title" } else { "filename" })?,
                    rest: Unknown::default(),
                });
                "file"
            }
        };
        ledger.rewritten(&path.member("type"), "other_shape");
        part.kind = Some(Str::from(shape.to_owned()));
    }
    for (name, _) in members.members {
        ledger.dropped(&path.member(name), "not_of_this_type");
    }
    Ok(part)
}

/// The members that only some shapes have.
struct Members<'a, 'p> {
    path: &'p Path<'p>,
    members: Vec<(&'static str, &'a serde_json::value::RawValue)>,
}

impl<'a> Members<'a, '_> {
    fn text(&mut self, name: &str) -> Result<Option<Str<'a>>, InvalidRequest> {
        let Some(at) = self.members.iter().position(|(known, _)| *known == name) else { return Ok(None) };
        let (name, raw) = self.members.swap_remove(at);
        if raw.get() == "null" { Ok(None) } else { parse::island(raw, &self.path.member(name)).map(Some) }
    }

    /// The URL of what a `source`, or `data` beside its type, holds.
    fn bytes(&mut self, ledger: &mut Ledger) -> Result<Str<'a>, InvalidRequest> {
        let data_url = |media_type: Option<Str<'a>>, data: &str| {
            let media_type = media_type.map(Str::into_owned).unwrap_or_default();
            Str::from(format!("data:{media_type};base64,{data}"))
        };
        if let Some(data) = self.text("data")? {
            return Ok(data_url(self.text("mimeType")?, &data));
        }
        let path = self.path.member("source");
        let Some(at) = self.members.iter().position(|(known, _)| *known == "source") else {
            return Err(missing(&path));
        };
        let (_, raw) = self.members.swap_remove(at);
        let wire::SourcePart { kind, media_type, data, url, rest } = parse::island(raw, &path)?;
        ledger.unknown(&path, &rest);
        match (kind.as_deref(), data, url) {
            (Some("base64"), Some(data), _) => Ok(data_url(media_type, &data)),
            (Some("url"), _, Some(url)) => Ok(url),
            _ => Err(invalid(&path, "expected a type of 'base64' with 'data', or of 'url' with 'url'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::chat::{Block, RemoteKind, Source};
    use crate::openai::decode;

    const PDF: &str = "JVBERi0xLjMK";
    const GIF: &str = "R0lGODlhAQABAAAAACw=";

    fn read(role: &str, part: &str) -> (Vec<Block>, Vec<String>) {
        let body = format!(r#"{{"messages":[{{"role":"{role}","tool_call_id":"t","content":[{part}]}}]}}"#);
        let mut decoded = decode(body.as_bytes()).unwrap_or_else(|error| panic!("{error:?}\n{part}"));
        let notes = decoded.notes.iter().map(ToString::to_string).collect();
        let content = decoded.request.messages.remove(0).content;
        match content.into_iter().next() {
            Some(Block::ToolResult(result)) => (result.content, notes),
            other => (other.into_iter().collect(), notes),
        }
    }

    #[test]
    fn parts_of_other_apis_are_the_parts_that_they_mean() {
        for role in ["user", "tool"] {
            for part in [
                r#"{"type":"input_text","text":"a"}"#.to_owned(),
                r#"{"type":"output_text","text":"a"}"#.to_owned(),
                format!(
                    r#"{{"type":"input_image","image_url":"data:image/gif;base64,{GIF}","detail":"auto"}}"#
                ),
                format!(
                    r#"{{"type":"image","source":{{"type":"base64","media_type":"image/gif","data":"{GIF}"}}}}"#
                ),
                format!(r#"{{"type":"image","data":"{GIF}","mimeType":"image/gif"}}"#),
                format!(r#"{{"type":"input_file","filename":"a.pdf","file_data":"{PDF}"}}"#),
                format!(
                    r#"{{"type":"document","title":"a.pdf","source":{{"type":"base64","media_type":"application/pdf","data":"{PDF}"}}}}"#
                ),
            ] {
                let (blocks, notes) = read(role, &part);
                match &blocks[..] {
                    [Block::Text(text)] => assert_eq!(text.decode(), "a"),
                    [Block::Image(image)] => {
                        assert!(matches!(&image.source, Source::Inline(data) if data.decode() == GIF));
                    }
                    [Block::Document(document)] => {
                        assert_eq!((document.name.as_str(), document.format.as_str()), ("a.pdf", "pdf"));
                    }
                    other => panic!("{other:?}"),
                }
                assert!(
                    notes
                        .iter()
                        .any(|note| note == "messages[0].content[0].type:rewritten;reason=other_shape"),
                    "{notes:?}"
                );
            }
        }
        let url = r#"{"type":"image","source":{"type":"url","url":"https://pictures.example/a.gif"}}"#;
        assert!(
            matches!(&read("user", url).0[..], [Block::Remote(remote)] if remote.kind == RemoteKind::Image)
        );
    }

    #[test]
    fn what_belongs_to_another_shape_is_noted_or_missed() {
        let (_, notes) = read("user", r#"{"type":"text","text":"a","filename":"b","colour":"red"}"#);
        assert_eq!(
            notes[..2],
            [
                "messages[0].content[0].colour:dropped;reason=unknown_field",
                "messages[0].content[0].filename:dropped;reason=not_of_this_type",
            ]
        );
        for (part, param) in [
            (r#"{"type":"image"}"#, "messages[0].content[0].source"),
            (r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#, "messages[0].content[0].source"),
            (r#"{"type":"input_image"}"#, "messages[0].content[0].image_url"),
            (r#"{"type":"input_file","filename":7}"#, "messages[0].content[0].filename"),
            (r#"{"type":"input_file","filename":"a"}"#, "messages[0].content[0].file.file_data"),
        ] {
            let body = format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
            assert_eq!(decode(body.as_bytes()).unwrap_err().param.as_deref(), Some(param), "{part}");
        }
    }
}
