"""Structured output with the SDK's own helpers, on every way that a family has to it."""

from enum import Enum
from typing import Literal

import openai
import pytest
from conftest import CLAUDE, NOVA, WEATHER, user
from openai.lib._parsing import type_to_response_format_param
from pydantic import BaseModel, Field

HELD = ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "qwen.qwen3-32b-v1:0"]
FORCED = [CLAUDE, NOVA, "mistral.mistral-large-2402-v1:0"]
ASKED = ["meta.llama3-1-8b-instruct-v1:0", "amazon.titan-text-express-v1", "openai.gpt-oss-20b-1:0"]

RIGHT = '{"city": "Rome", "days": 3, "mood": "calm", "hotel": null, "tags": ["a"]}'


class Mood(Enum):
    calm = "calm"
    wild = "wild"


class Hotel(BaseModel):
    name: str
    stars: int = Field(ge=1, le=5)


class Trip(BaseModel):
    """A trip, with all that schemas of it hold."""

    city: str = Field(min_length=1, description="Where to.")
    days: int = Field(gt=0)
    mood: Mood
    hotel: Hotel | None
    tags: list[str] = Field(max_length=5)


class Plain(BaseModel):
    """Without references: the simulator doesn't follow them when it answers by a schema."""

    city: str = Field(min_length=1, description="Where to.")
    days: int = Field(ge=1, le=30)
    mood: Literal["calm", "wild"]
    note: str | None
    tags: list[str] = Field(max_length=5)


@pytest.mark.parametrize("model", HELD + FORCED)
def test_the_model_is_held_to_the_schema(client, model):
    # The simulator answers by the schema it is given.
    ask = {"model": model, "messages": user("a trip"), "response_format": Plain}
    message = client.chat.completions.parse(**ask).choices[0].message
    assert isinstance(message.parsed, Plain)
    assert not message.tool_calls
    with client.chat.completions.stream(**ask) as stream:
        parsed = [event.parsed for event in stream if event.type == "content.done"]
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == message.parsed == parsed[0]
    assert final.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", ASKED)
@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here it is:\n{}\nAnything else?"])
def test_json_is_taken_out_of_what_a_model_says(client, model, around):
    ask = {
        "model": model,
        "messages": user(f"[[say:{around.replace('{}', RIGHT)}]] [[deltas:20]]"),
        "response_format": Trip,
    }
    reply = client.chat.completions.parse(**ask).choices[0]
    assert reply.message.content == RIGHT
    assert reply.message.parsed.city == "Rome"
    with client.chat.completions.stream(**ask) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == reply.message.parsed


def test_tools_and_a_schema_go_together(client):
    ask = {
        "model": HELD[0],
        "messages": user('[[tool:get_weather {"city":"Rome"}]]'),
        "response_format": Plain,
        "tools": [{**WEATHER, "function": {**WEATHER["function"], "strict": True}}],
    }
    choice = client.chat.completions.parse(**ask).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.parsed_arguments == {"city": "Rome"}


@pytest.mark.parametrize("model", HELD + FORCED)
def test_references_and_bounds_are_taken(client, model):
    ask = {"model": model, "messages": user("a trip"), "response_format": type_to_response_format_param(Trip)}
    assert client.chat.completions.create(**ask).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", [HELD[0], ASKED[0]])
def test_a_cut_reply_raises_what_it_should(client, model):
    ask = {"model": model, "messages": user(f"[[say:{RIGHT}]]"), "response_format": Trip, "max_tokens": 2}
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(**ask)
    with pytest.raises(openai.LengthFinishReasonError), client.chat.completions.stream(**ask) as stream:
        stream.until_done()


def test_words_instead_of_json_are_passed_on(client):
    raw = client.chat.completions.with_raw_response.create(
        model=ASKED[0], messages=user("[[say:I would rather not.]]"), response_format={"type": "json_object"}
    )
    assert "response_format:warned;reason=reply_is_no_json" in raw.headers["x-outcrop-notes"]
    assert raw.parse().choices[0].message.content == "I would rather not."
