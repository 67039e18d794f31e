//! The keywords of JSON Schema, and what stands behind each.

/// What the value of a keyword has to be in draft 2020-12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A schema.
    Schema,
    /// A list of schemas, not empty.
    Schemas,
    /// Schemas by name.
    SchemaMap,
    /// Schemas by a pattern for names.
    PatternMap,
    /// Schemas or lists of names, by name: `dependencies` of drafts before 2019, still read.
    Dependencies,
    /// A type or a list of types.
    Types,
    /// A text for people and models.
    Text,
    /// A text for readers of schemas: an id, a format.
    Word,
    /// A regular expression.
    Pattern,
    /// `true` or `false`.
    Flag,
    /// A number.
    Number,
    /// A number; in draft 4 `true` or `false`.
    Bound,
    /// A number above 0.
    Positive,
    /// A whole number from 0 on.
    Count,
    /// A list of values.
    Values,
    /// A list of names, each once.
    Names,
    /// Lists of names by name.
    NamesMap,
    /// Any value; also that of a word that is no keyword.
    Data,
}

impl Form {
    pub(super) fn of(keyword: &str) -> Self {
        match keyword {
            "items"
            | "additionalItems"
            | "additionalProperties"
            | "not"
            | "if"
            | "then"
            | "else"
            | "contains"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties" => Self::Schema,
            "anyOf" | "allOf" | "oneOf" | "prefixItems" => Self::Schemas,
            "properties" | "$defs" | "definitions" | "dependentSchemas" => Self::SchemaMap,
            "patternProperties" => Self::PatternMap,
            "dependencies" => Self::Dependencies,
            "type" => Self::Types,
            "title" | "description" | "$comment" => Self::Text,
            "$id" | "$schema" | "$ref" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef"
            | "$recursiveAnchor" | "format" | "contentEncoding" | "contentMediaType" => Self::Word,
            "pattern" => Self::Pattern,
            "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => Self::Flag,
            "minimum" | "maximum" => Self::Number,
            "exclusiveMinimum" | "exclusiveMaximum" => Self::Bound,
            "multipleOf" => Self::Positive,
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minContains" | "maxContains"
            | "minProperties" | "maxProperties" => Self::Count,
            "enum" | "examples" => Self::Values,
            "required" => Self::Names,
            "dependentRequired" => Self::NamesMap,
            _ => Self::Data,
        }
    }
}
