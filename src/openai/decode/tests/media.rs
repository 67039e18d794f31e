//! Pictures, files and sounds.

use super::*;

fn picture(url: &str) -> String {
    parts(&format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#))
}

#[test]
fn a_picture_is_what_its_bytes_say() {
    for (media_type, data, format, noted) in [
        ("image/png", PNG, ImageFormat::Png, false),
        ("IMAGE/JPG", JPEG, ImageFormat::Jpeg, false),
        ("image/gif;name=a.gif", GIF, ImageFormat::Gif, false),
        ("image/webp", WEBP, ImageFormat::Webp, false),
        ("image/png", JPEG, ImageFormat::Jpeg, true),
        ("", PNG, ImageFormat::Png, true),
    ] {
        let decoded = read(&picture(&format!("data:{media_type};base64,{data}")));
        let [Block::Image(image)] = &decoded.request.messages[0].content[..] else { panic!("a picture") };
        let Source::Inline(bytes) = &image.source else { panic!("a picture's bytes") };
        assert_eq!((image.format, bytes), (format, &Text::new(data)), "{media_type}");
        assert_eq!(!decoded.notes.is_empty(), noted, "{media_type}: {:?}", decoded.notes);
    }
    // PHP escapes slashes.
    let escaped = picture(&format!("data:image\\/jpeg;base64,{}", JPEG.replace('/', "\\/")));
    assert!(matches!(blocks(&escaped)[..], [Block::Image(_)]));
}

#[test]
fn a_url_that_is_no_picture_is_refused() {
    let param = "messages[0].content[0].image_url.url";
    for (url, code) in [
        ("ftp://example.com/a.png", "unsupported_value"),
        ("s3://bucket/a.txt", "unsupported_value"),
        ("data:image/png;base64,", "invalid_value"),
        ("data:image/png;base64,iVBORw0KGgoAA", "invalid_value"),
        ("data:image/png;base64,iVBO_w0KGgoAAAAN", "unsupported_value"),
        ("data:image/png;base64,iVB=Rw0KGgoAAAAN", "invalid_value"),
        ("data:image/png;base64,====", "invalid_value"),
        ("data:image/png,abc", "invalid_value"),
        ("data:image/png", "invalid_value"),
        ("data:", "invalid_value"),
        ("data:image/png;base64,AAAA", "unsupported_value"),
    ] {
        assert_refused(&picture(url), param, code);
    }
}

#[test]
fn a_url_may_stand_where_its_object_belongs_and_a_file_in_a_pictures_place() {
    let part = format!(r#"{{"type":"image_url","image_url":"data:image/png;base64,{PNG}"}}"#);
    let decoded = read(&parts(&part));
    assert!(matches!(decoded.request.messages[0].content[..], [Block::Image(_)]));
    assert_eq!(notes(&decoded), ["messages[0].content[0].image_url:rewritten;reason=not_an_object"]);
    let decoded = read(&picture(&format!("data:application/pdf;base64,{PDF}")));
    assert!(matches!(decoded.request.messages[0].content[..], [Block::Document(_)]));
    assert_eq!(notes(&decoded), ["messages[0].content[0].image_url.url:rewritten;reason=is_a_file"]);
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
    let decoded = read(&with(
        r#""max_tokens":100.0,"n":2.0,"top_k":5e1,"seed":-7.0,"logprobs":true,"top_logprobs":3.00"#,
    ));
    let request = &decoded.request;
    assert_eq!((request.max_tokens, decoded.choices, request.top_k), (Some(100), 2, Some(50)));
    assert_eq!((request.draw.seed, request.draw.logprobs), (Some(-7), Some(3)));
    assert!(decoded.notes.is_empty());
    assert_eq!(
        read(&with(r#""thinking":{"type":"enabled","budget_tokens":2048.0}"#)).request.reasoning,
        Some(Effort::Low)
    );
    for (members, param, code) in [
        (r#""max_tokens":100.5"#, "max_tokens", "invalid_type"),
        (r#""n":1e-3"#, "n", "invalid_type"),
        (r#""seed":1e30"#, "seed", "invalid_value"),
        (r#""seed":18446744073709551615"#, "seed", "invalid_value"),
        (r#""top_k":-1.0"#, "top_k", "integer_below_min_value"),
        (r#""max_completion_tokens":"100""#, "max_completion_tokens", "invalid_type"),
    ] {
        assert_refused(&with(members), param, code);
    }
}

#[test]
fn base64_is_taken_however_it_is_written() {
    let written = "//79//79/v4=";
    for data in [
        "//79\\r\\n//79\\n/v4=\\n",
        " //79 //79 /v4= ",
        "//79//79/v4",
        "__79__79_v4",
        "__79__79_v4=",
        "%2F%2F79//79/v4%3D",
    ] {
        let data = data.replace("\\\\", "\\");
        for part in [
            format!(
                r#"{{"type":"file","file":{{"filename":"a.pdf","file_data":"data:application/pdf;base64,{data}"}}}}"#
            ),
            format!(r#"{{"type":"file","file":{{"filename":"a.pdf","file_data":"{data}"}}}}"#),
            format!(r#"{{"type":"input_audio","input_audio":{{"format":"wav","data":"{data}"}}}}"#),
        ] {
            let decoded = read(&parts(&part));
            let text = match &decoded.request.messages[0].content[..] {
                [Block::Document(document)] => match &document.source {
                    Source::Inline(text) => text.clone(),
                    Source::S3 { .. } => panic!("inline"),
                },
                [Block::Audio(audio)] => audio.data.clone(),
                other => panic!("{other:?}"),
            };
            assert_eq!(text.decode(), written, "{data}");
            assert!(notes(&decoded)[0].ends_with("rewritten;reason=unusual_base64"), "{:?}", notes(&decoded));
        }
    }
}

#[test]
fn detail_is_noted_unless_it_is_automatic() {
    let body = |detail: &str| {
        parts(&format!(
            r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{PNG}","detail":"{detail}"}}}}"#
        ))
    };
    assert!(read(&body("auto")).notes.is_empty());
    assert_eq!(
        notes(&read(&body("high"))),
        ["messages[0].content[0].image_url.detail:dropped;reason=no_equivalent"]
    );
    assert_refused(&body("ultra"), "messages[0].content[0].image_url.detail", "invalid_value");
}

#[test]
fn a_file_is_told_by_its_media_type_its_name_or_its_bytes() {
    let body = |members: &str| parts(&format!(r#"{{"type":"file","file":{{{members}}}}}"#));
    for (members, name, format) in [
        (
            format!(r#""file_data":"data:application/pdf;base64,{PDF}","filename":"a.b.pdf""#),
            "a.b.pdf",
            "pdf",
        ),
        (r#""file_data":"data:text/markdown;charset=utf-8;base64,QUJD""#.into(), "document", "md"),
        (r#""file_data":"QUJD","filename":"t.CSV""#.into(), "t.CSV", "csv"),
        (
            r#""file_data":"data:application/octet-stream;base64,QUJD","filename":"t.htm""#.into(),
            "t.htm",
            "html",
        ),
        (format!(r#""file_data":"{PDF}""#), "document", "pdf"),
        (
            r#""file_data":"data:application/vnd.ms-excel;base64,QUJD","filename":"t.csv""#.into(),
            "t.csv",
            "csv",
        ),
        (r#""file_data":"QUJD","filename":"a.exe""#.into(), "a.exe", "txt"),
        (r#""file_data":"QU","filename":"a.toml""#.into(), "a.toml", "txt"),
    ] {
        let [Block::Document(document)] = &blocks(&body(&members))[..] else { panic!("a document") };
        assert_eq!((document.name.as_str(), document.format.as_str()), (name, format));
    }
    let decoded = read(&body(&format!(r#""file_data":"data:image/png;base64,{PNG}""#)));
    assert!(matches!(decoded.request.messages[0].content[..], [Block::Image(_)]));
    assert_eq!(notes(&decoded), ["messages[0].content[0].file:rewritten;reason=is_an_image"]);

    let path = |member: &str| format!("messages[0].content[0].file.{member}");
    assert_refused(&body(r#""file_id":"f-1""#), &path("file_id"), "unsupported_value");
    assert_refused(&body(""), &path("file_data"), "missing_required_parameter");
    assert_refused(
        &body(r#""file_data":"f0VMRgIBAQA=","filename":"a.exe""#),
        &path("file_data"),
        "unsupported_file",
    );
    assert_refused(&body(r#""file_data":"Q","filename":"a.txt""#), &path("file_data"), "invalid_value");
}
