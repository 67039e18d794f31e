//! What was changed on the way, and what can't be taken at all.

use std::borrow::Cow;
use std::fmt;

/// One thing that was dropped, clamped, renamed or emulated for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Path of the parameter, as the client wrote it: `top_p`, `messages[2].name`.
    pub param: Cow<'static, str>,
    /// What happened to it.
    pub action: Action,
    /// Why, in `snake_case`: `excludes_temperature`, `no_equivalent`.
    pub reason: &'static str,
}

/// What happened to a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Not sent: the target has no place for it.
    Dropped,
    /// Sent with the nearest value that the target takes.
    Clamped,
    /// Sent under another name or id, restored in the answer.
    Renamed,
    /// Done by the gateway, because the target can't.
    Emulated,
    /// Sent in another shape with the same meaning for the model.
    Rewritten,
    /// Sent as it is, though it may not work much longer.
    Warned,
    /// The same model, called by another of its ids; or the one that the operator named as its successor.
    Rerouted,
    /// Put back from what the gateway remembers: the client had left it out.
    Restored,
}

impl Action {
    /// The word for headers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Clamped => "clamped",
            Self::Renamed => "renamed",
            Self::Emulated => "emulated",
            Self::Rewritten => "rewritten",
            Self::Warned => "warned",
            Self::Rerouted => "rerouted",
            Self::Restored => "restored",
        }
    }

    /// Does strict mode refuse it? Warnings, routes and what is put back change nothing of what is asked.
    pub fn is_change(self) -> bool {
        match self {
            Self::Dropped | Self::Clamped | Self::Renamed | Self::Emulated | Self::Rewritten => true,
            Self::Warned | Self::Rerouted | Self::Restored => false,
        }
    }
}

/// `top_p:dropped;reason=excludes_temperature`
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{};reason={}", self.param, self.action.as_str(), self.reason)
    }
}

/// Most notes that are told one by one.
const MOST: usize = 128;

/// The record of everything that was changed for a request. It goes to the response header
/// `x-outcrop-notes`, to the log and to a metric; in strict mode each note is a refusal instead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(Vec<Note>);

impl Notes {
    /// Nothing changed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a change; the same one twice is one. Beyond [`MOST`] the list only says that there are more:
    /// its length is the client's choice.
    pub fn add(&mut self, param: impl Into<Cow<'static, str>>, action: Action, reason: &'static str) {
        if self.0.len() > MOST {
            return;
        }
        let note = if self.0.len() == MOST {
            Note { param: Cow::Borrowed("*"), action, reason: "more_notes" }
        } else {
            Note { param: param.into(), action, reason }
        };
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// Records the changes of a second call that was made for the same request.
    pub fn extend(&mut self, others: &Self) {
        for Note { param, action, reason } in others.iter() {
            self.add(param.clone(), *action, reason);
        }
    }

    /// Nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Note> {
        self.0.iter()
    }
}

/// A request that can't be sent: the client's fault, and where in the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidRequest {
    /// Path of the offending field: `messages[2].content[0].image_url.url`.
    pub param: Option<String>,
    /// OpenAI's error code: `invalid_value`, `unsupported_parameter`, `missing_required_parameter` …
    pub code: &'static str,
    /// A sentence for the caller. Never repeats content at length.
    pub message: String,
}

impl InvalidRequest {
    /// A value that is not allowed there.
    pub fn value(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), code: "invalid_value", message: message.into() }
    }

    /// Something the target can't do and that can't be left out without changing what was asked.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), code: "unsupported_parameter", message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_change_is_noted_once() {
        let mut notes = Notes::new();
        notes.add("seed", Action::Dropped, "no_equivalent");
        notes.add("seed", Action::Dropped, "no_equivalent");
        let lines: Vec<_> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["seed:dropped;reason=no_equivalent"]);
    }

    #[test]
    fn a_list_that_grows_too_long_says_that_there_is_more() {
        let mut notes = Notes::new();
        for n in 0..100_000 {
            notes.add(format!("messages[{n}]"), Action::Rewritten, "orphan_tool_result");
        }
        assert_eq!(notes.iter().count(), MOST + 1);
        assert_eq!(notes.iter().last().map(|note| note.reason), Some("more_notes"));
    }
}
