"""Pictures, files and sounds."""

import base64
import io
import wave

import openai
import pytest
from conftest import CLAUDE, GPT_OSS, LLAMA, NOVA, RICH_MODELS, TITAN, VOXTRAL, collect, user

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def data_url(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def file(name, kind, content):
    return {"type": "file", "file": {"filename": name, "file_data": data_url(kind, content)}}


@pytest.fixture(scope="module")
def wav():
    """Ten milliseconds of silence, in base64."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(160))
    return base64.b64encode(sound.getvalue()).decode()


# The simulator answers a message without a text with what it saw.
@pytest.mark.parametrize("model", RICH_MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_picture_reaches_the_model(client, model, stream, png):
    messages = user([{"type": "image_url", "image_url": {"url": png}}])
    reply = client.chat.completions.create(model=model, messages=messages, stream=stream)
    text = collect(reply)[0] if stream else reply.choices[0].message.content
    assert "png" in text


@pytest.mark.parametrize("model", RICH_MODELS)
def test_pictures_stay_between_their_texts(client, model, png):
    picture = {"type": "image_url", "image_url": {"url": png, "detail": "low"}}
    parts = [{"type": "text", "text": "one"}, picture, {"type": "text", "text": "two"}, picture]
    reply = client.chat.completions.create(model=model, messages=user(parts))
    assert "two" in reply.choices[0].message.content


@pytest.mark.parametrize("model", RICH_MODELS)
def test_a_picture_may_be_a_tools_result(client, model, png):
    function = {"name": "look", "arguments": "{}"}
    messages = [
        *user("What is there?"),
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [{"type": "text", "text": "a red pixel"}, {"type": "image_url", "image_url": {"url": png}}],
        },
    ]
    tools = [{"type": "function", "function": {"name": "look"}}]
    reply = client.chat.completions.create(model=model, messages=messages, tools=tools)
    assert "a red pixel" in reply.choices[0].message.content


@pytest.mark.parametrize("model", RICH_MODELS)
@pytest.mark.parametrize(
    "part",
    [
        file("report.pdf", "application/pdf", PDF),
        file("Ünsere Notizen (2).txt", "text/plain", "ein paar Wörter".encode()),
        file("table.csv", "text/csv", b"a,b\n1,2\n"),
    ],
    ids=["pdf", "txt", "csv"],
)
def test_a_file_reaches_the_model(client, model, part):
    parts = [part, {"type": "text", "text": "What does it say?"}]
    reply = client.chat.completions.create(model=model, messages=user(parts))
    assert "What does it say?" in reply.choices[0].message.content
    text, finish_reasons, _ = collect(client.chat.completions.create(model=model, messages=user(parts), stream=True))
    assert "What does it say?" in text
    assert finish_reasons == ["stop"]


def test_a_sound_reaches_a_model_that_hears(client, wav):
    parts = [
        {"type": "text", "text": "What is said?"},
        {"type": "input_audio", "input_audio": {"data": wav, "format": "wav"}},
    ]
    reply = client.chat.completions.create(model=VOXTRAL, messages=user(parts))
    assert "What is said?" in reply.choices[0].message.content


@pytest.mark.parametrize("model", [CLAUDE, NOVA, GPT_OSS])
def test_a_sound_is_refused_for_models_that_are_deaf(client, wav, model):
    parts = [{"type": "input_audio", "input_audio": {"data": wav, "format": "wav"}}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=user(parts))
    assert caught.value.param.startswith("messages[0]")


@pytest.mark.parametrize("model", [LLAMA, TITAN, GPT_OSS])
def test_a_picture_is_refused_for_models_that_are_blind(client, png, model):
    parts = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": png}}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=user(parts))
    assert caught.value.param.startswith("messages[0]")


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, "messages[0].content[0].image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "messages[0].content[0].image_url.url"),
        ({"type": "file", "file": {"file_id": "file-123"}}, "messages[0].content[0].file.file_id"),
        (file("a.exe", "application/octet-stream", b"MZ\x90\x00\x03"), "messages[0].content[0].file"),
    ],
    ids=["remote", "no picture", "file_id", "unknown format"],
)
def test_what_can_not_be_sent_is_refused_by_its_name(client, part, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=CLAUDE, messages=user([part]))
    assert caught.value.param.startswith(param)
