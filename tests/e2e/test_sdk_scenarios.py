"""The shared scenarios pass through the Python SDK against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from mnemon import Client, UnimplementedError
from support.scenarios import FOLDER, Mismatch, Player, match, matches, scenarios
from support.server import MnemonServer

SCENARIOS = dict(scenarios())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    with MnemonServer(tmp_path_factory.mktemp("scenarios")) as running:
        yield running


@pytest.fixture(scope="module")
def player(server: MnemonServer) -> Iterator[Player]:
    keys = server.data_dir / "keys"
    read = {name: (keys / f"{name}.key") for name in ("default", "root")}
    found = {name: file.read_text().strip() if file.exists() else "" for name, file in read.items()}
    made = Player(server.address, found["default"], found["root"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def features(server: MnemonServer, player: Player) -> set[str]:
    """What this server has of what scenarios may need."""
    has = {"semantic"} if "embedding   local/" in server.output else set()
    if player.api_key:
        has.add("auth")
    with Client(server.address, player.api_key) as client:
        try:
            if client.admin.server.info().extraction_model.provider not in ("", "deterministic"):
                has.add("provider")
        except UnimplementedError:
            pass
    return has


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenario_is_written_as_its_format_says(name: str) -> None:
    import json

    jsonschema.validate(SCENARIOS[name], json.loads((FOLDER / "schema.json").read_text("utf-8")))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenario_passes(name: str, player: Player, features: set[str]) -> None:
    missing = set(SCENARIOS[name].get("needs", [])) - features
    if missing:
        pytest.skip(f"this server has no {', '.join(sorted(missing))}")
    player.play(SCENARIOS[name])


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": {"$present": True}}),
        ({"a": [1, 2]}, {"a": [1]}),
        ({"a": "x"}, {"a": {"$absent": True}}),
        ([1, 2], {"$set": [1, 1]}),
        ([1, 2], {"$has": [3]}),
        ([1, 2], {"$lacks": [2]}),
        ("abc", {"$matches": "^b"}),
        (2, {"$between": [0, 1]}),
        ("x", {"$not": "x"}),
        (True, 1),
        ("12a", 12),
    ],
)
def test_the_player_sees_what_does_not_match(value: Any, pattern: Any) -> None:
    with pytest.raises(Mismatch):
        match(value, pattern, "here")


def test_the_player_takes_numbers_as_text_and_text_as_numbers() -> None:
    assert matches({"sequence": "7"}, {"sequence": 7})
    assert matches([{"id": "b"}, {"id": "a"}], {"$set": [{"id": "a"}, {"id": "b"}]})
