//! In which of OpenAI's three forms a client expects the calls of its tools.
//!
//! The canonical model has one kind of call. OpenAI has three: of functions, of custom tools, whose input is free text, and the
//! deprecated `function_call`, of which a message holds one.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::Text;

/// How the client declared its tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallForms {
    custom: HashSet<String>,
    functions: bool,
}

/// The form of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallForm {
    /// `{"type":"function", …}` in `tool_calls`.
    Function,
    /// `{"type":"custom", …}` in `tool_calls`.
    Custom,
    /// `function_call`
    Deprecated,
}

impl CallForms {
    pub(super) fn add_custom(&mut self, name: &str) {
        self.custom.insert(name.to_owned());
    }

    pub(super) fn expect_function_call(&mut self) {
        self.functions = true;
    }

    /// The tools were declared as `functions`: a call has no id.
    pub fn deprecated(&self) -> bool {
        self.functions
    }

    /// The form of the reply's call number `at`. A second call has no place in the deprecated form, and isn't lost for it.
    pub(super) fn form(&self, name: &str, at: usize) -> CallForm {
        if self.functions && at == 0 {
            CallForm::Deprecated
        } else if self.custom.contains(name) {
            CallForm::Custom
        } else {
            CallForm::Function
        }
    }

    /// The reply's finish reason in a client's words that has never heard of `tool_calls`.
    pub(super) fn finish_reason(&self, reason: &'static str) -> &'static str {
        if self.functions && reason == "tool_calls" { "function_call" } else { reason }
    }
}

/// The free text in the arguments of the function that stood for a custom tool. What a model wrote otherwise is passed on
/// as it is.
pub(super) fn custom_input(arguments: &Text) -> Text {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments<'a> {
        #[serde(borrow)]
        input: &'a RawValue,
    }
    let written = arguments.decode();
    let input =
        serde_json::from_str::<Arguments<'_>>(&written).map(|Arguments { input }| Text::from_raw(input));
    match input {
        Ok(Ok(input)) => input,
        Ok(Err(_)) | Err(_) => arguments.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_tools_input_is_the_text_alone() {
        assert_eq!(custom_input(&Text::new(r#"{"input":"a\n\"b\""}"#)), Text::new("a\n\"b\""));
    }

    #[test]
    fn what_is_no_such_object_is_passed_on_whole() {
        for written in ["", "{\"input\":\"cut", r#"{"input":3}"#, r#"{"input":"a","more":1}"#, "[1]"] {
            assert_eq!(custom_input(&Text::new(written)), Text::new(written));
        }
    }

    #[test]
    fn only_the_first_call_can_be_a_deprecated_one() {
        let forms = CallForms { custom: HashSet::from(["c".to_owned()]), functions: true };
        assert_eq!(forms.form("c", 0), CallForm::Deprecated);
        assert_eq!(forms.form("c", 1), CallForm::Custom);
        assert_eq!(forms.form("f", 1), CallForm::Function);
        assert_eq!(forms.finish_reason("tool_calls"), "function_call");
        assert_eq!(forms.finish_reason("length"), "length");
    }
}
