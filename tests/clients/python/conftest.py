"""The server under test, and clients that count what they send."""

import base64
import json
import os
import struct
import zlib
from pathlib import Path

import httpx2 as httpx
import openai
import pytest

URL = os.environ["OUTCROP_TEST_URL"]
KEY = os.environ["OUTCROP_TEST_KEY"]

MODELS = json.loads((Path(__file__).parent.parent / "models.json").read_text())
ALL_MODELS = [model for models in MODELS.values() for model in models]
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "amazon.nova-pro-v1:0"
# The two formats that carry tools and pictures: Claude's own, and Converse.
RICH_MODELS = [CLAUDE, NOVA]
ONE_OF_EACH = [CLAUDE, "meta.llama3-1-8b-instruct-v1:0", "amazon.titan-text-express-v1", NOVA]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Today's weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def user(text):
    return [{"role": "user", "content": text}]


class Counted:
    """A client, and the responses it got, its own retries included."""

    def __init__(self, **options):
        self.responses = []
        self.client = openai.OpenAI(
            **{"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0} | options,
            http_client=httpx.Client(event_hooks={"response": [self.responses.append]}, trust_env=False),
        )


@pytest.fixture
def counted():
    made = []

    def make(**options):
        made.append(Counted(**options))
        return made[-1]

    yield make
    for counted in made:
        counted.client.close()


@pytest.fixture
def client(counted):
    """Retries nothing, so that a failure is seen as it came."""
    return counted().client


@pytest.fixture
def http():
    """Plain HTTP with the key, for what no SDK would send."""
    with httpx.Client(base_url=URL, headers={"authorization": f"Bearer {KEY}"}, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def png():
    """A red pixel, as a data: URL."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    bytes_ = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    bytes_ += chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(bytes_).decode()
