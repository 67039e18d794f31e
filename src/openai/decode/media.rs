//! Pictures, files and sounds. Nothing is fetched here, and nothing is decoded but the first bytes, which tell what the
//! rest is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ledger::Ledger;
use super::object::Str;
use super::path::Path;
use super::{invalid, missing, not_one_of, unsupported, wire};
use crate::chat::{
    Audio, AudioFormat, Block, Document, Image, ImageFormat, InvalidRequest, Remote, RemoteKind, Source, Text,
};

pub(super) fn image(
    wire: wire::ImageUrl<'_>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Block, InvalidRequest> {
    let wire::ImageUrl { url, detail, rest } = wire;
    ledger.unknown(path, &rest);
    match detail.as_deref() {
        None | Some("auto") => {}
        Some("low" | "high" | "original") => ledger.dropped(&path.member("detail"), "no_equivalent"),
        Some(_) => return Err(not_one_of(&path.member("detail"), &["auto", "low", "high", "original"])),
    }
    let path = path.member("url");
    let url = url.ok_or_else(|| missing(&path))?;
    if is_remote(&url) {
        let (url, path) = (url.into_owned(), path.to_string());
        return Ok(Block::Remote(Remote { url, kind: RemoteKind::Image, path }));
    }
    if has_prefix(&url, "s3://") {
        let format = extension(&url).and_then(picture_of_extension).ok_or_else(|| {
            unsupported(&path, "the key of a picture in S3 must end in .png, .jpg, .jpeg, .gif or .webp")
        })?;
        return Ok(Block::Image(Image { format, source: Source::S3 { uri: url.into_owned(), owner: None } }));
    }
    if !has_prefix(&url, "data:") {
        return Err(unsupported(&path, "expected a data:, https:// or s3:// URL"));
    }
    let DataUrl { media_type, base64 } = data_url(&url, &path)?;
    let format = picture(&first_bytes(base64)).ok_or_else(|| {
        unsupported(&path, "the data is not a PNG, JPEG, GIF or WebP picture, whatever its media type says")
    })?;
    if declared(media_type) != Some(format) {
        ledger.rewritten(&path, "real_format");
    }
    Ok(Block::Image(Image { format, source: Source::Inline(Text::new(base64)) }))
}

/// A file, or a picture that was sent as one.
pub(super) fn file(
    wire: wire::FilePart<'_>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Block, InvalidRequest> {
    let wire::FilePart { file_data, file_url, file_id, name, rest } = wire;
    ledger.unknown(path, &rest);
    if file_data.is_some() && file_url.is_some() {
        ledger.dropped(&path.member("file_url"), "file_data_wins");
    }
    let data_path =
        path.member(if file_data.is_none() && file_url.is_some() { "file_url" } else { "file_data" });
    let Some(data) = file_data.or(file_url) else {
        return Err(if file_id.is_some() {
            unsupported(&path.member("file_id"), "stored files are not supported; send 'file_data'")
        } else {
            missing(&data_path)
        });
    };
    if file_id.is_some() {
        ledger.dropped(&path.member("file_id"), "file_data_wins");
    }
    if is_remote(&data) {
        let (url, path) = (data.into_owned(), data_path.to_string());
        let kind = RemoteKind::Document { name: name.map(Str::into_owned) };
        return Ok(Block::Remote(Remote { url, kind, path }));
    }
    if has_prefix(&data, "s3://") {
        return in_s3(data.into_owned(), name, &data_path);
    }
    let DataUrl { media_type, base64 } = if has_prefix(&data, "data:") {
        data_url(&data, &data_path)?
    } else {
        check_base64(&data, &data_path)?;
        DataUrl { media_type: "", base64: &data }
    };
    let start = first_bytes(base64);
    if let Some(format) = picture(&start) {
        ledger.rewritten(path, "is_an_image");
        return Ok(Block::Image(Image { format, source: Source::Inline(Text::new(base64)) }));
    }
    let format = DOCUMENTS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(media_type))
        .map(|(_, format)| *format)
        .or_else(|| name.as_deref().and_then(extension).and_then(format_of_extension))
        .or_else(|| start.starts_with(b"%PDF-").then_some("pdf"))
        .ok_or_else(|| InvalidRequest {
            code: "unsupported_file",
            ..unsupported(
                &data_path,
                "its kind must be told by a media type or a filename extension: pdf, csv, doc, docx, xls, \
                 xlsx, html, txt or md",
            )
        })?;
    let name = name.map_or_else(|| "document".to_owned(), Str::into_owned);
    let source = Source::Inline(Text::new(base64));
    Ok(Block::Document(Document { name, format: format.to_owned(), source }))
}

/// A file, or a picture, that the upstream reads from S3: its kind is told by the file's name or the key.
fn in_s3(uri: String, name: Option<Str<'_>>, path: &Path<'_>) -> Result<Block, InvalidRequest> {
    let key = uri.rsplit('/').next().unwrap_or_default().to_owned();
    let extension = name.as_deref().and_then(extension).or_else(|| extension(&key));
    if let Some(format) = extension.and_then(picture_of_extension) {
        return Ok(Block::Image(Image { format, source: Source::S3 { uri, owner: None } }));
    }
    let format = extension.and_then(format_of_extension).ok_or_else(|| InvalidRequest {
        code: "unsupported_file",
        ..unsupported(path, "its kind must be told by an extension of the filename or of the key")
    })?;
    let name = name.map_or(key, Str::into_owned);
    Ok(Block::Document(Document { name, format: format.to_owned(), source: Source::S3 { uri, owner: None } }))
}

/// A sound. Nothing here knows what its bytes are, so the client's word is taken.
pub(super) fn audio(
    wire: wire::AudioPart<'_>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Audio, InvalidRequest> {
    let wire::AudioPart { data, format, rest } = wire;
    ledger.unknown(path, &rest);
    let format = match format.as_deref() {
        Some("wav") => AudioFormat::Wav,
        Some("mp3") => AudioFormat::Mp3,
        Some(_) => return Err(not_one_of(&path.member("format"), &["wav", "mp3"])),
        None => return Err(missing(&path.member("format"))),
    };
    let path = path.member("data");
    let data = data.ok_or_else(|| missing(&path))?;
    check_base64(&data, &path)?;
    Ok(Audio { format, data: Text::new(&data) })
}

fn is_remote(url: &str) -> bool {
    has_prefix(url, "https://") || has_prefix(url, "http://")
}

/// What stands behind the last dot of a name.
fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

fn picture_of_extension(extension: &str) -> Option<ImageFormat> {
    const FORMATS: [(&str, ImageFormat); 5] = [
        ("png", ImageFormat::Png),
        ("jpg", ImageFormat::Jpeg),
        ("jpeg", ImageFormat::Jpeg),
        ("gif", ImageFormat::Gif),
        ("webp", ImageFormat::Webp),
    ];
    FORMATS.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, format)| *format)
}

/// Media type → [`Document::format`].
const DOCUMENTS: [(&str, &str); 10] = [
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
    ("text/x-markdown", "md"),
];

fn format_of_extension(extension: &str) -> Option<&'static str> {
    const ALIASES: [(&str, &str); 3] = [("htm", "html"), ("text", "txt"), ("markdown", "md")];
    DOCUMENTS
        .iter()
        .map(|(_, format)| (*format, *format))
        .chain(ALIASES)
        .find(|(known, _)| known.eq_ignore_ascii_case(extension))
        .map(|(_, format)| format)
}

/// The format that a media type declares.
fn declared(media_type: &str) -> Option<ImageFormat> {
    const TYPES: [(&str, ImageFormat); 5] = [
        ("image/png", ImageFormat::Png),
        ("image/jpeg", ImageFormat::Jpeg),
        ("image/jpg", ImageFormat::Jpeg),
        ("image/gif", ImageFormat::Gif),
        ("image/webp", ImageFormat::Webp),
    ];
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(media_type)).map(|(_, format)| *format)
}

struct DataUrl<'a> {
    /// Without its parameters; empty if none was given.
    media_type: &'a str,
    /// Checked by [`check_base64`].
    base64: &'a str,
}

/// `data:[<media type>][;<parameter>]*;base64,<data>` (RFC 2397)
fn data_url<'a>(url: &'a str, path: &Path<'_>) -> Result<DataUrl<'a>, InvalidRequest> {
    let malformed = || invalid(path, "expected a URL like data:<media type>;base64,<data>");
    let (head, base64) = url.split_once(',').ok_or_else(malformed)?;
    let head = head.get("data:".len()..).ok_or_else(malformed)?;
    let (head, encoding) = head.rsplit_once(';').ok_or_else(malformed)?;
    if !encoding.trim().eq_ignore_ascii_case("base64") {
        return Err(malformed());
    }
    check_base64(base64, path)?;
    let media_type = head.split_once(';').map_or(head, |(media_type, _)| media_type).trim();
    Ok(DataUrl { media_type, base64 })
}

/// Base64 with its padding, by alphabet and length: the data is passed on, never decoded whole.
fn check_base64(base64: &str, path: &Path<'_>) -> Result<(), InvalidRequest> {
    let body = base64.strip_suffix("==").or_else(|| base64.strip_suffix('=')).unwrap_or(base64);
    // No early exit: so the loop runs on whole registers, and a picture has millions of bytes.
    let foreign = body.bytes().fold(false, |foreign, byte| {
        foreign | !matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/')
    });
    if base64.is_empty() {
        return Err(invalid(path, "there is no data"));
    }
    if foreign || !base64.len().is_multiple_of(4) {
        return Err(invalid(path, "the data is not base64 with padding"));
    }
    Ok(())
}

/// The first 12 bytes, or as many as there are.
fn first_bytes(base64: &str) -> Vec<u8> {
    let start = base64.get(..16).unwrap_or(base64);
    // Checked before; should it fail all the same, no format will be found in nothing.
    STANDARD.decode(start).unwrap_or_default()
}

/// The picture that a file's first bytes announce.
fn picture(start: &[u8]) -> Option<ImageFormat> {
    match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(ImageFormat::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageFormat::Webp),
        _ => None,
    }
}

fn has_prefix(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
