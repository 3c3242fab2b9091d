"""The keys of the first start: on a laptop nobody should have to make one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from mnemon_service.data_directory import DataDirectoryUnusable
from mnemon_service.model.api_key import ApiKey
from mnemon_service.model.caller import KeyRole
from mnemon_service.record.keys import IssuedKey
from mnemon_service.record.record import Record

KEYS_DIRECTORY: Final = "keys"
ROOT_FILE: Final = "root.key"
DEFAULT_FILE: Final = "default.key"
"""The SDKs and the command line look for it, for servers on loopback addresses."""


def default_key_file(data_directory: Path) -> Path:
    """Where the key of the default project is, if this data directory saw the first start."""
    return data_directory / KEYS_DIRECTORY / DEFAULT_FILE


async def ensure_first_keys(record: Record, data_directory: Path, project_id: str) -> bool:
    """If the record knows no ROOT key in force: makes one and an ADMIN key of the project, and writes them
    into `keys/` of the data directory (directory 0700, files 0600). True if it did.

    Raises `DataDirectoryUnusable` if they cannot be written; then no key is made.
    """
    directory = data_directory / KEYS_DIRECTORY
    wanted = {
        ROOT_FILE: ApiKey("", "", KeyRole.ROOT, "first root key"),
        DEFAULT_FILE: ApiKey("", project_id, KeyRole.ADMIN, "first key of the default project"),
    }

    def publish(issued: list[IssuedKey]) -> None:
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            directory.chmod(0o700)
            for name, key in zip(wanted, issued, strict=True):
                write_private(directory / name, key.secret)
        except OSError as error:
            raise DataDirectoryUnusable(
                f"cannot write the first keys into {directory}: {error.strerror}"
            ) from None

    return await record.keys.ensure_first(list(wanted.values()), publish)


def write_private(path: Path, secret: str) -> None:
    """The whole file or none, readable by its owner only, and on the disk."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
