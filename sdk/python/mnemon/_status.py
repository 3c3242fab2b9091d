"""From the transport's errors to ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from mnemon._errors import BY_CODE, BY_REASON, InternalError, MnemonError, Violation

DETAILS_KEY = "grpc-status-details-bin"
"""The trailing metadata that carries `google.rpc.Status`."""


@dataclass
class Details:
    """What a `google.rpc.Status` says beyond code and message."""

    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    retry_after: float | None = None


def read_details(trailing_metadata: Iterable[Any] | None) -> Details:
    """What the trailing metadata says of the error; empty if it says nothing that we know."""
    details = Details()
    for key, value in trailing_metadata or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for item in status_pb2.Status.FromString(value).details:
                _read_detail(item, details)
    return details


def _read_detail(item: any_pb2.Any, details: Details) -> None:
    info, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    if item.Unpack(info):
        details.reason = info.reason
        details.metadata = dict(info.metadata)
    elif item.Unpack(bad):
        details.violations = [Violation(v.field, v.description) for v in bad.field_violations]
    elif item.Unpack(retry):
        details.retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9


def error_from(failure: grpc.RpcError) -> MnemonError:
    """The exception for a failed call, sync or async; see `mnemon._errors` for the table."""
    code = failure.code().name
    details = read_details(failure.trailing_metadata())
    made = BY_REASON.get((code, details.reason)) or BY_CODE.get(code, InternalError)
    return made(
        failure.details() or code,
        code=code,
        reason=details.reason,
        violations=details.violations,
        retry_after=details.retry_after,
        metadata=details.metadata,
    )
