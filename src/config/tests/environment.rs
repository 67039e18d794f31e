//! Variables and flags: which layer wins, and what a mistake in one looks like.

use super::*;

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
        "default_model: arn:aws:bedrock:us-east-1:1:imported-model/x\nmodels: {live: {interval: 0}}\n",
        &[
            "1:16: default_model: the ARN arn:aws:bedrock:us-east-1:1:imported-model/x doesn't say which model",
        ],
    );
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
    assert_eq!(config.models.entries["gpt-4o"].targets[0].target, "amazon.x");
    assert!(!config.models.list.shows("gpt-4o"));
    let credentials = config.aws.credentials.unwrap().value;
    assert_eq!(
        (credentials.access_key_id.expose(), credentials.secret_access_key.expose()),
        ("0123", "a: b # c")
    );
}

#[test]
fn a_single_key_wins_over_its_section() {
    let env = [("OUTCROP_TIMEOUT", "{total: 9, idle: 8}"), ("OUTCROP_TIMEOUT__TOTAL", "5")];
    let timeout = from_env(&env).unwrap().timeout;
    assert_eq!((timeout.total, timeout.idle), (Duration::from_secs(5), Duration::from_secs(8)));
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
        found[1].starts_with("--set: retry.max_atempts: unknown key; did you mean max_attempts?"),
        "{found:?}"
    );
    assert!(found[0].starts_with("--listen: server.listen: \"here\" isn't an IP address"), "{found:?}");
}
