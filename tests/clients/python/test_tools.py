"""Tool calls, both ways, on the formats that have them."""

import json

import openai
import pytest
from conftest import RICH_MODELS, WEATHER, user
from pydantic import BaseModel

PARIS = '[[tool:get_weather {"city":"Paris"}]]'
ROME = '[[tool:get_weather {"city":"Rome"}]]'


class GetWeather(BaseModel):
    city: str


@pytest.mark.parametrize("model", RICH_MODELS)
def test_a_tool_is_called(client, model):
    reply = client.chat.completions.create(model=model, messages=user(PARIS), tools=[WEATHER])
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert call.id
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}


@pytest.mark.parametrize("model", RICH_MODELS)
def test_streamed_fragments_make_whole_calls(client, model):
    stream = client.chat.completions.create(
        model=model, messages=user(f"Let me look. {PARIS}{ROME}"), tools=[WEATHER], stream=True
    )
    calls, text, finish_reasons, fragments = {}, "", [], 0
    for chunk in stream:
        choice = chunk.choices[0]
        text += choice.delta.content or ""
        if choice.finish_reason:
            finish_reasons.append(choice.finish_reason)
        for delta in choice.delta.tool_calls or []:
            if delta.index not in calls:
                assert (delta.id, delta.type, delta.function.name) == (delta.id, "function", "get_weather")
                calls[delta.index] = {"id": delta.id, "arguments": ""}
            else:
                assert (delta.id, delta.type, delta.function.name) == (None, None, None)
            fragments += bool(delta.function.arguments)
            calls[delta.index]["arguments"] += delta.function.arguments or ""
    assert text.strip() == "Let me look."
    assert finish_reasons == ["tool_calls"]
    assert list(calls) == [0, 1]
    assert [json.loads(call["arguments"])["city"] for call in calls.values()] == ["Paris", "Rome"]
    assert len({call["id"] for call in calls.values()}) == 2
    assert fragments > 2


@pytest.mark.parametrize("model", RICH_MODELS)
def test_the_streaming_helper_assembles_and_parses_calls(client, model):
    tool = openai.pydantic_function_tool(GetWeather, name="get_weather")
    done = []
    with client.chat.completions.stream(model=model, messages=user(PARIS + ROME), tools=[tool]) as stream:
        for event in stream:
            if event.type == "tool_calls.function.arguments.done":
                done.append((event.index, event.name, event.parsed_arguments))
        final = stream.get_final_completion()
    assert done == [(0, "get_weather", GetWeather(city="Paris")), (1, "get_weather", GetWeather(city="Rome"))]
    calls = final.choices[0].message.tool_calls
    assert [call.function.parsed_arguments.city for call in calls] == ["Paris", "Rome"]
    assert final.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", RICH_MODELS)
def test_results_go_back_to_the_model(client, model, stream):
    messages = user(f"Weather? {PARIS}{ROME}")
    first = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    messages.append(first.choices[0].message.model_dump(exclude_none=True))
    # In the other order than they were called: the ids say what belongs together.
    for call in reversed(first.choices[0].message.tool_calls):
        city = json.loads(call.function.arguments)["city"]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{city} is sunny"})
    reply = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER], stream=stream)
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in reply)
    else:
        text = reply.choices[0].message.content
    assert "Paris is sunny" in text
    assert "Rome is sunny" in text


@pytest.mark.parametrize("model", RICH_MODELS)
def test_a_history_with_calls_needs_no_tools(client, model):
    messages = [
        *user("Weather?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "an id | that no model takes",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "an id | that no model takes", "content": "snow"},
    ]
    reply = client.chat.completions.create(model=model, messages=messages)
    assert "snow" in reply.choices[0].message.content


@pytest.mark.parametrize("model", RICH_MODELS)
@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", False),
        ("auto", False),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "get_weather"}}],
                },
            },
            True,
        ),
    ],
    ids=["none", "auto", "required", "named", "allowed"],
)
def test_the_choice_of_tools_is_obeyed(client, model, choice, called):
    reply = client.chat.completions.create(
        model=model, messages=user("What is it like?"), tools=[WEATHER], tool_choice=choice
    )
    calls = reply.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == (["get_weather"] if called else [])
    assert reply.choices[0].finish_reason == ("tool_calls" if called else "stop")


@pytest.mark.parametrize("model", RICH_MODELS)
def test_a_name_outside_bedrocks_pattern_comes_back_as_it_was(client, model):
    name = "weather.get/current"
    tool = {"type": "function", "function": {**WEATHER["function"], "name": name}}
    reply = client.chat.completions.create(
        model=model, messages=user("What is it like?"), tools=[tool], tool_choice="required"
    )
    (call,) = reply.choices[0].message.tool_calls
    assert call.function.name == name


def test_a_choice_of_a_tool_that_is_not_there_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=RICH_MODELS[0],
            messages=user("hi"),
            tools=[WEATHER],
            tool_choice={"type": "function", "function": {"name": "get_time"}},
        )
    assert caught.value.param.startswith("tool_choice")
