//! Errors of Rust, of the SDK above all, as one line of words.

use std::error::Error;

use aws_smithy_types::error::ErrorMetadata;

/// An error with all its causes on one line, in words that people can read.
pub(in crate::bedrock) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let words = words(error);
        // Those that only say that there is a cause.
        let is_wrapping = next.is_some() && WRAPPING.iter().any(|wrapping| words.starts_with(wrapping));
        if is_wrapping || line.ends_with(&words) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&words);
    }
    line
}

/// How the SDK begins what says nothing by itself.
const WRAPPING: [&str; 8] = [
    "service error",
    "unhandled error",
    "dispatch failure",
    "io error",
    "client error (",
    "unexpected credentials error",
    "an error occurred while loading credentials",
    "the credential provider was not enabled",
];

/// What an error says itself. Where the SDK shows a structure as Rust writes it, the same in words.
fn words(error: &(dyn Error + 'static)) -> String {
    let Some(answer) = error.downcast_ref::<ErrorMetadata>() else {
        let text = error.to_string();
        let status = text.split_once("StatusCode(").and_then(|(before, rest)| {
            let (status, after) = rest.split_once(')')?;
            Some(format!("{before}{status}{after}"))
        });
        return status.unwrap_or(text);
    };
    match (answer.message(), answer.code()) {
        (Some(message), Some(code)) => format!("{message} ({code})"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => "no reason was given".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::error::metadata::Builder;

    use super::*;

    #[test]
    fn an_error_of_the_sdks_is_told_in_words() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Layer(&'static str, #[source] Option<Box<dyn Error>>);
        let layers = |words: &[&'static str], last: Box<dyn Error>| {
            words.iter().rev().fold(last, |cause, words| Box::new(Layer(words, Some(cause))))
        };
        let leaf = |words| Box::new(Layer(words, None));
        let said = |code: Option<&str>, message: Option<&str>| {
            let answer = message.into_iter().fold(ErrorMetadata::builder(), Builder::message);
            Box::new(code.into_iter().fold(answer, Builder::code).build())
        };
        let wrapped =
            ["an error occurred while loading credentials", "service error", "unhandled error (Denied)"];
        for (error, words) in [
            (layers(&wrapped, said(Some("Denied"), Some("you may not"))), "you may not (Denied)"),
            (layers(&wrapped, said(Some("Denied"), None)), "Denied"),
            (layers(&wrapped, said(None, None)), "no reason was given"),
            (layers(&["dispatch failure", "io error"], leaf("connection refused")), "connection refused"),
            (layers(&["reading"], leaf("the end")), "reading: the end"),
            (layers(&["reading: the end"], leaf("the end")), "reading: the end"),
            (leaf("status StatusCode(403), no more"), "status 403, no more"),
            (leaf("service error"), "service error"),
        ] {
            assert_eq!(chain(&*error), words);
        }
    }
}
