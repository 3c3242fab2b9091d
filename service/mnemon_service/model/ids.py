"""Ids of things: UUIDv7 in canonical text form, so that they sort by the time they were made."""

from __future__ import annotations

import uuid

import uuid_utils


def new_id() -> str:
    """A new id; ids made later by this process sort later."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """True for a UUID of any version in its canonical text form: 36 characters, lower case, hyphens."""
    try:
        return len(text) == 36 and str(uuid.UUID(text)) == text
    except ValueError:
        return False
