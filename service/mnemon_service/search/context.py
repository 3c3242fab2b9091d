"""BuildContext: the best hits as prompt text, within a budget, each with a mark to cite it by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

from mnemon_service.model.memory import EventTime, MemoryState, Precision
from mnemon_service.search.question import Hit
from mnemon_service.search.ranking.context import (
    ContextItem,
    LeftOut,
    PackedContext,
    estimate_tokens,
    pack,
)

DEFAULT_TOP_K: Final = 50
DEFAULT_TOKEN_BUDGET: Final = 1_000
_OPEN: Final = "<memories>"
_CLOSE: Final = "</memories>"


def labelled(hits: Sequence[Hit]) -> dict[str, Hit]:
    """The memories among the hits by their mark: m1 is the best."""
    memories = [hit for hit in hits if hit.memory is not None]
    return {f"m{place}": hit for place, hit in enumerate(memories, start=1)}


def as_markdown(hits: dict[str, Hit], token_budget: int) -> PackedContext:
    """The hits headed by day, a line each; ids in the result are marks."""
    return pack([_item(label, hit) for label, hit in hits.items()], token_budget)


def as_xml(hits: dict[str, Hit], token_budget: int) -> PackedContext:
    """The hits as elements, best first; ids in the result are marks.

    What does not fit any more is passed over; shorter, worse ones may still go in. All text is escaped,
    so a memory cannot close its element or open another.
    """
    spent = estimate_tokens(_OPEN) + 1 + estimate_tokens(_CLOSE)
    lines, included = list[str](), list[str]()
    left_out: list[tuple[str, LeftOut]] = []
    seen: set[str] = set()
    for label, hit in hits.items():
        item = _item(label, hit)
        line = _element(item)
        cost = estimate_tokens(line) + 1
        same = " ".join(item.text.split()).casefold()
        if same in seen or spent + cost > token_budget:
            left_out.append((label, LeftOut.DUPLICATE if same in seen else LeftOut.BUDGET))
            continue
        seen.add(same)
        spent += cost
        lines.append(line)
        included.append(label)
    if not lines:
        return PackedContext("", (), tuple(left_out), 0)
    text = "\n".join([_OPEN, *lines, _CLOSE])
    return PackedContext(text, tuple(included), tuple(left_out), estimate_tokens(text))


def _item(label: str, hit: Hit) -> ContextItem:
    candidate, memory = hit.ranked.candidate, hit.memory
    return ContextItem(
        memory_id=label,
        text=hit.text,
        score=hit.score,
        subject=candidate.attributed_to,
        event_time=memory.event_time if memory else None,
        observed_time=candidate.observed_time,
        state=memory.state if memory else MemoryState.ACTIVE,
    )


def _element(item: ContextItem) -> str:
    attributes = {
        "id": item.memory_id,
        "date": _date(item.event_time, item.observed_time),
        "speaker": item.subject,
        "state": "" if item.state is MemoryState.ACTIVE else item.state.value.lower(),
    }
    written = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items() if value)
    return f"<memory{written}>{escape(' '.join(item.text.split()), quote=False)}</memory>"


def _date(event_time: EventTime | None, observed_time: datetime | None) -> str:
    """As exactly as it is known: 2023, 2023-05 or 2023-05-07."""
    time = event_time.time if event_time else observed_time
    if time is None:
        return ""
    precision = event_time.precision if event_time else Precision.DAY
    if precision is Precision.YEAR:
        return f"{time.year:04}"
    if precision in (Precision.MONTH, Precision.SEASON):
        return f"{time.year:04}-{time.month:02}"
    return f"{time.year:04}-{time.month:02}-{time.day:02}"
