"""A receipt's signature holds for exactly what it says."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from mnemon.v1 import operation_pb2
from mnemon_service.admin.receipts import canonical, is_genuine, sign

KEY = b"k" * 32


def receipt() -> operation_pb2.ErasureReceipt:
    made = operation_pb2.ErasureReceipt(
        memory_count=3, version_count=7, message_count=2, entity_count=1, sequence=12
    )
    made.subject.user_id = "zoë"
    made.erase_time.seconds = 1_700_000_000
    sign(made, KEY)
    return made


def test_what_is_signed_can_be_written_down_by_anybody() -> None:
    expected = {
        "entityCount": "1",
        "eraseTime": "2023-11-14T22:13:20Z",
        "memoryCount": "3",
        "messageCount": "2",
        "sequence": "12",
        "subject": {"agentId": "", "appId": "", "runId": "", "userId": "zoë"},
        "versionCount": "7",
    }
    text = json.dumps(expected, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert canonical(receipt()) == text
    assert receipt().signature == hmac.new(KEY, text, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "field", ["memory_count", "version_count", "message_count", "entity_count", "sequence"]
)
def test_a_changed_receipt_is_not_genuine(field: str) -> None:
    assert is_genuine(receipt(), KEY)
    changed = receipt()
    setattr(changed, field, 0)
    assert not is_genuine(changed, KEY)
    assert not is_genuine(receipt(), b"x" * 32)


def test_another_subject_is_not_covered() -> None:
    changed = receipt()
    changed.subject.user_id = "bo"
    assert not is_genuine(changed, KEY)
