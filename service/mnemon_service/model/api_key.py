"""API keys: how one looks, what is kept of it, and what it may do.

A key is `mn_<id>_<secret><checksum>` in the digits and letters of ASCII: an id of 12 characters, which
lists and logs may show; a secret of 43, which carries 256 random bits; and a checksum of 6, the CRC-32 of
all that goes before it. Scanners of source code find leaked keys by
`mn_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}`, and the checksum tells them from look-alikes without a question to
the server.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mnemon_service.model.caller import KeyRole
from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import Limits

PREFIX: Final = "mn_"
ID_CHARACTERS: Final = 12
SECRET_BITS: Final = 256
_SECRET_CHARACTERS: Final = 43
"""62 ** 43 is just above 2 ** 256."""
_CHECKSUM_CHARACTERS: Final = 6
"""62 ** 6 is above 2 ** 32."""
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM: Final = re.compile(
    rf"mn_([0-9A-Za-z]{{{ID_CHARACTERS}}})_[0-9A-Za-z]{{{_SECRET_CHARACTERS + _CHECKSUM_CHARACTERS}}}"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret."""

    id: str
    project_id: str
    """Empty for ROOT."""
    role: KeyRole
    display_name: str = ""
    bound_scope: Scope = Scope()
    limits: Limits = Limits()
    create_time: datetime | None = None
    expire_time: datetime | None = None
    revoke_time: datetime | None = None
    last_use_time: datetime | None = None
    """To the minute or so."""


def new_key_id() -> str:
    """An id that no other key has: 71 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_CHARACTERS))


def new_secret(key_id: str) -> str:
    """The whole key, with 256 fresh random bits; shown once and never kept."""
    stem = f"{PREFIX}{key_id}_{_in_base62(secrets.randbits(SECRET_BITS), _SECRET_CHARACTERS)}"
    return stem + _checksum(stem)


def key_id_of(secret: str) -> str | None:
    """The id in a key; None if it is no key by its form and checksum."""
    found = _FORM.fullmatch(secret)
    if found is None or _checksum(secret[:-_CHECKSUM_CHARACTERS]) != secret[-_CHECKSUM_CHARACTERS:]:
        return None
    return found.group(1)


def secret_hash(secret: str) -> bytes:
    """What is kept of a key: SHA-256. A slow hash protects guessable passwords; 256 random bits need none,
    and every call would pay for it."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(stem: str) -> str:
    return _in_base62(zlib.crc32(stem.encode()), _CHECKSUM_CHARACTERS)


def _in_base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
