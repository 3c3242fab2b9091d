"""Whose memory it is: the four scope ids and how a read selects by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCOPE_FIELDS: Final = ("user_id", "agent_id", "app_id", "run_id")
"""The scope ids, from the most to the least owning: the first one set owns the memory."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Up to four ids, each 1 to 256 bytes; an empty string means "not named".

    A write stores exactly these ids. A read finds every memory that carries all the named ids,
    whatever it carries besides: a search for a user finds that user's memories from all agents.
    """

    user_id: str = ""
    agent_id: str = ""
    app_id: str = ""
    run_id: str = ""

    def named(self) -> dict[str, str]:
        """The ids that are set, by field name, in `SCOPE_FIELDS` order."""
        return {field: value for field in SCOPE_FIELDS if (value := getattr(self, field))}

    @property
    def is_empty(self) -> bool:
        """True if no id is named."""
        return not (self.user_id or self.agent_id or self.app_id or self.run_id)

    @property
    def owner(self) -> str:
        """What the index shards by: the first id that is set, with its kind, as `user_id:ana`.

        A read knows the one owner of all it can find only if it names a user: memories of an agent
        may be owned by any user, see `owner_of_read`.
        """
        for field in SCOPE_FIELDS:
            if value := getattr(self, field):
                return f"{field}:{value}"
        return ""

    @property
    def owner_of_read(self) -> str | None:
        """The owner of everything this scope selects, or None if several owners may hold it."""
        return self.owner if self.user_id else None

    def selects(self, stored: Scope) -> bool:
        """True if a memory stored under `stored` lies in this scope of a read."""
        return all(getattr(stored, field) == value for field, value in self.named().items())

    def narrowed_by(self, bound: Scope) -> Scope | None:
        """This scope with a key's bound scope ANDed to it; None if the two exclude each other."""
        merged: dict[str, str] = {}
        for field in SCOPE_FIELDS:
            mine, theirs = getattr(self, field), getattr(bound, field)
            if mine and theirs and mine != theirs:
                return None
            merged[field] = mine or theirs
        return Scope(**merged)
