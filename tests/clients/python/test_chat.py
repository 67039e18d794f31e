"""Chats, whole and streamed, over every format."""

import asyncio

import openai
import pytest
from conftest import ALL_MODELS, CLAUDE, KEY, ONE_OF_EACH, URL, collect, user


@pytest.mark.parametrize("model", ALL_MODELS)
def test_a_chat_is_answered(client, model):
    reply = client.chat.completions.create(model=model, messages=user("Say hello, wörld 🌍"))
    assert reply.object == "chat.completion"
    assert reply.id.startswith("chatcmpl-")
    assert reply.model == model
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content == "Say hello, wörld 🌍"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens > 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@pytest.mark.parametrize("model", ALL_MODELS)
def test_a_streamed_chat_is_answered(client, model):
    text = "A somewhat longer text, wörld 🌍, which comes in several pieces"
    stream = client.chat.completions.create(model=model, messages=user(text), stream=True)
    said, finish_reasons, chunks = collect(stream)
    assert said == text
    assert finish_reasons == ["stop"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].delta.role is None for chunk in chunks[1:])
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_stream_ends_with_its_usage_if_asked(client, model):
    whole = client.chat.completions.create(model=model, messages=user("Count these words"))
    stream = client.chat.completions.create(
        model=model,
        messages=user("Count these words"),
        stream=True,
        stream_options={"include_usage": True},
    )
    _, finish_reasons, chunks = collect(stream)
    assert finish_reasons == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks[:-1])


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_the_streaming_helper_assembles_the_same_reply(client, model):
    ask = {"model": model, "messages": user("[[deltas:5]] One text, two ways to receive it")}
    whole = client.chat.completions.create(**ask)
    with client.chat.completions.stream(**ask) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta" and event.delta]
        final = stream.get_final_completion()
    assert "".join(deltas) == "One text, two ways to receive it"
    assert len(deltas) == 5
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].finish_reason == whole.choices[0].finish_reason


@pytest.mark.parametrize("model", ONE_OF_EACH)
@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_are_part_of_the_prompt(client, model, role):
    instructions = [{"role": role, "content": "Answer in the shortest way that is still polite. " * 20}]
    alone = client.chat.completions.create(model=model, messages=user("hi"))
    instructed = client.chat.completions.create(model=model, messages=instructions + user("hi"))
    assert instructed.usage.prompt_tokens > alone.usage.prompt_tokens + 100
    assert instructed.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_conversation_goes_on(client, model):
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "second"},
        {"role": "user", "content": [{"type": "text", "text": "third"}]},
    ]
    reply = client.chat.completions.create(model=model, messages=messages)
    assert reply.choices[0].message.content == "third"


@pytest.mark.parametrize("model", ONE_OF_EACH)
@pytest.mark.parametrize("stop", ["three", ["never", "three"]])
def test_a_stop_text_ends_the_reply(client, model, stop):
    ask = {"model": model, "messages": user("one two three four"), "stop": stop}
    reply = client.chat.completions.create(**ask)
    assert reply.choices[0].message.content.rstrip() == "one two"
    assert reply.choices[0].finish_reason == "stop"
    text, finish_reasons, _ = collect(client.chat.completions.create(**ask, stream=True))
    assert text.rstrip() == "one two"
    assert finish_reasons == ["stop"]


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_reply_cut_at_the_limit_says_so(client, model, limit):
    ask = {"model": model, "messages": user("a text of more than two tokens"), limit: 2}
    assert client.chat.completions.create(**ask).choices[0].finish_reason == "length"
    assert collect(client.chat.completions.create(**ask, stream=True))[1] == ["length"]


def test_the_answer_carries_the_gateways_headers(client):
    raw = client.chat.completions.with_raw_response.create(
        model=CLAUDE, messages=user("hi"), extra_headers={"x-request-id": "my-own-id"}
    )
    assert raw.headers["x-request-id"] == "my-own-id"
    assert raw.headers["x-outcrop-upstream-request-id"]
    assert CLAUDE in raw.headers["x-outcrop-model"]
    assert raw.headers["x-outcrop-attempts"] == "1"
    assert raw.headers["x-outcrop-simulated"] == "true"
    assert raw.parse()._request_id == "my-own-id"


def test_a_throttled_call_is_retried_by_the_gateway(client):
    raw = client.chat.completions.with_raw_response.create(
        model=CLAUDE, messages=user("[[fail-times:1 throttlingException]] at last")
    )
    assert raw.parse().choices[0].message.content == "at last"
    assert raw.headers["x-outcrop-attempts"] == "2"


def test_the_async_client_reads_many_streams_at_once():
    async def one(client, number):
        stream = await client.chat.completions.create(
            model=ONE_OF_EACH[number % len(ONE_OF_EACH)], messages=user(f"stream number {number}"), stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(one(client, number) for number in range(32)))

    assert asyncio.run(all_of_them()) == [f"stream number {number}" for number in range(32)]


def test_a_stream_may_be_left_early(client):
    ask = {"model": CLAUDE, "messages": user("[[deltas:50]] " + "word " * 100), "stream": True}
    with client.chat.completions.create(**ask) as stream:
        next(iter(stream))
    assert client.chat.completions.create(model=CLAUDE, messages=user("still there?")).choices
