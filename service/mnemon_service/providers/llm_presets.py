"""Servers that speak OpenAI's chat protocol, by name: where they listen and what they understand."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class StructuredMethod(enum.StrEnum):
    """How a server is asked for an answer of one shape."""

    JSON_SCHEMA = "json_schema"
    """`response_format: json_schema`, strict: the server lets the model write nothing else."""
    JSON_OBJECT = "json_object"
    """`response_format: json_object`: some JSON; the schema stands in the prompt."""
    PROMPT = "prompt"
    """No `response_format`; the schema stands in the prompt."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What a named server documents. Base URLs of local servers are their defaults."""

    base_url: str
    key_variable: str
    """The environment variable that holds the key; empty if the server asks for none."""
    method: StructuredMethod = StructuredMethod.JSON_SCHEMA
    temperature: float | None = None
    extra_body: Mapping[str, object] = field(default_factory=dict)
    """Sent with every request besides what OpenAI's protocol knows."""


PRESETS: Mapping[str, Preset] = {
    # docs.ollama.com/api/openai-compatibility; response_format takes a schema since 0.5.
    "ollama": Preset("http://127.0.0.1:11434/v1", "", temperature=0.0),
    # lmstudio.ai/docs/advanced/structured-output; knows no json_object.
    "lm_studio": Preset("http://127.0.0.1:1234/v1", "", temperature=0.0),
    # docs.vllm.ai, "Structured Outputs"; --api-key is optional.
    "vllm": Preset("http://127.0.0.1:8000/v1", "VLLM_API_KEY", temperature=0.0),
    # console.groq.com/docs/structured-outputs; models without it answer 400, see OpenAILanguageModel.
    "groq": Preset("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    # openrouter.ai/docs/structured-outputs: route only to providers that honour the schema.
    "openrouter": Preset(
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        extra_body={"provider": {"require_parameters": True}},
    ),
}
"""Presets by the name that settings use; it is also the provider's name in errors and accounts."""
