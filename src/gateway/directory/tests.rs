use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::*;
use crate::bedrock::ReplyHead;

const NOVA: &str = "amazon.nova-lite-v1:0";

type Answers = dyn Fn(&str) -> Result<Value, ErrorKind> + Send + Sync;

/// Answers by path; with its breath held, never.
struct Stub {
    answers: Box<Answers>,
    asked: Mutex<Vec<(String, Instant)>>,
    holds: AtomicBool,
}

impl Stub {
    fn new(answers: impl Fn(&str) -> Result<Value, ErrorKind> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answers: Box::new(answers), asked: Mutex::default(), holds: AtomicBool::new(false) })
    }

    fn asked(&self, path: &str) -> Vec<Instant> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(known, _)| known.starts_with(path)).map(|(_, at)| *at).collect()
    }
}

impl ControlPlane for Stub {
    fn read<'a>(
        &'a self,
        _region: Option<&'a str>,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Reply, BedrockError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push((path.to_owned(), Instant::now()));
            if self.holds.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            match (self.answers)(path) {
                Ok(body) => Ok(Reply { head: ReplyHead::default(), body: Bytes::from(body.to_string()) }),
                Err(kind) => Err(BedrockError::new(kind, "no")),
            }
        })
    }
}

fn directory(stub: &Arc<Stub>) -> Arc<Directory> {
    let asking = Asking {
        interval: Some(Duration::from_hours(1)),
        lookup_wait: Duration::from_secs(2),
        regions: vec!["us-east-1".to_owned()],
    };
    let control: Arc<dyn ControlPlane> = Arc::<Stub>::clone(stub);
    Arc::new(Directory::new(control, asking))
}

fn profile(id: &str, kind: &str) -> Value {
    let folder = if kind == "APPLICATION" { "application-inference-profile" } else { "inference-profile" };
    json!({
        "inferenceProfileId": id,
        "inferenceProfileArn": format!("arn:aws:bedrock:us-east-1:111122223333:{folder}/{id}"),
        "models": [{"modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{NOVA}")}],
        "type": kind,
    })
}

fn lists(path: &str) -> Value {
    if path == "/foundation-models" {
        return json!({"modelSummaries": [{"modelId": NOVA}]});
    }
    match path.split_once("&nextToken=") {
        _ if path.contains("type=APPLICATION") => {
            json!({"inferenceProfileSummaries": [profile("abc", "APPLICATION")]})
        }
        None => {
            json!({"inferenceProfileSummaries": [profile("us.amazon.nova-lite-v1:0", "SYSTEM_DEFINED")], "nextToken": "a+b"})
        }
        Some((_, "a%2Bb")) => {
            json!({"inferenceProfileSummaries": [profile("eu.amazon.nova-lite-v1:0", "SYSTEM_DEFINED")]})
        }
        Some((_, other)) => panic!("a page that nobody named: {other}"),
    }
}

fn arn(resource: &str) -> ModelId {
    ModelId::parse(&format!("arn:aws:bedrock:us-east-1:111122223333:{resource}")).unwrap()
}

fn model(base: Option<Base>) -> Option<String> {
    match base {
        Some(Base::Model(id)) => Some(id.to_string()),
        Some(Base::Family(family)) => Some(family.name().to_owned()),
        None => None,
    }
}

#[tokio::test]
async fn all_pages_of_both_kinds_of_profiles_are_read() {
    let stub = Stub::new(|path| Ok(lists(path)));
    let directory = directory(&stub);
    assert!(!directory.refresh().await);
    assert_eq!(directory.counts("us-east-1"), (1, 3));
    assert_eq!(directory.counts("eu-west-1"), (0, 0), "a region that isn't asked");
    assert_eq!(directory.failures(), []);
}

#[tokio::test]
async fn what_fails_now_stays_as_it_was() {
    let fails = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&fails);
    let stub = Stub::new(move |path| {
        if now.load(Ordering::Relaxed) && path.contains("SYSTEM") {
            Err(ErrorKind::Unavailable)
        } else {
            Ok(lists(path))
        }
    });
    let directory = directory(&stub);
    directory.refresh().await;
    fails.store(true, Ordering::Relaxed);
    assert!(directory.refresh().await, "it may be another in a minute");
    assert_eq!(directory.counts("us-east-1"), (1, 3));
    let failures = [("us-east-1".to_owned(), "ListInferenceProfiles", ErrorKind::Unavailable)];
    assert_eq!(directory.failures(), failures);
}

#[test]
fn a_failure_is_news_once() {
    let stub = Stub::new(|_| Err(ErrorKind::AccessDenied));
    let directory = directory(&stub);
    let denied = [("ListFoundationModels", ErrorKind::AccessDenied)];
    assert!(directory.is_news("us-east-1", &denied));
    assert!(!directory.is_news("us-east-1", &denied));
    assert!(directory.is_news("eu-west-1", &denied), "elsewhere it is");
    assert!(directory.is_news("us-east-1", &[("ListFoundationModels", ErrorKind::Timeout)]));
    assert!(directory.is_news("us-east-1", &[]), "so is its end");
    assert!(!directory.is_news("us-east-1", &[]));
}

#[tokio::test(start_paused = true)]
async fn what_was_denied_is_asked_again_in_an_hour_and_what_broke_in_a_minute() {
    for (kind, pause) in [(ErrorKind::AccessDenied, 3600.0), (ErrorKind::Unavailable, 60.0)] {
        let stub = Stub::new(move |_| Err(kind));
        let directory = directory(&stub);
        let running = tokio::spawn({
            let directory = Arc::clone(&directory);
            async move { directory.run().await }
        });
        directory.rounds().wait_for(|rounds| *rounds == 2).await.unwrap();
        running.abort();
        let asked = stub.asked("/foundation-models");
        let waited = (asked[1] - asked[0]).as_secs_f64() / pause;
        assert!((0.9..1.11).contains(&waited), "{kind:?}: {waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_id_has_the_listings_read_again_but_once() {
    let stub = Stub::new(|path| Ok(lists(path)));
    let directory = directory(&stub);
    let running = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.run().await }
    });
    let mut rounds = directory.rounds();
    rounds.wait_for(|rounds| *rounds == 1).await.unwrap();
    for _ in 0..10 {
        directory.wish("vendor.brand-new");
    }
    rounds.wait_for(|rounds| *rounds == 2).await.unwrap();
    directory.wish("vendor.brand-new");
    rounds.wait_for(|rounds| *rounds == 3).await.unwrap();
    running.abort();
    let asked = stub.asked("/foundation-models");
    assert!(asked[1] - asked[0] <= Duration::from_secs(61) && asked[2] - asked[1] > Duration::from_mins(50));
}

#[tokio::test(start_paused = true)]
async fn silence_ends() {
    let stub = Stub::new(|path| Ok(lists(path)));
    stub.holds.store(true, Ordering::Relaxed);
    let directory = directory(&stub);
    assert!(directory.refresh().await);
    assert!(directory.failures().iter().all(|(_, _, kind)| *kind == ErrorKind::Timeout));
}

#[tokio::test(start_paused = true)]
async fn an_arn_is_looked_up_once_however_many_wait_for_it() {
    let stub = Stub::new(|path| {
        assert!(path.starts_with("/provisioned-model-throughput/"), "{path}");
        Ok(json!({"foundationModelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{NOVA}")}))
    });
    let directory = directory(&stub);
    let arn = arn("provisioned-model/abc");
    for _ in 0..5 {
        assert_eq!(model(directory.behind(&arn)), None);
    }
    let waiting = (0..5).map(|_| directory.found(&arn));
    assert_eq!(futures_util::future::join_all(waiting).await, [true; 5]);
    assert_eq!(model(directory.behind(&arn)).as_deref(), Some(NOVA));
    assert_eq!(stub.asked("/").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_config_allows() {
    let stub = Stub::new(|path| Ok(lists(path)));
    stub.holds.store(true, Ordering::Relaxed);
    let directory = directory(&stub);
    let arn = arn("imported-model/abc");
    assert_eq!(model(directory.behind(&arn)), None);
    let began = Instant::now();
    assert!(!directory.found(&arn).await);
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    // The question itself goes on, and ends in its own time.
    assert_eq!(stub.asked("/imported-models/").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_for_an_hour() {
    let stub = Stub::new(|_| Err(ErrorKind::AccessDenied));
    let directory = directory(&stub);
    let arn = arn("custom-model/abc");
    for (wait, asked) in [(0, 1), (60, 1), (3600, 2)] {
        tokio::time::advance(Duration::from_secs(wait)).await;
        assert_eq!(model(directory.behind(&arn)), None);
        assert!(!directory.found(&arn).await);
        assert_eq!(stub.asked("/custom-models/").len(), asked, "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_of_several_steps_is_followed() {
    let stub = Stub::new(|path| {
        let custom = "arn:aws:bedrock:us-east-1:111122223333:custom-model/own";
        Ok(if path.starts_with("/model-customization/") {
            json!({"modelArn": custom})
        } else if path.starts_with("/custom-models/") {
            json!({"modelArn": custom, "baseModelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{NOVA}:300k")})
        } else if path.starts_with("/prompt-routers/") {
            json!({"fallbackModel": {"modelArn": "arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama3-1-8b-instruct-v1:0"}})
        } else {
            json!({"modelArchitecture": "llama3_1"})
        })
    });
    let directory = directory(&stub);
    for (resource, found) in [
        ("custom-model-deployment/abc", Some(NOVA)),
        ("default-prompt-router/meta.llama:1", Some("meta.llama3-1-8b-instruct-v1:0")),
        ("imported-model/abc", Some("llama")),
    ] {
        let arn = arn(resource);
        assert!(directory.behind(&arn).is_none());
        directory.found(&arn).await;
        assert_eq!(model(directory.behind(&arn)).as_deref(), found, "{resource}");
    }
}

#[tokio::test]
async fn clients_cant_make_it_ask_without_end() {
    let stub = Stub::new(|path| Ok(lists(path)));
    stub.holds.store(true, Ordering::Relaxed);
    let directory = directory(&stub);
    for number in 0..100 {
        assert!(directory.behind(&arn(&format!("custom-model/{number}"))).is_none());
    }
    assert_eq!(directory.hidden.lock().unwrap().len(), 8);
    assert!(directory.behind(&arn("guardrail/x")).is_none(), "there is nobody to ask");
}

#[tokio::test(start_paused = true)]
async fn names_that_lead_nowhere_are_asked_for_at_a_rate() {
    let stub = Stub::new(|path| {
        if path.contains("real") {
            Ok(json!({"foundationModelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{NOVA}")}))
        } else {
            Err(ErrorKind::NotFound)
        }
    });
    let directory = directory(&stub);
    for (wait, asked) in [(0, 20), (9, 20), (1, 40), (60, 60)] {
        tokio::time::advance(Duration::from_secs(wait)).await;
        for number in 0..1_500 {
            let made_up = arn(&format!("provisioned-model/{asked}-{wait}-{number}"));
            assert!(directory.behind(&made_up).is_none());
            directory.found(&made_up).await;
        }
        assert_eq!(stub.asked("/").len(), asked, "after {wait} s");
    }
    // One that leads somewhere costs nobody anything.
    tokio::time::advance(Duration::from_secs(10)).await;
    let real = arn("provisioned-model/real");
    directory.behind(&real);
    assert!(directory.found(&real).await);
}
