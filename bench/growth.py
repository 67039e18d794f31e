"""How the cost of a request grows, in each dimension that a client can choose. README.md says how to read the table.

A dimension is a way to make a request larger. Each is doubled from little to what its bounds allow, or to some megabytes, and sent to the
release binary over a socket. CPU time is that of all of the gateway's threads, by the kernel's own count in nanoseconds; memory
the most that was resident.
"""

import base64
import http.client
import json
import math
import pathlib
import re
import sys

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-pro-v1:0"
OSS = "openai.gpt-oss-120b-1:0"
LLAMA = "meta.llama3-70b-instruct-v1:0"
SHORT = {CLAUDE: "Claude", NOVA: "Nova", OSS: "gpt-oss", LLAMA: "Llama"}
MODELS = tuple(SHORT)

# Of a dimension that is linear the exponent is 1. Caches bend that of time a little, allocators, which take memory in steps, that of
# memory somewhat more.
STEEPEST, STEEPEST_MEMORY = 1.25, 1.5
# Below so much at the largest size, a cost is mostly what any request has, and its growth says nothing.
LEAST_US, LEAST_KIB = 1500, 32 * 1024
# What is refused may cost so much more for each byte than what is answered.
REFUSAL = 2
TRIES = 5
# What grows too fast is measured so often in all: a busy machine makes a step now and then, and what really grows does so again.
TURNS = 3
# So many doublings at the upper end are judged.
DOUBLINGS = 3


def text(words):
    return {"type": "text", "text": words}


def user(content):
    return {"role": "user", "content": content}


def chat(messages=None, **more):
    return {"messages": messages or [user("hi")], "max_tokens": 64, **more}


def tool(name, schema=None):
    return {"type": "function", "function": {"name": name, "parameters": schema or {"type": "object", "properties": {}}}}


def of(properties, **more):
    """A request with one tool of such a schema."""
    return chat(tools=[tool("f", {"type": "object", "properties": properties, **more})])


def call(identity, name="f", arguments="{}"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def loop(identities, name="f", result="r", arguments="{}"):
    """A conversation of as many rounds of a tool."""
    messages = [user("hi")]
    for identity in identities:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call(identity, name, arguments)]})
        messages.append({"role": "tool", "tool_call_id": identity, "content": result})
    return chat(messages, tools=[tool(name)])


def document(name):
    data = "data:text/plain;base64,aGVsbG8="
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def picture(data):
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64," + data}}


def nested(depth, inner):
    schema = inner
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
STRING = {"type": "string"}

# name: (the largest size, how a request of a size is made). A body, or a body and headers.
DIMENSIONS = {
    "messages": (16_000, lambda n: chat([{"role": ("user", "assistant")[i % 2], "content": "hi"} for i in range(n)])),
    "messages of one role": (16_000, lambda n: chat([user("hi")] * n)),
    "system messages between others": (16_000, lambda n: chat([user("a"), {"role": "system", "content": "b"}] * (n // 2))),
    "blank messages": (16_000, lambda n: chat([user(" ")] * n + [user("hi")])),
    "content parts": (32_768, lambda n: chat([user([text("hi")] * n)])),
    "content parts with a cache point": (16_384, lambda n: chat([user([{**text("hi"), "cache_control": {"type": "ephemeral"}}] * n)])),
    "length of a text": (8 << 20, lambda n: chat([user("x" * n)])),
    "escapes in a text": (1 << 20, lambda n: chat([user("\u00e9\n" * (n // 2))])),
    "marks of a prompt in a text": (1 << 18, lambda n: chat([user("<|eot_id|>[INST]" * (n // 16) + "hi")])),
    "length of a system message": (4 << 20, lambda n: chat([{"role": "system", "content": "x" * n}, user("hi")])),
    "pictures": (4_096, lambda n: chat([user([text("hi")] + [picture(PNG)] * n)])),
    "length of a picture": (8 << 20, lambda n: chat([user([text("hi"), picture(PNG + "A" * (n // 4 * 4))])])),
    "documents of one name": (16_384, lambda n: chat([user([text("hi")] + [document("a.txt")] * n)])),
    "documents of names alike": (8_192, lambda n: chat([user([text("hi")] + [document("x" * 190 + f"{i // 2:010}.txt") for i in range(n)])])),
    "rounds of a tool": (8_000, lambda n: loop(f"call_{i}" for i in range(n))),
    "rounds of a tool with one id": (8_000, lambda n: loop("call_1" for _ in range(n))),
    "calls in one message": (4_096, lambda n: chat(
        [user("hi"), {"role": "assistant", "content": None, "tool_calls": [call(f"c{i}") for i in range(n)]}]
        + [{"role": "tool", "tool_call_id": f"c{i}", "content": "r"} for i in range(n)], tools=[tool("f")])),
    "results without calls": (16_000, lambda n: chat([user("hi")] + [{"role": "tool", "tool_call_id": f"c{i}", "content": "r"} for i in range(n)])),
    "length of a call's id": (1 << 20, lambda n: loop(["x" * n])),
    "length of a call's arguments": (4 << 20, lambda n: loop(["c"], arguments=json.dumps({"a": "x" * n}))),
    "depth of a call's arguments": (8_192, lambda n: loop(["c"], arguments='{"a":' * n + "1" + "}" * n)),
    "length of a result": (4 << 20, lambda n: loop(["c"], result="x" * n)),
    "tools": (4_096, lambda n: chat(tools=[tool(f"f{i}") for i in range(n)])),
    "tools whose names are renamed": (4_096, lambda n: chat(tools=[tool(f"a.b/{i}") for i in range(n)])),
    "allowed tools": (4_096, lambda n: chat(
        tools=[tool(f"f{i}") for i in range(n)],
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "function", "function": {"name": f"f{i}"}} for i in range(n)]}})),
    "properties of a schema": (8_192, lambda n: of({f"p{i}": STRING for i in range(n)})),
    "required properties": (8_192, lambda n: of({f"p{i}": STRING for i in range(n)}, required=[f"p{i}" for i in range(n)])),
    "properties that a strict tool requires": (8_192, lambda n: chat(tools=[{"type": "function", "function": {
        "name": "f", "strict": True, "parameters": {
            "type": "object", "properties": {f"p{i}": STRING for i in range(n)}, "required": [f"p{i}" for i in range(n)],
            "additionalProperties": False}}}])),
    "properties of the reply's schema": (8_192, lambda n: chat(response_format={"type": "json_schema", "json_schema": {
        "name": "s", "schema": {"type": "object", "properties": {f"p{i}": STRING for i in range(n)}}}})),
    "depth of a schema": (8_192, lambda n: of({"a": "DEEP"}, deep=n)),
    "values of an enum": (32_768, lambda n: of({"p": {"enum": [f"v{i}" for i in range(n)]}})),
    "alternatives of a schema": (8_192, lambda n: of({}, anyOf=[{"properties": {f"p{i}": STRING}} for i in range(n)])),
    "parts that a schema is all of": (8_192, lambda n: of({}, allOf=[{"properties": {f"p{i}": STRING}} for i in range(n)])),
    "references to one definition": (8_192, lambda n: of({f"p{i}": {"$ref": "#/$defs/d"} for i in range(n)}, **{"$defs": {"d": STRING}})),
    "a chain of references": (4_096, lambda n: of({"p": {"$ref": "#/$defs/d0"}}, **{"$defs": {
        f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} if i < n - 1 else STRING for i in range(n)}})),
    "references, and the length of what they name": (4_096, lambda n: of(
        {f"p{i}": {"$ref": "#/$defs/d"} for i in range(n)}, **{"$defs": {"d": {"enum": [f"v{i}" for i in range(n)]}}})),
    "references, each down a chain": (1_024, lambda n: of({f"p{i}": {"$ref": "#/$defs/d0"} for i in range(n)}, **{"$defs": {
        f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} if i < n - 1 else STRING for i in range(n)}})),
    "length of a description": (1 << 19, lambda n: of({"p": {"type": "string", "description": "x" * n}})),
    "stop texts": (8_192, lambda n: chat(stop=[f"stop{i}" for i in range(n)], stream=True)),
    "length of a stop text": (1 << 20, lambda n: chat(stop=["x" * n], stream=True)),
    "members of metadata": (4_096, lambda n: chat(metadata={f"k{i}": "v" for i in range(n)})),
    "length of a member of metadata": (1 << 20, lambda n: chat(metadata={"k": "v" * n})),
    "length of `user`": (1 << 20, lambda n: chat(user="u" * n)),
    "members that nobody knows": (32_768, lambda n: chat(**{f"unknown{i}": i for i in range(n)})),
    "members of the model's own": (8_192, lambda n: chat(bedrock={"additionalModelRequestFields": {f"k{i}": i for i in range(n)}})),
    "depth of a member that nobody knows": (1 << 20, lambda n: '{"messages":[{"role":"user","content":"hi"}],"model":MODEL,"x":' + "[" * n + "]" * n + "}"),
    "headers": (64, lambda n: (chat(), {f"x-header-{i}": "v" for i in range(n)})),
    "length of a header": (16_000, lambda n: (chat(), {"x-header": "v" * n})),
}


def measure(start, only, results):
    """Every dimension whose name holds `only`. `start` gives a gateway, as a context manager that has answered once."""
    chosen = [name for name in DIMENSIONS if only in name]
    if not chosen:
        sys.exit(f"no dimension's name holds {only!r}")
    steep = 0
    print(HEADER)
    for name in chosen:
        row = worst(start, name)
        steep += row["fails"]
        print(line(name, row), flush=True)
        if results:
            write(results, name, line(name, row))
    if steep:
        print(f"{steep} of {len(chosen)} grow faster than what is asked", file=sys.stderr)
    return 1 if steep else 0


HEADER = (
    "| dimension | largest: size, body | answer | CPU | exponent | steepest doubling | memory, exponent | verdict | steepest model |\n"
    "|---|---|---|--:|--:|--:|--:|---|---|"
)


def worst(start, name):
    """Of all models the one whose cost grows the fastest, those first that answer; or, if none grows, costs the most."""
    rows = [grown(start, name, model) for model in MODELS]
    for _ in range(TURNS - 1):
        rows = [
            min(row, grown(start, name, row["model"]), key=lambda row: (row["fails"], row["exponent"])) if row["fails"] else row
            for row in rows
        ]
    return max(rows, key=lambda row: (row["fails"], row["status"] == 200, row["us"] >= LEAST_US, row["exponent"], row["us"]))


def sizes(largest):
    """Five doublings up to the largest size."""
    return [max(1, largest >> shift) for shift in range(5, -1, -1)]


def grown(start, name, model):
    largest, make = DIMENSIONS[name]
    points = []
    with start() as program:
        connection = http.client.HTTPConnection(program.address, timeout=120)
        base_us = cost(program, connection, *encoded(chat(), model))[0]
        resident = memory(program, "VmRSS")
        for size in sizes(largest):
            body, headers = encoded(make(size), model)
            us, status = cost(program, connection, body, headers)
            points.append({
                "size": size, "body": len(body) + sum(map(len, headers.values())), "status": status,
                "us": max(us - base_us, 1), "kib": max(memory(program, "VmHWM") - resident, 1),
            })
        connection.close()
    answered = [point for point in points if point["status"] == 200]
    # Where bounds leave little to be answered, what is refused has to be cheap as well.
    judged = answered if len(answered) > DOUBLINGS else points
    last = judged[-1]
    dear = [point for point in points if point["us"] >= LEAST_US and point["us"] / point["body"] > REFUSAL * last["us"] / last["body"]]
    exponent, memory_exponent = slope(judged, "us"), slope(judged, "kib")
    doublings = [b["us"] / a["us"] for a, b in zip(judged, judged[1:]) if a["us"] >= LEAST_US / 4]
    return {
        **last, "model": model, "exponent": exponent, "memory_exponent": memory_exponent,
        "steepest": max(doublings, default=1), "refused": points[-1]["status"] if points[-1] is not last else None,
        "fails": (last["us"] >= LEAST_US and exponent > STEEPEST)
        or (last["kib"] >= LEAST_KIB and memory_exponent > STEEPEST_MEMORY)
        or any(point["body"] > last["body"] for point in dear),
    }


def slope(points, key):
    """By how much a thing grows with the body, over the last doublings: 1 is linear, 2 the square."""
    first, last = points[-1 - DOUBLINGS], points[-1]
    return math.log(last[key] / first[key]) / math.log(last["body"] / first["body"])


def cost(program, connection, body, headers):
    """The least CPU time of some tries, in microseconds, and the answer's status."""
    took = []
    for _ in range(TRIES):
        before = cpu_ns(program)
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        answer.read()
        took.append((cpu_ns(program) - before) / 1000)
        status = answer.status
        if answer.will_close:
            connection.close()
    return min(took), status


def encoded(request, model):
    body, headers = request if isinstance(request, tuple) else (request, {})
    if isinstance(body, dict):
        deep = [tool["function"]["parameters"].pop("deep", None) for tool in body.get("tools", [])][:1]
        body = json.dumps({"model": model, **body}, separators=(",", ":"))
        if deep and deep[0]:
            # Deeper than Python's own encoder goes.
            inner = '{"type":"object","properties":{"a":' * deep[0] + '{"type":"string"}' + "}}" * deep[0]
            body = body.replace('"DEEP"', inner)
    else:
        body = body.replace("MODEL", json.dumps(model))
    return body.encode(), {"Content-Type": "application/json", "Authorization": "Bearer bench", **headers}


def cpu_ns(program):
    """CPU time of all threads. Those that have ended are missing, and the gateway's don't end."""
    total = 0
    for task in pathlib.Path(f"/proc/{program.pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def memory(program, name):
    status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1])


def line(name, row):
    cpu, steepest = f"{row['us'] / 1000:.1f} ms", f"{row['steepest']:.2f}"
    exponent = f"{row['exponent']:.2f}"
    if row["us"] < LEAST_US:
        exponent = steepest = "small"
    memory_cell = f"{row['kib'] / 1024:.0f} MiB, {row['memory_exponent']:.2f}" if row["kib"] >= LEAST_KIB else "small"
    answer = str(row["status"]) + (f", then {row['refused']}" if row["refused"] else "")
    cells = [
        name, f"{row['size']:,}: {kilobytes(row['body'])}", answer, cpu, exponent, steepest, memory_cell,
        "**steeper**" if row["fails"] else "linear", SHORT[row["model"]],
    ]
    return f"| {' | '.join(cells)} |"


def kilobytes(count):
    return f"{count / 1024:,.0f} KiB" if count >= 1024 else f"{count} B"


def write(page, name, row):
    """Puts a row into the page, in the place of the old one of the same dimension."""
    begin, end = "<!-- growth: begin -->\n", "<!-- growth: end -->\n"
    before, rest = page.read_text().split(begin, 1)
    old, after = rest.split(end, 1)
    known = {row.split("|")[1].strip(): row for row in old.splitlines()[2:]}
    known[name] = row
    ordered = [known[name] for name in DIMENSIONS if name in known]
    page.write_text(before + begin + "\n".join([HEADER, *ordered]) + "\n" + end + after)
