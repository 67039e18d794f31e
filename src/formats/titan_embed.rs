//! AMAZON TITAN'S EMBEDDING BODIES: one text in, one vector out, over InvokeModel.
//!
//! Three generations that differ in where they take the vector's length: nowhere, beside the text, or in an object.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::scalar::Count;
use super::vectors::{invoke, only_text, vector};
use super::{EmbedFormat, ProtocolError};
use crate::bedrock::{Invocation, ModelId, Reply};
use crate::chat::{InvalidRequest, Text};
use crate::embed::{Request, Response};

/// Titan Text Embeddings, first generation: vectors of one length.
pub static TITAN_EMBED_V1: TitanEmbed = TitanEmbed { name: "titan_embed_v1", length: Length::Fixed };

/// Titan Text Embeddings V2.
pub static TITAN_EMBED_V2: TitanEmbed = TitanEmbed { name: "titan_embed_v2", length: Length::Dimensions };

/// Titan Multimodal Embeddings, of which only texts are asked here.
pub static TITAN_EMBED_IMAGE: TitanEmbed = TitanEmbed { name: "titan_embed_image", length: Length::Config };

/// See [`TITAN_EMBED_V1`] and its sisters.
#[derive(Debug)]
pub struct TitanEmbed {
    name: &'static str,
    length: Length,
}

/// Where the vector's length stands.
#[derive(Debug, Clone, Copy)]
enum Length {
    Fixed,
    Dimensions,
    Config,
}

impl EmbedFormat for TitanEmbed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn encode(&self, request: &Request, model: &ModelId) -> Result<Invocation, InvalidRequest> {
        let Request { texts, dimensions, purpose: _, truncate: _ } = request;
        let mut body = Body { input_text: only_text(texts)?, dimensions: None, embedding_config: None };
        match (self.length, *dimensions) {
            (_, None) => {}
            (Length::Dimensions, Some(length)) => body.dimensions = Some(length),
            (Length::Config, Some(length)) => {
                body.embedding_config = Some(Config { output_embedding_length: length });
            }
            (Length::Fixed, Some(_)) => {
                return Err(InvalidRequest::unsupported(
                    "dimensions",
                    "The model's vectors have one length.",
                ));
            }
        }
        invoke(model, texts, &body)
    }

    fn decode(&self, reply: &Reply) -> Result<Response, ProtocolError> {
        let Whole { embedding, embeddings_by_type, input_text_token_count, message } =
            serde_json::from_slice(&reply.body).map_err(ProtocolError::shape("reply"))?;
        // The multimodal model answers 200 and says here what went wrong.
        if message.is_some_and(|message| !matches!(message.get(), "null" | "\"\"")) {
            return Err(ProtocolError::Reported("message".to_owned()));
        }
        let by_type = || embeddings_by_type.and_then(|types| types.float);
        let written = embedding.or_else(by_type).ok_or(ProtocolError::Grammar("a reply without a vector"))?;
        Ok(Response {
            vectors: vec![vector(written)?],
            input_tokens: input_text_token_count.map(|count| count.0).or(reply.head.tokens.input),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    input_text: &'a Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_config: Option<Config>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    output_embedding_length: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(default, borrow)]
    embedding: Option<&'a RawValue>,
    #[serde(default, borrow)]
    embeddings_by_type: Option<ByType<'a>>,
    #[serde(default)]
    input_text_token_count: Option<Count>,
    #[serde(default, borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(default, borrow)]
    float: Option<&'a RawValue>,
}
