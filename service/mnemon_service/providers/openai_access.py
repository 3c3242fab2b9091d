"""OpenAI's SDK as it is set up here, and what its errors mean: for chat and for embeddings alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai

from mnemon_service.providers.retry import FaultKind, ProviderFault, fault_from_status

OPENAI_ADDRESS = "https://api.openai.com/v1"
_NO_KEY = "none"
"""The SDK insists on a key and would otherwise take OPENAI_API_KEY and send it to a foreign server."""
_TOO_MUCH = frozenset({"rate_limit_exceeded", "rate_limit_error", "insufficient_quota"})


def openai_client(*, api_key: str, base_url: str, organization: str = "") -> openai.AsyncOpenAI:
    """A client for OpenAI or a server that speaks its protocol; it waits and tries as the guard says.

    Nothing is taken from the SDK's own environment variables.
    """
    return openai.AsyncOpenAI(
        api_key=api_key or _NO_KEY,
        base_url=base_url,
        organization=organization,
        project="",
        timeout=None,
        max_retries=0,
        default_headers=_only_what_is_set(organization),
    )


def azure_client(*, api_key: str, endpoint: str, api_version: str) -> openai.AsyncAzureOpenAI:
    """A client for all deployments of an Azure resource; a request's `model` names the deployment."""
    return openai.AsyncAzureOpenAI(
        azure_endpoint=endpoint,
        api_key=api_key or _NO_KEY,
        api_version=api_version,
        organization="",
        project="",
        timeout=None,
        max_retries=0,
        default_headers=_only_what_is_set(""),
    )


def openai_fault(error: Exception) -> ProviderFault:
    """What an exception of the SDK, or of reading its answer, means."""
    if isinstance(error, openai.APIStatusError):
        return fault_from_status(error.status_code, error.response.headers)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return ProviderFault(FaultKind.TRANSIENT, detail="no answer in time")
    if isinstance(error, openai.APIConnectionError):
        return ProviderFault(FaultKind.TRANSIENT, detail="connection failed")
    if isinstance(error, openai.APIError) and error.body is not None:
        return _fault_of_event(error)
    if isinstance(error, openai.APIError | ValueError):
        return ProviderFault(FaultKind.TRANSIENT, detail="the response is no answer of this protocol")
    return ProviderFault(FaultKind.BAD_REQUEST, detail=type(error).__name__)


def _fault_of_event(error: openai.APIError) -> ProviderFault:
    """Of an error that came as an event, under the status 200 of a stream that had begun.

    OpenAI names its kind in `code` or `type`; OpenRouter gives the HTTP status as `code`.
    """
    code = str(error.code)
    if code.isdecimal() and 400 <= int(code) < 600:
        return fault_from_status(int(code), {})
    named = {code, str(error.type)}
    if named & _TOO_MUCH:
        return ProviderFault(FaultKind.RATE_LIMITED, detail="an error inside the stream")
    kind = FaultKind.BAD_REQUEST if "invalid_request_error" in named else FaultKind.TRANSIENT
    return ProviderFault(kind, detail="an error inside the stream")


def _only_what_is_set(organization: str) -> Mapping[str, Any]:
    """Keeps the SDK from sending empty headers, or the environment's organization and project."""
    headers: dict[str, Any] = {"OpenAI-Project": openai.omit}
    if not organization:
        headers["OpenAI-Organization"] = openai.omit
    return headers
