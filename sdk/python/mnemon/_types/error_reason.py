"""The stable reasons of errors.

Made from mnemon/v1/error_reason.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from mnemon._record import Word


class ErrorReason(Word):
    """Why a call failed. Sent by name, without the prefix, as `google.rpc.ErrorInfo.reason` with domain
    "mnemon"; client code may switch on it. The canonical code that it comes with stands in brackets.
    """

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent."""

    INVALID_FIELD = "INVALID_FIELD"
    """[INVALID_ARGUMENT] A field breaks its rule; `BadRequest` names each, as "top_k: at most 200"."""

    SCOPE_REQUIRED = "SCOPE_REQUIRED"
    """[INVALID_ARGUMENT] The call names no scope id and does not set `project_wide`."""

    FILTER_TYPE_MISMATCH = "FILTER_TYPE_MISMATCH"
    """[INVALID_ARGUMENT] A filter compares a field with a value of a type it cannot have."""

    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    """[INVALID_ARGUMENT] The page token is not one of this query's."""

    RESUME_TOKEN_INVALID = "RESUME_TOKEN_INVALID"
    """[INVALID_ARGUMENT] The resume token is not one of this stream's."""

    MEMORY_NOT_FOUND = "MEMORY_NOT_FOUND"
    """[NOT_FOUND] No memory of that id in the caller's project and scope."""

    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    """[NOT_FOUND] No project, key, operation, webhook or entity of that id in the caller's reach."""

    ETAG_MISMATCH = "ETAG_MISMATCH"
    """[ABORTED] Somebody changed it first; metadata `etag` holds the current one."""

    CONCURRENT_CHANGE = "CONCURRENT_CHANGE"
    """[ABORTED] Two writes met and this one lost; try again."""

    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    """[ALREADY_EXISTS] The `request_id` was used with another body in the last 24 hours."""

    ALREADY_EXISTS = "ALREADY_EXISTS"
    """[ALREADY_EXISTS] The id or name is taken."""

    MEMORY_NOT_DELETED = "MEMORY_NOT_DELETED"
    """[FAILED_PRECONDITION] Only a deleted memory can be restored."""

    RETENTION_PASSED = "RETENTION_PASSED"
    """[FAILED_PRECONDITION] The retention time is over and the content erased."""

    HISTORY_ERASED = "HISTORY_ERASED"
    """[OUT_OF_RANGE] The position lies before what is kept, or after the log's end."""

    CONTENT_REFUSED = "CONTENT_REFUSED"
    """[FAILED_PRECONDITION] The project's policy refuses what the text holds (a secret, personal data)."""

    API_KEY_MISSING = "API_KEY_MISSING"
    """[UNAUTHENTICATED] No `authorization: Bearer mn_…` in the metadata."""

    API_KEY_INVALID = "API_KEY_INVALID"
    """[UNAUTHENTICATED] Not a key of this server."""

    API_KEY_EXPIRED = "API_KEY_EXPIRED"
    """[UNAUTHENTICATED] The key's time is over."""

    API_KEY_REVOKED = "API_KEY_REVOKED"
    """[UNAUTHENTICATED] The key was revoked."""

    ROLE_REQUIRED = "ROLE_REQUIRED"
    """[PERMISSION_DENIED] The key's role may not do this; metadata `required_role` says which may."""

    SCOPE_FORBIDDEN = "SCOPE_FORBIDDEN"
    """[PERMISSION_DENIED] The key is bound to another scope."""

    PROJECT_DISABLED = "PROJECT_DISABLED"
    """[PERMISSION_DENIED] The project is being deleted or is switched off."""

    RATE_LIMITED = "RATE_LIMITED"
    """[RESOURCE_EXHAUSTED] Too many requests; `RetryInfo` says when, metadata `limit` which limit."""

    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    """[RESOURCE_EXHAUSTED] A quota (adds or tokens a day, memories stored) is used up."""

    TOO_MANY_CONCURRENT_CALLS = "TOO_MANY_CONCURRENT_CALLS"
    """[RESOURCE_EXHAUSTED] Too many calls or streams at once."""

    QUEUE_FULL = "QUEUE_FULL"
    """[RESOURCE_EXHAUSTED] The operation queue is full."""

    WATCHER_TOO_SLOW = "WATCHER_TOO_SLOW"
    """[RESOURCE_EXHAUSTED] The stream's reader fell too far behind; resume from its last token."""

    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    """[RESOURCE_EXHAUSTED] The message is larger than the server takes."""

    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    """[UNAVAILABLE] A model provider does not answer; metadata `provider` names it."""

    PROVIDER_RATE_LIMITED = "PROVIDER_RATE_LIMITED"
    """[RESOURCE_EXHAUSTED] A model provider's rate limit."""

    PROVIDER_CREDENTIALS = "PROVIDER_CREDENTIALS"
    """[FAILED_PRECONDITION] A model provider refuses the credentials it was given."""

    PROVIDER_ANSWER_UNUSABLE = "PROVIDER_ANSWER_UNUSABLE"
    """[UNAVAILABLE] A model's answer could not be used, also after another try."""

    PROVIDER_NOT_CONFIGURED = "PROVIDER_NOT_CONFIGURED"
    """[FAILED_PRECONDITION] The call needs a model provider and none is configured."""

    EMBEDDER_UNAVAILABLE = "EMBEDDER_UNAVAILABLE"
    """[UNAVAILABLE] No embedding model is loaded: only keyword search works."""

    INDEX_UNAVAILABLE = "INDEX_UNAVAILABLE"
    """[UNAVAILABLE] The index does not answer; writes and reads by id go on."""

    INDEX_MISMATCH = "INDEX_MISMATCH"
    """[FAILED_PRECONDITION] The index was built for another embedding model or dimension."""

    RECORD_UNAVAILABLE = "RECORD_UNAVAILABLE"
    """[UNAVAILABLE] The database does not answer."""

    OPERATION_NOT_CANCELLABLE = "OPERATION_NOT_CANCELLABLE"
    """[FAILED_PRECONDITION] The operation has ended already."""

    SHUTTING_DOWN = "SHUTTING_DOWN"
    """[UNAVAILABLE] The server is shutting down; another replica may serve."""

    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    """[DEADLINE_EXCEEDED] The caller's deadline passed."""

    CANCELLED = "CANCELLED"
    """[CANCELLED] The caller went away."""

    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    """[UNIMPLEMENTED] In the contract, not in this release."""

    INTERNAL = "INTERNAL"
    """[INTERNAL] A fault of the service; metadata `request_id` finds it in the logs."""
