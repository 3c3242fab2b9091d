"""Projects as the contract shows them."""

from __future__ import annotations

from typing import Final

from mnemon.v1 import project_pb2
from mnemon_service.record.projects import Project, ProjectState
from mnemon_service.wire.enums import EnumPair
from mnemon_service.wire.times import set_timestamp

PROJECT_STATES: Final = EnumPair(ProjectState, project_pb2.ProjectState, "PROJECT_STATE_")


def to_project(project: Project, memory_count: int) -> project_pb2.Project:
    """The contract's message of a project."""
    message = project_pb2.Project(
        id=project.id,
        display_name=project.display_name,
        state=PROJECT_STATES.to_wire(project.state),
        memory_count=memory_count,
        sequence=project.last_sequence,
        etag=project.etag,
    )
    set_timestamp(message.create_time, project.create_time)
    return message
