"""The directory that one server owns."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_FILE = "server.lock"


class DataDirectoryUnusable(Exception):
    """The directory cannot be used; the message says why and what to do, in one line."""


class DataDirectory:
    """A directory that this process alone works on, until it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: int | None = None

    def acquire(self) -> None:
        """Makes the directory and takes its lock. Raises `DataDirectoryUnusable`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirectoryUnusable(
                f"cannot write to the data directory {self.path}: {error.strerror}; "
                "choose another with MNEMON_DATA_DIR"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise DataDirectoryUnusable(
                f"another server works on the data directory {self.path}; "
                "stop it, or choose another with MNEMON_DATA_DIR"
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Gives the lock back; the operating system does the same when the process dies."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
