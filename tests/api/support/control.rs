//! A control plane that says what the test wants, for what the simulator doesn't say: errors, silence, whole lives.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What comes back for a path, with its query; `None` is silence.
type Answers = dyn Fn(&str) -> Option<(u16, Value)> + Send + Sync;

/// A running control plane.
pub(crate) struct Control {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Control {
    pub(crate) async fn start(
        answers: impl Fn(&str) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let serving = tokio::spawn(serve(listener, Arc::new(answers), Arc::clone(&asked)));
        Self { url, asked, serving }
    }

    /// IAM says no to everything.
    pub(crate) async fn denying() -> Self {
        let message = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: bedrock:x";
        Self::start(move |_| Some((403, json!({"__type": "AccessDeniedException", "message": message}))))
            .await
    }

    /// Listens and says nothing.
    pub(crate) async fn silent() -> Self {
        Self::start(|_| None).await
    }

    /// The paths so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, answers: Arc<Answers>, asked: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = socket.read_u8().await else { return };
                head.push(byte);
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            asked.lock().unwrap().push(path.clone());
            let Some((status, body)) = answers(&path) else { return std::future::pending().await };
            let body = body.to_string();
            let code = if status == 200 { "" } else { "x-amzn-errortype: AccessDeniedException\r\n" };
            let answer = format!(
                "HTTP/1.1 {status} Whatever\r\n{code}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            // Whoever has left doesn't want it.
            let _gone = socket.write_all(answer.as_bytes()).await;
        });
    }
}

/// A port that nobody listens at, held so that no other test's server comes to it.
pub(crate) struct Nobody(socket2::Socket);

impl Nobody {
    pub(crate) fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self(socket)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap().as_socket().unwrap())
    }
}
