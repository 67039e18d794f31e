//! What was fetched: told by its first bytes, and for formats that have no such mark by what the server or
//! the URL says.

use percent_encoding::percent_decode_str;

/// So many first bytes tell a picture or a file.
pub(super) const HEAD: usize = 12;

/// What a URL is said to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A picture: PNG, JPEG, GIF or WebP by its first bytes, whatever the server calls it.
    Image,
    /// A file: one of the formats of [`Format`], a picture among them.
    File,
}

impl Kind {
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Image => "a PNG, JPEG, GIF or WebP picture",
            Self::File => {
                "a file of a known kind: pdf, csv, doc, docx, xls, xlsx, html, txt, md, other text in UTF-8 or a picture"
            }
        }
    }

    /// The formats that servers had better send.
    pub(super) fn accept(self) -> &'static str {
        match self {
            Self::Image => "image/png, image/jpeg, image/gif, image/webp",
            Self::File => "*/*",
        }
    }
}

/// A format, in the words of Bedrock's Converse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "names that everybody knows")]
pub enum Format {
    Png,
    Jpeg,
    Gif,
    Webp,
    Pdf,
    Csv,
    Doc,
    Docx,
    Xls,
    Xlsx,
    Html,
    Txt,
    Md,
}

impl Format {
    /// `png`, `pdf` …: Converse's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Pdf => "pdf",
            Self::Csv => "csv",
            Self::Doc => "doc",
            Self::Docx => "docx",
            Self::Xls => "xls",
            Self::Xlsx => "xlsx",
            Self::Html => "html",
            Self::Txt => "txt",
            Self::Md => "md",
        }
    }

    /// Whether it is a picture.
    pub fn is_image(self) -> bool {
        self.mark() == Mark::Image
    }

    /// What files of this format begin with.
    fn mark(self) -> Mark {
        match self {
            Self::Png | Self::Jpeg | Self::Gif | Self::Webp => Mark::Image,
            Self::Pdf => Mark::Pdf,
            Self::Docx | Self::Xlsx => Mark::Zip,
            Self::Doc | Self::Xls => Mark::Compound,
            Self::Csv | Self::Html | Self::Txt | Self::Md => Mark::None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Image,
    Pdf,
    Zip,
    /// Microsoft's compound files, of the formats before 2007.
    Compound,
    None,
}

/// What the first bytes of something say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is this.
    Is(Format),
    /// A text, if it is UTF-8 to its end: JSON, YAML, a program. For models that is a plain text.
    IfText,
    /// Nothing that a client who asked for the kind may have.
    No,
}

/// The format of what begins with `head`, which a server declares as `media_type`; `names` are what it is
/// called, the best first.
pub(super) fn recognise<'a>(
    kind: Kind,
    head: &[u8],
    media_type: &str,
    names: impl IntoIterator<Item = &'a str> + Clone,
) -> Verdict {
    let (mark, by_mark) = mark_of(head);
    let is = |format: Option<Format>| format.map_or(Verdict::No, Verdict::Is);
    match kind {
        Kind::Image => is(by_mark.filter(|format| format.is_image())),
        Kind::File if by_mark.is_some() => is(by_mark),
        Kind::File if head.is_empty() => Verdict::No,
        Kind::File => {
            // Only the mark of a format makes it that format: an error page isn't a PDF because its URL ends
            // like one.
            let declared = of_media_type(media_type);
            let by_name = names.clone().into_iter().find_map(of_name);
            let fitting = |format: &Format| format.mark() == mark;
            let known = declared
                .filter(fitting)
                .or_else(|| names.into_iter().find_map(|name| of_name(name).filter(fitting)));
            match known {
                Some(format) => Verdict::Is(format),
                None if mark == Mark::None
                    && declared.is_none()
                    && by_name.is_none()
                    && !is_medium(media_type) =>
                {
                    Verdict::IfText
                }
                None => Verdict::No,
            }
        }
    }
}

/// Is it said to be something to see or to hear? A text in its place is an error page.
fn is_medium(media_type: &str) -> bool {
    let begins =
        |kind: &str| media_type.get(..kind.len()).is_some_and(|there| there.eq_ignore_ascii_case(kind));
    ["image/", "audio/", "video/"].into_iter().any(begins) && !begins("image/svg")
}

/// Whether what comes in pieces is UTF-8, no byte of it zero.
#[derive(Debug, Default)]
pub(super) struct TextCheck {
    /// The beginning of a character that goes on in the next piece.
    begun: Vec<u8>,
    failed: bool,
}

impl TextCheck {
    /// Reads each piece once, and none after the first wrong byte.
    pub(super) fn push(&mut self, mut piece: &[u8]) {
        while !self.failed && !self.begun.is_empty() {
            let Some((first, rest)) = piece.split_first() else { return };
            self.begun.push(*first);
            piece = rest;
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) => self.failed = error.error_len().is_some(),
            }
        }
        if self.failed {
            return;
        }
        self.failed = memchr::memchr(0, piece).is_some();
        if let Err(error) = std::str::from_utf8(piece) {
            self.failed |= error.error_len().is_some();
            self.begun.extend_from_slice(piece.get(error.valid_up_to()..).unwrap_or_default());
        }
    }

    /// Nothing follows: is it a text?
    pub(super) fn passed(&self) -> bool {
        !self.failed && self.begun.is_empty()
    }
}

fn mark_of(head: &[u8]) -> (Mark, Option<Format>) {
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => (Mark::Image, Some(Format::Png)),
        [0xff, 0xd8, 0xff, ..] => (Mark::Image, Some(Format::Jpeg)),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => (Mark::Image, Some(Format::Gif)),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => (Mark::Image, Some(Format::Webp)),
        [b'%', b'P', b'D', b'F', b'-', ..] => (Mark::Pdf, Some(Format::Pdf)),
        [b'P', b'K', 3, 4, ..] => (Mark::Zip, None),
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => (Mark::Compound, None),
        _ => (Mark::None, None),
    }
}

fn of_media_type(media_type: &str) -> Option<Format> {
    const TYPES: [(&str, Format); 10] = [
        ("application/pdf", Format::Pdf),
        ("text/csv", Format::Csv),
        ("application/msword", Format::Doc),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Format::Docx),
        ("application/vnd.ms-excel", Format::Xls),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Format::Xlsx),
        ("text/html", Format::Html),
        ("text/plain", Format::Txt),
        ("text/markdown", Format::Md),
        ("text/x-markdown", Format::Md),
    ];
    let media_type = media_type.split_once(';').map_or(media_type, |(bare, _)| bare).trim();
    let declared = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(media_type));
    declared.map(|(_, format)| *format)
}

fn of_name(name: &str) -> Option<Format> {
    const EXTENSIONS: [(&str, Format); 17] = [
        ("pdf", Format::Pdf),
        ("png", Format::Png),
        ("jpg", Format::Jpeg),
        ("jpeg", Format::Jpeg),
        ("gif", Format::Gif),
        ("webp", Format::Webp),
        ("csv", Format::Csv),
        ("doc", Format::Doc),
        ("docx", Format::Docx),
        ("xls", Format::Xls),
        ("xlsx", Format::Xlsx),
        ("html", Format::Html),
        ("htm", Format::Html),
        ("txt", Format::Txt),
        ("text", Format::Txt),
        ("md", Format::Md),
        ("markdown", Format::Md),
    ];
    let (_, extension) = name.rsplit_once('.')?;
    EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, format)| *format)
}

/// A file's name from the last part of a URL's path. What doesn't decode to UTF-8 stays as it was written.
pub(super) fn name_of(segment: &str) -> String {
    percent_decode_str(segment)
        .decode_utf8()
        .map_or_else(|_| segment.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

    #[test]
    fn pictures_are_told_by_their_first_bytes_alone() {
        for (head, format) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\r"[..], Format::Png),
            (b"\xff\xd8\xff\xe0", Format::Jpeg),
            (b"GIF87a", Format::Gif),
            (b"GIF89a......", Format::Gif),
            (b"RIFF\x10\0\0\0WEBP", Format::Webp),
        ] {
            for kind in [Kind::Image, Kind::File] {
                assert_eq!(recognise(kind, head, "text/html", Some("a.pdf")), Verdict::Is(format));
            }
        }
        for head in
            [&b""[..], b"\x89PNG", b"<svg xmlns=", b"<!DOCTYPE ht", b"RIFF\x10\0\0\0WAVE", b"BM", b"%PDF-1.7"]
        {
            assert_eq!(recognise(Kind::Image, head, "image/png", Some("a.png")), Verdict::No, "{head:?}");
        }
    }

    #[test]
    fn files_without_a_mark_are_what_they_are_declared_and_then_what_they_are_called() {
        let text = |media_type, name| recognise(Kind::File, b"a,b\n1,2\n", media_type, name);
        assert_eq!(text("text/csv; charset=utf-8", Some("a.txt")), Verdict::Is(Format::Csv));
        assert_eq!(text("application/octet-stream", Some("a.MD")), Verdict::Is(Format::Md));
        assert_eq!(text("", Some("a.htm")), Verdict::Is(Format::Html));
        assert_eq!(text("application/octet-stream", Some("a.exe")), Verdict::IfText);
        assert_eq!(text("", None), Verdict::IfText);
        assert_eq!(text("application/json", Some("a.json")), Verdict::IfText);
        assert_eq!(text("application/vnd.ms-excel", Some("a.csv")), Verdict::Is(Format::Csv));
        assert_eq!(text("image/png", Some("a")), Verdict::No);
        assert_eq!(text("", Some("a.png")), Verdict::No);
        let called = |names| recognise(Kind::File, b"a,b\n1,2\n", "", names);
        assert_eq!(called(["report", "r.php", "r.csv", "r.md"]), Verdict::Is(Format::Csv));
        assert_eq!(recognise(Kind::File, b"", "text/plain", None), Verdict::No, "an empty file is no file");
    }

    #[test]
    fn a_text_is_one_to_its_end_however_it_is_cut() {
        let check = |bytes: &[u8], size: usize| {
            let mut check = TextCheck::default();
            bytes.chunks(size).for_each(|piece| check.push(piece));
            check.passed()
        };
        for size in 1..8 {
            assert!(check("key: 'größe' # \u{1f600}\n".as_bytes(), size));
            for other in [&b"caf\xe9"[..], b"a\0b", b"caf\xc3", b"\xf0\x9f\x98", b"\xed\xa0\xbd"] {
                assert!(!check(other, size), "{other:?}");
            }
        }
    }

    #[test]
    fn a_file_with_the_wrong_mark_is_refused() {
        let page = |media_type, name| recognise(Kind::File, b"<html>404</h", media_type, name);
        assert_eq!(page("application/pdf", Some("a.pdf")), Verdict::No);
        assert_eq!(page(DOCX, Some("a.docx")), Verdict::No);
        assert_eq!(page("application/msword", None), Verdict::No);
        assert_eq!(recognise(Kind::File, b"PK\x03\x04........", DOCX, None), Verdict::Is(Format::Docx));
        assert_eq!(
            recognise(Kind::File, b"PK\x03\x04........", "", Some("a.xlsx")),
            Verdict::Is(Format::Xlsx)
        );
        assert_eq!(recognise(Kind::File, b"PK\x03\x04........", "text/plain", Some("a.zip")), Verdict::No);
        let compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....";
        assert_eq!(
            recognise(Kind::File, compound, "application/vnd.ms-excel", None),
            Verdict::Is(Format::Xls)
        );
        assert_eq!(recognise(Kind::File, b"%PDF-1.7....", "text/plain", None), Verdict::Is(Format::Pdf));
    }

    #[test]
    fn names_are_decoded_if_they_are_text() {
        assert_eq!(name_of("Q3%20r%C3%A9sum%C3%A9.pdf"), "Q3 résumé.pdf");
        assert_eq!(name_of("%ff.pdf"), "%ff.pdf");
    }
}
