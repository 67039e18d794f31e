//! The binary itself: what it says, and what signals do to it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use outcrop::simulator::{Credentials, Options, Reply, Simulator, Step};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{
    CLAUDE, Control, Ending, Live, NOVA, Request, Sent, Server, SseEvent, TITAN, chat, claude_stream,
    outcrop, parse, streamed,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_with_success() {
    for name in ["TERM", "INT"] {
        let server = Server::start(&["serve", "--simulate", "--listen", "127.0.0.1:0"]);
        Request::chat(&chat(CLAUDE, "hi")).send(server.address).await.completion();
        server.signal(name);
        assert_eq!(server.exit_code(), Some(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retired_models_are_gone_from_the_simulator_unless_the_configuration_names_them() {
    let ids = ["anthropic.claude-3-sonnet-20240229-v1:0", TITAN];
    for (models, statuses) in
        [("[]", [404, 404]), ("[amazon.titan-text-express-v1]", [404, 200]), ("['*']", [200, 200])]
    {
        let set = format!("simulator.models={models}");
        let server = Server::start(&["serve", "--simulate", "--listen", "127.0.0.1:0", "--set", &set]);
        for (id, status) in ids.into_iter().zip(statuses) {
            let answer = Request::chat(&chat(id, "hi")).send(server.address).await;
            assert_eq!(answer.status, status, "{id} of {models}: {}", answer.text());
        }
        let listed = Request::get("/v1/models").send(server.address).await.text().to_owned();
        assert!(!listed.contains(ids[0]) && listed.contains(CLAUDE), "{listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_period_has_an_end() {
    let server =
        Server::start(&["serve", "--simulate", "--listen", "127.0.0.1:0", "--set", "server.grace=0.05"]);
    let live = Request::chat(&streamed(&chat(CLAUDE, "abc [[stall after=1]]"))).open(server.address).await;
    server.signal("TERM");
    assert_cut_short(live).await;
    assert_eq!(server.exit_code(), Some(0));
}

/// A client that is still listening at the end is told.
async fn assert_cut_short(live: Live) {
    let rest = live.rest().await;
    assert_eq!(rest.ending, Ending::Whole);
    let last = parse(rest.text()).pop().unwrap();
    assert!(matches!(&last, SseEvent::Error(error) if error["code"] == "shutting_down"), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_waits_for_nothing() {
    let server = Server::start(&["serve", "--simulate", "--listen", "127.0.0.1:0"]);
    let mut live =
        Request::chat(&streamed(&chat(CLAUDE, "abc [[stall after=1]]"))).open(server.address).await;
    live.piece().await.unwrap();
    server.signal("TERM");
    // The first one has been heard when nobody is let in any more.
    while TcpStream::connect(server.address).await.is_ok() {}
    server.signal("TERM");
    assert_cut_short(live).await;
    assert_eq!(server.exit_code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_lives_is_not_ready_and_says_why() {
    let server = Server::start(&["serve", "--listen", "127.0.0.1:0"]);
    let get = async |path: &str| Request::get(path).send(server.address).await;
    assert_eq!(get("/livez").await.status, 200);
    let ready = get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("[-] credentials"), "{}", ready.text());
    let answer = Request::chat(&chat(CLAUDE, "hi")).send(server.address).await;
    let expected = (500, "server_error".to_owned(), Some("upstream_auth_error".to_owned()));
    assert_eq!(answer.verdict(), expected);
    assert_eq!(answer.header("x-outcrop-attempts"), Some("1"), "there are none the second time either");
    assert!(answer.text().contains("outcrop doctor"), "{}", answer.text());
    assert_eq!(get("/health").await.json()["status"], "no_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expire_are_fetched_once_for_all_calls() {
    let keys = Credentials { session_token: Some("passing".to_owned()), ..Credentials::default() };
    let options = Options { credentials: keys.clone(), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let token = json!({
        "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key, "Token": keys.session_token,
        "Expiration": "2099-01-01T00:00:00Z",
    });
    let issuer = Control::start(move |_| Some((200, token.clone()))).await;
    let endpoint = format!("aws.endpoint_url={}", simulator.url());
    let mut command =
        outcrop(&["serve", "--listen", "127.0.0.1:0", "--set", &endpoint, "--set", "models.live.interval=0"]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &issuer.url);
    let server = Server::started(command);
    // The look at start, of which `/readyz` tells.
    while Request::get("/readyz").send(server.address).await.status != 200 {}
    let looked = issuer.asked().len();
    // Two models, so that two signatures are made the long way.
    for model in [CLAUDE, NOVA] {
        let requests: Vec<_> = (0..20).map(|_| Request::chat(&chat(model, "hi"))).collect();
        for answer in join_all(requests.iter().map(|request| request.send(server.address))).await {
            answer.completion();
        }
        assert_eq!(issuer.asked().len(), looked, "{model}: those of the start serve all");
    }
}

#[test]
fn a_wrong_configuration_is_an_exit_code_of_its_own() {
    for arguments in [
        &["serve", "--set", "timeout=soon"][..],
        &["check", "--set", "no.such.key=1"],
        &["serve", "--listen", "0.0.0.0:0"],
        &["serve", "--config", "/nonexistent/outcrop.yaml"],
    ] {
        let output = outcrop(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn check_doubts_a_file_that_may_have_been_cut_and_prints_it_all_the_same() {
    let digest = crate::auth::digest("sk-one");
    for (text, words) in [
        (String::new(), "says nothing"),
        ("server:\n  listen:\n".to_owned(), "server.listen: has no value"),
        (format!("auth:\n  keys:\n    - id: one\n      sha256: {digest}\n"), "3:7: auth.keys: the file ends"),
    ] {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("outcrop.yaml");
        let check = |text: &str| {
            std::fs::write(&path, text).unwrap();
            outcrop(&["check", "--config", path.to_str().unwrap()]).stdout(Stdio::piped()).output().unwrap()
        };
        let doubted = check(&text);
        assert_eq!(doubted.status.code(), Some(78), "{text}");
        let said = String::from_utf8(doubted.stderr).unwrap();
        assert!(said.contains(words), "{said}");
        assert!(String::from_utf8(doubted.stdout).unwrap().contains("body_limit"));
        let meant = check(&format!("{text}...\n"));
        assert_eq!(meant.status.success(), !text.is_empty(), "{meant:?}");
    }
}

#[test]
fn check_warns_of_a_file_that_others_may_write_or_that_tells_them_secrets() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("outcrop.yaml");
    let secrets = "aws: {access_key_id: AKIDX, secret_access_key: hush}\n";
    let of_account = "accounts: {a: {bearer_token: hush}}\n";
    for (text, mode, words) in [
        (secrets, 0o666, Some("others may write it (mode 0666)")),
        ("strict: true\n", 0o602, Some("others may write it (mode 0602)")),
        (secrets, 0o644, Some("others may read it (mode 0644)")),
        (of_account, 0o604, Some("others may read it (mode 0604)")),
        ("strict: true\n", 0o644, None),
        (secrets, 0o640, None),
        (secrets, 0o600, None),
    ] {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let said = outcrop(&["check", "--config", path.to_str().unwrap()]).output().unwrap();
        assert!(said.status.success());
        let said = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.contains("others may"), words.is_some(), "{text} {mode:o}: {said}");
        assert!(words.is_none_or(|words| said.contains(words)), "{said}");
    }
}

#[test]
fn check_says_that_the_default_model_is_retired() {
    for (default, words) in [
        (None, Some("AWS has retired the built-in one")),
        (Some("anthropic.claude-v2:1"), Some("AWS has retired the configured default_model")),
        (Some("amazon.nova-lite-v1:0"), None),
    ] {
        let set = default.map(|model| format!("default_model={model}"));
        let arguments: Vec<_> =
            ["check"].into_iter().chain(set.iter().flat_map(|set| ["--set", set])).collect();
        let output = outcrop(&arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(words.map_or(said.is_empty(), |words| said.contains(words)), "{default:?}: {said}");
    }
}

/// Once, and with what chooses another.
#[test]
fn a_taken_port_is_said_once_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let admin = format!("server.admin='{address}'");
    for (arguments, advice) in [
        (&["serve", "--simulate", "--listen", &address][..], "with --listen or server.listen"),
        (&["serve", "--simulate", "--listen", "127.0.0.1:0", "--set", &admin], "with server.admin"),
        (&["simulate", "--listen", &address], "with --listen"),
    ] {
        let output = outcrop(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let line =
            said.lines().find(|line| line.starts_with("outcrop: ")).unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains(&address) && line.ends_with(advice), "{line}");
        assert_eq!(said.matches("os error").count(), 1, "{said}");
    }
}

#[test]
fn a_failed_healthcheck_names_its_url() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{gone}/livez"), "ftp://x/".to_owned(), "not a url".to_owned()] {
        let output = outcrop(&["healthcheck", "--url", &url]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("outcrop: {url}: ")) && said.len() > url.len() + 15, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_doctor_show_the_same_way() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let keys = Credentials::default();
    let settings = [
        format!("aws.endpoint_url={}", simulator.url()),
        format!("aws.control_endpoint_url={}", simulator.url()),
        format!("aws.access_key_id={}", keys.access_key),
        format!("aws.secret_access_key={}", keys.secret_key),
        "models={lite: amazon.nova-2-lite-v1:0, list: {include: [lite]}}".to_owned(),
    ];
    let run = |command: &str| {
        let arguments: Vec<&str> =
            command.split(' ').chain(settings.iter().flat_map(|set| ["--set", set.as_str()])).collect();
        let output = outcrop(&arguments).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let way = ["us.amazon.nova-2-lite-v1:0", "us-east-1", "nova/converse"];
    assert_eq!(run("models"), format!("lite\t{}\n", way.join("\t")));
    let json: serde_json::Value = serde_json::from_str(&run("models --json")).unwrap();
    let expected = serde_json::json!([{"id": "lite", "called": way[0], "region": way[1], "mode": "chat", "family": "nova",
        "format": "converse", "stage": "active", "until": null}]);
    assert_eq!(json, expected);
    let diagnosis = run("doctor");
    assert!(diagnosis.contains(&format!("answers ({})", way.join(", "))), "{diagnosis}");
    assert!(diagnosis.contains("[ok]   us-east-1 lists"), "{diagnosis}");
}

/// A shell's `ulimit -n` sets the hard limit as well. Many more clients come than it has files for.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn clients_beyond_the_limit_of_open_files_wait_and_operators_do_not() {
    const FILES: usize = 400;
    let mut shell = outcrop(&[]);
    let program = shell.get_program().to_owned();
    let run = format!(r#"ulimit -n {FILES} && exec "$0" "$@""#);
    let arguments = ["serve", "--simulate", "--listen", "127.0.0.1:0", "--set", "server.admin='127.0.0.1:0'"];
    let environment: Vec<_> =
        shell.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned())).collect();
    shell = Command::new("/bin/sh");
    shell.args(["-c", &run]).arg(program).args(arguments).env_clear().envs(environment);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let server = Server::started(shell);

    let first = TcpStream::connect(server.address).await.unwrap();
    // Accepted once it can be written to and answers; the rest has to come after it.
    let mut live = Request::chat(&streamed(&chat(CLAUDE, "abc [[stall after=1]]"))).open_on(first).await;
    live.piece().await.unwrap();
    // Some get a place, some wait in the kernel's queue, and the last ones not even there.
    let crowd: Vec<_> = (0..FILES)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _in_progress = socket.connect(&server.address.into());
            socket
        })
        .collect();
    let admin = server.admin.unwrap();
    assert_eq!(Request::get("/livez").send(admin).await.status, 200);
    assert!(Request::get("/metrics").send(admin).await.text().contains("outcrop_"));
    assert!(server.files() < FILES, "{} of {FILES}", server.files());

    drop((crowd, live));
    Request::chat(&chat(CLAUDE, "hi")).send(server.address).await.completion();
    server.signal("TERM");
    let (code, said) = server.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("fewer connections than configured"), "{said}");
    assert!(!said.contains("cannot accept"), "{said}");
}

/// `accept` itself fails: no number of connections saves a process whose files have gone elsewhere.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_to_accept_into_it_lives_rests_between_tries_and_serves_again() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let keys = Credentials::default();
    let settings = [
        format!("aws.endpoint_url={}", simulator.url()),
        format!("aws.access_key_id={}", keys.access_key),
        format!("aws.secret_access_key={}", keys.secret_key),
        "log.level=info,outcrop::listener=debug".to_owned(),
    ];
    let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
    arguments.extend(settings.iter().flat_map(|set| ["--set", set.as_str()]));
    let server = Server::start(&arguments);
    let released = Arc::new(Notify::new());
    let mut steps = claude_stream();
    steps.insert(3, Step::Hold(Arc::clone(&released)));
    simulator.script([Reply::stream(steps)]);
    let mut live = Request::chat(&streamed(&chat(CLAUDE, "hi"))).open(server.address).await;
    live.piece().await.unwrap();

    for episode in 1..=2 {
        let (began, before) = (Instant::now(), server.says("still cannot accept", 0).await);
        server.limit_files(Some(1));
        // The kernel takes it in, and nobody out of its queue.
        let waiting = Sent::send(&Request::chat(&chat(CLAUDE, "hi")), server.address).await;
        let tries = server.says("still cannot accept", before + 3).await - before;
        // A bound that no slowness breaks: a quarter of a second lies between two tries.
        let most = began.elapsed().as_millis() / 250 + 1;
        assert!(tries as u128 <= most, "{tries} tries in the time for {most}");
        if episode == 2 {
            released.notify_one();
            while live.piece().await.is_some() {}
        }
        server.limit_files(None);
        waiting.head().await.rest().await.completion();
        Request::chat(&chat(CLAUDE, "hi")).send(server.address).await.completion();
    }
    assert_eq!(live.rest().await.ending, Ending::Whole, "who was in wasn't hurt");
    server.signal("TERM");
    let (code, said) = server.ended();
    assert_eq!(code, Some(0));
    assert_eq!(said.matches("; trying again until it works").count(), 2, "one line for each time: {said}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let server = Server::start(&["serve", "--simulate", "--listen", "127.0.0.1:0"]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut numbers = files.split_whitespace().filter(|word| word.parse::<u64>().is_ok());
    assert_eq!(numbers.next(), numbers.next(), "{files}");
}

/// A server whose configuration is a file that a test may change.
struct Reloading {
    server: Server,
    folder: tempfile::TempDir,
}

impl Reloading {
    /// `link` is where the file is, below the folder.
    fn start(link: &str, prepare: impl FnOnce(&Path), watch: &str) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        prepare(folder.path());
        let path = folder.path().join(link).display().to_string();
        let watch = format!("server.watch={watch}");
        let arguments =
            ["serve", "--simulate", "--listen", "127.0.0.1:0", "--config", &path, "--set", &watch];
        Self { server: Server::start(&arguments), folder }
    }

    /// Waits until this configuration is in force.
    async fn until(&self, default_model: &str, generation: u64) {
        let health = async || Request::get("/health").send(self.server.address).await;
        let wanted = (serde_json::json!(default_model), serde_json::json!(generation));
        loop {
            let health = health().await.json();
            if (health["default_model"].clone(), health["configuration"].clone()) == wanted {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn default_model(name: &str) -> String {
    format!("default_model: {name}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_is_read_again_and_a_wrong_one_is_not_believed() {
    let write = |folder: &Path, text: &str| std::fs::write(folder.join("outcrop.yaml"), text).unwrap();
    let reloading = Reloading::start("outcrop.yaml", |folder| write(folder, &default_model("one")), "0.02");
    let folder = reloading.folder.path();
    reloading.until("one", 1).await;
    write(folder, &default_model("two"));
    reloading.until("two", 2).await;
    write(folder, "default_model: three\nretry: {max_attempts: 0}\nno_such_key: 1\n");
    let rejected = "outcrop_config_reloads_total{outcome=\"rejected\"} 1";
    while !Request::get("/metrics").send(reloading.server.address).await.text().contains(rejected) {}
    reloading.until("two", 2).await;
    // As an editor does it.
    write(folder, "");
    std::fs::write(folder.join("new"), default_model("four")).unwrap();
    std::fs::rename(folder.join("new"), folder.join("outcrop.yaml")).unwrap();
    let health = async || Request::get("/health").send(reloading.server.address).await.json();
    while health().await["default_model"] != "four" {}

    reloading.server.signal("TERM");
    let (code, said) = reloading.server.ended();
    assert_eq!(code, Some(0));
    for words in ["outcrop.yaml:2:", "retry.max_attempts", "outcrop.yaml:3:", "no_such_key"] {
        assert!(said.contains(words), "no {words} in\n{said}");
    }
}

/// Kubernetes mounts a `ConfigMap` so: the file is a link into `..data`, which is a link to a folder, and is swapped.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_swapped_above_the_file_is_a_change() {
    let version = |folder: &Path, name: &str| {
        let dated = format!("..{name}");
        std::fs::create_dir(folder.join(&dated)).unwrap();
        std::fs::write(folder.join(&dated).join("outcrop.yaml"), default_model(name)).unwrap();
        std::os::unix::fs::symlink(dated, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    let prepare = |folder: &Path| {
        version(folder, "first");
        std::os::unix::fs::symlink("..data/outcrop.yaml", folder.join("outcrop.yaml")).unwrap();
    };
    let reloading = Reloading::start("outcrop.yaml", prepare, "0.02");
    reloading.until("first", 1).await;
    version(reloading.folder.path(), "second");
    reloading.until("second", 2).await;
}

/// What a full disk and a writer half-way leave of a file, and a link that leads nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_file_or_a_secret_opens_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let secret = path("key");
    std::fs::write(&secret, "sk-of-the-environment\n").unwrap();
    let before = "guardrail: abc:1\nmodels:\n  fast: amazon.nova-lite-v1:0\n";
    std::fs::write(path("outcrop.yaml"), before).unwrap();
    let mut command = outcrop(&[
        "serve",
        "--simulate",
        "--listen",
        "127.0.0.1:0",
        "--config",
        &path("outcrop.yaml"),
        "--set",
        "server.watch=0",
    ]);
    command.env("OUTCROP_API_KEY_FILE", &secret);
    let server = Server::started(command);
    let rejected = async |count: u32| {
        server.signal("HUP");
        let line = format!("outcrop_config_reloads_total{{outcome=\"rejected\"}} {count}\n");
        while !Request::get("/metrics").send(server.address).await.text().contains(&line) {}
        assert_eq!(Request::get("/v1/models").send(server.address).await.status, 401);
    };
    let mut count = 0;
    for left in [
        "",
        "# nothing\n",
        "guardrail: abc:1\nmodels:\n  fast: amazon.nova-li",
        "guardrail: abc:1\n",
        "models:\n",
    ] {
        std::fs::write(path("outcrop.yaml"), left).unwrap();
        count += 1;
        rejected(count).await;
    }
    std::fs::write(path("outcrop.yaml"), before).unwrap();
    for left in ["", "\n", "sk-of-"] {
        std::fs::write(&secret, left).unwrap();
        count += 1;
        rejected(count).await;
    }
    std::fs::write(&secret, "sk-of-the-environment").unwrap();
    std::fs::remove_file(path("outcrop.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("outcrop.yaml")).unwrap();
    rejected(count + 1).await;
    let said = server.last_words();
    for words in [
        "was emptied",
        "in the middle of a line",
        "is left out now",
        "beginning of the secret",
        "must not be empty",
    ] {
        assert!(said.contains(words), "no {words} in\n{said}");
    }
    assert!(!said.contains("of-the-environment"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_file_again_where_nobody_watches_it() {
    let write = |folder: &Path, text: &str| std::fs::write(folder.join("outcrop.yaml"), text).unwrap();
    let reloading = Reloading::start("outcrop.yaml", |folder| write(folder, &default_model("one")), "0");
    reloading.until("one", 1).await;
    write(reloading.folder.path(), &default_model("two"));
    reloading.server.signal("HUP");
    reloading.until("two", 2).await;
    // A reload that changes nothing is no other configuration, and nobody's end.
    reloading.server.signal("HUP");
    let unchanged = "outcrop_config_reloads_total{outcome=\"unchanged\"} 1";
    while !Request::get("/metrics").send(reloading.server.address).await.text().contains(unchanged) {}
    reloading.until("two", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_whose_credentials_are_asked_for_at_the_start_and_when_that_changes() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("outcrop.yaml");
    let write = |model: &str, role: &str| {
        let text = format!(
            "default_model: {model}\nmodels: {{live: {{interval: 0}}}}\naccounts:\n  \
             own: {{access_key_id: AKIDOWN, secret_access_key: canary-secret}}\n  \
             far: {{role_arn: 'arn:aws:iam::210987654321:role/{role}', external_id: canary-external, source: own}}\n"
        );
        std::fs::write(&path, text).unwrap();
    };
    write("one", "first");
    let config = path.display().to_string();
    let server = Server::start(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--config",
        &config,
        "--set",
        "server.watch=0.02",
        // Nobody to be asked.
        "--set",
        "aws={access_key_id: AKIDBASE, secret_access_key: canary-base, sts_endpoint_url: 'http://127.0.0.1:1'}",
    ]);
    server.says("account configured", 3).await;
    server.says("credentials resolved", 2).await;
    write("two", "first");
    server.says("the configuration is in force", 1).await;
    assert_eq!(server.says("account configured", 3).await, 3, "that is as it was");
    write("two", "second");
    server.says("account configured", 6).await;
    server.signal("TERM");
    let (_, said) = server.ended();
    for (role, times) in [("first", 1), ("second", 1)] {
        let line = said.lines().filter(|line| {
            let words =
                ["account configured", "\"far\"", &format!("arn:aws:iam::210987654321:role/{role}"), "own"];
            words.iter().all(|word| line.contains(word))
        });
        assert_eq!(line.count(), times, "{role}: {said}");
    }
    assert!(said.contains(r#""account":"base","source":"keys""#), "{said}");
    assert!(!said.contains("canary"), "{said}");
}
