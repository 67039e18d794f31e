//! Who issues credentials: STS, the SSO portal, the agents of containers and machines, all behind one port that the
//! test answers for.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use outcrop::simulator::{Credentials, Simulator};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What somebody wanted.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A member of a form, decoded.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Whose credentials it was signed with.
    pub(crate) fn signer(&self) -> Option<&str> {
        self.header("authorization")?.split_once("Credential=")?.1.split('/').next()
    }
}

type Answers = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

/// A running issuer.
pub(crate) struct Issuer {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn start(answers: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (answers, heard): (Arc<Answers>, _) = (Arc::new(answers), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&answers), Arc::clone(&heard)));
            }
        });
        Self { url, asked, serving }
    }

    /// Everything so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut socket: TcpStream, answers: Arc<Answers>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let headers: HeaderMap = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    let length = headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.unwrap();
    let call = Asked { method, path, headers, body: String::from_utf8(body).unwrap() };
    asked.lock().unwrap().push(call.clone());
    let (status, body) = answers(&call);
    let answer = format!(
        "HTTP/1.1 {status} Whatever\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Whoever has left doesn't want it.
    let _gone = socket.write_all(answer.as_bytes()).await;
}

/// Credentials that one simulator accepts, each of its own.
#[derive(Debug, Clone)]
pub(crate) struct Minted {
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) token: String,
}

impl Minted {
    /// The name tells tests apart from whom they are.
    pub(crate) fn new(name: &str, simulator: &Simulator) -> Self {
        let minted = Self {
            key: format!("ASIA{}", name.to_uppercase()),
            secret: format!("canary-secret-{name}"),
            token: format!("canary-token-{name}"),
        };
        simulator.accept(Credentials {
            access_key: minted.key.clone(),
            secret_key: minted.secret.clone(),
            session_token: Some(minted.token.clone()),
        });
        minted
    }

    /// The JSON of agents and processes.
    pub(crate) fn json(&self) -> Value {
        json!({
            "Code": "Success", "Version": 1, "AccessKeyId": self.key, "SecretAccessKey": self.secret,
            "Token": self.token, "SessionToken": self.token, "Expiration": in_an_hour(),
        })
    }
}

/// STS's answer to an `AssumeRole…`.
pub(crate) fn sts(action: &str, minted: &Minted) -> String {
    let Minted { key, secret, token } = minted;
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><AssumedRoleUser>\
         <AssumedRoleId>AROA1:x</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/x</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{}</Expiration></Credentials></{action}Result></{action}Response>",
        in_an_hour()
    )
}

fn in_an_hour() -> String {
    use aws_smithy_types::DateTime;
    use aws_smithy_types::date_time::Format;
    let end = SystemTime::now() + Duration::from_hours(1);
    DateTime::from_secs(DateTime::from(end).secs()).fmt(Format::DateTime).unwrap()
}
