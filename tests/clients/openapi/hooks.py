"""What Schemathesis can't know from the document: which models there are, and what the simulator takes for a directive."""

import schemathesis

MODELS = [
    "amazon.nova-pro-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "amazon.titan-text-express-v1",
    "meta.llama3-1-8b-instruct-v1:0",
]


def without_directives(value):
    if isinstance(value, str):
        return value.replace("[[", "[")
    if isinstance(value, list):
        return [without_directives(item) for item in value]
    if isinstance(value, dict):
        return {key: without_directives(item) for key, item in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    """A model that exists, wherever the generated body names one at all."""
    if not isinstance(body, dict):
        return body
    body = without_directives(body)
    model = body.get("model")
    if isinstance(model, str):
        body["model"] = MODELS[len(model) % len(MODELS)]
    return body
