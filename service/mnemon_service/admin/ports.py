"""What administration asks of other rooms, in its own words; `app/` plugs them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message as ProtobufMessage

from mnemon_service.model.caller import Caller
from mnemon_service.model.message import Message
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.llm import LanguageModel


class LanguageModels(Protocol):
    """The configured language models."""

    def get(self, name: str) -> LanguageModel | None:
        """The model of a project's setting `extraction_model`; None for `none`, or if none is configured.

        Raises `FailedPrecondition` (PROVIDER_NOT_CONFIGURED) for a name that the server does not offer.
        """
        ...


class Rerankers(Protocol):
    """The configured rerankers."""

    def get(self, name: str) -> object | None:
        """The reranker of that name; None if the server offers none. Raises `FailedPrecondition`
        (PROVIDER_NOT_CONFIGURED) for an unknown name."""
        ...


@dataclass(frozen=True, slots=True)
class Proposal:
    """Instructions to try, and what they cost."""

    instructions: str
    test_conversation: tuple[Message, ...]
    usage: ProviderUsage


class InstructionWriter(Protocol):
    """Writes instructions with a language model."""

    async def __call__(self, model: LanguageModel, use_case: str) -> Proposal:
        """Instructions for a use case in words. Raises the provider's errors."""
        ...


class InProcessCalls(Protocol):
    """Calls this server's own RPCs past the network, with the same checks."""

    async def __call__(
        self, method: str, request: ProtobufMessage, caller: Caller, seconds: float
    ) -> list[ProtobufMessage]:
        """The answers of `method` (as `MemoryService/GetMemory`) to this caller; of a stream that does not
        end by itself those that came within `seconds`. Raises what the RPC raises."""
        ...
