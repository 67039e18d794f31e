//! What kind of file it is. Bytes go before the name, and the name before what the client declares: Windows
//! calls every CSV a file of Excel's, and few systems know what to call a YAML.
//!
//! Of most files the first bytes are decoded and no more. A text that nothing tells the kind of is read
//! through once, piece by piece; so is an old Office file, and of a new one both ends, where the names of
//! what it holds are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Converse's word for a kind, and why the client should hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) format: &'static str,
    /// Reason of the note.
    pub(super) note: Option<&'static str>,
}

/// The kind of a file; `None` if nothing tells it. `base64` is checked, with padding.
pub(super) fn kind(base64: &str, media_type: &str, name: Option<&str>) -> Option<Kind> {
    let declared = DOCUMENTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(media_type));
    let declared = declared.map(|(_, format)| *format);
    let named = name.and_then(extension).and_then(format_of_extension);
    let start = piece(base64, 0, HEAD);
    let is_plain = |format: &&str| PLAIN.contains(format);
    let (format, unlisted) = match by_mark(&start, base64) {
        Mark::Of(format) => (format, false),
        Mark::Shared => (named.or(declared).filter(|format| !is_plain(format))?, false),
        Mark::None => match named.filter(is_plain).or(declared.filter(is_plain)) {
            Some(plain) if may_be_text(&start) => (plain, false),
            Some(_) => return None,
            None if is_text(base64) => (if is_html(&start) { "html" } else { "txt" }, true),
            // Damaged, or of a kind that only its reader knows.
            None => (named.or(declared)?, false),
        },
    };
    let note = match declared {
        Some(declared) if declared != format => Some("real_format"),
        Some(_) => None,
        None => unlisted.then_some("as_text"),
    };
    Some(Kind { format, note })
}

/// The kind of a file that its first bytes or the names in it tell for sure.
pub(super) fn sure(base64: &str) -> Option<&'static str> {
    match by_mark(&piece(base64, 0, HEAD), base64) {
        Mark::Of(format) => Some(format),
        Mark::Shared | Mark::None => None,
    }
}

/// Media type → Converse's word.
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

/// The kinds that are text.
const PLAIN: [&str; 4] = ["csv", "html", "txt", "md"];

/// Bytes that are decoded of every file.
const HEAD: usize = 1026;

/// Bytes of a zip file's end that are searched for names; it has a list of all of them there.
const TAIL: usize = 64 * 1024;

/// Bytes that are decoded at once where all are. Divisible by 3, so that each piece ends with a group.
const PIECE: usize = 24 * 1024;

/// What stands behind the last dot of a name.
pub(super) fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// The kind that a name's end tells.
pub(super) fn format_of_extension(extension: &str) -> Option<&'static str> {
    const ALIASES: [(&str, &str); 3] = [("htm", "html"), ("text", "txt"), ("markdown", "md")];
    DOCUMENTS
        .iter()
        .map(|(_, format)| (*format, *format))
        .chain(ALIASES)
        .find(|(known, _)| known.eq_ignore_ascii_case(extension))
        .map(|(_, format)| format)
}

/// What a file's first bytes say.
enum Mark {
    /// Nothing.
    None,
    /// The kind, for sure.
    Of(&'static str),
    /// Not a text; and nothing inside tells whose it is.
    Shared,
}

fn by_mark(start: &[u8], base64: &str) -> Mark {
    let inside = |found: Option<&'static str>| found.map_or(Mark::Shared, Mark::Of);
    match start {
        [b'P', b'K', 3, 4, ..] => inside(in_zip(base64)),
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => inside(in_compound(base64)),
        // Readers put up with a few bytes before it, but texts may speak of it.
        _ if start.trim_ascii_start().starts_with(b"%PDF-") => Mark::Of("pdf"),
        _ if memchr::memmem::find(start, b"%PDF-").is_some() && !may_be_text(start) => Mark::Of("pdf"),
        _ => Mark::None,
    }
}

/// Office's files since 2007 are archives. Names of what they hold stand before each and in a list at the
/// end.
fn in_zip(base64: &str) -> Option<&'static str> {
    let length = base64.len() / 4 * 3;
    let from = length.saturating_sub(TAIL) / 3 * 3;
    let both = [piece(base64, 0, PIECE), piece(base64, from, TAIL + 3)];
    let holds = |name: &str| both.iter().any(|part| memchr::memmem::find(part, name.as_bytes()).is_some());
    if holds("word/") {
        Some("docx")
    } else if holds("xl/work") {
        Some("xlsx")
    } else {
        None
    }
}

/// The older ones are file systems, whose names are in UTF-16. A file within a file makes both there be.
fn in_compound(base64: &str) -> Option<&'static str> {
    let wide = |name: &str| name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let names = [wide("WordDocument"), wide("Workbook")];
    let mut found = [false, false];
    let mut seam: Vec<u8> = Vec::new();
    for at in (0..base64.len() / 4 * 3).step_by(PIECE) {
        let bytes = piece(base64, at, PIECE);
        // A name may begin in one piece and end in the next.
        seam.extend(bytes.iter().take(64));
        for (name, found) in names.iter().zip(&mut found) {
            let finder = memchr::memmem::Finder::new(name);
            *found = *found || finder.find(&bytes).is_some() || finder.find(&seam).is_some();
        }
        seam = bytes.get(bytes.len().saturating_sub(64)..).unwrap_or_default().to_vec();
    }
    match found {
        [true, false] => Some("doc"),
        [false, true] => Some("xls"),
        [true, true] | [false, false] => None,
    }
}

/// So many bytes from one on whose number is divisible by 3.
fn piece(base64: &str, from: usize, bytes: usize) -> Vec<u8> {
    let from = from / 3 * 4;
    let to = base64.len().min(from + bytes.div_ceil(3) * 4);
    // Checked before; should it fail all the same, no kind will be found in nothing.
    STANDARD.decode(base64.get(from..to).unwrap_or_default()).unwrap_or_default()
}

/// Has a file that is said to be text a byte at its start that no text has? UTF-16 has zeros, behind its
/// mark.
fn may_be_text(start: &[u8]) -> bool {
    start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) || !start.contains(&0)
}

fn is_html(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let begins =
        |tag: &str| start.get(..tag.len()).is_some_and(|there| there.eq_ignore_ascii_case(tag.as_bytes()));
    begins("<!doctype html") || begins("<html")
}

/// Is all of it UTF-8, and no byte of it zero?
fn is_text(base64: &str) -> bool {
    let mut begun: Vec<u8> = Vec::new();
    for at in (0..base64.len() / 4 * 3).step_by(PIECE) {
        begun.extend(piece(base64, at, PIECE));
        let valid = match std::str::from_utf8(&begun) {
            Ok(_) => begun.len(),
            // The last character goes on in the next piece.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return false,
        };
        if begun.drain(..valid).any(|byte| byte == 0) {
            return false;
        }
    }
    begun.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    const XLS: &str = "application/vnd.ms-excel";

    fn of(bytes: &[u8], media_type: &str, name: &str) -> Option<(&'static str, Option<&'static str>)> {
        let name = Some(name).filter(|name| !name.is_empty());
        kind(&STANDARD.encode(bytes), media_type, name).map(|Kind { format, note }| (format, note))
    }

    fn zip(name: &str) -> Vec<u8> {
        [b"PK\x03\x04 [Content_Types].xml ", &[7; 5000][..], name.as_bytes(), &vec![9; 100_000]].concat()
    }

    fn compound(name: &str) -> Vec<u8> {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &vec![0; PIECE - 17], &wide, &[0; 999]].concat()
    }

    #[test]
    fn names_go_before_what_is_declared_where_bytes_say_nothing() {
        let csv = b"year,sum\n2024,7\n";
        for (media_type, name, expected) in [
            (XLS, "sums.csv", ("csv", Some("real_format"))),
            (XLS, "sums.CSV", ("csv", Some("real_format"))),
            ("text/plain", "sums.csv", ("csv", Some("real_format"))),
            ("text/csv", "sums.csv", ("csv", None)),
            ("text/csv", "", ("csv", None)),
            ("application/octet-stream", "notes.markdown", ("md", None)),
            ("", "page.htm", ("html", None)),
            (XLS, "", ("txt", Some("real_format"))),
            ("application/pdf", "sums.pdf", ("txt", Some("real_format"))),
        ] {
            assert_eq!(of(csv, media_type, name), Some(expected), "{media_type} {name}");
        }
    }

    #[test]
    fn any_text_is_one_whatever_it_is_called() {
        let as_text = Some(("txt", Some("as_text")));
        for (bytes, media_type, name) in [
            (&br#"{"a":[1]}"#[..], "application/json", "a.json"),
            (b"a:\n  - 1\n", "application/x-yaml", "a.yml"),
            (b"<?xml version=\"1.0\"?><a/>", "application/xml", "a.xml"),
            (b"fn main() {}\n", "", "main.rs"),
            ("2026-01-01 gestört\n".as_bytes(), "", "server.log"),
            (b"all: build\n", "application/octet-stream", "Makefile"),
            (b"just words", "", ""),
            (b"speaks of %PDF-1.7 only", "", ""),
        ] {
            assert_eq!(of(bytes, media_type, name), as_text, "{name}");
        }
        let long = "é".repeat(100_000);
        assert_eq!(of(format!("x{long}").as_bytes(), "", "long.tex"), as_text);
        assert_eq!(of(b"\xef\xbb\xbf <!DOCTYPE HTML><p>", "", ""), Some(("html", Some("as_text"))));
        for binary in [
            &b"\x7fELF\x02\x01\x01\0"[..],
            b"text with a \0",
            b"caf\xe9",
            "cut é".as_bytes().split_last().unwrap().1,
        ] {
            assert_eq!(of(binary, "", "a.bin"), None);
            assert_eq!(of(binary, "application/octet-stream", ""), None);
        }
        assert_eq!(of(b"\x7fELF\x02\x01\x01\0", "text/plain", "a.txt"), None);
        assert_eq!(
            of(b"caf\xe9,1\n", "text/csv", ""),
            Some(("csv", None)),
            "not UTF-8, and still what it is said to be"
        );
    }

    #[test]
    fn marks_go_before_everything() {
        for (bytes, media_type, name, expected) in [
            (b"%PDF-1.7\n...".to_vec(), "text/plain", "a.txt", ("pdf", Some("real_format"))),
            (b"\n%PDF-1.4 x".to_vec(), "application/octet-stream", "scan", ("pdf", None)),
            (b"\0\x01%PDF-1.4 x".to_vec(), "application/pdf", "", ("pdf", None)),
            (zip("word/document.xml"), XLSX, "a.xlsx", ("docx", Some("real_format"))),
            (zip("xl/workbook.xml"), "application/zip", "book.zip", ("xlsx", None)),
            (b"PK\x03\x04........".to_vec(), DOCX, "", ("docx", None)),
            (b"PK\x03\x04........".to_vec(), "", "a.xlsx", ("xlsx", None)),
            (compound("WordDocument"), XLS, "a.xls", ("doc", Some("real_format"))),
            (compound("Workbook"), "", "a", ("xls", None)),
            (compound("?"), "application/msword", "a.doc", ("doc", None)),
        ] {
            assert_eq!(of(&bytes, media_type, name), Some(expected), "{media_type} {name}");
        }
        assert_eq!(of(&zip("ppt/presentation.xml"), "", "slides.pptx"), None);
        assert_eq!(of(&zip("a.txt"), "text/plain", "a.txt"), None);
        assert_eq!(of(&compound("?"), "", "mail.msg"), None);
        assert_eq!(sure(&STANDARD.encode(b"%PDF-1.7")), Some("pdf"));
        assert_eq!(sure(&STANDARD.encode(b"words")), None);
    }
}
