"""No key of one project learns of, or changes, anything of another; nor one bound to another scope.

Every RPC of the contract is walked; one that is new and not in the table fails the test.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message as AnyMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1 import filter_pb2
from mnemon.v1 import memory_service_pb2 as memory
from mnemon.v1 import search_service_pb2 as search
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.message_pb2 import Message
from mnemon.v1.project_pb2 import (
    KEY_ROLE_ADMIN,
    KEY_ROLE_READER,
    KEY_ROLE_ROOT,
    KEY_ROLE_WRITER,
    PROJECT_STATE_DISABLED,
    Project,
    ProjectSettings,
)
from mnemon.v1.scope_pb2 import Scope
from mnemon.v1.webhook_pb2 import Webhook
from mnemon_service.model.caller import KeyRole
from mnemon_service.server.permissions import REQUIRED_ROLE
from support.every_rpc import METHODS, Outcome, call, request_of
from support.isolation_cases import BY_ID, CASES
from support.key_sender import bearer
from support.server import MnemonServer, running_server

STREAM_SECONDS = 1.0
ENDLESS = {"MemoryService/WatchMemories"}


class World:
    """A victim with something of everything, and those who reach for it."""

    def __init__(self, server: MnemonServer) -> None:
        self.channel = server.channel(key="")
        self.root = server.root_key
        self.marker = f"treasure{secrets.token_hex(8)}"
        """In every content of the victim; no request of an attacker holds it."""
        self.admin = AdminServiceStub(self.channel)
        self.memories = MemoryServiceStub(self.channel)
        for project in ("victim", "stranger"):
            request = admin.CreateProjectRequest(project_id=project, display_name=self.marker)
            self.admin.CreateProject(request, metadata=bearer(self.root))
        self.victim = self.new_key("victim", role=KEY_ROLE_ADMIN, display_name=self.marker)
        self.stranger = self.new_key("stranger", role=KEY_ROLE_ADMIN)
        self.guest = self.new_key("victim", role=KEY_ROLE_WRITER, bound_scope=Scope(user_id="guest"))
        self.things = self._plant()

    def new_key(self, project_id: str, **fields: Any) -> str:
        """A key's secret."""
        request = admin.CreateApiKeyRequest(project_id=project_id, **fields)
        return self.admin.CreateApiKey(request, metadata=bearer(self.root)).secret

    def _plant(self) -> dict[str, str]:
        mine = bearer(self.victim)
        scope = Scope(user_id="captain")
        text = f"The {self.marker} is hidden under the old oak"
        added = self.memories.AddMemories(
            memory.AddMemoriesRequest(scope=scope, texts=[text], infer=False), metadata=mine
        )
        said = memory.AddMemoriesRequest(
            scope=scope, messages=[Message(content=f"I moved the {self.marker}.")]
        )
        operation = self.memories.EnqueueMemories(
            memory.EnqueueMemoriesRequest(add=said), metadata=mine
        ).operation
        wait = admin.WaitOperationRequest(id=operation.id)
        self.admin.WaitOperation(wait, metadata=mine)
        changed = ProjectSettings(custom_instructions=self.marker)
        self.admin.UpdateSettings(admin.UpdateSettingsRequest(settings=changed), metadata=mine)
        return {
            "$memory": added.changes[0].memory.id,
            "$operation": operation.id,
            "$key": self.victim.split("_")[1],
            "$webhook": self._webhook(mine),
            "$project": "victim",
            "$user": "captain",
        }

    def _webhook(self, mine: Any) -> str:
        webhook = Webhook(url="https://receiver.example/hook", display_name=self.marker)
        try:
            created = self.admin.CreateWebhook(admin.CreateWebhookRequest(webhook=webhook), metadata=mine)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED
            return str(uuid.uuid4())
        return created.webhook.id

    def requests(self, method: str, things: dict[str, str] | None = None) -> list[AnyMessage]:
        """The requests of a case with these things named."""
        text = json.dumps(CASES[method])
        for name, value in (things or self.things).items():
            text = text.replace(name, value)
        return [request_of(method, fields) for fields in json.loads(text)]

    def reach(self, method: str, key: str, things: dict[str, str] | None = None) -> Outcome:
        """What an RPC answers to a key."""
        timeout = STREAM_SECONDS if method in ENDLESS else 20.0
        return call(self.channel, method, self.requests(method, things), bearer(key), timeout)

    def state(self) -> str:
        """All that the victim has."""
        mine = bearer(self.victim)
        everything = memory.ListMemoriesRequest(project_wide=True, show_deleted=True, show_superseded=True)
        listed = self.memories.ListMemories(everything, metadata=mine)
        kept = [each for each in listed.memories if each.scope.user_id == "captain"]
        project = self.admin.GetProject(admin.GetProjectRequest(), metadata=mine).project
        settings_ = self.admin.GetSettings(admin.GetSettingsRequest(), metadata=mine).settings
        keys = self.admin.ListApiKeys(admin.ListApiKeysRequest(show_ended=True), metadata=mine).api_keys
        for key in keys:
            key.ClearField("last_use_time")
        return str((sorted(map(str, kept)), project.display_name, project.state, settings_, keys))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    with running_server(tmp_path_factory.mktemp("isolation")) as running:
        yield running


@pytest.fixture(scope="module")
def world(server: MnemonServer) -> Iterator[World]:
    made = World(server)
    yield made
    made.channel.close()


def test_every_rpc_is_walked_and_has_a_role() -> None:
    assert set(CASES) == set(METHODS), "add the new RPC to tests/support/isolation_cases.py"
    assert set(REQUIRED_ROLE) == set(METHODS), "add the new RPC to server/permissions.py"


@pytest.mark.parametrize(
    "method",
    [
        "MemoryService/GetMemory",
        "MemoryService/BatchGetMemories",
        "MemoryService/ListMemories",
        "MemoryService/ListVersions",
        "MemoryService/ExportMemories",
        "MemoryService/WatchMemories",
        "SearchService/Search",
        "SearchService/StreamSearch",
        "SearchService/LiveSearch",
        "SearchService/BuildContext",
        "AdminService/GetProject",
        "AdminService/GetSettings",
        "AdminService/ListApiKeys",
        "AdminService/GetOperation",
    ],
)
def test_the_owner_does_see_it(world: World, method: str) -> None:
    """Else what follows would prove nothing."""
    assert world.marker in world.reach(method, world.victim).seen


@pytest.mark.parametrize("method", sorted(CASES))
def test_a_stranger_learns_and_changes_nothing(world: World, method: str) -> None:
    before = world.state()
    outcome = world.reach(method, world.stranger)
    assert world.marker not in outcome.seen
    unsaid = {name: value for name, value in world.things.items() if name not in json.dumps(CASES[method])}
    for name in ("$memory", "$operation", "$key"):
        assert unsaid.get(name, "nothing") not in outcome.seen
    assert outcome.code not in ("INTERNAL", "UNKNOWN", "UNAVAILABLE"), outcome
    if method in BY_ID:
        assert outcome.code in ("NOT_FOUND", "UNIMPLEMENTED"), outcome
    assert world.state() == before


@pytest.mark.parametrize("method", sorted(BY_ID))
def test_what_is_foreign_looks_like_what_never_was(world: World, method: str) -> None:
    unknown = {name: str(uuid.uuid4()) for name in world.things} | {"$key": "0" * 12}
    foreign, absent = (world.reach(method, world.stranger, things) for things in (world.things, unknown))
    foreign_text, absent_text = foreign.message, absent.message
    for name, value in world.things.items():
        foreign_text = foreign_text.replace(value, name)
    for name, value in unknown.items():
        absent_text = absent_text.replace(value, name)
    assert (foreign.code, foreign.reason, foreign_text) == (absent.code, absent.reason, absent_text)


OF_THE_PROJECT = {"AdminService/GetProject", "AdminService/GetSettings"}
"""A bound key belongs to the project too."""


@pytest.mark.parametrize("method", sorted(CASES.keys() - OF_THE_PROJECT))
def test_a_key_bound_to_another_scope_learns_and_changes_nothing(world: World, method: str) -> None:
    before = world.state()
    outcome = world.reach(method, world.guest)
    assert world.marker not in outcome.seen
    assert outcome.code not in ("INTERNAL", "UNKNOWN", "UNAVAILABLE"), outcome
    if method in BY_ID:
        assert outcome.code in ("NOT_FOUND", "PERMISSION_DENIED", "UNIMPLEMENTED"), outcome
    assert world.state() == before


BELOW = {KeyRole.WRITER: KEY_ROLE_READER, KeyRole.ADMIN: KEY_ROLE_WRITER, KeyRole.ROOT: KEY_ROLE_ADMIN}


@pytest.mark.parametrize("method", sorted(name for name, role in REQUIRED_ROLE.items() if role in BELOW))
def test_no_key_opens_more_than_its_role(world: World, method: str) -> None:
    needed = REQUIRED_ROLE[method]
    key = world.new_key("stranger", role=BELOW[needed])
    outcome = world.reach(method, key)
    assert (outcome.code, outcome.reason) == ("PERMISSION_DENIED", "ROLE_REQUIRED")
    assert outcome.metadata["required_role"] == needed.name


@pytest.fixture(scope="module")
def useless_keys(world: World) -> dict[str, str]:
    """Keys by the reason for which each is refused."""
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    expired = world.new_key("stranger", role=KEY_ROLE_ADMIN, expire_time=soon)
    revoked = world.new_key("stranger", role=KEY_ROLE_ADMIN)
    world.admin.RevokeApiKey(
        admin.RevokeApiKeyRequest(key_id=revoked.split("_")[1]), metadata=bearer(world.root)
    )
    world.admin.CreateProject(admin.CreateProjectRequest(project_id="off"), metadata=bearer(world.root))
    disabled = world.new_key("off", role=KEY_ROLE_ADMIN)
    off = Project(id="off", state=PROJECT_STATE_DISABLED)
    world.admin.UpdateProject(admin.UpdateProjectRequest(project=off), metadata=bearer(world.root))
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds() + 0.05))
    last = "a" if world.stranger[-1] != "a" else "b"
    return {
        "API_KEY_EXPIRED": expired,
        "API_KEY_REVOKED": revoked,
        "API_KEY_INVALID": world.stranger[:-1] + last,
        "PROJECT_DISABLED": disabled,
    }


@pytest.mark.parametrize("method", sorted(CASES))
def test_a_useless_key_opens_nothing(world: World, useless_keys: dict[str, str], method: str) -> None:
    for reason, key in useless_keys.items():
        outcome = world.reach(method, key)
        code = "PERMISSION_DENIED" if reason == "PROJECT_DISABLED" else "UNAUTHENTICATED"
        assert (outcome.code, outcome.reason) == (code, reason)
    missing = call(world.channel, method, world.requests(method))
    assert (missing.code, missing.reason) == ("UNAUTHENTICATED", "API_KEY_MISSING")


FIELDS = (
    "user_id",
    "agent_id",
    "app_id",
    "run_id",
    "categories",
    "type",
    "create_time",
    "metadata.a",
    "text",
)
VALUES = st.sampled_from(
    ["captain", "guest", "", "*", "%", "' OR 1=1 --", "SEMANTIC", "2026-01-01T00:00:00Z"]
)


def comparisons() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda field, operator, value: {"comparison": {"field": field, "operator": operator, "value": value}},
        st.sampled_from(FIELDS),
        st.integers(1, 12),
        VALUES.map(lambda text: {"string_value": text})
        | st.booleans().map(lambda value: {"bool_value": value})
        | st.lists(VALUES, max_size=3).map(
            lambda texts: {"list_value": {"values": [{"string_value": text} for text in texts]}}
        ),
    )


FILTERS = st.recursive(
    comparisons(),
    lambda inner: (
        st.builds(lambda one: {"not_filter": one}, inner)
        | st.builds(
            lambda group, filters: {group: {"filters": filters}},
            st.sampled_from(["and_group", "or_group"]),
            st.lists(inner, min_size=1, max_size=3),
        )
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=FILTERS)
def test_no_filter_widens_the_scope(world: World, fields: dict[str, Any]) -> None:
    filter_ = filter_pb2.Filter(**fields)
    asked = Scope(user_id="guest")
    listing = memory.ListMemoriesRequest(scope=asked, filter=filter_, show_superseded=True)
    finding = search.SearchRequest(scope=asked, filter=filter_, query="where is the treasure?")
    for key in (world.guest, world.stranger, world.victim):
        for outcome in (
            call(world.channel, "MemoryService/ListMemories", [listing], bearer(key)),
            call(world.channel, "SearchService/Search", [finding], bearer(key)),
        ):
            assert outcome.code in ("OK", "INVALID_ARGUMENT"), outcome
            assert world.marker not in outcome.seen


def test_nobody_makes_a_key_that_may_do_more(world: World) -> None:
    request = admin.CreateApiKeyRequest(role=KEY_ROLE_ROOT)
    outcome = call(world.channel, "AdminService/CreateApiKey", [request], bearer(world.stranger))
    assert (outcome.code, outcome.reason) == ("PERMISSION_DENIED", "ROLE_REQUIRED")
    bound = admin.CreateApiKeyRequest(role=KEY_ROLE_ADMIN, bound_scope=Scope(user_id="ana"))
    outcome = call(world.channel, "AdminService/CreateApiKey", [bound], bearer(world.stranger))
    assert outcome.code == "INVALID_ARGUMENT"


def test_logs_hold_no_key_and_no_content(world: World, server: MnemonServer) -> None:
    for secret in (world.root, world.victim, world.stranger, world.guest):
        assert secret.rpartition("_")[2] not in server.errors + server.output
    assert world.marker not in server.errors


def test_the_servers_own_probe_finds_every_rpc_isolated(world: World) -> None:
    outcome = call(
        world.channel,
        "AdminService/SelfTestIsolation",
        [admin.SelfTestIsolationRequest()],
        bearer(world.root),
    )
    assert outcome.code == "OK", outcome
    (answer,) = outcome.responses
    assert isinstance(answer, admin.SelfTestIsolationResponse)
    assert answer.isolated, answer
    probed = {probe.method for probe in answer.probes}
    assert {"MemoryService/GetMemory", "SearchService/Search", "MemoryService/DeleteMemory"} <= probed
    assert len(answer.probes) >= 17
    listed = world.admin.ListProjects(admin.ListProjectsRequest(), metadata=bearer(world.root)).projects
    assert not [project.id for project in listed if project.id.startswith("isolation-probe")]
