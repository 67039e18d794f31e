//! The way to AWS, as the configuration describes it, and what operators are told of it.

use std::time::UNIX_EPOCH;

use crate::bedrock::{AccountSource, Aws, CredentialsState, Identity, Role, Settings, StaticCredentials};
use crate::config::{self, Config, Origin};
use crate::http::{CredentialState, Process};
use crate::simulator;

/// What of the configuration concerns AWS.
pub(super) fn settings(config: &Config, simulator: Option<&str>) -> Settings {
    let aws = &config.aws;
    let mut settings = Settings {
        // What nobody has chosen, an AWS profile may know better.
        region: (aws.region.origin != Origin::Default).then(|| aws.region.value.clone()),
        profile: aws.profile.as_ref().map(|profile| profile.value.clone()),
        credentials: aws.credentials.as_ref().map(|keys| static_credentials(&keys.value)),
        bearer_token: aws.bearer_token.as_ref().map(|token| token.value.expose().to_owned()),
        endpoint_url: aws.endpoint_url.as_ref().map(|url| url.value.clone()),
        control_endpoint_url: aws.control_endpoint_url.as_ref().map(|url| url.value.clone()),
        sts_endpoint_url: aws.sts_endpoint_url.as_ref().map(|url| url.value.clone()),
        ca_bundle: aws.ca_bundle.clone(),
        accounts: config
            .accounts
            .iter()
            .map(|(name, account)| (name.clone(), account_source(account)))
            .collect(),
        use_fips: aws.use_fips,
        use_dual_stack: aws.use_dual_stack,
        connect_timeout: Some(config.timeout.connect),
        ..Settings::default()
    };
    if let Some(simulator) = simulator {
        // The simulator checks signatures against keys of its own; nothing real ever goes to it.
        let keys = simulator::Credentials::default();
        let keys = StaticCredentials {
            access_key_id: keys.access_key,
            secret_access_key: keys.secret_key,
            session_token: keys.session_token,
        };
        let its_own = |name: String| (name, AccountSource::Keys(keys.clone()));
        settings = Settings {
            region: settings.region,
            connect_timeout: settings.connect_timeout,
            endpoint_url: Some(simulator.to_owned()),
            control_endpoint_url: Some(simulator.to_owned()),
            accounts: settings.accounts.into_keys().map(its_own).collect(),
            credentials: Some(keys),
            credentials_source: "Simulator",
            ..Settings::default()
        };
    }
    settings
}

fn static_credentials(keys: &config::Credentials) -> StaticCredentials {
    let config::Credentials { access_key_id, secret_access_key, session_token } = keys;
    StaticCredentials {
        access_key_id: access_key_id.expose().to_owned(),
        secret_access_key: secret_access_key.expose().to_owned(),
        session_token: session_token.as_ref().map(|token| token.expose().to_owned()),
    }
}

fn account_source(account: &config::Account) -> AccountSource {
    match account {
        config::Account::Profile(name) => AccountSource::Profile(name.clone()),
        config::Account::Credentials(keys) => AccountSource::Keys(static_credentials(keys)),
        config::Account::BearerToken(token) => AccountSource::BearerToken(token.expose().to_owned()),
        config::Account::Role(role) => {
            let config::Role { arn, external_id, session_name, tags, duration, source } = role;
            AccountSource::Role(Role {
                arn: arn.clone(),
                external_id: external_id.as_ref().map(|id| id.expose().to_owned()),
                session_name: session_name.clone().unwrap_or_else(|| "outcrop".to_owned()),
                tags: tags.clone().into_iter().collect(),
                duration: *duration,
                source: source.clone(),
            })
        }
    }
}

/// Says in the log whose credentials are asked for, and as whom. What comes of it is another line, once it is known.
pub(super) fn tell(config: &Config) {
    let aws = &config.aws;
    let (source, profile) = match (&aws.bearer_token, &aws.credentials, &aws.profile) {
        (Some(_), _, _) => ("bearer_token", None),
        (None, Some(_), _) => ("keys", None),
        (None, None, profile) => ("chain", profile.as_ref().map(|profile| profile.value.as_str())),
    };
    tracing::info!(account = "base", source, profile, "account configured");
    for (name, account) in &config.accounts {
        match account {
            config::Account::Profile(profile) => {
                tracing::info!(account = name, source = "profile", profile, "account configured");
            }
            config::Account::Credentials(_) => {
                tracing::info!(account = name, source = "keys", "account configured");
            }
            config::Account::BearerToken(_) => {
                tracing::info!(account = name, source = "bearer_token", "account configured");
            }
            config::Account::Role(role) => {
                let assumed_by = role.source.as_deref().unwrap_or("base");
                tracing::info!(
                    account = name,
                    source = "role",
                    role_arn = role.arn,
                    assumed_by,
                    "account configured"
                );
            }
        }
    }
}

/// Renews credentials in the background, and tells operators of them and of the clock. Never ends.
pub(super) async fn watch(aws: Aws, process: &Process) {
    let accounts = std::iter::once(None).chain(aws.accounts().map(Some));
    let states = accounts.filter_map(|account| Some((account, aws.state(account)?)));
    let tellers = states.map(|(account, mut state)| {
        let health = &process.health;
        async move {
            loop {
                health.credentials(account, credential_state(&state.borrow_and_update()));
                if state.changed().await.is_err() {
                    // A Bedrock API key: it is what it is.
                    return;
                }
            }
        }
    });
    let mut skew = aws.skew();
    let clock = async {
        while skew.changed().await.is_ok() {
            if let Some(skew) = *skew.borrow_and_update() {
                process.metrics.clock_skew(skew.seconds());
                process.health.clock(skew.seconds(), skew.corrected);
            }
        }
    };
    tokio::join!(aws.stay_fresh(), futures_util::future::join_all(tellers), clock);
}

fn credential_state(state: &CredentialsState) -> CredentialState {
    match state {
        CredentialsState::Resolving => CredentialState::Resolving,
        CredentialsState::Resolved(Identity { source, expires }) => CredentialState::Resolved {
            source: source.clone(),
            expires: expires.map(|at| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()),
        },
        // What was tried may name files and accounts; it is in the log.
        CredentialsState::Unavailable(_) => CredentialState::Unavailable,
    }
}
