"""Wakes who waits for changes: no polling."""

from __future__ import annotations


class ChangeSignal:
    """Tells within milliseconds that a project's log has grown, on this replica and the others."""

    async def wait_beyond(self, project_id: str, sequence: int, timeout: float) -> bool:
        """True as soon as the log of the project goes beyond `sequence`, False after `timeout` seconds."""
        raise NotImplementedError

    async def wait_any(self, timeout: float) -> None:
        """Returns at the next change of any project, at the latest after `timeout` seconds."""
        raise NotImplementedError
