"""Tokens that carry a place in a list to the next call, and that nobody can make or change but us."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any, Final

from mnemon_service.model.errors import InvalidArgument, Reason

KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 16
"""128 bits of HMAC-SHA256."""


class PageTokens:
    """Signs and checks page tokens with a key of this installation."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, query: object, position: list[Any]) -> str:
        """A token for what comes after `position` in the list of `query`; both are JSON values.

        It holds the position and the signature of both, not the query.
        """
        place = json.dumps(position, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(query, place) + place).decode().rstrip("=")

    def read(
        self,
        query: object,
        token: str,
        *,
        field: str = "page_token",
        reason: Reason = Reason.PAGE_TOKEN_INVALID,
    ) -> list[Any]:
        """The position in a token for the same query. Raises `InvalidArgument` naming the request's field."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _invalid(field, reason) from None
        signature, place = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if not hmac.compare_digest(signature, self._sign(query, place)):
            raise _invalid(field, reason)
        position: list[Any] = json.loads(place)
        return position

    def _sign(self, query: object, place: bytes) -> bytes:
        said = json.dumps(query, separators=(",", ":"), sort_keys=True, default=str).encode()
        message = hashlib.sha256(said).digest() + place
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_DIGEST_BYTES]


def _invalid(field: str, reason: Reason) -> InvalidArgument:
    return InvalidArgument.of(field, "is damaged or belongs to another query", reason)
