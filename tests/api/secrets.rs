//! What the log holds when everything is logged: one line an event, and nobody's secrets.

use std::process::{Command, Stdio};

use outcrop::simulator::{Credentials, Options, Simulator};
use serde_json::{Value, json};

use crate::support::{CLAUDE, NOVA, Request, Server, chat, streamed, with};

/// None of these may be seen anywhere.
const API_KEY: &str = "sk-canary-of-the-caller";
const WRONG_KEY: &str = "sk-canary-of-a-stranger";
const AWS_SECRET: &str = "canary/of/the/aws/secret";
const AWS_TOKEN: &str = "canary-of-the-session-token";
const PROMPT: &str = "canary-in-the-prompt";
const ANSWER: &str = "canary-in-the-answer";

/// A server that logs all that there is to be logged, in front of this Bedrock.
fn talkative(simulator: &Simulator) -> Server {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIDCANARY"),
        ("AWS_SECRET_ACCESS_KEY", AWS_SECRET),
        ("AWS_SESSION_TOKEN", AWS_TOKEN),
        ("OUTCROP_API_KEY", API_KEY),
        ("RUST_LOG", "trace"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_outcrop"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--set", "retry.max_attempts=1"]);
    for key in ["aws.endpoint_url", "aws.control_endpoint_url"] {
        command.args(["--set", &format!("{key}={}", simulator.url())]);
    }
    command.env_clear().envs(keys).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Server::started(command)
}

async fn bedrock() -> Simulator {
    let credentials = Credentials {
        access_key: "AKIDCANARY".into(),
        secret_key: AWS_SECRET.into(),
        session_token: Some(AWS_TOKEN.into()),
    };
    Simulator::start(Options { credentials, ..Options::default() }).await.unwrap()
}

/// The log's lines. What isn't one is the greeting.
fn events(said: &str) -> Vec<Value> {
    let lines = said.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_prompt_is_ever_logged() {
    let simulator = bedrock().await;
    let server = talkative(&simulator);
    let send = async |key: &str, body: &Value| {
        let request = Request::chat(body).header("authorization", &format!("Bearer {key}"));
        let live = request.open(server.address).await;
        let status = live.status;
        drop(live.rest().await);
        status
    };
    let say = format!("{PROMPT} [[say:{ANSWER}]]");
    let failing = [
        "[[error:throttlingException]]",
        "[[error:accessDeniedException after=1]]",
        "[[error:validationException message=\"x\"]]",
        "[[cut after=1]]",
        "[[corrupt after=1]]",
        "[[reset]]",
        "[[unknown-event]]",
        "[[reasoning:canary-in-the-answer]]",
    ];
    for model in [CLAUDE, NOVA] {
        let plain = chat(model, &say);
        assert_eq!(send(API_KEY, &plain).await, 200);
        assert_eq!(send(API_KEY, &streamed(&plain)).await, 200);
        for directive in failing {
            let body = chat(model, &format!("{say} {directive}"));
            send(API_KEY, &body).await;
            send(API_KEY, &streamed(&body)).await;
        }
        // Refused before anything is called, for its prompt among others.
        send(API_KEY, &with(plain.clone(), json!({"temperature": PROMPT}))).await;
        send(API_KEY, &with(plain.clone(), json!({"tools": [{"type": PROMPT}]}))).await;
        send(API_KEY, &with(plain.clone(), json!({"messages": [{"role": PROMPT, "content": PROMPT}]}))).await;
        assert_eq!(send(WRONG_KEY, &plain).await, 401);
    }
    let broken = format!("{{\"messages\": [{{\"role\": \"user\", \"content\": \"{PROMPT}");
    let request = Request::post("/v1/chat/completions", broken.into_bytes())
        .header("authorization", &format!("Bearer {API_KEY}"));
    assert_eq!(request.send(server.address).await.status, 400);
    let query = format!("/v1/models?key={API_KEY}");
    Request::get(&query).header("api-key", WRONG_KEY).send(server.address).await;
    // A client that leaves.
    let body = streamed(&chat(CLAUDE, &format!("{say} [[stall after=1]]")));
    let mut live = Request::chat(&body).header("x-api-key", API_KEY).open(server.address).await;
    live.piece().await.unwrap();
    drop(live);
    let metrics = Request::get("/metrics").send(server.address).await;

    server.signal("TERM");
    let (code, said) = server.ended();
    assert_eq!(code, Some(0));
    let events = events(&said);
    assert!(events.iter().any(|event| event["level"] == "TRACE"), "it doesn't log everything:\n{said}");
    assert!(events.iter().any(|event| event["status"] == 499) && events.len() > 50, "{said}");
    for (place, text) in [("the log", said.as_str()), ("the metrics", metrics.text())] {
        for secret in [API_KEY, WRONG_KEY, AWS_SECRET, AWS_TOKEN, PROMPT, ANSWER] {
            if let Some(line) = text.lines().find(|line| line.contains(secret)) {
                panic!("{secret} is in {place}: {line}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_client_writes_makes_a_second_line_or_a_wrong_one() {
    const NASTY: [&str; 7] =
        ["\r\n", "\n{\"level\":\"ERROR\"}\n", "\0", "\u{1b}[31m", "\u{2028}", "\u{85}", "\"}"];
    let simulator = bedrock().await;
    let server = talkative(&simulator);
    let mut sent = 0;
    for nasty in NASTY {
        let word = format!("forged{nasty}line");
        let mut unknown = chat(NOVA, "hi");
        unknown[&word] = json!(1);
        let tool = json!({"type": "function", "function": {"name": word, "parameters": {"type": "object"}}});
        let bodies = [
            chat(&word, "hi"),
            with(chat(NOVA, "hi"), json!({"user": word, "metadata": {word.as_str(): word}})),
            with(chat(NOVA, "hi"), json!({"tools": [tool]})),
            with(chat(NOVA, "hi"), json!({"stop": [word], "service_tier": word})),
            with(chat(NOVA, "hi"), json!({"response_format": {"type": word}})),
            unknown,
        ];
        for body in bodies {
            Request::chat(&body).header("api-key", API_KEY).send(server.address).await;
            sent += 1;
        }
        // A path holds no such byte itself, but may say it.
        let escaped = percent_encoding::percent_encode(nasty.as_bytes(), percent_encoding::NON_ALPHANUMERIC);
        for path in [format!("/v1/models/forged{escaped}line"), format!("/forged{escaped}line")] {
            Request::get(&path).header("api-key", API_KEY).send(server.address).await;
            sent += 1;
        }
        // Nor does a header, but for those that HTTP allows.
        if nasty.bytes().all(|byte| byte >= 0x80 || (0x20..0x7f).contains(&byte)) {
            let request =
                Request::get("/v1/models").header("x-request-id", &word).header("user-agent", &word);
            request.header("authorization", &format!("Bearer {word}")).send(server.address).await;
            sent += 1;
        }
    }
    server.signal("TERM");
    let (_, said) = server.ended();
    assert!(!said.contains('\u{1b}') && !said.contains('\0') && !said.contains('\r'), "a control character");
    assert!(!said.contains('\u{2028}') && !said.contains('\u{85}'), "a line end that isn't ours");
    let access = events(&said).iter().filter(|event| event["target"] == "outcrop::access").count();
    assert_eq!(access, sent, "one line a request");
    let forged = |line: &&str| line.starts_with("{\"level\":\"ERROR\"}");
    assert_eq!(said.lines().find(forged), None);
}
