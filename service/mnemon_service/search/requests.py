"""Requests of the contract as questions of the domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.model.caller import Caller
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.search.question import Mode, Question
from mnemon_service.wire.filters import from_filter
from mnemon_service.wire.scopes import access_of, from_as_of, read_scope
from mnemon_service.wire.times import from_timestamp

DEFAULT_TOP_K: Final = 10
_MODES: Final = {
    pb.SEARCH_MODE_UNSPECIFIED: Mode.HYBRID,
    pb.SEARCH_MODE_HYBRID: Mode.HYBRID,
    pb.SEARCH_MODE_SEMANTIC: Mode.SEMANTIC,
    pb.SEARCH_MODE_KEYWORD: Mode.KEYWORD,
}

Clock = Callable[[], datetime]


def from_search(
    request: pb.SearchRequest, caller: Caller, now: Clock, default_top_k: int = DEFAULT_TOP_K
) -> Question:
    """The question of a request.

    Raises `InvalidArgument` for a query of white space, a wrong filter or a missing scope (SCOPE_REQUIRED),
    `PermissionDenied` for a scope that the caller may not read.
    """
    question = settings_of(request, caller, now, default_top_k)
    if not request.query.strip():
        raise InvalidArgument.of("query", "must hold more than white space")
    return replace(question, text=request.query)


def settings_of(
    request: pb.SearchRequest, caller: Caller, now: Clock, default_top_k: int = DEFAULT_TOP_K
) -> Question:
    """The question without its text: what a live search begins with."""
    reference_time = (
        from_timestamp(request.reference_time, "reference_time")
        if request.HasField("reference_time")
        else now()
    )
    return Question(
        access=access_of(caller),
        scope=read_scope(request.scope, caller, project_wide=request.project_wide),
        text="",
        reference_time=reference_time,
        filter=from_filter(request.filter) if request.HasField("filter") else None,
        top_k=request.top_k if request.HasField("top_k") else default_top_k,
        threshold=request.threshold,
        mode=_MODES[request.mode],
        rerank=request.rerank,
        diversity=request.diversity,
        as_of=from_as_of(request.as_of) if request.HasField("as_of") else None,
        show_superseded=request.show_superseded,
        include_messages=request.include_messages,
        explain=request.explain,
    )
