"""What the doubles of language models have in common: what was asked, and what a test lets them say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

KEY = "key-of-the-test"
"""The only key that the doubles accept."""
SECRET_WORDS = "secret words of the provider"
"""Stand in every error body; no error of ours may repeat them."""


@dataclass(frozen=True)
class Heard:
    """One turn, as it arrived."""

    role: str
    """`user` or `assistant`, whatever the protocol calls them."""
    text: str
    images: tuple[str, ...] = ()
    """Data as `media/type;base64,…`, or an address."""


@dataclass(frozen=True)
class Asked:
    """One request in terms that all protocols share."""

    model: str
    system: str
    turns: tuple[Heard, ...]
    schema: Mapping[str, Any] | None
    """The schema that the protocol's own parameter carried; None if there was none."""
    schema_name: str
    maximum_tokens: int
    temperature: float | None
    streamed: bool = False
    thinking: Mapping[str, Any] = field(default_factory=dict)
    """What the request says of thinking, in the provider's own words."""

    @property
    def text(self) -> str:
        """All turns' texts."""
        return "\n".join(turn.text for turn in self.turns)


@dataclass(frozen=True)
class Reply:
    """What the model says, in terms that all protocols share."""

    text: str = ""
    finish: str = "stop"
    """`stop`, `length`, `refusal`, `filtered` (the answer) or `blocked` (the question)."""
    input_tokens: int = 11
    output_tokens: int = 7
    seconds: float = 0.0
    """How long a streamed answer takes from its first event to its last."""


PIECE = 9
"""Characters of an answer in one event of a stream: short, so that words and escapes are torn."""


def pieces(text: str) -> list[str]:
    """The text as a stream brings it."""
    return [text[place : place + PIECE] for place in range(0, len(text), PIECE)]


Script = Callable[[Asked], Reply]
"""How the model behind a double answers."""

_STRICT = {"type", "properties", "required", "additionalProperties", "items", "enum", "title", "description"}


def strict_fault(schema: Any) -> str:
    """Why a provider's strict mode would refuse the schema; empty if it would not."""
    if not isinstance(schema, dict) or "type" not in schema:
        return "a schema needs a type"
    if unknown := schema.keys() - _STRICT:
        return f"not supported: {sorted(unknown)}"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "object" in types:
        if schema.get("additionalProperties") is not False:
            return "additionalProperties must be false"
        if sorted(schema.get("required", [])) != sorted(schema["properties"]):
            return "required must name every property"
        return next(
            (fault for member in schema["properties"].values() if (fault := strict_fault(member))), ""
        )
    return strict_fault(schema.get("items")) if "array" in types else ""
