//! Members of the model's own reply, which Converse passes on where they were asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{Event, Extra, Json};
use crate::formats::ProtocolError;
use crate::formats::scalar::Count;
use crate::formats::stop_details::StopDetails;

/// What a reply or its stream has under this name.
const NAME: &str = "additionalModelResponseFields";

/// Where Claude counts its thoughts: the families ask for it, so it is no news for the client.
#[derive(Deserialize)]
struct Usage {
    output_tokens_details: Option<OutputTokensDetails>,
}

#[derive(Deserialize)]
struct OutputTokensDetails {
    thinking_tokens: Option<Count>,
}

/// Where Claude says why it refused: beside its stop reason, and in a stream in the last `delta`.
#[derive(Deserialize)]
struct Delta {
    stop_details: Option<StopDetails>,
}

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct ReplyFields {
    /// Why the model refused, where it says.
    pub(super) refusal: Option<Event>,
    /// How many tokens were thoughts.
    pub(super) thoughts: Option<u64>,
    /// What the client asked for.
    pub(super) event: Option<Event>,
}

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

impl ReplyFields {
    pub(super) fn read(raw: Option<&RawValue>) -> Result<Self, ProtocolError> {
        let shape = ProtocolError::shape(NAME);
        let Some(raw) = raw.filter(|raw| raw.get().starts_with('{')) else { return Ok(Self::default()) };
        let mut members: Members<'_> = serde_json::from_str(raw.get()).map_err(&shape)?;
        let usage = members.get("usage").copied().filter(|usage| usage.get().starts_with('{'));
        let mut thoughts = None;
        if let Some(usage) = usage {
            let counts: Usage = serde_json::from_str(usage.get()).map_err(&shape)?;
            thoughts = counts.output_tokens_details.and_then(|details| details.thinking_tokens);
            let counts: Members<'_> = serde_json::from_str(usage.get()).map_err(&shape)?;
            if counts.keys().all(|name| name == "output_tokens_details") {
                members.remove("usage");
            }
        }
        let mut refusal = None;
        if let Some(details) = members.get("stop_details") {
            refusal = serde_json::from_str::<StopDetails>(details.get()).map_err(&shape)?.event();
        }
        if refusal.is_none()
            && let Some(delta) = members.get("delta").filter(|delta| delta.get().starts_with('{'))
        {
            let Delta { stop_details } = serde_json::from_str(delta.get()).map_err(&shape)?;
            refusal = stop_details.and_then(StopDetails::event);
        }
        let event = if members.is_empty() {
            None
        } else {
            let value = serde_json::value::to_raw_value(&members).map_err(&shape)?;
            Some(Event::Extra(Extra { name: NAME, value: Json::from_raw(&value) }))
        };
        Ok(Self { refusal, thoughts: thoughts.map(|Count(thoughts)| thoughts), event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Text;

    fn read(json: &str) -> (Option<u64>, String) {
        let fields = ReplyFields::read(Some(serde_json::from_str(json).unwrap())).unwrap();
        let shown = match fields.event {
            Some(Event::Extra(extra)) => extra.value.as_str().to_owned(),
            None => String::new(),
            Some(other) => panic!("{other:?}"),
        };
        (fields.thoughts, shown)
    }

    #[test]
    fn why_the_model_refused_is_told_wherever_it_stands() {
        let why = |json: &str| {
            let fields = ReplyFields::read(Some(serde_json::from_str(json).unwrap())).unwrap();
            fields.refusal.map(|event| format!("{event:?}"))
        };
        let no = Some(format!("{:?}", Event::Refusal(Text::new("No."))));
        let details = r#""stop_details":{"type":"refusal","explanation":"No."}"#;
        assert_eq!(why(&format!("{{{details}}}")), no);
        assert_eq!(why(&format!(r#"{{"delta":{{"stop_reason":"refusal",{details}}}}}"#)), no);
        assert_eq!(why(&format!(r#"{{{details},"delta":{{{details}}}}}"#)), no, "once");
        for silent in [r#"{"stop_details":null,"delta":{"stop_details":null}}"#, r#"{"delta":null}"#, "{}"] {
            assert_eq!(why(silent), None, "{silent}");
        }
    }

    #[test]
    fn what_the_gateway_asked_for_itself_is_not_shown() {
        let ours = r#"{"usage":{"output_tokens_details":{"thinking_tokens":7}}}"#;
        assert_eq!(read(ours), (Some(7), String::new()));
        let both = r#"{"usage":{"output_tokens_details":{"thinking_tokens":7.0}},"stop_sequence":"END"}"#;
        assert_eq!(read(both), (Some(7), r#"{"stop_sequence":"END"}"#.to_owned()));
        let theirs = r#"{"usage":{"service_tier":"x"}}"#;
        assert_eq!(read(theirs), (None, theirs.to_owned()));
        for nothing in ["null", "{}", r#"{"usage":{"output_tokens_details":null}}"#] {
            assert_eq!(read(nothing), (None, String::new()), "{nothing}");
        }
    }
}
