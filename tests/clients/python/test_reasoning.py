"""Thoughts: asked for with `reasoning_effort`, shown in `reasoning_content`, and kept through a loop of tool calls."""

import json

import pytest
from conftest import GPT_OSS, NOVA, NOVA_2, QWEN, THINKING_CLAUDE, WEATHER, notes, user

THINKERS = [THINKING_CLAUDE, "us.anthropic.claude-sonnet-4-6", NOVA_2, GPT_OSS, QWEN]
PARIS = '[[tool:get_weather {"city":"Paris"}]]'


@pytest.mark.parametrize("model", [THINKING_CLAUDE, NOVA, NOVA_2, GPT_OSS, QWEN])
def test_thoughts_come_beside_the_text(client, model):
    effort = {} if model == NOVA else {"reasoning_effort": "low"}
    ask = {"model": model, "messages": user("[[reasoning:because]] therefore"), **effort}
    message = client.chat.completions.create(**ask).choices[0].message
    assert message.content == "therefore"
    assert message.reasoning_content == "because"
    with client.chat.completions.stream(**ask) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.content == "therefore"
    assert message.reasoning_content == "because"


# At "low" Qwen doesn't think.
@pytest.mark.parametrize(
    ("model", "effort"), [(model, effort) for model in THINKERS for effort in ("low", "high") if (model, effort) != (QWEN, "low")]
)
def test_effort_makes_a_model_think(client, model, effort):
    ask = {"model": model, "messages": user("Why?"), "reasoning_effort": effort}
    message = client.chat.completions.create(**ask).choices[0].message
    assert message.content == "Why?"
    assert message.reasoning_content
    thoughts, text, order = "", "", []
    for chunk in client.chat.completions.create(**ask, stream=True):
        for choice in chunk.choices:
            if thought := getattr(choice.delta, "reasoning_content", None):
                thoughts += thought
                order.append("thought")
            if choice.delta.content:
                text += choice.delta.content
                order.append("text")
    assert thoughts == message.reasoning_content
    assert text == "Why?"
    assert order == sorted(order, reverse=True)


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
@pytest.mark.parametrize("model", [*THINKERS, NOVA])
def test_every_effort_is_taken(client, model, effort):
    reply = client.chat.completions.create(model=model, messages=user("Why?"), reasoning_effort=effort)
    assert reply.choices[0].message.content == "Why?"
    assert reply.choices[0].finish_reason == "stop"


def test_effort_for_a_model_that_can_not_think_is_noted(client):
    raw = client.chat.completions.with_raw_response.create(model=NOVA, messages=user("Why?"), reasoning_effort="high")
    assert "reasoning_effort:dropped" in notes(raw)


def test_thoughts_are_counted_where_the_model_counts_them(client):
    reply = client.chat.completions.create(model=THINKING_CLAUDE, messages=user("Why?"), reasoning_effort="low")
    assert 0 < reply.usage.completion_tokens_details.reasoning_tokens <= reply.usage.completion_tokens


@pytest.mark.parametrize("model", THINKERS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_tool_calls_needs_only_what_the_sdk_knows(client, model, stream):
    """The message goes back as the SDK's types have it: no thoughts, no signatures."""
    ask = {"model": model, "tools": [WEATHER], "reasoning_effort": "low"}
    messages = user(f"[[reasoning:where is that?]] Weather? {PARIS}")
    if stream:
        with client.chat.completions.stream(messages=messages, **ask) as helper:
            message = helper.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=messages, **ask).choices[0].message
    assert message.reasoning_content
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls
    ]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Paris"}]
    messages += [
        {"role": "assistant", "content": message.content, "tool_calls": calls},
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": "Paris is sunny"},
    ]
    raw = client.chat.completions.with_raw_response.create(messages=messages, **ask)
    assert "Paris is sunny" in raw.parse().choices[0].message.content
    assert "thoughts_missing" not in notes(raw)


@pytest.mark.parametrize("model", THINKERS)
def test_a_message_may_go_back_whole(client, model):
    """Extras and all, as `model_dump` has them."""
    ask = {"model": model, "tools": [WEATHER], "reasoning_effort": "low"}
    messages = user(f"[[reasoning:where is that?]] Weather? {PARIS}")
    message = client.chat.completions.create(messages=messages, **ask).choices[0].message
    messages += [
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Paris is sunny"},
    ]
    raw = client.chat.completions.with_raw_response.create(messages=messages, **ask)
    assert "Paris is sunny" in raw.parse().choices[0].message.content
    assert "thoughts_missing" not in notes(raw)
