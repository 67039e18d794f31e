"""Vectors: as the SDK asks for them by itself, as numbers, in every length; and what it raises."""

import math
import struct
from base64 import b64decode

import openai
import pytest
from conftest import NOVA

TITAN = "amazon.titan-embed-text-v2:0"
EMBEDDERS = {
    "amazon.titan-embed-text-v1": 1536,
    TITAN: 1024,
    "amazon.titan-embed-image-v1": 1024,
    "cohere.embed-english-v3": 1024,
    "cohere.embed-multilingual-v3": 1024,
    "cohere.embed-v4:0": 1536,
    "us.cohere.embed-v4:0": 1536,
    "amazon.nova-2-multimodal-embeddings-v1:0": 3072,
}
TEXTS = [f"text number {number}" for number in range(100)]


@pytest.mark.parametrize(("model", "length"), EMBEDDERS.items())
def test_every_model_embeds_one_text_and_many(client, model, length):
    one = client.embeddings.create(model=model, input=TEXTS[7])
    many = client.embeddings.create(model=model, input=TEXTS)
    assert one.object == "list" and one.model == model
    assert [item.index for item in many.data] == list(range(len(TEXTS)))
    assert all(item.object == "embedding" and len(item.embedding) == length for item in many.data)
    assert one.data[0].embedding == many.data[7].embedding
    assert one.usage.prompt_tokens == one.usage.total_tokens > 0
    assert many.usage.total_tokens > 50 * one.usage.total_tokens
    assert many._request_id


def test_the_sdk_asks_for_base64_by_itself_and_gets_the_same_numbers(client, http):
    by_itself = client.embeddings.create(model=TITAN, input="hello").data[0].embedding
    numbers = client.embeddings.create(model=TITAN, input="hello", encoding_format="float").data[0].embedding
    assert len(by_itself) == len(numbers) == 1024
    assert all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for a, b in zip(by_itself, numbers, strict=True))
    body = {"model": TITAN, "input": "hello", "encoding_format": "base64"}
    text = http.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    assert list(struct.unpack("<1024f", b64decode(text))) == by_itself


@pytest.mark.parametrize(("model", "length"), [(TITAN, 256), ("cohere.embed-v4:0", 512), ("amazon.titan-embed-image-v1", 384)])
def test_vectors_come_in_the_length_that_is_asked_for(client, model, length):
    assert len(client.embeddings.create(model=model, input="hi", dimensions=length).data[0].embedding) == length


def test_extensions_go_through_extra_body(client):
    extra = {"input_type": "search_query", "truncate": "END"}
    raw = client.embeddings.with_raw_response
    assert "x-outcrop-notes" not in raw.create(model="cohere.embed-v4:0", input="hi", extra_body=extra).headers
    noted = raw.create(model=TITAN, input="hi", user="somebody", extra_body=extra).headers["x-outcrop-notes"]
    assert all(f"{name}:dropped" in noted for name in ("user", "input_type", "truncate"))
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=TITAN, input="hi", user="me", extra_headers={"x-outcrop-strict": "true"})
    assert caught.value.param == "user"


@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [1, 2, 100256]}, "input[2]"),
        ({"input": [[1, 2], [-3]]}, "input[1][0]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"dimensions": 300}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"model": NOVA}, "model"),
    ],
)
def test_what_cant_be_embedded_is_refused_by_name(client, over, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(**{"model": TITAN, "input": "hi"} | over)
    assert caught.value.param == param


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_text_does_not_cost_its_batch(client, blank):
    raw = client.embeddings.with_raw_response.create(model=TITAN, input=["a", blank, "c"])
    assert "input[1]:rewritten" in raw.headers["x-outcrop-notes"]
    assert [item.index for item in raw.parse().data] == [0, 1, 2]
    assert len(client.embeddings.create(model=TITAN, input=blank).data) == 1


@pytest.mark.parametrize(
    ("tokens", "texts"),
    [([15339, 1917], "hello world"), ([[15339, 1917], [1917]], ["hello world", " world"])],
)
def test_tokens_are_the_texts_that_they_were_cut_from(client, tokens, texts):
    of_tokens, of_texts = (client.embeddings.create(model=TITAN, input=input).data for input in (tokens, texts))
    assert [item.embedding for item in of_tokens] == [item.embedding for item in of_texts]


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-3-large", input="hi")


def test_an_embedding_model_does_not_chat(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=TITAN, messages=[{"role": "user", "content": "hi"}])
    assert "/v1/embeddings" in caught.value.message


def test_one_text_that_fails_fails_them_all(counted):
    patient = counted(max_retries=2)
    with pytest.raises(openai.RateLimitError) as caught:
        patient.client.embeddings.create(model=TITAN, input=["a", "[[error:throttlingException]]", "c"])
    assert caught.value.code == "rate_limit_exceeded"
    assert len(patient.responses) == 1
