"""Moves memories over from mem0: export there, import here, verify.

    python python_move_from_mem0.py export mem0.jsonl --user-id ana     # needs `pip install mem0ai`
    python python_move_from_mem0.py import mem0.jsonl
    python python_move_from_mem0.py verify mem0.jsonl

`export` asks mem0's own library, as your program sets it up; a file from mem0's platform (its export, or the
answer of `get_all`) is taken as it is. `import` may be repeated: what is stored already is skipped. `verify`
compares every line of the file with what Mnemon now holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from mnemon import Client, ImportRow
from mnemon.jsonl import read_rows

SHOWN = 10
"""Differences that are printed."""


def export_from_mem0(path: Path, user_id: str) -> int:
    """Writes mem0's memories of one user, a line each; how many."""
    from mem0 import Memory  # type: ignore[import-not-found, unused-ignore]  # only needed for this step

    found = Memory().get_all(filters={"user_id": user_id}, top_k=100_000)["results"]
    path.write_text("".join(json.dumps({"user_id": user_id, **each}) + "\n" for each in found), "utf-8")
    return len(found)


def rows_of(path: Path) -> list[ImportRow]:
    """The file's memories."""
    with path.open(encoding="utf-8") as lines:
        return list(read_rows(lines))


def import_rows(client: Client, path: Path, user_id: str | None) -> int:
    """Stores every memory of the file as it is; how many were refused."""
    # Named after its content, so that a second run goes on where the first one broke.
    name = "mem0-" + hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    answer = client.import_memories(rows_of(path), user_id=user_id, request_id=name)
    result = answer.result
    print(f"{result.imported_count} imported, {result.duplicate_count} known, {result.refused_count} refused")
    for error in result.errors[:SHOWN]:
        print(f"  line {error.row}: {error.field}: {error.message}", file=sys.stderr)
    return result.refused_count


def differences(client: Client, path: Path, user_id: str | None) -> list[str]:
    """What of the file Mnemon does not hold."""
    wanted: dict[str, list[ImportRow]] = {}
    for row in rows_of(path):
        owner = row.scope.user_id if row.scope is not None else user_id or ""
        wanted.setdefault(owner, []).append(row)
    missing = []
    for owner, rows in wanted.items():
        held = {memory.text: memory for memory in client.list(user_id=owner, page_size=500)}
        for row in rows:
            memory = held.get(row.text)
            if memory is None:
                missing.append(f"line {row.row}: not found for {owner}: {row.text[:60]}")
            elif row.create_time is not None and memory.create_time != row.create_time:
                missing.append(f"line {row.row}: created {memory.create_time}, not {row.create_time}")
    return missing


def main(arguments: list[str]) -> int:
    """Runs one step; 0 if all went well."""
    parser = argparse.ArgumentParser(description="Moves memories over from mem0.")
    parser.add_argument("step", choices=["export", "import", "verify"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--user-id", help="the user to export; for import: of lines that name none")
    given = parser.parse_args(arguments)
    if given.step == "export":
        print(f"{export_from_mem0(given.file, given.user_id)} exported")
        return 0
    with Client() as client:
        if given.step == "import":
            return 1 if import_rows(client, given.file, given.user_id) else 0
        missing = differences(client, given.file, given.user_id)
    print(f"{len(missing)} differences")
    for line in missing[:SHOWN]:
        print(f"  {line}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
