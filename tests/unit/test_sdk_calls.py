"""Every RPC of the contract is called by one method of both clients, with what the user gave."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from mnemon import (
    AsyncClient,
    Client,
    Entity,
    EventTime,
    EventTimePrecision,
    F,
    MemoryUpdate,
    Message,
    Role,
)
from mnemon._async import paging, streams
from mnemon._sync import paging as sync_paging
from mnemon._sync import streams as sync_streams
from support.scripted_server import METHODS, ScriptedServer

WHEN = datetime(2026, 5, 7, tzinfo=UTC)
ID = "01890000-0000-7000-8000-000000000000"
R = {"request_id": "r1"}

CALLS: list[tuple[str, str, tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    (
        "MemoryService/AddMemories",
        "add",
        (
            [
                {"role": "user", "content": "I moved."},
                Message(role=Role.ASSISTANT, content="Where?"),
                "Lisbon.",
            ],
        ),
        {
            "user_id": "ana",
            "agent_id": "bot",
            "app_id": "shop",
            "run_id": "r",
            "texts": ["t"],
            "infer": False,
            "metadata": {"tier": "gold"},
            "categories": ["home"],
            "memory_type": "procedural",
            "ttl": 90,
            "event_time": WHEN,
            "custom_instructions": "c",
            "includes": ["i"],
            "excludes": ["e"],
            "dry_run": True,
            **R,
        },
        {
            "messages": [
                {"role": "ROLE_USER", "content": "I moved."},
                {"role": "ROLE_ASSISTANT", "content": "Where?"},
                {"role": "ROLE_USER", "content": "Lisbon."},
            ],
            "scope": {"user_id": "ana", "agent_id": "bot", "app_id": "shop", "run_id": "r"},
            "texts": ["t"],
            "infer": False,
            "metadata": {"tier": "gold"},
            "categories": ["home"],
            "type": "MEMORY_TYPE_PROCEDURAL",
            "ttl": "90s",
            "event_time": {"time": "2026-05-07T00:00:00Z", "precision": "EVENT_TIME_PRECISION_INSTANT"},
            "custom_instructions": "c",
            "includes": ["i"],
            "excludes": ["e"],
            "dry_run": True,
            **R,
        },
    ),
    (
        "MemoryService/EnqueueMemories",
        "enqueue",
        ("hello",),
        {"user_id": "ana", "expire_time": WHEN, **R},
        {
            "add": {
                "scope": {"user_id": "ana"},
                "messages": [{"role": "ROLE_USER", "content": "hello"}],
                "expire_time": "2026-05-07T00:00:00Z",
                **R,
            }
        },
    ),
    (
        "MemoryService/ExportMemories",
        "export_memories",
        (),
        {"project_wide": True, "as_of": 7, "include_versions": True, "show_deleted": True},
        {"project_wide": True, "as_of": {"sequence": "7"}, "include_versions": True, "show_deleted": True},
    ),
    (
        "MemoryService/GetMemory",
        "get",
        (ID,),
        {"as_of": WHEN},
        {"id": ID, "as_of": {"time": "2026-05-07T00:00:00Z"}},
    ),
    ("MemoryService/BatchGetMemories", "get_many", ([ID],), {}, {"ids": [ID]}),
    (
        "MemoryService/ListMemories",
        "list",
        (),
        {"user_id": "ana", "order": "update_time_asc", "page_size": 2, "show_superseded": True},
        {
            "scope": {"user_id": "ana"},
            "order": "LIST_ORDER_UPDATE_TIME_ASC",
            "page_size": 2,
            "show_superseded": True,
        },
    ),
    (
        "MemoryService/ListMemories",
        "get_all",
        (),
        {"filters": {"user_id": "ana"}, "limit": 3},
        {"scope": {"user_id": "ana"}, "page_size": 3},
    ),
    (
        "MemoryService/UpdateMemory",
        "update",
        (ID, "new"),
        {
            "categories": None,
            "memory_type": "episodic",
            "merge_metadata": {"tier": "gold", "old": None},
            "event_time": EventTime(time=WHEN, precision=EventTimePrecision.DAY),
            "expire_time": None,
            "attributed_to": "Ana",
            "entities": ["Lisbon", Entity(name="Ana", type="PERSON")],
            "etag": "e",
            "reason": "why",
            **R,
        },
        {
            "memory": {
                "id": ID,
                "text": "new",
                "type": "MEMORY_TYPE_EPISODIC",
                "metadata": {"tier": "gold"},
                "event_time": {"time": "2026-05-07T00:00:00Z", "precision": "EVENT_TIME_PRECISION_DAY"},
                "attributed_to": "Ana",
                "entities": [{"name": "Lisbon"}, {"name": "Ana", "type": "PERSON"}],
                "etag": "e",
            },
            "update_mask": "text,categories,type,eventTime,expireTime,attributedTo,entities,metadata.tier,"
            "metadata.old",
            "reason": "why",
            **R,
        },
    ),
    (
        "MemoryService/BatchUpdateMemories",
        "update_many",
        ([MemoryUpdate(memory_id=ID, text="a"), {"memory_id": ID, "metadata": {}}],),
        R,
        {
            "requests": [
                {"memory": {"id": ID, "text": "a"}, "update_mask": "text"},
                {"memory": {"id": ID, "metadata": {}}, "update_mask": "metadata"},
            ],
            **R,
        },
    ),
    ("MemoryService/DeleteMemory", "delete", (ID,), {"etag": "e", **R}, {"id": ID, "etag": "e", **R}),
    ("MemoryService/BatchDeleteMemories", "delete_many", ([ID],), R, {"ids": [ID], **R}),
    (
        "MemoryService/DeleteMemories",
        "delete_all",
        (),
        {"user_id": "ana", "filters": F.metadata("tier") == "gold", "dry_run": True, **R},
        {
            "scope": {"user_id": "ana"},
            "filter": {"comparison": {"field": "metadata.tier", "operator": "OPERATOR_EQ", "value": "gold"}},
            "dry_run": True,
            **R,
        },
    ),
    ("MemoryService/DeleteMemories", "reset", (), R, {"project_wide": True, "reason": "reset", **R}),
    ("MemoryService/RestoreMemory", "restore", (ID,), R, {"id": ID, **R}),
    ("MemoryService/RevertMemory", "revert", (ID, 2), R, {"id": ID, "version": "2", **R}),
    (
        "MemoryService/ListVersions",
        "list_versions",
        (ID,),
        {"page_size": 5},
        {"memory_id": ID, "page_size": 5},
    ),
    ("MemoryService/ListVersions", "history", (ID,), {}, {"memory_id": ID, "page_size": 500}),
    (
        "MemoryService/WatchMemories",
        "watch",
        (),
        {
            "user_id": "ana",
            "events": ["added", "DELETED"],
            "after_sequence": 0,
            "heartbeat": timedelta(seconds=2),
        },
        {
            "scope": {"user_id": "ana"},
            "events": ["VERSION_EVENT_ADDED", "VERSION_EVENT_DELETED"],
            "after_sequence": "0",
            "heartbeat_interval": "2s",
        },
    ),
    (
        "MemoryService/SubmitFeedback",
        "feedback",
        (ID, "very_negative"),
        {"reason": "wrong", **R},
        {"memory_id": ID, "rating": "FEEDBACK_RATING_VERY_NEGATIVE", "reason": "wrong", **R},
    ),
    (
        "SearchService/Search",
        "search",
        ("q",),
        {
            "user_id": "ana",
            "top_k": 0,
            "threshold": 0.0,
            "mode": "keyword",
            "rerank": True,
            "diversity": 0.5,
            "as_of": 3,
            "reference_time": WHEN,
            "show_superseded": True,
            "include_messages": True,
            "explain": True,
        },
        {
            "query": "q",
            "scope": {"user_id": "ana"},
            "top_k": 0,
            "threshold": 0.0,
            "mode": "SEARCH_MODE_KEYWORD",
            "rerank": True,
            "diversity": 0.5,
            "as_of": {"sequence": "3"},
            "reference_time": "2026-05-07T00:00:00Z",
            "show_superseded": True,
            "include_messages": True,
            "explain": True,
        },
    ),
    (
        "SearchService/StreamSearch",
        "search_stream",
        ("q",),
        {"user_id": "ana", "page_size": 3},
        {"search": {"query": "q", "scope": {"user_id": "ana"}}, "page_size": 3},
    ),
    (
        "SearchService/BuildContext",
        "build_context",
        ("q",),
        {"user_id": "ana", "token_budget": 500, "context_format": "xml"},
        {
            "search": {"query": "q", "scope": {"user_id": "ana"}},
            "token_budget": 500,
            "format": "CONTEXT_FORMAT_XML",
        },
    ),
    (
        "AdminService/CreateProject",
        "admin.projects.create",
        ("shop",),
        {"display_name": "Shop", **R},
        {"project_id": "shop", "display_name": "Shop", **R},
    ),
    ("AdminService/GetProject", "admin.projects.get", ("shop",), {}, {"project_id": "shop"}),
    ("AdminService/ListProjects", "admin.projects.list", (), {"page_size": 2}, {"page_size": 2}),
    (
        "AdminService/UpdateProject",
        "admin.projects.update",
        ("shop",),
        {"display_name": "", "state": "disabled", "etag": "e"},
        {
            "project": {"id": "shop", "state": "PROJECT_STATE_DISABLED", "etag": "e"},
            "update_mask": "displayName,state",
        },
    ),
    (
        "AdminService/DeleteProject",
        "admin.projects.delete",
        ("shop",),
        {"confirm_project_id": "shop"},
        {"project_id": "shop", "confirm_project_id": "shop"},
    ),
    (
        "AdminService/CreateApiKey",
        "admin.keys.create",
        ("writer",),
        {
            "project_id": "shop",
            "display_name": "d",
            "user_id": "ana",
            "expire_time": WHEN,
            "limits": {"requests_per_second": 2.0},
        },
        {
            "project_id": "shop",
            "role": "KEY_ROLE_WRITER",
            "display_name": "d",
            "bound_scope": {"user_id": "ana"},
            "expire_time": "2026-05-07T00:00:00Z",
            "limits": {"requests_per_second": 2.0},
        },
    ),
    ("AdminService/ListApiKeys", "admin.keys.list", (), {"show_ended": True}, {"show_ended": True}),
    ("AdminService/RevokeApiKey", "admin.keys.revoke", ("k",), {}, {"key_id": "k"}),
    (
        "AdminService/RotateApiKey",
        "admin.keys.rotate",
        ("k",),
        {"overlap": timedelta(hours=1)},
        {"key_id": "k", "overlap": "3600s"},
    ),
    ("AdminService/GetSettings", "admin.settings.get", (), {}, {}),
    (
        "AdminService/UpdateSettings",
        "admin.settings.update",
        (),
        {
            "custom_instructions": "c",
            "categories": [{"name": "food"}],
            "message_retention": None,
            "content_policy": "redact",
            "etag": "e",
        },
        {
            "settings": {
                "custom_instructions": "c",
                "categories": [{"name": "food"}],
                "content_policy": "CONTENT_POLICY_REDACT",
                "etag": "e",
            },
            "update_mask": "customInstructions,categories,messageRetention,contentPolicy",
        },
    ),
    (
        "AdminService/GenerateInstructions",
        "admin.settings.generate_instructions",
        ("a shop",),
        {},
        {"use_case": "a shop"},
    ),
    (
        "AdminService/ListEntities",
        "admin.entities.list",
        (),
        {"kind": "named", "id_prefix": "a", "user_id": "ana", "order": "id_asc"},
        {
            "kind": "ENTITY_KIND_NAMED",
            "id_prefix": "a",
            "scope": {"user_id": "ana"},
            "order": "ENTITY_ORDER_ID_ASC",
        },
    ),
    ("AdminService/ListEntities", "users", (), {}, {"page_size": 500}),
    (
        "AdminService/GetEntity",
        "admin.entities.get",
        ("user", "ana"),
        {"memory_limit": 3},
        {"kind": "ENTITY_KIND_USER", "id": "ana", "memory_limit": 3},
    ),
    (
        "AdminService/DeleteEntity",
        "admin.entities.delete",
        ("run", "r"),
        R,
        {"kind": "ENTITY_KIND_RUN", "id": "r", **R},
    ),
    (
        "AdminService/ListOperations",
        "admin.operations.list",
        (),
        {"states": ["running"], "kinds": ["import_memories"]},
        {"states": ["OPERATION_STATE_RUNNING"], "kinds": ["OPERATION_KIND_IMPORT_MEMORIES"]},
    ),
    ("AdminService/GetOperation", "admin.operations.get", (ID,), {}, {"id": ID}),
    ("AdminService/CancelOperation", "admin.operations.cancel", (ID,), {}, {"id": ID}),
    (
        "AdminService/WaitOperation",
        "admin.operations.wait",
        (ID,),
        {"timeout": 0},
        {"id": ID, "timeout": "0s"},
    ),
    (
        "AdminService/CreateWebhook",
        "admin.webhooks.create",
        ("https://example.com/hook",),
        {
            "display_name": "d",
            "events": ["added"],
            "user_id": "ana",
            "without_content": True,
            "from_beginning": True,
        },
        {
            "webhook": {
                "display_name": "d",
                "url": "https://example.com/hook",
                "events": ["VERSION_EVENT_ADDED"],
                "scope": {"user_id": "ana"},
                "without_content": True,
            },
            "from_beginning": True,
        },
    ),
    ("AdminService/GetWebhook", "admin.webhooks.get", (ID,), {}, {"id": ID}),
    ("AdminService/ListWebhooks", "admin.webhooks.list", (), {}, {}),
    (
        "AdminService/UpdateWebhook",
        "admin.webhooks.update",
        (ID,),
        {
            "display_name": "d",
            "url": "https://example.com",
            "events": [],
            "scope": {"user_id": "ana"},
            "without_content": False,
            "state": "paused",
            "etag": "e",
        },
        {
            "webhook": {
                "id": ID,
                "display_name": "d",
                "url": "https://example.com",
                "scope": {"user_id": "ana"},
                "state": "WEBHOOK_STATE_PAUSED",
                "etag": "e",
            },
            "update_mask": "displayName,url,events,scope,withoutContent,state",
        },
    ),
    ("AdminService/DeleteWebhook", "admin.webhooks.delete", (ID,), {}, {"id": ID}),
    ("AdminService/TestWebhook", "admin.webhooks.test", (ID,), {}, {"id": ID}),
    (
        "AdminService/ListWebhookDeliveries",
        "admin.webhooks.list_deliveries",
        (ID,),
        {"state": "failed"},
        {"webhook_id": ID, "state": "DELIVERY_STATE_FAILED"},
    ),
    (
        "AdminService/GetUsage",
        "admin.usage.get",
        (),
        {"start_time": WHEN, "end_time": WHEN, "by_scope": True, "by_model": True},
        {
            "start_time": "2026-05-07T00:00:00Z",
            "end_time": "2026-05-07T00:00:00Z",
            "by_scope": True,
            "by_model": True,
        },
    ),
    (
        "AdminService/ListRequests",
        "admin.requests.list",
        (),
        {"start_time": WHEN, "method": "m", "code": "OK"},
        {"start_time": "2026-05-07T00:00:00Z", "method": "m", "code": "OK"},
    ),
    ("AdminService/ListAudit", "admin.audit.list", (), {"page_size": 1}, {"page_size": 1}),
    ("AdminService/VerifyAudit", "admin.audit.verify", (), {}, {}),
    ("AdminService/GetServerInfo", "admin.server.info", (), {}, {}),
    ("AdminService/SelfTestIsolation", "admin.server.self_test_isolation", (), {}, {}),
    ("AdminService/VerifyIndex", "admin.index.verify", (), {"repair": True}, {"repair": True}),
    ("AdminService/RebuildIndex", "admin.index.rebuild", (), {}, {}),
    (
        "AdminService/EraseSubject",
        "admin.subjects.erase",
        (),
        {"user_id": "ana", **R},
        {"subject": {"user_id": "ana"}, **R},
    ),
]

ELSEWHERE = {"MemoryService/ImportMemories", "SearchService/LiveSearch"}
"""Streams of requests: tested in test_sdk_streams.py."""

IDS = [path for _, path, *_ in CALLS]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.address, "mn_key") as made:
        yield made


@pytest.fixture
async def async_client(server: ScriptedServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.address, "mn_key") as made:
        yield made


def test_every_rpc_of_the_contract_has_a_method() -> None:
    assert {rpc for rpc, *_ in CALLS} | ELSEWHERE == set(METHODS)


def test_every_public_method_is_called_here() -> None:
    with Client("127.0.0.1:1", "") as client:
        groups = {"": client} | {f"admin.{name}.": group for name, group in vars(client.admin).items()}
        public = {
            prefix + name
            for prefix, group in groups.items()
            for name, _ in inspect.getmembers(group, inspect.ismethod)
            if not name.startswith("_")
        }
    assert public - {"close", "import_memories", "live_search"} == set(IDS)


ARGUMENT_OF = {
    "scope": "user_id",
    "bound_scope": "user_id",
    "subject": "user_id",
    "filter": "filters",
    "type": "memory_type",
    "format": "context_format",
    "ids": "memory_ids",
    "heartbeat_interval": "heartbeat",
    "requests": "updates",
}
"""Fields of requests whose argument has another name."""
INSIDE = {"memory", "update_mask", "webhook", "settings", "project", "search", "add"}
"""Fields whose parts are arguments of their own."""


def test_every_field_of_every_request_can_be_given() -> None:
    with Client("127.0.0.1:1", "") as client:
        arguments: dict[str, set[str]] = {}
        for rpc, path, *_ in CALLS:
            arguments.setdefault(rpc, set()).update(inspect.signature(attrgetter(path)(client)).parameters)
    for rpc, given in arguments.items():
        wanted = {field.name for field in METHODS[rpc].input_type.fields} - INSIDE
        missing = {name for name in wanted if ARGUMENT_OF.get(name, name) not in given}
        if any(name.endswith("_id") and name != "request_id" for name in given):
            missing -= {"id"}
        assert not missing, f"{rpc}: {missing}"


def arrived(server: ScriptedServer) -> tuple[str, dict[str, Any]]:
    call = server.calls.pop()
    assert call.metadata["authorization"] == "Bearer mn_key"
    return call.rpc, MessageToDict(call.request, preserving_proto_field_name=True)


@pytest.mark.parametrize(("rpc", "path", "args", "kwargs", "request_json"), CALLS, ids=IDS)
def test_the_blocking_client_sends(
    server: ScriptedServer,
    client: Client,
    rpc: str,
    path: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    request_json: dict[str, Any],
) -> None:
    answer = attrgetter(path)(client)(*args, **kwargs)
    if isinstance(answer, sync_paging.Pager):
        answer.collect()
    elif isinstance(answer, sync_streams.Stream):
        with answer:
            list(answer)
    assert arrived(server) == (rpc, request_json)


@pytest.mark.parametrize(("rpc", "path", "args", "kwargs", "request_json"), CALLS, ids=IDS)
async def test_the_asynchronous_client_sends(
    server: ScriptedServer,
    async_client: AsyncClient,
    rpc: str,
    path: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    request_json: dict[str, Any],
) -> None:
    answer = attrgetter(path)(async_client)(*args, **kwargs)
    if isinstance(answer, paging.AsyncPager):
        await answer.collect()
    elif isinstance(answer, streams.AsyncStream):
        async with answer:
            async for _ in answer:
                pass
    else:
        await answer
    assert arrived(server) == (rpc, request_json)
