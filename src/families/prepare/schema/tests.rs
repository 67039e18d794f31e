use proptest::prelude::*;

use super::*;
use crate::families::ToolSchemas;

type Bend = fn(&Json) -> Result<Bent, Unfit>;

fn compiled(schema: &Json) -> Result<Bent, Unfit> {
    held(schema, &mut Budget::new()).map(|Held { bent, counts: _ }| bent)
}

fn tool(schema: &Json, takes: ToolSchemas) -> Result<Bent, Unfit> {
    for_tool(schema, takes, true, &mut Budget::new()).map(|Accepted { bent, renamed: _ }| bent)
}

fn tidied(schema: &Json) -> Result<Bent, Unfit> {
    tool(schema, ToolSchemas::ANY)
}

fn inlined(schema: &Json) -> Result<Bent, Unfit> {
    tool(schema, ToolSchemas { references: false, ..ToolSchemas::ANY })
}

fn flattened(schema: &Json) -> Result<Bent, Unfit> {
    tool(schema, ToolSchemas { root_unions: false, ..ToolSchemas::ANY })
}

fn bent(bend: Bend, schema: &str) -> (String, String) {
    let schema = Json::parse(schema).unwrap();
    match bend(&schema) {
        Ok(Bent { schema: new, changes }) => {
            let changes: Vec<_> = changes.iter().collect();
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
    assert_eq!(bent(compiled, schema), (schema.to_owned(), String::new()));
}

#[test]
fn what_cannot_be_held_to_is_described() {
    gives(
        compiled,
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
        compiled,
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
        compiled,
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
    for bend in [compiled as Bend, inlined] {
        gives(
            bend,
            &[
                (tree, "#/$defs/Node", "recursive_schema"),
                (r##"{"type":"object","properties":{"self":{"$ref":"#"}}}"##, "#", "recursive_schema"),
            ],
        );
    }
    // Twice the same is no circle, and data is no schema.
    let twice = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/A"},
        "c":{"type":"string","default":{"$ref":"#"}}},"additionalProperties":false,"$defs":{"A":{"type":"string"}}}"##;
    assert_eq!(bent(compiled, twice).1, "");
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

/// Root, property and expected property, with what is noted.
fn a_property_becomes(cases: &[(&str, &str, &str)]) {
    let of = |property: &str| format!(r#"{{"type":"object","properties":{{"p":{property}}}}}"#);
    for (property, expected, changes) in cases {
        assert_eq!(bent(tidied, &of(property)), (of(expected), (*changes).to_owned()), "{property}");
    }
}

const MENDED: &str = "keywords_mended";
const TOLD: &str = "keywords_described";

#[test]
fn what_a_draft_or_a_language_says_its_own_way_is_said_in_the_draft_that_is_checked() {
    a_property_becomes(&[
        (r#"{"minimum":0,"exclusiveMinimum":true}"#, r#"{"exclusiveMinimum":0}"#, MENDED),
        (r#"{"exclusiveMaximum":"false","maximum":"9.5"}"#, r#"{"maximum":9.5}"#, MENDED),
        (r#"{"exclusiveMinimum":true}"#, "{}", MENDED),
        (r#"{"exclusiveMinimum":3}"#, r#"{"exclusiveMinimum":3}"#, ""),
        (
            r#"{"type":"array","items":[{"type":"int"},{}],"additionalItems":false}"#,
            r#"{"type":"array","prefixItems":[{"type":"integer"},{}],"items":false}"#,
            MENDED,
        ),
        (r#"{"items":[]}"#, "{}", MENDED),
        (r#"{"type":"STRING"}"#, r#"{"type":"string"}"#, MENDED),
        (r#"{"type":"any","title":"t"}"#, r#"{"title":"t"}"#, MENDED),
        (r#"{"type":["String","None","str"]}"#, r#"{"type":["string","null"]}"#, MENDED),
        (r#"{"type":"string|null"}"#, r#"{"type":["string","null"]}"#, MENDED),
        (
            r#"{"type":["string",{"type":"object"}]}"#,
            r#"{"anyOf":[{"type":"string"},{"type":"object"}]}"#,
            MENDED,
        ),
        (r#"{"type":[]}"#, "{}", MENDED),
        (r#"{"type":null,"title":null,"enum":null}"#, "{}", MENDED),
        (r#"{"additionalProperties":"false"}"#, r#"{"additionalProperties":false}"#, MENDED),
        (r#"{"additionalProperties":"string"}"#, r#"{"additionalProperties":{"type":"string"}}"#, MENDED),
        (
            r#"{"properties":[],"additionalProperties":[]}"#,
            r#"{"properties":{},"additionalProperties":{}}"#,
            MENDED,
        ),
        (
            r#"{"properties":[{"name":"a","type":"string"}]}"#,
            r#"{"properties":{"a":{"type":"string"}}}"#,
            MENDED,
        ),
        (
            r#"{"properties":{"a":{"required":true},"b":{"required":false},"c":{"required":"true"}},"required":["b"]}"#,
            r#"{"properties":{"a":{},"b":{},"c":{}},"required":["b","a","c"]}"#,
            MENDED,
        ),
        (
            r#"{"properties":{"a":{},"b":{}},"required":"a, b"}"#,
            r#"{"properties":{"a":{},"b":{}},"required":["a","b"]}"#,
            MENDED,
        ),
        (r#"{"required":[1,"a",null,"a"]}"#, r#"{"required":["1","a"]}"#, MENDED),
        (r#"{"required":{"a":true,"b":false}}"#, r#"{"required":["a"]}"#, MENDED),
        (
            r#"{"maxLength":"5","minLength":2.0,"uniqueItems":"True"}"#,
            r#"{"maxLength":5,"minLength":2,"uniqueItems":true}"#,
            MENDED,
        ),
        (r#"{"enum":"red"}"#, r#"{"enum":["red"]}"#, MENDED),
        (r#"{"enum":[1,1,"1"]}"#, r#"{"enum":[1,"1"]}"#, MENDED),
        (r#"{"enum":[],"examples":1}"#, r#"{"examples":[1]}"#, MENDED),
        (
            r#"{"anyOf":{"type":"null"},"oneOf":[],"allOf":[null]}"#,
            r#"{"anyOf":[{"type":"null"}],"allOf":[{"type":"null"}]}"#,
            MENDED,
        ),
        (r#"{"description":["a","b"],"title":5}"#, r#"{"description":"a\nb","title":"5"}"#, MENDED),
        (
            r#"{"dependencies":{"a":"b","c":{"type":"Int"}}}"#,
            r#"{"dependencies":{"a":["b"],"c":{"type":"integer"}}}"#,
            MENDED,
        ),
        (
            r#"{"properties":{"a":"string","b":null,"c":[]}}"#,
            r#"{"properties":{"a":{"type":"string"},"b":{},"c":{}}}"#,
            MENDED,
        ),
    ]);
}

#[test]
fn what_cannot_be_said_is_told() {
    a_property_becomes(&[
        (
            r#"{"pattern":"(?<x>a","type":"string"}"#,
            r#"{"type":"string","description":"(pattern: \"(?<x>a\")"}"#,
            TOLD,
        ),
        (r#"{"enum":{"a":1}}"#, r#"{"description":"(enum: {\"a\":1})"}"#, TOLD),
        (r#"{"enum":"a|b","description":"d"}"#, r#"{"description":"d (enum: \"a|b\")"}"#, TOLD),
        (r#"{"type":"file"}"#, r#"{"description":"(type: \"file\")"}"#, TOLD),
        (
            r#"{"minLength":-1,"multipleOf":0,"maxItems":1.5}"#,
            r#"{"description":"(minLength: -1; multipleOf: 0; maxItems: 1.5)"}"#,
            TOLD,
        ),
        (r#"{"properties":{"a":5}}"#, r#"{"properties":{"a":{"description":"(schema: 5)"}}}"#, TOLD),
        (
            r#"{"patternProperties":{"a+":{},"a**":{"type":"null"}}}"#,
            r#"{"patternProperties":{"a+":{}},"description":"(patternProperties: {\"a**\":{\"type\":\"null\"}})"}"#,
            TOLD,
        ),
        (
            r#"{"required":"nothing"}"#,
            r#"{"description":"(required: \"nothing\")"}"#,
            "keywords_mended keywords_described",
        ),
        (r##"{"$id":"#a","$ref":3}"##, r##"{"description":"($id: \"#a\"; $ref: 3)"}"##, TOLD),
    ]);
}

#[test]
fn what_the_draft_allows_is_left_alone_to_the_byte() {
    for property in [
        r##"{ "$ref" : "#/$defs/A", "default":null, "const" : null, "enum":[null, {"a":[]}], "x":{"type":"nothing"}}"##,
        r#"{"prefixItems":[true,false],"items":false, "pattern":"^a$", "required":[], "dependentRequired":{"a":["b"]}}"#,
        r#"{"if":{"required":["a"]},"then":{},"not":{"type":["object","null"]},"multipleOf":0.1,"maxLength":0}"#,
    ] {
        a_property_becomes(&[(property, property, "")]);
    }
}

#[test]
fn a_root_is_an_objects() {
    gives(
        tidied,
        &[
            (
                r#"{"type":["object","null"],"title":"t"}"#,
                r#"{"type":"object","title":"t"}"#,
                "keywords_mended type_added",
            ),
            (r#"{"properties":null}"#, r#"{"type":"object"}"#, "keywords_mended type_added"),
            (r#"{"type":"Null"}"#, r#"{"type":"object"}"#, "keywords_mended type_added"),
            (r#"{"type":"array","items":{}}"#, "#", "not_an_object"),
            (r#"{"type":["string","null"]}"#, "#", "not_an_object"),
            (
                r#"{"$schema":"http://json-schema.org/draft-04/schema#","type":"any"}"#,
                r#"{"type":"object"}"#,
                "keywords_mended type_added bookkeeping_dropped",
            ),
            (
                r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}"#,
                r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}"#,
                "",
            ),
        ],
    );
    assert_eq!(bent(inlined, r#"{"$schema":"x","$id":"y","type":"object"}"#).0, r#"{"type":"object"}"#);
}

#[test]
fn names_of_properties_fit_wherever_the_schema_speaks_of_them() {
    let schema = r##"{"type":"object","properties":{"a[b]":{"type":"string"},"a_b_":{"$ref":"#/properties/a%5Bb%5D"},
        "x y":{"properties":{"x y":{"$ref":"#/properties/x y/properties/x y"}}},"":{}},"required":["a[b]","a_b_","z z"],
        "dependentRequired":{"x y":["a[b]"]},"if":{"properties":{"x y":{"const":"x y"}}}}"##;
    let schema = Json::parse(schema).unwrap();
    let takes = ToolSchemas { any_property_names: false, ..ToolSchemas::ANY };
    let Accepted { bent, renamed } = for_tool(&schema, takes, true, &mut Budget::new()).unwrap();
    let hashed = &renamed.iter().find(|(own, _)| own == "a[b]").unwrap().1;
    assert!(hashed.starts_with("a_b__") && hashed.len() == 21, "{hashed}");
    let expected = r##"{"type":"object","properties":{"A":{"type":"string"},"a_b_":{"$ref":"#/properties/A"},"x_y":{"properties":{"x y":{"$ref":"#/properties/x_y/properties/x y"}}},"_":{}},"required":["A","a_b_","z z"],"dependentRequired":{"x_y":["A"]},"if":{"properties":{"x_y":{"const":"x y"}}}}"##;
    assert_eq!(
        bent.schema.unwrap().as_str(),
        expected.replace("\"A\"", &format!("\"{hashed}\"")).replace("s/A", &format!("s/{hashed}"))
    );
    assert_eq!(renamed.len(), 3);
    // Where any name has a place, only one that isn't there is given.
    let Accepted { renamed, .. } = for_tool(&schema, ToolSchemas::ANY, true, &mut Budget::new()).unwrap();
    assert_eq!(renamed, [(String::new(), "_".to_owned())]);
}

#[test]
fn members_without_a_name_go_where_the_format_has_no_place_for_them() {
    let schema = r##"{"type":"object","properties":{"a":{"properties":{"":{},"b":{"const":{"":1,"c":2}}}},"d":{"$ref":"#/$defs/"}},"$defs":{"":{"type":"null"}}}"##;
    let schema = Json::parse(schema).unwrap();
    let Accepted { bent, .. } = for_tool(&schema, ToolSchemas::ANY, false, &mut Budget::new()).unwrap();
    let expected =
        r#"{"type":"object","properties":{"a":{"properties":{"b":{"const":{"c":2}}}},"d":{"type":"null"}}}"#;
    assert_eq!(bent.schema.unwrap().as_str(), expected);
    assert_eq!(bent.changes.iter().collect::<Vec<_>>(), ["references_inlined", "nameless_dropped"]);
}

#[test]
fn values_of_several_types_are_put_by_type() {
    gives(
        compiled,
        &[
            (
                r#"{"type":["string","null"],"enum":["a","b",null],"title":"t"}"#,
                r#"{"anyOf":[{"type":"string","enum":["a","b"]},{"type":"null"}],"title":"t"}"#,
                "values_by_type",
            ),
            (
                r#"{"enum":["a",1,true]}"#,
                r#"{"anyOf":[{"type":"string","enum":["a"]},{"type":"number","enum":[1]},{"type":"boolean","enum":[true]}]}"#,
                "values_by_type",
            ),
            (
                r#"{"type":["string","null"],"enum":["a"]}"#,
                r#"{"type":"string","enum":["a"]}"#,
                "values_by_type",
            ),
            (
                r#"{"type":["integer","null"],"const":null,"format":"f"}"#,
                r#"{"type":"null","description":"(format: \"f\")"}"#,
                "keywords_described values_by_type",
            ),
            (r#"{"type":"string","nullable":true}"#, r#"{"type":["string","null"]}"#, "nullable_as_type"),
            (
                r#"{"type":"string","enum":["a"],"nullable":true}"#,
                r#"{"anyOf":[{"type":"string","enum":["a"]},{"type":"null"}]}"#,
                "nullable_as_type values_by_type",
            ),
            (r#"{"type":["string","null"]}"#, r#"{"type":["string","null"]}"#, ""),
        ],
    );
}

#[test]
fn references_are_followed_wherever_they_lead() {
    let circles = [
        r##""x":{"a":{"$ref":"#/x/a"}}"##,
        r##""x":{"a":{"$ref":"#/x/b"},"b":{"$ref":"#/x/a"}}"##,
        r##""x":{"a":{"properties":{"q":{"$ref":"#/x/a"}}}}"##,
        r##""x":{"a":{"items":[{"$ref":"#/properties/p"}]}}"##,
        r##""x":{"a":{"dependencies":{"q":{"$ref":"#/x/a"}}}}"##,
        r##""x":{"a":{"$ref":"#/x/%61"}}"##,
    ];
    for circle in circles {
        let schema = format!(
            r##"{{"type":"object","additionalProperties":false,"properties":{{"p":{{"$ref":"#/x/a"}}}},{circle}}}"##
        );
        for bend in [compiled as Bend, inlined] {
            assert_eq!(bent(bend, &schema).1, "recursive_schema", "{schema}");
        }
    }
    gives(
        tidied,
        &[(
            r##"{"type":"object","properties":{"a":{"items":[{"type":"string"}]},"b":{"$ref":"#/properties/a/items/0"},"c":{"$ref":"#/x"}},"x":{"type":"INT","$ref":"#/y/0"},"y":[{"enum":[]}]}"##,
            r##"{"type":"object","properties":{"a":{"prefixItems":[{"type":"string"}]},"b":{"$ref":"#/properties/a/prefixItems/0"},"c":{"$ref":"#/x"}},"x":{"type":"integer","$ref":"#/y/0"},"y":[{}]}"##,
            MENDED,
        )],
    );
    // Far is no circle.
    let far: Vec<String> =
        (0..2_000).map(|at| format!(r##""{at}":{{"$ref":"#/$defs/{}"}}"##, at + 1)).collect();
    let far = format!(
        r##"{{"type":"object","properties":{{"p":{{"$ref":"#/$defs/0"}}}},"$defs":{{{},"2000":{{"type":"null"}}}}}}"##,
        far.join(",")
    );
    assert_eq!(bent(inlined, &far).0, r#"{"type":"object","properties":{"p":{"type":"null"}}}"#);
    assert_eq!(bent(tidied, &far).1, "");
}

#[test]
fn what_is_made_of_a_schema_has_a_bound() {
    let values: Vec<String> = (0..2_000).map(|at| format!("\"value {at}\"")).collect();
    let properties: Vec<String> =
        (0..1_000).map(|at| format!(r##""p{at}":{{"$ref":"#/$defs/E"}}"##)).collect();
    let wide = format!(
        r#"{{"type":"object","properties":{{{}}},"$defs":{{"E":{{"enum":[{}]}}}}}}"#,
        properties.join(","),
        values.join(",")
    );
    assert_eq!(bent(inlined, &wide).1, "schema_too_large");
    let hops: Vec<String> =
        (0..200).map(|at| format!(r##""{at}":{{"$ref":"#/$defs/{}"}}"##, at + 1)).collect();
    let long = format!(
        r#"{{"type":"object","properties":{{{}}},"$defs":{{{},"200":{{}}}}}}"#,
        properties.join(",").replace("$defs/E", "$defs/0"),
        hops.join(",")
    );
    assert_eq!(bent(inlined, &long).1, "schema_too_large");
    // The same bound holds for all schemas of a request.
    let mut budget = Budget::new();
    let takes = ToolSchemas { references: false, ..ToolSchemas::ANY };
    let small = Json::parse(&format!(
        r##"{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/E"}},"b":{{"$ref":"#/$defs/E"}}}},"$defs":{{"E":{{"enum":[{}]}}}}}}"##,
        values.join(",")
    ))
    .unwrap();
    let fitted = (0..100).take_while(|_| for_tool(&small, takes, true, &mut budget).is_ok()).count();
    assert!((10..60).contains(&fitted), "{fitted}");
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
                r##"{"type":"object","$defs":{"A":{"properties":{"x":{"type":"string"}}}},"properties":{"x":{"anyOf":[{"type":"string"},{"type":"number"}]}},"description":"(oneOf: [{\"$ref\":\"#/$defs/A\"},{\"properties\":{\"x\":{\"type\":\"number\"}},\"required\":[\"x\"]}])"}"##,
                "type_added union_flattened",
            ),
            (
                r#"{"type":"object", "properties":{"a":{"anyOf":[{}]}}}"#,
                r#"{"type":"object", "properties":{"a":{"anyOf":[{}]}}}"#,
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
    assert_eq!(held(&schema, &mut Budget::new()).unwrap().counts, Counts { optional: 2, unions: 2 });
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
        for bend in [compiled as Bend, tidied, inlined, flattened] {
            if let Ok(Bent { schema: Some(once), changes }) = bend(&schema) {
                prop_assert!(changes != Changes::default());
                let twice = bend(&once).unwrap();
                prop_assert_eq!(&twice.schema, &None);
                prop_assert_eq!(bend(&schema).unwrap().schema, Some(once));
            }
        }
    }
}
