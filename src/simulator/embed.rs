//! Embedding models: vectors that depend on nothing but the text, so that equal texts have equal vectors.

use super::fault::Fault;
use super::models::{Format, Model};
use super::shape::{array, object, one_of, only, required, string, whole};
use super::turn::{Turn, tokens};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A validated request for vectors.
#[derive(Debug)]
pub(super) struct Wanted {
    texts: Vec<String>,
    dimensions: u64,
    types: Vec<String>,
}

impl Wanted {
    /// The same as a turn, for its directives and its token count.
    pub(super) fn turn(&self) -> Turn {
        Turn { text: self.texts.concat(), prompt: self.texts.concat(), ..Turn::default() }
    }

    pub(super) fn tokens(&self) -> u64 {
        self.texts.iter().map(|text| tokens(text)).sum()
    }
}

/// Reads and validates a request.
pub(super) fn read(model: &Model, body: &Value) -> Result<Wanted, Fault> {
    match model.facts.format {
        Format::CohereEmbed => read_cohere(model, body),
        Format::NovaEmbed => read_nova(body),
        Format::TitanEmbed
        | Format::Claude
        | Format::ClaudeText
        | Format::Llama
        | Format::Titan
        | Format::Nova
        | Format::MistralPrompt
        | Format::MistralChat
        | Format::CohereChat
        | Format::CohereCommand
        | Format::Jamba
        | Format::DeepSeekPrompt
        | Format::Chat
        | Format::Foreign => read_titan(model, body),
    }
}

/// Titan's three generations: the first has one size, the second names its size beside the text, the multimodal one in
/// an object.
fn read_titan(model: &Model, body: &Value) -> Result<Wanted, Fault> {
    const MOST_TOKENS: u64 = 8192;
    let request = object(body, "")?;
    let (second, multimodal) = (model.id.contains("text-v2"), model.id.contains("embed-image"));
    let known: &[&str] = if second {
        &["inputText", "dimensions", "normalize", "embeddingTypes"]
    } else if multimodal {
        &["inputText", "inputImage", "embeddingConfig"]
    } else {
        &["inputText"]
    };
    only(request, "", known)?;
    let text = string(required(request, "", "inputText")?, "/inputText")?;
    if text.is_empty() {
        return Err(Fault::malformed("/inputText", "expected minLength: 1, actual: 0"));
    }
    longest(text, "/inputText", 50_000)?;
    let count = tokens(text);
    if count > MOST_TOKENS {
        return Err(Fault::validation(format!(
            "400 Bad Request: Too many input tokens. Max input tokens: {MOST_TOKENS}, request input token count: {count} "
        )));
    }
    if let Some(normalize) = request.get("normalize")
        && !normalize.is_boolean()
    {
        return Err(Fault::malformed("/normalize", "expected type: Boolean"));
    }
    let mut size = match (second, multimodal) {
        (false, false) => 1536,
        _ => 1024,
    };
    if let Some(value) = request.get("dimensions") {
        size = dimensions(value, "/dimensions", &[256, 512, 1024])?;
    }
    if let Some(config) = request.get("embeddingConfig") {
        let at = "/embeddingConfig";
        let config = object(config, at)?;
        only(config, at, &["outputEmbeddingLength"])?;
        let at = "/embeddingConfig/outputEmbeddingLength";
        size = dimensions(
            required(config, "/embeddingConfig", "outputEmbeddingLength")?,
            at,
            &[256, 384, 1024],
        )?;
    }
    let types = types(request.get("embeddingTypes"), "/embeddingTypes", &["float", "binary"])?;
    Ok(Wanted { texts: vec![text.to_owned()], dimensions: size, types })
}

fn read_cohere(model: &Model, body: &Value) -> Result<Wanted, Fault> {
    let request = object(body, "")?;
    let fourth = model.id.contains("embed-v4");
    let mut known = vec!["texts", "input_type", "truncate", "embedding_types"];
    if fourth {
        known.extend(["images", "inputs", "output_dimension", "max_tokens"]);
    }
    only(request, "", &known)?;
    one_of(
        required(request, "", "input_type")?,
        "/input_type",
        &["search_document", "search_query", "classification", "clustering", "image"],
    )?;
    if let Some(truncate) = request.get("truncate") {
        one_of(truncate, "/truncate", &["NONE", "START", "END", "LEFT", "RIGHT"])?;
    }
    let texts = array(required(request, "", "texts")?, "/texts")?;
    if texts.is_empty() {
        return Err(Fault::malformed("/texts", "expected minimum item count: 1, found: 0"));
    }
    if texts.len() > 96 {
        let problem = format!("expected maximum item count: 96, found: {}", texts.len());
        return Err(Fault::malformed("/texts", &problem));
    }
    let text = |(index, text)| {
        let at = format!("/texts/{index}");
        let text = string(text, &at)?;
        // The third generation counts characters, whatever `truncate` says.
        if !fourth {
            longest(text, &at, 2048)?;
        }
        if text.trim().is_empty() {
            return Err(Fault::malformed(&at, "expected a text that isn't blank"));
        }
        Ok(text.to_owned())
    };
    let texts = texts.iter().enumerate().map(text).collect::<Result<Vec<_>, _>>()?;
    let dimensions = match request.get("output_dimension") {
        None if fourth => 1536,
        None => 1024,
        Some(value) => dimensions(value, "/output_dimension", &[256, 512, 1024, 1536])?,
    };
    let known = ["float", "int8", "uint8", "binary", "ubinary"];
    let types = types(request.get("embedding_types"), "/embedding_types", &known)?;
    Ok(Wanted { texts, dimensions, types })
}

fn read_nova(body: &Value) -> Result<Wanted, Fault> {
    let request = object(body, "")?;
    only(request, "", &["schemaVersion", "taskType", "singleEmbeddingParams"])?;
    if let Some(version) = request.get("schemaVersion") {
        one_of(version, "/schemaVersion", &["nova-multimodal-embed-v1"])?;
    }
    one_of(required(request, "", "taskType")?, "/taskType", &["SINGLE_EMBEDDING"])?;
    let at = "/singleEmbeddingParams";
    let parameters = object(required(request, "", "singleEmbeddingParams")?, at)?;
    only(parameters, at, &["embeddingPurpose", "embeddingDimension", "text", "image", "audio", "video"])?;
    one_of(
        required(parameters, at, "embeddingPurpose")?,
        "/singleEmbeddingParams/embeddingPurpose",
        &[
            "GENERIC_INDEX",
            "GENERIC_RETRIEVAL",
            "TEXT_RETRIEVAL",
            "IMAGE_RETRIEVAL",
            "VIDEO_RETRIEVAL",
            "DOCUMENT_RETRIEVAL",
            "AUDIO_RETRIEVAL",
            "CLASSIFICATION",
            "CLUSTERING",
        ],
    )?;
    let within = "/singleEmbeddingParams/text";
    let content = object(required(parameters, at, "text")?, within)?;
    only(content, within, &["truncationMode", "value", "source"])?;
    let mode = "/singleEmbeddingParams/text/truncationMode";
    one_of(required(content, within, "truncationMode")?, mode, &["NONE", "START", "END"])?;
    let text = string(required(content, within, "value")?, "/singleEmbeddingParams/text/value")?;
    let dimensions = match parameters.get("embeddingDimension") {
        None => 3072,
        Some(value) => {
            dimensions(value, "/singleEmbeddingParams/embeddingDimension", &[256, 384, 1024, 3072])?
        }
    };
    Ok(Wanted { texts: vec![text.to_owned()], dimensions, types: Vec::new() })
}

/// At most so many characters.
fn longest(text: &str, at: &str, most: usize) -> Result<(), Fault> {
    let actual = text.chars().count();
    if actual > most {
        return Err(Fault::malformed(at, &format!("expected maxLength: {most}, actual: {actual}")));
    }
    Ok(())
}

/// The types of numbers asked for; none is the model's own choice.
fn types(value: Option<&Value>, at: &str, known: &[&str]) -> Result<Vec<String>, Fault> {
    let Some(value) = value else { return Ok(Vec::new()) };
    for kind in array(value, at)? {
        one_of(kind, at, known)?;
    }
    Ok(super::converse::strings(value))
}

fn dimensions(value: &Value, at: &str, known: &[u64]) -> Result<u64, Fault> {
    let number = whole(value, at, 1)?;
    if known.contains(&number) {
        return Ok(number);
    }
    Err(Fault::malformed(at, &format!("{number} is not a valid enum value")))
}

/// The reply of `InvokeModel`.
pub(super) fn reply(wanted: &Wanted, model: &Model) -> Value {
    let vectors: Vec<Value> =
        wanted.texts.iter().map(|text| Value::from(vector(text, wanted.dimensions))).collect();
    match model.facts.format {
        Format::CohereEmbed => {
            let mut reply = json!({"id": super::server::fresh_id().to_string(), "texts": wanted.texts});
            if model.id.contains("embed-v4") || !wanted.types.is_empty() {
                reply["response_type"] = json!("embeddings_by_type");
                reply["embeddings"] = json!({"float": vectors});
            } else {
                reply["response_type"] = json!("embeddings_floats");
                reply["embeddings"] = json!(vectors);
                // The third generation answers with the texts in small letters.
                reply["texts"] = wanted.texts.iter().map(|text| json!(text.to_lowercase())).collect();
            }
            reply
        }
        Format::NovaEmbed => {
            let embeddings: Vec<Value> = vectors
                .into_iter()
                .map(|vector| json!({"embeddingType": "TEXT", "embedding": vector}))
                .collect();
            json!({"embeddings": embeddings})
        }
        Format::TitanEmbed
        | Format::Claude
        | Format::Llama
        | Format::Titan
        | Format::Nova
        | Format::ClaudeText
        | Format::MistralPrompt
        | Format::MistralChat
        | Format::CohereChat
        | Format::CohereCommand
        | Format::Jamba
        | Format::DeepSeekPrompt
        | Format::Chat
        | Format::Foreign => {
            let vector = vectors.into_iter().next().unwrap_or_default();
            let mut reply = json!({"inputTextTokenCount": wanted.tokens()});
            if wanted.types.is_empty() || wanted.types.iter().any(|kind| kind == "float") {
                reply["embedding"] = vector.clone();
            }
            if model.id.contains("text-v2") {
                reply["embeddingsByType"] = json!({});
                if reply.get("embedding").is_some() {
                    reply["embeddingsByType"]["float"] = vector.clone();
                }
                if wanted.types.iter().any(|kind| kind == "binary") {
                    reply["embeddingsByType"]["binary"] = signs(&vector);
                }
            }
            reply
        }
    }
}

/// A unit vector drawn from the text's hash.
fn vector(text: &str, dimensions: u64) -> Vec<f64> {
    let mut raw = Vec::new();
    for block in 0..dimensions.div_ceil(32) {
        let hash = Sha256::new().chain_update(text).chain_update(block.to_be_bytes()).finalize();
        raw.extend(hash.iter().map(|byte| f64::from(*byte) - 127.5));
    }
    raw.truncate(usize::try_from(dimensions).unwrap_or(usize::MAX));
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
    raw.iter().map(|x| x / length).collect()
}

fn signs(vector: &Value) -> Value {
    super::converse::list(vector).iter().map(|x| json!(u8::from(x.as_f64() > Some(0.0)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_unit_vectors_and_others_do_not() {
        let one = vector("one", 256);
        assert_eq!(one.len(), 256);
        assert!((one.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(one, vector("one", 256));
        assert_ne!(one, vector("two", 256));
    }
}
