//! What may stand where a model's id is expected.

use crate::config::error::Problem;
use crate::config::scalar;
use crate::config::tree::Node;

/// What Bedrock takes as a model: an id, a profile id or an ARN. The characters and the length are those of its API;
/// `..` is refused because the id becomes a segment of a URL's path.
pub(super) fn model_id(node: &Node) -> Result<String, Problem> {
    let text = scalar::text(node)?;
    if has_id_grammar(&text) {
        Ok(text)
    } else {
        Err(scalar::invalid(&text, "a model id or ARN: up to 2048 of A-Z a-z 0-9 . : _ / - and no `..`"))
    }
}

pub(super) fn has_id_grammar(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".:_/-".contains(&byte);
    (1..=2048).contains(&text.len()) && text.bytes().all(allowed) && !text.contains("..")
}

/// Whether a name is a model's own (`vendor.model`, with or without a geo prefix, or an ARN) rather than an alias.
/// No vendor has a dash in its name, so `gpt-3.5-turbo` is an alias.
pub(super) fn is_model_id(name: &str) -> bool {
    let is_vendor = |vendor: &str| {
        !vendor.is_empty() && vendor.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let bare = name.strip_prefix("us-gov.").unwrap_or(name);
    has_id_grammar(name)
        && (name.starts_with("arn:")
            || bare.split_once('.').is_some_and(|(vendor, model)| is_vendor(vendor) && !model.is_empty()))
}

/// Whether this is an ARN from which the model can't be read. Foundation models and system-defined inference profiles
/// have the model's id in theirs; application profiles, provisioned, custom and imported models, routers … don't.
pub(super) fn is_opaque_arn(target: &str) -> bool {
    // arn:partition:service:region:account:type/id
    target.starts_with("arn:")
        && !target.splitn(6, ':').nth(5).and_then(|resource| resource.split_once('/')).is_some_and(
            |(kind, id)| matches!(kind, "foundation-model" | "inference-profile") && !id.is_empty(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_with_dots_isnt_taken_for_a_model() {
        for id in [
            "amazon.nova-lite-v1:0",
            "us.amazon.nova-lite-v1:0",
            "us-gov.x.y",
            "ai21.jamba",
            "arn:aws:bedrock:x",
        ] {
            assert!(is_model_id(id), "{id}");
        }
        for alias in ["gpt-3.5-turbo", "gpt-4o", "Claude.3", ".x", "x.", "", "a.b c"] {
            assert!(!is_model_id(alias), "{alias}");
        }
    }

    #[test]
    fn only_arns_that_name_their_model_are_clear() {
        let arn = |resource: &str| format!("arn:aws:bedrock:us-east-1:123456789012:{resource}");
        for kind in ["application-inference-profile", "provisioned-model", "custom-model", "imported-model"] {
            assert!(is_opaque_arn(&arn(&format!("{kind}/abc"))), "{kind}");
        }
        for kind in
            ["custom-model-deployment", "default-prompt-router", "prompt-router", "foundation-model-x"]
        {
            assert!(is_opaque_arn(&arn(&format!("{kind}/abc"))), "{kind}");
        }
        assert!(is_opaque_arn("arn:aws:sagemaker:us-east-1:123456789012:endpoint/x"));
        assert!(is_opaque_arn("arn:"));
        assert!(!is_opaque_arn(&arn("inference-profile/us.amazon.nova-lite-v1:0")));
        assert!(!is_opaque_arn("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"));
        assert!(!is_opaque_arn("amazon.nova-lite-v1:0"));
    }

    #[test]
    fn ids_follow_bedrocks_grammar() {
        assert!(has_id_grammar(&"a".repeat(2048)));
        for id in ["", "a..b", "a b", "a?b", "é", "a%2F"] {
            assert!(!has_id_grammar(id), "{id}");
        }
        assert!(!has_id_grammar(&"a".repeat(2049)));
    }
}
