//! Tools' schemas: whatever they say, each family's body is one that Bedrock takes and not much longer than they are, or the
//! request is a clear 400.
#![no_main]

use outcrop::bedrock::ModelId;
use outcrop::chat::CacheMode;
use outcrop::families::{self, FormatKind, Lessons, ModelLimits, Overrides, Terms};
use outcrop::{openai, simulator};

const MODELS: [(&str, FormatKind); 8] = [
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", FormatKind::Native),
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", FormatKind::Converse),
    ("amazon.nova-pro-v1:0", FormatKind::Native),
    ("amazon.nova-pro-v1:0", FormatKind::Converse),
    ("openai.gpt-oss-120b-1:0", FormatKind::Native),
    ("openai.gpt-oss-120b-1:0", FormatKind::Converse),
    ("mistral.mistral-large-2407-v1:0", FormatKind::Native),
    ("us.meta.llama3-3-70b-instruct-v1:0", FormatKind::Converse),
];
/// What is made of schemas, in multiples of them; the smallest count as this many bytes.
const GROWTH: usize = 20;
const LEAST: usize = 50_000;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let tools = outcrop_fuzz::schemas::tools(data);
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":{tools}}}"#);
    let Ok(decoded) = openai::decode(body.as_bytes()) else { return };
    for (id, kind) in MODELS {
        let model = ModelId::parse(id).expect("an id");
        let terms = Terms {
            family: families::resolve(&model, None),
            model: &model,
            forced: Some(kind),
            overrides: Overrides::default(),
            lessons: Lessons::default(),
            limits: ModelLimits::default(),
            streaming: false,
            folding: None,
            thoughts_complete: false,
            cache: CacheMode::Explicit,
        };
        let mut notes = decoded.notes.clone();
        let prepared = match families::prepare(&terms, decoded.request.clone(), &mut notes) {
            Ok(prepared) => prepared,
            Err(refused) => {
                let param = refused.param.expect("a place");
                assert!(
                    param.starts_with("tools[") && refused.message.len() < 1_000,
                    "{param}: {}",
                    refused.message
                );
                continue;
            }
        };
        let call = prepared
            .format
            .encode(&prepared.request, &model, false)
            .expect("what is prepared can be written");
        assert!(
            call.body.len() <= GROWTH * body.len().max(LEAST),
            "{} became {}",
            body.len(),
            call.body.len()
        );
        if let Some(why) = simulator::fuzz_refusal(id, &call.body, kind == FormatKind::Converse) {
            panic!("{id} {kind:?}: {why}\n{}", String::from_utf8_lossy(&call.body));
        }
    }
});
