//! Accounts: each with one way to its credentials, and sources that lead to some.

use super::*;

const ARN: &str = "arn:aws:iam::123456789012:role/bedrock";

#[test]
fn each_way_to_credentials_is_read() {
    let yaml = format!(
        "
accounts:
  profile: {{profile: work}}
  keys: {{access_key_id: AKIA, secret_access_key: hush, session_token: hush}}
  token: {{bearer_token: hush}}
  plain: {{role_arn: '{ARN}'}}
  chained:
    role_arn: '{ARN}'
    external_id: hush-1
    session_name: gateway@eu
    tags: {{team: search, cost-center: 007}}
    duration: 3600
    source: plain
models:
  a: {{target: amazon.nova-lite-v1:0, account: chained}}
"
    );
    let config = from_yaml(&yaml).unwrap();
    let account = |name: &str| config.accounts[name].clone();
    assert!(matches!(account("profile"), Account::Profile(name) if name == "work"));
    assert!(
        matches!(account("keys"), Account::Credentials(keys) if keys.session_token.as_ref().unwrap().expose() == "hush")
    );
    assert!(matches!(account("token"), Account::BearerToken(token) if token.expose() == "hush"));
    let Account::Role(role) = account("chained") else { panic!("it is a role") };
    assert_eq!(role.external_id.as_ref().unwrap().expose(), "hush-1");
    assert_eq!(role.session_name.as_deref(), Some("gateway@eu"));
    assert_eq!(role.tags["cost-center"], "007");
    assert_eq!((role.duration, role.source.as_deref()), (Some(Duration::from_hours(1)), Some("plain")));
    assert_eq!(config.models.entries["a"].targets[0].account.as_deref(), Some("chained"));
    assert!(!format!("{:?}", config.accounts).contains("hush"));
    let shown = config.to_yaml_redacted();
    assert!(!shown.contains("hush") && !shown.contains("AKIA"), "{shown}");
    assert!(shown.contains("role_arn: ") && shown.contains("profile: work"), "{shown}");
}

#[test]
fn an_account_has_one_way_to_its_credentials() {
    for (account, expected) in [
        ("{}", "2:6: accounts.a: needs one of profile, role_arn, access_key_id"),
        ("work", "2:6: accounts.a: expected a map of keys, found text"),
        ("{profile: x, bearer_token: y}", "2:33: accounts.a.bearer_token: profile is set as well"),
        ("{profile: x, secret_access_key: y}", "2:6: accounts.a.access_key_id: profile is set as well"),
        ("{access_key_id: x}", "2:22: accounts.a.access_key_id: needs accounts.a.secret_access_key as well"),
        ("{session_token: x}", "2:22: accounts.a.session_token: needs accounts.a.secret_access_key as well"),
        ("{profile: x, external_id: yy}", "2:32: accounts.a.external_id: goes with role_arn only"),
        ("{profile: x, regoin: y}", "2:19: accounts.a.regoin: unknown key"),
    ] {
        assert_errors(&format!("accounts:\n  a: {account}\n"), &[expected]);
    }
    assert_errors("accounts:\n  a b: {profile: x}\n", &["2:8: accounts.a b: \"a b\" isn't a name of up to"]);
}

#[test]
fn a_roles_settings_are_those_that_sts_takes() {
    for (key, value, expected) in [
        ("role_arn", "role/x", "\"role/x\" isn't the ARN of an IAM role"),
        ("role_arn", "arn:aws:iam::123:role/x", "\"arn:aws:iam::123:role/x\" isn't the ARN of an IAM role"),
        ("external_id", "x", "expected 2 to 1224 letters"),
        ("external_id", "'a b'", "expected 2 to 1224 letters"),
        ("session_name", "a/b", "expected 2 to 64 letters"),
        ("duration", "899", "\"899\" isn't a whole number of seconds from 900 to 43200"),
        ("duration", "43201", "\"43201\" isn't a whole number of seconds"),
        ("duration", "900.5", "\"900.5\" isn't a whole number of seconds"),
        ("tags", "[a]", "expected a map of tags, found a list"),
        ("tags", "{a: [b]}", "expected text, found a list"),
    ] {
        let others = if key == "role_arn" { String::new() } else { format!("    role_arn: '{ARN}'\n") };
        let found = errors_of(from_yaml(&format!("accounts:\n  a:\n{others}    {key}: {value}\n")));
        let [found] = &found[..] else { panic!("{found:?}") };
        assert!(found.contains(&format!("accounts.a.{key}: {expected}")), "{found}");
    }
    for arn in ["arn:aws-cn:iam::123456789012:role/path/x", "arn:aws-us-gov:iam::123456789012:role/x"] {
        from_yaml(&format!("accounts: {{a: {{role_arn: '{arn}'}}}}")).unwrap();
    }
}

#[test]
fn sources_lead_to_credentials() {
    let role = |name: &str, source: &str| format!("  {name}: {{source: {source}, role_arn: '{ARN}'}}\n");
    assert_errors(
        &format!("accounts:\n{}", role("a", "b")),
        &["2:15: accounts.a.source: there is no account \"b\" in accounts"],
    );
    assert_errors(
        &format!("accounts:\n{}  b: {{bearer_token: x}}\n", role("a", "b")),
        &["2:15: accounts.a.source: the account \"b\" has a bearer_token, which can't assume a role"],
    );
    // `c` only leads into the circle.
    assert_errors(
        &format!("accounts:\n{}{}{}{}", role("a", "b"), role("b", "a"), role("c", "a"), role("d", "d")),
        &[
            "2:15: accounts.a.source: \"b\" needs this account's credentials itself",
            "3:15: accounts.b.source: \"a\" needs this account's credentials itself",
            "5:15: accounts.d.source: \"d\" needs this account's credentials itself",
        ],
    );
}

#[test]
fn a_model_names_an_account_that_there_is() {
    assert_errors(
        "models:\n  a: {target: amazon.nova-lite-v1:0, account: b}\n",
        &["2:47: models.a.account: there is no account \"b\" in accounts"],
    );
    assert_errors(
        "accounts: {c: {profile: x}}\nmodels:\n  a:\n    account: c\n    targets: [amazon.nova-lite-v1:0, {target: amazon.nova-pro-v1:0, account: b}]\n",
        &["5:78: models.a.targets[1].account: there is no account \"b\" in accounts"],
    );
}

#[test]
fn an_arn_of_another_account_needs_a_family_because_only_one_account_is_asked() {
    let hidden = "'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x'";
    let models = |more: &str| {
        format!("accounts: {{b: {{profile: x}}}}\nmodels:\n  a: {{target: {hidden}, account: b{more}}}\n")
    };
    let found = errors_of(from_yaml(&models("")));
    assert!(found[0].contains("models.a.target: the ARN") && found.len() == 1, "{found:?}");
    from_yaml(&models(", family: llama")).unwrap();
}

#[test]
fn an_account_of_the_environment_replaces_the_files_whole() {
    let environment = "{a: {bearer_token: env-hush}}";
    let yaml = format!("accounts: {{a: {{role_arn: '{ARN}'}}, b: {{profile: x}}}}");
    let config = load_with(&yaml, &[("OUTCROP_ACCOUNTS", environment)], Overrides::default()).unwrap();
    assert!(matches!(&config.accounts["a"], Account::BearerToken(token) if token.expose() == "env-hush"));
    assert_eq!(config.accounts.len(), 2);
    let shared = [("AWS_ENDPOINT_URL_STS", "http://sts:1"), ("AWS_CA_BUNDLE", "/ca.pem")];
    let aws = from_env(&shared).unwrap().aws;
    assert_eq!(aws.sts_endpoint_url.unwrap().value, "http://sts:1");
    assert_eq!(aws.ca_bundle.unwrap().to_str(), Some("/ca.pem"));
}
