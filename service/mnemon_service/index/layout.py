"""Where a row lies: which collection, of which generation, on which engine.

Milvus Lite: 64 shards by a hash of project and owner, each a small collection that is made with its
first row; `layout.json` names the generation and each shard's revision and is replaced atomically, so
a rebuild or a rewritten shard takes effect at one instant and what a crash left over is recognised.

A server: one collection a generation behind an alias, which the server itself moves atomically.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from mnemon_service.index.engine import Engine
from mnemon_service.index.expressions import owner_key

FORMAT: Final = 1
"""Counts the changes of the schema or of what a field holds: another one means a rebuild."""
SHARDS: Final = 64


@dataclass(frozen=True, slots=True)
class Identity:
    """What a generation's rows were made with; rows of another identity cannot be searched."""

    embedder: str
    dimensions: int

    @property
    def fingerprint(self) -> str:
        """Short text that differs if anything of it does."""
        text = f"{FORMAT}\n{self.embedder}\n{self.dimensions}"
        return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


@dataclass(slots=True)
class Generation:
    """One complete set of collections."""

    number: int
    identity_matches: bool
    naming: Callable[[int, int], str]
    """Name of a shard's collection at a revision."""
    shards: int
    revisions: dict[int, int] = field(default_factory=dict)
    """Of the shards that were written anew; 0 for the others."""
    existing: set[str] = field(default_factory=set)
    """Collections that are there."""
    embedder: str | None = None
    """Whose vectors the rows hold, where that is known; "" for none."""

    def shard(self, project_id: str, owner: str) -> int:
        """The shard of all rows of one owner."""
        if self.shards == 1:
            return 0
        digest = hashlib.blake2b(owner_key(project_id, owner).encode(), digest_size=2).digest()
        return int.from_bytes(digest, "big") % self.shards

    def collection(self, shard: int) -> str:
        """The name of a shard's collection."""
        return self.naming(shard, self.revisions.get(shard, 0))

    def names(self, collection: str) -> bool:
        """True if the collection is one that rows are written to: not one that was replaced."""
        return any(self.collection(shard) == collection for shard in range(self.shards))

    def home(self, project_id: str, owner: str) -> str:
        """The collection of all rows of one owner."""
        return self.collection(self.shard(project_id, owner))

    def places(self, project_id: str, owner: str | None) -> list[str]:
        """Collections that are there and may hold rows of this owner, or of any if it is None."""
        if owner is not None:
            home = self.home(project_id, owner)
            return [home] if home in self.existing else []
        return [name for shard in range(self.shards) if (name := self.collection(shard)) in self.existing]


class Layout(Protocol):
    """Keeps which generation is in use."""

    async def load(self) -> Generation:
        """The generation in use, made if there is none; leftovers of a crash are dropped."""
        ...

    async def next(self, current: Generation) -> Generation:
        """An empty generation beside the current one; an unfinished one is dropped."""
        ...

    async def use(self, generation: Generation) -> None:
        """Make this generation, with its revisions, the one in use: at once and for good."""
        ...


class ShardedLayout:
    """The layout of Milvus Lite."""

    _NAME: Final = re.compile(r"g(\d+)_s(\d\d)_r(\d+)")

    def __init__(self, engine: Engine, directory: Path, identity: Identity) -> None:
        self._engine = engine
        self._file = directory / "layout.json"
        self._identity = identity

    async def load(self) -> Generation:
        stored = self._read()
        generation = self._generation(
            stored["generation"],
            stored["fingerprint"] == self._identity.fingerprint,
            {int(shard): revision for shard, revision in stored["revisions"].items()},
        )
        generation.embedder = stored.get("embedder")
        names = await self._engine.list_collections()
        wanted = {generation.collection(shard) for shard in range(SHARDS)}
        generation.existing = wanted.intersection(names)
        for name in names:
            if name not in wanted and self._NAME.fullmatch(name):
                await self._engine.drop(name)
        return generation

    async def next(self, current: Generation) -> Generation:
        number = current.number + 1
        for name in await self._engine.list_collections():
            if (match := self._NAME.fullmatch(name)) and int(match[1]) >= number:
                await self._engine.drop(name)
        return self._generation(number, True, {})

    async def use(self, generation: Generation) -> None:
        text = json.dumps(
            {
                "generation": generation.number,
                "fingerprint": self._identity.fingerprint,
                "embedder": self._identity.embedder,
                "revisions": generation.revisions,
            }
        )
        replace_file(self._file, text)

    def _generation(self, number: int, matches: bool, revisions: dict[int, int]) -> Generation:
        def naming(shard: int, revision: int) -> str:
            return f"g{number}_s{shard:02d}_r{revision}"

        return Generation(number, matches, naming, SHARDS, revisions)

    def _read(self) -> dict[str, Any]:
        try:
            stored = json.loads(self._file.read_text())
            needed = {key: stored[key] for key in ("generation", "fingerprint", "revisions")}
            return needed | {"embedder": stored.get("embedder")}
        except FileNotFoundError:
            first = {
                "generation": 1,
                "fingerprint": self._identity.fingerprint,
                "embedder": self._identity.embedder,
                "revisions": {},
            }
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(self._file, json.dumps(first))
            return first
        except (ValueError, KeyError, TypeError):  # damaged: begin anew with the next rebuild
            return {"generation": 0, "fingerprint": "", "revisions": {}}


class AliasedEngine(Engine, Protocol):
    """An engine with aliases: a server."""

    async def alias_target(self, alias: str) -> str | None:
        """The collection that an alias points to; None if there is no such alias."""
        ...

    async def point_alias(self, alias: str, collection: str) -> None:
        """Make or move an alias."""
        ...


class SingleLayout:
    """The layout of a server: `<alias>_<fingerprint>_g<number>` behind `<alias>`."""

    def __init__(self, engine: AliasedEngine, alias: str, identity: Identity) -> None:
        self._engine = engine
        self._alias = alias
        self._identity = identity
        self._name = re.compile(rf"{re.escape(alias)}_([0-9a-f]+)_g(\d+)")

    async def load(self) -> Generation:
        target = await self._engine.alias_target(self._alias)
        if target is None:
            first = self._generation(1)
            await self._engine.create(first.collection(0), self._identity.dimensions)
            await self.use(first)
            first.existing = {first.collection(0)}
            return first
        match = self._name.fullmatch(target)
        number = int(match[2]) if match else 0
        matches = match is not None and match[1] == self._identity.fingerprint
        return Generation(number, matches, lambda _shard, _revision: target, 1, {}, {target})

    async def next(self, current: Generation) -> Generation:
        generation = self._generation(current.number + 1)
        for name in await self._engine.list_collections():
            match = self._name.fullmatch(name)
            if match and int(match[2]) > current.number:
                await self._engine.drop(name)
        return generation

    async def use(self, generation: Generation) -> None:
        await self._engine.point_alias(self._alias, generation.collection(0))

    def _generation(self, number: int) -> Generation:
        name = f"{self._alias}_{self._identity.fingerprint}_g{number}"
        return Generation(number, True, lambda _shard, _revision: name, 1)


def replace_file(path: Path, text: str) -> None:
    """Put a whole file in the place of another, so that a crash leaves the one or the other."""
    temporary = path.with_suffix(".new")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
