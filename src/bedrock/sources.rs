//! What the base chain of credentials comes to, source by source: for whoever wants to know why there are none.
//!
//! The chain of the SDK says what it tried only where none of its sources is set up at all; where one fails, it says that one's
//! words without its name.

use std::error::Error as _;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use super::error::chain;
use super::keeper::LOAD;

/// A source that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What it is.
    pub source: &'static str,
    /// What it said, in a sentence.
    pub said: String,
}

/// The sources in the SDK's order (`aws_config::default_provider::credentials`).
pub(super) fn of(
    config: &ProviderConfig,
    profile: Option<&str>,
) -> Vec<(&'static str, SharedCredentialsProvider)> {
    let mut profiles = ProfileFileCredentialsProvider::builder().configure(config);
    if let Some(profile) = profile {
        profiles = profiles.profile_name(profile);
    }
    let web_identity = WebIdentityTokenCredentialsProvider::builder().configure(config).build();
    let container = EcsCredentialsProvider::builder().configure(config).build();
    let metadata = ImdsCredentialsProvider::builder().configure(config).build();
    vec![
        (
            "environment (AWS_ACCESS_KEY_ID)",
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        ),
        ("profile (AWS_PROFILE)", SharedCredentialsProvider::new(profiles.build())),
        ("web identity (AWS_WEB_IDENTITY_TOKEN_FILE)", SharedCredentialsProvider::new(web_identity)),
        ("container (ECS, EKS Pod Identity)", SharedCredentialsProvider::new(container)),
        ("metadata of EC2", SharedCredentialsProvider::new(metadata)),
    ]
}

/// Asks one after the other until one isn't merely absent, as the chain does.
pub(super) async fn ask(sources: Vec<(&'static str, SharedCredentialsProvider)>) -> Vec<Tried> {
    let mut tried = Vec::new();
    for (source, provider) in sources {
        let (said, goes_on) = match tokio::time::timeout(LOAD, provider.provide_credentials()).await {
            Ok(Ok(_)) => ("has credentials now".to_owned(), false),
            Ok(Err(error @ CredentialsError::CredentialsNotLoaded(_))) => (absent(&error), true),
            Ok(Err(error)) => (format!("failed: {}", chain(&error)), false),
            Err(_elapsed) => (format!("said nothing within {} s", LOAD.as_secs()), false),
        };
        tried.push(Tried { source, said });
        if !goes_on {
            break;
        }
    }
    tried
}

/// What is missing, where that is said.
fn absent(error: &CredentialsError) -> String {
    match error.source() {
        Some(_) => format!("not set up: {}", chain(error)),
        None => "not set up: there is none".to_owned(),
    }
}
