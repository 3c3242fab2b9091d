"""What adds with a language model cost of ours, and what they do to somebody else's searches.

    python -m tests.bench.run adding [--rounds 3] [--memories 1000]

The model is a double that answers at once over real HTTP, in this process; the server and the client that
searches are processes of their own. Each round, 64 adds start at once: first all for one user, then each
for a user of its own. Every add says one thing that all say, and one of its own. The other client searches
the memories of its user without a pause, every time with other words, so that each query is embedded.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from bench.report import Table
from mnemon import Client
from support.provider_servers.llm_openai import PlannedFact, PlannedModel, planned_openai_server
from support.provider_servers.llm_script import KEY
from support.server import MnemonServer, running_server

ADDS = 64
MODEL = "openai/gpt-5-mini"
SHARED = PlannedFact("I live in Berlin", "Ana lives in Berlin", entities=(("Berlin", "PLACE"),))
TOPICS = ("sailing", "Lisbon", "the dentist", "green tea", "a broken bike", "Peter", "chess", "the garden")


@dataclass
class Measured:
    """Milliseconds of one phase."""

    adds: list[float] = field(default_factory=list)
    """From the call to the answer."""
    own: list[float] = field(default_factory=list)
    """Of these, what the server spent besides waiting for the model."""
    searches: list[float] = field(default_factory=list)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def own_fact(number: int) -> PlannedFact:
    """What only one add says."""
    return PlannedFact(f"I own boat {number:04d}", f"Ana owns boat {number:04d}")


@contextmanager
def server_with_instant_model(data_dir: Path, facts: int) -> Iterator[MnemonServer]:
    """A server whose model finds the facts of so many adds."""
    model = PlannedModel(facts=(SHARED, *map(own_fact, range(facts))))
    with (
        planned_openai_server(model) as provider,
        running_server(
            data_dir,
            MNEMON_EXTRACTION_MODEL=MODEL,
            MNEMON_OPENAI_BASE_URL=provider.url + "/v1",
            MNEMON_OPENAI_API_KEY=KEY,
            MNEMON_PROVIDER_CONCURRENCY=str(ADDS),
            MNEMON_LANGUAGE_MODELS=json.dumps({MODEL: {"stream": False}}),
        ) as server,
    ):
        yield server


def search_when_told(address: str, key: str, user: str, told: Connection) -> None:
    """A process: after `True` it searches without a pause until `False`, then sends the milliseconds."""
    with Client(address, key) as client:
        number = 0
        client.search("warm up", user_id=user)
        told.send([])
        while told.recv():
            took: list[float] = []
            while not told.poll():
                number += 1
                started = time.perf_counter()
                client.search(f"what about {TOPICS[number % len(TOPICS)]} {number}", user_id=user)
                took.append((time.perf_counter() - started) * 1000)
            told.recv()
            told.send(took)


class Searcher:
    """The other client. Use as a context manager, and `searching` for a phase."""

    def __init__(self, server: MnemonServer, memories: int) -> None:
        with Client(server.address, server.key) as client:
            texts = [f"Ben noted {TOPICS[one % len(TOPICS)]}, entry {one}" for one in range(memories)]
            for start in range(0, memories, 100):
                client.add(texts=texts[start : start + 100], user_id="ben", infer=False, timeout=300)
        context = multiprocessing.get_context("spawn")
        self._told, theirs = context.Pipe()
        arguments = (server.address, server.key, "ben", theirs)
        self._process = context.Process(target=search_when_told, args=arguments, daemon=True)

    def __enter__(self) -> Searcher:
        self._process.start()
        self._told.recv()
        return self

    def __exit__(self, *ended: object) -> None:
        self._told.send(False)
        self._process.join(10)

    @contextmanager
    def searching(self, measured: Measured) -> Iterator[None]:
        """Searches during the block."""
        self._told.send(True)
        yield
        self._told.send(False)
        measured.searches += self._told.recv()


def add_at_once(server: MnemonServer, first: int, users: Sequence[str], measured: Measured) -> None:
    """As many adds as there are users, all at once."""
    with Client(server.address, server.key) as client, ThreadPoolExecutor(len(users)) as threads:

        def add(place: int) -> None:
            said = f"{SHARED.quote}. {own_fact(first + place).quote}."
            started = time.perf_counter()
            added = client.add(
                [{"role": "user", "name": "Ana", "content": said}], user_id=users[place], timeout=120
            )
            measured.adds.append((time.perf_counter() - started) * 1000)
            waited = sum(each.milliseconds for each in added.usage.providers if each.provider == "openai")
            measured.own.append(added.usage.milliseconds - waited)

        list(threads.map(add, range(len(users))))


def texts_of(server: MnemonServer, users: Sequence[str]) -> list[list[str]]:
    """What is remembered of each user, sorted."""
    with Client(server.address, server.key) as client:
        return [sorted(memory.text for memory in client.list(user_id=user)) for user in users]


def expected_texts(numbers: Sequence[int]) -> list[str]:
    """What these adds for one user leave, without a duplicate, sorted."""
    return sorted([SHARED.text, *(own_fact(number).text for number in numbers)])


def main(options: Sequence[str] = ()) -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--memories", type=int, default=1_000, help="of the user who is searched")
    given = arguments.parse_args(options)
    rounds: int = given.rounds
    single, quiet, one, many = Measured(), Measured(), Measured(), Measured()
    numbers = ADDS * (1 + 2 * rounds)
    with (
        tempfile.TemporaryDirectory() as folder,
        server_with_instant_model(Path(folder) / "data", numbers) as server,
        Searcher(server, given.memories) as searcher,
    ):
        for number in range(ADDS):
            add_at_once(server, number, [f"single-{number}"], single)
        with searcher.searching(quiet):
            time.sleep(5)
        for turn in range(rounds):
            with searcher.searching(one):
                add_at_once(server, ADDS * (1 + turn), ["one"] * ADDS, one)
        for turn in range(rounds):
            users = [f"many-{turn}-{place}" for place in range(ADDS)]
            with searcher.searching(many):
                add_at_once(server, ADDS * (1 + rounds + turn), users, many)
        said = range(ADDS, ADDS * (1 + rounds))
        (left,) = texts_of(server, ["one"])
        print("duplicates in one scope:", len(left) - len(expected_texts(said)))
    table = Table("milliseconds", ("", "p50", "p95", "p99", "count"))
    for name, values in (
        ("one add after the other, our part", single.own),
        ("search, nobody adds", quiet.searches),
        ("search, 64 adds to one user", one.searches),
        ("search, 64 adds to 64 users", many.searches),
        ("add, 64 at once to one user", one.adds),
        ("add, 64 at once to 64 users", many.adds),
    ):
        middle = statistics.median(values)
        table.add(name, middle, percentile(values, 0.95), percentile(values, 0.99), str(len(values)))
    print(table)
