"""Tool calls, both ways, on the formats that have them."""

import json

import openai
import pytest
from conftest import GPT_OSS, MISTRAL, QWEN, RICH_MODELS, THINKING_CLAUDE, TOOL_MODELS, WEATHER, notes, user
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


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", TOOL_MODELS)
def test_every_model_with_tools_goes_through_a_whole_loop(client, model, stream):
    """Whole or streamed, also where Bedrock doesn't stream tools: then the gateway does."""
    ask = {"model": model, "tools": [WEATHER]}
    messages = user(f"Weather? {PARIS}")
    if stream:
        with client.chat.completions.stream(messages=messages, **ask) as helper:
            choice = helper.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(messages=messages, **ask).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    messages.append({"role": "assistant", "content": choice.message.content, "tool_calls": [call.model_dump()]})
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "Paris is sunny"})
    assert "Paris is sunny" in client.chat.completions.create(messages=messages, **ask).choices[0].message.content


GRAMMAR = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "SELECT" NAME'}}


@pytest.mark.parametrize("model", [*RICH_MODELS, MISTRAL, GPT_OSS, QWEN])
@pytest.mark.parametrize("format_", [None, {"type": "text"}, GRAMMAR], ids=["absent", "text", "grammar"])
def test_a_custom_tool_gets_its_text(client, model, format_):
    custom = {"name": "query", "description": "Asks the database"} | ({"format": format_} if format_ else {})
    # It is a function of one string upstream, which the simulator fills.
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=user('[[tool:query {"input":"SELECT \\"naïve\\"\\n"}]]'),
        tools=[{"type": "custom", "custom": custom}],
    )
    choice = raw.parse().choices[0]
    (call,) = choice.message.tool_calls
    assert call.type == "custom"
    assert call.custom.name == "query"
    assert call.custom.input == 'SELECT "naïve"\n'
    assert choice.finish_reason == "tool_calls"
    assert ("custom.format:dropped" in notes(raw)) == (format_ is GRAMMAR)


@pytest.mark.parametrize("model", RICH_MODELS)
def test_a_custom_tools_call_is_streamed_and_answered(client, model):
    ask = {"model": model, "tools": [{"type": "custom", "custom": {"name": "query"}}]}
    messages = user('[[tool:query {"input":"SELECT 1"}]]')
    call, text = None, ""
    for chunk in client.chat.completions.create(messages=messages, stream=True, **ask):
        for delta in chunk.choices[0].delta.tool_calls or []:
            extra = delta.model_dump()
            call = call or {"id": delta.id, "type": extra["type"], "name": extra["custom"]["name"]}
            text += extra["custom"].get("input") or ""
    assert (call["type"], call["name"], text) == ("custom", "query", "SELECT 1")
    custom = {"name": "query", "input": text}
    messages.append({"role": "assistant", "tool_calls": [{"id": call["id"], "type": "custom", "custom": custom}]})
    messages.append({"role": "tool", "tool_call_id": call["id"], "content": "one row"})
    assert "one row" in client.chat.completions.create(messages=messages, **ask).choices[0].message.content


@pytest.mark.parametrize("model", [*RICH_MODELS, MISTRAL, GPT_OSS, QWEN])
def test_functions_of_old_are_called_and_answered(client, model):
    functions = [WEATHER["function"]]
    messages = user(PARIS)
    choice = client.chat.completions.create(model=model, messages=messages, functions=functions).choices[0]
    assert choice.finish_reason == "function_call"
    assert choice.message.tool_calls is None
    called = choice.message.function_call
    assert (called.name, json.loads(called.arguments)) == ("get_weather", {"city": "Paris"})
    name, arguments, finish_reasons = "", "", []
    for chunk in client.chat.completions.create(model=model, messages=messages, functions=functions, stream=True):
        delta = chunk.choices[0].delta
        if delta.function_call:
            name += delta.function_call.name or ""
            arguments += delta.function_call.arguments or ""
        if chunk.choices[0].finish_reason:
            finish_reasons.append(chunk.choices[0].finish_reason)
    assert (name, json.loads(arguments), finish_reasons) == ("get_weather", {"city": "Paris"}, ["function_call"])
    messages.append({"role": "assistant", "content": None, "function_call": called.model_dump()})
    messages.append({"role": "function", "name": "get_weather", "content": "Paris is sunny"})
    reply = client.chat.completions.create(model=model, messages=messages, functions=functions)
    assert "Paris is sunny" in reply.choices[0].message.content


@pytest.mark.parametrize("model", RICH_MODELS)
def test_a_function_of_old_can_be_demanded(client, model):
    reply = client.chat.completions.create(
        model=model,
        messages=user("What is it like?"),
        functions=[WEATHER["function"]],
        function_call={"name": "get_weather"},
    )
    assert reply.choices[0].message.function_call.name == "get_weather"


def test_the_parse_helper_reads_arguments(client):
    reply = client.chat.completions.parse(
        model=THINKING_CLAUDE,
        messages=user(PARIS),
        tools=[openai.pydantic_function_tool(GetWeather, name="get_weather")],
    )
    assert reply.choices[0].message.tool_calls[0].function.parsed_arguments == GetWeather(city="Paris")
