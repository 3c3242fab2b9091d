"""Limits as the tables keep them: JSON with what is set."""

from __future__ import annotations

import dataclasses
import json

from mnemon_service.model.settings import Limits


def limits_text(limits: Limits) -> str:
    """The limits that are set, by name."""
    values = {name: value for name, value in dataclasses.asdict(limits).items() if value is not None}
    return json.dumps(values, separators=(",", ":"))


def limits_of(text: str) -> Limits:
    """The limits in such a text; a name that this release does not know is left out."""
    known = {field.name for field in dataclasses.fields(Limits)}
    return Limits(**{name: value for name, value in json.loads(text).items() if name in known})
