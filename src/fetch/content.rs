//! What was fetched: told by its first bytes, and for formats that have no such mark by what the server or the URL says.

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
                "a file of a known kind: pdf, csv, doc, docx, xls, xlsx, html, txt, md or a picture"
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

/// The format of what begins with `head`, which a server declares as `media_type`; `names` are what it is called, the
/// best first. `None` if it is nothing that a client who asked for `kind` may have.
pub(super) fn recognise<'a>(
    kind: Kind,
    head: &[u8],
    media_type: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<Format> {
    let (mark, by_mark) = mark_of(head);
    match kind {
        Kind::Image => by_mark.filter(|format| format.is_image()),
        Kind::File => by_mark.or_else(|| {
            // Only the mark of a format makes it that format: an error page isn't a PDF because its URL ends like one.
            let declared = of_media_type(media_type).filter(|format| format.mark() == mark);
            let by_name = || names.into_iter().find_map(of_name).filter(|format| format.mark() == mark);
            declared.or_else(by_name).filter(|_| !head.is_empty())
        }),
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
    const TYPES: [(&str, Format); 9] = [
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
    const EXTENSIONS: [(&str, Format); 11] = [
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
                assert_eq!(recognise(kind, head, "text/html", Some("a.pdf")), Some(format));
            }
        }
        for head in
            [&b""[..], b"\x89PNG", b"<svg xmlns=", b"<!DOCTYPE ht", b"RIFF\x10\0\0\0WAVE", b"BM", b"%PDF-1.7"]
        {
            assert_eq!(recognise(Kind::Image, head, "image/png", Some("a.png")), None, "{head:?}");
        }
    }

    #[test]
    fn files_without_a_mark_are_what_they_are_declared_and_then_what_they_are_called() {
        let text = |media_type, name| recognise(Kind::File, b"a,b\n1,2\n", media_type, name);
        assert_eq!(text("text/csv; charset=utf-8", Some("a.txt")), Some(Format::Csv));
        assert_eq!(text("application/octet-stream", Some("a.MD")), Some(Format::Md));
        assert_eq!(text("", Some("a.htm")), Some(Format::Html));
        assert_eq!(text("application/octet-stream", Some("a.exe")), None);
        assert_eq!(text("", None), None);
        let called = |names| recognise(Kind::File, b"a,b\n1,2\n", "", names);
        assert_eq!(called(["report", "r.php", "r.csv", "r.md"]), Some(Format::Csv));
        assert_eq!(recognise(Kind::File, b"", "text/plain", None), None, "an empty file is no file");
    }

    #[test]
    fn a_file_with_the_wrong_mark_is_refused() {
        let page = |media_type, name| recognise(Kind::File, b"<html>404</h", media_type, name);
        assert_eq!(page("application/pdf", Some("a.pdf")), None);
        assert_eq!(page(DOCX, Some("a.docx")), None);
        assert_eq!(page("application/msword", None), None);
        assert_eq!(recognise(Kind::File, b"PK\x03\x04........", DOCX, None), Some(Format::Docx));
        assert_eq!(recognise(Kind::File, b"PK\x03\x04........", "", Some("a.xlsx")), Some(Format::Xlsx));
        assert_eq!(recognise(Kind::File, b"PK\x03\x04........", "text/plain", Some("a.zip")), None);
        let compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....";
        assert_eq!(recognise(Kind::File, compound, "application/vnd.ms-excel", None), Some(Format::Xls));
        assert_eq!(recognise(Kind::File, b"%PDF-1.7....", "text/plain", None), Some(Format::Pdf));
    }

    #[test]
    fn names_are_decoded_if_they_are_text() {
        assert_eq!(name_of("Q3%20r%C3%A9sum%C3%A9.pdf"), "Q3 résumé.pdf");
        assert_eq!(name_of("%ff.pdf"), "%ff.pdf");
    }
}
