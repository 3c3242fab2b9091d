"""Waiting for a server's index, so that what is measured does not share the processor with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mnemon_service.app.index_choice import cursor_name
from mnemon_service.record.record import Record
from mnemon_service.settings import Settings

POLL_SECONDS = 0.5


async def index_filled(data_dir: Path, database: Path, seconds: float) -> None:
    """Returns when the index in a data directory has applied the whole log of every project.

    Raises TimeoutError if that takes longer than `seconds`.
    """
    name = cursor_name(Settings.model_validate({"data_dir": data_dir}), data_dir)
    record = await Record.open(database)
    try:
        async with asyncio.timeout(seconds):
            while await record.index_cursors.behind(name):  # noqa: ASYNC110 (another process fills it)
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await record.close()
