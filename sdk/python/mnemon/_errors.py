"""What can go wrong, as exceptions; users never catch the transport's errors.

| status                     | exception                 | with a class of its own, by reason             |
|----------------------------|---------------------------|------------------------------------------------|
| INVALID_ARGUMENT           | `InvalidArgumentError`    |                                                |
| NOT_FOUND                  | `NotFoundError`           |                                                |
| ALREADY_EXISTS             | `AlreadyExistsError`      | REQUEST_ID_REUSED: `RequestIdReusedError`      |
| ABORTED                    | `AbortedError`            | ETAG_MISMATCH: `EtagMismatchError`             |
| FAILED_PRECONDITION        | `FailedPreconditionError` | PROVIDER_CREDENTIALS, PROVIDER_NOT_CONFIGURED: |
|                            |                           | `ProviderSetupError`                           |
| OUT_OF_RANGE               | `OutOfRangeError`         |                                                |
| UNAUTHENTICATED            | `UnauthenticatedError`    |                                                |
| PERMISSION_DENIED          | `PermissionDeniedError`   |                                                |
| RESOURCE_EXHAUSTED         | `ResourceExhaustedError`  | RATE_LIMITED, TOO_MANY_CONCURRENT_CALLS:       |
|                            |                           | `RateLimitedError`                             |
|                            |                           | QUOTA_EXCEEDED: `QuotaExceededError`           |
| UNAVAILABLE                | `UnavailableError`        | PROVIDER_UNAVAILABLE, EMBEDDER_UNAVAILABLE,    |
|                            |                           | PROVIDER_ANSWER_UNUSABLE:                      |
|                            |                           | `ProviderUnavailableError`                     |
| DEADLINE_EXCEEDED          | `DeadlineExceededError`   | (is a `TimeoutError` too)                      |
| CANCELLED                  | `CallCancelledError`      |                                                |
| UNIMPLEMENTED              | `UnimplementedError`      |                                                |
| INTERNAL, UNKNOWN, others  | `InternalError`           |                                                |
| (wrong settings, no call)  | `ConfigurationError`      | (is a `ValueError` too)                        |

All are `MnemonError`. `InvalidArgumentError` is also raised before a call for values that the contract
cannot carry (an unknown word, a time without a zone, a filter that is none).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One wrong field of a request."""

    field: str
    """Path of the field, as "messages[0].content"."""
    description: str
    """What would be right."""


class MnemonError(Exception):
    """The root of all errors of this package."""

    code: str = "UNKNOWN"
    """The canonical status by name, as "NOT_FOUND"."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "",
        violations: Sequence[Violation] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.reason = reason
        """The stable reason, one of `ErrorReason`; empty if the error did not come from Mnemon itself
        (a proxy, the network, the client's own deadline)."""
        self.violations = tuple(violations)
        """Every wrong field of the request."""
        self.retry_after = retry_after
        """Seconds after which trying again may help; None if the server did not say."""
        self.metadata = dict(metadata or {})
        """More about the error, as `etag`, `limit`, `required_role`, `provider`, `request_id`."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.reason else self.message


class ConfigurationError(MnemonError, ValueError):
    """The client cannot be made so: address, key or certificates are missing or contradict each other."""

    code = "CONFIGURATION"


class InvalidArgumentError(MnemonError):
    """The request is wrong, whatever the state of the service; `violations` names each field."""

    code = "INVALID_ARGUMENT"

    @classmethod
    def of(cls, field: str, description: str) -> InvalidArgumentError:
        """The error for one value that was wrong before any call."""
        return cls(
            f"{field}: {description}", reason="INVALID_FIELD", violations=[Violation(field, description)]
        )


class NotFoundError(MnemonError):
    """No such thing, or none that this key may know of."""

    code = "NOT_FOUND"


class AlreadyExistsError(MnemonError):
    """The id or name is taken."""

    code = "ALREADY_EXISTS"


class RequestIdReusedError(AlreadyExistsError):
    """The `request_id` was used with another request in the last 24 hours."""


class AbortedError(MnemonError):
    """Somebody else changed it first: read again and decide."""

    code = "ABORTED"


class EtagMismatchError(AbortedError):
    """The etag is not the current one."""

    @property
    def current_etag(self) -> str:
        """The etag that the thing has now."""
        return self.metadata.get("etag", "")


class FailedPreconditionError(MnemonError):
    """The state of the thing does not allow it; waiting alone does not help."""

    code = "FAILED_PRECONDITION"


class ProviderSetupError(FailedPreconditionError):
    """A model provider is not configured, or refuses the server's credentials."""


class OutOfRangeError(MnemonError):
    """The position lies before what is kept, or after the log's end."""

    code = "OUT_OF_RANGE"


class UnauthenticatedError(MnemonError):
    """The API key is missing, wrong, expired or revoked."""

    code = "UNAUTHENTICATED"


class PermissionDeniedError(MnemonError):
    """The key is known and may not do this."""

    code = "PERMISSION_DENIED"


class ResourceExhaustedError(MnemonError):
    """A limit is reached; `retry_after` says when it may be free again."""

    code = "RESOURCE_EXHAUSTED"


class RateLimitedError(ResourceExhaustedError):
    """Too many calls in a second, or at once."""


class QuotaExceededError(ResourceExhaustedError):
    """What the project or key may use is used up."""


class UnavailableError(MnemonError):
    """The server, or a part that the call needs, does not answer now; retries did not help."""

    code = "UNAVAILABLE"


class ProviderUnavailableError(UnavailableError):
    """A model that the call needs does not answer, or not usably."""


class DeadlineExceededError(MnemonError, TimeoutError):
    """The call's time is used up. A write may have happened: repeat it with the same `request_id`."""

    code = "DEADLINE_EXCEEDED"


class CallCancelledError(MnemonError):
    """The call was cancelled by this side, as a stream that was left."""

    code = "CANCELLED"


class UnimplementedError(MnemonError):
    """The contract knows the call, this server does not."""

    code = "UNIMPLEMENTED"


class InternalError(MnemonError):
    """A fault of the service; `metadata["request_id"]` finds it in the server's logs."""

    code = "INTERNAL"


BY_CODE: dict[str, type[MnemonError]] = {
    error.code: error
    for error in (
        InvalidArgumentError,
        NotFoundError,
        AlreadyExistsError,
        AbortedError,
        FailedPreconditionError,
        OutOfRangeError,
        UnauthenticatedError,
        PermissionDeniedError,
        ResourceExhaustedError,
        UnavailableError,
        DeadlineExceededError,
        CallCancelledError,
        UnimplementedError,
        InternalError,
    )
}
"""The class of each canonical status."""

BY_REASON: dict[tuple[str, str], type[MnemonError]] = {
    ("ALREADY_EXISTS", "REQUEST_ID_REUSED"): RequestIdReusedError,
    ("ABORTED", "ETAG_MISMATCH"): EtagMismatchError,
    ("FAILED_PRECONDITION", "PROVIDER_CREDENTIALS"): ProviderSetupError,
    ("FAILED_PRECONDITION", "PROVIDER_NOT_CONFIGURED"): ProviderSetupError,
    ("RESOURCE_EXHAUSTED", "RATE_LIMITED"): RateLimitedError,
    ("RESOURCE_EXHAUSTED", "TOO_MANY_CONCURRENT_CALLS"): RateLimitedError,
    ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"): QuotaExceededError,
    ("UNAVAILABLE", "PROVIDER_UNAVAILABLE"): ProviderUnavailableError,
    ("UNAVAILABLE", "PROVIDER_ANSWER_UNUSABLE"): ProviderUnavailableError,
    ("UNAVAILABLE", "EMBEDDER_UNAVAILABLE"): ProviderUnavailableError,
}
"""The class of a status with a certain reason, where callers act on it."""
