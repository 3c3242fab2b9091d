"""Whose memory it is.

Made from mnemon/v1/scope.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass

from mnemon._record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope(Record):
    """Up to four ids that say whose memory it is. Each is 1 to 256 bytes without control characters.

    A write stores exactly the ids it names and must name at least one. A read selects every memory
    that carries all the ids it names, whatever else the memory carries: a search for a user finds
    that user's memories from all agents and runs unless these are named too. The server ANDs the
    scope to every read last; no filter can widen it. There is no wildcard: "*" is an ordinary id.
    """

    user_id: str = ""
    """The person or account the memory is about."""

    agent_id: str = ""
    """The agent that remembers."""

    app_id: str = ""
    """The application or product."""

    run_id: str = ""
    """One conversation, session or task."""
