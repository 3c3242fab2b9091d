"""What a passage states, line by line: without list marks, marks to cite by, and the lines that lead in."""

from __future__ import annotations

import re
from typing import Final

from mnemon_service.memory.extraction import sentences

_LIST_MARK: Final = re.compile(r"\A(?:[-*+•]|\d{1,3}[.)]|\[?m?\d{1,3}\])\s+")
_CITATION: Final = re.compile(r"\s*\[m?\d{1,3}\]\Z")


def statements(passage: str) -> tuple[str, ...]:
    """Its sentences and list items as they would stand alone; "What I know:" states nothing."""
    lines = [
        line for span in sentences.split(passage) for line in passage[span.start : span.end].splitlines()
    ]
    return tuple(text for line in lines if (text := _bare(line)) and not text.endswith(":"))


def _bare(line: str) -> str:
    """The line without its list mark and the mark to cite it by."""
    return _CITATION.sub("", _LIST_MARK.sub("", line.strip()))
