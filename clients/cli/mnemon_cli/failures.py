"""Exit codes and hints: what went wrong, for scripts, for agents and for people."""

from __future__ import annotations

from dataclasses import dataclass

from mnemon import MnemonError

OK = 0
FAULT = 1
USAGE = 2
INVALID = 3
NOT_FOUND = 4
CONFLICT = 5
PRECONDITION = 6
ACCESS = 7
LIMIT = 8
UNAVAILABLE = 9
UNIMPLEMENTED = 10
CONFIGURATION = 11
DECLINED = 12
PARTIAL = 13
OPERATION_FAILED = 14
INTERRUPTED = 130

MEANINGS = {
    OK: "Done.",
    FAULT: "A fault of the service or of this program.",
    USAGE: "The command line is wrong.",
    INVALID: "The service refuses the request (INVALID_ARGUMENT).",
    NOT_FOUND: "No such memory or thing (NOT_FOUND).",
    CONFLICT: "Somebody else was faster, or the id is taken (ABORTED, ALREADY_EXISTS).",
    PRECONDITION: "The state of the thing does not allow it (FAILED_PRECONDITION, OUT_OF_RANGE).",
    ACCESS: "The key is missing, wrong or may not do it (UNAUTHENTICATED, PERMISSION_DENIED).",
    LIMIT: "A limit is reached (RESOURCE_EXHAUSTED).",
    UNAVAILABLE: "The server does not answer, or not in time (UNAVAILABLE, DEADLINE_EXCEEDED).",
    UNIMPLEMENTED: "This server cannot do it (UNIMPLEMENTED).",
    CONFIGURATION: "Settings are missing, unreadable or contradict each other.",
    DECLINED: "Not confirmed, so nothing was done.",
    PARTIAL: "Done in part: rows of an import were refused.",
    OPERATION_FAILED: "An operation in the background has failed or was cancelled.",
    INTERRUPTED: "Interrupted.",
}
"""Every exit code. They are stable: scripts and agents may rely on them."""

CODES = {
    "INVALID_ARGUMENT": INVALID,
    "NOT_FOUND": NOT_FOUND,
    "ALREADY_EXISTS": CONFLICT,
    "ABORTED": CONFLICT,
    "FAILED_PRECONDITION": PRECONDITION,
    "OUT_OF_RANGE": PRECONDITION,
    "UNAUTHENTICATED": ACCESS,
    "PERMISSION_DENIED": ACCESS,
    "RESOURCE_EXHAUSTED": LIMIT,
    "UNAVAILABLE": UNAVAILABLE,
    "DEADLINE_EXCEEDED": UNAVAILABLE,
    "UNIMPLEMENTED": UNIMPLEMENTED,
    "CONFIGURATION": CONFIGURATION,
}

HINTS = {
    "SCOPE_REQUIRED": "name whose memories: --user-id (or --agent-id, --app-id, --run-id), or set a default "
    "with `mnemon config set user_id NAME`",
    "API_KEY_MISSING": "give --api-key, set MNEMON_API_KEY, or run `mnemon init`",
    "API_KEY_INVALID": "check the key: it is sent as given by --api-key, MNEMON_API_KEY or the configuration",
    "API_KEY_EXPIRED": "ask an admin for a new key: `mnemon key create`",
    "API_KEY_REVOKED": "ask an admin for a new key: `mnemon key create`",
    "ROLE_REQUIRED": "this needs a key with a higher role",
    "SCOPE_FORBIDDEN": "this key is bound to one scope; leave the scope out or name that one",
    "MEMORY_NOT_FOUND": "`mnemon list` shows the ids; `mnemon list --deleted` those that can be restored",
    "MEMORY_NOT_DELETED": "only a deleted or expired memory can be restored",
    "ETAG_MISMATCH": "somebody else changed it: read it again with `mnemon get` and decide",
    "REQUEST_ID_REUSED": "use another --request-id, or leave it out",
    "RATE_LIMITED": "wait and try again",
    "QUOTA_EXCEEDED": "`mnemon usage` shows what was used",
    "QUEUE_FULL": "wait until operations have ended: `mnemon event list`",
    "PROVIDER_NOT_CONFIGURED": "the server has no language model; use --no-infer",
    "EMBEDDER_UNAVAILABLE": "use --mode keyword",
    "FILTER_TYPE_MISMATCH": "compare times with RFC 3339 texts and numbers with numbers",
}


@dataclass(frozen=True)
class Failure:
    """One failure as every output tells it."""

    reason: str
    message: str
    hint: str
    exit_code: int
    details: dict[str, object]

    def envelope(self) -> dict[str, object]:
        """The `error` of the agents' envelope."""
        return {"reason": self.reason, "message": self.message, "hint": self.hint, **self.details}


class CommandError(Exception):
    """Something that a command itself refuses."""

    def __init__(self, reason: str, message: str, hint: str = "", exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.failure = Failure(reason, message, hint, exit_code, {})


def failure_of(error: MnemonError) -> Failure:
    """How an error of the SDK is told."""
    details: dict[str, object] = {}
    if error.violations:
        details["violations"] = [{"field": v.field, "description": v.description} for v in error.violations]
    if error.retry_after is not None:
        details["retry_after"] = error.retry_after
    if error.metadata:
        details["metadata"] = error.metadata
    reason = error.reason or error.code
    hint = HINTS.get(reason, "")
    if not hint and error.code == "UNAVAILABLE" and not error.reason:
        hint = "is the server running? give --address or set MNEMON_ADDRESS"
    return Failure(reason, error.message, hint, CODES.get(error.code, FAULT), details)
