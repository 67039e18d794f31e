//! Why Claude refused, where it says: `stop_details`, in its own replies and among the members that Converse passes on.

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::chat::{Event, Text};

/// What stands beside a stop reason. Its explanation is for the user, its category a word such as `cyber`; either
/// may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StopDetails {
    explanation: Option<String>,
    category: Option<String>,
}

#[derive(serde::Deserialize)]
struct Wire {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    explanation: Option<String>,
    #[serde(default)]
    category: Option<String>,
}

impl StopDetails {
    /// The model's own words, or at least the category that it names. Nothing if it says neither.
    pub(super) fn event(self) -> Option<Event> {
        let Self { explanation, category } = self;
        let said = |text: &String| !text.trim().is_empty();
        let named = |category: String| format!("The model declined this request (category: {category}).");
        let words = explanation.filter(said).or_else(|| category.filter(said).map(named))?;
        Some(Event::Refusal(Text::new(&words)))
    }
}

/// Whatever its shape: a reply is no worse for details that nobody here can read.
impl<'de> Deserialize<'de> for StopDetails {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(match serde_json::from_str(raw.get()) {
            Ok(Wire { kind, explanation, category })
                if kind.as_deref().is_none_or(|kind| kind == "refusal") =>
            {
                Self { explanation, category }
            }
            Ok(Wire { .. }) | Err(_) => Self::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_own_words_count_then_the_category() {
        for (details, words) in [
            (
                r#"{"type":"refusal","category":"bio","explanation":"I can't help with that."}"#,
                "I can't help with that.",
            ),
            (r#"{"explanation":"No \"recipes\".\nAsk a chemist."}"#, "No \"recipes\".\nAsk a chemist."),
            (
                r#"{"type":"refusal","category":"bio","explanation":null}"#,
                "The model declined this request (category: bio).",
            ),
            (
                r#"{"type":"refusal","category":"bio","explanation":" "}"#,
                "The model declined this request (category: bio).",
            ),
            (r#"{"type":"refusal","category":null,"explanation":null}"#, ""),
            (r#"{"type":"pause","explanation":"Later."}"#, ""),
            (r#"{"type":"refusal","explanation":["a"]}"#, ""),
            ("{}", ""),
            (r#""refusal""#, ""),
            ("7", ""),
        ] {
            let read: StopDetails = serde_json::from_str(details).unwrap();
            let told = match read.event() {
                Some(Event::Refusal(text)) => text.decode().into_owned(),
                None => String::new(),
                Some(other) => panic!("{other:?}"),
            };
            assert_eq!(told, words, "{details}");
        }
    }
}
