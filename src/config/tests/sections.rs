//! The rules of each section: what is accepted, and every mistake with its line and column.

use super::*;

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
fn thoughts_are_kept_for_a_while_within_bounds_or_not_at_all() {
    assert_eq!(from_yaml("reasoning: {store: {ttl: 0}}").unwrap().reasoning.store, None);
    assert_errors(
        "reasoning:\n  store:\n    max_bytes: 0\n",
        &["3:16: reasoning.store.max_bytes: must be more than 0"],
    );
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
fn a_keys_models_are_all_or_those_it_lists_and_never_none() {
    let yaml = |models: &str| format!("auth:\n  keys:\n  - {{id: a, sha256: {HEX}{models}}}\n");
    let models = |models: &str| {
        let Auth::Keys(keys) = from_yaml(&yaml(models)).unwrap().auth else {
            panic!("one key is configured")
        };
        keys[0].models.clone()
    };
    assert_eq!(models(""), None);
    assert_eq!(models(", models: [fast, 'us.*']"), Some(vec![Glob::new("fast"), Glob::new("us.*")]));
    // A list whose lines are all commented out must not come to mean all.
    for (none, column) in [("[]", 95), ("null", 95), ("", 93)] {
        let expected = format!("3:{column}: auth.keys[0].models: would leave the key no model");
        assert_errors(&yaml(&format!(", models: {none}")), &[&expected]);
    }
    assert_errors(&yaml(", models: fast"), &["3:95: auth.keys[0].models: expected a list, found text"]);
    assert_errors(
        &yaml(", models: [fast, '', {}]"),
        &["3:102: auth.keys[0].models[1]: must not be empty", "3:106: auth.keys[0].models[2]: expected text"],
    );
    assert_errors(&yaml(", model: [fast]"), &["3:87: auth.keys[0].model: unknown key; did you mean models?"]);
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
fn a_single_timeout_is_the_total() {
    let timeout = from_yaml("timeout: 120").unwrap().timeout;
    assert_eq!((timeout.total, timeout.idle), (Duration::from_mins(2), Duration::from_mins(1)));
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
    assert_eq!(models["gpt-4o"].targets[0].target, "us.anthropic.claude-x-v1:0");
    assert_eq!(models["on"].targets[0].target, "amazon.nova-lite-v1:0");
    let turbo = &models["gpt-3.5-turbo"];
    assert_eq!(
        (turbo.targets[0].region.as_deref(), turbo.targets[0].format),
        (Some("eu-west-1"), Some(ModelFormat::Converse))
    );
    assert_eq!((turbo.strict, turbo.targets[0].max_tokens.map(NonZeroU32::get)), (Some(true), Some(9)));
    let itself = &models["meta.llama3-8b-instruct-v1:0"];
    assert_eq!(
        (itself.targets[0].target.as_str(), itself.targets[0].format),
        ("meta.llama3-8b-instruct-v1:0", Some(ModelFormat::Native))
    );
    assert_eq!(models["house"].targets[0].family.as_deref(), Some("llama"));
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
  live: {interval: 0}
  h: {target: amazon.x, profile: mars, capabilities: {tools: 1, sampling: some, smell: true}}
  i: {target: amazon.x, capabilities: true}
  successors: {old: amazon.y, amazon.x: [amazon.y]}
  arn: {regions: [Mars], accounts: [1]}
",
        &[
            "2:25: models.a.regoin: unknown key; did you mean region?",
            "3:6: models.b.target: \"a\" is another alias",
            "4:6: models.c.target: the ARN arn:aws:bedrock:us-east-1:1:application-inference-profile/x doesn't say",
            "5:15: models.d.target: the ARN arn:aws:bedrock:us-east-1:1:provisioned-model/x doesn't say",
            "6:15: models.e.target: \"amazon.x y\" isn't a model id or ARN",
            "7:33: models.f.format: \"xml\" isn't one of native, converse",
            "7:50: models.f.max_tokens: must be more than 0",
            "7:61: models.f.family: \"La Ma\" isn't the name of a family",
            "8:6: models.g: expected a model id or a map of keys, found a list",
            "9:47: models.arn:aws:bedrock:us-east-1:1:custom-model/x.target: the ARN",
            "10:10: models.list.retird: unknown key; did you mean retired?",
            "12:34: models.h.profile: \"mars\" isn't one of geo, global, off",
            "12:62: models.h.capabilities.tools: expected true or false",
            "12:75: models.h.capabilities.sampling: \"some\" isn't one of both, either, refused",
            "12:81: models.h.capabilities.smell: unknown key",
            "13:39: models.i.capabilities: expected a map of keys",
            "14:21: models.successors.old: \"old\" isn't a model's id",
            "14:41: models.successors.amazon.x: expected",
            "15:18: models.arn.regions: \"Mars\"",
            "15:36: models.arn.accounts: \"1\" isn't an AWS account",
        ],
    );
}

#[test]
fn how_names_become_calls() {
    let models = from_yaml(
        "
models:
  profile: global
  warn_legacy: true
  successors: {amazon.old: fast}
  live: {interval: 60, lookup_wait: 0.5}
  arn: {regions: [eu-west-1], accounts: ['111122223333', 444455556666]}
  fast: {target: amazon.new, profile: off, successor: amazon.newer, capabilities: {tools: false, sampling: either, max_output_tokens: 9}}
  arn:aws:bedrock:us-east-1:1:application-inference-profile/x: {}
",
    )
    .unwrap()
    .models;
    assert_eq!((models.profile, models.warn_legacy), (ProfileRule::Global, true));
    assert_eq!(models.successors["amazon.old"], "fast");
    let live = Live { interval: Some(Duration::from_mins(1)), lookup_wait: Duration::from_millis(500) };
    assert_eq!(models.live, live);
    assert_eq!(models.arn.regions, Some(vec!["eu-west-1".to_owned()]));
    assert_eq!(models.arn.accounts.map(|accounts| accounts.len()), Some(2));
    let fast = &models.entries["fast"];
    assert_eq!(
        (fast.targets[0].profile, fast.successor.as_deref()),
        (Some(ProfileRule::Off), Some("amazon.newer"))
    );
    let capabilities = Capabilities {
        tools: Some(false),
        sampling: Some(SamplingRule::Either),
        max_output_tokens: NonZeroU32::new(9),
        ..Capabilities::default()
    };
    assert_eq!(fast.targets[0].capabilities, capabilities);
    assert_eq!(models.entries.len(), 2, "Bedrock is asked what is behind an ARN");
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
fn hosts_to_fetch_from_are_names_or_domains() {
    let yaml = "fetch: {allow_hosts: [a.example, '*.Example.org', 8.8.8.8, '2606:4700::1'], ports: [8443]}";
    let fetch = from_yaml(yaml).unwrap().fetch;
    assert_eq!(fetch.allow_hosts, ["a.example", "*.Example.org", "8.8.8.8", "2606:4700::1"]);
    assert_eq!(fetch.ports, [8443]);
    for wrong in [
        "'*'",
        "https://a.example",
        "a.example/",
        "a.example:443",
        "'*a.example'",
        "a.*",
        "bücher.example",
        "a.",
    ] {
        let found = errors_of(from_yaml(&format!("fetch:\n  allow_hosts: [{wrong}]\n")));
        assert!(found[0].starts_with("2:17: fetch.allow_hosts[0]: "), "{found:?}");
    }
    assert_errors(
        "fetch:\n  max_bytes: 2MiB\n  max_total_bytes: 1MiB\n  ports: [0]\n",
        &[
            "3:20: fetch.max_total_bytes: less than fetch.max_bytes",
            "4:11: fetch.ports[0]: \"0\" isn't a port",
        ],
    );
}

#[test]
fn limits_of_a_key_are_those_of_every_key_unless_it_has_its_own() {
    let keys = format!("auth: {{keys: [{{id: ci, sha256: {HEX}}}]}}\n");
    let yaml = format!(
        "{keys}limits:
  concurrency: 0
  per_key: {{concurrency: 5, tokens_per_minute: 1000}}
  keys: {{ci: {{concurrency: 0, requests_per_minute: 60}}}}
"
    );
    let limits = from_yaml(&yaml).unwrap().limits;
    assert_eq!(limits.concurrency, None);
    let count = NonZeroU32::new;
    let own = KeyLimits { concurrency: None, requests_per_minute: count(60), tokens_per_minute: count(1000) };
    assert_eq!(limits.keys, [("ci".to_owned(), own)].into());
    assert_eq!((limits.per_key.concurrency, limits.per_key.requests_per_minute), (count(5), None));
    assert_errors(
        &format!("{keys}limits:\n  keys:\n    co: {{}}\n    ci: {{requests: 1, concurrency: -1}}\n"),
        &[
            "4:5: limits.keys.co: auth.keys has no key with this id; did you mean ci?",
            "5:10: limits.keys.ci.requests: unknown key",
            "5:36: limits.keys.ci.concurrency: \"-1\" isn't a whole number",
        ],
    );
    assert_errors(
        "limits:\n  body_bytes: 1MiB\n  queue: {length: 10001}\n  memory_emergency_percent: 84\n",
        &[
            "2:15: limits.body_bytes: less than server.body_limit",
            "3:19: limits.queue.length: \"10001\" isn't a whole number from 0 to 10000",
            "4:29: limits.memory_emergency_percent: less than limits.memory_percent",
        ],
    );
    for (yaml, short, emergency) in [
        ("{memory_percent: 0}", None, Some(95)),
        ("{memory_emergency_percent: 0}", Some(85), None),
        ("{memory_percent: 90, memory_emergency_percent: 90}", Some(90), Some(90)),
    ] {
        let limits = from_yaml(&format!("limits: {yaml}\n")).unwrap().limits;
        assert_eq!((limits.memory_percent, limits.memory_emergency_percent), (short, emergency), "{yaml}");
    }
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    let read = |origin: &str| from_yaml(&format!("server: {{cors: {{origins: ['{origin}']}}}}\n"));
    for origin in [
        "https://chat.example.com",
        "http://localhost:3000",
        "http://[::1]:80",
        "app://obsidian.md",
        "vscode-webview:",
    ] {
        let cors = read(origin).unwrap().server.cors.unwrap();
        assert_eq!(cors.origins.unwrap(), [origin], "{origin}");
    }
    assert_eq!(read("*").unwrap().server.cors.unwrap().origins, None);
    for origin in [
        "chat.example.com",
        "localhost:3000",
        "vscode-webview",
        "https:",
        "file:",
        "https://",
        "https://chat.example.com/",
        "https://Chat.example.com",
        "https://a@chat.example.com",
        "*.example.com",
        "null",
        "https://a b",
    ] {
        assert!(read(origin).is_err(), "{origin}");
    }
    assert_eq!(from_yaml("").unwrap().server.cors, None);
}

#[test]
fn what_differs_between_two_is_named_by_key() {
    let before = from_yaml("strict: true\nmodels: {a: x.y, b: x.y}\nauth: {keys: []}\n").unwrap();
    let same = from_yaml("auth: {keys: []}\n\n\nmodels:\n  b: x.y\n  a: x.y\nstrict: true\n").unwrap();
    assert_eq!(before.changes(&same), Vec::<String>::new(), "where it stands doesn't matter");
    let after = from_yaml("strict: false\nmodels: {a: {target: x.y}, c: x.y}\nserver: {grace: 1}\n").unwrap();
    assert_eq!(before.changes(&after), ["server.grace", "strict", "models.a", "models.b", "models.c"]);
}
