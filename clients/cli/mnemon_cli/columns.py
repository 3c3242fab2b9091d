"""How each kind of thing looks in a table."""

from __future__ import annotations

from mnemon import (
    ApiKey,
    Change,
    EntitySummary,
    Memory,
    Operation,
    Project,
    SearchHit,
    UsageRow,
    Version,
    Webhook,
    WebhookDelivery,
)
from mnemon_cli.output import Columns

LONGEST_TEXT = 100
"""Letters of a statement that a table shows."""


def short(text: str) -> str:
    """A statement on one line of a table."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


def whose(memory: Memory) -> str:
    """A memory's scope in short."""
    scope = memory.scope
    parts = (("", scope.user_id), ("agent:", scope.agent_id), ("app:", scope.app_id), ("run:", scope.run_id))
    return " ".join(prefix + value for prefix, value in parts if value)


MEMORY = Columns[Memory](
    ("id", "memory", "whose", "categories", "updated", "state"),
    lambda m: (
        m.id,
        short(m.text),
        whose(m),
        m.categories,
        m.update_time,
        "" if m.state == "ACTIVE" else m.state,
    ),
    lambda m: m.id,
)

ONE_MEMORY = Columns[Memory](
    (
        "id",
        "memory",
        "whose",
        "type",
        "state",
        "categories",
        "metadata",
        "said by",
        "happened",
        "expires",
        "created",
        "updated",
        "version",
        "etag",
        "superseded by",
        "evidence",
    ),
    lambda m: (
        m.id,
        m.text,
        whose(m),
        m.type,
        m.state,
        m.categories,
        dict(m.metadata) or "",
        m.attributed_to,
        m.event_time.time if m.event_time else None,
        m.expire_time,
        m.create_time,
        m.update_time,
        m.version,
        m.etag,
        m.superseded_by,
        [source.quote for source in m.sources if source.quote],
    ),
    lambda m: m.id,
)

CHANGE = Columns[Change](
    ("change", "id", "memory", "before", "why"),
    lambda c: (c.event, c.memory.id, short(c.memory.text), short(c.previous_text), c.reason),
    lambda c: c.memory.id,
)


def found_text(hit: SearchHit) -> str:
    """What a hit says."""
    if hit.memory is not None:
        return hit.memory.text
    return hit.message.message.content if hit.message is not None else ""


def found_id(hit: SearchHit) -> str:
    """The id of what was found."""
    found = hit.memory or hit.message
    return found.id if found is not None else ""


HIT = Columns[SearchHit](
    ("#", "score", "memory", "id"),
    lambda h: (h.rank, h.score, short(found_text(h)), found_id(h)),
    found_id,
)

EXPLAINED_HIT = Columns[SearchHit](
    ("#", "score", "semantic", "keyword", "entity", "time", "speaker", "recency", "rerank", "memory", "id"),
    lambda h: (
        h.rank,
        h.score,
        h.parts.semantic,
        h.parts.keyword,
        h.parts.entity,
        h.parts.time,
        h.parts.speaker,
        h.parts.recency,
        h.parts.rerank,
        short(found_text(h)),
        found_id(h),
    ),
    found_id,
)

VERSION = Columns[Version](
    ("sequence", "version", "event", "when", "who", "text", "why"),
    lambda v: (v.sequence, v.version, v.event, v.record_time, v.actor.key_id, short(v.memory.text), v.reason),
    lambda v: v.memory_id,
)

CHANGE_SEEN = Columns[Version](
    ("when", "event", "memory", "version", "text"),
    lambda v: (v.record_time, v.event, v.memory_id, v.version, short(v.memory.text)),
    lambda v: v.memory_id,
)

ENTITY = Columns[EntitySummary](
    ("kind", "id", "type", "memories", "last activity", "created"),
    lambda e: (e.kind, e.id, e.type, e.memory_count, e.last_activity_time, e.create_time),
    lambda e: e.id,
)


def how_far(operation: Operation) -> str:
    """An operation's progress in short."""
    progress = operation.progress
    total = f"/{progress.total}" if progress.total else ""
    return f"{progress.done}{total} {progress.stage}".strip() if progress.done or progress.stage else ""


OPERATION = Columns[Operation](
    ("id", "kind", "state", "progress", "created", "ended", "error"),
    lambda o: (
        o.id,
        o.kind,
        o.state,
        how_far(o),
        o.create_time,
        o.end_time,
        f"{o.error.reason}: {o.error.message}" if o.error else "",
    ),
    lambda o: o.id,
)

KEY = Columns[ApiKey](
    ("id", "role", "name", "project", "created", "expires", "revoked", "last used"),
    lambda k: (
        k.id,
        k.role,
        k.display_name,
        k.project_id,
        k.create_time,
        k.expire_time,
        k.revoke_time,
        k.last_use_time,
    ),
    lambda k: k.id,
)

PROJECT = Columns[Project](
    ("id", "name", "state", "memories", "created"),
    lambda p: (p.id, p.display_name, p.state, p.memory_count, p.create_time),
    lambda p: p.id,
)

WEBHOOK = Columns[Webhook](
    ("id", "url", "name", "events", "state", "delivered up to", "created"),
    lambda w: (w.id, w.url, w.display_name, w.events, w.state, w.delivered_sequence, w.create_time),
    lambda w: w.id,
)

DELIVERY = Columns[WebhookDelivery](
    ("id", "sequence", "state", "tries", "answer", "error", "next try"),
    lambda d: (d.id, d.sequence, d.state, d.attempts, d.response_code or "", d.error, d.retry_time),
    lambda d: d.id,
)

USAGE = Columns[UsageRow](
    ("day", "owner", "model", "calls", "failed", "tokens in", "tokens out", "added", "searches"),
    lambda u: (
        u.day,
        u.owner,
        u.model,
        u.calls,
        u.failed_calls,
        u.input_tokens,
        u.output_tokens,
        u.memories_added,
        u.searches,
    ),
    lambda u: u.day,
)
