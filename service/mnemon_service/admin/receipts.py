"""Receipts of erasures: what was erased, signed by this installation."""

from __future__ import annotations

import hashlib
import hmac
import json

from google.protobuf import json_format

from mnemon.v1 import operation_pb2


def canonical(receipt: operation_pb2.ErasureReceipt) -> bytes:
    """What is signed: the receipt without its signature as protobuf's JSON with every field, also the
    empty ones; keys sorted, no white space, UTF-8."""
    unsigned = operation_pb2.ErasureReceipt()
    unsigned.CopyFrom(receipt)
    unsigned.signature = ""
    fields = json_format.MessageToDict(unsigned, always_print_fields_with_no_presence=True)
    del fields["signature"]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(receipt: operation_pb2.ErasureReceipt, key: bytes) -> None:
    """Writes the signature into the receipt."""
    receipt.signature = hmac.new(key, canonical(receipt), hashlib.sha256).hexdigest()


def is_genuine(receipt: operation_pb2.ErasureReceipt, key: bytes) -> bool:
    """True if the signature is this installation's and nothing was changed."""
    expected = hmac.new(key, canonical(receipt), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, receipt.signature)
