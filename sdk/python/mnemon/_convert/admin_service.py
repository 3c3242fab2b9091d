"""Between the stubs of admin_service.proto and its types.

Made from mnemon/v1/admin_service.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._convert.accounting import read_usage_row
from mnemon._convert.entity import read_entity_summary
from mnemon._convert.memory import read_memory
from mnemon._convert.message import read_message
from mnemon._convert.project import read_api_key
from mnemon._convert.usage import read_usage
from mnemon._convert.webhook import read_webhook
from mnemon._types.admin_service import (
    CreateApiKeyResponse,
    CreateWebhookResponse,
    GenerateInstructionsResponse,
    GetEntityResponse,
    GetServerInfoResponse,
    GetUsageResponse,
    IndexDifference,
    IsolationProbe,
    ModelInfo,
    RotateApiKeyResponse,
    SelfTestIsolationResponse,
    VerifyAuditResponse,
    VerifyIndexResponse,
)
from mnemon.v1 import admin_service_pb2


def read_create_api_key_response(message: admin_service_pb2.CreateApiKeyResponse) -> CreateApiKeyResponse:
    """The `CreateApiKeyResponse` that the message holds."""
    return CreateApiKeyResponse(api_key=read_api_key(message.api_key), secret=message.secret)


def read_rotate_api_key_response(message: admin_service_pb2.RotateApiKeyResponse) -> RotateApiKeyResponse:
    """The `RotateApiKeyResponse` that the message holds."""
    return RotateApiKeyResponse(
        api_key=read_api_key(message.api_key), secret=message.secret, previous=read_api_key(message.previous)
    )


def read_generate_instructions_response(
    message: admin_service_pb2.GenerateInstructionsResponse,
) -> GenerateInstructionsResponse:
    """The `GenerateInstructionsResponse` that the message holds."""
    return GenerateInstructionsResponse(
        custom_instructions=message.custom_instructions,
        test_conversation=tuple(read_message(item) for item in message.test_conversation),
        usage=read_usage(message.usage),
    )


def read_get_entity_response(message: admin_service_pb2.GetEntityResponse) -> GetEntityResponse:
    """The `GetEntityResponse` that the message holds."""
    return GetEntityResponse(
        entity=read_entity_summary(message.entity),
        memories=tuple(read_memory(item) for item in message.memories),
    )


def read_create_webhook_response(message: admin_service_pb2.CreateWebhookResponse) -> CreateWebhookResponse:
    """The `CreateWebhookResponse` that the message holds."""
    return CreateWebhookResponse(webhook=read_webhook(message.webhook), secret=message.secret)


def read_get_usage_response(message: admin_service_pb2.GetUsageResponse) -> GetUsageResponse:
    """The `GetUsageResponse` that the message holds."""
    return GetUsageResponse(
        rows=tuple(read_usage_row(item) for item in message.rows), memory_count=message.memory_count
    )


def read_verify_audit_response(message: admin_service_pb2.VerifyAuditResponse) -> VerifyAuditResponse:
    """The `VerifyAuditResponse` that the message holds."""
    return VerifyAuditResponse(
        intact=message.intact,
        entry_count=message.entry_count,
        first_broken_sequence=message.first_broken_sequence,
    )


def read_model_info(message: admin_service_pb2.ModelInfo) -> ModelInfo:
    """The `ModelInfo` that the message holds."""
    return ModelInfo(
        provider=message.provider,
        model=message.model,
        dimension=message.dimension,
        available=message.available,
        detail=message.detail,
    )


def read_get_server_info_response(message: admin_service_pb2.GetServerInfoResponse) -> GetServerInfoResponse:
    """The `GetServerInfoResponse` that the message holds."""
    return GetServerInfoResponse(
        version=message.version,
        database=message.database,
        index=message.index,
        embedding_model=read_model_info(message.embedding_model),
        extraction_model=read_model_info(message.extraction_model),
        reranker=read_model_info(message.reranker),
        start_time=values.read_time(message.start_time) if message.HasField("start_time") else None,
        warnings=tuple(message.warnings),
        index_lag=message.index_lag,
    )


def read_index_difference(message: admin_service_pb2.IndexDifference) -> IndexDifference:
    """The `IndexDifference` that the message holds."""
    return IndexDifference(memory_id=message.memory_id, kind=enums.INDEX_DIFFERENCE_KIND.read(message.kind))


def read_verify_index_response(message: admin_service_pb2.VerifyIndexResponse) -> VerifyIndexResponse:
    """The `VerifyIndexResponse` that the message holds."""
    return VerifyIndexResponse(
        checked_count=message.checked_count,
        difference_count=message.difference_count,
        differences=tuple(read_index_difference(item) for item in message.differences),
        repaired=message.repaired,
    )


def read_isolation_probe(message: admin_service_pb2.IsolationProbe) -> IsolationProbe:
    """The `IsolationProbe` that the message holds."""
    return IsolationProbe(method=message.method, isolated=message.isolated, detail=message.detail)


def read_self_test_isolation_response(
    message: admin_service_pb2.SelfTestIsolationResponse,
) -> SelfTestIsolationResponse:
    """The `SelfTestIsolationResponse` that the message holds."""
    return SelfTestIsolationResponse(
        isolated=message.isolated, probes=tuple(read_isolation_probe(item) for item in message.probes)
    )
