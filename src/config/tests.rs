//! The module from outside: text in, configuration or errors out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use super::*;

const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load_with(yaml: &str, env: &[(&str, &str)], overrides: Overrides) -> Result<Config, Errors> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outcrop.yaml");
    std::fs::write(&path, yaml).unwrap();
    load(Sources { file: Some(&path), vars: &vars(env), overrides })
}

fn from_env(env: &[(&str, &str)]) -> Result<Config, Errors> {
    load(Sources { file: None, vars: &vars(env), overrides: Overrides::default() })
}

fn from_yaml(yaml: &str) -> Result<Config, Errors> {
    load_with(yaml, &[], Overrides::default())
}

/// The errors as `line:column: path: problem`, or with the variable's or flag's name for the position.
fn errors_of(result: Result<Config, Errors>) -> Vec<String> {
    let Errors(errors) = result.expect_err("this configuration is wrong");
    errors
        .iter()
        .map(|error| {
            let text = error.to_string();
            match &error.place.origin {
                Origin::File(name) => text.strip_prefix(&format!("{name}:")).unwrap_or(&text).to_owned(),
                Origin::Default | Origin::Env(_) | Origin::Flag(_) => text,
            }
        })
        .collect()
}

#[track_caller]
fn assert_errors(yaml: &str, expected: &[&str]) {
    let found = errors_of(from_yaml(yaml));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "found:    {found}\nexpected: {expected}");
    }
}

#[test]
fn the_defaults_are_as_documented() {
    let config = from_env(&[]).unwrap();
    let seconds = Duration::from_secs;
    let server = &config.server;
    assert_eq!(server.listen, ([127, 0, 0, 1], 8080).into());
    assert_eq!((server.admin, server.body_limit, server.max_connections.get()), (None, 32 << 20, 10_000));
    assert_eq!((server.header_timeout, server.idle_timeout), (seconds(10), seconds(75)));
    assert_eq!((server.body_timeout, server.write_stall_timeout), (seconds(60), seconds(30)));
    assert_eq!((server.drain_delay, server.grace), (seconds(0), seconds(110)));
    assert_eq!(config.auth, Auth::Open);
    assert_eq!(config.aws.region, Sourced { value: "us-east-1".to_owned(), origin: Origin::Default });
    assert!(
        config.aws.profile.is_none() && config.aws.credentials.is_none() && config.aws.bearer_token.is_none()
    );
    assert!(config.aws.endpoint_url.is_none() && config.aws.control_endpoint_url.is_none());
    assert_eq!((config.aws.use_fips, config.aws.use_dual_stack), (None, None));
    assert_eq!(config.default_model.value, "anthropic.claude-3-sonnet-20240229-v1:0");
    assert_eq!(config.default_model.origin, Origin::Default);
    let timeout = Timeout {
        total: seconds(600),
        first_event: seconds(120),
        idle: seconds(60),
        connect: Duration::from_millis(3100),
    };
    assert_eq!(config.timeout, timeout);
    let retry = &config.retry;
    assert_eq!((retry.max_attempts.get(), retry.base_delay), (3, Duration::from_millis(100)));
    assert_eq!((retry.max_delay, retry.max_retry_after), (seconds(5), seconds(20)));
    assert_eq!(config.stream.keep_alive, Some(seconds(15)));
    assert!(!config.strict);
    assert!(config.models.entries.is_empty());
    let list =
        ModelList { include: vec![Glob::new("*")], exclude: Vec::new(), retired: false, catalogue: true };
    assert_eq!(config.models.list, list);
    assert_eq!(config.log, Log { format: LogFormat::Auto, level: "info".to_owned() });
}

/// A list in a list is wrong everywhere. If a key of default.yaml took one, nobody would be reading that key.
#[test]
fn every_key_of_the_defaults_is_read() {
    fn leaves(node: &Node, path: &str, out: &mut Vec<String>) {
        if !node.is_map() {
            out.push(path.to_owned());
        }
        for entry in node.entries() {
            leaves(&entry.node, &section::join(path, &entry.key), out);
        }
    }
    let mut paths = Vec::new();
    leaves(&Node::parse(DEFAULT_YAML, &Origin::Default).unwrap(), "", &mut paths);
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        let mut overrides = Overrides::default();
        overrides.set_yaml("--set", &path, "[[]]").unwrap();
        let Errors(errors) = load(Sources { file: None, vars: &vars(&[]), overrides })
            .expect_err(&format!("{path} isn't read by any section"));
        assert!(errors.iter().all(|error| error.path.starts_with(&path)), "{errors:?}");
    }
}

#[test]
fn every_line_of_the_defaults_has_a_comment() {
    let mut commented = false;
    for line in DEFAULT_YAML.lines().filter(|line| line.contains(':') && !line.starts_with('#')) {
        commented |= line.contains(" # ");
        assert!(line.contains(" # ") || !line.starts_with(' '), "{line}");
    }
    assert!(commented);
}

#[test]
fn the_example_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/example.yaml");
    let config =
        load(Sources { file: Some(&path), vars: &vars(&[]), overrides: Overrides::default() }).unwrap();
    assert!(matches!(&config.auth, Auth::Keys(keys) if keys.len() == 2));
    assert!(config.models.entries.len() > 3);
    assert_ne!(config.default_model.origin, Origin::Default);
}

#[test]
fn json_is_read_as_well() {
    let config =
        from_yaml("{\n\t\"server\": {\"listen\": \"127.0.0.1:9\"},\n\t\"strict\": true\n}\n").unwrap();
    assert_eq!(config.server.listen.port(), 9);
    assert!(config.strict);
    let Errors(errors) = from_yaml("{\n\t\"strict\": 1\n}").unwrap_err();
    assert_eq!((errors[0].place.line, errors[0].place.column), (2, 12));
}

#[test]
fn empty_files_and_empty_sections_leave_the_defaults() {
    for yaml in ["", "# nothing\n", "---\n", "server:\naws:\n  region:\n", "{}", "null"] {
        let config = from_yaml(yaml).unwrap();
        assert_eq!(config.aws.region.value, "us-east-1", "{yaml:?}");
    }
}

#[test]
fn all_mistakes_are_reported_together_with_their_places() {
    let yaml = "\
server:
  lsiten: 127.0.0.1:1
  body_limit: 32XB
  admin: 7
auth:
  keys:
    - id: a
      key: sk-plain
aws:
  region: Mars!
strict: yes
models:
  gpt-4o: {}
";
    assert_errors(
        yaml,
        &[
            "2:3: server.lsiten: unknown key; did you mean listen?",
            "4:10: server.admin: \"7\" isn't an IP address with a port",
            "3:15: server.body_limit: \"32XB\" isn't a number of bytes",
            "8:7: auth.keys[0].key: unknown key: write the key's digest as `sha256`; `outcrop keys new`",
            "7:7: auth.keys[0].sha256: must not be empty",
            "10:11: aws.region: \"Mars!\" isn't an AWS Region",
            "13:11: models.gpt-4o: an alias needs a target",
            "11:9: strict: expected true or false, found text",
        ],
    );
}

#[test]
fn a_syntax_error_is_reported_alone_with_its_place() {
    assert_errors("server:\n  listen: [1\nstrict: 5\n", &["3:"]);
    assert_errors("strict: true\nstrict: false\n", &["2:1: "]);
    let found = errors_of(from_yaml("a: *missing\n"));
    assert!(!found[0].contains("at line"), "the place is said once: {}", found[0]);
}

#[test]
fn an_unreadable_file_is_named() {
    let missing = Path::new("/nonexistent/outcrop.yaml");
    let Errors(errors) =
        load(Sources { file: Some(missing), vars: &vars(&[]), overrides: Overrides::default() }).unwrap_err();
    assert!(errors[0].to_string().starts_with("/nonexistent/outcrop.yaml: can't be read: "));
}

#[test]
fn sections_must_be_maps() {
    assert_errors("server: 5\n", &["1:9: server: expected a map of keys, found a number"]);
    assert_errors("models:\n  - a\n", &["2:3: models: expected a map of keys, found a list"]);
    assert_errors("auth: {keys: [a]}\n", &["1:15: auth.keys[0]: expected a map of keys, found text"]);
}

#[test]
fn server_rules() {
    assert_errors("server:\n  header_timeout: 0\n", &["2:19: server.header_timeout: must be more than 0"]);
    assert_errors(
        "server:\n  listen: 127.0.0.1:1\n  admin: 127.0.0.1:1\n",
        &["3:10: server.admin: the same address as server.listen"],
    );
    assert!(from_yaml("server: {listen: '127.0.0.1:0', admin: '127.0.0.1:0'}").is_ok());
}

#[test]
fn without_keys_only_loopback_may_listen() {
    assert_errors(
        "server:\n  listen: 0.0.0.0:80\n",
        &[
            "2:11: server.listen: 0.0.0.0:80 can be reached from other machines, and no key is configured: set OUTCROP_API_KEY",
        ],
    );
    assert_eq!(
        errors_of(from_env(&[("OUTCROP_LISTEN", "[::]:80")]))[0].split(':').next(),
        Some("OUTCROP_LISTEN")
    );
    for open in ["127.8.8.8:1", "'[::1]:1'", "'[::ffff:127.0.0.1]:1'"] {
        assert_eq!(from_yaml(&format!("server: {{listen: {open}}}")).unwrap().auth, Auth::Open, "{open}");
    }
    let config = from_yaml("server: {listen: '0.0.0.0:1'}\nauth: {mode: none}").unwrap();
    assert_eq!(config.auth, Auth::Open);
    let config =
        from_yaml(&format!("server: {{listen: '0.0.0.0:1'}}\nauth: {{keys: [{{id: a, sha256: {HEX}}}]}}"));
    assert!(matches!(config.unwrap().auth, Auth::Keys(_)));
}

#[test]
fn modes_and_keys_must_agree() {
    assert_errors("auth:\n  mode: keys\n", &["2:9: auth.mode: needs at least one key"]);
    assert_errors("auth:\n  mode: open\n", &["2:9: auth.mode: \"open\" isn't one of auto, keys, none"]);
    let unused = format!("auth:\n  mode: none\n  keys: [{{id: a, sha256: {HEX}}}]\n");
    assert_errors(&unused, &["2:9: auth.mode: would leave the configured keys unchecked"]);
}

#[test]
fn keys_are_digests_with_ids_of_their_own() {
    let other = HEX.replace('9', "8");
    let twice = format!("auth:\n  keys:\n  - {{id: a, sha256: {HEX}}}\n  - {{id: a, sha256: {other}}}\n");
    assert_errors(&twice, &["4:5: auth.keys[1]: a second key with the id \"a\""]);
    let same = format!("auth:\n  keys:\n  - {{id: a, sha256: {HEX}}}\n  - {{id: b, sha256: {HEX}}}\n");
    assert_errors(&same, &["4:5: auth.keys[1]: the same key as \"a\""]);
    assert_errors(
        "auth:\n  keys:\n  - {id: a b, sha256: sk-x}\n",
        &[
            "3:10: auth.keys[0].id: \"a b\" isn't up to 64 letters",
            "3:23: auth.keys[0].sha256: isn't a SHA-256 digest",
        ],
    );
    let Auth::Keys(keys) = from_yaml(&format!("auth: {{keys: [{{id: 007, sha256: {HEX}}}]}}")).unwrap().auth
    else {
        panic!("one key is configured")
    };
    assert_eq!((keys[0].id.as_str(), keys[0].sha256[0], keys[0].sha256[31]), ("007", 0x9f, 0x08));
}

#[test]
fn the_key_of_the_environment_is_digested_and_called_env() {
    let Auth::Keys(keys) = from_env(&[("OUTCROP_API_KEY", "test")]).unwrap().auth else {
        panic!("a key is given")
    };
    // printf test | sha256sum
    let expected = from_yaml(&format!("auth: {{keys: [{{id: env, sha256: {HEX}}}]}}")).unwrap().auth;
    assert_eq!(Auth::Keys(keys), expected);
}

#[test]
fn the_key_may_come_from_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "test").unwrap();
    let path = file.path().to_str().unwrap();
    let from_file = from_env(&[("OUTCROP_API_KEY_FILE", path)]).unwrap().auth;
    assert_eq!(from_file, from_env(&[("OUTCROP_API_KEY", "test")]).unwrap().auth);

    let both = errors_of(from_env(&[("OUTCROP_API_KEY_FILE", path), ("OUTCROP_API_KEY", "x")]));
    assert_eq!(both, ["OUTCROP_API_KEY_FILE: OUTCROP_API_KEY is set as well: keep one of the two"]);
    let missing = errors_of(from_env(&[("OUTCROP_API_KEY_FILE", "/nonexistent/key")]));
    assert!(missing[0].starts_with("OUTCROP_API_KEY_FILE: can't be read: /nonexistent/key: "), "{missing:?}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = errors_of(from_env(&[("OUTCROP_API_KEY_FILE", empty.path().to_str().unwrap())]));
    assert_eq!(empty, ["OUTCROP_API_KEY_FILE: must not be empty"]);
}

#[test]
fn a_key_of_the_file_called_env_collides_with_the_environments() {
    let yaml = format!("auth:\n  keys: [{{id: env, sha256: {}}}]\n", HEX.replace('9', "8"));
    let found = errors_of(load_with(&yaml, &[("OUTCROP_API_KEY", "test")], Overrides::default()));
    assert!(
        found[0].starts_with("OUTCROP_API_KEY: auth.keys[1]: a second key with the id \"env\""),
        "{found:?}"
    );
}

#[test]
fn credentials_are_whole_or_absent() {
    assert_errors("aws:\n  access_key_id: AKIA\n", &["2:18: aws.access_key_id: needs aws.secret_access_key"]);
    assert_errors(
        "aws:\n  secret_access_key: x\n",
        &["2:22: aws.secret_access_key: needs aws.access_key_id"],
    );
    assert_errors("aws:\n  session_token: x\n", &["2:18: aws.session_token: needs aws.secret_access_key"]);
    let config = from_yaml("aws: {access_key_id: AKIA, secret_access_key: hush}").unwrap();
    assert_eq!(config.aws.credentials.as_ref().unwrap().value.secret_access_key.expose(), "hush");
    assert!(!format!("{:?}", config.aws).contains("hush"));
}

#[test]
fn the_regions_source_is_remembered() {
    let region = |yaml, env: &[_]| {
        let region = load_with(yaml, env, Overrides::default()).unwrap().aws.region;
        let origin = region.origin.to_string();
        (region.value, origin.rsplit('/').next().unwrap().to_owned())
    };
    let is = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(region("", &[("AWS_DEFAULT_REGION", "a")]), is("a", "AWS_DEFAULT_REGION"));
    assert_eq!(region("", &[("AWS_DEFAULT_REGION", "a"), ("AWS_REGION", "b")]), is("b", "AWS_REGION"));
    assert_eq!(region("aws: {region: c}", &[("AWS_REGION", "b")]), is("c", "outcrop.yaml"));
    let own = ("OUTCROP_AWS__REGION", "d");
    assert_eq!(region("aws: {region: c}", &[("AWS_REGION", "b"), own]), is("d", "OUTCROP_AWS__REGION"));
    assert_eq!(region("", &[("AWS_REGION", "")]), is("us-east-1", "default"));
}

#[test]
fn endpoints_follow_the_sdks_variables() {
    let urls = |env: &[_]| {
        let aws = from_env(env).unwrap().aws;
        (aws.endpoint_url.map(|url| url.value), aws.control_endpoint_url.map(|url| url.value))
    };
    let some = |url: &str| Some(url.to_owned());
    let all = ("AWS_ENDPOINT_URL", "http://all");
    assert_eq!(urls(&[all]), (some("http://all"), some("http://all")));
    assert_eq!(
        urls(&[all, ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://r")]),
        (some("http://r"), some("http://all"))
    );
    assert_eq!(
        urls(&[all, ("AWS_ENDPOINT_URL_BEDROCK", "http://c")]),
        (some("http://all"), some("http://c"))
    );
    assert_eq!(urls(&[all, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]), (None, None));
    let found = errors_of(from_env(&[("AWS_ENDPOINT_URL", "localhost:1")]));
    assert!(
        found[0].starts_with("AWS_ENDPOINT_URL: aws.endpoint_url: \"localhost:1\" isn't a URL"),
        "{found:?}"
    );
}

#[test]
fn variables_that_crash_the_sdk_are_refused() {
    let found = errors_of(from_env(&[("AWS_MAX_ATTEMPTS", "0"), ("AWS_RETRY_MODE", "legacy")]));
    assert_eq!(
        found,
        [
            "AWS_MAX_ATTEMPTS: \"0\" isn't a whole number above 0: the AWS SDK would crash on it",
            "AWS_RETRY_MODE: \"legacy\" isn't standard or adaptive: the AWS SDK would crash on it",
        ]
    );
    assert!(from_env(&[("AWS_MAX_ATTEMPTS", "")]).is_err());
    assert!(from_env(&[("AWS_MAX_ATTEMPTS", "5"), ("AWS_RETRY_MODE", "Adaptive")]).is_ok());
}

#[test]
fn the_default_model_has_an_older_name() {
    let model = |yaml, env: &[_]| load_with(yaml, env, Overrides::default()).unwrap().default_model.value;
    let old = ("VALERIE_BEDROCK_MODEL", "amazon.old");
    let new = ("OUTCROP_DEFAULT_MODEL", "amazon.new-v1:0");
    assert_eq!(model("", &[old]), "amazon.old");
    assert_eq!(model("", &[old, new]), "amazon.new-v1:0");
    assert_eq!(model("default_model: amazon.file", &[old]), "amazon.file");
    assert_eq!(model("default_model: amazon.file", &[new]), "amazon.new-v1:0");
    assert_eq!(model("default_model: fast\nmodels: {fast: amazon.x}", &[]), "fast");
    assert_errors("default_model: a..b\n", &["1:16: default_model: \"a..b\" isn't a model id or ARN"]);
    assert_errors(
        "default_model: arn:aws:bedrock:us-east-1:1:imported-model/x\n",
        &[
            "1:16: default_model: the ARN arn:aws:bedrock:us-east-1:1:imported-model/x doesn't say which model",
        ],
    );
}

#[test]
fn a_single_timeout_is_the_total() {
    let timeout = from_yaml("timeout: 120").unwrap().timeout;
    assert_eq!((timeout.total, timeout.idle), (Duration::from_secs(120), Duration::from_secs(60)));
    assert_eq!(from_env(&[("OUTCROP_TIMEOUT", "7.5")]).unwrap().timeout.total, Duration::from_millis(7500));
    assert_errors("timeout: -1\n", &["1:10: timeout.total: \"-1\" isn't a number of seconds"]);
    assert_errors(
        "timeout: {idle: soon}\n",
        &["1:17: timeout.idle: expected a number of seconds, found text"],
    );
}

#[test]
fn retries_and_keep_alive() {
    assert_errors("retry:\n  max_attempts: 0\n", &["2:17: retry.max_attempts: must be more than 0"]);
    assert_errors(
        "retry:\n  max_attempts: 1.5\n",
        &["2:17: retry.max_attempts: \"1.5\" isn't a whole number"],
    );
    assert_errors(
        "retry:\n  base_delay: 9\n  max_delay: 8\n",
        &["3:14: retry.max_delay: less than retry.base_delay"],
    );
    assert_eq!(from_yaml("stream: {keep_alive: 0}").unwrap().stream.keep_alive, None);
}

#[test]
fn models_take_short_and_long_forms() {
    let yaml = "
models:
  gpt-4o: us.anthropic.claude-x-v1:0
  on: amazon.nova-lite-v1:0
  gpt-3.5-turbo: {target: amazon.nova-micro-v1:0, region: eu-west-1, format: converse, strict: true, max_tokens: 9}
  meta.llama3-8b-instruct-v1:0: {format: native}
  house: {target: 'arn:aws:bedrock:us-east-1:123456789012:imported-model/abc', family: llama}
";
    let models = from_yaml(yaml).unwrap().models.entries;
    assert_eq!(models["gpt-4o"].target, "us.anthropic.claude-x-v1:0");
    assert_eq!(models["on"].target, "amazon.nova-lite-v1:0");
    let turbo = &models["gpt-3.5-turbo"];
    assert_eq!((turbo.region.as_deref(), turbo.format), (Some("eu-west-1"), Some(ModelFormat::Converse)));
    assert_eq!((turbo.strict, turbo.max_tokens.map(std::num::NonZeroU32::get)), (Some(true), Some(9)));
    let itself = &models["meta.llama3-8b-instruct-v1:0"];
    assert_eq!(
        (itself.target.as_str(), itself.format),
        ("meta.llama3-8b-instruct-v1:0", Some(ModelFormat::Native))
    );
    assert_eq!(models["house"].family.as_deref(), Some("llama"));
}

#[test]
fn mistakes_in_models() {
    assert_errors(
        "\
models:
  a: {target: amazon.x, regoin: x}
  b: a
  c: arn:aws:bedrock:us-east-1:1:application-inference-profile/x
  d: {target: 'arn:aws:bedrock:us-east-1:1:provisioned-model/x'}
  e: {target: amazon.x y}
  f: {target: amazon.x, format: xml, max_tokens: 0, family: La Ma}
  g: [amazon.x]
  arn:aws:bedrock:us-east-1:1:custom-model/x: {}
  list: {retird: true}
",
        &[
            "10:10: models.list.retird: unknown key; did you mean retired?",
            "2:25: models.a.regoin: unknown key; did you mean region?",
            "3:6: models.b.target: \"a\" is another alias",
            "4:6: models.c.target: the ARN arn:aws:bedrock:us-east-1:1:application-inference-profile/x doesn't say",
            "5:15: models.d.target: the ARN arn:aws:bedrock:us-east-1:1:provisioned-model/x doesn't say",
            "6:15: models.e.target: \"amazon.x y\" isn't a model id or ARN",
            "7:61: models.f.family: \"La Ma\" isn't the name of a family",
            "7:33: models.f.format: \"xml\" isn't one of native, converse",
            "7:50: models.f.max_tokens: must be more than 0",
            "8:6: models.g: expected a map of keys, found a list",
            "9:47: models.arn:aws:bedrock:us-east-1:1:custom-model/x.target: the ARN",
        ],
    );
}

#[test]
fn the_list_of_models_filters() {
    let list =
        from_yaml("models: {list: {include: ['us.*', gpt-4o], exclude: ['*nova*']}}").unwrap().models.list;
    assert!(list.shows("us.anthropic.x") && list.shows("gpt-4o"));
    assert!(!list.shows("us.amazon.nova-lite") && !list.shows("eu.anthropic.x"));
}

#[test]
fn log_filters_are_checked() {
    assert_errors("log:\n  level: outcrop=loud\n", &["2:10: log.level: \"outcrop=loud\" isn't a filter"]);
    let both = load_with(
        "log: {level: warn}",
        &[("RUST_LOG", "trace"), ("OUTCROP_LOG__LEVEL", "debug")],
        Overrides::default(),
    );
    assert_eq!(both.unwrap().log.level, "trace");
}

#[test]
fn the_listen_address_has_four_sources() {
    let listen = |env: &[_]| {
        let open = [("OUTCROP_AUTH__MODE", "none")];
        from_env(&[env, &open].concat()).unwrap().server.listen.to_string()
    };
    assert_eq!(listen(&[("PORT", "9")]), "127.0.0.1:9");
    assert_eq!(listen(&[("HOST", "0.0.0.0")]), "0.0.0.0:8080");
    assert_eq!(listen(&[("HOST", "::"), ("PORT", "9")]), "[::]:9");
    assert_eq!(listen(&[("PORT", "9"), ("OUTCROP_LISTEN", "127.0.0.1:10")]), "127.0.0.1:10");
    let both = [("OUTCROP_LISTEN", "127.0.0.1:10"), ("OUTCROP_SERVER__LISTEN", "127.0.0.1:11")];
    assert_eq!(listen(&both), "127.0.0.1:11");
    let found = errors_of(from_env(&[("PORT", "http")]));
    assert!(found[0].starts_with("PORT: server.listen: \"127.0.0.1:http\" isn't an IP address"), "{found:?}");
}

#[test]
fn every_key_has_a_variable() {
    let config = from_env(&[
        ("OUTCROP_SERVER__BODY_LIMIT", "1MiB"),
        ("OUTCROP_ADMIN_LISTEN", "127.0.0.1:1"),
        ("OUTCROP_STRICT", "true"),
        ("OUTCROP_MODELS", "{gpt-4o: amazon.x}"),
        ("OUTCROP_MODELS__LIST__EXCLUDE", "['*']"),
        ("OUTCROP_AWS__ACCESS_KEY_ID", "0123"),
        ("OUTCROP_AWS__SECRET_ACCESS_KEY", "a: b # c"),
    ])
    .unwrap();
    assert_eq!((config.server.body_limit, config.strict), (1 << 20, true));
    assert!(config.server.admin.is_some());
    assert_eq!(config.models.entries["gpt-4o"].target, "amazon.x");
    assert!(!config.models.list.shows("gpt-4o"));
    let credentials = config.aws.credentials.unwrap().value;
    assert_eq!(
        (credentials.access_key_id.expose(), credentials.secret_access_key.expose()),
        ("0123", "a: b # c")
    );
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    let found = errors_of(from_env(&[
        ("OUTCROP_SERVER__BODY_LIMIT", "big"),
        ("OUTCROP_STRICT", "[1"),
        ("OUTCROP_SERVER__LISTEM", "x"),
        ("OUTCROP_COMPLETELY_ELSE", "x"),
        ("OUTCROP_LOG__LEVEL", "\u{FFFD}"),
    ]));
    let starts = [
        "OUTCROP_STRICT: strict: ",
        "OUTCROP_LOG__LEVEL: log.level: the value isn't UTF-8",
        "OUTCROP_COMPLETELY_ELSE: unknown variable",
        "OUTCROP_SERVER__LISTEM: unknown variable; did you mean OUTCROP_SERVER__LISTEN?",
        "OUTCROP_SERVER__BODY_LIMIT: server.body_limit: \"big\" isn't a number of bytes",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for start in starts {
        assert!(found.iter().any(|error| error.starts_with(start)), "{start}\n{found:#?}");
    }
}

#[test]
fn the_variables_that_kubernetes_sets_for_a_service_are_left_alone() {
    let links = [
        ("OUTCROP_SERVICE_HOST", "10.0.0.1"),
        ("OUTCROP_SERVICE_PORT", "8080"),
        ("OUTCROP_SERVICE_PORT_HTTP", "8080"),
        ("OUTCROP_PORT", "tcp://10.0.0.1:8080"),
        ("OUTCROP_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("OUTCROP_PORT_8080_TCP_PROTO", "tcp"),
        ("OUTCROP_PORT_8080_TCP_PORT", "8080"),
        ("OUTCROP_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("OUTCROP_ADMIN_PORT_9090_TCP_ADDR", "10.0.0.2"),
    ];
    assert!(from_env(&links).is_ok());
    assert_eq!(errors_of(from_env(&[("OUTCROP_PORT", "8080")])).len(), 1);
}

#[test]
fn flags_win_over_everything() {
    let mut overrides = Overrides::default();
    overrides.set("--region", "aws.region", "flag");
    overrides.set_yaml("--strict", "strict", "true").unwrap();
    let config = load_with("aws: {region: file}", &[("OUTCROP_AWS__REGION", "env")], overrides).unwrap();
    assert_eq!(
        config.aws.region,
        Sourced { value: "flag".to_owned(), origin: Origin::Flag("--region".into()) }
    );
    assert!(config.strict);

    let mut overrides = Overrides::default();
    overrides.set("--listen", "server.listen", "here");
    overrides.set_yaml("--set", "retry.max_atempts", "1").unwrap();
    let found = errors_of(load_with("", &[], overrides));
    assert!(
        found[0].starts_with("--set: retry.max_atempts: unknown key; did you mean max_attempts?"),
        "{found:?}"
    );
    assert!(found[1].starts_with("--listen: server.listen: \"here\" isn't an IP address"), "{found:?}");
}

#[test]
fn the_effective_configuration_is_complete_and_keeps_secrets() {
    let yaml = format!(
        "aws: {{access_key_id: AKIAHUSH, secret_access_key: hush, session_token: hush, region: eu-west-1}}
auth: {{keys: [{{id: ci, sha256: {HEX}}}]}}
models: {{gpt-4o: amazon.x}}
"
    );
    let env = [("AWS_BEARER_TOKEN_BEDROCK", "hush"), ("OUTCROP_API_KEY", "hush")];
    let shown = load_with(&yaml, &env, Overrides::default()).unwrap().to_yaml_redacted();
    for secret in ["hush", "HUSH", &HEX[..8]] {
        assert!(!shown.contains(secret), "{shown}");
    }
    for part in ["ci", "env", "eu-west-1", "gpt-4o: amazon.x", "32MiB", "keep_alive: 15", "connect: 3.1"] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn what_is_shown_by_default_loads_to_the_same() {
    let config = from_env(&[]).unwrap();
    let again = from_yaml(&config.to_yaml_redacted()).unwrap();
    assert_eq!(again.to_yaml_redacted(), config.to_yaml_redacted());
    assert_eq!(again.timeout, config.timeout);
}
