//! The real server, between a real socket and a simulator that the test owns.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outcrop::app::{App, Applied, Reloader, StartError};
use outcrop::config::{self, Config, Overrides, Sources};
use outcrop::gateway::Directory;
use outcrop::listener::Shutdown;
use outcrop::simulator::{Credentials, Observed, Options, Recorded, Reply, Simulator};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client::Sent;
use super::{Answer, Live, Proxy, Request, Transcript};

/// What a test wants its gateway to be.
pub(crate) struct Setup {
    keys: Vec<(String, String)>,
    vars: BTreeMap<String, String>,
    options: Options,
    upstream: Option<String>,
}

/// A simulator that serves what AWS has retired as well: gateways have to speak with models of all ages.
fn all_models() -> Options {
    Options { served_models: vec!["*".to_owned()], ..Options::default() }
}

impl Setup {
    /// Everything by default, but retries without pauses and as many as a test provokes, and no questions but the tests' own:
    /// what reaches the simulator is theirs.
    pub(crate) fn new() -> Self {
        Self { keys: Vec::new(), vars: BTreeMap::new(), options: all_models(), upstream: None }
            .set("retry.base_delay", "0.001")
            .set("retry.budget.min_per_second", "1000")
            .set("models.live.interval", "0")
    }

    /// Asks Bedrock for models and profiles, once and in the background.
    pub(crate) fn live(self) -> Self {
        self.set("models.live.interval", "3600")
    }

    /// Asks another control plane than the simulator's.
    pub(crate) fn control(self, url: &str) -> Self {
        self.live().set("aws.control_endpoint_url", url)
    }

    /// Asks for a stream only where the client does.
    pub(crate) fn unfolded(self) -> Self {
        self.set("stream.upstream", "asked")
    }

    /// A key of the configuration, by its path, and its value in YAML.
    pub(crate) fn set(mut self, path: &str, yaml: &str) -> Self {
        self.keys.push((path.to_owned(), yaml.to_owned()));
        self
    }

    /// A variable of the environment.
    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The simulator's options.
    pub(crate) fn simulator(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Another upstream than the simulator.
    pub(crate) fn upstream(self, url: String) -> Self {
        Self { upstream: Some(url), ..self }
    }

    /// With a proxy between the gateway and its simulator.
    pub(crate) async fn start_behind_proxy(self) -> (TestGateway, Proxy) {
        let simulator = Simulator::start(self.options.clone()).await.unwrap();
        let proxy = Proxy::start(simulator.address()).await.unwrap();
        (Box::pin(self.upstream(proxy.url()).start_over(simulator)).await, proxy)
    }

    pub(crate) async fn start(self) -> TestGateway {
        let simulator = Simulator::start(self.options.clone()).await.unwrap();
        Box::pin(self.start_over(simulator)).await
    }

    async fn start_over(self, simulator: Simulator) -> TestGateway {
        let Self { keys, vars, options: _, upstream } = self;
        let Credentials { access_key, secret_key, session_token: _ } = Credentials::default();
        let url = upstream.unwrap_or_else(|| simulator.url());
        let mut overrides = Overrides::default();
        for (path, text) in [
            ("server.listen", "127.0.0.1:0"),
            ("aws.endpoint_url", &url),
            ("aws.control_endpoint_url", &url),
            ("aws.access_key_id", &access_key),
            ("aws.secret_access_key", &secret_key),
        ] {
            overrides.set("test", path, text);
        }
        for (path, yaml) in &keys {
            overrides.set_yaml("test", path, yaml).unwrap();
        }
        let source = Source { overrides, vars };
        let config = source.with(&[]).unwrap_or_else(|errors| panic!("{errors}"));
        let app = App::start(&config, false).await.unwrap();
        TestGateway::serve(app, simulator, source)
    }
}

/// Where a gateway's configuration came from.
struct Source {
    overrides: Overrides,
    vars: BTreeMap<String, String>,
}

impl Source {
    /// The same with other values.
    fn with(&self, keys: &[(&str, &str)]) -> Result<Config, config::Errors> {
        let mut overrides = self.overrides.clone();
        for (path, yaml) in keys {
            overrides.set_yaml("test", path, yaml).unwrap();
        }
        config::load(Sources { file: None, vars: &self.vars, overrides })
    }
}

/// A gateway that serves until the test ends.
pub(crate) struct TestGateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) simulator: Simulator,
    pub(crate) shutdown: Shutdown,
    /// Tells when serving has come to its end.
    pub(crate) ended: oneshot::Receiver<()>,
    pub(crate) reloader: Reloader,
    /// Of a hundred parts of the memory that there is, so many are in use.
    pub(crate) memory: Arc<AtomicU64>,
    source: Source,
    directory: Arc<Directory>,
    serving: JoinHandle<()>,
}

impl TestGateway {
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    fn serve(app: App, simulator: Simulator, source: Source) -> Self {
        let (address, admin, shutdown) = (app.address(), app.admin_address(), app.shutdown());
        let (directory, reloader) = (app.directory(), app.reloader());
        let memory = Arc::new(AtomicU64::new(0));
        let app = app.measured_by({
            let memory = Arc::clone(&memory);
            Arc::new(move || Some(memory.load(Ordering::SeqCst)))
        });
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(async move {
            app.serve().await;
            // Most tests don't wait for it.
            let _unheard = end.send(());
        });
        Self { address, admin, simulator, shutdown, ended, reloader, memory, source, directory, serving }
    }

    /// Puts the configuration that it started with in force, with other values of these keys.
    pub(crate) async fn reload(&self, keys: &[(&str, &str)]) -> Result<Applied, StartError> {
        self.reloader.apply(self.source.with(keys).unwrap_or_else(|errors| panic!("{errors}"))).await
    }

    /// The same, and none of the variables is there any more.
    pub(crate) async fn reload_without_vars(&self, keys: &[(&str, &str)]) -> Result<Applied, StartError> {
        let source = Source { overrides: self.source.overrides.clone(), vars: BTreeMap::new() };
        self.reloader.apply(source.with(keys).unwrap_or_else(|errors| panic!("{errors}"))).await
    }

    /// The same as an operator's reload does it, whether the values are valid or not.
    pub(crate) async fn take(&self, keys: &[(&str, &str)]) {
        self.reloader.take(self.source.with(keys)).await;
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        request.send(self.address).await
    }

    /// Waits for the head only.
    pub(crate) async fn open(&self, request: Request) -> Live {
        request.open(self.address).await
    }

    /// Waits for nothing.
    pub(crate) async fn dispatch(&self, request: Request) -> Sent {
        Sent::send(&request, self.address).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    pub(crate) async fn chat(&self, body: &Value) -> Answer {
        self.send(Request::chat(body)).await
    }

    /// The same chat as a stream, however it ends. A refusal before its beginning is a failure of the test.
    pub(crate) async fn stream(&self, body: &Value) -> Transcript {
        Transcript::read(self.open_stream(body).await).await
    }

    /// The same chat as a stream, to be read piece by piece.
    pub(crate) async fn open_stream(&self, body: &Value) -> Live {
        self.open(Request::chat(&streamed(body))).await
    }

    pub(crate) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.simulator.script(replies);
    }

    /// Calls that reached the simulator.
    pub(crate) fn calls(&self) -> Vec<Recorded> {
        self.simulator.requests()
    }

    /// The latest call: its path and its JSON.
    #[track_caller]
    pub(crate) fn last_call(&self) -> (String, Value) {
        let calls = self.calls();
        let last = calls.last().expect("nothing was called");
        (last.path.clone(), serde_json::from_slice(&last.body).unwrap())
    }

    /// Waits until Bedrock has been asked for models and profiles, whatever it said.
    pub(crate) async fn informed(&self) {
        self.directory.rounds().wait_for(|rounds| *rounds > 0).await.unwrap();
    }

    /// Waits until the simulator has seen something.
    pub(crate) async fn seen(&self, what: impl FnMut(&Observed) -> bool) -> Observed {
        *self.simulator.watch().wait_for(what).await.unwrap()
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn streamed(body: &Value) -> Value {
    let mut body = body.clone();
    body["stream"] = json!(true);
    body
}
