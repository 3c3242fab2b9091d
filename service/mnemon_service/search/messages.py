"""Messages of the conversation log as hits of their own: found by their words, without an index."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import nlargest
from typing import Final

from mnemon_service.model.filter_matching import matches_fields
from mnemon_service.model.indexed_text import indexed_text
from mnemon_service.model.message import Message
from mnemon_service.model.text_analysis import term_counts
from mnemon_service.record.record import Record
from mnemon_service.search.explanation import Explainer
from mnemon_service.search.question import Hit, Mode, Notice, NoticeCode, Prepared
from mnemon_service.search.ranking.candidate import Candidate, TermStatistics
from mnemon_service.search.ranking.fusion import fuse
from mnemon_service.search.settings import SearchSettings

_CUT: Final = Notice(NoticeCode.MESSAGES_CUT, "only the newest messages of the scope were looked through")


@dataclass(frozen=True, slots=True)
class FoundMessages:
    """The messages of a scope that match."""

    hits: tuple[Hit, ...] = ()
    """Those that pass filter and threshold, best first."""
    matches: Mapping[str, float] = field(default_factory=dict)
    """How well a message's words match, 0..1, by its id; whatever filter and threshold say, which are about
    what is returned."""
    notices: tuple[Notice, ...] = ()


class MessageSearch:
    """Looks through the newest messages of a scope."""

    def __init__(self, record: Record, settings: SearchSettings) -> None:
        self._record = record
        self._most = settings.messages

    async def find(self, prepared: Prepared) -> FoundMessages:
        """The messages of the scope that hold a word of the query.

        Their score is that of a search by words, whatever the mode: it means the same as a memory's. A
        search by meaning alone and one of the past find none; what the agent itself took out of
        Mnemon (`recalled`) is no hit.
        """
        question = prepared.question
        if question.mode is Mode.SEMANTIC or question.as_of is not None or not prepared.query.terms:
            return FoundMessages()
        messages = await self._record.messages.newest(question.access, question.scope, self._most)
        found = await asyncio.to_thread(_found, messages, prepared)
        return replace(found, notices=(_CUT,) if len(messages) == self._most else ())

    async def drawn(self, prepared: Prepared, found: FoundMessages) -> dict[str, float]:
        """The memories drawn from the best messages found, by id, with the match of the best of these."""
        best = nlargest(prepared.limit, found.matches, key=lambda message_id: found.matches[message_id])
        if not best:
            return {}
        drawn: dict[str, float] = {}
        memories = await self._record.messages.drawn_memories(prepared.question.access, best)
        for message_id, memory_ids in memories.items():
            for memory_id in memory_ids:
                drawn[memory_id] = max(drawn.get(memory_id, 0.0), found.matches[message_id])
        return drawn


def _found(messages: Sequence[Message], prepared: Prepared) -> FoundMessages:
    question = prepared.question
    words = replace(
        prepared,
        query=replace(prepared.query, names=(), phrases=()),
        weights=prepared.weights.keyword_only(),
    )
    candidates = {message.id: _candidate(message) for message in messages}
    ranked = fuse(
        words.query, _holding(words, list(candidates.values())), _statistics(words, candidates), words.weights
    )
    explainer = Explainer(words, ranked) if question.explain else None
    by_id = {message.id: message for message in messages}
    shown = [
        hit for hit in ranked if hit.score >= question.threshold and _passes(by_id[hit.memory_id], prepared)
    ]
    hits = tuple(
        Hit(
            hit,
            hit.score,
            words.weights,
            message=by_id[hit.memory_id],
            reasons=explainer.reasons(hit) if explainer else None,
        )
        for hit in shown[: prepared.limit]
    )
    return FoundMessages(hits, {hit.memory_id: hit.parts.keyword for hit in ranked})


def _candidate(message: Message) -> Candidate:
    counts = term_counts(indexed_text(message.content, message.name))
    return Candidate(
        message.id,
        0.0,
        counts,
        sum(counts.values()),
        message.role,
        message.name,
        update_time=message.observed_time,
    )


def _holding(prepared: Prepared, candidates: Sequence[Candidate]) -> list[Candidate]:
    terms = prepared.query.terms
    return [one for one in candidates if any(term in one.term_counts for term in terms)]


def _statistics(prepared: Prepared, candidates: dict[str, Candidate]) -> TermStatistics:
    """Of all messages that were read, also those that the filter leaves out."""
    holding = {
        term: sum(term in one.term_counts for one in candidates.values()) for term in prepared.query.terms
    }
    total = sum(one.length for one in candidates.values())
    return TermStatistics(len(candidates), max(total / max(len(candidates), 1), 1e-9), holding)


def _passes(message: Message, prepared: Prepared) -> bool:
    """A message has a scope, a speaker and a time; a filter on anything else finds it missing."""
    if message.recalled:
        return False
    if prepared.question.filter is None:
        return True
    known: dict[str, object] = {
        "categories": None,
        "type": None,
        "attributed_to": message.name or None,
        "event_time": None,
        "expire_time": None,
        "create_time": message.observed_time,
        "update_time": message.observed_time,
        "user_id": message.scope.user_id or None,
        "agent_id": message.scope.agent_id or None,
        "app_id": message.scope.app_id or None,
        "run_id": message.scope.run_id or None,
    }
    return matches_fields(prepared.question.filter, known, {})
