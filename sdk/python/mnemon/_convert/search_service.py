"""Between the stubs of search_service.proto and its types.

Made from mnemon/v1/search_service.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from mnemon._convert.memory import read_memory
from mnemon._convert.message import read_logged_message
from mnemon._convert.usage import read_usage
from mnemon._types.search_service import (
    BuildContextResponse,
    Citation,
    Explanation,
    HitPage,
    LeftOut,
    LiveSearchResponse,
    Move,
    Notice,
    Revision,
    ScoreParts,
    SearchHit,
    SearchResponse,
    SearchSummary,
)
from mnemon.v1 import search_service_pb2


def read_score_parts(message: search_service_pb2.ScoreParts) -> ScoreParts:
    """The `ScoreParts` that the message holds."""
    return ScoreParts(
        semantic=message.semantic,
        keyword=message.keyword,
        entity=message.entity,
        time=message.time,
        speaker=message.speaker,
        neighbour=message.neighbour,
        session=message.session,
        recency=message.recency,
        rerank=message.rerank if message.HasField("rerank") else None,
        message=message.message,
    )


def read_explanation(message: search_service_pb2.Explanation) -> Explanation:
    """The `Explanation` that the message holds."""
    return Explanation(
        arm_ranks=dict(message.arm_ranks),
        matched_terms=tuple(message.matched_terms),
        matched_entities=tuple(message.matched_entities),
        weights=dict(message.weights),
        raw_score=message.raw_score,
    )


def read_search_hit(message: search_service_pb2.SearchHit) -> SearchHit:
    """The `SearchHit` that the message holds."""
    return SearchHit(
        memory=read_memory(message.memory) if message.HasField("memory") else None,
        message=read_logged_message(message.message) if message.HasField("message") else None,
        score=message.score,
        parts=read_score_parts(message.parts),
        rank=message.rank,
        explanation=read_explanation(message.explanation) if message.HasField("explanation") else None,
    )


def read_notice(message: search_service_pb2.Notice) -> Notice:
    """The `Notice` that the message holds."""
    return Notice(code=message.code, message=message.message)


def read_search_summary(message: search_service_pb2.SearchSummary) -> SearchSummary:
    """The `SearchSummary` that the message holds."""
    return SearchSummary(
        candidate_counts=dict(message.candidate_counts),
        matched_count=message.matched_count,
        usage=read_usage(message.usage),
        notices=tuple(read_notice(item) for item in message.notices),
        sequence=message.sequence,
    )


def read_search_response(message: search_service_pb2.SearchResponse) -> SearchResponse:
    """The `SearchResponse` that the message holds."""
    return SearchResponse(
        hits=tuple(read_search_hit(item) for item in message.hits),
        summary=read_search_summary(message.summary),
    )


def read_hit_page(message: search_service_pb2.HitPage) -> HitPage:
    """The `HitPage` that the message holds."""
    return HitPage(hits=tuple(read_search_hit(item) for item in message.hits))


def read_move(message: search_service_pb2.Move) -> Move:
    """The `Move` that the message holds."""
    return Move(
        memory_id=message.memory_id,
        from_rank=message.from_rank,
        to_rank=message.to_rank,
        score=message.score,
        hit=read_search_hit(message.hit) if message.HasField("hit") else None,
    )


def read_revision(message: search_service_pb2.Revision) -> Revision:
    """The `Revision` that the message holds."""
    return Revision(moves=tuple(read_move(item) for item in message.moves))


def read_live_search_response(message: search_service_pb2.LiveSearchResponse) -> LiveSearchResponse:
    """The `LiveSearchResponse` that the message holds."""
    return LiveSearchResponse(
        revision=message.revision,
        text=message.text,
        added=tuple(read_search_hit(item) for item in message.added),
        removed_memory_ids=tuple(message.removed_memory_ids),
        moved=tuple(read_move(item) for item in message.moved),
        final=message.final,
        notices=tuple(read_notice(item) for item in message.notices),
    )


def read_citation(message: search_service_pb2.Citation) -> Citation:
    """The `Citation` that the message holds."""
    return Citation(label=message.label, memory_id=message.memory_id, score=message.score)


def read_left_out(message: search_service_pb2.LeftOut) -> LeftOut:
    """The `LeftOut` that the message holds."""
    return LeftOut(memory_id=message.memory_id, reason=message.reason)


def read_build_context_response(message: search_service_pb2.BuildContextResponse) -> BuildContextResponse:
    """The `BuildContextResponse` that the message holds."""
    return BuildContextResponse(
        text=message.text,
        citations=tuple(read_citation(item) for item in message.citations),
        left_out=tuple(read_left_out(item) for item in message.left_out),
        token_count=message.token_count,
        summary=read_search_summary(message.summary),
    )
