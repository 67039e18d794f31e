//! Every source of the SDK's chain, each against a fake of its own endpoint: the real binary, its environment, and
//! whose credentials reach Bedrock in the end. None of them is ever said aloud.
//!
//! Not here: `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, which the SDK resolves at 169.254.170.2 and nowhere else. It is
//! the same provider as that of the full URI, but for the address.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use outcrop::simulator::{Options, Signatures, Simulator};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Answer, CLAUDE, Issuer, Minted, Request, Server, chat, outcrop, sts};

/// By the SHA-1 of `corp`.
const CORPS_LOGIN: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";

/// The binary in front of a simulator, with nothing said of credentials; everything that can be logged is.
fn command(simulator: &Simulator) -> Command {
    let mut command = outcrop(&["serve", "--listen", "127.0.0.1:0"]);
    command
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", simulator.url())
        .env("AWS_ENDPOINT_URL_BEDROCK", simulator.url())
        .env("AWS_REGION", "us-east-1")
        .env("OUTCROP_MODELS__LIVE__INTERVAL", "0")
        .env("OUTCROP_RETRY__BASE_DELAY", "0.001")
        .env("RUST_LOG", "trace");
    command
}

async fn simulator() -> Simulator {
    Simulator::start(Options::default()).await.unwrap()
}

async fn ask(server: &Server) -> Answer {
    Request::chat(&chat(CLAUDE, "hi")).send(server.address).await
}

/// A call is made with these credentials; then the server ends, and has told where they are from but not what they are.
async fn assert_from(command: Command, simulator: &Simulator, minted: &Minted, source: &str) -> String {
    let server = Server::started(command);
    ask(&server).await.completion();
    assert_called_by(simulator, minted);
    assert_told(server, &[minted], source).await
}

#[track_caller]
fn assert_called_by(simulator: &Simulator, minted: &Minted) {
    let calls = simulator.requests();
    let headers = &calls.last().unwrap().headers;
    let signature = headers["authorization"].to_str().unwrap();
    assert!(signature.contains(&format!("Credential={}/", minted.key)), "{signature}");
    assert_eq!(headers["x-amz-security-token"], minted.token.as_str());
}

/// Gives what it has told.
async fn assert_told(server: Server, minted: &[&Minted], source: &str) -> String {
    let health = Request::get("/health").send(server.address).await;
    assert_eq!(health.json()["credentials"]["source"], source, "{}", health.text());
    let said = server.last_words() + health.text();
    assert!(said.contains("credentials resolved"), "{said}");
    for Minted { secret, token, .. } in minted {
        assert!(!said.contains(secret) && !said.contains(token), "{said}");
    }
    said
}

fn file(folder: &TempDir, name: &str, content: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_environment() {
    let simulator = simulator().await;
    let minted = Minted::new("environment", &simulator);
    let mut command = command(&simulator);
    command
        .env("AWS_ACCESS_KEY_ID", &minted.key)
        .env("AWS_SECRET_ACCESS_KEY", &minted.secret)
        .env("AWS_SESSION_TOKEN", &minted.token);
    assert_from(command, &simulator, &minted, "EnvironmentVariable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_shared_profile() {
    let (simulator, folder) = (simulator().await, TempDir::new().unwrap());
    let minted = Minted::new("profile", &simulator);
    let Minted { key, secret, token } = &minted;
    let shared = format!(
        "[work]\naws_access_key_id={key}\naws_secret_access_key={secret}\naws_session_token={token}\n"
    );
    let mut command = command(&simulator);
    command
        .env("AWS_SHARED_CREDENTIALS_FILE", file(&folder, "credentials", &shared))
        .env("AWS_PROFILE", "work");
    assert_from(command, &simulator, &minted, "ProfileFile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_profile_that_assumes_a_role() {
    let (simulator, folder) = (simulator().await, TempDir::new().unwrap());
    let minted = Minted::new("assumed", &simulator);
    let given = minted.clone();
    let issuer = Issuer::start(move |_| (200, sts("AssumeRole", &given))).await;
    let config = "[profile work]\nrole_arn=arn:aws:iam::123456789012:role/bedrock\nsource_profile=base\n\
                  [profile base]\naws_access_key_id=AKIDBASE\naws_secret_access_key=canary-base\n";
    let mut command = command(&simulator);
    command
        .env("AWS_CONFIG_FILE", file(&folder, "config", config))
        .env("AWS_PROFILE", "work")
        .env("AWS_ENDPOINT_URL_STS", &issuer.url);
    assert_from(command, &simulator, &minted, "AssumeRoleProvider").await;
    let asked = issuer.asked();
    assert_eq!(asked[0].signer(), Some("AKIDBASE"));
    assert_eq!(asked[0].field("RoleArn").unwrap(), "arn:aws:iam::123456789012:role/bedrock");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_credential_process() {
    let (simulator, folder) = (simulator().await, TempDir::new().unwrap());
    let minted = Minted::new("process", &simulator);
    let output = file(&folder, "output.json", &minted.json().to_string());
    let config = format!("[default]\ncredential_process=/bin/cat {output}\n");
    let mut command = command(&simulator);
    command.env("AWS_CONFIG_FILE", file(&folder, "config", &config)).env("PATH", "/bin:/usr/bin");
    assert_from(command, &simulator, &minted, "CredentialProcess").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_single_sign_on() {
    let (simulator, folder) = (simulator().await, TempDir::new().unwrap());
    let minted = Minted::new("sso", &simulator);
    let Minted { key, secret, token } = minted.clone();
    let portal = Issuer::start(move |asked| {
        assert_eq!(asked.header("x-amz-sso_bearer_token"), Some("canary-sso-login"));
        let credentials = json!({
            "accessKeyId": key, "secretAccessKey": secret, "sessionToken": token,
            "expiration": 4_102_444_800_000_u64,
        });
        (200, json!({ "roleCredentials": credentials }).to_string())
    })
    .await;
    // What `aws sso login` leaves behind: a file named by the SHA-1 of the session's name.
    let cache = folder.path().join(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    let login = json!({
        "accessToken": "canary-sso-login", "expiresAt": "2099-01-01T00:00:00Z", "region": "us-east-1",
        "startUrl": "https://d-1.awsapps.com/start",
    });
    fs::write(cache.join(CORPS_LOGIN), login.to_string()).unwrap();
    let config = "[default]\nsso_session=corp\nsso_account_id=123456789012\nsso_role_name=bedrock\n\
                  [sso-session corp]\nsso_region=us-east-1\nsso_start_url=https://d-1.awsapps.com/start\n";
    let mut command = command(&simulator);
    command
        .env("HOME", folder.path())
        .env("AWS_CONFIG_FILE", file(&folder, "config", config))
        .env("AWS_ENDPOINT_URL_SSO", &portal.url);
    let said = assert_from(command, &simulator, &minted, "SSO").await;
    let resolved = said.lines().find(|line| line.contains("credentials resolved")).unwrap();
    assert!(resolved.contains(r#""aws_account":"123456789012""#), "{resolved}");
    let path = &portal.asked()[0].path;
    assert!(path.contains("role_name=bedrock") && path.contains("account_id=123456789012"), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_web_identity_whose_token_is_rotated() {
    let (simulator, folder) = (simulator().await, TempDir::new().unwrap());
    let [first, second] = ["first", "second"].map(|name| Minted::new(name, &simulator));
    let given = [first.clone(), second.clone()];
    let issuer = Issuer::start(move |asked| {
        let minted = match asked.field("WebIdentityToken").unwrap().as_str() {
            "canary-jwt-1" => &given[0],
            "canary-jwt-2" => &given[1],
            other => panic!("{other}"),
        };
        (200, sts("AssumeRoleWithWebIdentity", minted))
    })
    .await;
    let token = file(&folder, "token", "canary-jwt-1");
    let mut command = command(&simulator);
    command
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/irsa")
        .env("AWS_ROLE_SESSION_NAME", "pod")
        .env("AWS_ENDPOINT_URL_STS", &issuer.url);
    let server = Server::started(command);
    ask(&server).await.completion();
    assert_called_by(&simulator, &first);
    rotated(&simulator, &server, Path::new(&token), "canary-jwt-2", [&first, &second]).await;
    assert_told(server, &[&first, &second], "WebIdentityToken").await;
    let asked = issuer.asked();
    assert_eq!(asked.last().unwrap().field("RoleArn").unwrap(), "arn:aws:iam::123456789012:role/irsa");
    assert_eq!(asked.len(), 2, "neither source is asked for each call");
}

/// The token in the file changes and the credentials end: the next call is made with what the new token gives.
async fn rotated(simulator: &Simulator, server: &Server, path: &Path, token: &str, minted: [&Minted; 2]) {
    fs::write(path, token).unwrap();
    simulator.expire(&minted[0].key);
    let answer = ask(server).await;
    answer.completion();
    assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
    assert_called_by(simulator, minted[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_pods_agent_whose_token_is_rotated() {
    let (simulator, folder) = (simulator().await, TempDir::new().unwrap());
    let [first, second] = ["podone", "podtwo"].map(|name| Minted::new(name, &simulator));
    let given = [first.clone(), second.clone()];
    let agent = Issuer::start(move |asked| match (asked.path.as_str(), asked.header("authorization")) {
        ("/v1/credentials", Some("canary-pod-1")) => (200, given[0].json().to_string()),
        ("/v1/credentials", Some("canary-pod-2")) => (200, given[1].json().to_string()),
        _ => (401, String::new()),
    })
    .await;
    let token = file(&folder, "token", "canary-pod-1");
    let mut command = command(&simulator);
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", agent.url))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    let server = Server::started(command);
    ask(&server).await.completion();
    assert_called_by(&simulator, &first);
    rotated(&simulator, &server, Path::new(&token), "canary-pod-2", [&first, &second]).await;
    assert_told(server, &[&first, &second], "EcsContainer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_machines_metadata() {
    let simulator = simulator().await;
    let minted = Minted::new("machine", &simulator);
    let given = minted.json();
    let metadata = Issuer::start(move |asked| {
        let is_known = asked.header("x-aws-ec2-metadata-token") == Some("canary-imds");
        match (asked.method.as_str(), asked.path.trim_end_matches('/')) {
            ("PUT", "/latest/api/token") => (200, "canary-imds".to_owned()),
            ("GET", "/latest/meta-data/iam/security-credentials") if is_known => (200, "the-role".to_owned()),
            ("GET", "/latest/meta-data/iam/security-credentials/the-role") if is_known => {
                (200, given.to_string())
            }
            _ => (404, String::new()),
        }
    })
    .await;
    let mut command = command(&simulator);
    command.env_remove("AWS_EC2_METADATA_DISABLED").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url);
    assert_from(command, &simulator, &minted, "IMDSv2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_bedrock_api_key() {
    let options = Options {
        signatures: Signatures::Checked,
        bearer_token: Some("canary-api-key".to_owned()),
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let mut command = command(&simulator);
    command.env("AWS_BEARER_TOKEN_BEDROCK", "canary-api-key");
    let server = Server::started(command);
    ask(&server).await.completion();
    let call = simulator.requests().pop().unwrap();
    assert_eq!(call.headers["authorization"], "Bearer canary-api-key");
    let health = Request::get("/health").send(server.address).await;
    assert_eq!(health.json()["credentials"]["source"], "Bedrock API key");
    let said = server.last_words();
    assert!(said.contains("credentials  Bedrock API key") && !said.contains("canary-api-key"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_says_no_gives_away_nothing_that_it_was_asked_with() {
    let (simulator, folder) = (simulator().await, TempDir::new().unwrap());
    let denied =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let issuer = Issuer::start(move |_| (403, denied.to_owned())).await;
    let token = file(&folder, "token", "canary-token");
    // What it prints as an error is the operator's to see, what it prints as credentials isn't.
    let config = "[profile failing]\ncredential_process=/bin/sh -c 'echo canary-output; echo the reason >&2; exit 1'\n";
    let config = file(&folder, "config", config);
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.clone()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/irsa".to_owned()),
        ("AWS_ENDPOINT_URL_STS", issuer.url.clone()),
    ];
    let pod = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", issuer.url)),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.clone()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ];
    let process = [
        ("AWS_CONFIG_FILE", config),
        ("AWS_PROFILE", "failing".to_owned()),
        ("PATH", "/bin:/usr/bin".to_owned()),
    ];
    for variables in [web, pod, process] {
        let mut command = command(&simulator);
        command.envs(variables.clone());
        let server = Server::started(command);
        let refused = ask(&server).await;
        assert_eq!(refused.verdict(), (500, "server_error".into(), Some("upstream_auth_error".into())));
        let health = Request::get("/health").send(server.address).await;
        let said = server.last_words() + refused.text() + health.text();
        assert!(said.contains("no AWS credentials"), "{said}");
        assert!(!said.contains("canary"), "{variables:?}: {said}");
    }
}

/// It listens and takes connections, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_silent_holds_up_neither_start_nor_health() {
    let simulator = simulator().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = command(&simulator);
    command
        .env_remove("AWS_EC2_METADATA_DISABLED")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}", silent.local_addr().unwrap()));
    let server = Server::started(command);
    let get = async |path: &str| Request::get(path).send(server.address).await;
    assert_eq!(get("/livez").await.status, 200);
    let ready = get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("credential sources are still being asked"), "{}", ready.text());
    assert_eq!(get("/health").await.json()["credentials"]["state"], "resolving");
    let said = server.last_words();
    assert!(said.contains("credentials  still being looked for"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_ec2_is_said_to_be_absent_its_metadata_is_not_asked() {
    let simulator = simulator().await;
    let metadata = Issuer::start(|_| (404, String::new())).await;
    let mut command = command(&simulator);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url);
    let server = Server::started(command);
    assert_eq!(ask(&server).await.status, 500);
    assert!(metadata.asked().is_empty());
}

/// Whichever source ends the search, those before it were asked too.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_of_each_source_what_it_said_in_words() {
    let metadata = Issuer::start(|_| (403, String::new())).await;
    let denied = Issuer::start(|_| {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>you may not assume \
                    it</Message></Error></ErrorResponse>";
        (403, body.to_owned())
    })
    .await;
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "a.b.c").unwrap();
    let absent = ["environment", "profile", "web identity", "container"];
    let role = [
        ("AWS_ROLE_ARN", "arn:aws:iam::210987654321:role/x"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", &denied.url),
    ];
    for (variables, absent, failed) in [
        (
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*metadata.url)][..],
            &absent[..],
            "metadata of EC2: failed: ",
        ),
        (
            &role,
            &absent[..2],
            "web identity (AWS_WEB_IDENTITY_TOKEN_FILE): failed: you may not assume it (AccessDenied)",
        ),
        (
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &metadata.url)],
            &absent[..3],
            "container (ECS, EKS Pod Identity): failed: ",
        ),
    ] {
        let mut run = outcrop(&["doctor"]);
        run.env_remove("AWS_EC2_METADATA_DISABLED").envs(variables.iter().copied());
        let output =
            tokio::task::spawn_blocking(move || run.stdout(Stdio::piped()).output().unwrap()).await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let mut lines = said.lines().skip_while(|line| !line.contains("tried, in this order")).skip(1);
        for source in absent {
            let line = lines.next().unwrap().trim();
            assert!(line.starts_with(source) && line.contains(": not set up: "), "{line} in\n{said}");
        }
        assert!(lines.next().unwrap().trim().starts_with(failed), "{failed} isn't in\n{said}");
        assert!(!said.contains("Error {") && !said.contains("StatusCode("), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_and_check_say_whose_credentials_they_are_and_nothing_of_them() {
    let simulator = simulator().await;
    let minted = Minted::new("hush", &simulator);
    let Minted { key, secret, token } = &minted;
    let given = minted.clone();
    let issuer = Issuer::start(move |_| (200, sts("AssumeRole", &given))).await;
    let accounts = format!(
        "{{own: {{access_key_id: {key}, secret_access_key: {secret}, session_token: {token}}}, \
          role: {{role_arn: 'arn:aws:iam::210987654321:role/x', external_id: canary-external, source: own}}, \
          key: {{bearer_token: canary-bearer}}}}"
    );
    for (command, expected) in [
        ("check", "role_arn: arn:aws:iam::210987654321:role/x"),
        ("doctor", "[ok]   account role: credentials from AssumeRoleProvider"),
    ] {
        let mut run = outcrop(&[command]);
        run.env("OUTCROP_ACCOUNTS", &accounts)
            .env("OUTCROP_MODELS", "{live: {interval: 0}}")
            .env("AWS_ENDPOINT_URL", simulator.url())
            .env("AWS_ENDPOINT_URL_STS", &issuer.url)
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_SESSION_TOKEN", token)
            .stdout(Stdio::piped());
        let mut child = run.spawn().unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        assert!(said.contains(expected), "{command}: {said}");
        let account = if command == "doctor" { "210987654321" } else { "canary" };
        for hidden in ["canary", secret, token, account] {
            assert!(!said.contains(hidden), "{command} says {hidden}: {said}");
        }
    }
}
