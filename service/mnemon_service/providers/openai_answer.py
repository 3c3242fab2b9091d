"""Reading OpenAI's chat completions, whole or as a stream of chunks."""

from __future__ import annotations

from collections.abc import Mapping

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from mnemon_service.providers.llm import Finish
from mnemon_service.providers.structured_answer import Completion

_FINISHES: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "content_filter": Finish.FILTERED,
}
_FAILED = "error"
"""With this OpenRouter ends an answer whose provider failed on the way."""


def completion(response: ChatCompletion) -> Completion:
    """A whole answer. Raises ValueError if it is none."""
    if not response.choices:
        raise ValueError("no choices")
    choice = response.choices[0]
    said = choice.message
    return _completion(said.content or "", said.refusal or "", choice.finish_reason, response.usage)


class StreamedCompletion:
    """The answer that chunks make."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._refusal: list[str] = []
        self._finish: str | None = None
        self._usage: CompletionUsage | None = None

    def take(self, chunk: ChatCompletionChunk) -> None:
        """The next chunk; the last one, after the answer's end, has no choices and tells the usage."""
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices or []:
            if choice.delta.content:
                self._content.append(choice.delta.content)
            if choice.delta.refusal:
                self._refusal.append(choice.delta.refusal)
            if choice.finish_reason:
                self._finish = choice.finish_reason

    @property
    def tokens(self) -> tuple[int, int]:
        """Read and written; OpenAI tells only at the end, some servers with each chunk."""
        return _tokens(self._usage)

    def completion(self) -> Completion:
        """The answer. Raises ValueError if the stream ended without telling why."""
        if self._finish is None:
            raise ValueError("the stream ended before the answer did")
        return _completion("".join(self._content), "".join(self._refusal), self._finish, self._usage)


def _completion(content: str, refusal: str, finish: str, usage: CompletionUsage | None) -> Completion:
    if finish == _FAILED:
        raise ValueError("the answer ended with an error")
    read, wrote = _tokens(usage)
    if refusal:
        return Completion(refusal, Finish.REFUSAL, read, wrote)
    return Completion(content, _FINISHES.get(finish, Finish.STOP), read, wrote)


def _tokens(usage: CompletionUsage | None) -> tuple[int, int]:
    return (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
