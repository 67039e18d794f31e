//! `outcrop doctor`: what stands between this machine and an answer of Bedrock, step by step.

use std::process::ExitCode;

use super::listing::decision;
use super::{Outcome, print};
use crate::app::{App, Parts};
use crate::bedrock::{CredentialsUnavailable, Tried};
use crate::chat::{Block, Message, Notes, Request, Role, Text};
use crate::config::{Config, Origin};
use crate::gateway::{Answer, Call, ErrorKind, Fault};

pub(super) async fn run(config: Config) -> Outcome {
    let parts = App::assemble(&config).await?;
    let mut sick = 0_u32;
    let mut say = |outcome: Result<String, (String, &'static str)>| match outcome {
        Ok(fine) => print(&format!("[ok]   {fine}\n")),
        Err((problem, advice)) => {
            sick += 1;
            print(&format!("[FAIL] {problem}\n       {advice}\n"));
        }
    };
    say(Ok(format!("region {}", super::region(&config, parts.aws.region()))));
    if let Some(url) = &config.aws.endpoint_url {
        say(Ok(format!("endpoint {} ({})", url.value, url.origin)));
    }
    let credentials = parts.aws.probe(None).await;
    say(match &credentials {
        Ok(identity) => Ok(format!("credentials from {}", identity.source)),
        Err(unavailable) => Err((
            no_credentials(unavailable, &parts.aws.tried().await),
            "Set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK; on AWS, give the machine or pod a role.",
        )),
    });
    for account in parts.aws.accounts() {
        say(match parts.aws.probe(Some(account)).await {
            Ok(identity) => Ok(format!("account {account}: credentials from {}", identity.source)),
            Err(unavailable) => Err((
                format!("account {account}: no credentials: {unavailable}"),
                "See accounts in the configuration; the role's trust policy has to name whoever assumes it.",
            )),
        });
    }
    if credentials.is_ok() {
        for listing in listings(&parts).await {
            say(listing);
        }
        for name in targets(&config, parts.gateway.routes().default_model()) {
            say(probe(&parts, &name).await);
        }
    }
    if let Some(retired) = super::retired_default(&config, &parts.gateway) {
        print(&format!("[note] {retired}\n"));
    }
    Ok(if sick == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Each source that was tried, or else the one reason.
fn no_credentials(unavailable: &CredentialsUnavailable, tried: &[Tried]) -> String {
    if tried.is_empty() {
        return format!("no credentials: {unavailable}");
    }
    let lines = tried.iter().map(|Tried { source, said }| format!("\n         {source}: {said}"));
    format!("no credentials; tried, in this order:{}", lines.collect::<String>())
}

/// What Bedrock lists, region by region.
async fn listings(parts: &Parts) -> Vec<Result<String, (String, &'static str)>> {
    const ADVICE: &str = "Chats work without. The IAM permissions bedrock:ListFoundationModels, bedrock:ListInferenceProfiles and bedrock:GetInferenceProfile let Outcrop know models and profiles that are newer than it is.";
    let directory = parts.gateway.routes().directory();
    directory.refresh().await;
    let failures = directory.failures();
    let mut said = Vec::new();
    for region in directory.regions() {
        let (models, profiles) = directory.counts(region);
        let of_region = failures.iter().filter(|(failed, ..)| failed == region);
        let failed: Vec<_> = of_region.collect();
        if failed.is_empty() {
            said.push(Ok(format!("{region} lists {models} models and {profiles} inference profiles")));
        }
        for (_, what, kind) in failed {
            let advice = match kind {
                ErrorKind::AccessDenied => ADVICE,
                kind => {
                    advice(Some(*kind)).unwrap_or("Is the endpoint Bedrock's (aws.control_endpoint_url)?")
                }
            };
            said.push(Err((format!("{what} in {region}: {}", kind.label()), advice)));
        }
    }
    said
}

/// Everything that is configured, or else the default model.
fn targets(config: &Config, default: &str) -> Vec<String> {
    let mut names: Vec<String> = config.models.entries.keys().cloned().collect();
    let is_wanted = names.is_empty() || config.default_model.origin != Origin::Default;
    if is_wanted && !names.iter().any(|name| name == default) {
        names.push(default.to_owned());
    }
    names
}

/// One token from the model tells more than any list.
async fn probe(parts: &Parts, name: &str) -> Result<String, (String, &'static str)> {
    let message = Message { role: Role::User, content: vec![Block::Text(Text::new("Hi"))], index: 0 };
    let request = Request { messages: vec![message], max_tokens: Some(1), ..Request::default() };
    let call = Call {
        model: Some(name.to_owned()),
        request,
        notes: Notes::new(),
        strict: false,
        timeout: None,
        choices: 1,
        at_once: 1,
        principal: None,
        unnamed_calls: false,
    };
    let Answer { trail, outcome } = parts.gateway.chat(call).await;
    let target = trail.target.map_or_else(|| name.to_owned(), |target| target.to_string());
    match outcome {
        Ok(_) => {
            let way = parts.gateway.model(name).map_or_else(|_| String::new(), |model| decision(&model));
            Ok(format!("{name}: {target} answers ({})", way.replace('\t', ", ")))
        }
        Err(fault) => {
            let advice = advice(fault.kind()).unwrap_or("See docs/errors.md for this error.");
            let detail = match &fault {
                Fault::Upstream(error) => error.detail.clone(),
                Fault::Invalid(_)
                | Fault::Model(_)
                | Fault::Protocol(_)
                | Fault::Assemble(_)
                | Fault::Deadline(..)
                | Fault::Overloaded
                | Fault::Internal(_) => fault.public().into_owned(),
            };
            Err((format!("{name}: {target}: {}: {detail}", fault.label()), advice))
        }
    }
}

fn advice(kind: Option<ErrorKind>) -> Option<&'static str> {
    Some(match kind? {
        ErrorKind::NoCredentials => "No source of credentials answered; see above.",
        ErrorKind::CredentialsRefused => {
            "AWS doesn't accept these credentials: expired, deleted, or for another partition. Renew them (`aws sso login`), then try again."
        }
        ErrorKind::ClockSkew => "Set this machine's clock (chrony or ntpd): signatures carry the time.",
        ErrorKind::AccessDenied => {
            "Grant bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on the model and its inference profile, and request access to the model in the Bedrock console."
        }
        ErrorKind::AccessPending => "The subscription is being made; try again in 15 minutes.",
        ErrorKind::UnknownModel => "Check the id, and that its geo prefix belongs to the region.",
        ErrorKind::ProfileRequired => {
            "Use an inference profile id: `us.`, `eu.`, `global.` … before the model id."
        }
        ErrorKind::NotFound => {
            "The model has reached its end of life here, or its form was not submitted: see the message."
        }
        ErrorKind::Unreachable => "Check DNS, proxy, VPC endpoint and security groups for bedrock-runtime.",
        ErrorKind::Throttled | ErrorKind::DailyQuota | ErrorKind::QuotaExceeded => {
            "The account's quota for this model is used up: Service Quotas, Amazon Bedrock."
        }
        ErrorKind::Validation
        | ErrorKind::ContextLength
        | ErrorKind::UnsupportedFeature
        | ErrorKind::ModelNotReady
        | ErrorKind::ModelTimeout
        | ErrorKind::ModelRefused
        | ErrorKind::ModelError
        | ErrorKind::StreamError
        | ErrorKind::Internal
        | ErrorKind::Unavailable
        | ErrorKind::Timeout
        | ErrorKind::Malformed
        | ErrorKind::Unsendable
        | ErrorKind::ResourceRefused
        | ErrorKind::Oversized
        | ErrorKind::InvalidOutput => return None,
    })
}
