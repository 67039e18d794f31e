"""What the standard suite needs besides a model: answers of sense, files without a network, and the list of what can't pass."""

import io
import json
import struct
import wave
import zlib

import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

# Claude says nothing beside a forced call.
MERGED = (
    "ChatOpenAI numbers text and calls of a Chat Completions stream alike, from 0: in its v1 content a call that comes "
    "after text is merged into the text. (`tool_calls` has it.)"
)
# Tests of the suite that can't pass, and why: (class or *, test, with its parameters if it has any). docs/clients.md says the same.
# `model1` is ChatOpenAI with output_version="v1".
CANNOT_PASS = {
    ("TestNova", "test_tool_calling[model1]"): MERGED,
    ("TestGptOss", "test_tool_calling[model1]"): MERGED,
    ("TestGptOss", "test_structured_output_pydantic_2_v1"): "of Pydantic 1 ChatOpenAI makes a forced tool, and on Bedrock "
    "gpt-oss can't be told to call one",
}


def pytest_collection_modifyitems(items):
    for item in items:
        for cls in ("*", item.cls.__name__):
            if reason := CANNOT_PASS.get((cls, item.name)):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def call(name, **arguments):
    return f"[[tool:{name} {json.dumps(arguments, ensure_ascii=False)}]]"


# The simulator is no model: it doesn't see by itself that a question wants a tool. Where the suite's question does, this
# is what a model would do. Where the request says it (a forced tool, a schema), nothing is needed.
SENSE = {
    "What is the value of magic_function(3)? Use the tool.": call("magic_function", input=3),
    "What is the value of magic_function_no_args()? Use the tool.": call("magic_function_no_args"),
    "Using the tool, generate a Pirate greeting.": call("greeting_generator", answer_style="pirate"),
    "What is the weather in San Francisco, CA?": call("get_weather", location="San Francisco, CA"),
    "Create a customer named '你好啊集团' (Hello Group) - a Chinese technology company": call(
        "unicode_customer", customer_name="你好啊集团", description="technology"
    ),
    "Create a customer named 'こんにちは株式会社' (Hello Corporation) - a Japanese company": call(
        "unicode_customer", customer_name="こんにちは株式会社", description="company"
    ),
    "Tell me a joke about cats. Return the result as a JSON with 'setup' and 'punchline' keys. "
    "Return nothing other than JSON.": '[[say:{"setup":"Why do cats purr?","punchline":"They can."}]]',
}


class SensibleChatOpenAI(ChatOpenAI):
    """ChatOpenAI, with the simulator's directive behind a question of `SENSE`. Everything else is ChatOpenAI's."""

    def _get_request_payload(self, input_, *, stop=None, **kwargs):
        messages = self._convert_input(input_).to_messages()
        last = messages[-1]
        if isinstance(last, HumanMessage) and isinstance(last.content, str) and last.content in SENSE:
            messages[-1] = HumanMessage(last.content + SENSE[last.content])
        return super()._get_request_payload(messages, stop=stop, **kwargs)


def png():
    """A red pixel."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def wav():
    """Ten milliseconds of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(160))
    return file.getvalue()


FILES = {".png": png(), ".wav": wav(), ".pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"}


class Download:
    def __init__(self, content):
        self.content = content


@pytest.fixture(autouse=True)
def files_without_a_network(monkeypatch):
    """The suite downloads a picture, a PDF and a sound with `httpx.get`; ours are as good."""
    monkeypatch.setattr("httpx.get", lambda url, **_: Download(FILES[url[url.rindex(".") :]]))
