"""Vectors for texts that are to be stored: what the record knows is not embedded again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Memory
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.embedding import Embedder
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Vector


@dataclass(frozen=True, slots=True)
class EmbeddedTexts:
    """Vectors by text."""

    space: str = ""
    """The embedder's name; empty without an embedder."""
    known: Mapping[str, Vector] = field(default_factory=dict)
    """Those that the record held already."""
    fresh: Mapping[str, Vector] = field(default_factory=dict)
    """Those that were made now and are to be saved with the write."""
    usage: tuple[ProviderUsage, ...] = ()

    @property
    def vectors(self) -> dict[str, Vector]:
        """All of them."""
        return {**self.known, **self.fresh}

    def fresh_of(self, memories: Iterable[Memory]) -> dict[str, Vector]:
        """The new vectors that these memories need."""
        texts = {text for memory in memories for text in embedded_texts(memory.text, memory.attributed_to)}
        return {text: vector for text, vector in self.fresh.items() if text in texts}


class TextEmbedding:
    """Embeds for one record; without an embedder it gives no vectors and memories are found by words."""

    def __init__(self, record: Record, embedder: Embedder | None) -> None:
        self._record = record
        self._embedder = embedder

    @property
    def space(self) -> str:
        """Name of the vector space; empty without an embedder."""
        return self._embedder.name if self._embedder else ""

    async def embed(self, project_id: str, texts: Sequence[str]) -> EmbeddedTexts:
        """Vectors of all texts: one query of the record, one batch of the embedder."""
        wanted = list(dict.fromkeys(texts))
        if self._embedder is None or not wanted:
            return EmbeddedTexts(self.space)
        known = await self._record.embeddings.find(project_id, self._embedder.name, wanted)
        missing = [text for text in wanted if text not in known]
        if not missing:
            return EmbeddedTexts(self._embedder.name, known)
        made = await self._embedder.embed_documents(missing)
        fresh = dict(zip(missing, made.vectors, strict=True))
        return EmbeddedTexts(self._embedder.name, known, fresh, (made.usage,))
