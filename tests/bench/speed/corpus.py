"""Made-up memories and questions: many users with a hundred statements each, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnemon_service.model.ids import new_id
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Actor, Memory, Role, Source
from mnemon_service.model.scope import Scope
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access

PROJECT = "default"
MEMORIES_A_USER = 100
SPACE = "local/all-MiniLM-L6-v2/int8"
DIMENSION = 384
MEMORIES_A_RUN = 20
_VERBS = ("like", "bought", "lost", "saw", "need", "sold", "found", "want", "miss", "painted")
_THINGS = """
    dog cat house train coffee tea garden mother father sister work project meeting book music guitar piano
    Oslo Lisbon Berlin summer winter beach mountain river bike car plane ticket hotel dinner lunch recipe
    bread cheese wine friend party birthday gift school teacher exam doctor hospital pill sleep swim yoga
    film game chess paint photo camera phone laptop code bug release money bank tax rent flat kitchen sofa
"""
_WORDS = tuple(_THINGS.split())


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


async def fill(database: Path, memories: int) -> None:
    """Stores memories with vectors, a hundred for each user, in sittings of twenty.

    The vectors are random directions: how long a search takes does not depend on where they point, and
    embedding a hundred thousand memories would take a quarter of an hour.
    """
    chance, directions = random.Random(7), np.random.default_rng(7)
    record = await Record.open(database)
    await record.projects.ensure(PROJECT, "Default project")
    for number in range(memories // MEMORIES_A_USER):
        async with record.write(Access(PROJECT), Actor(operation="bench")) as write:
            vectors: dict[str, npt.NDArray[np.float32]] = {}
            for place in range(MEMORIES_A_USER):
                memory = _memory(chance, number, place)
                write.add(memory)
                for text in embedded_texts(memory.text, memory.attributed_to):
                    vectors[text] = direction(directions)
            write.save_embeddings(SPACE, vectors)
    await record.close()


def direction(generator: np.random.Generator) -> npt.NDArray[np.float32]:
    """A random vector of length 1."""
    vector = generator.standard_normal(DIMENSION).astype(np.float32)
    unit: npt.NDArray[np.float32] = vector / np.linalg.norm(vector)
    return unit


def _memory(chance: random.Random, number: int, place: int) -> Memory:
    text = " ".join(_sentence(chance) for _ in range(chance.randint(1, 3)))
    run = f"run-{place // MEMORIES_A_RUN}"
    return Memory(
        id=new_id(),
        project_id=PROJECT,
        scope=Scope(user_id=f"user-{number}", run_id=run),
        text=text,
        attributed_to="Ana",
        run_position=place % MEMORIES_A_RUN + 1,
        sources=(Source(new_id(), Role.USER),),
    )


def _sentence(chance: random.Random) -> str:
    words = " ".join(chance.choice(_WORDS) for _ in range(chance.randint(4, 12)))
    return f"I {chance.choice(_VERBS)} the {words}."
