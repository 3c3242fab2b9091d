"""Who calls: what an API key says about the one who sent it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mnemon_service.model.scope import Scope
from mnemon_service.model.settings import Limits


class KeyRole(enum.IntEnum):
    """What a key may do; each role may do what the smaller ones may."""

    READER = 1
    WRITER = 2
    ADMIN = 3
    ROOT = 4


@dataclass(frozen=True, slots=True)
class Caller:
    """The project, the rights and the bounds of one caller."""

    project_id: str
    """Empty for root: it belongs to no project."""
    role: KeyRole
    key_id: str = ""
    """The key's public id; empty where authentication is off."""
    bound_scope: Scope = Scope()
    """If it names ids, the caller reads and writes only within them."""
    limits: Limits = Limits()
    """The key's own bounds, beside its project's."""
