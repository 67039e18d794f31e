"""JSON from models that can only be asked for it: what is taken out of their words, and what is left as it is."""

import pytest
from conftest import CLAUDE, GPT_OSS, LLAMA, NOVA, QWEN, THINKING_CLAUDE, collect, user
from openai.lib._parsing import type_to_response_format_param
from pydantic import BaseModel, Field

ASKED = [LLAMA, "amazon.titan-text-express-v1", GPT_OSS]
RIGHT = '{"city": "Rome", "hotel": {"name": "R", "stars": 3}, "tags": ["a"]}'


class Hotel(BaseModel):
    name: str
    stars: int = Field(ge=1, le=5)


class Trip(BaseModel):
    """A trip, with references and with keywords that no model is held to."""

    city: str = Field(min_length=1, pattern="^[A-Z]", description="Where to.")
    hotel: Hotel | None
    tags: list[str] = Field(max_length=5)


@pytest.mark.parametrize("model", ASKED)
@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here it is:\n{}\nAnything else?"])
def test_json_is_taken_out_of_what_a_model_says(client, model, around):
    ask = {
        "model": model,
        "messages": user(f"[[say:{around.replace('{}', RIGHT)}]] [[deltas:20]]"),
        "response_format": Trip,
    }
    message = client.chat.completions.parse(**ask).choices[0].message
    assert message.content == RIGHT
    assert message.parsed == Trip.model_validate_json(RIGHT)
    with client.chat.completions.stream(**ask) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == message.parsed


@pytest.mark.parametrize("model", [THINKING_CLAUDE, QWEN, CLAUDE, NOVA, *ASKED])
def test_a_schema_with_references_and_bounds_is_taken_at_once(client, model):
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=user(RIGHT), response_format=type_to_response_format_param(Trip)
    )
    assert raw.headers["x-outcrop-attempts"] == "1"
    assert raw.parse().choices[0].finish_reason == "stop"


def test_words_instead_of_json_are_passed_on(client):
    ask = {"model": LLAMA, "messages": user("[[say:I would rather not.]]"), "response_format": {"type": "json_object"}}
    raw = client.chat.completions.with_raw_response.create(**ask)
    assert "response_format:warned;reason=reply_is_no_json" in raw.headers["x-outcrop-notes"]
    assert raw.parse().choices[0].message.content == "I would rather not."
    assert collect(client.chat.completions.create(**ask, stream=True))[:2] == ("I would rather not.", ["stop"])
