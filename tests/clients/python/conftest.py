"""The server under test, and clients that count what they send."""

import base64
import json
import os
import ssl
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
CLAUDE_OVER_CONVERSE = "claude-over-converse"
THINKING_CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA_2 = "amazon.nova-2-lite-v1:0"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"
TITAN = "amazon.titan-text-express-v1"
MISTRAL = "mistral.mistral-large-2402-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
QWEN = "qwen.qwen3-32b-v1:0"
VOXTRAL = "mistral.voxtral-mini-3b-2507"
ONE_OF_EACH = [CLAUDE, CLAUDE_OVER_CONVERSE, NOVA, LLAMA, TITAN, MISTRAL, GPT_OSS, QWEN]
# The models that take tools, pictures and files, and can be told to call a tool.
RICH_MODELS = [CLAUDE, CLAUDE_OVER_CONVERSE, NOVA]
TOOL_MODELS = [*RICH_MODELS, THINKING_CLAUDE, NOVA_2, LLAMA, MISTRAL, GPT_OSS, QWEN]

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


def collect(stream):
    """The text of a stream, its finish reasons, and its chunks."""
    chunks = list(stream)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    return text, [choice.finish_reason for choice in choices if choice.finish_reason], chunks


def notes(raw):
    """What the gateway says it changed: parameter and action, and the reason if there is one."""
    return raw.headers.get("x-outcrop-notes", "")


# Nothing here speaks TLS, and to load the certificates of the world for each client takes longer than most tests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Counted:
    """A client, and the responses it got, its own retries included."""

    def __init__(self, **options):
        self.responses = []
        self.client = openai.OpenAI(
            **{"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0} | options,
            http_client=httpx.Client(event_hooks={"response": [self.responses.append]}, verify=NO_TLS, trust_env=False),
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
    with httpx.Client(base_url=URL, headers={"authorization": f"Bearer {KEY}"}, verify=NO_TLS, trust_env=False) as client:
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
