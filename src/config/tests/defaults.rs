//! The defaults, the example, and the effective configuration that is shown.

use super::*;

#[test]
fn the_defaults_are_as_documented() {
    let config = from_env(&[]).unwrap();
    let seconds = Duration::from_secs;
    let server = &config.server;
    assert_eq!(server.listen, ([127, 0, 0, 1], 8080).into());
    assert_eq!((server.admin, server.body_limit, server.max_connections.get()), (None, 32 << 20, 10_000));
    assert_eq!((server.header_timeout, server.idle_timeout), (seconds(10), seconds(75)));
    assert_eq!((server.body_timeout, server.body_total_timeout), (seconds(10), seconds(60)));
    assert_eq!(server.write_stall_timeout, seconds(30));
    assert_eq!((server.drain_delay, server.grace), (seconds(0), seconds(110)));
    assert_eq!(config.auth, Auth::Open);
    let limits = Limits {
        concurrency: NonZeroU32::new(2000),
        body_bytes: 256 << 20,
        memory_percent: Some(85),
        memory_emergency_percent: Some(95),
        queue_length: 100,
        queue_wait: Duration::from_millis(500),
        per_key: KeyLimits::default(),
        keys: BTreeMap::new(),
    };
    assert_eq!(config.limits, limits);
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
    let store = ThoughtStore { ttl: seconds(3600), max_bytes: 64 << 20 };
    assert_eq!(config.reasoning.store, Some(store));
    let fetch = Fetch {
        enabled: false,
        http: false,
        ports: Vec::new(),
        allow_hosts: Vec::new(),
        max_bytes: 10 << 20,
        max_total_bytes: 32 << 20,
        max_files: 20.try_into().unwrap(),
        timeout: seconds(5),
        max_redirects: 3,
        per_request: 2.try_into().unwrap(),
        concurrent: 16.try_into().unwrap(),
    };
    assert_eq!(config.fetch, fetch);
    assert!(!config.strict);
    assert!(config.models.entries.is_empty());
    let list =
        ModelList { include: vec![Glob::new("*")], exclude: Vec::new(), retired: false, catalogue: true };
    assert_eq!(config.models.list, list);
    let models = &config.models;
    assert_eq!((models.profile, models.warn_legacy), (ProfileRule::Geo, false));
    assert!(models.successors.is_empty());
    assert_eq!(models.live, Live { interval: Some(seconds(3600)), lookup_wait: seconds(2) });
    assert_eq!(models.arn, Arns { regions: None, accounts: None });
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
fn every_key_of_the_defaults_has_a_comment() {
    // Unindented lines open a section, or have their comment above.
    for line in DEFAULT_YAML.lines().filter(|line| line.starts_with(' ')) {
        assert!(line.contains(" # "), "{line}");
    }
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
