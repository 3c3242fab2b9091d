"""A file that lies beside the index while it is open: found at a start, it says the last stop was unclean."""

from __future__ import annotations

import os
from pathlib import Path


class OpenMarker:
    """The marker of one index directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "open.marker"

    def put(self) -> bool:
        """Leave the marker; True if one was there already."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        unclean = self._file.exists()
        with self._file.open("w") as file:
            os.fsync(file.fileno())
        return unclean

    def remove(self) -> None:
        """Take the marker away, after everything was written."""
        self._file.unlink(missing_ok=True)

    def bytes_beside(self) -> int:
        """Size of all files of the index."""
        return sum(path.stat().st_size for path in self._directory.rglob("*") if path.is_file())
