"""Settings of projects: one versioned row each, cached on every replica."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import Aborted, NotFound, Reason
from mnemon_service.model.settings import ContentPolicy, ProjectSettings
from mnemon_service.record.administration_schema import project_settings
from mnemon_service.record.audit import Audit, AuditEvent
from mnemon_service.record.database import Database
from mnemon_service.record.freshness import FreshCache, Freshness, move_revision
from mnemon_service.record.limit_values import limits_of, limits_text
from mnemon_service.record.projects import ProjectState
from mnemon_service.record.rows import checked_text
from mnemon_service.record.schema import projects
from mnemon_service.record.times import Clock, from_micros, to_micros

_GET: Final = sa.select(project_settings).where(project_settings.c.project_id == sa.bindparam("project_id"))
_LOCK_PROJECT: Final = (
    sa.select(projects.c.state).where(projects.c.id == sa.bindparam("project_id")).with_for_update()
)


class StoredSettings:
    """Implements `model.settings.SettingsSource`."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, freshness: Freshness) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._freshness = freshness
        self._cache: FreshCache[str, ProjectSettings] = FreshCache(freshness, self._load)

    async def of(self, project_id: str) -> ProjectSettings:
        """The project's settings as they were at most a second ago; the defaults if nobody changed them."""
        return await self._cache.get(project_id)

    async def _load(self, project_id: str) -> ProjectSettings:
        return await self._database.read(lambda connection: _get(connection, project_id))

    async def update(
        self,
        project_id: str,
        change: Callable[[ProjectSettings], ProjectSettings],
        event: AuditEvent,
        *,
        etag: str = "",
    ) -> ProjectSettings:
        """What `change` makes of the present settings, as the next version, audited as `event`.

        Raises `Aborted` (ETAG_MISMATCH, metadata `etag`) if an `etag` is given that is not the present
        one, `NotFound` (RESOURCE_NOT_FOUND) for an unknown project; what `change` raises.
        """

        def work(connection: Connection) -> ProjectSettings:
            state = connection.scalar(_LOCK_PROJECT, {"project_id": project_id})
            if state is None or state == ProjectState.DELETING.value:
                raise NotFound("there is no such project", reason=Reason.RESOURCE_NOT_FOUND)
            before = _get(connection, project_id)
            if etag and etag != before.etag:
                raise Aborted("the settings were changed", metadata={"etag": before.etag})
            now = to_micros(self._clock())
            after = replace(change(before), version=before.version + 1, update_time=from_micros(now))
            self._put(connection, project_id, after, now)
            self._audit.append(connection, event)
            move_revision(connection)
            return after

        settings = await self._database.write(work)
        self._freshness.changed()
        return settings

    def _put(self, connection: Connection, project_id: str, settings: ProjectSettings, now: int) -> None:
        values = _values(settings)
        _check_texts(values)
        body = json.dumps(values, ensure_ascii=False)
        statement = self._database.dialect.insert(project_settings)
        statement = statement.on_conflict_do_update(
            index_elements=["project_id"],
            set_={name: statement.excluded[name] for name in ("version", "update_time", "body")},
        )
        row = {"project_id": project_id, "version": settings.version, "update_time": now, "body": body}
        connection.execute(statement, row)


def _get(connection: Connection, project_id: str) -> ProjectSettings:
    row = connection.execute(_GET, {"project_id": project_id}).one_or_none()
    if row is None:
        return ProjectSettings()
    settings = _settings_of(json.loads(row.body))
    return replace(settings, version=row.version, update_time=from_micros(row.update_time))


def _values(settings: ProjectSettings) -> dict[str, Any]:
    """The settings as JSON."""
    return {
        "custom_instructions": settings.custom_instructions,
        "agent_instructions": dict(settings.agent_instructions),
        "categories": [[name, description] for name, description in settings.categories.items()],
        "includes": list(settings.includes),
        "excludes": list(settings.excludes),
        "extraction_model": settings.extraction_model,
        "reranker": settings.reranker,
        "deleted_retention": _seconds(settings.deleted_retention),
        "message_log_disabled": settings.message_log_disabled,
        "message_retention": _seconds(settings.message_retention),
        "messages_per_scope": settings.messages_per_scope,
        "limits": limits_text(settings.limits),
        "content_policy": settings.content_policy.value,
        "request_log_retention": _seconds(settings.request_log_retention),
    }


def _check_texts(value: object) -> None:
    """Raise `InvalidArgument` for a text that a database could not keep."""
    if isinstance(value, str):
        checked_text("settings", value)
    elif isinstance(value, Mapping):
        _check_texts([*value.keys(), *value.values()])
    elif isinstance(value, list):
        for inner in value:
            _check_texts(inner)


def _settings_of(values: dict[str, Any]) -> ProjectSettings:
    """The settings in such JSON. A row of a later release may say more: it is left out; what a row of an
    earlier one lacks has its default."""
    default = ProjectSettings()
    known = {name: value for name, value in values.items() if name in _values(default)}
    known["categories"] = dict(known.get("categories", ()))
    for name in ("includes", "excludes"):
        known[name] = tuple(known.get(name, ()))
    for name in ("deleted_retention", "message_retention", "request_log_retention"):
        seconds = known.get(name)
        known[name] = getattr(default, name) if seconds is None else timedelta(seconds=seconds)
    known["limits"] = limits_of(known.get("limits", "{}"))
    known["content_policy"] = ContentPolicy(known.get("content_policy", ContentPolicy.OFF.value))
    return ProjectSettings(**known)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
