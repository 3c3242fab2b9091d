"""Plays the shared scenarios (`tests/scenarios/README.md`) through the Python SDK's public methods."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from mnemon import Client, MnemonError, Page, Pager
from mnemon._convert.memory import read_entity, read_event_time
from mnemon._convert.memory_service import read_import_row
from mnemon._convert.message import read_message
from mnemon._convert.project import read_category_definition, read_limits
from mnemon._record import Record, format_time
from mnemon._values import read_duration, read_struct, read_time
from mnemon.v1 import memory_service_pb2
from support.scripted_server import METHODS

FOLDER = Path(__file__).parents[1] / "scenarios"

METHOD_OF = {
    "AddMemories": "add",
    "EnqueueMemories": "enqueue",
    "GetMemory": "get",
    "BatchGetMemories": "get_many",
    "ListMemories": "list",
    "BatchDeleteMemories": "delete_many",
    "DeleteMemory": "delete",
    "DeleteMemories": "delete_all",
    "RestoreMemory": "restore",
    "RevertMemory": "revert",
    "ListVersions": "list_versions",
    "SubmitFeedback": "feedback",
    "Search": "search",
    "BuildContext": "build_context",
    "CreateProject": "admin.projects.create",
    "GetProject": "admin.projects.get",
    "ListProjects": "admin.projects.list",
    "DeleteProject": "admin.projects.delete",
    "CreateApiKey": "admin.keys.create",
    "ListApiKeys": "admin.keys.list",
    "RevokeApiKey": "admin.keys.revoke",
    "RotateApiKey": "admin.keys.rotate",
    "GetSettings": "admin.settings.get",
    "GenerateInstructions": "admin.settings.generate_instructions",
    "ListEntities": "admin.entities.list",
    "GetEntity": "admin.entities.get",
    "DeleteEntity": "admin.entities.delete",
    "ListOperations": "admin.operations.list",
    "GetOperation": "admin.operations.get",
    "CancelOperation": "admin.operations.cancel",
    "WaitOperation": "admin.operations.wait",
    "CreateWebhook": "admin.webhooks.create",
    "GetWebhook": "admin.webhooks.get",
    "ListWebhooks": "admin.webhooks.list",
    "DeleteWebhook": "admin.webhooks.delete",
    "TestWebhook": "admin.webhooks.test",
    "ListWebhookDeliveries": "admin.webhooks.list_deliveries",
    "GetUsage": "admin.usage.get",
    "ListRequests": "admin.requests.list",
    "ListAudit": "admin.audit.list",
    "VerifyAudit": "admin.audit.verify",
    "GetServerInfo": "admin.server.info",
    "SelfTestIsolation": "admin.server.self_test_isolation",
    "VerifyIndex": "admin.index.verify",
    "RebuildIndex": "admin.index.rebuild",
    "EraseSubject": "admin.subjects.erase",
}
"""RPCs whose method takes the request's fields by name; the others are played by hand below."""

ARGUMENT_OF = {
    "filter": "filters",
    "type": "memory_type",
    "format": "context_format",
    "ids": "memory_ids",
}
ID_OF = {
    "MemoryService": "memory_id",
    "Operation": "operation_id",
    "Webhook": "webhook_id",
    "Entity": "entity_id",
}
READERS: dict[str, Callable[[Any], Any]] = {
    "google.protobuf.Timestamp": read_time,
    "google.protobuf.Duration": read_duration,
    "google.protobuf.Struct": read_struct,
    "mnemon.v1.Message": read_message,
    "mnemon.v1.EventTime": read_event_time,
    "mnemon.v1.Entity": read_entity,
    "mnemon.v1.Limits": read_limits,
    "mnemon.v1.CategoryDefinition": read_category_definition,
    "mnemon.v1.AsOf": lambda m: m.sequence if m.HasField("sequence") else read_time(m.time),
    "mnemon.v1.Filter": lambda m: m,
}


class Mismatch(AssertionError):
    """An answer that is not what the scenario expects."""


def prefix_of(enum: EnumDescriptor) -> str:
    """What stands before every word of an enum."""
    return enum.values[0].name.removesuffix("UNSPECIFIED")


def value_of(spec: FieldDescriptor, value: Any) -> Any:
    """A field's value in the form that the SDK takes."""
    if spec.enum_type is not None:
        return spec.enum_type.values_by_number[value].name.removeprefix(prefix_of(spec.enum_type))
    return READERS[spec.message_type.full_name](value) if spec.message_type is not None else value


def arguments(message: Any, rpc: str) -> dict[str, Any]:
    """The fields that a request sets, as keyword arguments of the SDK's method."""
    given: dict[str, Any] = {"query": ""} if message.DESCRIPTOR.name == "SearchRequest" else {}
    for spec, value in message.ListFields():
        if spec.message_type is not None and spec.message_type.full_name == "mnemon.v1.Scope":
            given |= {part.name: text for part, text in value.ListFields()}
        elif spec.message_type is not None and spec.name in ("search", "add", "webhook"):
            given |= arguments(value, rpc)
        else:
            given[name_of(spec.name, rpc)] = (
                [value_of(spec, item) for item in value] if spec.is_repeated else value_of(spec, value)
            )
    return given


def name_of(name: str, rpc: str) -> str:
    """What the SDK calls a field of the request."""
    service, _, method = rpc.partition("/")
    if name == "id":
        return ID_OF.get(service) or next(new for kind, new in ID_OF.items() if kind in method)
    return ARGUMENT_OF.get(name, name)


def changed(message: Any, mask: list[str], rpc: str) -> dict[str, Any]:
    """The fields that an update's mask names, those that are empty as None; all that are set without one."""
    skipped = {"id", "etag"}
    given = {spec.name: spec for spec, _ in message.ListFields() if spec.name not in skipped}
    paths = mask or list(given)
    result: dict[str, Any] = {"etag": message.etag}
    for path in paths:
        top, _, key = path.partition(".")
        spec = message.DESCRIPTOR.fields_by_name[top]
        value = getattr(message, top)
        if key:
            result.setdefault("merge_metadata", {})[key] = read_struct(value).get(key)
        elif top not in given:
            result[name_of(top, rpc)] = None
        else:
            result[name_of(top, rpc)] = (
                [value_of(spec, item) for item in value] if spec.is_repeated else value_of(spec, value)
            )
    return result


def as_json(value: Any, shape: Descriptor) -> Any:
    """What the SDK answered, in proto JSON form with every field."""
    if isinstance(value, Record) and type(value).__name__ == shape.full_name.split(".", 2)[2].replace(
        ".", ""
    ):
        return {
            spec.name: field_json(getattr(value, spec.name), spec)
            for spec in shape.fields
            if hasattr(value, spec.name)
        }
    if value is None and not shape.fields:
        return {}
    items = next((s for s in shape.fields if s.is_repeated and s.message_type is not None), None)
    if isinstance(value, Page) and items is not None:
        whole = {items.name: field_json(value.items, items), "next_page_token": value.next_page_token}
        return {**whole, "sequence": value.sequence}
    return {shape.fields[0].name: field_json(value, shape.fields[0])}


def field_json(value: Any, spec: FieldDescriptor) -> Any:
    """One field's value in proto JSON form."""
    if isinstance(value, (tuple, list)) and spec.is_repeated:
        return [field_json(item, spec) for item in value]
    if spec.enum_type is not None:
        return prefix_of(spec.enum_type) + str(value)
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, Record) and spec.message_type is not None:
        return as_json(value, spec.message_type)
    return value


@dataclass
class Player:
    """Plays scenarios against one server."""

    address: str
    api_key: str = ""
    root_key: str = ""
    clients: dict[str, Client] = field(default_factory=dict)

    def client(self, key: str) -> Client:
        """A client with that key."""
        if key not in self.clients:
            self.clients[key] = Client(self.address, key)
        return self.clients[key]

    def close(self) -> None:
        """Closes what was opened."""
        for client in self.clients.values():
            client.close()

    def play(self, scenario: Mapping[str, Any]) -> None:
        """Plays every step. Raises `Mismatch` with the step that is not as expected."""
        variables: dict[str, Any] = {"run": secrets.token_hex(4), "root_key": self.root_key}
        for number, step in enumerate(scenario["steps"], start=1):
            here = f"step {number} ({step['call']})"
            step = {**step, **{k: fill(step[k], variables) for k in PATTERNS if k in step}}
            client = self.client(step.get("key", self.api_key))
            try:
                answer = call(client, step)
            except MnemonError as error:
                check_error(error, step.get("error"), here)
                continue
            if "error" in step:
                raise Mismatch(f"{here}: expected {step['error']}, got {answer}")
            match(answer, step.get("expect", {}), here)
            for name, path in step.get("save", {}).items():
                variables[name] = at(answer, path)


PATTERNS = ("request", "expect", "error", "key")


def call(client: Client, step: Mapping[str, Any]) -> Any:
    """What the SDK answers to one step, in the form that scenarios compare."""
    rpc = step["call"]
    name = rpc.partition("/")[2]
    method = METHODS[rpc]
    if name in BY_HAND:
        return BY_HAND[name](client, step)
    request = ParseDict(step.get("request", {}), GetMessageClass(method.input_type)())
    given = arguments(request, rpc)
    if isinstance(given.get("timeout"), timedelta):
        given["timeout"] = given["timeout"].total_seconds()
    if "timeout" in step and name != "WaitOperation":
        given["timeout"] = step["timeout"]
    answer = attrgetter(METHOD_OF[name])(client)(**given)
    if isinstance(answer, Pager):
        answer = Page(answer.collect()) if step.get("all_pages") else answer.page()
    return as_json(answer, method.output_type)


def request_of(step: Mapping[str, Any]) -> Any:
    """The step's request as the contract's message."""
    return ParseDict(step.get("request", {}), GetMessageClass(METHODS[step["call"]].input_type)())


def update(path: str, part: str, id_name: str) -> Callable[[Client, Mapping[str, Any]], Any]:
    """Plays an update: the request's resource and mask as the method's arguments."""

    def play(client: Client, step: Mapping[str, Any]) -> Any:
        request = request_of(step)
        resource = getattr(request, part)
        given = changed(resource, list(request.update_mask.paths), step["call"])
        if id_name:
            given[id_name] = resource.id
        given |= {n: getattr(request, n) for n in ("reason", "request_id") if getattr(request, n, "")}
        answer = attrgetter(path)(client)(**given)
        return as_json(answer, METHODS[step["call"]].output_type)

    return play


def update_many(client: Client, step: Mapping[str, Any]) -> Any:
    request = request_of(step)
    updates = [
        {
            "memory_id": one.memory.id,
            "reason": one.reason,
            **changed(one.memory, list(one.update_mask.paths), "MemoryService/UpdateMemory"),
        }
        for one in request.requests
    ]
    answer = client.update_many(updates, request_id=request.request_id or None)
    return as_json(answer, METHODS[step["call"]].output_type)


def import_memories(client: Client, step: Mapping[str, Any]) -> Any:
    given = step["request"]
    options = ParseDict(given.get("options", {}), memory_service_pb2.ImportOptions())
    rows = [read_import_row(ParseDict(row, memory_service_pb2.ImportRow())) for row in given["rows"]]
    answer = client.import_memories(rows, **arguments(options, step["call"]))
    return as_json(answer, METHODS[step["call"]].output_type)


def export_memories(client: Client, step: Mapping[str, Any]) -> Any:
    shape = METHODS[step["call"]].output_type
    with client.export_memories(**arguments(request_of(step), step["call"])) as export:
        memories = [field_json(memory, shape.fields_by_name["memories"]) for memory in export]
    versions = [field_json(version, shape.fields_by_name["versions"]) for version in export.versions]
    return {"memories": memories, "versions": versions, "sequence": export.sequence}


def watch_memories(client: Client, step: Mapping[str, Any]) -> Any:
    shape = METHODS[step["call"]].output_type.fields_by_name["versions"]
    given = arguments(request_of(step), step["call"])
    if "heartbeat_interval" in given:
        given["heartbeat"] = given.pop("heartbeat_interval")
    with client.watch(**given) as watch:
        taken = [field_json(version, shape) for _, version in zip(range(step["take"]), watch, strict=False)]
    return {"versions": taken}


def stream_search(client: Client, step: Mapping[str, Any]) -> Any:
    with client.search_stream(**arguments(request_of(step), step["call"])) as stream:
        for _ in stream:
            pass
    shape = METHODS["SearchService/Search"].output_type
    hits = [field_json(hit, shape.fields_by_name["hits"]) for hit in stream.hits]
    return {"hits": hits, "summary": field_json(stream.summary, shape.fields_by_name["summary"])}


def live_search(client: Client, step: Mapping[str, Any]) -> Any:
    search = METHODS["SearchService/Search"]
    request = ParseDict(step["request"]["search"], GetMessageClass(search.input_type)())
    given = arguments(request, step["call"])
    given.pop("query", None)
    with client.live_search(**given) as live:
        for utterance in step["request"]["utterances"]:
            live.send(utterance["text"], final=utterance.get("final", False))
        last = step["request"]["utterances"][-1]["text"]
        for answer in live:
            if answer.final and answer.text == last:
                break
    shape = search.output_type.fields_by_name["hits"]
    return {"hits": [field_json(hit, shape) for hit in live.hits]}


BY_HAND: dict[str, Callable[[Client, Mapping[str, Any]], Any]] = {
    "UpdateMemory": update("update", "memory", "memory_id"),
    "BatchUpdateMemories": update_many,
    "UpdateProject": update("admin.projects.update", "project", "project_id"),
    "UpdateSettings": update("admin.settings.update", "settings", ""),
    "UpdateWebhook": update("admin.webhooks.update", "webhook", "webhook_id"),
    "ImportMemories": import_memories,
    "ExportMemories": export_memories,
    "WatchMemories": watch_memories,
    "StreamSearch": stream_search,
    "LiveSearch": live_search,
}


def fill(pattern: Any, variables: Mapping[str, Any]) -> Any:
    """The pattern with its variables replaced."""
    if isinstance(pattern, Mapping):
        return {key: fill(value, variables) for key, value in pattern.items()}
    if isinstance(pattern, list):
        return [fill(item, variables) for item in pattern]
    if not isinstance(pattern, str):
        return pattern
    if whole := re.fullmatch(r"\$\{(\w+)\}", pattern):
        return variables[whole.group(1)]
    return re.sub(r"\$\{(\w+)\}", lambda found: str(variables[found.group(1)]), pattern)


def at(answer: Any, path: str) -> Any:
    """The value at a path, as `changes[0].memory.id`."""
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        answer = answer[int(index)] if index else answer[name]
    return answer


def check_error(error: MnemonError, expected: Mapping[str, Any] | None, here: str) -> None:
    """Holds an error against what the step says of it."""
    if expected is None:
        raise Mismatch(f"{here}: {error.code} {error} {error.violations}") from error
    got = {
        "code": error.code,
        "reason": error.reason,
        "fields": [violation.field for violation in error.violations],
        "metadata": error.metadata,
    }
    wanted = dict(expected)
    if "fields" in wanted:
        wanted["fields"] = {"$has": wanted["fields"]}
    match(got, wanted, f"{here}: {error}")


def match(value: Any, pattern: Any, here: str) -> None:
    """Holds a value against a pattern. Raises `Mismatch` where they differ."""
    if isinstance(pattern, Mapping):
        matcher = next((key for key in pattern if key.startswith("$")), None)
        if matcher is not None:
            if not MATCHERS[matcher](value, pattern[matcher], here):
                raise Mismatch(f"{here}: {value!r} is not {dict(pattern)}")
            return
        if not isinstance(value, Mapping):
            raise Mismatch(f"{here}: {value!r} is no object")
        for key, part in pattern.items():
            match(value.get(key), part, f"{here}.{key}")
    elif isinstance(pattern, list):
        if not isinstance(value, list) or len(value) != len(pattern):
            raise Mismatch(f"{here}: {value!r} has not {len(pattern)} elements")
        for index, (item, part) in enumerate(zip(value, pattern, strict=True)):
            match(item, part, f"{here}[{index}]")
    elif not same(value, pattern):
        raise Mismatch(f"{here}: {value!r} is not {pattern!r}")


def same(value: Any, pattern: Any) -> bool:
    """Equal, or the same number written as text on one side."""
    if isinstance(value, bool) or isinstance(pattern, bool):
        return value is pattern
    if isinstance(value, (int, float)) and isinstance(pattern, str):
        return re.fullmatch(r"-?\d+", pattern) is not None and value == int(pattern)
    if isinstance(value, str) and isinstance(pattern, (int, float)):
        return same(pattern, value)
    return bool(value == pattern)


def matches(value: Any, pattern: Any) -> bool:
    """Whether a value matches, without saying why not."""
    try:
        match(value, pattern, "")
    except Mismatch:
        return False
    return True


def all_in_some_order(value: Any, patterns: list[Any], here: str) -> bool:
    """Whether each element matches one pattern of its own."""
    if not isinstance(value, list) or len(value) != len(patterns):
        return False
    left = list(value)
    for pattern in patterns:
        found = next((index for index, item in enumerate(left) if matches(item, pattern)), None)
        if found is None:
            return False
        left.pop(found)
    return True


MATCHERS: dict[str, Callable[[Any, Any, str], bool]] = {
    "$present": lambda value, _, here: value not in (None, "", 0, False, [], {}, "0"),
    "$absent": lambda value, _, here: value in (None, "", 0, False, [], {}, "0"),
    "$length": lambda value, length, here: isinstance(value, (str, list)) and len(value) == length,
    "$has": lambda value, parts, here: (
        isinstance(value, list) and all(any(matches(item, part) for item in value) for part in parts)
    ),
    "$lacks": lambda value, parts, here: (
        isinstance(value, list) and not any(matches(item, part) for item in value for part in parts)
    ),
    "$set": all_in_some_order,
    "$matches": lambda value, regex, here: isinstance(value, str) and re.search(regex, value) is not None,
    "$between": lambda value, ends, here: float(ends[0]) <= float(value) <= float(ends[1]),
    "$not": lambda value, pattern, here: not matches(value, pattern),
}


def scenarios() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every scenario by its file's name."""
    for path in sorted(FOLDER.glob("*.json")):
        if path.name != "schema.json":
            yield path.stem, json.loads(path.read_text("utf-8"))
