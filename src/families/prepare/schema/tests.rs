use proptest::prelude::*;

use super::*;

type Bend = fn(&Json) -> Result<Bent, Unfit>;

fn bent(bend: Bend, schema: &str) -> (String, String) {
    let schema = Json::parse(schema).unwrap();
    match bend(&schema) {
        Ok(Bent { schema: new, changes, counts: _ }) => {
            (new.as_ref().unwrap_or(&schema).as_str().to_owned(), changes.join(" "))
        }
        Err(Unfit { at, why }) => (at, why.to_owned()),
    }
}

fn gives(bend: Bend, cases: &[(&str, &str, &str)]) {
    for (schema, expected, changes) in cases {
        assert_eq!(bent(bend, schema), ((*expected).to_owned(), (*changes).to_owned()), "{schema}");
    }
}

#[test]
fn a_schema_that_can_be_held_to_is_left_alone_to_the_byte() {
    let schema = r##"{ "type":"object", "$defs":{"B":{"type":"object","properties":{},"additionalProperties":false}},
        "properties": {"z":{"type":["string","null"],"format":"uuid","pattern":"^a\u002b$"}, "a":{"$ref":"#/$defs/B"},
        "minimum":{"type":"array","items":{"enum":[1.50],"type":"number"},"minItems":1},
        "data":{"const":"x","type":"string","default":"x"}}, "additionalProperties" : false }"##;
    assert_eq!(bent(held, schema), (schema.to_owned(), String::new()));
}

#[test]
fn what_cannot_be_held_to_is_described() {
    gives(
        held,
        &[
            (
                r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":10,"description":"A \"count\"."}},"additionalProperties":false}"#,
                r#"{"type":"object","properties":{"n":{"type":"integer","description":"A \"count\". (minimum: 1; maximum: 10)"}},"additionalProperties":false}"#,
                "keywords_described",
            ),
            (
                r#"{"type":"array","items":{"type":"string","maxLength":5},"minItems":2,"uniqueItems":true}"#,
                r#"{"type":"array","items":{"type":"string","description":"(maxLength: 5)"},"description":"(minItems: 2; uniqueItems: true)"}"#,
                "keywords_described",
            ),
            (
                r#"{"type":"string","format":"phone","pattern":"(?=a)b"}"#,
                r#"{"type":"string","description":"(format: \"phone\"; pattern: \"(?=a)b\")"}"#,
                "keywords_described",
            ),
            (r#"{"$schema":"x","type":"string"}"#, r#"{"type":"string"}"#, "bookkeeping_dropped"),
        ],
    );
}

#[test]
fn objects_are_closed_and_types_said() {
    gives(
        held,
        &[
            (
                r#"{"properties":{"a":{"enum":["x","y"]},"b":{"const":true},"c":{"items":{"type":"null"}}}}"#,
                r#"{"properties":{"a":{"enum":["x","y"],"type":"string"},"b":{"const":true,"type":"boolean"},"c":{"items":{"type":"null"},"type":"array"}},"type":"object","additionalProperties":false}"#,
                "type_added objects_closed",
            ),
            (
                r##"{"oneOf":[{"allOf":[{"$ref":"#/$defs/A"}],"title":"t"},{"type":"null"}],"$defs":{"A":{"type":"string"}}}"##,
                r##"{"anyOf":[{"title":"t","$ref":"#/$defs/A"},{"type":"null"}],"$defs":{"A":{"type":"string"}}}"##,
                "one_of_as_any_of all_of_merged",
            ),
        ],
    );
}

#[test]
fn what_would_say_something_else_is_unfit() {
    gives(
        held,
        &[
            (r#"{"type":"object"}"#, "#", "open_object"),
            (r#"{"type":"object","properties":{}}"#, "#", "open_object"),
            (
                r#"{"type":"object","properties":{"m":{"type":"object","additionalProperties":{"type":"string"}}}}"#,
                "#/properties/m",
                "open_object",
            ),
            (r#"{"type":"object","properties":{"any":{}}}"#, "#/properties/any", "open_schema"),
            ("true", "#", "open_schema"),
            (r#"{"allOf":[{"type":"string"},{"type":"string"}]}"#, "#", "all_of"),
            (r##"{"$ref":"#/$defs/A"}"##, "#/$defs/A", "unknown_reference"),
            (r#"{"$ref":"https://example.com/a"}"#, "https://example.com/a", "unknown_reference"),
        ],
    );
}

#[test]
fn a_schema_that_leads_back_to_itself_is_found_however_far_the_way() {
    let tree = r##"{"$ref":"#/$defs/Node","$defs":{"Node":{"type":"object","properties":{"next":{"$ref":"#/$defs/List"}}},
        "List":{"type":"array","items":{"$ref":"#/$defs/Node"}},"Other":{"type":"string"}}}"##;
    for bend in [held as Bend, inlined] {
        gives(
            bend,
            &[
                (tree, "#/$defs/List", "recursive_schema"),
                (r##"{"type":"object","properties":{"self":{"$ref":"#"}}}"##, "#", "recursive_schema"),
            ],
        );
    }
    // Twice the same is no circle, and data is no schema.
    let twice = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/A"},
        "c":{"type":"string","default":{"$ref":"#"}}},"additionalProperties":false,"$defs":{"A":{"type":"string"}}}"##;
    assert_eq!(bent(held, twice).1, "");
}

#[test]
fn definitions_are_put_where_they_are_referred_to() {
    gives(
        inlined,
        &[
            (
                r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A","description":"mine"},"b":{"$ref":"#/$defs/B"}},"$defs":{"A":{"type":"string","description":"its"},"B":{"type":"array","items":{"$ref":"#/$defs/A"}}}}"##,
                r#"{"type":"object","properties":{"a":{"description":"mine","type":"string"},"b":{"type":"array","items":{"type":"string","description":"its"}}}}"#,
                "references_inlined",
            ),
            (r#"{"type":"object", "properties":{}}"#, r#"{"type":"object", "properties":{}}"#, ""),
        ],
    );
    // Each level doubles.
    let levels: Vec<String> = (0..40)
        .map(|level| format!(r##""L{level}":{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/L{0}"}},"b":{{"$ref":"#/$defs/L{0}"}}}}}}"##, level + 1))
        .collect();
    let bomb =
        format!(r##"{{"$ref":"#/$defs/L0","$defs":{{{},"L40":{{"type":"null"}}}}}}"##, levels.join(","));
    assert_eq!(bent(inlined, &bomb).1, "schema_too_large");
}

#[test]
fn a_union_at_the_root_is_flattened_and_told() {
    gives(
        flattened,
        &[
            (
                r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"anyOf":[{"required":["b"]},{"properties":{"b":{"type":"null"}},"required":["b"]}]}"#,
                r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"null"}},"required":["a","b"],"description":"(anyOf: [{\"required\":[\"b\"]},{\"properties\":{\"b\":{\"type\":\"null\"}},\"required\":[\"b\"]}])"}"#,
                "union_flattened",
            ),
            (
                r##"{"oneOf":[{"$ref":"#/$defs/A"},{"properties":{"x":{"type":"number"}},"required":["x"]}],"$defs":{"A":{"properties":{"x":{"type":"string"}}}}}"##,
                r##"{"$defs":{"A":{"properties":{"x":{"type":"string"}}}},"type":"object","properties":{"x":{"anyOf":[{"type":"string"},{"type":"number"}]}},"description":"(oneOf: [{\"$ref\":\"#/$defs/A\"},{\"properties\":{\"x\":{\"type\":\"number\"}},\"required\":[\"x\"]}])"}"##,
                "union_flattened",
            ),
            (
                r#"{"type":"object", "properties":{"a":{"anyOf":[]}}}"#,
                r#"{"type":"object", "properties":{"a":{"anyOf":[]}}}"#,
                "",
            ),
        ],
    );
}

#[test]
fn what_targets_count_is_counted() {
    let schema = Json::parse(
        r#"{"properties":{"a":{"type":["string","null"]},"b":{"anyOf":[{"properties":{"c":{"type":"null"}}},{"type":"null"}]}},"required":["a"]}"#,
    )
    .unwrap();
    assert_eq!(held(&schema).unwrap().counts, Counts { optional: 2, unions: 2 });
}

/// Schemas of all kinds, most of them not fit for anything.
fn schema() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        r#"{"type":"string","maxLength":3}"#,
        r#"{"type":"integer","minimum":1,"description":"d"}"#,
        r#"{"enum":["a"]}"#,
        r##"{"$ref":"#/$defs/D"}"##,
        r#"{"type":"array","items":{"type":"null"},"maxItems":2}"#,
        r#"{"type":"object","additionalProperties":false}"#,
        "{}",
        "true",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!(
                r#"{{"type":"object","properties":{{"a":{a},"b":{b}}},"required":["b"]}}"#
            )),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!(r#"{{"oneOf":[{a},{b}],"$schema":"s"}}"#)),
            inner.clone().prop_map(|a| format!(r#"{{"allOf":[{a}],"title":"t"}}"#)),
            inner.prop_map(|a| format!(r#"{{"items":{a}}}"#)),
        ]
    })
    .prop_map(|schema| match schema.strip_prefix('{') {
        Some("}") | None => schema,
        Some(members) => format!(r#"{{"$defs":{{"D":{{"type":"boolean"}}}},{members}"#),
    })
}

proptest! {
    #[test]
    fn bending_twice_changes_nothing_more(schema in schema()) {
        let schema = Json::parse(&schema).unwrap();
        for bend in [held as Bend, inlined, flattened] {
            if let Ok(Bent { schema: Some(once), changes, counts }) = bend(&schema) {
                prop_assert!(!changes.is_empty());
                let twice = bend(&once).unwrap();
                prop_assert_eq!(&twice.schema, &None);
                prop_assert!(counts == Counts::default() || twice.counts == counts);
                prop_assert_eq!(bend(&schema).unwrap().schema, Some(once));
            }
        }
    }
}
