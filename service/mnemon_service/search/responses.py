"""Hits and summaries as messages of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mnemon.v1 import search_service_pb2 as pb
from mnemon_service.model.stages import Stages
from mnemon_service.search.question import Hit, Notice, Reasons, Summary
from mnemon_service.search.ranking.candidate import ScoreParts
from mnemon_service.wire.memories import write_memory, write_message
from mnemon_service.wire.usage import write_usage

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer


def write_hits(
    hits: Iterable[Hit], target: RepeatedCompositeFieldContainer[pb.SearchHit], first_rank: int = 1
) -> None:
    """Appends hits to a repeated field, ranked from `first_rank` on."""
    for rank, hit in enumerate(hits, start=first_rank):
        write_hit(hit, rank, target.add())


def write_hit(hit: Hit, rank: int, target: pb.SearchHit) -> None:
    """Writes one hit into a message's field.

    The contract's parts are those before their weights; a part whose weight is 0 does not apply.
    """
    if hit.memory is not None:
        write_memory(hit.memory, target.memory)
    elif hit.message is not None:
        write_message(hit.message, target.message)
    target.score = hit.score
    target.rank = rank
    for part in ScoreParts._fields:
        weight = getattr(hit.weights, part)
        if weight and (weighted := getattr(hit.ranked.parts, part)):
            setattr(target.parts, part, weighted / weight)
    if hit.rerank is not None:
        target.parts.rerank = hit.rerank
    if hit.reasons is not None:
        _write_reasons(hit.reasons, target.explanation)


def _write_reasons(reasons: Reasons, target: pb.Explanation) -> None:
    target.arm_ranks.update(reasons.arm_ranks)
    target.matched_terms.extend(reasons.matched_terms)
    target.matched_entities.extend(reasons.matched_entities)
    target.weights.update(reasons.weights)
    target.raw_score = reasons.raw_score


def write_summary(summary: Summary, stages: Stages, target: pb.SearchSummary) -> None:
    """Writes how a search went into a message's field."""
    _write_counts(summary.candidate_counts, target)
    target.matched_count = summary.matched_count
    write_usage(stages, summary.usage, target.usage)
    write_notices(summary.notices, target.notices)
    target.sequence = summary.sequence


def write_notices(notices: Iterable[Notice], target: RepeatedCompositeFieldContainer[pb.Notice]) -> None:
    """Appends notices to a repeated field."""
    for notice in notices:
        target.add(code=notice.code.value, message=notice.message)


def _write_counts(counts: Mapping[str, int], target: pb.SearchSummary) -> None:
    target.candidate_counts.update({name: count for name, count in counts.items() if count})
