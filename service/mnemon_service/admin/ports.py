"""What administration asks of other rooms, in its own words; `app/` plugs them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from google.protobuf.message import Message as ProtobufMessage

from mnemon_service.model.caller import Caller
from mnemon_service.model.memory import Version
from mnemon_service.model.message import Message
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.llm import LanguageModel
from mnemon_service.providers.reranking import Reranker
from mnemon_service.record.selection import Vector


class LanguageModels(Protocol):
    """The configured language models."""

    def get(self, name: str) -> LanguageModel | None:
        """The model of a project's setting `extraction_model`; None for `none`, or if none is configured.

        Raises `FailedPrecondition` (PROVIDER_NOT_CONFIGURED) for a name that the server does not offer.
        """
        ...


class Rerankers(Protocol):
    """The configured rerankers."""

    def get(self, name: str) -> Reranker | None:
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


class Applier(Protocol):
    """Takes committed changes into the index."""

    async def apply(
        self, project_id: str, versions: Sequence[Version], vectors: Mapping[str, Vector]
    ) -> None:
        """Applies the changes now, within a bounded time; never raises: what fails is applied later."""
        ...


class Forgetting(Protocol):
    """Whatever holds something of projects in memory."""

    def content_erased(self, project_id: str) -> None:
        """Drop what may hold content of memories that were erased."""
        ...

    def project_deleted(self, project_id: str) -> None:
        """Drop everything of the project: another one may get its id."""
        ...


class IndexPosition(Protocol):
    """How far the index has applied the logs."""

    async def cursor(self, project_id: str) -> int:
        """Up to where the log of a project was applied."""
        ...

    async def positions(self) -> dict[str, tuple[int, int]]:
        """Of each project whose log goes further: the cursor, and the end of the log."""
        ...


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model in use, or why there is none."""

    provider: str
    model: str = ""
    dimension: int = 0
    available: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What does not change while a server runs."""

    version: str
    database: str
    """`sqlite` or `postgresql`."""
    embedding: ModelFacts
    start_time: datetime
    warnings: tuple[str, ...] = ()
