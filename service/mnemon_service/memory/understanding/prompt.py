"""The prompts that ship with the service, each with the schema of its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from mnemon_service.providers.json_schema import check_schema


@dataclass(frozen=True, slots=True)
class Prompt:
    """Instructions to a model and the shape of its answer.

    A changed text or schema is a new version with files of its own: memories name the version that
    made them (`Memory.extractor`).
    """

    name: str
    version: int
    text: str
    schema: Mapping[str, Any]

    @property
    def id(self) -> str:
        """As `extract/1`."""
        return f"{self.name}/{self.version}"


@cache
def load_prompt(name: str, version: int) -> Prompt:
    """The prompt of that name and version, from the files of this package."""
    folder = resources.files(__package__ or "").joinpath("prompts")
    text = folder.joinpath(f"{name}_v{version}.md").read_text("utf-8")
    schema = json.loads(folder.joinpath(f"{name}_v{version}.schema.json").read_text("utf-8"))
    check_schema(schema)
    return Prompt(name, version, text, schema)
