//! Other AWS accounts: how to come by the credentials of each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::aws::{Credentials, read_credentials};
use super::error::Problem;
use super::scalar;
use super::secret::Secret;
use super::section::{Section, Sourced};
use super::tree::Node;

/// How to come by an account's credentials.
#[derive(Debug, Clone)]
pub enum Account {
    /// A profile of the AWS configuration files.
    Profile(String),
    /// A role to assume.
    Role(Role),
    /// Static credentials.
    Credentials(Credentials),
    /// A Bedrock API key.
    BearerToken(Secret),
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Which.
    pub arn: String,
    /// What the role's owner has agreed on.
    pub external_id: Option<Secret>,
    /// What the session is called in `CloudTrail`.
    pub session_name: Option<String>,
    /// The session's tags.
    pub tags: BTreeMap<String, String>,
    /// How long credentials last.
    pub duration: Option<Duration>,
    /// The account whose credentials assume it, if not `aws` itself. Leads to no circle.
    pub source: Option<String>,
}

/// What an account may say that is nobody's business.
pub(super) const SECRETS: [&str; 5] =
    ["access_key_id", "secret_access_key", "session_token", "bearer_token", "external_id"];

const KEYS: [&str; 11] = [
    "profile",
    "role_arn",
    "external_id",
    "session_name",
    "tags",
    "duration",
    "source",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "bearer_token",
];

/// Of these an account has one: two would leave open which is meant.
const WAYS: [&str; 4] = ["profile", "role_arn", "access_key_id", "bearer_token"];

/// What only goes with a role.
const OF_ROLES: [&str; 5] = ["external_id", "session_name", "tags", "duration", "source"];

pub(super) fn read(mut section: Section<'_>) -> Option<BTreeMap<String, Account>> {
    if !section.is_map() {
        return None;
    }
    let mut accounts = BTreeMap::new();
    let mut complete = true;
    for entry in section.node().entries() {
        match read_account(&mut section.entry(entry), &entry.key) {
            Some(account) => drop(accounts.insert(entry.key.clone(), account)),
            None => complete = false,
        }
    }
    // Whether a source is one can only be told when all are known.
    if !complete {
        return None;
    }
    for entry in section.node().entries() {
        if let Err(problem) = follow(&accounts, &entry.key) {
            section.entry(entry).fail("source", problem);
            complete = false;
        }
    }
    complete.then_some(accounts)
}

fn follow(accounts: &BTreeMap<String, Account>, name: &str) -> Result<(), Problem> {
    let source_of = |name: &str| match accounts.get(name) {
        Some(Account::Role(role)) => role.source.as_deref(),
        Some(Account::Profile(_) | Account::Credentials(_) | Account::BearerToken(_)) | None => None,
    };
    let Some(source) = source_of(name) else { return Ok(()) };
    match accounts.get(source) {
        None => return Err(Problem::UnknownAccount(source.to_owned())),
        Some(Account::BearerToken(_)) => return Err(Problem::SourceWithoutCredentials(source.to_owned())),
        Some(Account::Profile(_) | Account::Credentials(_) | Account::Role(_)) => {}
    }
    // Each account of a circle is told of it, those that only lead into one are not.
    let mut next = Some(source);
    for _ in 0..accounts.len() {
        match next {
            Some(next) if next == name => return Err(Problem::CircularSource(source.to_owned())),
            Some(other) => next = source_of(other),
            None => break,
        }
    }
    Ok(())
}

fn read_account(section: &mut Section<'_>, name: &str) -> Option<Account> {
    if !section.is_map() {
        return None;
    }
    section.only(&KEYS, &[]);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_named = name.len() <= 64 && name.bytes().all(allowed);
    if !is_named {
        section.fail_here(scalar::invalid(
            name,
            "a name of up to 64 letters, digits, dots, dashes and underscores",
        ));
    }
    let is_set =
        |section: &Section<'_>, key: &str| section.node().find(key).is_some_and(|node| !node.is_null());
    // Half of a pair of keys is a way too: what is missing is said there.
    let has_keys = ["secret_access_key", "session_token"].iter().any(|key| is_set(section, key));
    let ways: Vec<_> =
        WAYS.into_iter().filter(|way| is_set(section, way) || *way == "access_key_id" && has_keys).collect();
    let way = match *ways {
        [way] => way,
        [] => {
            section.fail_here(Problem::NoCredentialsOfAccount);
            return None;
        }
        [first, second, ..] => {
            section.fail(second, Problem::TwoSources(first));
            return None;
        }
    };
    let mut fits = is_named;
    for key in OF_ROLES {
        if way != "role_arn" && is_set(section, key) {
            section.fail(key, Problem::OnlyWithRole);
            fits = false;
        }
    }
    let account = match way {
        "profile" => section.read("profile", scalar::text).map(Account::Profile),
        "role_arn" => read_role(section).map(Account::Role),
        "bearer_token" => section.read("bearer_token", scalar::secret).map(Account::BearerToken),
        _ => read_credentials(section)?.map(|Sourced { value, origin: _ }| Account::Credentials(value)),
    };
    account.filter(|_| fits)
}

fn read_role(section: &mut Section<'_>) -> Option<Role> {
    let arn = section.read("role_arn", role_arn);
    let external_id = section.optional("external_id", |node| {
        matching(node, 2..=1224, b"_+=,.@:/-", "2 to 1224 letters, digits and _+=,.@:/-").map(Secret::new)
    });
    let session_name = section.optional("session_name", |node| {
        matching(node, 2..=64, b"_+=,.@-", "2 to 64 letters, digits and _+=,.@-")
    });
    let tags = section.optional("tags", tags);
    let duration = section.optional("duration", |node| {
        let duration = scalar::seconds(node)?;
        let range = Duration::from_mins(15)..=Duration::from_hours(12);
        if range.contains(&duration) && duration.subsec_nanos() == 0 {
            Ok(duration)
        } else {
            let found = duration.as_secs_f64().to_string();
            Err(scalar::invalid(&found, "a whole number of seconds from 900 to 43200"))
        }
    });
    let source = section.optional("source", scalar::text);
    Some(Role {
        arn: arn?,
        external_id: external_id?,
        session_name: session_name?,
        tags: tags?.unwrap_or_default(),
        duration: duration?,
        source: source?,
    })
}

/// `arn:aws:iam::123456789012:role/path/name`, in any partition.
fn role_arn(node: &Node) -> Result<String, Problem> {
    let text = scalar::text(node)?;
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let is_role = match *parts {
        ["arn", partition, "iam", "", account, role] => {
            partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && role.strip_prefix("role/").is_some_and(|name| !name.is_empty())
                && role.bytes().all(|byte| byte.is_ascii_graphic())
        }
        _ => false,
    };
    if is_role {
        Ok(text)
    } else {
        Err(scalar::invalid(&text, "the ARN of an IAM role, such as arn:aws:iam::123456789012:role/bedrock"))
    }
}

/// STS's own rules for names and ids: letters, digits and some more.
fn matching(
    node: &Node,
    length: std::ops::RangeInclusive<usize>,
    more: &[u8],
    expected: &'static str,
) -> Result<String, Problem> {
    let text = scalar::text(node)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    if length.contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text)
    } else {
        // Not quoted: an external id is half a secret.
        Err(Problem::WrongType { expected, found: "something else" })
    }
}

fn tags(node: &Node) -> Result<BTreeMap<String, String>, Problem> {
    if !node.is_map() {
        return Err(scalar::wrong_type(node, "a map of tags"));
    }
    node.entries()
        .iter()
        .map(|entry| {
            let value = scalar::text(&entry.node)?;
            if (1..=128).contains(&entry.key.len()) && value.len() <= 256 {
                Ok((entry.key.clone(), value))
            } else {
                Err(scalar::invalid(&entry.key, "a tag: up to 128 characters, its value up to 256"))
            }
        })
        .collect()
}
