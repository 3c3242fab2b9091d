"""After an erasure no byte of what was said is left, wherever it had gone; what others said stays."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnemon import Client, NotFoundError, Operation
from support.server import MnemonServer, running_server

DEAD_ADDRESS = "http://127.0.0.1:9/hook"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MnemonServer]:
    """A server of this test alone: its files are searched. Webhooks may go to a port where nobody is."""
    with running_server(
        tmp_path / "data",
        MNEMON_WEBHOOK_ALLOW_HTTP="true",
        MNEMON_WEBHOOK_ALLOW_PRIVATE_ADDRESSES="true",
    ) as running:
        yield running


@pytest.fixture
def client(server: MnemonServer) -> Iterator[Client]:
    """A client with the default project's ADMIN key."""
    with Client(server.address, api_key=server.key) as client:
        yield client


def places_of(secret: str, server: MnemonServer) -> list[str]:
    """Where the secret can be read: files of the data directory, and what the server logged."""
    needles = {secret.encode(), secret.encode("utf-16-le")}
    found = [
        str(path.relative_to(server.data_dir))
        for path in sorted(server.data_dir.rglob("*"))
        if path.is_file() and "models" not in path.parts and holds(path.read_bytes(), needles)
    ]
    logs = {"standard output": server.output, "log": server.errors}
    return found + [name for name, text in logs.items() if holds(text.encode(), needles)]


def holds(data: bytes, needles: set[bytes]) -> bool:
    lowered = data.lower()
    return any(needle in lowered for needle in needles)


def plant(client: Client, user: str, secret: str) -> None:
    """Tells the server the secret in every way there is."""
    client.admin.webhooks.create(DEAD_ADDRESS, from_beginning=True)
    client.add(f"My locker code is {secret}.", user_id=user, run_id="r1")
    client.add([{"role": "user", "name": secret, "content": "I keep bees."}], user_id=user)
    client.add(f"Text {secret}", user_id=user, infer=False, metadata={"note": {"deep": [secret]}})
    answered = client.add(f"Asked once {secret}", user_id=user, infer=False, request_id=f"once-{user}")
    again = client.add(f"Asked once {secret}", user_id=user, infer=False, request_id=f"once-{user}")
    assert again.changes == answered.changes
    changed = client.add(f"Before {secret}", user_id=user, infer=False).changes[0].memory.id
    client.update(changed, text=f"After {secret}", reason=f"because {secret}")
    client.update(changed, text="harmless")
    deleted = client.add(f"Deleted {secret}", user_id=user, infer=False).changes[0].memory.id
    client.delete(deleted, reason=f"gone {secret}")
    client.feedback(changed, "NEGATIVE", reason=f"wrong {secret}")
    client.import_memories(
        [
            {
                "text": f"Imported {secret}",
                "scope": {"user_id": user},
                "categories": [secret],
                "entities": [{"name": secret, "type": "PERSON"}],
            }
        ]
    )
    operation = client.enqueue(
        f"Later {secret}", user_id=user, custom_instructions=f"Remember {secret} always."
    )
    assert ended(client, operation).state == "SUCCEEDED"
    assert client.search(secret, user_id=user).hits


def ended(client: Client, operation: Operation) -> Operation:
    """The operation when it is over."""
    return client.admin.operations.wait(operation.id, timeout=60)


def test_no_byte_of_an_erased_subject_is_left(server: MnemonServer, client: Client) -> None:
    ana, bo = f"ana-{uuid.uuid4()}", f"bo-{uuid.uuid4()}"
    secret, shared = f"zq{uuid.uuid4().hex}", "The lighthouse keeper feeds seven gulls."
    plant(client, ana, secret)
    for user in (ana, bo):
        client.add(shared, user_id=user, infer=False)
    assert {place.partition("/")[0] for place in places_of(secret, server)} >= {"index"}
    assert any("mnemon.db" in place for place in places_of(secret, server))

    operation = ended(client, client.admin.subjects.erase(user_id=ana))

    assert operation.state == "SUCCEEDED", operation
    receipt = operation.erasure_receipt
    assert receipt is not None
    assert receipt.memory_count >= 7
    assert receipt.version_count > receipt.memory_count
    assert receipt.message_count >= 3
    assert receipt.entity_count >= 1
    assert len(receipt.signature) == 64
    assert places_of(secret, server) == []
    assert list(client.list(user_id=ana)) == []
    assert not client.search("locker code bees", user_id=ana).hits
    with pytest.raises(NotFoundError):
        client.admin.entities.get("USER", ana)
    found = client.search("Who feeds the gulls?", user_id=bo).hits
    assert [hit.memory.text for hit in found if hit.memory] == [shared]
    assert server.stop() == 0
    assert places_of(secret, server) == []
    assert shared.encode() in b"".join(
        path.read_bytes() for path in server.data_dir.glob("mnemon.db*") if path.is_file()
    )


def test_no_byte_of_a_deleted_project_is_left(server: MnemonServer) -> None:
    secret = f"zq{uuid.uuid4().hex}"
    with Client(server.address, api_key=server.root_key) as root:
        root.admin.projects.create("doomed")
        key = root.admin.keys.create("ADMIN", project_id="doomed")
        with Client(server.address, api_key=key.secret) as client:
            plant(client, "ana", secret)
        assert any("mnemon.db" in place for place in places_of(secret, server))
        operation = ended(root, root.admin.projects.delete("doomed", confirm_project_id="doomed"))
        assert operation.state == "SUCCEEDED", operation
        assert operation.delete_memories is not None
        assert operation.delete_memories.deleted_count >= 7
        assert places_of(secret, server) == []
        assert "doomed" not in [project.id for project in root.admin.projects.list()]
        # Another project of that id begins anew.
        root.admin.projects.create("doomed")
        again = root.admin.keys.create("ADMIN", project_id="doomed")
        with Client(server.address, api_key=again.secret) as client:
            assert client.add("The tide is high.", user_id="ana", infer=False).sequence == 1
            assert len(client.search("tide", user_id="ana").hits) == 1
            assert client.admin.server.info().index_lag == 0
            assert client.admin.index.verify().difference_count == 0
