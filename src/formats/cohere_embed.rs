//! COHERE'S EMBEDDING BODIES: up to 96 texts in, as many vectors out, over InvokeModel.
//!
//! The third generation answers with a list of vectors, the fourth with an object that has a list for each type of
//! number; both are read, whoever answers. Neither counts tokens: the reply's header does.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::vectors::{invoke, vector};
use super::{EmbedFormat, ProtocolError};
use crate::bedrock::{Invocation, ModelId, Reply};
use crate::chat::{InvalidRequest, Text};
use crate::embed::{Purpose, Request, Response, Truncate};

/// Embed v3, English and multilingual: vectors of one length.
pub static COHERE_EMBED_V3: CohereEmbed = CohereEmbed { name: "cohere_embed_v3", sized: false };

/// Embed v4.
pub static COHERE_EMBED_V4: CohereEmbed = CohereEmbed { name: "cohere_embed_v4", sized: true };

/// See [`COHERE_EMBED_V3`] and [`COHERE_EMBED_V4`].
#[derive(Debug)]
pub struct CohereEmbed {
    name: &'static str,
    /// It takes the vectors' length.
    sized: bool,
}

impl EmbedFormat for CohereEmbed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn encode(&self, request: &Request, model: &ModelId) -> Result<Invocation, InvalidRequest> {
        let Request { texts, dimensions, purpose, truncate } = request;
        if dimensions.is_some() && !self.sized {
            return Err(InvalidRequest::unsupported("dimensions", "The model's vectors have one length."));
        }
        let input_type = match purpose.unwrap_or(Purpose::Document) {
            Purpose::Document => "search_document",
            Purpose::Query => "search_query",
            Purpose::Classification => "classification",
            Purpose::Clustering => "clustering",
        };
        let truncate = truncate.map(|truncate| match truncate {
            Truncate::Never => "NONE",
            Truncate::Start => "START",
            Truncate::End => "END",
        });
        invoke(model, texts, &Body { texts, input_type, truncate, output_dimension: *dimensions })
    }

    fn decode(&self, reply: &Reply) -> Result<Response, ProtocolError> {
        let Whole { embeddings } =
            serde_json::from_slice(&reply.body).map_err(ProtocolError::shape("reply"))?;
        let written = floats(embeddings)?;
        let vectors = written.into_iter().map(vector).collect::<Result<_, _>>()?;
        Ok(Response { vectors, input_tokens: reply.head.tokens.input })
    }
}

#[derive(Serialize)]
struct Body<'a> {
    texts: &'a [Text],
    input_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    embeddings: &'a RawValue,
}

#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Vec<&'a RawValue>,
}

/// `[[…]]` or `{"float":[[…]]}`.
fn floats(embeddings: &RawValue) -> Result<Vec<&RawValue>, ProtocolError> {
    let shape = ProtocolError::shape("embeddings");
    if embeddings.get().starts_with('[') {
        return serde_json::from_str(embeddings.get()).map_err(shape);
    }
    let ByType { float } = serde_json::from_str(embeddings.get()).map_err(shape)?;
    Ok(float)
}
