//! One identifier, the right way in: profiles, ARNs, successors, and what Bedrock itself says about them.

use serde_json::json;

use crate::support::{Answer, CLAUDE, Control, NOVA, Nobody, Setup, TestGateway, chat, tool, with};

const REROUTED: &str = "model:rerouted;reason=profile_required";
const GUESSED: &str = "model:warned;reason=unknown_model";

fn bare(profile: &str) -> &str {
    profile.split_once('.').unwrap().1
}

fn arn(resource: &str) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:{resource}")
}

/// A first call: made once, and to what.
#[track_caller]
fn assert_called(answer: &Answer, model: &str, notes: Option<&str>) {
    answer.completion();
    assert_eq!(answer.header("x-outcrop-model"), Some(model));
    assert_eq!(answer.header("x-outcrop-attempts"), Some("1"));
    assert_eq!(answer.header("x-outcrop-notes"), notes);
}

/// The region that the latest call was signed for.
fn signed_for(gateway: &TestGateway) -> String {
    let calls = gateway.calls();
    let signature = calls.last().unwrap().headers["authorization"].to_str().unwrap().to_owned();
    signature.split('/').nth(2).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bedrock_lists_as_a_profile_only_is_called_by_it_at_once() {
    // The catalogue doesn't say how this one is sold.
    let model = "amazon.nova-2-lite-v1:0";
    let settings = format!(
        "{{profile: global, near: {{target: '{model}', profile: geo}}, never: {{target: '{model}', profile: off}}}}"
    );
    let gateway = Setup::new().set("models", &settings).live().start().await;
    gateway.informed().await;
    assert_called(&gateway.chat(&chat(model, "hi")).await, &format!("global.{model}"), Some(REROUTED));
    assert_called(&gateway.chat(&chat("near", "hi")).await, &format!("us.{model}"), Some(REROUTED));
    let refused = gateway.chat(&chat("never", "hi")).await;
    assert_eq!(refused.verdict(), (400, "invalid_request_error".into(), Some("model_not_found".into())));
    assert_eq!(refused.header("x-outcrop-attempts"), Some("1"));
    // What is sold by its own id is called by it, and what is a profile already stays one.
    assert_called(&gateway.chat(&chat(NOVA, "hi")).await, NOVA, None);
    assert_called(&gateway.chat(&chat(CLAUDE, "hi")).await, CLAUDE, None);
    let way = gateway.get(&format!("/v1/models/{model}")).await.json()["outcrop"].clone();
    assert_eq!((&way["target"], &way["profile"]), (&json!(model), &json!(format!("global.{model}"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalogue_knows_as_a_profile_only_needs_no_detour_either() {
    let gateway = TestGateway::start().await;
    assert_called(&gateway.chat(&chat(bare(CLAUDE), "hi")).await, CLAUDE, Some(REROUTED));
    let narrow = Setup::new().set("models.profile", "off").start().await;
    assert_eq!(narrow.chat(&chat(bare(CLAUDE), "hi")).await.status, 400);
    assert_eq!(narrow.calls().len(), 1, "nor after Bedrock's refusal");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_profile_that_bedrock_lists_needs_no_config() {
    let arn = arn("application-inference-profile/abc");
    let gateway = Setup::new()
        .unfolded()
        .simulator(|options| options.application_profiles = vec![(arn.clone(), CLAUDE.to_owned())])
        .live()
        .start()
        .await;
    gateway.informed().await;
    assert_called(&gateway.chat(&chat(&arn, "hi")).await, &arn.replace("123456789012", ""), None);
    assert!(gateway.last_call().0.ends_with("/invoke"), "Claude's own format");
    let model = gateway.get(&format!("/v1/models/{}", arn.replace('/', "%2F"))).await.json();
    assert_eq!(model["outcrop"]["base_model"], bare(CLAUDE));
    assert_eq!(
        (&model["outcrop"]["family"], &model["context_window"]),
        (&json!("anthropic"), &json!(200_000))
    );
    assert!(!model["outcrop"].to_string().contains("123456789012"), "{model}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_profile_that_nobody_lists_is_served_and_looked_up_meanwhile() {
    let arn = arn("application-inference-profile/abc");
    let (known, model) = (arn.clone(), bare(CLAUDE));
    let control = Control::start(move |path| match path {
        "/foundation-models" => Some((200, json!({"modelSummaries": []}))),
        path if path.starts_with("/inference-profiles?") => {
            Some((200, json!({"inferenceProfileSummaries": []})))
        }
        _ => {
            let model_arn = format!("arn:aws:bedrock:us-east-1::foundation-model/{model}");
            Some((200, json!({"inferenceProfileId": "abc", "inferenceProfileArn": known, "models": [{"modelArn": model_arn}]})))
        }
    })
    .await;
    let gateway = Setup::new()
        .unfolded()
        .simulator(|options| options.application_profiles = vec![(arn.clone(), CLAUDE.to_owned())])
        .control(&control.url)
        .start()
        .await;
    let first = gateway.chat(&chat(&arn, "hi")).await;
    assert_called(&first, &arn.replace("123456789012", ""), Some(GUESSED));
    assert!(gateway.last_call().0.ends_with("/converse"), "which every model for chats speaks");
    // The answer to a question that is under way may come a little later than the call's.
    while gateway.chat(&chat(&arn, "hi")).await.header("x-outcrop-notes").is_some() {}
    assert!(gateway.last_call().0.ends_with("/invoke"));
    let questions = control.asked().iter().filter(|path| path.starts_with("/inference-profiles/")).count();
    assert_eq!(questions, 1, "{:?}", control.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_model_is_looked_up_before_its_first_call() {
    let arn = arn("provisioned-model/abc");
    let control = Control::start(|path| {
        if path.starts_with("/provisioned-model-throughput/arn%3A") {
            let arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-express-v1:0:8k";
            Some((200, json!({"foundationModelArn": arn})))
        } else {
            Some((403, json!({"message": "no"})))
        }
    })
    .await;
    let gateway =
        Setup::new().unfolded().control(&control.url).set("models.live.lookup_wait", "50").start().await;
    gateway.chat(&chat(&arn, "hi")).await;
    assert!(gateway.last_call().0.ends_with("/invoke"), "Titan's own format");
    assert!(gateway.last_call().1["inputText"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_denies_is_asked_once_and_missed_by_nobody() {
    let control = Control::denying().await;
    let gateway = Setup::new().control(&control.url).start().await;
    gateway.informed().await;
    assert_called(&gateway.chat(&chat(NOVA, "hi")).await, NOVA, None);
    assert_called(&gateway.chat(&chat(bare(CLAUDE), "hi")).await, CLAUDE, Some(REROUTED));
    assert!(gateway.get("/v1/models").await.json()["data"].as_array().unwrap().len() > 30);
    assert_eq!(control.asked().len(), 3, "{:?}", control.asked());
    // An ARN that nobody may explain.
    let hidden = arn("imported-model/abc");
    for _ in 0..2 {
        let refused = gateway.chat(&chat(&hidden, "hi")).await;
        assert_eq!(refused.verdict(), (400, "invalid_request_error".into(), Some("model_not_found".into())));
    }
    assert_eq!(control.asked().len(), 4, "{:?}", control.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_is_down_or_silent_holds_nothing_up() {
    let silent = Control::silent().await;
    let nobody = Nobody::new();
    for url in [&silent.url, &nobody.url()] {
        let gateway = Setup::new().control(url).set("models.live.lookup_wait", "0.01").start().await;
        assert_called(&gateway.chat(&chat(NOVA, "hi")).await, NOVA, None);
        assert_eq!(gateway.get("/v1/models").await.status, 200);
        assert_eq!(gateway.get("/readyz").await.status, 200);
        let application = arn("application-inference-profile/abc");
        let guessed = gateway.chat(&chat(&application, "hi")).await;
        assert_eq!(guessed.header("x-outcrop-notes"), Some(GUESSED), "{}", guessed.text());
        assert_eq!(gateway.chat(&chat(&arn("imported-model/abc"), "hi")).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_that_no_table_knows_is_learned() {
    let model = bare(CLAUDE);
    let profiles = json!({"inferenceProfileSummaries": [{
        "inferenceProfileId": format!("mx.{model}"), "inferenceProfileArn": arn(&format!("inference-profile/mx.{model}")),
        "models": [{"modelArn": format!("arn:aws:bedrock:mx-central-1::foundation-model/{model}")}],
        "type": "SYSTEM_DEFINED", "status": "ACTIVE",
    }]});
    let control = Control::start(move |path| match path {
        "/foundation-models" => Some((200, json!({"modelSummaries": []}))),
        path if path.ends_with("APPLICATION") => Some((200, json!({"inferenceProfileSummaries": []}))),
        _ => Some((200, profiles.clone())),
    })
    .await;
    let gateway = Setup::new().control(&control.url).start().await;
    gateway.informed().await;
    let described = |id: String| {
        let gateway = &gateway;
        async move { gateway.get(&format!("/v1/models/{}", id.replace('/', "%2F"))).await.json() }
    };
    for id in [format!("mx.{model}"), arn(&format!("inference-profile/mx.{model}"))] {
        let known = described(id.clone()).await;
        assert_eq!(
            (&known["outcrop"]["base_model"], &known["outcrop"]["family"]),
            (&json!(model), &json!("anthropic")),
            "{id}"
        );
    }
    // Of a model that nobody knows, too, which is Bedrock's to answer for: a Llama is told how much to write.
    gateway.chat(&chat("mx.meta.llama9-8b-instruct-v1:0", "hi")).await;
    assert_eq!(gateway.last_call().1["inferenceConfig"]["maxTokens"], 2048);
    // And the bare id goes there, for there is no other.
    assert_eq!(described(model.to_owned()).await["outcrop"]["profile"], format!("mx.{model}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arn_is_called_in_its_own_region_if_that_is_allowed() {
    let there = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0";
    let elsewhere = there.replace("eu-west-1", "ap-south-1");
    let settings = format!("{{ours: '{there}', far: {{target: '{NOVA}', region: us-west-2}}}}");
    let gateway = Setup::new().set("models", &settings).start().await;
    for (name, region) in
        [("ours", "eu-west-1"), (there, "eu-west-1"), ("far", "us-west-2"), (NOVA, "us-east-1")]
    {
        gateway.chat(&chat(name, "hi")).await;
        assert_eq!(signed_for(&gateway), region, "{name}");
        let way = gateway.get(&format!("/v1/models/{}", name.replace('/', "%2F"))).await.json();
        assert_eq!(way["outcrop"]["region"], region, "{name}");
    }
    let made = gateway.calls().len();
    let refused = gateway.chat(&chat(&elsewhere, "hi")).await;
    assert_eq!(refused.verdict(), (400, "invalid_request_error".into(), Some("model_not_found".into())));
    assert!(
        refused.text().contains("ap-south-1") && !refused.text().contains("123456789012"),
        "{}",
        refused.text()
    );
    assert_eq!(gateway.calls().len(), made);

    let wide =
        Setup::new().set("models.arn", "{regions: [ap-south-1], accounts: ['123456789012']}").start().await;
    wide.chat(&chat(&elsewhere, "hi")).await;
    assert_eq!(signed_for(&wide), "ap-south-1");
    let strangers = elsewhere.replace("123456789012", "999999999999");
    assert_eq!(wide.chat(&chat(&strangers, "hi")).await.status, 400);
    assert_eq!(wide.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_at_its_end_is_spoken_of_or_succeeded() {
    let (legacy, retired) = ("zai.glm-4.7", "anthropic.claude-3-sonnet-20240229-v1:0");
    let gateway = Setup::new()
        .set("models", &format!("{{warn_legacy: true, successors: {{'{retired}': fast}}, fast: '{NOVA}', guarded: {{target: '{retired}', guardrail: 'abc:1'}}, old: {{target: '{legacy}', successor: '{CLAUDE}'}}}}"))
        .start()
        .await;
    let noted = |answer: &Answer| answer.header("x-outcrop-notes").unwrap_or_default().to_owned();
    let warned = gateway.chat(&chat(CLAUDE, "hi")).await;
    assert_eq!(noted(&warned), "model:warned;reason=legacy");
    for id in [retired.to_owned(), format!("us.{retired}")] {
        let succeeded = gateway.chat(&chat(&id, "hi")).await;
        assert_called(&succeeded, NOVA, Some("model:rerouted;reason=retired_successor"));
        assert_eq!(succeeded.json()["model"], id.as_str(), "the client's own word comes back");
    }
    let by_alias = gateway.chat(&chat("old", "hi")).await;
    assert_eq!(by_alias.header("x-outcrop-model"), Some(CLAUDE));
    assert!(noted(&by_alias).contains("model:rerouted;reason=legacy_successor"), "{}", noted(&by_alias));
    // What an operator puts before a name stays before it.
    gateway.chat(&chat("guarded", "hi")).await.completion();
    assert_eq!(gateway.last_call().1["guardrailConfig"]["guardrailIdentifier"], "abc");
    // An ARN is what somebody meant, exactly.
    let exact = arn(&format!("inference-profile/us.{retired}"));
    let answer = gateway.chat(&chat(&exact, "hi")).await;
    assert_eq!(noted(&answer), "model:warned;reason=retired_by_aws");

    // Off by default.
    let plain = TestGateway::start().await;
    assert_eq!(noted(&plain.chat(&chat(CLAUDE, "hi")).await), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_are_what_config_says() {
    let settings = format!(
        "{{mute: {{target: '{NOVA}', capabilities: {{tools: false, images: false}}}}, terse: {{target: '{NOVA}', capabilities: {{max_output_tokens: 9, sampling: refused}}}}}}"
    );
    let gateway = Setup::new().set("models", &settings).start().await;
    let mute = gateway.get("/v1/models/mute").await.json();
    assert_eq!(mute["modalities"]["input"], json!(["text"]));
    let shown = mute["capabilities"].to_string();
    assert!(!shown.contains("tools") && !shown.contains("images") && shown.contains("documents"), "{shown}");
    let tools = with(chat("mute", "hi"), json!({"tools": [tool("look", "where")]}));
    assert_eq!(gateway.chat(&tools).await.status, 400);
    assert_eq!(gateway.get("/v1/models/terse").await.json()["max_output_tokens"], 9);
    let answer =
        gateway.chat(&with(chat("terse", "hi"), json!({"temperature": 0.5, "max_tokens": 100}))).await;
    answer.completion();
    let config = gateway.last_call().1["inferenceConfig"].clone();
    assert_eq!((&config["maxTokens"], config.get("temperature")), (&json!(9), None));
}
