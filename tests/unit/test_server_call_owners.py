"""Whom a call is counted for."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1 import search_service_pb2 as search
from mnemon.v1.scope_pb2 import Scope as WireScope
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.scope import Scope
from mnemon_service.server.call_owners import owner_of

ANA = WireScope(user_id="ana", run_id="r1")
ANYBODY = Caller("project", KeyRole.ADMIN)
BOUND = Caller("project", KeyRole.WRITER, bound_scope=Scope(agent_id="cook"))
BY_SCOPE: list[Message] = [
    pb.AddMemoriesRequest(scope=ANA),
    pb.EnqueueMemoriesRequest(add=pb.AddMemoriesRequest(scope=ANA)),
    pb.ImportMemoriesRequest(options=pb.ImportOptions(scope=ANA)),
    pb.WatchMemoriesRequest(scope=ANA),
    search.SearchRequest(scope=ANA),
    search.StreamSearchRequest(search=search.SearchRequest(scope=ANA)),
    search.LiveSearchRequest(search=search.SearchRequest(scope=ANA)),
    search.BuildContextRequest(search=search.SearchRequest(scope=ANA)),
]


@pytest.mark.parametrize("request_", BY_SCOPE, ids=lambda request: type(request).__name__)
def test_a_call_counts_for_the_scope_it_names(request_: Message) -> None:
    assert owner_of(request_, ANYBODY) == "user_id:ana"


def test_a_call_that_names_nobody_counts_for_nobody() -> None:
    assert owner_of(pb.GetMemoryRequest(id="0192f0c1-0000-7000-8000-000000000001"), ANYBODY) == ""
    assert owner_of(pb.ListMemoriesRequest(project_wide=True), ANYBODY) == ""


def test_a_bound_key_counts_for_whom_it_is_bound_to() -> None:
    assert owner_of(pb.GetMemoryRequest(), BOUND) == "agent_id:cook"
    assert owner_of(pb.AddMemoriesRequest(scope=ANA), BOUND) == "user_id:ana"
    elsewhere = pb.AddMemoriesRequest(scope=WireScope(agent_id="driver"))
    assert owner_of(elsewhere, BOUND) == "agent_id:cook", "it is refused, and counts all the same"


def test_an_erasure_does_not_count_for_whom_it_erases() -> None:
    assert owner_of(admin.EraseSubjectRequest(subject=ANA), ANYBODY) == ""
