"""Writes `mnemon/_types` and `mnemon/_convert` from the contract: frozen dataclasses with the protos' own
comments, and typed functions between them and the stubs.

Run from anywhere: `python sdk/python/tools/generate_types.py` (`--check` only compares). It needs `buf`
and `ruff` on the path or beside the interpreter. What is made is committed and never edited; behaviour
that a type has beyond its fields stands in `mnemon/_behaviour.py`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

SDK = Path(__file__).resolve().parent.parent
REPOSITORY = SDK.parent.parent
PACKAGE = ".mnemon.v1."
HEADER = '"""{comment}\n\nMade from mnemon/v1/{file}.proto by tools/generate_types.py; never edited.\n"""\n'
MADE = "Made by tools/generate_types.py; never edited."

SKIPPED = {
    "Filter",
    "FilterGroup",
    "Comparison",
    "Operator",
    "AsOf",
    "ImportOptions",
    "ImportRows",
    "Utterance",
    "StreamSearchResponse",
    "WatchMemoriesResponse",
}
"""What users meet in another form: filter builder, datetime, streams."""

ALWAYS_PRESENT = {
    "Scope",
    "ScoreParts",
    "SearchSummary",
    "Usage",
    "OperationProgress",
    "Actor",
    "ImportMemoriesResult",
    "ModelInfo",
    "ApiKey",
    "Webhook",
    "EntitySummary",
}
"""Messages that read as an empty object when they are absent, so that users need not test for None."""

PRESENT_FIELDS = {("Change", "memory"), ("Version", "memory"), ("LoggedMessage", "message")}
OPTIONAL_FIELDS = {("ImportRow", "scope")}

WRITTEN = {
    "Scope",
    "EventTime",
    "Entity",
    "Image",
    "Message",
    "ImportRow",
    "Webhook",
    "CategoryDefinition",
    "Limits",
    "ProjectSettings",
}
"""Messages that users also give."""

BEHAVIOUR = {
    "AddMemoriesResponse": "ChangeList",
    "SearchResponse": "HitList",
    "BuildContextResponse": "PromptText",
    "Operation": "OperationOutcome",
}
"""Types whose mixin in `mnemon/_behaviour.py` adds methods."""

SCALARS = {
    FieldDescriptorProto.TYPE_STRING: ("str", '""'),
    FieldDescriptorProto.TYPE_BYTES: ("bytes", 'b""'),
    FieldDescriptorProto.TYPE_BOOL: ("bool", "False"),
    FieldDescriptorProto.TYPE_DOUBLE: ("float", "0.0"),
    FieldDescriptorProto.TYPE_INT32: ("int", "0"),
    FieldDescriptorProto.TYPE_INT64: ("int", "0"),
}

WELL_KNOWN = {
    ".google.protobuf.Timestamp": ("datetime", "time"),
    ".google.protobuf.Duration": ("timedelta", "duration"),
    ".google.protobuf.Struct": ("Mapping[str, Any]", "struct"),
}


@dataclass
class Comments:
    """The leading comments of one file, by descriptor path."""

    by_path: dict[tuple[int, ...], str] = field(default_factory=dict)

    @classmethod
    def of(cls, file: FileDescriptorProto) -> Comments:
        """Reads them from the file's source information."""
        found = {}
        for location in file.source_code_info.location:
            text = location.leading_comments or "".join(location.leading_detached_comments)
            found[tuple(location.path)] = re.sub(r"^ ", "", text, flags=re.MULTILINE).strip()
        return cls(found)

    def at(self, *path: int) -> str:
        """The comment there, made safe for a docstring."""
        return self.by_path.get(path, "").replace("\\", "\\\\").replace('"""', "'''")


def snake(name: str) -> str:
    """`ScoreParts` → `score_parts`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def short_name(type_name: str) -> str:
    """The Python name of a type of ours: nested ones are joined."""
    return type_name.removeprefix(PACKAGE).replace(".", "")


def docstring(comment: str, indent: str) -> str:
    """The comment as a docstring at that indent."""
    lines = comment.splitlines() or ["See the contract."]
    if len(lines) == 1:
        ending = " " if lines[0].endswith('"') else ""
        return f'{indent}"""{lines[0]}{ending}"""\n'
    body = "\n".join(f"{indent}{line}".rstrip() for line in lines[1:])
    return f'{indent}"""{lines[0]}\n{body}\n{indent}"""\n'


def is_kept(message: DescriptorProto) -> bool:
    """Whether users meet this message as a type of its own."""
    name = message.name
    if name in SKIPPED or name.endswith("Request"):
        return False
    fields = [f.name for f in message.field]
    return not (name.endswith("Response") and (len(fields) < 2 or "next_page_token" in fields))


@dataclass
class Field:
    """One field, as Python sees it."""

    owner: str
    proto: FieldDescriptorProto
    is_map: bool
    map_value: FieldDescriptorProto | None

    @property
    def repeated(self) -> bool:
        return self.proto.label == FieldDescriptorProto.LABEL_REPEATED and not self.is_map

    @property
    def kind(self) -> str:
        """scalar, enum, message or the name of a well-known conversion."""
        if self.proto.type == FieldDescriptorProto.TYPE_ENUM:
            return "enum"
        if self.proto.type != FieldDescriptorProto.TYPE_MESSAGE:
            return "scalar"
        return WELL_KNOWN[self.proto.type_name][1] if self.proto.type_name in WELL_KNOWN else "message"

    @property
    def type_name(self) -> str:
        """The Python type of one value."""
        if self.kind == "scalar":
            return SCALARS[self.proto.type][0]
        if self.proto.type_name in WELL_KNOWN:
            return WELL_KNOWN[self.proto.type_name][0]
        return short_name(self.proto.type_name)

    @property
    def has_presence(self) -> bool:
        """Whether absence shows as None."""
        if self.repeated or self.is_map or self.kind == "struct":
            return False
        if (self.owner, self.proto.name) in OPTIONAL_FIELDS:
            return True
        if (self.owner, self.proto.name) in PRESENT_FIELDS:
            return False
        if self.kind == "message":
            return self.in_oneof or self.type_name not in ALWAYS_PRESENT
        return self.kind in ("time", "duration") or self.proto.proto3_optional or self.in_oneof

    @property
    def in_oneof(self) -> bool:
        return self.proto.HasField("oneof_index") and not self.proto.proto3_optional

    def annotation(self) -> str:
        """Type and default, as they stand in the dataclass."""
        if self.map_value is not None:
            return f"Mapping[str, {SCALARS[self.map_value.type][0]}] = field(default_factory=dict)"
        if self.repeated:
            return f"tuple[{self.type_name}, ...] = ()"
        if self.kind == "struct":
            return "Mapping[str, Any] = field(default_factory=dict)"
        if self.has_presence:
            return f"{self.type_name} | None = None"
        if self.kind == "enum":
            return f"{self.type_name} = {self.type_name}.UNSPECIFIED"
        if self.kind == "message":
            return f"{self.type_name} = field(default_factory=lambda: {self.type_name}())"
        return f"{self.type_name} = {SCALARS[self.proto.type][1]}"

    def _one(self, value: str, verb: str) -> str:
        if self.kind == "scalar":
            return value
        if self.kind == "enum":
            return f"enums.{snake(self.type_name).upper()}.{verb}({value})"
        if self.kind == "message":
            return f"{verb}_{snake(self.type_name)}({value})"
        return f"values.{verb}_{self.kind}({value})"

    def reading(self) -> str:
        """The expression that reads it from `message`."""
        value = f"message.{self.proto.name}"
        if self.is_map:
            return f"dict({value})"
        if self.repeated:
            item = self._one("item", "read")
            return f"tuple({value})" if item == "item" else f"tuple({item} for item in {value})"
        if self.has_presence:
            return f'{self._one(value, "read")} if message.HasField("{self.proto.name}") else None'
        return self._one(value, "read")

    def writing(self) -> str:
        """The expression that gives it to the stub's constructor from `record`."""
        value = f"record.{self.proto.name}"
        if self.is_map or self.kind == "scalar":
            return value
        if self.repeated:
            item = self._one("item", "write")
            return value if item == "item" else f"[{item} for item in {value}]"
        if self.has_presence:
            return f"{self._one(value, 'write')} if {value} is not None else None"
        return self._one(value, "write")


def fields_of(message: DescriptorProto, name: str) -> list[Field]:
    """Its fields in the contract's order."""
    entries = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    result = []
    for proto in message.field:
        entry = entries.get(proto.type_name.rpartition(".")[2]) if proto.type_name else None
        result.append(Field(name, proto, entry is not None, entry.field[1] if entry else None))
    return result


def writer(name: str, stub: str, fields: list[Field]) -> str:
    """The source of the function that makes a stub's message."""
    choices = [f.proto.name for f in fields if f.in_oneof and f.kind == "scalar"]
    arguments = ", ".join(f"{f.proto.name}={f.writing()}" for f in fields if f.proto.name not in choices)
    lines = [
        f"def write_{snake(name)}(value: {name} | Mapping[str, Any]) -> {stub}:",
        f'    """The message of a `{name}`, or of a mapping with its fields."""',
        f"    record = values.as_record({name}, value)",
        f"    message = {stub}({arguments})",
    ]
    for choice in choices:
        lines += [f"    if record.{choice} is not None:", f"        message.{choice} = record.{choice}"]
    if not choices:
        lines[-1:] = [f"    return {stub}({arguments})"]
    else:
        lines.append("    return message")
    return "\n".join(lines) + "\n"


@dataclass
class File:
    """One proto file's enums and messages that users meet."""

    proto: FileDescriptorProto
    comments: Comments

    @property
    def base(self) -> str:
        return Path(self.proto.name).stem

    def enums(self) -> Iterator[tuple[str, EnumDescriptorProto, tuple[int, ...]]]:
        """Name, descriptor and comment path of each enum, nested ones too."""
        for index, enum in enumerate(self.proto.enum_type):
            if enum.name not in SKIPPED:
                yield enum.name, enum, (5, index)
        for outer, message in enumerate(self.proto.message_type):
            for index, enum in enumerate(message.enum_type):
                yield message.name + enum.name, enum, (4, outer, 4, index)

    def messages(self) -> Iterator[tuple[DescriptorProto, tuple[int, ...]]]:
        """Each message that is kept, with its comment path."""
        for index, message in enumerate(self.proto.message_type):
            if is_kept(message):
                yield message, (4, index)

    def is_empty(self) -> bool:
        return next(self.enums(), None) is None and next(self.messages(), None) is None

    def types(self) -> str:
        """The source of its `_types` module."""
        body = []
        for name, enum, path in self.enums():
            prefix = re.sub(r"UNSPECIFIED$", "", enum.value[0].name)
            body.append(f"class {name}(Word):\n" + docstring(self.comments.at(*path), "    "))
            for index, value in enumerate(enum.value):
                word = value.name.removeprefix(prefix)
                comment = docstring(self.comments.at(*path, 2, index), "    ")
                body.append(f'    {word} = "{word}"\n{comment}')
        for message, path in self.messages():
            base = BEHAVIOUR.get(message.name, "Record")
            body.append("@dataclass(frozen=True, slots=True, kw_only=True)\n")
            body.append(f"class {message.name}({base}):\n" + docstring(self.comments.at(*path), "    "))
            for index, item in enumerate(fields_of(message, message.name)):
                comment = docstring(self.comments.at(*path, 2, index), "    ")
                body.append(f"    {item.proto.name}: {item.annotation()}\n{comment}")
        return "\n".join(body)

    def names(self) -> list[str]:
        """The Python names it defines."""
        return [name for name, *_ in self.enums()] + [message.name for message, _ in self.messages()]

    def conversions(self) -> str:
        """The source of its `_convert` module, without imports."""
        body = []
        for message, _ in self.messages():
            name, stub = message.name, f"{self.base}_pb2.{message.name}"
            fields = fields_of(message, name)
            arguments = ", ".join(f"{f.proto.name}={f.reading()}" for f in fields)
            body.append(
                f"def read_{snake(name)}(message: {stub}) -> {name}:\n"
                f'    """The `{name}` that the message holds."""\n    return {name}({arguments})\n'
            )
            if name in WRITTEN:
                body.append(writer(name, stub, fields))
        return "\n".join(body)


def imports_between(files: list[File], used: set[str], here: File, folder: str, prefix: str) -> str:
    """Import lines for names that other files define."""
    lines = []
    for other in files:
        names = [n for n in other.names() if n in used]
        if folder == "_convert":
            functions = [
                f"{verb}_{snake(m.name)}"
                for m, _ in other.messages()
                for verb in ("read", "write")
                if f"{verb}_{snake(m.name)}(" in prefix
            ]
            if functions and other is not here:
                lines.append(f"from mnemon._convert.{other.base} import {', '.join(functions)}")
            if names:
                lines.append(f"from mnemon._types.{other.base} import {', '.join(names)}")
        elif names and other is not here:
            lines.append(f"from mnemon._types.{other.base} import {', '.join(names)}")
    return "\n".join(lines)


def type_module(file: File, files: list[File]) -> str:
    """The whole `_types` module of a file."""
    body = file.types()
    used = set(re.findall(r"\b[A-Z]\w+", re.sub(r'"""[\s\S]*?"""', "", body)))
    behaviours = sorted(set(BEHAVIOUR.values()) & used)
    lines = [
        HEADER.format(comment=file_comment(file), file=file.base),
        "from __future__ import annotations\n",
        "from collections.abc import Mapping\nfrom dataclasses import dataclass, field",
        "from datetime import datetime, timedelta\nfrom typing import Any\n",
        "from mnemon._record import Record, Word",
        f"from mnemon._behaviour import {', '.join(behaviours)}" if behaviours else "",
        imports_between(files, used, file, "_types", ""),
    ]
    return "\n".join(lines) + "\n\n" + body


def convert_module(file: File, files: list[File]) -> str:
    """The whole `_convert` module of a file."""
    body = file.conversions()
    used = {message.name for message, _ in file.messages()}
    lines = [
        HEADER.format(comment=f"Between the stubs of {file.base}.proto and its types.", file=file.base),
        "from __future__ import annotations\n",
        "from collections.abc import Mapping\nfrom typing import Any\n",
        "from mnemon import _values as values\nfrom mnemon._convert import enums",
        f"from mnemon.v1 import {file.base}_pb2",
        imports_between(files, used, file, "_convert", re.sub(r"def \w+", "", body)),
    ]
    return "\n".join(lines) + "\n\n" + body


def file_comment(file: File) -> str:
    """What the file says of itself at its top: the comment before `syntax`."""
    return file.comments.at(12) or "Types of the contract."


def enum_tables(files: list[File]) -> str:
    """The module that maps each enum's numbers to its words."""
    names = [name for file in files for name, *_ in file.enums()]
    lines = [
        f'"""The numbers of each enum\'s words.\n\n{MADE}\n"""\n',
        f"from mnemon._types import {', '.join(names)}\nfrom mnemon._values import EnumTable\n",
    ]
    for file in files:
        for name, enum, _ in file.enums():
            numbers = ", ".join(str(value.number) for value in enum.value)
            lines.append(f"{snake(name).upper()} = EnumTable({name}, ({numbers},))")
    return "\n".join(lines) + "\n"


def package_index(files: list[File]) -> str:
    """The `_types` package: every type by name."""
    lines = [f'"""Every type of the contract that users meet.\n\n{MADE}\n"""\n']
    lines += [f"from mnemon._types.{file.base} import {', '.join(file.names())}" for file in files]
    everything = sorted(name for file in files for name in file.names())
    lines.append("__all__ = [" + ", ".join(f'"{name}"' for name in everything) + "]")
    return "\n".join(lines) + "\n"


def tool(name: str) -> str:
    """The path of a command-line tool, beside the interpreter first."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or name


def contract() -> list[File]:
    """The contract's files, read by buf."""
    built = subprocess.run(  # noqa: S603
        [tool("buf"), "build", "proto", "-o", "-"], cwd=REPOSITORY, check=True, capture_output=True
    )
    files = FileDescriptorSet.FromString(built.stdout).file
    kept = [File(f, Comments.of(f)) for f in files if f.name.startswith("mnemon/v1/")]
    return sorted((f for f in kept if not f.is_empty()), key=lambda f: f.base)


def generate(target: Path) -> None:
    """Writes both packages below `target`."""
    files = contract()
    types, convert = target / "_types", target / "_convert"
    for folder in (types, convert):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    (types / "__init__.py").write_text(package_index(files))
    (convert / "__init__.py").write_text(f'"""Between the stubs and the types.\n\n{MADE}\n"""\n')
    (convert / "enums.py").write_text(enum_tables(files))
    for file in files:
        (types / f"{file.base}.py").write_text(type_module(file, files))
        if next(file.messages(), None) is not None:
            (convert / f"{file.base}.py").write_text(convert_module(file, files))
    config = ["--config", str(SDK / "pyproject.toml")]
    for command in (["check", "--fix-only", "--select", "I,F401"], ["format"]):
        subprocess.run(  # noqa: S603
            [tool("ruff"), *command, "-q", *config, str(types), str(convert)], cwd=SDK, check=True
        )


def differences(made: Path) -> list[str]:
    """Paths whose committed text is not what was made."""
    wrong = []
    for folder in ("_types", "_convert"):
        here = {p.name: p.read_text() for p in (SDK / "mnemon" / folder).glob("*.py")}
        there = {p.name: p.read_text() for p in (made / folder).glob("*.py")}
        wrong += [f"{folder}/{n}" for n in sorted(here.keys() | there.keys()) if here.get(n) != there.get(n)]
    return wrong


def main() -> int:
    """Generates, or with `--check` only compares and lists what differs."""
    if "--check" not in sys.argv[1:]:
        generate(SDK / "mnemon")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        wrong = differences(Path(folder))
    for path in wrong:
        sys.stdout.write(f"differs from the contract: {path}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
