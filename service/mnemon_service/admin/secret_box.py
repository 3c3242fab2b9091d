"""Secrets that are kept to be used, as the signing keys of webhooks: sealed before they are stored."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

KEY_BYTES: Final = 32
_SEALED: Final = b"fernet:"
"""What a sealed secret begins with. A plain one is 32 random bytes: it is shorter than any sealed one."""


class SecretUnreadable(Exception):
    """The secret was sealed with a key that is not among the present ones."""


class BadSecretsKey(ValueError):
    """Not base64 of 32 bytes."""


class SecretBox:
    """Seals with the first key and opens with any (Fernet: AES-128-CBC with HMAC-SHA256)."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        """`keys`: base64 of 32 random bytes each, the present one first; none leaves secrets in plain.

        Raises `BadSecretsKey`.
        """
        made = [Fernet(base64.urlsafe_b64encode(_key_bytes(key))) for key in keys]
        self._newest = made[0] if made else None
        self._all = MultiFernet(made) if made else None

    @property
    def seals(self) -> bool:
        """False without a key."""
        return self._newest is not None

    def seal(self, secret: bytes) -> bytes:
        """As it is stored."""
        return secret if self._newest is None else _SEALED + self._newest.encrypt(secret)

    def open(self, stored: bytes) -> bytes:
        """The secret itself. Raises `SecretUnreadable`."""
        if not stored.startswith(_SEALED):
            return stored
        if self._all is None:
            raise SecretUnreadable
        try:
            return self._all.decrypt(stored.removeprefix(_SEALED))
        except InvalidToken:
            raise SecretUnreadable from None

    def renewed(self, stored: bytes) -> bytes:
        """As it should be stored: the same if the first key sealed it, or if there is none. Raises
        `SecretUnreadable`."""
        if self._newest is None or self._is_newest(stored):
            return stored
        return self.seal(self.open(stored))

    def _is_newest(self, stored: bytes) -> bool:
        if self._newest is None or not stored.startswith(_SEALED):
            return False
        try:
            self._newest.decrypt(stored.removeprefix(_SEALED))
        except InvalidToken:
            return False
        return True


def _key_bytes(key: str) -> bytes:
    """Of the plain or the URL-safe alphabet."""
    try:
        decoded = base64.b64decode(key.strip().translate(_PLAIN_ALPHABET), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecretsKey("a secrets key must be base64") from None
    if len(decoded) != KEY_BYTES:
        raise BadSecretsKey(f"a secrets key must be {KEY_BYTES} bytes in base64, not {len(decoded)}")
    return decoded


_PLAIN_ALPHABET: Final = str.maketrans("-_", "+/")
