"""What is beyond OpenAI's API, or between it and the model: notes, strict mode, prompt caches, Bedrock's own members."""

import openai
import pytest
from conftest import CLAUDE, CLAUDE_OVER_CONVERSE, GPT_OSS, NOVA, ONE_OF_EACH, RICH_MODELS, THINKING_CLAUDE, notes, user

STRICT = {"x-outcrop-strict": "true"}


def test_what_has_no_equivalent_is_noted(client):
    raw = client.chat.completions.with_raw_response.create(
        model=CLAUDE, messages=user("hi"), seed=7, extra_body={"never_heard_of": 1}
    )
    assert "seed:dropped" in notes(raw)
    assert "never_heard_of:dropped" in notes(raw)


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_stream_carries_its_notes_too(client, model):
    with client.chat.completions.with_streaming_response.create(
        model=model, messages=user("hi"), stream=True, logit_bias={"50256": -100}
    ) as raw:
        assert "logit_bias:dropped" in notes(raw)
        assert list(raw.parse())[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", ONE_OF_EACH)
@pytest.mark.parametrize("stream", [False, True])
def test_strict_mode_refuses_what_would_be_changed(client, model, stream):
    ask = {"model": model, "messages": user("hi"), "stream": stream, "extra_headers": STRICT}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ask, seed=7)
    assert caught.value.param == "seed"
    reply = client.chat.completions.create(**ask)
    assert list(reply) if stream else reply.choices


def test_an_ordinary_request_of_the_sdk_is_not_changed(client):
    raw = client.chat.completions.with_raw_response.create(
        model=THINKING_CLAUDE, messages=user("hi"), max_completion_tokens=100, temperature=0.5, stop=["never"]
    )
    assert notes(raw) == ""


@pytest.mark.parametrize("model", RICH_MODELS)
def test_cached_tokens_are_part_of_the_prompt(client, model):
    directive = "[[usage input=7 output=5 cache_read=100 cache_write=20]] hello"
    usage = client.chat.completions.create(model=model, messages=user(directive)).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (127, 5, 132)
    assert usage.prompt_tokens_details.cached_tokens == 100
    assert usage.prompt_tokens_details.cache_write_tokens == 20
    stream = client.chat.completions.create(
        model=model, messages=user(directive), stream=True, stream_options={"include_usage": True}
    )
    assert list(stream)[-1].usage == usage


@pytest.mark.parametrize("model", [THINKING_CLAUDE, NOVA])
@pytest.mark.parametrize(
    "mark",
    [{"prompt_cache_breakpoint": {"mode": "explicit"}}, {"cache_control": {"type": "ephemeral"}}],
    ids=["OpenAI's mark", "Anthropic's mark"],
)
def test_a_marked_prompt_is_taken_by_models_that_cache(client, model, mark):
    long = {"type": "text", "text": "All you have to know. " * 400} | mark
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "system", "content": [long]}, *user("hi")], extra_headers=STRICT
    )
    assert raw.parse().choices[0].message.content == "hi"
    assert notes(raw) == ""


def test_a_marked_prompt_is_noted_where_nothing_caches(client):
    part = {"type": "text", "text": "hi", "prompt_cache_breakpoint": {"mode": "explicit"}}
    raw = client.chat.completions.with_raw_response.create(model=GPT_OSS, messages=user([part]))
    assert "no_prompt_cache" in notes(raw)


@pytest.mark.parametrize("model", RICH_MODELS)
def test_members_of_bedrock_go_in_the_extra_body(client, model):
    fields = {
        CLAUDE: {"anthropic_beta": ["token-efficient-tools-2025-02-19"]},
        CLAUDE_OVER_CONVERSE: {"top_k": 5},
        NOVA: {"inferenceConfig": {"topK": 5}},
    }
    bedrock = {"additionalModelRequestFields": fields[model], "requestMetadata": {"team": "clients"}}
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=user("hi"), extra_body={"bedrock": bedrock}, extra_headers=STRICT
    )
    assert raw.parse().choices[0].message.content == "hi"
    assert notes(raw) == ""


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_a_guardrail_that_blocks_is_a_content_filter(client, model):
    bedrock = {"guardrailConfig": {"guardrailIdentifier": "abc123abc123", "guardrailVersion": "1", "trace": "enabled"}}
    messages = user("[[guardrail:BLOCKED]] something bad")
    reply = client.chat.completions.create(model=model, messages=messages, extra_body={"bedrock": bedrock})
    assert reply.choices[0].finish_reason == "content_filter"
    assert reply.bedrock["trace"]


def test_an_unknown_member_of_bedrock_is_noted_or_refused(client):
    ask = {"model": CLAUDE, "messages": user("hi"), "extra_body": {"bedrock": {"noSuchThing": 1}}}
    raw = client.chat.completions.with_raw_response.create(**ask)
    assert "bedrock.noSuchThing:dropped" in notes(raw)
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ask, extra_headers=STRICT)
    assert caught.value.param == "bedrock.noSuchThing"


@pytest.mark.parametrize("model", [GPT_OSS, NOVA])
def test_a_service_tier_comes_back(client, model):
    reply = client.chat.completions.create(model=model, messages=user("hi"), service_tier="priority")
    assert reply.service_tier == "priority"
    *_, last = client.chat.completions.create(model=model, messages=user("hi"), service_tier="priority", stream=True)
    assert last.service_tier == "priority"
