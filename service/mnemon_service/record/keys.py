"""API keys: hashes of secrets, roles, bounds."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.api_key import ApiKey, new_key_id, new_secret, secret_hash
from mnemon_service.model.caller import KeyRole
from mnemon_service.model.errors import FailedPrecondition, NotFound, Reason
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.administration_schema import api_keys
from mnemon_service.record.audit import Audit, AuditEvent
from mnemon_service.record.database import Database, Result, Work
from mnemon_service.record.freshness import FreshCache, Freshness, move_revision
from mnemon_service.record.limit_values import limits_of, limits_text
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.projects import ProjectState
from mnemon_service.record.rows import checked_text
from mnemon_service.record.schema import projects
from mnemon_service.record.times import Clock, from_micros, optional_micros, optional_time, to_micros


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key, what its secret is compared with, and whether its project is in use."""

    key: ApiKey
    secret_hash: bytes
    project_state: ProjectState | None
    """None for a ROOT key, or if the project is gone."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, with its secret for the one who asked."""

    key: ApiKey
    secret: str


_GET: Final = (
    sa.select(api_keys, projects.c.state.label("project_state"))
    .select_from(api_keys.outerjoin(projects, projects.c.id == api_keys.c.project_id))
    .where(api_keys.c.id == sa.bindparam("id"))
)
_USED: Final = (
    sa.update(api_keys)
    .where(api_keys.c.id == sa.bindparam("key"))
    .values(last_use_time=sa.bindparam("time", type_=sa.BigInteger))
)


class Keys:
    """Care of the keys. Whoever may manage all keys gives None as the project."""

    def __init__(
        self, database: Database, clock: Clock, tokens: PageTokens, audit: Audit, freshness: Freshness
    ) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._audit = audit
        self._freshness = freshness
        self._cache: FreshCache[str, StoredKey | None] = FreshCache(freshness, self._load)

    async def find(self, key_id: str) -> StoredKey | None:
        """The key as it was at most a second ago, whatever its state; None if there is none."""
        return await self._cache.get(key_id)

    async def _load(self, key_id: str) -> StoredKey | None:
        row = await self._database.read(lambda c: c.execute(_GET, {"id": key_id}).one_or_none())
        return None if row is None else _stored_of(row)

    async def create(self, key: ApiKey, event: AuditEvent) -> IssuedKey:
        """A new key like `key`, with an id and a secret of its own. Raises `NotFound` (RESOURCE_NOT_FOUND)
        for an unknown project."""
        issued = self._issue(key)

        def work(connection: Connection) -> None:
            if key.project_id:
                _require_project(connection, key.project_id)
            self._insert(connection, issued, event)

        await self._change(work)
        return issued

    async def ensure_first(
        self,
        keys: builtins.list[ApiKey],
        publish: Callable[[builtins.list[IssuedKey]], None],
    ) -> bool:
        """Makes the keys of a first start if no ROOT key is in force; true if it did.

        `publish` hands their secrets to the operator before the commit: a crash between the two leaves
        secrets of no key, never a key whose secret nobody has.
        """
        issued = [self._issue(key) for key in keys]

        def work(connection: Connection) -> bool:
            self._audit.lock(connection)
            if _has_root(connection, to_micros(self._clock())):
                return False
            for one in issued:
                event = AuditEvent(
                    "CreateApiKey", "", one.key.project_id, f"first start, role {one.key.role.name}"
                )
                self._insert(connection, one, event)
            publish(issued)
            return True

        return await self._change(work)

    def _issue(self, key: ApiKey) -> IssuedKey:
        key_id = new_key_id()
        issued = replace(key, id=key_id, create_time=self._clock(), revoke_time=None, last_use_time=None)
        return IssuedKey(issued, new_secret(key_id))

    def _insert(self, connection: Connection, issued: IssuedKey, event: AuditEvent) -> None:
        connection.execute(sa.insert(api_keys), _values(issued))
        self._audit.append(connection, replace(event, resource=_name(issued.key)))

    async def list(
        self, project_id: str, *, show_ended: bool = False, page_size: int = 50, page_token: str = ""
    ) -> tuple[builtins.list[ApiKey], str]:
        """Keys of a project (empty: ROOT keys), newest first, and the next page's token."""
        name = ["keys", project_id, show_ended]
        query = sa.select(api_keys).where(api_keys.c.project_id == project_id)
        if not show_ended:
            query = query.where(_works(to_micros(self._clock())))
        if page_token:
            time, key_id = self._tokens.read(name, page_token)
            place = sa.tuple_(sa.literal(time, sa.BigInteger), sa.literal(key_id))
            query = query.where(sa.tuple_(api_keys.c.create_time, api_keys.c.id) < place)
        query = query.order_by(api_keys.c.create_time.desc(), api_keys.c.id.desc()).limit(page_size + 1)

        def work(connection: Connection) -> builtins.list[ApiKey]:
            return [_key_of(row) for row in connection.execute(query)]

        found = await self._database.read(work)
        if len(found) <= page_size:
            return found, ""
        last = found[page_size - 1]
        return found[:page_size], self._tokens.issue(name, [optional_micros(last.create_time), last.id])

    async def revoke(self, key_id: str, project_id: str | None, event: AuditEvent) -> ApiKey:
        """Ends a key; one that was revoked before stays as it is. Raises `NotFound`
        (RESOURCE_NOT_FOUND) for an unknown key or one of another project."""

        def work(connection: Connection) -> ApiKey:
            key = _locked(connection, key_id, project_id)
            if key.revoke_time is not None:
                return key
            now = self._clock()
            _set(connection, key_id, revoke_time=to_micros(now))
            self._audit.append(connection, replace(event, resource=_name(key), project_id=key.project_id))
            return replace(key, revoke_time=now)

        return await self._change(work)

    async def rotate(
        self, key_id: str, project_id: str | None, overlap: timedelta, event: AuditEvent
    ) -> tuple[IssuedKey, ApiKey]:
        """A new key like the old one, and the old one with the time at which it ends: after `overlap`, or
        at its own expiry if that comes first.

        Raises `NotFound` as `revoke`, `FailedPrecondition` for a key that has ended.
        """

        def work(connection: Connection) -> tuple[IssuedKey, ApiKey]:
            old = _locked(connection, key_id, project_id)
            now = self._clock()
            if not is_valid(old, now):
                raise FailedPrecondition("the key has ended; make a new one", reason=Reason.API_KEY_REVOKED)
            issued = self._issue(old)
            end = min(now + overlap, old.expire_time or datetime.max.replace(tzinfo=now.tzinfo))
            _set(connection, key_id, expire_time=to_micros(end))
            detail = f"replaces {old.id}, which ends {end.isoformat(timespec='seconds')}"
            self._insert(connection, issued, replace(event, project_id=old.project_id, detail=detail))
            return issued, replace(old, expire_time=end)

        return await self._change(work)

    async def note_use(self, times: Mapping[str, datetime]) -> None:
        """Keeps when keys were last used."""
        rows = [{"key": key_id, "time": to_micros(time)} for key_id, time in times.items()]
        await self._database.write(lambda connection: connection.execute(_USED, rows))

    async def _change(self, work: Work[Result]) -> Result:
        def moved(connection: Connection) -> Result:
            result = work(connection)
            move_revision(connection)
            return result

        result = await self._database.write(moved)
        self._freshness.changed()
        return result


def is_valid(key: ApiKey, now: datetime) -> bool:
    """True unless it is revoked or has expired."""
    return key.revoke_time is None and (key.expire_time is None or key.expire_time > now)


def _name(key: ApiKey) -> str:
    return f"apiKeys/{key.id}"


def _works(now: int) -> sa.ColumnElement[bool]:
    forever = api_keys.c.expire_time.is_(None)
    return sa.and_(api_keys.c.revoke_time.is_(None), sa.or_(forever, api_keys.c.expire_time > now))


def _has_root(connection: Connection, now: int) -> bool:
    query = sa.select(api_keys.c.id).where(api_keys.c.role == int(KeyRole.ROOT), _works(now)).limit(1)
    return connection.execute(query).first() is not None


def _require_project(connection: Connection, project_id: str) -> None:
    state = connection.scalar(sa.select(projects.c.state).where(projects.c.id == project_id))
    if state is None or state == ProjectState.DELETING.value:
        raise NotFound("there is no such project", reason=Reason.RESOURCE_NOT_FOUND)


def _locked(connection: Connection, key_id: str, project_id: str | None) -> ApiKey:
    row = connection.execute(
        sa.select(api_keys).where(api_keys.c.id == checked_text("key_id", key_id)).with_for_update()
    ).one_or_none()
    if row is None or project_id not in (None, row.project_id):
        raise NotFound("there is no such key", reason=Reason.RESOURCE_NOT_FOUND)
    return _key_of(row)


def _set(connection: Connection, key_id: str, **values: int) -> None:
    connection.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(values))


def _values(issued: IssuedKey) -> dict[str, Any]:
    key = issued.key
    return {
        "id": key.id,
        "project_id": key.project_id,
        "secret_hash": secret_hash(issued.secret),
        "display_name": checked_text("display_name", key.display_name),
        "role": int(key.role),
        **{field: checked_text("bound_scope", getattr(key.bound_scope, field)) for field in SCOPE_FIELDS},
        "limits": limits_text(key.limits),
        "create_time": optional_micros(key.create_time),
        "expire_time": optional_micros(key.expire_time),
    }


def _key_of(row: Any) -> ApiKey:  # noqa: ANN401 (a row)
    return ApiKey(
        id=row.id,
        project_id=row.project_id,
        role=KeyRole(row.role),
        display_name=row.display_name,
        bound_scope=Scope(row.user_id, row.agent_id, row.app_id, row.run_id),
        limits=limits_of(row.limits),
        create_time=from_micros(row.create_time),
        expire_time=optional_time(row.expire_time),
        revoke_time=optional_time(row.revoke_time),
        last_use_time=optional_time(row.last_use_time),
    )


def _stored_of(row: Any) -> StoredKey:  # noqa: ANN401 (a row)
    state = ProjectState(row.project_state) if row.project_state is not None else None
    return StoredKey(_key_of(row), bytes(row.secret_hash), state)
