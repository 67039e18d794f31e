"""What Schemathesis can't know from the document.

Every generated body gets a model that exists, and no text in it is a directive of the simulator. Bodies that are meant to be
accepted also get what JSON Schema can't say: real pictures and files, and names that refer to something. Of streams every event is
looked at.
"""

import json

import schemathesis
from schemathesis import GenerationMode

EMBEDDER = "amazon.titan-embed-text-v2:0"
MODELS = ["amazon.nova-pro-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"]
PNG = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
TEXT = "data:text/plain;base64,aGVsbG8="


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    body = without_directives(body)
    if isinstance(body.get("model"), str):
        body["model"] = EMBEDDER if embeds(context.operation) else MODELS[len(body["model"]) % len(MODELS)]
    return body


@schemathesis.hook
def before_call(context, case, kwargs):
    enough_time(case.headers)
    if case.meta and case.meta.generation.mode == GenerationMode.POSITIVE and isinstance(case.body, dict):
        case.body = listed(case.body) if embeds(case.operation) else consistent(case.body)


@schemathesis.check
def stream_has_one_end(ctx, response, case):
    """The schema knows single events only."""
    if not response.headers.get("content-type", [""])[0].startswith("text/event-stream"):
        return
    body = response.content.decode()
    assert body.endswith("\n\n"), "the last event is not complete"
    events = [event for event in body.removesuffix("\n\n").split("\n\n") if not event.startswith(":")]
    assert all(event.startswith("data: ") and "\n" not in event for event in events), "an event is one line of data"
    ends = [event == "data: [DONE]" or "error" in json.loads(event.removeprefix("data: ")) for event in events]
    assert any(ends), "a stream has an end"
    assert ends.index(True) == len(ends) - 1, "the end comes once, and last"


def enough_time(headers):
    """Whoever gives a call a millisecond hears rightly that it was too short."""
    given = (headers or {}).get("x-outcrop-timeout")
    try:
        if given is not None and 0 < float(given) < 30:
            headers["x-outcrop-timeout"] = "30"
    except ValueError:
        pass


def embeds(operation):
    return operation.path == "/v1/embeddings"


def listed(body):
    """A length that the model has."""
    body = whole_numbers(body)
    if body.get("dimensions") is not None:
        body["dimensions"] = 256
    return body


def without_directives(value):
    if isinstance(value, str):
        return value.replace("[[", "[")
    if isinstance(value, list):
        return [without_directives(item) for item in value]
    if isinstance(value, dict):
        return {key: without_directives(item) for key, item in value.items()}
    return value


def consistent(body):
    body = whole_numbers(body)
    called = False
    for number, item in enumerate(body["messages"]):
        called = called or bool(item.get("function_call"))
        if item["role"] == "function" and not called:
            body["messages"][number] = {"role": "user", "content": "hello"}
        elif isinstance(item.get("content"), list):
            item["content"] = [part_with_data(part) for part in item["content"]]
        elif "content" in item:
            item["content"] = part_with_data(item["content"])
    if body.get("n") and body.get("stream"):
        # Schemathesis reads the first twenty events of a stream, and the end of eight answers comes later.
        body["n"] = min(body["n"], 2)
    if body.get("top_logprobs") is not None:
        body["logprobs"] = True
    if body.get("tools"):
        body.pop("functions", None)
    tools = body.get("tools") or body.get("functions") or []
    for number, tool in enumerate(tools):
        function = tool.get(tool.get("type"), tool) if "type" in tool else tool
        function["name"] = f"tool_{number}"
    for name in ("tool_choice", "function_call"):
        if isinstance(body.get(name), dict) or body.get(name) == "required":
            body[name] = referring(body[name], "tool_0") if tools else None
    return body


def whole_numbers(value):
    """JSON Schema calls 13.0 an integer; the server wants it written as one."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    return value


def part_with_data(part):
    """A part may also be a plain text or nothing, and a tool's answer any JSON."""
    if not isinstance(part, dict):
        return part
    picture, document = part.get("image_url"), part.get("file")
    if part.get("type") == "image_url" and isinstance(picture, dict):
        picture["url"] = PNG
    elif part.get("type") == "image_url":
        part["image_url"] = PNG
    if part.get("type") == "file" and isinstance(document, dict):
        document["file_data"] = TEXT
    return part


def referring(choice, name):
    """A choice of tools in which every name is `name`."""
    if not isinstance(choice, dict):
        return choice
    renamed = {key: referring(value, name) for key, value in choice.items()}
    if "name" in renamed:
        renamed["name"] = name
    if isinstance(renamed.get("tools"), list):
        renamed["tools"] = [referring(item, name) for item in renamed["tools"]]
        if not renamed["tools"]:
            renamed["mode"] = "auto"
    return renamed
