"""Webhooks, entities, accounts, care and the content policy, through the server and the Python client."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

import pytest

from mnemon import (
    Client,
    InvalidArgumentError,
    MnemonError,
    NotFoundError,
    PermissionDeniedError,
)
from support.server import MnemonServer, running_server
from support.webhook_receiver import WebhookReceiver, webhook_receiver

Answer = TypeVar("Answer")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    """A server that calls webhooks on this machine."""
    with running_server(
        tmp_path_factory.mktemp("administration"),
        MNEMON_WEBHOOK_ALLOW_HTTP="true",
        MNEMON_WEBHOOK_ALLOW_PRIVATE_ADDRESSES="true",
        MNEMON_WEBHOOK_ATTEMPTS="2",
        MNEMON_WEBHOOK_FIRST_RETRY_SECONDS="0.05",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def root(server: MnemonServer) -> Iterator[Client]:
    with Client(server.address, api_key=server.root_key) as client:
        yield client


@pytest.fixture
def client(server: MnemonServer, root: Client) -> Iterator[Client]:
    """A client of a project of this test alone."""
    project_id = f"p-{uuid.uuid4()}"
    root.admin.projects.create(project_id)
    key = root.admin.keys.create("ADMIN", project_id=project_id)
    with Client(server.address, api_key=key.secret) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running


def until(look: Callable[[], Answer], fits: Callable[[Answer], bool], seconds: float = 20) -> Answer:
    """What `look` answers once it fits: figures are written every second or two."""
    end = monotonic() + seconds
    while not fits(answer := look()):
        assert monotonic() < end, answer
        sleep(0.1)
    return answer


def remember(client: Client, text: str, user_id: str = "ana") -> str:
    """The id of a new memory."""
    return client.add(text, user_id=user_id, infer=False).changes[0].memory.id


def test_a_change_arrives_signed_with_the_secret_shown_once(
    client: Client, receiver: WebhookReceiver
) -> None:
    made = client.admin.webhooks.create(receiver.url, display_name="hook")
    memory_id = remember(client, "I keep bees.")
    [arrived] = receiver.wait(1)
    assert arrived.event["type"] == "memory.added"
    assert arrived.event["data"]["memoryId"] == memory_id
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    signed = f"{arrived.id}.{arrived.headers['webhook-timestamp']}.".encode() + arrived.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert arrived.headers["webhook-signature"] == f"v1,{expected}"
    [delivery] = until(
        lambda: list(client.admin.webhooks.list_deliveries(made.webhook.id, state="SUCCEEDED")),
        lambda found: len(found) == 1,
    )
    assert (delivery.id, delivery.sequence, delivery.response_code) == (arrived.id, 1, 204)
    assert client.admin.webhooks.get(made.webhook.id).delivered_sequence == 1


def test_a_webhook_is_tested_changed_and_deleted(client: Client, receiver: WebhookReceiver) -> None:
    webhook = client.admin.webhooks.create(receiver.url).webhook
    tested = client.admin.webhooks.test(webhook.id)
    assert (tested.state, tested.response_code) == ("SUCCEEDED", 204)
    assert receiver.wait(1)[0].event["type"] == "webhook.test"
    receiver.answer(500)
    assert client.admin.webhooks.test(webhook.id).error == "the receiver answered 500"
    paused = client.admin.webhooks.update(webhook.id, state="PAUSED", events=["DELETED"], etag=webhook.etag)
    assert (paused.state, list(paused.events)) == ("PAUSED", ["DELETED"])
    memory_id = remember(client, "I keep bees.")
    client.delete(memory_id)
    assert client.admin.webhooks.update(webhook.id, state="ACTIVE").state == "ACTIVE"
    arrived = receiver.wait(3)[2]
    assert (arrived.event["type"], arrived.event["data"]["sequence"]) == ("memory.deleted", "2")
    client.admin.webhooks.delete(webhook.id)
    with pytest.raises(NotFoundError):
        client.admin.webhooks.get(webhook.id)
    assert list(client.admin.webhooks.list()) == []
    actions = [entry.action for entry in client.admin.audit.list()]
    assert {"CreateWebhook", "UpdateWebhook", "DeleteWebhook"} <= set(actions)


def test_what_a_receiver_refuses_ends_among_the_dead_letters(
    client: Client, receiver: WebhookReceiver
) -> None:
    receiver.always(503)
    webhook = client.admin.webhooks.create(receiver.url).webhook
    remember(client, "I keep bees.")
    [dead] = until(
        lambda: list(client.admin.webhooks.list_deliveries(webhook.id, state="FAILED")),
        lambda found: len(found) == 1,
    )
    assert (dead.attempts, dead.response_code, dead.retry_time) == (2, 503, None)
    with pytest.raises(InvalidArgumentError):
        client.admin.webhooks.create("ftp://example.com")


def test_private_addresses_are_refused_unless_allowed(tmp_path: Path) -> None:
    with running_server(tmp_path / "strict") as strict, Client(strict.address, api_key=strict.key) as client:
        for url in ("http://example.com/", "https://127.0.0.1/", "https://[::ffff:169.254.169.254]/"):
            with pytest.raises(InvalidArgumentError):
                client.admin.webhooks.create(url)
        webhook = client.admin.webhooks.create("https://localhost/hook").webhook
        assert "private network" in client.admin.webhooks.test(webhook.id).error


def test_entities_are_listed_read_and_deleted(client: Client) -> None:
    for number in range(3):
        remember(client, f"Fact {number} of ana.")
    remember(client, "Fact of bo.", "bo")
    listed = [(one.kind, one.id, one.memory_count) for one in client.admin.entities.list()]
    assert listed == [("USER", "bo", 1), ("USER", "ana", 3)]
    by_count = client.admin.entities.list(order="MEMORY_COUNT_DESC", page_size=1)
    assert [one.id for one in by_count] == ["ana", "bo"]
    assert [one.id for one in client.admin.entities.list(kind="USER", id_prefix="b")] == ["bo"]
    ana = client.admin.entities.get("USER", "ana", memory_limit=2)
    assert ana.entity.memory_count == 3
    assert [memory.text for memory in ana.memories] == ["Fact 2 of ana.", "Fact 1 of ana."]
    client.add("Rex the dog lives in Porto with Marta.", user_id="cy")
    named = {one.id for one in client.admin.entities.list(kind="NAMED", user_id="cy")}
    assert named
    name = sorted(named)[0]
    assert client.admin.entities.get("NAMED", name, memory_limit=5).memories

    operation = client.admin.operations.wait(client.admin.entities.delete("USER", "ana").id)
    assert operation.state == "SUCCEEDED"
    assert operation.delete_memories is not None
    assert operation.delete_memories.deleted_count == 3
    assert list(client.list(user_id="ana")) == []
    assert len(list(client.list(user_id="bo"))) == 1
    with pytest.raises(NotFoundError):
        client.admin.entities.get("USER", "ana")


def test_usage_counts_calls_searches_memories_and_models(client: Client) -> None:
    remember(client, "I keep bees.")
    remember(client, "Bo keeps goats.", "bo")
    client.search("bees", user_id="ana")
    with pytest.raises(NotFoundError):
        client.get(str(uuid.uuid4()))
    usage = until(client.admin.usage.get, lambda found: sum(row.failed_calls for row in found.rows) == 1)
    assert usage.memory_count == 2
    by_scope = client.admin.usage.get(by_scope=True)
    added = {row.owner: (row.memories_added, row.searches) for row in by_scope.rows if row.owner}
    assert added["user_id:ana"] == (1, 1)
    assert added["user_id:bo"] == (1, 0)
    both = client.admin.usage.get(by_scope=True, by_model=True)
    calls = {row.owner: row.calls for row in both.rows if not row.model}
    assert (calls["user_id:ana"], calls["user_id:bo"]) == (2, 1)
    assert calls[""] >= 2, "what names an id alone counts for nobody"
    models = {row.model: row.calls for row in client.admin.usage.get(by_model=True).rows}
    [local] = [model for model in models if model.startswith("local/")]
    assert models[local] >= 2
    assert models[""] >= 4


def test_the_request_log_shows_calls_without_content(client: Client) -> None:
    remember(client, "I keep bees.")
    with pytest.raises(NotFoundError):
        client.get(str(uuid.uuid4()))
    calls = until(lambda: list(client.admin.requests.list()), lambda found: len(found) >= 2)
    assert {call.method for call in calls} >= {"MemoryService/AddMemories", "MemoryService/GetMemory"}
    [missing] = list(client.admin.requests.list(code="NOT_FOUND", method="MemoryService/GetMemory"))
    assert missing.reason == "MEMORY_NOT_FOUND"
    assert missing.milliseconds > 0
    assert missing.key_id
    assert "bees" not in repr(calls)


def test_care_says_what_runs_and_compares_the_index(client: Client, root: Client) -> None:
    remember(client, "I keep bees.")
    info = client.admin.server.info()
    assert (info.database, info.index.partition(" ")[0]) == ("sqlite", "milvus-lite")
    assert (info.embedding_model.provider, info.embedding_model.available) == ("local", True)
    assert info.extraction_model.provider == "deterministic"
    assert not info.reranker.available
    assert info.index_lag == 0
    verified = client.admin.index.verify(repair=True)
    assert (verified.checked_count, verified.difference_count, verified.repaired) == (1, 0, True)
    assert root.admin.index.verify().checked_count >= 1
    with pytest.raises(PermissionDeniedError):
        client.admin.index.rebuild()
    operation = root.admin.operations.wait(root.admin.index.rebuild().id, timeout=60)
    assert operation.state == "SUCCEEDED"
    assert operation.rebuild_index is not None
    assert operation.rebuild_index.indexed_count >= 1
    assert client.search("bees", user_id="ana").hits
    assert client.admin.index.verify().difference_count == 0


def test_the_content_policy_redacts_or_refuses(client: Client, server: MnemonServer) -> None:
    said = "Write me at ana.secret@example.com or call +34 612 345 678."
    client.admin.settings.update(content_policy="REDACT")
    stored = client.add(said, user_id="ana", infer=False).changes[0].memory
    assert stored.text == "Write me at [redacted email address] or call [redacted phone number]."
    changed = client.update(stored.id, text="Now ana.secret@example.org")
    assert changed.text == "Now [redacted email address]"
    client.admin.settings.update(content_policy="REFUSE")
    with pytest.raises(MnemonError) as refused:
        client.add(said, user_id="ana")
    assert refused.value.reason == "CONTENT_REFUSED"
    assert "ana.secret" not in str(refused.value)
    assert len(list(client.list(user_id="ana"))) == 1
    client.admin.settings.update(content_policy="OFF")
    assert client.add(said, user_id="ana", infer=False).changes[0].memory.text == said
    assert '"email address": 1' in server.errors
    assert "ana.secret" not in server.errors
