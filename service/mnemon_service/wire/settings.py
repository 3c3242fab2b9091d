"""Settings of a project, on the wire and in the domain's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from mnemon.v1 import project_pb2
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.settings import ContentPolicy, ProjectSettings
from mnemon_service.wire.enums import EnumPair
from mnemon_service.wire.limits import from_limits, write_limits
from mnemon_service.wire.times import from_duration, set_timestamp

UPDATABLE: Final = (
    "custom_instructions",
    "agent_instructions",
    "categories",
    "includes",
    "excludes",
    "extraction_model",
    "reranker",
    "deleted_retention",
    "message_log_disabled",
    "message_retention",
    "messages_per_scope",
    "limits",
    "content_policy",
    "request_log_retention",
)
CONTENT_POLICIES: Final = EnumPair(ContentPolicy, project_pb2.ContentPolicy, "CONTENT_POLICY_")

_AS_IT_IS: Final = (
    "custom_instructions",
    "extraction_model",
    "reranker",
    "message_log_disabled",
    "messages_per_scope",
)
_SPANS: Final = ("deleted_retention", "message_retention", "request_log_retention")
LONGEST_SPAN: Final = timedelta(days=36_500)
MAXIMUM_ID_BYTES: Final = 256


def updated_settings(
    before: ProjectSettings, message: project_pb2.ProjectSettings, fields: Sequence[str]
) -> ProjectSettings:
    """The settings with the named fields set; one that the message leaves out gets its default.

    Raises `InvalidArgument` for a value that the contract's rules cannot check.
    """
    return replace(before, **{field: _value(field, message) for field in fields})


def _value(field: str, message: project_pb2.ProjectSettings) -> Any:  # noqa: ANN401 (of the field's own type)
    path = f"settings.{field}"
    if field in _AS_IT_IS:
        return getattr(message, field)
    if field in _SPANS:
        return _span(field, message, path)
    match field:
        case "agent_instructions":
            return _agent_instructions(message, path)
        case "categories":
            return _categories(message, path)
        case "limits":
            return from_limits(message.limits)
        case "content_policy":
            return CONTENT_POLICIES.from_wire(message.content_policy, ContentPolicy.OFF)
        case _:
            return _subjects(getattr(message, field), path)


def _span(field: str, message: project_pb2.ProjectSettings, path: str) -> timedelta | None:
    if not message.HasField(field):  # type: ignore[arg-type]
        default: timedelta | None = getattr(ProjectSettings(), field)
        return default
    span = from_duration(getattr(message, field), path)
    if span > LONGEST_SPAN:
        raise InvalidArgument.of(path, "must be at most 36,500 days")
    return span


def _agent_instructions(message: project_pb2.ProjectSettings, path: str) -> dict[str, str]:
    for agent_id in message.agent_instructions:
        if not 1 <= len(agent_id.encode()) <= MAXIMUM_ID_BYTES:
            raise InvalidArgument.of(path, "agent ids have 1 to 256 bytes")
    return dict(message.agent_instructions)


def _categories(message: project_pb2.ProjectSettings, path: str) -> dict[str, str]:
    categories: dict[str, str] = {}
    for place, category in enumerate(message.categories):
        name = category.name.strip()
        if not name or name in categories:
            raise InvalidArgument.of(f"{path}[{place}].name", "must be a name that no other category has")
        categories[name] = category.description
    return categories


def _subjects(subjects: Sequence[str], path: str) -> tuple[str, ...]:
    for place, subject in enumerate(subjects):
        if not subject.strip():
            raise InvalidArgument.of(f"{path}[{place}]", "must hold more than white space")
    return tuple(subjects)


def to_settings(settings: ProjectSettings) -> project_pb2.ProjectSettings:
    """The contract's message of the settings."""
    message = project_pb2.ProjectSettings(
        agent_instructions=dict(settings.agent_instructions),
        includes=settings.includes,
        excludes=settings.excludes,
        content_policy=CONTENT_POLICIES.to_wire(settings.content_policy),
        version=settings.version,
        etag=settings.etag,
        **{field: getattr(settings, field) for field in _AS_IT_IS},
    )
    for name, description in settings.categories.items():
        message.categories.add(name=name, description=description)
    write_limits(settings.limits, message.limits)
    for field in _SPANS:
        span = getattr(settings, field)
        if span is not None:
            target: Duration = getattr(message, field)
            target.FromTimedelta(span)
    set_timestamp(message.update_time, settings.update_time)
    return message
