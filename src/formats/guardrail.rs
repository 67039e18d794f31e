//! What a guardrail's trace tells about an intervention.
//!
//! Bedrock says "intervened" both when a guardrail blocked a reply and when it only masked some words and
//! the whole reply is there (seen on the wire). Only the trace, if the guardrail is set to send one, tells
//! them apart: each policy that fired carries an `action` of `BLOCKED`, `ANONYMIZED` or `NONE`.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::chat::{Event, Extra, Json};

/// A trace as it came, and what its actions come to.
#[derive(Debug, Clone)]
pub(super) struct Traced {
    json: Json,
    trace: Trace,
}

impl Traced {
    pub(super) fn trace(&self) -> Trace {
        self.trace
    }

    /// For a client that asked to see it.
    pub(super) fn event(self) -> Event {
        Event::Extra(Extra { name: "trace", value: self.json })
    }
}

impl<'de> Deserialize<'de> for Traced {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let trace = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        // A line of a stream has no room for line ends.
        let json = Json::parse(&Json::from_raw(raw).compact()).map_err(D::Error::custom)?;
        Ok(Self { json, trace })
    }
}

/// The actions of a trace, wherever they stand in it: its shape differs between Converse
/// (`outputAssessments`) and InvokeModel (`outputs`), and grows with each new policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trace {
    masked: bool,
    blocked: bool,
}

impl Trace {
    /// Words were masked and nothing was blocked. `false` if the trace says nothing: then an intervention
    /// has to count as a block.
    pub(super) fn only_masked(self) -> bool {
        self.masked && !self.blocked
    }

    fn note(&mut self, action: &str) {
        match action {
            "NONE" => {}
            "ANONYMIZED" => self.masked = true,
            // An action that is not known here is taken for the worst.
            _ => self.blocked = true,
        }
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut trace = Self::default();
        Walk { trace: &mut trace, is_action: false }.deserialize(deserializer)?;
        Ok(trace)
    }
}

/// Visits every value and keeps nothing but the actions. The parser's own limit bounds the depth.
struct Walk<'t> {
    trace: &'t mut Trace,
    is_action: bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a guardrail's trace")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        if self.is_action {
            self.trace.note(value);
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Walk { trace: &mut *self.trace, is_action: false })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(IsAction(is_action)) = members.next_key()? {
            members.next_value_seed(Walk { trace: &mut *self.trace, is_action })?;
        }
        Ok(())
    }
}

/// Is a member's name `action`?
struct IsAction(bool);

impl<'de> Deserialize<'de> for IsAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(IsActionVisitor)
    }
}

struct IsActionVisitor;

impl Visitor<'_> for IsActionVisitor {
    type Value = IsAction;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<IsAction, E> {
        Ok(IsAction(name == "action"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_masked(json: &str) -> bool {
        serde_json::from_str::<Trace>(json).unwrap().only_masked()
    }

    #[test]
    fn masking_is_told_from_blocking_wherever_the_action_stands() {
        assert!(only_masked(
            r#"{"guardrail":{"outputAssessments":{"g":[{"pii":{"entities":[{"action":"ANONYMIZED"}]},
               "grounding":{"filters":[{"action":"NONE","score":0.4}]}}]}}}"#
        ));
        assert!(!only_masked(r#"[{"action":"ANONYMIZED"},{"x":[{"action":"BLOCKED"}]}]"#));
        assert!(!only_masked(r#"[{"action":"ANONYMIZED"},{"action":"REWRITTEN"}]"#));
    }

    #[test]
    fn a_trace_that_masks_nothing_excuses_no_intervention() {
        for json in ["{}", "null", r#"{"action":"NONE"}"#, r#"{"text":"ANONYMIZED"}"#] {
            assert!(!only_masked(json), "{json}");
        }
    }

    #[test]
    fn texts_inside_the_trace_are_not_actions() {
        assert!(only_masked(r#"{"modelOutput":["{\"action\":\"BLOCKED\"}"],"action":"ANONYMIZED"}"#));
    }
}
