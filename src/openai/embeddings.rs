//! [`Response`] → the list of embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use super::decode::VectorEncoding;
use super::encode::EncodeError;
use crate::embed::{Response, Vector};

/// Writes the vectors. As numbers they are the model's own digits; `usage` is there if the model counted.
pub fn embeddings(
    model: &str,
    encoding: VectorEncoding,
    response: &Response,
) -> Result<Vec<u8>, EncodeError> {
    let Response { vectors, input_tokens } = response;
    let items = vectors.iter().enumerate().map(|(index, vector)| Item {
        object: "embedding",
        index,
        embedding: match encoding {
            VectorEncoding::Float => Written::Float(vector),
            VectorEncoding::Base64 => Written::Base64(vector),
        },
    });
    let usage = input_tokens.map(|tokens| Usage { prompt_tokens: tokens, total_tokens: tokens });
    Ok(serde_json::to_vec(&List { object: "list", data: items.collect(), model, usage })?)
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Written<'a>,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

enum Written<'a> {
    Float(&'a Vector),
    Base64(&'a Vector),
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Float(vector) => vector.serialize(serializer),
            Self::Base64(vector) => {
                let bytes: Vec<u8> = vector.numbers().flat_map(f32::to_le_bytes).collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn response(vectors: &[String]) -> Response {
        let vector = |json: &String| Vector::from_raw(serde_json::from_str(json).unwrap()).unwrap();
        Response { vectors: vectors.iter().map(vector).collect(), input_tokens: Some(7) }
    }

    fn list(encoding: VectorEncoding, response: &Response) -> Value {
        serde_json::from_slice(&embeddings("m", encoding, response).unwrap()).unwrap()
    }

    #[test]
    fn a_list_is_openais_to_the_byte_and_the_digits_are_the_models() {
        let body = embeddings("m", VectorEncoding::Float, &response(&["[0.10, -2E-05]".to_owned()])).unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10, -2E-05]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}"#
        );
    }

    #[test]
    fn base64_is_of_little_endian_floats() {
        let answer = list(VectorEncoding::Base64, &response(&["[1, -2.5]".to_owned()]));
        assert_eq!(answer["data"][0]["embedding"], "AACAPwAAIMA=");
    }

    #[test]
    fn a_cost_that_nobody_knows_is_not_invented() {
        let answer = list(VectorEncoding::Float, &Response { input_tokens: None, ..response(&[]) });
        assert_eq!(answer, json!({"object": "list", "data": [], "model": "m"}));
    }

    proptest! {
        #[test]
        fn base64_says_what_the_numbers_say(
            vectors in prop::collection::vec(prop::collection::vec(-1e3_f64..1e3, 1..20), 1..20),
        ) {
            let written: Vec<_> = vectors.iter().map(|vector| json!(vector).to_string()).collect();
            let response = response(&written);
            let floats = embeddings("m", VectorEncoding::Float, &response).unwrap();
            let floats = String::from_utf8(floats).unwrap();
            let bytes = list(VectorEncoding::Base64, &response);
            for (index, vector) in vectors.iter().enumerate() {
                let item = format!(r#""index":{index},"embedding":{}"#, written[index]);
                prop_assert!(floats.contains(&item), "{}", floats);
                let decoded = STANDARD.decode(bytes["data"][index]["embedding"].as_str().unwrap()).unwrap();
                let decoded: Vec<_> =
                    decoded.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
                #[expect(clippy::cast_possible_truncation, reason = "32 bits are what the format has")]
                let expected: Vec<_> = vector.iter().map(|number| *number as f32).collect();
                prop_assert_eq!(decoded, expected);
            }
        }
    }
}
