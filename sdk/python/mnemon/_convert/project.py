"""Between the stubs of project.proto and its types.

Made from mnemon/v1/project.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemon import _values as values
from mnemon._convert import enums
from mnemon._convert.scope import read_scope
from mnemon._types.project import ApiKey, CategoryDefinition, Limits, Project, ProjectSettings
from mnemon.v1 import project_pb2


def read_project(message: project_pb2.Project) -> Project:
    """The `Project` that the message holds."""
    return Project(
        id=message.id,
        display_name=message.display_name,
        state=enums.PROJECT_STATE.read(message.state),
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
        memory_count=message.memory_count,
        sequence=message.sequence,
        etag=message.etag,
    )


def read_api_key(message: project_pb2.ApiKey) -> ApiKey:
    """The `ApiKey` that the message holds."""
    return ApiKey(
        id=message.id,
        project_id=message.project_id,
        display_name=message.display_name,
        role=enums.KEY_ROLE.read(message.role),
        bound_scope=read_scope(message.bound_scope),
        create_time=values.read_time(message.create_time) if message.HasField("create_time") else None,
        expire_time=values.read_time(message.expire_time) if message.HasField("expire_time") else None,
        revoke_time=values.read_time(message.revoke_time) if message.HasField("revoke_time") else None,
        last_use_time=values.read_time(message.last_use_time) if message.HasField("last_use_time") else None,
    )


def read_category_definition(message: project_pb2.CategoryDefinition) -> CategoryDefinition:
    """The `CategoryDefinition` that the message holds."""
    return CategoryDefinition(name=message.name, description=message.description)


def write_category_definition(
    value: CategoryDefinition | Mapping[str, Any],
) -> project_pb2.CategoryDefinition:
    """The message of a `CategoryDefinition`, or of a mapping with its fields."""
    record = values.as_record(CategoryDefinition, value)
    return project_pb2.CategoryDefinition(name=record.name, description=record.description)


def read_limits(message: project_pb2.Limits) -> Limits:
    """The `Limits` that the message holds."""
    return Limits(
        requests_per_second=message.requests_per_second if message.HasField("requests_per_second") else None,
        concurrent_calls=message.concurrent_calls if message.HasField("concurrent_calls") else None,
        concurrent_streams=message.concurrent_streams if message.HasField("concurrent_streams") else None,
        adds_per_day=message.adds_per_day if message.HasField("adds_per_day") else None,
        tokens_per_day=message.tokens_per_day if message.HasField("tokens_per_day") else None,
        memories_stored=message.memories_stored if message.HasField("memories_stored") else None,
    )


def write_limits(value: Limits | Mapping[str, Any]) -> project_pb2.Limits:
    """The message of a `Limits`, or of a mapping with its fields."""
    record = values.as_record(Limits, value)
    return project_pb2.Limits(
        requests_per_second=record.requests_per_second,
        concurrent_calls=record.concurrent_calls,
        concurrent_streams=record.concurrent_streams,
        adds_per_day=record.adds_per_day,
        tokens_per_day=record.tokens_per_day,
        memories_stored=record.memories_stored,
    )


def read_project_settings(message: project_pb2.ProjectSettings) -> ProjectSettings:
    """The `ProjectSettings` that the message holds."""
    return ProjectSettings(
        custom_instructions=message.custom_instructions,
        agent_instructions=dict(message.agent_instructions),
        categories=tuple(read_category_definition(item) for item in message.categories),
        includes=tuple(message.includes),
        excludes=tuple(message.excludes),
        extraction_model=message.extraction_model,
        reranker=message.reranker,
        deleted_retention=values.read_duration(message.deleted_retention)
        if message.HasField("deleted_retention")
        else None,
        message_log_disabled=message.message_log_disabled,
        message_retention=values.read_duration(message.message_retention)
        if message.HasField("message_retention")
        else None,
        messages_per_scope=message.messages_per_scope,
        limits=read_limits(message.limits) if message.HasField("limits") else None,
        content_policy=enums.CONTENT_POLICY.read(message.content_policy),
        request_log_retention=values.read_duration(message.request_log_retention)
        if message.HasField("request_log_retention")
        else None,
        version=message.version,
        update_time=values.read_time(message.update_time) if message.HasField("update_time") else None,
        etag=message.etag,
    )


def write_project_settings(value: ProjectSettings | Mapping[str, Any]) -> project_pb2.ProjectSettings:
    """The message of a `ProjectSettings`, or of a mapping with its fields."""
    record = values.as_record(ProjectSettings, value)
    return project_pb2.ProjectSettings(
        custom_instructions=record.custom_instructions,
        agent_instructions=record.agent_instructions,
        categories=[write_category_definition(item) for item in record.categories],
        includes=record.includes,
        excludes=record.excludes,
        extraction_model=record.extraction_model,
        reranker=record.reranker,
        deleted_retention=values.write_duration(record.deleted_retention)
        if record.deleted_retention is not None
        else None,
        message_log_disabled=record.message_log_disabled,
        message_retention=values.write_duration(record.message_retention)
        if record.message_retention is not None
        else None,
        messages_per_scope=record.messages_per_scope,
        limits=write_limits(record.limits) if record.limits is not None else None,
        content_policy=enums.CONTENT_POLICY.write(record.content_policy),
        request_log_retention=values.write_duration(record.request_log_retention)
        if record.request_log_retention is not None
        else None,
        version=record.version,
        update_time=values.write_time(record.update_time) if record.update_time is not None else None,
        etag=record.etag,
    )
