"""Several answers to one request."""

import openai
import pytest
from conftest import CLAUDE, NOVA, ONE_OF_EACH, WEATHER, user


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_as_many_choices_come_as_were_asked_for(client, model):
    one = client.chat.completions.create(model=model, messages=user("say it thrice"))
    reply = client.chat.completions.create(model=model, messages=user("say it thrice"), n=3)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert {choice.message.content for choice in reply.choices} == {"say it thrice"}
    assert {choice.finish_reason for choice in reply.choices} == {"stop"}
    assert reply.usage.completion_tokens == 3 * one.usage.completion_tokens


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_choices_share_a_stream(client, model):
    stream = client.chat.completions.create(
        model=model,
        messages=user("[[deltas:4]] say it thrice"),
        n=3,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = stream
    texts, roles, finish_reasons = ["", "", ""], [0, 0, 0], [[], [], []]
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            roles[choice.index] += choice.delta.role is not None
            finish_reasons[choice.index] += [choice.finish_reason] if choice.finish_reason else []
    assert [text.strip() for text in texts] == ["say it thrice"] * 3
    assert roles == [1, 1, 1]
    assert finish_reasons == [["stop"]] * 3
    assert len({chunk.id for chunk in [*chunks, last]}) == 1
    assert last.choices == []
    assert last.usage.total_tokens > 0


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_the_streaming_helper_keeps_choices_and_their_calls_apart(client, model):
    with client.chat.completions.stream(
        model=model, messages=user('[[tool:get_weather {"city":"Paris"}]]'), tools=[WEATHER], n=2
    ) as stream:
        final = stream.get_final_completion()
    assert [choice.index for choice in final.choices] == [0, 1]
    for choice in final.choices:
        assert [call.function.arguments.replace(" ", "") for call in choice.message.tool_calls] == ['{"city":"Paris"}']
        assert choice.finish_reason == "tool_calls"


@pytest.mark.parametrize("n", [0, 129])
def test_a_number_of_choices_out_of_bounds_is_refused(client, n):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=CLAUDE, messages=user("hi"), n=n)
    assert caught.value.param == "n"


def test_one_choice_that_fails_fails_them_all(client):
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model=CLAUDE, messages=user("[[error:accessDeniedException]]"), n=2)
