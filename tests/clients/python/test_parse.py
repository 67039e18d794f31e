"""What the SDK's helpers make of replies in JSON: parsed whole, parsed as they come, or not parsed."""

import json
from enum import Enum

import openai
import pytest
from conftest import (
    CLAUDE,
    CLAUDE_OVER_CONVERSE,
    GPT_OSS,
    LLAMA,
    MISTRAL,
    NOVA,
    NOVA_2,
    ONE_OF_EACH,
    QWEN,
    THINKING_CLAUDE,
    collect,
    user,
)
from pydantic import BaseModel, Field

# How each is brought to it: held to the schema, by a tool that it has to call, or asked in words.
HELD = [THINKING_CLAUDE, QWEN]
FORCED = [CLAUDE, CLAUDE_OVER_CONVERSE, NOVA, NOVA_2, MISTRAL]
ASKED = [LLAMA, GPT_OSS]
EVERY_WAY = HELD + FORCED + ASKED


class Season(Enum):
    SUMMER = "summer"
    WINTER = "winter"


class Stop(BaseModel):
    city: str = Field(description="Where to stay")
    nights: int = Field(ge=1)


class Trip(BaseModel):
    """A journey."""

    title: str
    season: Season
    stops: list[Stop]
    budget: float | None


ROME = {"title": "Rome 🌍", "season": "winter", "stops": [{"city": "Rome", "nights": 3}], "budget": None}


# In Llama's own prompt the simulator sees no schema.
@pytest.mark.parametrize("model", [model for model in EVERY_WAY if model != LLAMA])
def test_the_sdk_parses_an_instance_of_the_schema(client, model):
    reply = client.chat.completions.parse(model=model, messages=user("Plan a journey"), response_format=Trip)
    assert isinstance(reply.choices[0].message.parsed, Trip)
    assert reply.choices[0].finish_reason == "stop"
    assert not reply.choices[0].message.tool_calls


def says(model, instance):
    """A user text that makes the model answer so: the simulator echoes JSON, and calls the tool that it is made to call."""
    text = json.dumps(instance, ensure_ascii=False)
    return user(f"[[tool:Trip {text}]]" if model in FORCED else text)


@pytest.mark.parametrize("model", EVERY_WAY)
def test_what_the_model_says_is_what_is_parsed(client, model):
    reply = client.chat.completions.parse(model=model, messages=says(model, ROME), response_format=Trip)
    assert reply.choices[0].message.parsed == Trip.model_validate(ROME)
    assert reply.choices[0].finish_reason == "stop"
    assert not reply.choices[0].message.tool_calls


@pytest.mark.parametrize("model", EVERY_WAY)
def test_the_streaming_helper_parses_as_it_goes(client, model):
    ask = {"model": model, "messages": says(model, ROME), "response_format": Trip}
    deltas, done = "", []
    with client.chat.completions.stream(**ask) as stream:
        for event in stream:
            if event.type == "content.delta":
                deltas += event.delta
            elif event.type == "content.done":
                done.append(event.parsed)
        final = stream.get_final_completion()
    assert Trip.model_validate_json(deltas) == Trip.model_validate(ROME)
    assert done == [Trip.model_validate(ROME)]
    assert final.choices[0].message.parsed == Trip.model_validate(ROME)
    assert final.choices[0].finish_reason == "stop"
    assert not final.choices[0].message.tool_calls


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_json_without_a_schema_is_an_object(client, model):
    ask = {"model": model, "messages": user('[[say:{"city":"Rome"}]]'), "response_format": {"type": "json_object"}}
    reply = client.chat.completions.create(**ask)
    assert json.loads(reply.choices[0].message.content) == {"city": "Rome"}
    text, finish_reasons, _ = collect(client.chat.completions.create(**ask, stream=True))
    assert json.loads(text) == {"city": "Rome"}
    assert finish_reasons == ["stop"]


@pytest.mark.parametrize("model", [THINKING_CLAUDE, CLAUDE, NOVA, GPT_OSS])
def test_tools_and_a_schema_go_together(client, model):
    tool = openai.pydantic_function_tool(Stop, name="book")
    ask = {"model": model, "tools": [tool], "response_format": Trip}
    first = client.chat.completions.parse(messages=user('[[tool:book {"city":"Rome","nights":3}]]'), **ask)
    (call,) = first.choices[0].message.tool_calls
    assert call.function.parsed_arguments == Stop(city="Rome", nights=3)
    last = client.chat.completions.parse(messages=user(json.dumps(ROME)), **ask)
    assert last.choices[0].message.parsed == Trip.model_validate(ROME)


@pytest.mark.parametrize("model", [THINKING_CLAUDE, CLAUDE, NOVA, GPT_OSS])
def test_json_cut_at_the_limit_is_not_parsed(client, model):
    ask = {"model": model, "messages": user("Plan a journey"), "response_format": Trip, "max_completion_tokens": 6}
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(**ask)
    with pytest.raises(openai.LengthFinishReasonError), client.chat.completions.stream(**ask) as stream:
        stream.get_final_completion()


@pytest.mark.parametrize("model", [THINKING_CLAUDE, NOVA])
def test_filtered_content_is_not_parsed(client, model):
    bedrock = {"guardrailConfig": {"guardrailIdentifier": "abc123abc123", "guardrailVersion": "1"}}
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(
            model=model,
            messages=user("[[guardrail:BLOCKED]] something bad"),
            response_format=Trip,
            extra_body={"bedrock": bedrock},
        )
