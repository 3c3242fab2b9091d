"""Python client of Mnemon, a memory service for AI agents.

    from mnemon import Client

    client = Client()
    client.add("I live in Lisbon and I am vegetarian.", user_id="ana")
    for hit in client.search("what can she eat?", user_id="ana"):
        print(hit.score, hit.memory.text)

`AsyncClient` is the same with `await`. Errors are `MnemonError`s; `mnemon.filters` says which memories are
meant; `mnemon.jsonl` reads and writes files of memories.
"""

from mnemon import _types, filters, jsonl
from mnemon._async.client import AsyncClient
from mnemon._async.paging import AsyncPager
from mnemon._async.streams import AsyncExport, AsyncLiveSearch, AsyncSearchStream, AsyncWatch
from mnemon._errors import (
    AbortedError,
    AlreadyExistsError,
    CallCancelledError,
    ConfigurationError,
    DeadlineExceededError,
    EtagMismatchError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    MnemonError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ProviderSetupError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
    RequestIdReusedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    Violation,
)
from mnemon._page import Page
from mnemon._requests import UNSET, MemoryUpdate
from mnemon._retry import RetryPolicy
from mnemon._sync.client import Client
from mnemon._sync.paging import Pager
from mnemon._sync.streams import Export, LiveSearch, SearchStream, Watch
from mnemon._types import *  # noqa: F403
from mnemon._version import __version__
from mnemon.filters import Condition, F

__all__ = [
    "UNSET",
    "AbortedError",
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncExport",
    "AsyncLiveSearch",
    "AsyncPager",
    "AsyncSearchStream",
    "AsyncWatch",
    "CallCancelledError",
    "Client",
    "Condition",
    "ConfigurationError",
    "DeadlineExceededError",
    "EtagMismatchError",
    "Export",
    "F",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "LiveSearch",
    "MemoryUpdate",
    "MnemonError",
    "NotFoundError",
    "OutOfRangeError",
    "Page",
    "Pager",
    "PermissionDeniedError",
    "ProviderSetupError",
    "ProviderUnavailableError",
    "QuotaExceededError",
    "RateLimitedError",
    "RequestIdReusedError",
    "ResourceExhaustedError",
    "RetryPolicy",
    "SearchStream",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Violation",
    "Watch",
    "__version__",
    "filters",
    "jsonl",
    *_types.__all__,
]
