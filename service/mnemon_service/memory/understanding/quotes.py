"""Finds a quote in the text it was taken from, whatever happened to its spaces and quotation marks."""

from __future__ import annotations

_MARKS = {
    **dict.fromkeys("“”„‟«»″＂", '"'),
    **dict.fromkeys("‘’‚‛‹›′`´＇", "'"),
}
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad")
_OUTER = " \"'"


class Quotable:
    """A text that is quoted from. Keeps the text in one spelling, so that many quotes are found quickly."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._folded: tuple[str, list[int]] | None = None

    def find(self, quote: str) -> str | None:
        """The exact span of the text that `quote` repeats, or None.

        Runs of white space count as one blank, all quotation marks of a kind as one, invisible
        characters (zero-width spaces, soft hyphens) as none; everything else must agree, case too.
        White space and quotation marks around the quote are the model's own and may be missing in
        the text. A quote without a letter or digit is none.
        """
        if not any(character.isalnum() for character in quote):
            return None
        if (plain := quote.strip()) in self._text:
            return plain
        if self._folded is None:
            self._folded = _fold(self._text)
        folded, places = self._folded
        wanted = _fold(quote)[0]
        for candidate in (wanted.strip(), wanted.strip(_OUTER)):
            start = folded.find(candidate)
            if start >= 0:
                return self._text[places[start] : places[start + len(candidate) - 1] + 1]
        return None


def _fold(text: str) -> tuple[str, list[int]]:
    """The text in one spelling, and the place in the original of each of its characters."""
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character in _INVISIBLE:
            continue
        if character.isspace():
            if folded and folded[-1] == " ":
                continue
            character = " "
        folded.append(_MARKS.get(character, character))
        places.append(place)
    return "".join(folded), places
