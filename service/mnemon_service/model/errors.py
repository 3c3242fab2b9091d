"""Everything that can go wrong, in the domain's words.

Each error is one canonical status with a stable reason that client code may switch on. `server/`
alone turns them into gRPC statuses; the same reasons stand in `proto/mnemon/v1/error_reason.proto`,
and a test keeps the two lists equal.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class Reason(enum.StrEnum):
    """Stable reasons, sent as `google.rpc.ErrorInfo.reason` in domain `mnemon`."""

    INVALID_FIELD = "INVALID_FIELD"
    SCOPE_REQUIRED = "SCOPE_REQUIRED"
    FILTER_TYPE_MISMATCH = "FILTER_TYPE_MISMATCH"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    RESUME_TOKEN_INVALID = "RESUME_TOKEN_INVALID"
    MEMORY_NOT_FOUND = "MEMORY_NOT_FOUND"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    CONCURRENT_CHANGE = "CONCURRENT_CHANGE"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    MEMORY_NOT_DELETED = "MEMORY_NOT_DELETED"
    RETENTION_PASSED = "RETENTION_PASSED"
    HISTORY_ERASED = "HISTORY_ERASED"
    CONTENT_REFUSED = "CONTENT_REFUSED"
    API_KEY_MISSING = "API_KEY_MISSING"
    API_KEY_INVALID = "API_KEY_INVALID"
    API_KEY_EXPIRED = "API_KEY_EXPIRED"
    API_KEY_REVOKED = "API_KEY_REVOKED"
    ROLE_REQUIRED = "ROLE_REQUIRED"
    SCOPE_FORBIDDEN = "SCOPE_FORBIDDEN"
    PROJECT_DISABLED = "PROJECT_DISABLED"
    RATE_LIMITED = "RATE_LIMITED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TOO_MANY_CONCURRENT_CALLS = "TOO_MANY_CONCURRENT_CALLS"
    QUEUE_FULL = "QUEUE_FULL"
    WATCHER_TOO_SLOW = "WATCHER_TOO_SLOW"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_RATE_LIMITED = "PROVIDER_RATE_LIMITED"
    PROVIDER_CREDENTIALS = "PROVIDER_CREDENTIALS"
    PROVIDER_ANSWER_UNUSABLE = "PROVIDER_ANSWER_UNUSABLE"
    PROVIDER_NOT_CONFIGURED = "PROVIDER_NOT_CONFIGURED"
    EMBEDDER_UNAVAILABLE = "EMBEDDER_UNAVAILABLE"
    INDEX_UNAVAILABLE = "INDEX_UNAVAILABLE"
    INDEX_MISMATCH = "INDEX_MISMATCH"
    RECORD_UNAVAILABLE = "RECORD_UNAVAILABLE"
    OPERATION_NOT_CANCELLABLE = "OPERATION_NOT_CANCELLABLE"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: its path, and what would be right."""

    field: str
    description: str


class MnemonError(Exception):
    """The root of all errors a caller may see. `message` is safe to show: no secret, no internals."""

    default_reason: Reason = Reason.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        reason: Reason | None = None,
        violations: Sequence[Violation] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.violations = tuple(violations)
        self.retry_after = retry_after
        """Seconds after which trying again may help; None if waiting does not help."""
        self.metadata = dict(metadata or {})


class InvalidArgument(MnemonError):
    """The request is wrong whatever the state of the service."""

    default_reason = Reason.INVALID_FIELD

    @classmethod
    def of(cls, field: str, description: str, reason: Reason | None = None) -> InvalidArgument:
        """The error for one wrong field, named by its path in the request."""
        return cls(f"{field}: {description}", reason=reason, violations=(Violation(field, description),))


class NotFound(MnemonError):
    """No such thing, or none that the caller may know of."""

    default_reason = Reason.MEMORY_NOT_FOUND


class AlreadyExists(MnemonError):
    """The id is taken by something else."""

    default_reason = Reason.ALREADY_EXISTS


class FailedPrecondition(MnemonError):
    """The state of the thing does not allow it; waiting alone does not help."""

    default_reason = Reason.MEMORY_NOT_DELETED


class Aborted(MnemonError):
    """Somebody else changed it first; read again and decide."""

    default_reason = Reason.ETAG_MISMATCH


class OutOfRange(MnemonError):
    """The position asked for lies outside what is kept."""

    default_reason = Reason.HISTORY_ERASED


class Unauthenticated(MnemonError):
    """The caller did not say who it is, or said it wrongly."""

    default_reason = Reason.API_KEY_MISSING


class PermissionDenied(MnemonError):
    """The caller is known and may not."""

    default_reason = Reason.ROLE_REQUIRED


class ResourceExhausted(MnemonError):
    """A limit is reached; `retry_after` says when it may be free again."""

    default_reason = Reason.RATE_LIMITED


class Unavailable(MnemonError):
    """A part that this call needs does not answer now; try again."""

    default_reason = Reason.PROVIDER_UNAVAILABLE


class DeadlineExceeded(MnemonError):
    """The caller's time is used up."""

    default_reason = Reason.DEADLINE_EXCEEDED


class Unimplemented(MnemonError):
    """The contract knows it, this release does not do it yet."""

    default_reason = Reason.NOT_IMPLEMENTED


class Internal(MnemonError):
    """A fault of the service itself."""

    default_reason = Reason.INTERNAL


def first_of(error: BaseException) -> BaseException:
    """The first error of a group, as tasks that ran side by side leave it; any other error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
