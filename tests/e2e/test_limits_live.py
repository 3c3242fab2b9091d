"""Quotas hold on a real server, in every way to store memories."""

from __future__ import annotations

import uuid
from typing import Any

import grpc
import pytest

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.project_pb2 import KEY_ROLE_ADMIN, Limits, ProjectSettings
from support.every_rpc import Outcome, call, request_of
from support.key_sender import bearer
from support.server import MnemonServer


class Tenant:
    """A project of its own on the shared server."""

    def __init__(self, server: MnemonServer, channel: grpc.Channel) -> None:
        self._channel = channel
        self._stub = AdminServiceStub(channel)
        project, root = f"quota-{uuid.uuid4().hex[:12]}", bearer(server.root_key)
        self._stub.CreateProject(admin.CreateProjectRequest(project_id=project), metadata=root)
        wanted = admin.CreateApiKeyRequest(project_id=project, role=KEY_ROLE_ADMIN)
        self._mine = bearer(self._stub.CreateApiKey(wanted, metadata=root).secret)

    def limit(self, **limits: int) -> None:
        """Sets the project's limits."""
        changed = ProjectSettings(limits=Limits(**limits))
        self._stub.UpdateSettings(admin.UpdateSettingsRequest(settings=changed), metadata=self._mine)

    def call(self, method: str, *requests: dict[str, Any]) -> Outcome:
        """What an RPC answers."""
        return call(self._channel, method, [request_of(method, each) for each in requests], self._mine)

    def add(self, *texts: str) -> Outcome:
        """Stores texts as they are."""
        fields = {"scope": {"userId": "ana"}, "texts": list(texts), "infer": False}
        return self.call("MemoryService/AddMemories", fields)

    def import_rows(self, *texts: str) -> Outcome:
        """Imports texts."""
        rows = [{"row": place, "text": text} for place, text in enumerate(texts, 1)]
        options = {"scope": {"userId": "ana"}, "requestId": uuid.uuid4().hex}
        return self.call("MemoryService/ImportMemories", {"options": options}, {"rows": {"rows": rows}})


@pytest.fixture
def tenant(server: MnemonServer, channel: grpc.Channel) -> Tenant:
    return Tenant(server, channel)


def limit_of(outcome: Outcome) -> tuple[str, str]:
    """Why and by which limit a call was refused."""
    assert outcome.code == "RESOURCE_EXHAUSTED", outcome
    return outcome.reason, outcome.metadata["limit"]


def test_a_full_project_stores_no_more(tenant: Tenant) -> None:
    tenant.limit(memories_stored=3)
    full = ("QUOTA_EXCEEDED", "project.memories_stored")
    assert tenant.add("Ana sings", "Ana paints").code == "OK"
    assert limit_of(tenant.add("Ana swims", "Ana rows")) == full, "two do not fit any more"
    assert limit_of(tenant.import_rows("Ana swims", "Ana rows")) == full
    assert tenant.add("Ana swims").code == "OK"
    assert limit_of(tenant.import_rows("Ana rows")) == full
    listed = tenant.call("MemoryService/ListMemories", {"scope": {"userId": "ana"}})
    assert len(listed.responses[0].memories) == 3  # type: ignore[attr-defined]
    tenant.limit(memories_stored=4)
    assert tenant.add("Ana rows").code == "OK", "in force at once"


def test_adds_of_a_day_are_counted_however_they_come(tenant: Tenant) -> None:
    tenant.limit(adds_per_day=3)
    said = {"add": {"scope": {"userId": "ana"}, "messages": [{"content": "I sing."}]}}
    assert tenant.add("Ana sings").code == "OK"
    assert tenant.call("MemoryService/EnqueueMemories", said).code == "OK"
    assert tenant.import_rows("Ana paints").code == "OK"
    assert limit_of(tenant.add("Ana swims")) == ("QUOTA_EXCEEDED", "project.adds_per_day")
    assert tenant.call("MemoryService/ListMemories", {"scope": {"userId": "ana"}}).code == "OK"
