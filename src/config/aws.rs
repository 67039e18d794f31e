//! How to reach AWS: Region, credentials, endpoints.

use std::path::PathBuf;

use super::env::Vars;
use super::error::{Origin, Place, Problem};
use super::scalar;
use super::secret::Secret;
use super::section::{Section, Sourced};

/// How to reach AWS. What is `None` is left to the AWS SDK, which has its own variables, profiles and chains.
#[derive(Debug, Clone)]
pub struct Aws {
    /// The Region of every model that doesn't name its own.
    pub region: Sourced<String>,
    /// A profile of the AWS configuration files.
    pub profile: Option<Sourced<String>>,
    /// Static credentials.
    pub credentials: Option<Sourced<Credentials>>,
    /// A Bedrock API key, sent as a bearer token instead of a signature.
    pub bearer_token: Option<Sourced<Secret>>,
    /// The URL of `bedrock-runtime`: inference.
    pub endpoint_url: Option<Sourced<String>>,
    /// The URL of `bedrock`: lists of models and profiles.
    pub control_endpoint_url: Option<Sourced<String>>,
    /// The URL of `sts`, where accounts assume their roles.
    pub sts_endpoint_url: Option<Sourced<String>>,
    /// A PEM file with the only authorities to trust.
    pub ca_bundle: Option<PathBuf>,
    /// Use FIPS endpoints.
    pub use_fips: Option<bool>,
    /// Use endpoints that speak IPv6 too.
    pub use_dual_stack: Option<bool>,
}

/// Static credentials.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The key's id. No secret in AWS's terms, but nobody's business in a log either.
    pub access_key_id: Secret,
    /// The key.
    pub secret_access_key: Secret,
    /// Goes with temporary keys.
    pub session_token: Option<Secret>,
}

impl Aws {
    pub(super) fn read(mut section: Section<'_>, vars: &dyn Vars) -> Option<Self> {
        let region_origin = section.origin("region");
        let region = section.read("region", scalar::region);
        let profile = section.sourced("profile", scalar::text);
        let credentials = read_credentials(&mut section);
        let bearer_token = section.sourced("bearer_token", scalar::secret);
        let endpoint_url = section.sourced("endpoint_url", scalar::url);
        let control_endpoint_url = section.sourced("control_endpoint_url", scalar::url);
        let sts_endpoint_url = section.sourced("sts_endpoint_url", scalar::url);
        let ca_bundle = section.optional("ca_bundle", |node| scalar::text(node).map(PathBuf::from));
        let use_fips = section.optional("use_fips", scalar::boolean);
        let use_dual_stack = section.optional("use_dual_stack", scalar::boolean);
        let retries = sdk_retries(&mut section, vars);
        Some(Self {
            region: Sourced { value: region?, origin: region_origin },
            profile: profile?,
            credentials: credentials?,
            bearer_token: bearer_token?,
            endpoint_url: endpoint_url?,
            control_endpoint_url: control_endpoint_url?,
            sts_endpoint_url: sts_endpoint_url?,
            ca_bundle: ca_bundle?,
            use_fips: use_fips?,
            use_dual_stack: use_dual_stack?,
        })
        .filter(|_| retries)
    }
}

#[expect(clippy::option_option, reason = "outside: were they readable; inside: were they set")]
pub(super) fn read_credentials(section: &mut Section<'_>) -> Option<Option<Sourced<Credentials>>> {
    const ID: &str = "access_key_id";
    const KEY: &str = "secret_access_key";
    const TOKEN: &str = "session_token";
    let origin = section.origin(ID);
    let access_key_id = section.optional(ID, scalar::secret);
    let secret_access_key = section.optional(KEY, scalar::secret);
    let session_token = section.optional(TOKEN, scalar::secret);
    match (access_key_id?, secret_access_key?, session_token?) {
        (Some(access_key_id), Some(secret_access_key), session_token) => {
            let value = Credentials { access_key_id, secret_access_key, session_token };
            Some(Some(Sourced { value, origin }))
        }
        (None, None, None) => Some(None),
        (present, None, _) => {
            let key = if present.is_some() { ID } else { TOKEN };
            section.fail(key, Problem::IncompleteCredentials(section.below("secret_access_key")));
            None
        }
        (None, Some(_), _) => {
            section.fail(KEY, Problem::IncompleteCredentials(section.below("access_key_id")));
            None
        }
    }
}

/// aws-config 1.13 panics on these two (`default_provider/retry_config.rs`), even where its retries aren't used.
fn sdk_retries(section: &mut Section<'_>, vars: &dyn Vars) -> bool {
    let attempts = |value: &str| value.parse::<u32>().is_ok_and(|attempts| attempts > 0);
    let mode = |value: &str| {
        let value = value.trim();
        value.eq_ignore_ascii_case("standard") || value.eq_ignore_ascii_case("adaptive")
    };
    let mut fine = true;
    let mut check = |name: &str, is_valid: &dyn Fn(&str) -> bool, expected| {
        if let Some(found) = vars.get(name).filter(|value| !is_valid(value)) {
            let place = Place::whole(Origin::Env(name.into()));
            section.fail_at(place, String::new(), Problem::SdkPanics { found, expected });
            fine = false;
        }
    };
    check("AWS_MAX_ATTEMPTS", &attempts, "a whole number above 0");
    check("AWS_RETRY_MODE", &mode, "standard or adaptive");
    fine
}
