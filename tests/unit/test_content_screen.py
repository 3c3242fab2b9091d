"""The content policy finds what has a form, leaves what only looks like it, and never tells the text."""

from __future__ import annotations

import itertools
import time

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.memory.content_screen import Kind, PolicyScreen, findings, redacted
from mnemon_service.model.api_key import new_key_id, new_secret
from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.model.settings import ContentPolicy, ProjectSettings

REDACT = ProjectSettings(content_policy=ContentPolicy.REDACT)
REFUSE = ProjectSettings(content_policy=ContentPolicy.REFUSE)


def made(*parts: str) -> str:
    """A secret put together here, so that no scanner takes this file for a leak."""
    return "".join(parts)


FOUND = [
    ("Write to ana.b+x@mail.example.co.uk.", "Write to [redacted email address]."),
    ("Call +34 612 345 678, please", "Call [redacted phone number], please"),
    ("Call (415) 867-5309 or +49 (0)30 901820!", "Call [redacted phone number] or [redacted phone number]!"),
    ("Card 4111 1111 1111 1111 ok", "Card [redacted card number] ok"),
    ("5500-0000-0000-0004", "[redacted card number]"),
    ("IBAN DE89 3704 0044 0532 0130 00 PLEASE", "IBAN [redacted bank account] PLEASE"),
    ("to GB29NWBK60161331926819.", "to [redacted bank account]."),
    (f"key {made('AKIA', 'IOSFODNN7EXAMPLE')} leaked", "key [redacted API key] leaked"),
    (f"{made('ghp_', 'a1' * 18)}", "[redacted API key]"),
    (f"use {made('sk-proj-', 'Ab1_' * 10)}", "use [redacted API key]"),
    (f"{made('AIza', 'x' * 35)}", "[redacted API key]"),
    (f"{made('xoxb-', '123456789012-abcdefghijkl')}", "[redacted API key]"),
    (f"{made('sk_live_', 'a' * 24)}", "[redacted API key]"),
    ("my password is hunter22!", "my password is [redacted password]!"),
    ("api_key = 'c0ffee12'", "api_key = '[redacted password]'"),
    ("postgres://bob:s3cret@db/x", "postgres://bob:[redacted password]@db/x"),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nMIIE+/=\n-----END RSA PRIVATE KEY-----.",
        "[redacted private key].",
    ),
]
LEFT = [
    "The password is required before noon.",
    "Card 4111 1111 1111 1112 fails the checksum.",
    "0000 0000 0000 0000",
    "Order 1234567890 was shipped on 2026-05-07, version 3.11.4.",
    "GB29 NWBK 6016 1331 9268 18 has a wrong checksum",
    "Ana runs 7.5 km in 42 minutes; she was born 1987-03-04.",
    "@ana met Bo @ the café at 10:30",
    "sk-ating is fun, and so is a desk-job",
    "https://example.com/a:b@c is no login",
    "Ana und Bo wohnen in Straße 12, 10115 Berlin.",
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_what_has_a_form_is_redacted(text: str, expected: str) -> None:
    assert PolicyScreen().screen(REDACT, [text]) == [expected]


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    assert PolicyScreen().screen(REDACT, [text]) == [text]


def test_our_own_keys_are_found() -> None:
    secret = new_secret(new_key_id())
    assert PolicyScreen().screen(REDACT, [f"I use {secret} there"]) == ["I use [redacted API key] there"]


def test_refusing_names_the_kinds_and_not_the_text() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        PolicyScreen().screen(REFUSE, ["fine", "ana@example.com, bo@example.com, +34 612 345 678"])
    assert refused.value.reason is Reason.CONTENT_REFUSED
    assert "email address (2), phone number (1)" in refused.value.message
    assert "example.com" not in refused.value.message
    assert refused.value.metadata == {"kinds": "email address,phone number"}


def test_findings_are_logged_by_kind_and_count_only() -> None:
    with structlog.testing.capture_logs() as logs:
        PolicyScreen().screen(REDACT, ["ana@example.com"])
    assert logs == [
        {
            "event": "content screened",
            "log_level": "info",
            "policy": "REDACT",
            "found": {"email address": 1},
        }
    ]


def test_a_project_without_a_policy_stores_what_it_is_given() -> None:
    texts = [text for text, _ in FOUND]
    assert PolicyScreen().screen(ProjectSettings(), texts) == texts


@given(st.text(max_size=300))
def test_redaction_keeps_all_else_and_redacts_once(text: str) -> None:
    found = findings(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(first.end <= second.start for first, second in itertools.pairwise(found))
    kept = text
    for one in reversed(found):
        kept = kept[: one.start] + f"[redacted {one.kind.value}]" + kept[one.end :]
    assert redacted(text, found) == kept


@pytest.mark.parametrize(
    "piece",
    ["a@", "1 ", "4111 ", "+1 ", "AB12 ", "DE89 3704 ", "-----BEGIN PRIVATE KEY-----", "sk-", "a.", "a://"],
)
def test_no_text_keeps_the_server_busy(piece: str) -> None:
    """Twice the text takes about twice the time, and far less than a second."""
    text = piece * (20_000 // len(piece))
    begun = time.process_time()
    findings(text)
    assert time.process_time() - begun < 1.0


def test_where_two_kinds_overlap_the_more_telling_one_counts() -> None:
    [one] = findings(made("password: sk-proj-", "Ab1_" * 10))
    assert one.kind is Kind.API_KEY
