"""Callers by API key, or, behind mTLS, by the names in a verified client certificate."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from mnemon_service.model.api_key import key_id_of, secret_hash
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import MnemonError, PermissionDenied, Reason, Unauthenticated
from mnemon_service.record.keys import Keys, StoredKey
from mnemon_service.record.projects import ProjectState
from mnemon_service.record.record import Record
from mnemon_service.record.times import Clock, utc_now
from mnemon_service.server.authentication import Metadata

AUTHORIZATION: Final = "authorization"
_SCHEME: Final = "bearer "
USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""How often the last use of one key is written, at most."""

_log = structlog.get_logger("mnemon.keys")


class KeyAuthenticator:
    """Implements `server.authentication.Authenticator`. A call with a known key costs no database access."""

    def __init__(
        self, record: Record, *, certificates: Mapping[str, Caller] | None = None, clock: Clock = utc_now
    ) -> None:
        """`certificates`: callers by the name (SPIFFE id, DNS name …) in their client certificate."""
        self._keys = record.keys
        self._projects = record.project_changes
        self._certificates = dict(certificates or {})
        self._certificate_callers = {caller.key_id for caller in self._certificates.values()}
        self._clock = clock
        self._uses = _Uses(record.keys)

    async def authenticate(self, metadata: Metadata, peer_identities: tuple[str, ...]) -> Caller:
        """The caller: by its key if it sends one, else by its certificate.

        Raises `Unauthenticated` (API_KEY_MISSING, _INVALID, _EXPIRED, _REVOKED), `PermissionDenied`
        (PROJECT_DISABLED).
        """
        secret = _bearer(metadata)
        if secret is None:
            return await self._by_certificate(peer_identities)
        stored = await self._stored(secret)
        now = self._clock()
        _check_in_force(stored, now)
        key = stored.key
        self._uses.note(key.id, now)
        return Caller(key.project_id, key.role, key.id, key.bound_scope, key.limits)

    async def confirm(self, caller: Caller) -> None:
        """See `Authenticator`. Costs no database access while nothing about keys and projects changes."""
        if caller.key_id in self._certificate_callers:
            if caller.project_id:
                _check_open(await self._projects.state_of(caller.project_id))
            return
        stored = await self._keys.find(caller.key_id)
        if stored is None:
            raise Unauthenticated("the API key is gone", reason=Reason.API_KEY_INVALID)
        _check_in_force(stored, self._clock())

    async def close(self) -> None:
        """Waits until the last uses are written."""
        await self._uses.close()

    async def _by_certificate(self, peer_identities: tuple[str, ...]) -> Caller:
        for identity in peer_identities:
            if (caller := self._certificates.get(identity)) is not None:
                if caller.project_id:
                    _check_open(await self._projects.state_of(caller.project_id))
                return caller
        raise Unauthenticated("send your API key as metadata `authorization: Bearer mn_…`")

    async def _stored(self, secret: str) -> StoredKey:
        """The key of this secret. One answer for every wrong one: it does not tell which ids there are."""
        key_id = key_id_of(secret)
        stored = await self._keys.find(key_id) if key_id is not None else None
        if stored is None or not hmac.compare_digest(stored.secret_hash, secret_hash(secret)):
            raise Unauthenticated("this is no API key of this server", reason=Reason.API_KEY_INVALID)
        return stored


def _bearer(metadata: Metadata) -> str | None:
    """The key in the metadata; None if there is none. Raises `Unauthenticated` for another scheme, or two."""
    found = [value for key, value in metadata if key == AUTHORIZATION]
    if not found:
        return None
    value = found[0]
    if len(found) > 1 or not isinstance(value, str) or value[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated(
            "the metadata `authorization` must be one `Bearer mn_…`", reason=Reason.API_KEY_INVALID
        )
    return value[len(_SCHEME) :].strip()


def _check_in_force(stored: StoredKey, now: datetime) -> None:
    key = stored.key
    if key.revoke_time is not None:
        raise Unauthenticated("the API key was revoked", reason=Reason.API_KEY_REVOKED)
    if key.expire_time is not None and key.expire_time <= now:
        raise Unauthenticated("the API key's time is over", reason=Reason.API_KEY_EXPIRED)
    if key.role is not KeyRole.ROOT:
        _check_open(stored.project_state)


def _check_open(state: ProjectState | None) -> None:
    if state is not ProjectState.ACTIVE:
        raise PermissionDenied(
            "the key's project is switched off or being deleted", reason=Reason.PROJECT_DISABLED
        )


class _Uses:
    """Writes when keys were last used, in the background, each at most once a minute."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._written: dict[str, datetime] = {}
        self._waiting: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, key_id: str, now: datetime) -> None:
        written = self._written.get(key_id)
        if written is not None and now - written < USE_NOTED_EVERY:
            return
        self._written[key_id] = self._waiting[key_id] = now
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            times, self._waiting = self._waiting, {}
            try:
                await self._keys.note_use(times)
            except MnemonError as error:
                _log.warning("last use of keys not written", reason=error.reason.value)

    async def close(self) -> None:
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
