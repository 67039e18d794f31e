//! What becomes of each parameter of a request: data.

use serde::de::{Error as _, MapAccess};
use serde_json::value::RawValue;

use super::ledger::Ledger;
use super::object::{Others, Str, Unknown, Whole};
use super::path::Path;
use super::{invalid, not_one_of, parse, unsupported};
use crate::chat::InvalidRequest;

/// A documented parameter of Chat Completions, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name on the wire.
    pub name: &'static str,
    /// What becomes of it.
    pub decision: Decision,
}

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// Read into the request, or into the way its answer is delivered.
    Read,
    /// Nothing in the canonical model stands for it: its value is checked as OpenAI would, and noted as dropped
    /// unless it asks for what happens anyway.
    Dropped(Shape),
    /// Leaving it out would change what was asked for: 400. The reason, as a clause.
    Refused(&'static str),
}

/// The values that a dropped parameter may have, and which of them ask for nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A number in a range; 0 asks for nothing.
    Number {
        /// Least allowed.
        min: f64,
        /// Most allowed.
        max: f64,
    },
    /// An integer in a range.
    Integer {
        /// Least allowed.
        min: i64,
        /// Most allowed.
        max: i64,
        /// What asks for nothing.
        neutral: Option<i64>,
    },
    /// A boolean; `false` asks for nothing.
    Flag,
    /// A string; an empty one asks for nothing.
    Text,
    /// One of a few words.
    Word {
        /// Those allowed.
        allowed: &'static [&'static str],
        /// Those that ask for nothing.
        neutral: &'static [&'static str],
    },
    /// An object.
    Object {
        /// `{}` asks for nothing.
        empty_is_neutral: bool,
    },
}

/// Every parameter that OpenAI documents (openai-python 3.54.0, `completion_create_params.py`).
pub static PARAMETERS: &[Parameter] = &[
    read("model"),
    read("messages"),
    refused("audio", "audio output is not supported"),
    read("frequency_penalty"),
    read("function_call"),
    read("functions"),
    read("logit_bias"),
    read("logprobs"),
    read("max_completion_tokens"),
    read("max_tokens"),
    read("metadata"),
    read("modalities"),
    dropped("moderation", Shape::Object { empty_is_neutral: false }),
    read("n"),
    read("parallel_tool_calls"),
    dropped("prediction", Shape::Object { empty_is_neutral: false }),
    read("presence_penalty"),
    read("prompt_cache_key"),
    read("prompt_cache_options"),
    dropped("prompt_cache_retention", Shape::Text),
    read("reasoning_effort"),
    read("response_format"),
    read("safety_identifier"),
    read("seed"),
    read("service_tier"),
    read("stop"),
    dropped("store", Shape::Flag),
    read("stream"),
    read("stream_options"),
    read("temperature"),
    read("tool_choice"),
    read("tools"),
    read("top_logprobs"),
    read("top_p"),
    read("user"),
    read("verbosity"),
    read("web_search_options"),
];

const fn read(name: &'static str) -> Parameter {
    Parameter { name, decision: Decision::Read }
}

const fn dropped(name: &'static str, shape: Shape) -> Parameter {
    Parameter { name, decision: Decision::Dropped(shape) }
}

const fn refused(name: &'static str, why: &'static str) -> Parameter {
    Parameter { name, decision: Decision::Refused(why) }
}

/// The members of a body that aren't read into the request: those of [`PARAMETERS`] with their values, and
/// the names of the unknown ones.
#[derive(Debug, Default)]
pub(super) struct Rest<'a> {
    known: Vec<(&'static Parameter, Option<&'a RawValue>)>,
    unknown: Unknown<'a>,
}

impl<'a> Others<'a> for Rest<'a> {
    fn take<A: MapAccess<'a>>(&mut self, key: Str<'a>, map: &mut A) -> Result<(), A::Error> {
        let Some(parameter) = PARAMETERS.iter().find(|parameter| *parameter.name == *key) else {
            return self.unknown.take(key, map);
        };
        if self.known.iter().any(|(known, _)| known.name == parameter.name) {
            return Err(A::Error::duplicate_field(parameter.name));
        }
        self.known.push((parameter, map.next_value()?));
        Ok(())
    }
}

impl Rest<'_> {
    /// Does as [`PARAMETERS`] says, and notes what is unknown.
    pub(super) fn settle(&self, ledger: &mut Ledger) -> Result<(), InvalidRequest> {
        for (parameter, value) in &self.known {
            let Some(raw) = value else { continue };
            let path = Path::Root.member(parameter.name);
            match parameter.decision {
                Decision::Read => {}
                Decision::Refused(why) => return Err(unsupported(&path, why)),
                Decision::Dropped(shape) => {
                    if !is_neutral(shape, raw, &path)? {
                        ledger.dropped(&path, "no_equivalent");
                    }
                }
            }
        }
        ledger.unknown(&Path::Root, &self.unknown);
        Ok(())
    }

    pub(super) fn has_unknown(&self, name: &str) -> bool {
        self.unknown.keys.iter().any(|key| **key == *name)
    }
}

fn is_neutral(shape: Shape, raw: &RawValue, path: &Path<'_>) -> Result<bool, InvalidRequest> {
    match shape {
        Shape::Number { min, max } => {
            let value = decimal(Some(parse::island(raw, path)?), path, min, max)?;
            Ok(value == Some(0.0))
        }
        Shape::Integer { min, max, neutral } => {
            let value = integer(Some(parse::island(raw, path)?), path, min, max)?;
            Ok(value == neutral)
        }
        Shape::Flag => parse::island::<bool>(raw, path).map(|flag| !flag),
        Shape::Text => parse::island::<Str<'_>>(raw, path).map(|text| text.is_empty()),
        Shape::Word { allowed, neutral } => {
            let word = parse::island::<Str<'_>>(raw, path)?;
            if allowed.contains(&&*word) {
                Ok(neutral.contains(&&*word))
            } else {
                Err(not_one_of(path, allowed))
            }
        }
        Shape::Object { empty_is_neutral } => {
            let Some(inside) = raw.get().strip_prefix('{') else {
                return Err(parse::wrong_type(path.to_string(), "an object", parse::kind_of(raw)));
            };
            Ok(empty_is_neutral && inside.trim_start() == "}")
        }
    }
}

/// A number that must lie in a range.
pub(super) fn decimal(
    value: Option<f64>,
    path: &Path<'_>,
    min: f64,
    max: f64,
) -> Result<Option<f64>, InvalidRequest> {
    match value {
        Some(value) if value < min => {
            Err(InvalidRequest { code: "decimal_below_min_value", ..out_of_range(path, min, max) })
        }
        Some(value) if value > max => {
            Err(InvalidRequest { code: "decimal_above_max_value", ..out_of_range(path, min, max) })
        }
        Some(_) | None => Ok(value),
    }
}

/// An integer that must lie in a range.
pub(super) fn integer(
    value: Option<Whole>,
    path: &Path<'_>,
    min: i64,
    max: i64,
) -> Result<Option<i64>, InvalidRequest> {
    let value = value.map(|Whole(value)| value);
    match value {
        Some(value) if value < min => {
            Err(InvalidRequest { code: "integer_below_min_value", ..out_of_range(path, min, max) })
        }
        Some(value) if value > max => {
            Err(InvalidRequest { code: "integer_above_max_value", ..out_of_range(path, min, max) })
        }
        Some(_) | None => Ok(value),
    }
}

fn out_of_range<T: std::fmt::Display>(path: &Path<'_>, min: T, max: T) -> InvalidRequest {
    invalid(path, &format!("expected a value from {min} to {max}"))
}
