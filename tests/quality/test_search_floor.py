"""Searching does not get worse than it is on our own small conversation, through the real server.

`tests/bench/quality` measures on public data that may not be shipped; this guards what every change must
keep.
The story has statements that later ones take back (a home, a diet, an instrument, a distance), so the right
message has a near double that is no longer true.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from mnemon import Client, SearchHit
from support.server import REPOSITORY, MnemonServer

STORY = json.loads((REPOSITORY / "clients/examples/demo/conversation.json").read_text(encoding="utf-8"))
BEST = 3
LEAST_WITH_EVIDENCE = {"turns": 10, "facts": 10}
"""Of the thirteen questions, those whose first three hits hold a message that answers them."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a default server."""
    with (
        MnemonServer(tmp_path_factory.mktemp("server")) as server,
        Client(server.address, api_key=server.key) as client,
    ):
        yield client


def tell(client: Client, user_id: str, *, infer: bool) -> dict[str, str]:
    """Adds the story; the name in the story (session/place) of each logged message."""
    names: dict[str, str] = {}
    for session in STORY["sessions"]:
        begun = datetime.fromisoformat(session["time"])
        messages = [
            {
                "role": "user",
                "name": name,
                "content": content,
                "observed_time": begun + timedelta(minutes=place),
            }
            for place, (name, content) in enumerate(session["messages"])
        ]
        added = client.add(messages, user_id=user_id, run_id=session["run_id"], infer=infer)
        places = range(1, len(messages) + 1)
        names |= {
            message_id: f"{session['run_id']}/{place}"
            for message_id, place in zip(added.message_ids, places, strict=True)
        }
    return names


def said_in(hit: SearchHit, names: dict[str, str]) -> set[str]:
    """The messages of the story that a hit rests on."""
    assert hit.memory is not None
    return {names[source.message_id] for source in hit.memory.sources}


def test_every_question_of_the_story_has_its_evidence() -> None:
    said = {
        f"{session['run_id']}/{place}"
        for session in STORY["sessions"]
        for place in range(1, len(session["messages"]) + 1)
    }
    assert set(STORY["evidence"]) == set(STORY["questions"])
    assert all(evidence and set(evidence) <= said for evidence in STORY["evidence"].values())


@pytest.mark.parametrize("stored", ["turns", "facts"])
def test_the_evidence_is_among_the_first_three_hits(client: Client, stored: str) -> None:
    names = tell(client, stored, infer=stored == "facts")
    missed = []
    for question, evidence in STORY["evidence"].items():
        found = client.search(question, user_id=stored, top_k=BEST)
        if not any(said_in(hit, names) & set(evidence) for hit in found.hits):
            missed.append((question, [hit.memory.text for hit in found.hits if hit.memory]))
    assert len(STORY["evidence"]) - len(missed) >= LEAST_WITH_EVIDENCE[stored], missed
