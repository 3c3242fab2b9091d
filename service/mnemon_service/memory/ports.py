"""What the write path asks of other rooms, in its own words; `app.py` plugs them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from mnemon_service.model.memory import Memory, Version
from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import ProjectSettings
from mnemon_service.providers.llm import LanguageModel
from mnemon_service.record.selection import Access, Vector


class Near(Protocol):
    """An active memory and how near its meaning is."""

    @property
    def memory(self) -> Memory:
        """What is known."""
        ...

    @property
    def cosine(self) -> float:
        """-1..1."""
        ...


class Recall(Protocol):
    """Finds what is known already."""

    async def nearest(
        self, access: Access, scope: Scope, vectors: Sequence[Vector], limit: int
    ) -> Sequence[Sequence[Near]]:
        """For each vector the nearest active memories of the scope, nearest first, at most `limit`.

        Exact, and up to date with every committed write. Raises `Unavailable` if the index is away.
        """
        ...


class Applier(Protocol):
    """Takes committed changes into the index."""

    async def apply(
        self, project_id: str, versions: Sequence[Version], vectors: Mapping[str, Vector]
    ) -> None:
        """Applies the changes now, within a bounded time; never raises: what fails is applied later.

        `vectors` are the known embeddings, by text.
        """
        ...


class LanguageModels(Protocol):
    """The configured language models."""

    def get(self, name: str) -> LanguageModel | None:
        """The model of a project's setting `extraction_model`; None for `none`, or if none is configured.

        Raises `FailedPrecondition` (PROVIDER_NOT_CONFIGURED) for a name that the server does not offer.
        """
        ...


class ContentScreen(Protocol):
    """Looks for secrets and personal data before anything is stored."""

    def screen(self, settings: ProjectSettings, texts: Sequence[str]) -> list[str]:
        """The texts as they may be stored: as they are, or with findings replaced.

        Raises `FailedPrecondition` (CONTENT_REFUSED) if the project refuses them.
        """
        ...


class NoScreen:
    """Lets everything pass."""

    def screen(self, settings: ProjectSettings, texts: Sequence[str]) -> list[str]:
        """The texts as they are."""
        return list(texts)


class Room(Protocol):
    """Knows how many memories a project may store."""

    async def require_room(self, project_id: str, adding: int) -> None:
        """Raises `ResourceExhausted` (QUOTA_EXCEEDED) if the project may not store so many more, which it
        does next."""
        ...


class EndlessRoom:
    """There is no bound."""

    async def require_room(self, project_id: str, adding: int) -> None:
        """Lets everything pass."""
