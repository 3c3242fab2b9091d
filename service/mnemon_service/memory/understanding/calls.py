"""Structured calls to a model, with one account of what they cost."""

from __future__ import annotations

from mnemon_service.memory.understanding.prompt import Prompt
from mnemon_service.model.errors import FailedPrecondition, MnemonError, Reason, Unavailable
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.llm import (
    DEFAULT_MAXIMUM_OUTPUT_TOKENS,
    Finish,
    LanguageModel,
    Repair,
    StructuredAnswer,
    StructuredRequest,
    Turn,
)

MAXIMUM_CALLS = 64
"""Calls for one conversation; a provider that cuts off every answer must not be asked for ever."""


class Calls:
    """Asks a model with one prompt and sums up the cost."""

    def __init__(self, model: LanguageModel, prompt: Prompt) -> None:
        provider, _, name = model.name.partition("/")
        self._model = model
        self._prompt = prompt
        self._answers = 0
        self.usage = ProviderUsage(provider, name)
        """Of all calls so far."""
        self.repaired = False
        """Whether any answer had to be mended, or asked for again (set by the caller)."""

    async def ask(self, turn: Turn) -> StructuredAnswer:
        """The model's answer to one turn.

        Raises what `LanguageModel.generate` raises, and besides:
            FailedPrecondition: PROVIDER_ANSWER_UNUSABLE: the model or its provider's filter declined.
            Unavailable: PROVIDER_ANSWER_UNUSABLE: more than `MAXIMUM_CALLS`.
        Every error carries what was spent in its metadata.
        """
        if self._answers >= MAXIMUM_CALLS:
            raise self.unusable()
        self._answers += 1
        request = StructuredRequest(
            system=self._prompt.text,
            turns=(turn,),
            schema=self._prompt.schema,
            schema_name=f"{self._prompt.name}_v{self._prompt.version}",
            maximum_output_tokens=DEFAULT_MAXIMUM_OUTPUT_TOKENS,
        )
        try:
            answer = await self._model.generate(request)
        except MnemonError as error:
            self._with_cost(error)
            raise
        self.usage = self.usage.plus(answer.usage)
        self.repaired |= bool(answer.repairs)
        if answer.finish in (Finish.REFUSAL, Finish.FILTERED):
            who = "declined" if answer.finish is Finish.REFUSAL else "or its provider's filter declined"
            declined = FailedPrecondition(
                f"{self._model.name} {who} to answer; sending the same again will not help",
                reason=Reason.PROVIDER_ANSWER_UNUSABLE,
                metadata={"provider": self.usage.provider, "finish": answer.finish.value},
            )
            self._with_cost(declined)
            raise declined
        return answer

    def unusable(self) -> Unavailable:
        """The error for answers that could not be used, also when asked for in smaller pieces."""
        error = Unavailable(
            f"the answers of {self._model.name} could not be read; nothing was stored",
            reason=Reason.PROVIDER_ANSWER_UNUSABLE,
            metadata={"provider": self.usage.provider},
        )
        self._with_cost(error)
        return error

    def _with_cost(self, error: MnemonError) -> None:
        failed = int(error.metadata.get("failed_calls", "0"))
        error.metadata |= {
            "calls": str(self.usage.calls + failed),
            "failed_calls": str(self.usage.failed_calls + failed),
            **{
                name: str(getattr(self.usage, name) + int(error.metadata.get(name, "0")))
                for name in ("input_tokens", "output_tokens")
            },
        }


def was_cut(answer: StructuredAnswer) -> bool:
    """Whether the model had more to say."""
    return answer.finish is Finish.LENGTH or Repair.CUT in answer.repairs
