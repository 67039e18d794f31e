"""LangChain's standard integration tests for chat models, with ChatOpenAI over the gateway."""

import os

from conftest import SensibleChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class ChatOpenAITests(ChatModelIntegrationTests):
    """What holds for every model. A subclass names one, and what it can't."""

    __test__ = False
    model_id: str

    @property
    def chat_model_class(self):
        return SensibleChatOpenAI

    @property
    def chat_model_params(self):
        return {
            "base_url": f"{os.environ['OUTCROP_TEST_URL']}/v1",
            "api_key": os.environ["OUTCROP_TEST_KEY"],
            "model": self.model_id,
            "max_retries": 0,
            # With a base URL of its own it would leave usage out of streams.
            "stream_usage": True,
        }

    supports_json_mode = True
    supports_model_override = True
    model_override_value = "amazon.nova-lite-v1:0"
    supported_usage_metadata_details = {
        "invoke": ["cache_read_input", "cache_creation_input"],
        "stream": ["cache_read_input", "cache_creation_input"],
    }

    def invoke_with_cache_read_input(self, *, stream=False):
        model = self.chat_model_class(**self.chat_model_params)
        text = "[[usage input=7 output=5 cache_read=100 cache_write=20]] hello"
        if not stream:
            return model.invoke(text)
        first, *rest = model.stream(text)
        return sum(rest, first)

    invoke_with_cache_creation_input = invoke_with_cache_read_input


class TestClaude(ChatOpenAITests):
    __test__ = True
    model_id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    supports_image_inputs = True
    supports_image_tool_message = True
    supports_pdf_inputs = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True


class TestNova(ChatOpenAITests):
    __test__ = True
    model_id = "amazon.nova-pro-v1:0"
    supports_image_inputs = True
    supports_image_tool_message = True
    supports_pdf_inputs = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True


class TestGptOss(ChatOpenAITests):
    __test__ = True
    model_id = "openai.gpt-oss-120b-1:0"
    # Bedrock knows no forced tool for it.
    has_tool_choice = False
