//! What the embedding formats share: the call, and vectors taken out of a reply as they stand.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{ProtocolError, to_body};
use crate::bedrock::{Invocation, ModelId, Operation};
use crate::chat::{InvalidRequest, Text};
use crate::embed::Vector;

/// Embedding models are asked through InvokeModel only. `texts` are what makes a body long.
pub(super) fn invoke(
    model: &ModelId,
    texts: &[Text],
    body: &impl Serialize,
) -> Result<Invocation, InvalidRequest> {
    let about = texts.iter().map(|text| text.as_json().len() + 1).sum::<usize>() + 256;
    Ok(Invocation {
        operation: Operation::InvokeModel,
        model: model.clone(),
        headers: Vec::new(),
        body: to_body(body, about)?,
    })
}

/// For models that take one text at a time: whoever cuts the request into pieces knows that.
pub(super) fn only_text(texts: &[Text]) -> Result<&Text, InvalidRequest> {
    match texts {
        [text] => Ok(text),
        _ => Err(InvalidRequest::value("input", "The model takes one text in a call.")),
    }
}

pub(super) fn vector(written: &RawValue) -> Result<Vector, ProtocolError> {
    Vector::from_raw(written).map_err(|_| ProtocolError::Grammar("a vector that is no array of numbers"))
}
