//! Pictures, files and sounds. Nothing is fetched here, and of most nothing is decoded but the first bytes,
//! which tell what the rest is.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::documents::{self, Kind, extension, format_of_extension};
use super::ledger::Ledger;
use super::object::{Loose, Str};
use super::path::Path;
use super::{invalid, missing, not_one_of, unsupported, wire};
use crate::chat::{
    Audio, AudioFormat, Block, Document, Image, ImageFormat, InvalidRequest, Remote, RemoteKind, Source, Text,
};

/// A picture, whose URL some clients write where the object belongs that holds it.
pub(super) fn image(
    wire: Loose<'_, wire::ImageUrl<'_>>,
    path: &Path<'_>,
    ledger: &mut Ledger,
) -> Result<Block, InvalidRequest> {
    let wire::ImageUrl { url, detail, rest } = match wire {
        Loose::Object(wire) => wire,
        Loose::Text(url) => {
            ledger.rewritten(path, "not_an_object");
            return picture_at(url, path, ledger);
        }
        Loose::Null => return Err(missing(path)),
    };
    ledger.unknown(path, &rest);
    match detail.as_deref() {
        None | Some("auto") => {}
        Some("low" | "high" | "original") => ledger.dropped(&path.member("detail"), "no_equivalent"),
        Some(_) => return Err(not_one_of(&path.member("detail"), &["auto", "low", "high", "original"])),
    }
    let path = path.member("url");
    picture_at(url.ok_or_else(|| missing(&path))?, &path, ledger)
}

fn picture_at(url: Str<'_>, path: &Path<'_>, ledger: &mut Ledger) -> Result<Block, InvalidRequest> {
    if is_remote(&url) {
        let (url, path) = (url.into_owned(), path.to_string());
        return Ok(Block::Remote(Remote { url, kind: RemoteKind::Image, path }));
    }
    if has_prefix(&url, "s3://") {
        let format = extension(&url).and_then(picture_of_extension).ok_or_else(|| {
            unsupported(path, "the key of a picture in S3 must end in .png, .jpg, .jpeg, .gif or .webp")
        })?;
        return Ok(Block::Image(Image { format, source: Source::S3 { uri: url.into_owned(), owner: None } }));
    }
    if !has_prefix(&url, "data:") {
        return Err(unsupported(path, "expected a data:, https:// or s3:// URL"));
    }
    let DataUrl { media_type, base64 } = data_url(&url, path, ledger)?;
    let Some(format) = picture(&first_bytes(&base64)) else {
        let format = documents::sure(&base64).ok_or_else(|| {
            unsupported(
                path,
                "the data is not a PNG, JPEG, GIF or WebP picture, whatever its media type says",
            )
        })?;
        ledger.rewritten(path, "is_a_file");
        let (name, source) = ("document".to_owned(), Source::Inline(Text::new(&base64)));
        return Ok(Block::Document(Document { name, format: format.to_owned(), source }));
    };
    if declared(media_type) != Some(format) {
        ledger.rewritten(path, "real_format");
    }
    Ok(Block::Image(Image { format, source: Source::Inline(Text::new(&base64)) }))
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
        data_url(&data, &data_path, ledger)?
    } else {
        DataUrl { media_type: "", base64: base64(&data, &data_path, ledger)? }
    };
    if let Some(format) = picture(&first_bytes(&base64)) {
        ledger.rewritten(path, "is_an_image");
        return Ok(Block::Image(Image { format, source: Source::Inline(Text::new(&base64)) }));
    }
    let Some(Kind { format, note }) = documents::kind(&base64, media_type, name.as_deref()) else {
        return Err(InvalidRequest {
            code: "unsupported_file",
            ..unsupported(
                &data_path,
                "it is neither UTF-8 text nor, by its bytes, its filename's extension or its media type, one of pdf, \
                 csv, doc, docx, xls, xlsx, html, txt and md",
            )
        });
    };
    if let Some(reason) = note {
        ledger.rewritten(&data_path, reason);
    }
    let name = name.map_or_else(|| "document".to_owned(), Str::into_owned);
    let source = Source::Inline(Text::new(&base64));
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
    Ok(Audio { format, data: Text::new(&base64(&data, &path, ledger)?) })
}

fn is_remote(url: &str) -> bool {
    has_prefix(url, "https://") || has_prefix(url, "http://")
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
    /// As [`base64`] gives it.
    base64: Cow<'a, str>,
}

/// `data:[<media type>][;<parameter>]*;base64,<data>` (RFC 2397)
fn data_url<'a>(url: &'a str, path: &Path<'_>, ledger: &mut Ledger) -> Result<DataUrl<'a>, InvalidRequest> {
    let malformed = || invalid(path, "expected a URL like data:<media type>;base64,<data>");
    let (head, data) = url.split_once(',').ok_or_else(malformed)?;
    let head = head.get("data:".len()..).ok_or_else(malformed)?;
    let (head, encoding) = head.rsplit_once(';').ok_or_else(malformed)?;
    if !encoding.trim().eq_ignore_ascii_case("base64") {
        return Err(malformed());
    }
    let media_type = head.split_once(';').map_or(head, |(media_type, _)| media_type).trim();
    Ok(DataUrl { media_type, base64: base64(data, path, ledger)? })
}

/// Base64 in its standard alphabet, with its padding and nothing between: the data is passed on, never
/// decoded whole. What says the same in another way (with line breaks, without padding, safe for URLs) is
/// written anew, with a note.
fn base64<'a>(data: &'a str, path: &Path<'_>, ledger: &mut Ledger) -> Result<Cow<'a, str>, InvalidRequest> {
    if is_base64(data) {
        return Ok(Cow::Borrowed(data));
    }
    let decoded = percent_decode_str(data).decode_utf8_lossy();
    let mut plain = String::with_capacity(decoded.len() + 3);
    plain.extend(decoded.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    }));
    plain.truncate(plain.trim_end_matches('=').len());
    if plain.is_empty() {
        return Err(invalid(path, "there is no data"));
    }
    plain.extend(std::iter::repeat_n('=', (4 - plain.len() % 4) % 4));
    if !is_base64(&plain) {
        return Err(invalid(path, "the data is not base64"));
    }
    ledger.rewritten(path, "unusual_base64");
    Ok(Cow::Owned(plain))
}

fn is_base64(data: &str) -> bool {
    let body = data.strip_suffix("==").or_else(|| data.strip_suffix('=')).unwrap_or(data);
    // No early exit: so the loop runs on whole registers, and a picture has millions of bytes.
    let foreign = body.bytes().fold(false, |foreign, byte| {
        foreign | !matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/')
    });
    !data.is_empty() && !foreign && data.len().is_multiple_of(4)
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
