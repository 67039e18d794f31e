//! What is behind an ARN that doesn't say: which question to ask Bedrock's control plane, and what its answer means.
//!
//! Pure, as all of the catalogue: paths out, bodies in. Paths and members: AWS's API reference of `bedrock`, as remembered and not recorded; whatever is missing counts as unknown.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::model_in_arn;

/// What an ARN that hides its model is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hiding {
    /// An inference profile that somebody made for an application. It routes to a foundation model.
    ApplicationProfile,
    /// It picks one of several models; taken for the one that it falls back to.
    PromptRouter,
    /// Bought capacity for a foundation model, or a custom one.
    Provisioned,
    /// A custom model that is called on demand.
    Deployment,
    /// A foundation model that was trained further.
    Custom,
    /// Weights from elsewhere, of a known architecture.
    Imported,
}

/// What the control plane says is behind an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// The foundation model with this id.
    Model(String),
    /// Another ARN, which has to be asked about in turn.
    Arn(String),
    /// Weights of this architecture, as Bedrock names it: `LLAMA3_1`.
    Architecture(String),
    /// It doesn't say.
    Nothing,
}

impl Hiding {
    /// Of an ARN; `None` if there is nobody to ask about it.
    pub fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let is_bedrock = parts.next() == Some("arn") && parts.nth(1) == Some("bedrock");
        let (kind, id) = parts.nth(2)?.split_once('/')?;
        if !is_bedrock || id.is_empty() {
            return None;
        }
        Some(match kind {
            "application-inference-profile" => Self::ApplicationProfile,
            "prompt-router" | "default-prompt-router" => Self::PromptRouter,
            "provisioned-model" => Self::Provisioned,
            "custom-model-deployment" => Self::Deployment,
            "custom-model" => Self::Custom,
            "imported-model" => Self::Imported,
            _ => return None,
        })
    }

    /// The path of the GET that tells about the ARN.
    pub fn question(self, arn: &str) -> String {
        /// Everything that isn't unreserved in a URL's path.
        const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        let folder = match self {
            Self::ApplicationProfile => "inference-profiles",
            Self::PromptRouter => "prompt-routers",
            Self::Provisioned => "provisioned-model-throughput",
            Self::Deployment => "model-customization/custom-model-deployments",
            Self::Custom => "custom-models",
            Self::Imported => "imported-models",
        };
        format!("/{folder}/{}", utf8_percent_encode(arn, ESCAPED))
    }

    /// What the answer says.
    pub fn answer(self, body: &[u8]) -> Result<Behind, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            #[serde(default)]
            models: Vec<Reference>,
            fallback_model: Option<Reference>,
            foundation_model_arn: Option<String>,
            base_model_arn: Option<String>,
            model_arn: Option<String>,
            model_architecture: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Reference {
            model_arn: String,
        }
        // Every answer but a reference names itself in `modelArn`.
        let answer: Answer = serde_json::from_slice(body)?;
        let first = || answer.models.into_iter().next().map(|model| model.model_arn);
        let arn = match self {
            Self::ApplicationProfile => first(),
            Self::PromptRouter => answer.fallback_model.map(|model| model.model_arn).or_else(first),
            Self::Provisioned => answer.foundation_model_arn.or(answer.model_arn),
            Self::Deployment => answer.model_arn,
            Self::Custom => answer.base_model_arn,
            Self::Imported => {
                return Ok(answer.model_architecture.map_or(Behind::Nothing, Behind::Architecture));
            }
        };
        Ok(match arn {
            None => Behind::Nothing,
            Some(arn) => match model_in_arn(&arn) {
                Some(model) => Behind::Model(model.to_owned()),
                None => Behind::Arn(arn),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arn(resource: &str) -> String {
        format!("arn:aws:bedrock:eu-west-1:111122223333:{resource}")
    }

    #[test]
    fn each_kind_has_its_question() {
        for (resource, folder) in [
            ("application-inference-profile/abc", "/inference-profiles/"),
            ("default-prompt-router/anthropic.claude:1", "/prompt-routers/"),
            ("prompt-router/abc", "/prompt-routers/"),
            ("provisioned-model/abc", "/provisioned-model-throughput/"),
            ("custom-model-deployment/abc", "/model-customization/custom-model-deployments/"),
            ("custom-model/amazon.nova-lite-v1:0/abc", "/custom-models/"),
            ("imported-model/abc", "/imported-models/"),
        ] {
            let path = Hiding::of(&arn(resource)).unwrap().question(&arn(resource));
            let id = path.strip_prefix(folder).unwrap();
            assert!(id.starts_with("arn%3Aaws%3Abedrock%3A") && !id.contains('/'), "{path}");
        }
        for nobody in [
            arn("foundation-model/amazon.nova-lite-v1:0"),
            arn("inference-profile/us.amazon.nova-lite-v1:0"),
            arn("imported-model/"),
            "arn:aws:sagemaker:eu-west-1:111122223333:imported-model/abc".to_owned(),
            "amazon.nova-lite-v1:0".to_owned(),
        ] {
            assert_eq!(Hiding::of(&nobody), None, "{nobody}");
        }
    }

    #[test]
    fn answers_lead_to_the_base_model() {
        let (nova, own) =
            ("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0", arn("custom-model/abc"));
        let model = || Behind::Model("amazon.nova-lite-v1:0".to_owned());
        for (kind, body, behind) in [
            (
                Hiding::ApplicationProfile,
                json!({"models": [{"modelArn": nova}, {"modelArn": nova}]}),
                model(),
            ),
            (Hiding::PromptRouter, json!({"models": [], "fallbackModel": {"modelArn": nova}}), model()),
            (Hiding::Provisioned, json!({"modelArn": own, "foundationModelArn": nova}), model()),
            (Hiding::Deployment, json!({"modelArn": own}), Behind::Arn(own.clone())),
            (Hiding::Custom, json!({"modelArn": own, "baseModelArn": nova}), model()),
            (
                Hiding::Imported,
                json!({"modelArn": own, "modelArchitecture": "QWEN2"}),
                Behind::Architecture("QWEN2".into()),
            ),
            (Hiding::Custom, json!({"modelArn": own}), Behind::Nothing),
            (Hiding::ApplicationProfile, json!({"models": []}), Behind::Nothing),
        ] {
            assert_eq!(kind.answer(body.to_string().as_bytes()).unwrap(), behind, "{kind:?}");
        }
        assert!(Hiding::Custom.answer(b"<html>").is_err());
    }
}
