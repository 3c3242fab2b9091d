"""Language models behind one small protocol: messages and a JSON schema in, an object and its cost out."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mnemon_service.model.message import Image
from mnemon_service.model.usage import ProviderUsage

DEFAULT_MAXIMUM_OUTPUT_TOKENS = 8192
"""Enough for about 60 facts with their quotes; all providers accept it without streaming."""


class Speaker(enum.StrEnum):
    """Who says a turn. Instructions go into `StructuredRequest.system`."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of what the model reads."""

    text: str
    speaker: Speaker = Speaker.USER
    images: tuple[Image, ...] = ()
    """Shown after the text; dropped by a model that does not see images."""


@dataclass(frozen=True, slots=True)
class StructuredRequest:
    """What is asked of a model.

    `schema` is a JSON schema of an object within the subset that every provider's strict mode takes:
    see `json_schema.SUPPORTED_KEYWORDS`; all properties required, no additional ones.
    """

    system: str
    turns: tuple[Turn, ...]
    schema: Mapping[str, Any]
    schema_name: str
    """Letters, digits, `_` and `-`, at most 64: OpenAI's rule, the narrowest."""
    maximum_output_tokens: int = DEFAULT_MAXIMUM_OUTPUT_TOKENS
    temperature: float | None = None
    """None leaves the choice to the adapter's setting, or else to the provider: some models take no other,
    and Anthropic none at all."""
    timeout: float | None = None
    """Seconds one try may take, if that is less than the adapter's own timeout."""


class Finish(enum.StrEnum):
    """Why the model stopped."""

    STOP = "STOP"
    """It said all it wanted to say."""
    LENGTH = "LENGTH"
    """The output limit or the context window is full; what it said is cut off, or empty."""
    REFUSAL = "REFUSAL"
    """The model declined."""
    FILTERED = "FILTERED"
    """The provider's filter withheld the question or the answer."""


class Repair(enum.StrEnum):
    """What had to be done to an answer before it could be used."""

    FENCE = "FENCE"
    """A code fence was taken off."""
    CHATTER = "CHATTER"
    """Words before or after the JSON were left out."""
    CUT = "CUT"
    """The JSON ended too early; what was complete was kept."""
    COMMA = "COMMA"
    """A comma before a closing bracket was left out."""
    CHARACTER = "CHARACTER"
    """A raw control character, a NUL or half a surrogate pair inside a string was replaced."""
    WRAPPED = "WRAPPED"
    """A bare list, or a single item, was put where the schema wants it."""
    TYPE = "TYPE"
    """A value of another type that says the same was converted: "0.9" for 0.9, "add" for "ADD"."""
    FILLED = "FILLED"
    """A member that an item left out was set to the schema's null or empty list."""
    EXTRA = "EXTRA"
    """Members that the schema does not know were left out."""
    DROPPED = "DROPPED"
    """List items that do not fit the schema were left out; `StructuredAnswer.dropped` counts them."""


@dataclass(frozen=True, slots=True)
class StructuredAnswer:
    """What came back. `value` fits the request's schema, or is None if nothing could be used.

    If the answer was cut (`Repair.CUT`), members of the outermost object may be missing and its lists
    may be shorter than the model meant; all that is there was said completely.
    """

    value: dict[str, Any] | None
    text: str
    """The raw answer. It holds what users said: never log it."""
    finish: Finish
    usage: ProviderUsage
    repairs: frozenset[Repair] = frozenset()
    dropped: int = 0
    """List items left out because they did not fit the schema."""


class LanguageModel(Protocol):
    """One model of one provider."""

    @property
    def name(self) -> str:
        """Provider and model, as `openai/gpt-5-mini`."""
        ...

    @property
    def sees_images(self) -> bool:
        """Whether `Turn.images` reach the model."""
        ...

    async def generate(self, request: StructuredRequest) -> StructuredAnswer:
        """The model's answer, repaired where that is safe, with what it cost (failed tries included).

        Cancelling the call ends the HTTP request.

        Raises:
            FailedPrecondition: PROVIDER_CREDENTIALS.
            ResourceExhausted: PROVIDER_RATE_LIMITED.
            Unavailable: PROVIDER_UNAVAILABLE.
            All name the provider and carry the tries spent in `metadata["failed_calls"]`, and what
            streams had cost before they broke off in `input_tokens` and `output_tokens`, if anything.
        """
        ...

    async def close(self) -> None:
        """Close the connections. Calls under way fail."""
        ...
