"""How a language model is asked: what an operator may set for each one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

ReasoningEffort = Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True)
class LanguageModelSettings:
    """What is sent to one model besides the question. What is unset is not sent: the provider decides.

    A model that has no such parameter is refused with what to set instead, never asked without it.

    Raises ValueError for a value out of bounds.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    sees_images: bool | None = None
    """Whether pictures in messages are shown to it. None: yes, but for OpenAI-compatible servers."""
    temperature: float | None = None
    """0 to 2. Models that reason take none, Anthropic's neither."""
    reasoning_effort: ReasoningEffort = ""
    """How much it thinks before it answers. OpenAI: `reasoning_effort`; Gemini 3 and later:
    `thinking_level` (minimal to xhigh); Anthropic: `effort` (low to max)."""
    thinking_budget: int | None = None
    """Tokens it may think before it answers; 0 turns thinking off, -1 lets Gemini decide. Gemini:
    `thinking_budget`; Anthropic: `budget_tokens`, 1,024 or more. OpenAI has no such parameter. The
    answer's own limit is raised by it."""
    stream: bool = False
    """Read the answer as it is written. For proxies that cut connections on which nothing moves, and for
    slow local models: the time that a try may take (`provider_timeout`) then counts between two parts of
    the answer, and the whole may take ten times as long. Otherwise there is nothing to gain: what is
    stored is decided when the answer is complete."""

    def __post_init__(self) -> None:
        """Refuses what no provider takes."""
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise ValueError("temperature must be 0 to 2")
        if self.thinking_budget is not None and self.thinking_budget < -1:
            raise ValueError("thinking_budget must be -1 or more")


PROVIDER_DEFAULTS: Final = LanguageModelSettings()
"""Nothing is set."""
