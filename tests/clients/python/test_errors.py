"""Failures: the SDK's exception for each, what it may retry, and streams that end badly."""

import json

import openai
import pytest
from conftest import CLAUDE, KEY, NOVA, ONE_OF_EACH, URL, user

UPSTREAM = [
    # (Bedrock's exception, the SDK's, status, type, code)
    ("validationException", openai.BadRequestError, 400, "invalid_request_error", "invalid_value"),
    ("accessDeniedException", openai.PermissionDeniedError, 403, "permission_error", "model_access_denied"),
    ("resourceNotFoundException", openai.NotFoundError, 404, "invalid_request_error", "model_not_found"),
    ("throttlingException", openai.RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded"),
    ("serviceQuotaExceededException", openai.RateLimitError, 429, "insufficient_quota", "insufficient_quota"),
    ("expiredTokenException", openai.InternalServerError, 500, "server_error", "upstream_auth_error"),
    ("modelErrorException", openai.InternalServerError, 502, "server_error", "upstream_error"),
    ("internalServerException", openai.InternalServerError, 502, "server_error", "server_error"),
    ("modelNotReadyException", openai.InternalServerError, 503, "server_error", "model_not_ready"),
    ("serviceUnavailableException", openai.InternalServerError, 503, "server_error", "overloaded"),
    ("modelTimeoutException", openai.InternalServerError, 504, "server_error", "timeout"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("exception", "error", "status", "kind", "code"), UPSTREAM)
def test_each_failure_of_the_upstream_is_its_own_exception(client, exception, error, status, kind, code, stream):
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=CLAUDE, messages=user(f"[[error:{exception}]]"), stream=stream)
    assert caught.value.status_code == status
    assert caught.value.type == kind
    assert caught.value.code == code
    assert caught.value.request_id
    assert caught.value.response.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("key", ["wrong", KEY + "x", KEY[:-1]])
def test_a_wrong_key_is_refused(counted, key):
    wrong = counted(api_key=key, max_retries=2)
    with pytest.raises(openai.AuthenticationError) as caught:
        wrong.client.chat.completions.create(model=CLAUDE, messages=user("hi"))
    assert caught.value.code == "invalid_api_key"
    assert key not in str(caught.value)
    assert len(wrong.responses) == 1
    with pytest.raises(openai.AuthenticationError):
        wrong.client.models.list()


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_the_key_is_taken_from_each_header(http, header):
    del http.headers["authorization"]
    assert http.get("/v1/models").status_code == 401
    value = f"Bearer {KEY}" if header == "authorization" else KEY
    assert http.get("/v1/models", headers={header: value}).status_code == 200


INVALID = [
    ({"messages": []}, "messages"),
    ({"messages": "hi"}, "messages"),
    ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content[0].type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]}]},
        "messages[0].content[0].image_url.url",
    ),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": 3}, "temperature"),
    ({"top_p": 1.5}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"n": 9}, "n"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
]


@pytest.mark.parametrize(("change", "param"), INVALID, ids=[f"{param}-{i}" for i, (_, param) in enumerate(INVALID)])
def test_a_bad_request_names_the_field(counted, change, param):
    with_retries = counted(max_retries=2)
    body = {"model": CLAUDE, "messages": user("hi")} | change
    with pytest.raises(openai.BadRequestError) as caught:
        with_retries.client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert len(with_retries.responses) == 1


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/chat/completions", "{", 400),
        ("POST", "/v1/chat/completions", "", 400),
        ("POST", "/v1/chat/completions", "[]", 400),
        ("POST", "/v1/chat/completions", "\xff", 400),
        ("GET", "/v1/chat/completions", None, 405),
        ("DELETE", "/v1/models", None, 405),
        ("GET", "/v1/nothing", None, 404),
    ],
)
def test_whatever_comes_the_answer_is_an_error_in_json(http, method, path, content, status):
    reply = http.request(method, path, content=content, headers={"content-type": "application/json"})
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("application/json")
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize(
    "directive",
    [
        "[[error:throttlingException]]",
        '[[error:throttlingException message="Too many tokens per day, please wait before trying again."]]',
        "[[error:serviceUnavailableException]]",
        "[[error:internalServerException]]",
        "[[error:modelTimeoutException]]",
        "[[error:validationException]]",
        "[[error:accessDeniedException]]",
        "[[http:529 overloaded_error]]",
        "[[cut]]",
    ],
)
def test_the_sdk_repeats_nothing_that_the_gateway_has_repeated(counted, directive):
    with_retries = counted(max_retries=1)
    with pytest.raises(openai.APIStatusError):
        with_retries.client.chat.completions.create(model=CLAUDE, messages=user(directive))
    first = with_retries.responses[0]
    # Without advice the SDK repeats these statuses by itself; the gateway has already done so.
    would_be_repeated = first.status_code in (408, 409, 429) or first.status_code >= 500
    assert first.headers.get("x-should-retry") == ("false" if would_be_repeated else None)
    assert len(with_retries.responses) == 1


MISHAPS = [
    "[[error:throttlingException after=2]]",
    "[[error:internalServerException after=2]]",
    "[[error:modelStreamErrorException after=2]]",
    "[[error:serviceUnavailableException after=2]]",
    "[[error:validationException after=2]]",
    "[[error-message:InternalFailure after=2]]",
    "[[cut after=2]]",
    "[[reset after=2]]",
    "[[corrupt after=2]]",
    "[[end after=2]]",
]


@pytest.mark.parametrize("model", ONE_OF_EACH)
@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_stream_that_breaks_never_looks_complete(counted, model, mishap):
    with_retries = counted(max_retries=2)
    text = "a text that is long enough to be cut in the middle"
    stream = with_retries.client.chat.completions.create(
        model=model, messages=user(f"[[deltas:8]] {mishap} {text}"), stream=True
    )
    chunks = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in stream:
            chunks.append(chunk)
    assert type(caught.value) is openai.APIError
    assert caught.value.message
    assert caught.value.type
    said = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert said
    assert text.startswith(said)
    assert said != text
    assert not any(choice.finish_reason for chunk in chunks for choice in chunk.choices)
    assert len(with_retries.responses) == 1


@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_broken_stream_has_no_end_marker(http, mishap):
    body = {"model": NOVA, "messages": user(f"[[deltas:8]] {mishap} one two three four five"), "stream": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in reply.iter_lines() if line.startswith("data: ")]
    assert "[DONE]" not in events
    assert set(json.loads(events[-1])) == {"error"}
    assert set(json.loads(events[-1])["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_failure_before_the_first_event_keeps_its_status(client, model):
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model=model, messages=user("[[error:serviceUnavailableException after=0]] hi"), stream=True
        )
    assert caught.value.status_code == 503


def test_a_body_that_is_too_long_is_refused(client):
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=CLAUDE, messages=user("x" * (33 << 20)))
    assert caught.value.status_code == 413


def test_a_client_that_gives_up_first_sees_its_own_timeout(counted):
    hurried = counted(timeout=0.2).client
    with pytest.raises(openai.APITimeoutError):
        hurried.chat.completions.create(model=CLAUDE, messages=user("[[stall]]"))


def test_the_sdk_names_the_request_of_a_failure(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=CLAUDE, messages=[], extra_headers={"x-request-id": "req-of-mine"}
        )
    assert caught.value.request_id == "req-of-mine"


def test_operations_need_no_key(http):
    del http.headers["authorization"]
    for path in ("/health", "/livez", "/readyz", "/readyz?verbose", "/metrics", "/openapi.yaml", "/openapi.json"):
        reply = http.get(path)
        assert reply.status_code == 200, path
        assert reply.text, path
    assert http.get("/openapi.json").json()["openapi"].startswith("3.1")
    assert URL not in http.get("/metrics").text
