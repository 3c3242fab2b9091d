"""The issue's story through the whole service: a provider at the wire, a real server, the Python client."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mnemon import ChangeEvent, Client, DeadlineExceededError, MemoryState, UnavailableError
from support.provider_servers.llm_openai import PlannedFact, PlannedModel, planned_openai_server
from support.provider_servers.llm_script import KEY
from support.provider_servers.server import Fault
from support.server import MnemonServer, running_server

PLANNED = (
    PlannedFact("I live in Berlin", "Ana lives in Berlin", entities=(("Ana", "PERSON"), ("Berlin", "PLACE"))),
    PlannedFact("I'm a vegetarian", "Ana is a vegetarian", entities=(("Ana", "PERSON"),)),
    PlannedFact(
        "I moved to Lisbon last month",
        "Ana has lived in Lisbon since January 2024",
        target="Ana lives in Berlin",
        event_time="2024-01",
        entities=(("Ana", "PERSON"), ("Lisbon", "PLACE")),
    ),
    PlannedFact(
        "I eat fish again", "Ana eats fish again", target="vegetarian", entities=(("Ana", "PERSON"),)
    ),
)
FIRST = "Hi, I'm Ana. I live in Berlin and I'm a vegetarian. What's the weather?"
SECOND = "I moved to Lisbon last month, and I eat fish again."
OWN_MILLISECONDS = 30.0
"""What an add may cost besides the provider (the issue's bound, at p50)."""


@contextmanager
def server_with_model(data_dir: Path, model: PlannedModel, **settings: object) -> Iterator[MnemonServer]:
    """A server whose extraction model, with these settings of the model, is a double at the wire."""
    with (
        planned_openai_server(model) as provider,
        running_server(
            data_dir,
            MNEMON_EXTRACTION_MODEL="openai/gpt-5-mini",
            MNEMON_OPENAI_BASE_URL=provider.url + "/v1",
            MNEMON_OPENAI_API_KEY=KEY,
            MNEMON_LANGUAGE_MODELS=json.dumps({"openai/gpt-5-mini": settings}),
        ) as server,
    ):
        yield server


def said(text: str, time: datetime) -> list[dict[str, object]]:
    """One message of Ana's."""
    return [{"role": "user", "name": "Ana", "content": text, "observed_time": time}]


def test_the_world_changes_and_the_old_one_can_be_read(tmp_path: Path) -> None:
    with (
        server_with_model(tmp_path / "data", PlannedModel(facts=PLANNED), stream=True) as server,
        Client(server.address, server.key) as client,
    ):
        first = client.add(said(FIRST, datetime(2023, 5, 8, tzinfo=UTC)), user_id="ana")
        assert [change.event for change in first.changes] == [ChangeEvent.ADD, ChangeEvent.ADD]
        second = client.add(said(SECOND, datetime(2024, 2, 10, tzinfo=UTC)), user_id="ana")
        assert [change.event for change in second.changes] == [ChangeEvent.SUPERSEDE, ChangeEvent.SUPERSEDE]

        now = {memory.text: memory for memory in client.list(user_id="ana")}
        assert set(now) == {"Ana has lived in Lisbon since January 2024", "Ana eats fish again"}
        for memory in now.values():
            (source,) = memory.sources
            assert source.quote and source.quote in SECOND
            assert source.message_id in second.message_ids

        everything = {memory.text: memory for memory in client.list(user_id="ana", show_superseded=True)}
        berlin = everything["Ana lives in Berlin"]
        assert berlin.state is MemoryState.SUPERSEDED
        assert berlin.superseded_by == now["Ana has lived in Lisbon since January 2024"].id
        assert berlin.event_time is not None
        assert berlin.event_time.end_time == datetime(2024, 1, 1, tzinfo=UTC)

        then = {memory.text for memory in client.list(user_id="ana", as_of=first.sequence)}
        assert then == {"Ana lives in Berlin", "Ana is a vegetarian"}
        found = client.search("Where does Ana live?", user_id="ana", as_of=first.sequence)
        assert found.hits[0].memory is not None
        assert found.hits[0].memory.text == "Ana lives in Berlin"


def test_a_known_fact_is_not_added_again_and_keeps_both_sources(tmp_path: Path) -> None:
    with (
        server_with_model(tmp_path / "data", PlannedModel(facts=PLANNED)) as server,
        Client(server.address, server.key) as client,
    ):
        client.add(said(FIRST, datetime(2023, 5, 8, tzinfo=UTC)), user_id="ana")
        again = client.add(
            said("As I said, I live in Berlin", datetime(2023, 5, 9, tzinfo=UTC)), user_id="ana"
        )
        assert [change.event for change in again.changes] == [ChangeEvent.NONE]
        (memory,) = [memory for memory in client.list(user_id="ana") if "Berlin" in memory.text]
        assert len(memory.sources) == 2


def test_a_dry_run_plans_everything_and_stores_nothing(tmp_path: Path) -> None:
    with (
        server_with_model(tmp_path / "data", PlannedModel(facts=PLANNED)) as server,
        Client(server.address, server.key) as client,
    ):
        plan = client.add(said(FIRST, datetime(2023, 5, 8, tzinfo=UTC)), user_id="ana", dry_run=True)
        assert [change.memory.text for change in plan.changes] == [
            "Ana lives in Berlin",
            "Ana is a vegetarian",
        ]
        assert not list(client.list(user_id="ana"))


def test_a_provider_that_fails_stores_nothing_and_is_named(tmp_path: Path) -> None:
    environment = {
        "MNEMON_EXTRACTION_MODEL": "openai/gpt-5-mini",
        "MNEMON_OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "MNEMON_OPENAI_API_KEY": KEY,
        "MNEMON_PROVIDER_ATTEMPTS": "1",
    }
    with (
        running_server(tmp_path / "data", **environment) as server,
        Client(server.address, server.key) as client,
    ):
        with pytest.raises(UnavailableError) as raised:
            client.add(said(FIRST, datetime(2023, 5, 8, tzinfo=UTC)), user_id="ana", timeout=5)
        assert raised.value.metadata["provider"] == "openai"
        assert KEY not in str(raised.value) + server.errors
        assert not list(client.list(user_id="ana"))


def test_a_caller_who_leaves_ends_the_provider_s_work(tmp_path: Path) -> None:
    with (
        planned_openai_server(PlannedModel()) as provider,
        running_server(
            tmp_path / "data",
            MNEMON_EXTRACTION_MODEL="openai/gpt-5-mini",
            MNEMON_OPENAI_BASE_URL=provider.url + "/v1",
            MNEMON_OPENAI_API_KEY=KEY,
        ) as server,
        Client(server.address, server.key) as client,
    ):
        provider.always(Fault(hang=True))
        with pytest.raises(DeadlineExceededError):
            client.add(said(FIRST, datetime(2023, 5, 8, tzinfo=UTC)), user_id="ana", timeout=2)
        assert provider.arrived.is_set()
        assert provider.left.wait(10), "the request to the provider is given up with the caller's"
        assert not list(client.list(user_id="ana"))


def test_concurrent_adds_store_one_fact_once(tmp_path: Path) -> None:
    with (
        server_with_model(tmp_path / "data", PlannedModel(facts=PLANNED)) as server,
        Client(server.address, server.key) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        time = datetime(2023, 5, 8, tzinfo=UTC)

        def add(number: int) -> None:
            client.add(said(FIRST, time), user_id="ana" if number % 2 else f"user-{number}", timeout=60)

        list(threads.map(add, range(64)))
        texts = [memory.text for memory in client.list(user_id="ana")]
        assert sorted(texts) == ["Ana is a vegetarian", "Ana lives in Berlin"]


@pytest.mark.alone
def test_an_add_costs_little_besides_its_provider(tmp_path: Path) -> None:
    with (
        server_with_model(tmp_path / "data", PlannedModel(facts=PLANNED)) as server,
        Client(server.address, server.key) as client,
    ):
        own = []
        for number in range(40):
            added = client.add(said(FIRST, datetime(2023, 5, 8, tzinfo=UTC)), user_id=f"user-{number}")
            providers = added.usage.providers
            provider = sum(each.milliseconds for each in providers if each.provider == "openai")
            own.append(added.usage.milliseconds - provider)
        assert statistics.median(own) < OWN_MILLISECONDS
