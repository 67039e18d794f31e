//! Files: YAML and JSON, and where a mistake is said to be.

use super::*;

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
            "3:15: server.body_limit: \"32XB\" isn't a number of bytes",
            "4:10: server.admin: \"7\" isn't an IP address with a port",
            "7:7: auth.keys[0].sha256: is missing",
            "8:7: auth.keys[0].key: unknown key: write the key's digest as `sha256`; `outcrop keys new`",
            "10:11: aws.region: \"Mars!\" isn't an AWS Region",
            "11:9: strict: expected true or false, found text",
            "13:11: models.gpt-4o: an alias needs a target",
        ],
    );
}

#[test]
fn a_syntax_error_is_reported_alone_with_its_place() {
    assert_errors("server:\n  listen: [1\nstrict: 5\n", &["3:7: "]);
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

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[a-z0-9:{}\\[\\], \n\"'&*#|>!?%é-]{0,80}") {
        drop(from_yaml(&text));
    }

    /// Text that gets past the syntax reaches the sections.
    #[test]
    fn no_value_panics(value in "[ -~é\n]{0,40}", key in 0_usize..40) {
        let paths = env::paths(&Node::parse(DEFAULT_YAML, &Origin::Default).unwrap());
        let mut overrides = Overrides::default();
        overrides.set("--set", &paths[key % paths.len()], &value);
        drop(load(Sources { file: None, vars: &vars(&[]), overrides }));
    }
}

/// The fuzzer's property, where it starts from: every beginning of the files that there are, and each with a line less.
#[test]
fn files_cut_anywhere_are_a_configuration_or_told() {
    for text in [DEFAULT_YAML, include_str!("../../../config/example.yaml")] {
        for end in (0..text.len()).step_by(41).filter(|end| text.is_char_boundary(*end)) {
            fuzz_load(&text[..end]);
        }
        let lines: Vec<_> = text.lines().collect();
        for without in 0..lines.len() {
            let rest: Vec<_> = lines.iter().enumerate().filter(|(at, _)| *at != without).collect();
            fuzz_load(&rest.iter().map(|(_, line)| **line).collect::<Vec<_>>().join("\n"));
        }
    }
}
