//! Which operation a request is for.

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

/// An operation of Bedrock Runtime or of Bedrock's control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `POST /model/{id}/converse`
    Converse,
    /// `POST /model/{id}/converse-stream`
    ConverseStream,
    /// `POST /model/{id}/invoke`
    InvokeModel,
    /// `POST /model/{id}/invoke-with-response-stream`
    InvokeModelWithResponseStream,
    /// `POST /model/{id}/count-tokens`
    CountTokens,
    /// `GET /foundation-models`
    ListFoundationModels,
    /// `GET /foundation-models/{id}`
    GetFoundationModel,
    /// `GET /inference-profiles`
    ListInferenceProfiles,
    /// `GET /inference-profiles/{id}`
    GetInferenceProfile,
    /// Anything else: refused with `UnknownOperationException`.
    Unknown,
}

impl Operation {
    /// Whether a model is called: these take replies from the script.
    pub fn calls_a_model(self) -> bool {
        match self {
            Self::Converse
            | Self::ConverseStream
            | Self::InvokeModel
            | Self::InvokeModelWithResponseStream
            | Self::CountTokens => true,
            Self::ListFoundationModels
            | Self::GetFoundationModel
            | Self::ListInferenceProfiles
            | Self::GetInferenceProfile
            | Self::Unknown => false,
        }
    }
}

/// An operation and the id in its path.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) operation: Operation,
    /// Percent-decoded.
    pub(super) model_id: Option<String>,
}

/// Reads method and path. The id may be percent-encoded or not: an ARN's own slashes are told from the path's by
/// the fixed parts around it.
pub(super) fn read(method: &Method, uri: &Uri) -> Call {
    let path = uri.path();
    let (operation, id) = if method == Method::POST {
        let (id, verb) =
            path.strip_prefix("/model/").and_then(|rest| rest.rsplit_once('/')).unwrap_or_default();
        let operation = match verb {
            "converse" => Operation::Converse,
            "converse-stream" => Operation::ConverseStream,
            "invoke" => Operation::InvokeModel,
            "invoke-with-response-stream" => Operation::InvokeModelWithResponseStream,
            "count-tokens" => Operation::CountTokens,
            _ => Operation::Unknown,
        };
        (operation, Some(id))
    } else if method == Method::GET {
        match path {
            "/foundation-models" | "/foundation-models/" => (Operation::ListFoundationModels, None),
            "/inference-profiles" | "/inference-profiles/" => (Operation::ListInferenceProfiles, None),
            _ => {
                match (path.strip_prefix("/foundation-models/"), path.strip_prefix("/inference-profiles/")) {
                    (Some(id), _) => (Operation::GetFoundationModel, Some(id)),
                    (_, Some(id)) => (Operation::GetInferenceProfile, Some(id)),
                    (None, None) => (Operation::Unknown, None),
                }
            }
        }
    } else {
        (Operation::Unknown, None)
    };
    let id = id.filter(|id| !id.is_empty());
    let model_id = id.map(|id| percent_decode_str(id).decode_utf8_lossy().into_owned());
    let nameless = model_id.is_none() && operation.calls_a_model();
    Call { operation: if nameless { Operation::Unknown } else { operation }, model_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str) -> Call {
        read(&Method::POST, &path.parse().unwrap())
    }

    #[test]
    fn a_model_id_is_read_encoded_and_raw() {
        for path in ["/model/a.b-v1%3A0/converse", "/model/a.b-v1:0/converse"] {
            let call = post(path);
            assert_eq!(call.operation, Operation::Converse);
            assert_eq!(call.model_id.as_deref(), Some("a.b-v1:0"));
        }
        let call = post("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.a.b/invoke");
        assert_eq!(call.model_id.as_deref(), Some("arn:aws:bedrock:us-east-1:1:inference-profile/us.a.b"));
    }

    #[test]
    fn what_bedrock_does_not_have_is_unknown() {
        assert_eq!(post("/model/a/explain").operation, Operation::Unknown);
        assert_eq!(post("/model//converse").operation, Operation::Unknown);
        assert_eq!(read(&Method::GET, &"/model/a/converse".parse().unwrap()).operation, Operation::Unknown);
    }
}
