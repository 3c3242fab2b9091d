"""Reading Gemini's answers, whole or as a stream of chunks."""

from __future__ import annotations

from google.genai import types

from mnemon_service.providers.llm import Finish
from mnemon_service.providers.structured_answer import Completion

_CUT = frozenset({types.FinishReason.MAX_TOKENS, types.FinishReason.CONTINUATION})
_SAID = frozenset(
    {
        types.FinishReason.STOP,
        types.FinishReason.FINISH_REASON_UNSPECIFIED,
        types.FinishReason.OTHER,
        types.FinishReason.MALFORMED_RESPONSE,
        types.FinishReason.MALFORMED_FUNCTION_CALL,
        types.FinishReason.UNEXPECTED_TOOL_CALL,
    }
)
"""Stops that withhold nothing; every other reason is one of Gemini's filters."""


def completion(response: types.GenerateContentResponse) -> Completion:
    """A whole answer. Raises ValueError if it is none."""
    read, wrote = _tokens(response.usage_metadata)
    if not response.candidates:
        if not _is_blocked(response):
            raise ValueError("no candidates")
        return Completion("", Finish.FILTERED, read, wrote)
    return Completion(_text(response), _finish(response.candidates[0].finish_reason), read, wrote)


class StreamedResponse:
    """The answer that chunks make."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._finish: Finish | None = None
        self._read = 0
        self._wrote = 0

    def take(self, chunk: types.GenerateContentResponse) -> None:
        """The next chunk; each tells the tokens up to it."""
        if chunk.usage_metadata is not None:
            self._read, self._wrote = _tokens(chunk.usage_metadata)
        if _is_blocked(chunk):
            self._finish = Finish.FILTERED
        if chunk.candidates:
            self._text.append(_text(chunk))
            if (reason := chunk.candidates[0].finish_reason) is not None:
                self._finish = _finish(reason)

    @property
    def tokens(self) -> tuple[int, int]:
        """Read and written so far."""
        return self._read, self._wrote

    def completion(self) -> Completion:
        """The answer. Raises ValueError if the stream ended without telling why."""
        if self._finish is None:
            raise ValueError("the stream ended before the answer did")
        return Completion("".join(self._text), self._finish, self._read, self._wrote)


def _is_blocked(response: types.GenerateContentResponse) -> bool:
    """Whether the question was withheld from the model."""
    feedback = response.prompt_feedback
    return feedback is not None and feedback.block_reason is not None


def _text(response: types.GenerateContentResponse) -> str:
    """What the first candidate says, without its thoughts."""
    candidate = response.candidates[0] if response.candidates else None
    parts = (candidate.content.parts if candidate and candidate.content else None) or []
    return "".join(part.text for part in parts if part.text and not part.thought)


def _tokens(usage: types.GenerateContentResponseUsageMetadata | None) -> tuple[int, int]:
    """Tokens of the question, and of the answer with the thinking before it."""
    if usage is None:
        return 0, 0
    wrote = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return usage.prompt_token_count or 0, wrote


def _finish(reason: types.FinishReason | None) -> Finish:
    if reason is None or reason in _SAID:
        return Finish.STOP
    return Finish.LENGTH if reason in _CUT else Finish.FILTERED
