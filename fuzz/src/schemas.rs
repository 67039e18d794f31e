//! Tools' schemas made of bytes: all keywords with all kinds of values, right and wrong, references to anywhere.

use std::fmt::Write as _;

/// What is left of the fuzzer's bytes. When they are used up, zeros come, which end everything.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn one_of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all.get(self.next() % all.len()).expect("a list isn't empty")
    }
}

const KEYWORDS: [&str; 52] = [
    "type",
    "properties",
    "properties",
    "items",
    "anyOf",
    "allOf",
    "oneOf",
    "$ref",
    "$ref",
    "$defs",
    "definitions",
    "required",
    "enum",
    "const",
    "description",
    "title",
    "default",
    "additionalProperties",
    "additionalItems",
    "prefixItems",
    "pattern",
    "patternProperties",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "uniqueItems",
    "format",
    "not",
    "if",
    "then",
    "else",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "$id",
    "$schema",
    "$anchor",
    "$comment",
    "examples",
    "nullable",
    "readOnly",
    "x",
    "",
    "definitions",
];
const NAMES: [&str; 14] =
    ["a", "b", "c", "a[b]", "a_b_", "$top", "x y", "", "é", "type", "a-b", "a.b", "properties", "0"];
const SCALARS: [&str; 30] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1.5",
    "5",
    "2.0",
    "1e3",
    "1e400",
    "\"string\"",
    "\"object\"",
    "\"STRING\"",
    "\"any\"",
    "\"string|null\"",
    "\"int\"",
    "\"array\"",
    "\"file\"",
    "\"true\"",
    "\"false\"",
    "\"5\"",
    "\"^a+$\"",
    "\"a**\"",
    "\"(\"",
    "\"a, b\"",
    "\"a\"",
    "\"\"",
    "\"\\ud83d\"",
    "\"date-time\"",
    "\"http://json-schema.org/draft-04/schema#\"",
];

/// The tools of a request, as JSON. As much of each as `data` says.
pub fn tools(data: &[u8]) -> String {
    let mut bytes = Bytes(data);
    let mut json = String::from("[");
    let count = 1 + bytes.next() % 4;
    for at in 0..count {
        if at > 0 {
            json.push(',');
        }
        let name = bytes.one_of(&["f", "g", "a-b", "a_b", "a.b"]);
        let strict = bytes.one_of(&["null", "null", "true", "false"]);
        let _ = write!(
            json,
            r#"{{"type":"function","function":{{"name":"{name}","strict":{strict},"parameters":"#
        );
        object(&mut bytes, 5, &mut json);
        json.push_str("}}");
    }
    json + "]"
}

fn object(bytes: &mut Bytes<'_>, depth: usize, json: &mut String) {
    json.push('{');
    for at in 0..bytes.next() % 7 {
        if at > 0 {
            json.push(',');
        }
        let keyword = bytes.one_of(&KEYWORDS);
        // Names twice would be refused at once.
        let mark = if at == 0 {
            String::new()
        } else {
            "\\u200b".repeat(usize::from(
                json.contains(&format!("\"{keyword}\":")) && bytes.next().is_multiple_of(4),
            ))
        };
        let _ = write!(json, "\"{keyword}{mark}\":");
        value(keyword, bytes, depth, json);
    }
    json.push('}');
}

fn value(keyword: &str, bytes: &mut Bytes<'_>, depth: usize, json: &mut String) {
    let kind = bytes.next() % 8;
    match (keyword, kind) {
        ("$ref", 0..6) => {
            json.push_str("\"#");
            for _ in 0..bytes.next() % 5 {
                let step = bytes.one_of(&[
                    "$defs",
                    "properties",
                    "a",
                    "b",
                    "x",
                    "0",
                    "items",
                    "prefixItems",
                    "anyOf",
                    "definitions",
                    "a%5Bb%5D",
                    "",
                ]);
                let _ = write!(json, "/{step}");
            }
            json.push('"');
        }
        ("required", 0..4) => list(bytes, json, |bytes, json| {
            let _ = write!(json, "\"{}\"", bytes.one_of(&NAMES));
        }),
        (_, 0..4) if depth > 0 => match keyword {
            "properties" | "$defs" | "definitions" | "patternProperties" | "dependencies"
            | "dependentRequired" | "dependentSchemas" => {
                json.push('{');
                for at in 0..bytes.next() % 4 {
                    let comma = if at > 0 { "," } else { "" };
                    let _ = write!(json, "{comma}\"{}{}\":", bytes.one_of(&NAMES), "+".repeat(at));
                    object(bytes, depth - 1, json);
                }
                json.push('}');
            }
            "anyOf" | "allOf" | "oneOf" | "prefixItems" => {
                list(bytes, json, |bytes, json| object(bytes, depth - 1, json))
            }
            _ => object(bytes, depth - 1, json),
        },
        (_, 4) if depth > 0 => list(bytes, json, |bytes, json| object(bytes, depth - 1, json)),
        (_, 5) if depth > 0 => object(bytes, depth - 1, json),
        (_, 6) => list(bytes, json, |bytes, json| json.push_str(bytes.one_of(&SCALARS))),
        _ => json.push_str(bytes.one_of(&SCALARS)),
    }
}

fn list(bytes: &mut Bytes<'_>, json: &mut String, mut item: impl FnMut(&mut Bytes<'_>, &mut String)) {
    json.push('[');
    for at in 0..bytes.next() % 5 {
        if at > 0 {
            json.push(',');
        }
        item(bytes, json);
    }
    json.push(']');
}
