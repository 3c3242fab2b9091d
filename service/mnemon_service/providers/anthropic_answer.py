"""Reading Anthropic's messages, whole or as a stream of events."""

from __future__ import annotations

import json
from collections.abc import Mapping

from anthropic.types import Message, MessageDeltaUsage, RawMessageStreamEvent, Usage

from mnemon_service.providers.llm import Finish
from mnemon_service.providers.structured_answer import Completion

_FINISHES: Mapping[str, Finish] = {
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "refusal": Finish.REFUSAL,
}


def completion(response: Message) -> Completion:
    """A whole answer: the input of the tool if one was called, else the text."""
    text = ""
    for block in response.content:
        if block.type == "text":
            text += block.text
        elif block.type == "tool_use":
            text = json.dumps(block.input, ensure_ascii=False)
            break
    return Completion(
        text, _finish(response.stop_reason), _read(response.usage), response.usage.output_tokens
    )


class StreamedMessage:
    """The answer that the events of a stream make."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._tool_input: list[str] = []
        self._stop_reason: str | None = None
        self._ended = False
        self._read = 0
        self._wrote = 0

    def take(self, event: RawMessageStreamEvent) -> None:
        """The next event; kinds that say nothing of the answer are passed over."""
        match event.type:
            case "message_start":
                self._read, self._wrote = _read(event.message.usage), event.message.usage.output_tokens
            case "content_block_delta":
                if event.delta.type == "text_delta":
                    self._text.append(event.delta.text)
                elif event.delta.type == "input_json_delta":
                    self._tool_input.append(event.delta.partial_json)
            case "message_delta":
                self._stop_reason = event.delta.stop_reason
                self._read = max(self._read, _read(event.usage))
                self._wrote = event.usage.output_tokens
            case "message_stop":
                self._ended = True

    @property
    def tokens(self) -> tuple[int, int]:
        """Read and written so far."""
        return self._read, self._wrote

    def completion(self) -> Completion:
        """The answer. Raises ValueError if the stream ended before it did."""
        if not self._ended or self._stop_reason is None:
            raise ValueError("the stream ended before the answer did")
        text = "".join(self._tool_input or self._text)
        return Completion(text, _finish(self._stop_reason), self._read, self._wrote)


def _read(usage: Usage | MessageDeltaUsage) -> int:
    """Tokens of the question, also those that a cache served."""
    return (
        (usage.input_tokens or 0)
        + (usage.cache_read_input_tokens or 0)
        + (usage.cache_creation_input_tokens or 0)
    )


def _finish(stop_reason: str | None) -> Finish:
    return _FINISHES.get(stop_reason or "", Finish.STOP)
