"""An error of any size travels: statuses ride in metadata, which clients bound at 8 KiB."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.errors import InvalidArgument, Violation
from mnemon_service.server.errors import clipped, to_status


@given(st.text(max_size=2_000), st.integers(4, 600))
def test_a_clipped_text_fits_and_keeps_its_beginning(text: str, most: int) -> None:
    short = clipped(text, most)
    assert len(short.encode("utf-8", "replace")) <= most
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


def test_the_largest_error_fits_into_metadata() -> None:
    long = "ä" * 100_000
    violations = [Violation(long, long) for _ in range(1_000)]
    status = to_status(InvalidArgument(long, violations=violations, metadata={"etag": long}), "request")
    sent = sum(len(key) + len(value) * 4 // 3 for key, value in status.trailing_metadata)
    assert sent + 3 * len(status.details.encode()) < 8 * 1024
