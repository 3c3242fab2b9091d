"""Made-up memories and questions, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.speed.vectors import SPACE, Vector, Vectors
from mnemon_service.model.ids import new_id
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Actor, Memory, Role, Source
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access

PROJECT = "default"
MEMORIES_A_RUN = 20
_BATCH = 100
_SPEAKER = "Ana"
_VERBS = ("like", "bought", "lost", "saw", "need", "sold", "found", "want", "miss", "painted")
_THINGS = """
    dog cat house train coffee tea garden mother father sister work project meeting book music guitar piano
    Oslo Lisbon Berlin summer winter beach mountain river bike car plane ticket hotel dinner lunch recipe
    bread cheese wine friend party birthday gift school teacher exam doctor hospital pill sleep swim yoga
    film game chess paint photo camera phone laptop code bug release money bank tax rent flat kitchen sofa
"""
_WORDS = tuple(_THINGS.split())


@dataclass(frozen=True, slots=True)
class Corpus:
    """So many memories, shared evenly among so many users."""

    memories: int
    users: int

    @property
    def a_user(self) -> int:
        """Memories of each user."""
        return self.memories // self.users

    def __str__(self) -> str:
        return f"{self.memories:,} of {self.users:,}"

    def texts(self, number: int) -> list[str]:
        """What a user said, one text a memory: one to three sentences."""
        chance = random.Random(f"7-{number}")
        return [" ".join(_sentence(chance) for _ in range(chance.randint(1, 3))) for _ in range(self.a_user)]


def user(number: int) -> Scope:
    """The scope of a user."""
    return Scope(user_id=f"user-{number}")


def questions(seed: int) -> Iterator[str]:
    """Questions without end, no two alike, so that no cache of embeddings helps."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        first, second = chance.sample(_WORDS, 2)
        yield f"When did I last {chance.choice(_VERBS)} the {first} and the {second}, number {seed}-{number}?"


async def fill(database: Path, corpus: Corpus, vectors: Vectors) -> None:
    """Stores the memories with their vectors, each user's in sittings of twenty.

    They go straight into the record, a hundred a transaction; a server finds them there and indexes them.
    """
    record = await Record.open(database)
    await record.projects.ensure(PROJECT, "Default project")
    for number in range(corpus.users):
        made = [_memory(number, place, text) for place, text in enumerate(corpus.texts(number))]
        for start in range(0, len(made), _BATCH):
            batch = made[start : start + _BATCH]
            texts = stored_texts([memory.text for memory in batch])
            known = dict(zip(texts, await vectors.of(texts), strict=True))
            async with record.write(Access(PROJECT), Actor(operation="bench")) as write:
                for memory in batch:
                    write.add(memory)
                write.save_embeddings(SPACE, known)
    await record.close()


def stored_texts(texts: Sequence[str]) -> list[str]:
    """The texts whose vectors a server keeps for these memories: the whole and each sentence, once."""
    return list(dict.fromkeys(part for text in texts for part in embedded_texts(text, _SPEAKER)))


async def whole_vectors(corpus: Corpus, number: int, vectors: Vectors) -> list[Vector]:
    """The vectors that stand for a user's whole memories, as `fill` stores them."""
    texts, found = corpus.texts(number), list[Vector]()
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        stored = stored_texts(batch)
        known = dict(zip(stored, await vectors.of(stored), strict=True))
        found.extend(known[embedded_texts(text, _SPEAKER)[0]] for text in batch)
    return found


def _memory(number: int, place: int, text: str) -> Memory:
    return Memory(
        id=new_id(),
        project_id=PROJECT,
        scope=Scope(user_id=user(number).user_id, run_id=f"run-{place // MEMORIES_A_RUN}"),
        text=text,
        attributed_to=_SPEAKER,
        run_position=place % MEMORIES_A_RUN + 1,
        sources=(Source(new_id(), Role.USER),),
    )


def _sentence(chance: random.Random) -> str:
    words = " ".join(chance.choice(_WORDS) for _ in range(chance.randint(4, 12)))
    return f"I {chance.choice(_VERBS)} the {words}."
