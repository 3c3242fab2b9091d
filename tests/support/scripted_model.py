"""A language model that says what a test wrote down: the protocol without a network.

What it says goes through the same reading and repairing as a provider's answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from mnemon_service.providers.llm import Finish, StructuredAnswer, StructuredRequest
from mnemon_service.providers.retry import Guarded
from mnemon_service.providers.structured_answer import Completion, answer_of

Said = str | dict[str, Any] | Completion | Exception


class ScriptedModel:
    """Says `answers` in turn: a dict as JSON, a text as it is, a completion with its finish, an error.

    The last one may be a function of the request; it is asked for all that follow.
    """

    def __init__(
        self, *answers: Said | Callable[[StructuredRequest], Said], sees_images: bool = False
    ) -> None:
        self._answers = list(answers)
        self._sees_images = sees_images
        self.requests: list[StructuredRequest] = []

    @property
    def name(self) -> str:
        return "scripted/one"

    @property
    def sees_images(self) -> bool:
        return self._sees_images

    async def generate(self, request: StructuredRequest) -> StructuredAnswer:
        self.requests.append(request)
        said = self._answers[0] if callable(self._answers[0]) else self._answers.pop(0)
        if callable(said):
            said = said(request)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, dict):
            said = json.dumps(said, ensure_ascii=False)
        completion = said if isinstance(said, Completion) else Completion(said, Finish.STOP, 100, 10)
        return answer_of(
            Guarded(completion, 1, 0, 1.0), provider="scripted", model="one", schema=request.schema
        )

    async def close(self) -> None:
        pass
