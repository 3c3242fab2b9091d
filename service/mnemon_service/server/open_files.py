"""Open files: each connection takes one, and a process that has none left cannot open its database."""

from __future__ import annotations

import resource
from typing import Final

import structlog

OWN_FILES: Final = 256
"""Left for the database, the index, models and providers."""

_log = structlog.get_logger("mnemon.server")


def connections_within(wanted: int) -> int:
    """So many connections as are wanted, or as the system leaves room for beside the server's own files.

    Raises the process's soft limit of open files for that, as far as the hard one lets it (a shell's soft
    limit is often 1,024).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    possible = max(1, soft - OWN_FILES)
    _log.warning("fewer connections than asked for", maximum=possible, open_files=soft, asked_for=wanted)
    return possible
