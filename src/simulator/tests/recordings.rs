//! What Bedrock is on record to have accepted, the simulator accepts. `OUTCROP_RECORDINGS` names the folder; without it there
//! is nothing to compare.

use super::*;
use crate::simulator::{models, native, validate};
use std::path::Path;

/// Where the simulator is stricter on purpose.
const STRICTER: [(&str, &str); 3] = [
    ("Invalid `signature` in `thinking` block", "it knows its own signatures only"),
    (
        "must alternate between user and assistant roles",
        "some models merge neighbours of one role, some refuse them",
    ),
    ("'messages.0.content.1.video.format'", "`video/mp4` is in no list of AWS's"),
];

#[test]
fn what_bedrock_accepted_is_accepted() {
    let Some((_, folder)) = std::env::vars_os().find(|(name, _)| name == "OUTCROP_RECORDINGS") else {
        println!("OUTCROP_RECORDINGS is not set: nothing is compared");
        return;
    };
    let (mut compared, mut refused) = (0, Vec::new());
    for entry in std::fs::read_dir(Path::new(&folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let recording: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let (operation, id) =
            (recording["operation"].as_str().unwrap(), recording["model_id"].as_str().unwrap());
        let Some(named) = models::find(id) else { continue };
        if recording["status"] != 200 || named.model.facts.format.embeds() {
            continue;
        }
        let (request, streaming) = (&recording["request"], operation.contains("Stream"));
        let result = match operation {
            "Converse" | "ConverseStream" => validate::converse(named.model, request, streaming),
            "InvokeModel" | "InvokeModelWithResponseStream" => {
                native::read(named.model, request, streaming).map(|_| ())
            }
            _ => continue,
        };
        compared += 1;
        if let Err(fault) = result
            && !STRICTER.iter().any(|(text, _)| fault.message.contains(text))
        {
            refused.push(format!("{operation} {id}: {}", fault.message));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(compared > 0, "no recording was compared");
}
