"""What several integration tests need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mnemon_service.record.record import Record
from support.records import PROJECT


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[Record]:
    """On SQLite, with one project."""
    opened = await Record.open(tmp_path / "mnemon.db")
    await opened.projects.create(PROJECT)
    yield opened
    await opened.close()
