"""How much of LoCoMo the deterministic extractor keeps, dates and makes findable.

    python tests/quality/extraction/locomo.py --data PATH [--dense] [--misses]

PATH is the data set's JSON (not part of this project; licence CC BY-NC 4.0). Prints, over all its
conversations: the share of evidence turns of which a fact was kept (categories 1 to 4), the share of dated
answers of category 2 whose date one of the evidence's resolved dates names, milliseconds a turn, and
with `--dense` the recall of evidence turns among the ten nearest by the local embedder, raw and extracted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from mnemon_service.memory.extraction import calendar, dates, sentences
from mnemon_service.memory.extraction.deterministic import extract
from mnemon_service.memory.extraction.facts import Dropped, ExtractedFact, Extraction
from mnemon_service.model.memory import Entity, EventTime, Precision
from mnemon_service.model.message import Message
from mnemon_service.providers.local_embedding import LocalEmbedder

Interval = tuple[date, date]
"""First day and the day after the last."""


@dataclass(frozen=True)
class Conversation:
    """One conversation of the data set, its extraction and its questions."""

    turns: list[Message]
    questions: list[dict[str, Any]]
    extraction: Extraction
    milliseconds: list[float]


def load(path: Path) -> list[Conversation]:
    """The conversations, each turn extracted by itself as a live agent would add it."""
    return [_conversation(item) for item in json.loads(path.read_text())]


def _conversation(item: dict[str, Any]) -> Conversation:
    said = item["conversation"]
    turns = [
        Message(
            content=turn["text"],
            name=turn["speaker"],
            id=turn["dia_id"],
            observed_time=datetime.strptime(said[f"{session}_date_time"], "%I:%M %p on %d %B, %Y").replace(
                tzinfo=UTC
            ),
        )
        for session, value in said.items()
        if isinstance(value, list)
        for turn in value
    ]
    people = [Entity(said[one], "PERSON") for one in ("speaker_a", "speaker_b")]
    now = datetime(2030, 1, 1, tzinfo=UTC)
    facts: list[ExtractedFact] = []
    dropped: list[Dropped] = []
    milliseconds: list[float] = []
    for before, turn in zip([None, *turns], turns, strict=False):
        start = time.perf_counter()
        one = extract([turn], known=people, now=now, before=before)
        milliseconds.append((time.perf_counter() - start) * 1000)
        facts += one.facts
        dropped += one.dropped
    return Conversation(turns, item["qa"], Extraction(tuple(facts), tuple(dropped)), milliseconds)


def evidence_of(question: dict[str, Any], known: set[str]) -> list[str]:
    """The turns that answer a question; the data set sometimes packs several ids into one string."""
    ids = [one for entry in question.get("evidence", ()) for one in re.findall(r"D\d+:\d+", entry)]
    return [one for one in ids if one in known]


def kept(conversations: Iterable[Conversation], *, as_question: bool) -> tuple[int, int, list[str]]:
    """Evidence turns kept, evidence turns in all, and what was lost.

    A turn is kept if a fact quotes it; with `as_question` also if a fact answers a question in it.
    """
    total, held = 0, 0
    lost: list[str] = []
    for conversation in conversations:
        turns = {turn.id: turn for turn in conversation.turns}
        found = {fact.message_id for fact in conversation.extraction.facts}
        if as_question:
            found |= {fact.asked.message_id for fact in conversation.extraction.facts if fact.asked}
        wanted = {e for q in conversation.questions if q["category"] != 5 for e in evidence_of(q, set(turns))}
        total += len(wanted)
        held += len(wanted & found)
        lost += [f"{turns[one].name}: {turns[one].content}" for one in sorted(wanted - found)]
    return held, total, lost


_UNITS = {Precision.DAY: 1, Precision.WEEK: 7, Precision.MONTH: 31, Precision.SEASON: 92, Precision.YEAR: 366}
_MONTH = "|".join(calendar.MONTHS)
_DAY_BEFORE = re.compile(
    r"(?:the )?(?P<count>two )?(?P<unit>week|weekend|mon|tues|wednes|thurs|fri|satur|"
    r"sun)(?:day)?s? (?P<where>before|of|after) "
    r"(?P<rest>.+)", re.IGNORECASE)  # fmt: skip


def answered_interval(answer: str) -> Interval | None:
    """The stretch of days that a gold answer names; None if it names no date (a name, a duration, "yes")."""
    answer = re.sub(r"[`,.]", " ", answer).replace("Januarty", "January").replace("Janury", "January")
    answer = re.sub(r"(\d)(?=[A-Z])", r"\1 ", answer)
    answer = re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", " ".join(answer.split()))
    relative = _DAY_BEFORE.fullmatch(answer)
    if relative and (anchor := answered_interval(relative["rest"])):
        return _around(anchor[0], relative)
    if match := re.search(rf"(\d{{1,2}}) ({_MONTH}) (\d{{4}})|({_MONTH}) (\d{{1,2}}) (\d{{4}})", answer):
        day, month, year = (match[1], match[2], match[3]) if match[1] else (match[5], match[4], match[6])
        start = datetime.strptime(f"{day} {month} {year}", "%d %B %Y").replace(tzinfo=UTC).date()
        return start, start + timedelta(days=1)
    if match := re.search(rf"({_MONTH}) (\d{{4}})", answer):
        start = datetime.strptime(f"{match[1]} {match[2]}", "%B %Y").replace(tzinfo=UTC).date()
        return start, (start + timedelta(days=32)).replace(day=1)
    if match := re.search(r"summer (?:of )?(\d{4})", answer):
        return date(int(match[1]), 6, 1), date(int(match[1]), 9, 1)
    if match := re.fullmatch(r"(?:in |since |around )?(\d{4})", answer, re.IGNORECASE):
        return date(int(match[1]), 1, 1), date(int(match[1]) + 1, 1, 1)
    return None


def _around(anchor: date, match: re.Match[str]) -> Interval:
    unit, sign = match["unit"].casefold(), {"before": -1, "of": 0, "after": 1}[match["where"].casefold()]
    count = (2 if match["count"] else 1) * sign
    if unit == "week":
        start = anchor - timedelta(days=anchor.weekday()) + timedelta(weeks=count)
        return start, start + timedelta(days=7)
    if unit == "weekend":
        saturday = anchor - timedelta(days=anchor.weekday()) + timedelta(days=5, weeks=count)
        if sign > 0:  # "the weekend after" is the coming one
            saturday -= timedelta(weeks=1)
        return saturday, saturday + timedelta(days=2)
    wanted = ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun").index(unit)
    back = (anchor.weekday() - wanted) % 7 or 7
    start = anchor - timedelta(days=back) if sign <= 0 else anchor + timedelta(days=7 - back)
    return start, start + timedelta(days=1)


def names_same_time(resolved: EventTime, wanted: Interval) -> bool:
    """True if the resolved unit lies in the wanted stretch, or holds it and is at most ten times as long."""
    start = resolved.time.date()
    end = start + timedelta(days=_UNITS[resolved.precision])
    inside = wanted[0] <= start < wanted[1]
    holds = (
        start <= wanted[0]
        and wanted[1] <= end
        and _UNITS[resolved.precision] <= 10 * (wanted[1] - wanted[0]).days
    )
    return inside or holds


def dated(conversations: Iterable[Conversation]) -> tuple[int, int, list[str]]:
    """Dated answers found, dated answers in all, and the missed ones with their evidence."""
    total, found, missed = 0, 0, []
    for conversation in conversations:
        turns = {turn.id: turn for turn in conversation.turns}
        resolved = _resolved(conversation)
        for question in conversation.questions:
            wanted = answered_interval(str(question.get("answer", "")))
            evidence = evidence_of(question, set(turns))
            if question["category"] != 2 or wanted is None or not evidence:
                continue
            total += 1
            times = [time for one in evidence for time in resolved.get(one, ())]
            if any(names_same_time(one, wanted) for one in times):
                found += 1
            else:
                said = (
                    f"{turns[one].observed_time:%a %d %b %Y} {turns[one].content[:240]}" for one in evidence
                )
                missed.append(f"{question['question']} → {question['answer']} | {' | '.join(said)}")
    return found, total, missed


def _resolved(conversation: Conversation) -> dict[str, list[EventTime]]:
    """All times resolved in the facts of each turn."""
    said_on = {turn.id: turn.observed_time.date() for turn in conversation.turns if turn.observed_time}
    times: dict[str, list[EventTime]] = {}
    for fact in conversation.extraction.facts:
        for span in sentences.split(fact.quote):
            phrases = dates.find(fact.quote[span.start : span.end], said_on[fact.message_id])
            times.setdefault(fact.message_id, []).extend(phrase.moment.event_time for phrase in phrases)
    return times


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--misses", action="store_true", help="print what was lost")
    arguments.add_argument("--dense", action="store_true", help="embed everything: about a minute")
    options = arguments.parse_args()
    conversations = load(options.data)
    milliseconds = [one for conversation in conversations for one in conversation.milliseconds]
    results = {
        "evidence quoted": kept(conversations, as_question=False),
        "evidence kept": kept(conversations, as_question=True),
        "dates found": dated(conversations),
    }
    for name, (good, total, bad) in results.items():
        print(f"{name:<22}{good}/{total} = {good / total:.1%}")
        if options.misses:
            print(*(f"    {one}" for one in bad), sep="\n")
    turns = sum(len(one.turns) for one in conversations)
    facts = sum(len(one.extraction.facts) for one in conversations)
    with_fact = sum(len({fact.message_id for fact in one.extraction.facts}) for one in conversations)
    print(f"{'turns with a fact':<22}{with_fact}/{turns}, {facts} facts")
    mean, median = statistics.mean(milliseconds), statistics.median(milliseconds)
    last = statistics.quantiles(milliseconds, n=100)[98]
    print(f"{'milliseconds a turn':<22}mean {mean:.3f}, p50 {median:.3f}, p99 {last:.3f}")
    if options.dense:
        asyncio.run(_print_dense(conversations))


async def _print_dense(conversations: list[Conversation]) -> None:
    """Recall of evidence turns among the ten nearest, for the turns as they are and for the facts."""
    with tempfile.TemporaryDirectory() as cache:
        embedder = await LocalEmbedder.open(Path(cache))
        try:
            raw = await _dense_recall(
                conversations, embedder, lambda one: [(t.id, t.content) for t in one.turns]
            )
            print(f"{'dense recall@10 raw':<22}{raw:.1%}")
            named = await _dense_recall(
                conversations, embedder, lambda one: [(t.id, f"{t.name}: {t.content}") for t in one.turns]
            )
            print(f"{'… with the name':<22}{named:.1%}")
            texts = await _dense_recall(
                conversations, embedder, lambda one: [(f.message_id, f.text) for f in one.extraction.facts]
            )
            print(f"{'… of the facts':<22}{texts:.1%}")
        finally:
            await embedder.close()


async def _dense_recall(
    conversations: Iterable[Conversation],
    embedder: LocalEmbedder,
    items: Callable[[Conversation], list[tuple[str, str]]],
) -> float:
    """Mean share of a question's evidence turns among the turns of its ten nearest items."""
    shares: list[float] = []
    for conversation in conversations:
        known = {turn.id for turn in conversation.turns}
        asked = [q for q in conversation.questions if q["category"] != 5 and evidence_of(q, known)]
        ids, texts = zip(*items(conversation), strict=True)
        documents = (await embedder.embed_documents(texts)).vectors
        queries = (await embedder.embed_documents([q["question"] for q in asked])).vectors
        for question, similarity in zip(asked, queries @ documents.T, strict=True):
            found = {ids[place] for place in np.argsort(-similarity)[:10]}
            wanted = set(evidence_of(question, known))
            shares.append(len(wanted & found) / len(wanted))
    return statistics.mean(shares)


if __name__ == "__main__":
    main()
