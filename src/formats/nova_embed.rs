//! AMAZON NOVA'S EMBEDDING BODY: one text in, one vector out, over InvokeModel.
//!
//! The model takes pictures, sound and film as well; OpenAI's API has no place for them. It counts no tokens: the
//! reply's header does.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::vectors::{invoke, only_text, vector};
use super::{EmbedFormat, ProtocolError};
use crate::bedrock::{Invocation, ModelId, Reply};
use crate::chat::{InvalidRequest, Text};
use crate::embed::{Purpose, Request, Response, Truncate};

/// Nova Multimodal Embeddings.
pub static NOVA_EMBED: NovaEmbed = NovaEmbed;

/// See [`NOVA_EMBED`].
#[derive(Debug)]
pub struct NovaEmbed;

impl EmbedFormat for NovaEmbed {
    fn name(&self) -> &'static str {
        "nova_embed"
    }

    fn encode(&self, request: &Request, model: &ModelId) -> Result<Invocation, InvalidRequest> {
        let Request { texts, dimensions, purpose, truncate } = request;
        // Its words for queries name what is searched. The generic one goes with the generic index.
        let embedding_purpose = match purpose.unwrap_or(Purpose::Document) {
            Purpose::Document => "GENERIC_INDEX",
            Purpose::Query => "GENERIC_RETRIEVAL",
            Purpose::Classification => "CLASSIFICATION",
            Purpose::Clustering => "CLUSTERING",
        };
        // It has to be said.
        let truncation_mode = match truncate.unwrap_or(Truncate::Never) {
            Truncate::Never => "NONE",
            Truncate::Start => "START",
            Truncate::End => "END",
        };
        let text = Content { truncation_mode, value: only_text(texts)? };
        let single_embedding_params =
            Parameters { embedding_purpose, embedding_dimension: *dimensions, text };
        invoke(model, texts, &Body { task_type: "SINGLE_EMBEDDING", single_embedding_params })
    }

    fn decode(&self, reply: &Reply) -> Result<Response, ProtocolError> {
        let Whole { embeddings } =
            serde_json::from_slice(&reply.body).map_err(ProtocolError::shape("reply"))?;
        let vectors = embeddings.into_iter().map(|one| vector(one.embedding)).collect::<Result<_, _>>()?;
        Ok(Response { vectors, input_tokens: reply.head.tokens.input })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    task_type: &'static str,
    single_embedding_params: Parameters<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    embedding_purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_dimension: Option<u32>,
    text: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    truncation_mode: &'static str,
    value: &'a Text,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    embeddings: Vec<One<'a>>,
}

#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
}
