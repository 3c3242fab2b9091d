"""Lower case as `Op.ICONTAINS` means it: one character gives one character, whatever stands beside it."""

from __future__ import annotations

from functools import cache


def fold(text: str) -> str:
    """`text` in Unicode simple lower case, of the same length.

    Unlike `str.lower`, which turns a final sigma into another letter than a sigma inside a word and
    one dotted capital I into two characters: then a substring found before folding may not be found
    after it, and the engines disagree.
    """
    return text.lower() if text.isascii() else text.translate(_table())


def folding_pairs() -> tuple[str, str]:
    """Every character that `fold` changes, and beside it what it becomes: two strings of one length."""
    table = _table()
    return "".join(map(chr, table)), "".join(table.values())


@cache
def _table() -> dict[int, str]:
    table = {}
    for code in range(0x110000):
        character = chr(code)
        lower = character.lower()[:1]
        if lower != character:
            table[code] = lower
    return table
