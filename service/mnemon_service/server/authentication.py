"""Who is calling."""

from __future__ import annotations

from typing import Final, Protocol

from mnemon_service.model.caller import Caller, KeyRole

Metadata = tuple[tuple[str, str | bytes], ...]

DEFAULT_PROJECT: Final = "default"
"""The project that exists from the first start, and the only one without authentication."""


class Authenticator(Protocol):
    """Turns what a call brings along into a caller."""

    async def authenticate(self, metadata: Metadata, peer_identities: tuple[str, ...]) -> Caller:
        """The caller. Raises `Unauthenticated` (API_KEY_MISSING, _INVALID, _EXPIRED, _REVOKED).

        `peer_identities` are the names in a verified client certificate; empty without mTLS.
        """
        ...

    async def confirm(self, caller: Caller) -> None:
        """Returns if a caller of before may still call. Raises as `authenticate` does, `PermissionDenied`
        (PROJECT_DISABLED), `Unavailable` (RECORD_UNAVAILABLE) if that cannot be told now."""
        ...


class OpenDoor:
    """Authentication switched off (`--auth off`, loopback only): everybody is root of the default project."""

    async def authenticate(self, metadata: Metadata, peer_identities: tuple[str, ...]) -> Caller:
        """The one caller there is."""
        return Caller(project_id=DEFAULT_PROJECT, role=KeyRole.ROOT)

    async def confirm(self, caller: Caller) -> None:
        """The door stays open."""
