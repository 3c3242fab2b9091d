"""From the domain's errors to gRPC statuses: the one place where this is decided."""

from __future__ import annotations

import asyncio
from typing import Final

import grpc
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from mnemon_service.model import errors

DOMAIN: Final = "mnemon"
"""`google.rpc.ErrorInfo.domain` of every error."""

MESSAGE_BYTES: Final = 512
"""Longest message; clients refuse metadata above 8 KiB, and a message travels in it twice."""
DETAIL_BYTES: Final = 256
"""Longest path, description or metadata value in a detail."""
VIOLATIONS_BYTES: Final = 3_072
"""All wrong fields that are named; the message says how many there are."""

STATUS_CODES: Final[dict[type[errors.MnemonError], int]] = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.Aborted: code_pb2.ABORTED,
    errors.OutOfRange: code_pb2.OUT_OF_RANGE,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.PermissionDenied: code_pb2.PERMISSION_DENIED,
    errors.ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    errors.Unimplemented: code_pb2.UNIMPLEMENTED,
    errors.Internal: code_pb2.INTERNAL,
}


def code_of(error: errors.MnemonError) -> int:
    """The canonical code of an error, of its class or the nearest base class that has one; else INTERNAL."""
    known = (STATUS_CODES[kind] for kind in type(error).__mro__ if kind in STATUS_CODES)
    return next(known, code_pb2.INTERNAL)


def code_name(error: errors.MnemonError) -> str:
    """The canonical code by name, as `NOT_FOUND`."""
    return str(code_pb2.Code.Name(code_of(error)))


def as_mnemon_error(exception: BaseException) -> errors.MnemonError:
    """What the caller may know of an exception; of an unforeseen one only that it happened."""
    exception = errors.first_of(exception)
    if isinstance(exception, errors.MnemonError):
        return exception
    if isinstance(exception, (asyncio.TimeoutError, TimeoutError)):
        return errors.DeadlineExceeded("the time for this call is used up")
    return errors.Internal("the service failed; the request id finds the details in its logs")


def to_status(error: errors.MnemonError, request_id: str) -> grpc.Status:
    """The status to send: code, message, and details in `grpc-status-details-bin` (AIP-193)."""
    status = status_pb2.Status(code=code_of(error), message=clipped(error.message, MESSAGE_BYTES))
    metadata = {name: clipped(value, DETAIL_BYTES) for name, value in error.metadata.items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=metadata)
    info.metadata["request_id"] = request_id
    status.details.add().Pack(info)
    if error.violations:
        status.details.add().Pack(_bad_request(error))
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    sent: grpc.Status = rpc_status.to_status(status)
    return sent


def _bad_request(error: errors.MnemonError) -> error_details_pb2.BadRequest:
    bad_request = error_details_pb2.BadRequest()
    for violation in error.violations:
        bad_request.field_violations.add(
            field=clipped(violation.field, DETAIL_BYTES),
            description=clipped(violation.description, DETAIL_BYTES),
            reason=error.reason.value,
        )
        if bad_request.ByteSize() > VIOLATIONS_BYTES:
            del bad_request.field_violations[-1]
            break
    return bad_request


def clipped(text: str, most: int) -> str:
    """The text, at most so many bytes in UTF-8; an ellipsis stands for what is left out."""
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= most else raw[: most - 3].decode("utf-8", "ignore") + "…"
