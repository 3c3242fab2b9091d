"""How many tokens a text may cost, without the model's tokenizer."""

from __future__ import annotations

BYTES_PER_TOKEN = 3
"""Of UTF-8. English prose has about 4.4 bytes a token with current tokenizers, German and Spanish
3.5 to 4, Cyrillic 5, Chinese and Japanese 3 to 4, code 3 to 3.5: so the estimate is rarely too low,
and for English a third too high. Budgets keep room for the rest."""


def estimate_tokens(text: str) -> int:
    """A conservative estimate of the tokens of `text`: a third of its bytes, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
