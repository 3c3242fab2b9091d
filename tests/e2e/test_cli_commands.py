"""The command line as a process against a real server, as people and agents use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnemon_cli import failures
from support.server import MnemonServer
from support.shell import Shell

COMMANDS = [
    "init",
    "add",
    "search",
    "list",
    "get",
    "update",
    "delete",
    "restore",
    "history",
    "watch",
    "import",
    "export",
    "entity",
    "event",
    "key",
    "project",
    "settings",
    "webhook",
    "usage",
    "status",
    "config",
    "version",
]
UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    with MnemonServer(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture
def shell(server: MnemonServer, tmp_path: Path) -> Shell:
    file = server.data_dir / "keys" / "default.key"
    return Shell(server.address, tmp_path, file.read_text().strip() if file.exists() else "")


def test_a_text_is_added_found_read_changed_deleted_and_restored(shell: Shell) -> None:
    scope = ("--user-id", "story")
    memory_id = shell.added(
        "Ana lives in Lisbon.", *scope, "-m", "stars=5", "-m", '{"tier": "gold"}', "-c", "home"
    )
    hits = shell.json("search", "where does Ana live?", *scope, "--mode", "keyword")
    assert hits[0]["memory"]["id"] == memory_id
    shown = shell.json("get", memory_id)
    assert shown["metadata"] == {"stars": 5, "tier": "gold"}
    assert shown["categories"] == ["home"]
    changed = shell.json("update", memory_id, "Ana lives in Porto.", "-m", "stars=null", "--reason", "moved")
    assert changed["text"] == "Ana lives in Porto."
    assert changed["metadata"] == {"tier": "gold"}
    shell.run("delete", memory_id, "--force")
    shell.run("get", memory_id, code=failures.NOT_FOUND)
    assert [row["id"] for row in shell.json("list", *scope, "--deleted")] == [memory_id]
    assert shell.json("restore", memory_id)[0]["state"] == "ACTIVE"
    events = [version["event"] for version in shell.json("history", memory_id)]
    assert events == ["ADDED", "UPDATED", "DELETED", "RESTORED"]


def test_what_is_piped_in_is_added(shell: Shell) -> None:
    shell.run("add", "--no-infer", "-u", "pipe", stdin="From a pipe.\n")
    shell.run("add", "-", "--no-infer", "-u", "pipe", stdin="From a dash.\n")
    (shell.home / "note.txt").write_text("From a file.")
    shell.run("add", "--file", "note.txt", "--no-infer", "-u", "pipe")
    texts = {row["text"] for row in shell.json("list", "-u", "pipe")}
    assert texts == {"From a pipe.", "From a dash.", "From a file."}


def test_conversations_are_added_from_json_and_json_lines(shell: Shell) -> None:
    messages = [{"role": "user", "content": "I moved to Lisbon."}, {"role": "assistant", "content": "Nice."}]
    answer = shell.json("add", "--messages", "--no-infer", "-u", "talk", stdin=json.dumps(messages))
    assert len(answer["changes"]) == 2
    lines = "\n".join(json.dumps(message | {"content": message["content"] + "!"}) for message in messages)
    assert len(shell.json("add", "--messages", "--no-infer", "-u", "talk", stdin=lines)["changes"]) == 2


def test_a_dry_run_stores_nothing(shell: Shell) -> None:
    shell.run("add", "Never stored.", "--no-infer", "--dry-run", "-u", "dry")
    assert shell.json("list", "-u", "dry") == []


def test_quiet_gives_ids_that_other_commands_take(shell: Shell) -> None:
    for number in range(3):
        shell.added(f"Number {number}.", "-u", "quiet")
    ids = shell.run("list", "-u", "quiet", "-o", "quiet").stdout
    assert len(ids.split()) == 3
    assert len(shell.json("get", "-", stdin=ids)) == 3
    deleted = shell.run("delete", "-", "--force", stdin=ids).stdout
    assert "3 memories deleted" in deleted


def test_json_lines_are_one_object_a_line(shell: Shell) -> None:
    shell.added("One.", "-u", "lines")
    shell.added("Two.", "-u", "lines")
    lines = shell.run("-o", "jsonl", "list", "-u", "lines").stdout.splitlines()
    assert {json.loads(line)["text"] for line in lines} == {"One.", "Two."}


def test_a_table_is_for_people_and_has_no_colour_in_a_pipe(shell: Shell) -> None:
    shell.added("Brackets [bold]stay[/bold] as they are.", "-u", "table")
    shown = shell.run("list", "-u", "table").stdout
    assert "Brackets [bold]stay[/bold] as they are." in shown
    assert "\x1b" not in shown
    assert shell.run("list", "-u", "nobody").stdout == ""


def test_text_that_would_steer_a_terminal_is_shown_harmless(shell: Shell) -> None:
    memory_id = shell.added("evil \x1b]0;title\x07 text", "-u", "escape")
    assert "\x1b" not in shell.run("get", memory_id).stdout


def test_deleting_asks_first(shell: Shell) -> None:
    memory_id = shell.added("Keep me.", "-u", "ask")
    shell.run("delete", memory_id, code=failures.DECLINED)
    shell.run("delete", "--all", "-u", "ask", code=failures.DECLINED)
    counted = shell.json("delete", "--all", "-u", "ask", "--dry-run")
    assert counted == {"matched_count": 1, "dry_run": True}
    shell.run("get", memory_id)
    assert "1 memories deleted" in shell.run("delete", "--all", "-u", "ask", "--force").stdout
    shell.run("get", memory_id, code=failures.NOT_FOUND)


def test_filters_are_mem0s_json(shell: Shell) -> None:
    gold = shell.added("Gold.", "-u", "filter", "-m", "tier=gold")
    shell.added("Silver.", "-u", "filter", "-m", "tier=silver")
    found = shell.json("list", "-u", "filter", "--filter", '{"AND": [{"tier": {"eq": "gold"}}]}')
    assert [row["id"] for row in found] == [gold]


def test_a_search_can_be_streamed(shell: Shell) -> None:
    for number in range(3):
        shell.added(f"Tea number {number}.", "-u", "stream")
    lines = shell.run("search", "tea", "-u", "stream", "--stream", "--mode", "keyword", "-o", "jsonl").stdout
    assert len(lines.splitlines()) == 3
    assert len(shell.json("search", "tea", "-u", "stream", "--stream", "--mode", "keyword")) == 3


def test_a_search_gives_prompt_text_within_a_budget(shell: Shell) -> None:
    shell.added("Ana drinks green tea.", "-u", "prompt")
    text = shell.run("search", "tea", "-u", "prompt", "--context", "200", "--mode", "keyword").stdout
    assert "Ana drinks green tea." in text


def test_an_explained_search_shows_the_parts(shell: Shell) -> None:
    shell.added("Ana drinks green tea.", "-u", "explain")
    hits = shell.json("search", "tea", "-u", "explain", "--explain", "--mode", "keyword")
    assert hits[0]["parts"]["keyword"] > 0
    assert "keyword" in shell.run("search", "tea", "-u", "explain", "--explain", "--mode", "keyword").stdout


def test_a_watch_prints_changes_as_they_come(shell: Shell) -> None:
    shell.added("Before.", "-u", "watch")
    seen = shell.run("watch", "-u", "watch", "--after", "0", "--count", "1", "-o", "jsonl").stdout
    assert json.loads(seen)["memory"]["text"] == "Before."
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mnemon_cli",
            "watch",
            "-u",
            "watch",
            "--count",
            "2",
            "--after",
            "0",
            "-o",
            "jsonl",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=shell.environment(),
        cwd=shell.home,
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    adding = threading.Thread(target=shell.added, args=("After.", "-u", "watch"))
    adding.start()
    second = json.loads(process.stdout.readline())
    adding.join()
    assert process.wait(30) == 0
    assert [first["memory"]["text"], second["memory"]["text"]] == ["Before.", "After."]
    assert shell.run("watch", "-u", "watch", "--for", "1s", "-o", "quiet").stdout == ""


def test_entities_operations_and_status_are_shown(shell: Shell) -> None:
    shell.added("Somebody.", "-u", "entity-zoe")
    found = shell.json("entity", "list", "--prefix", "entity-")
    assert [(row["kind"], row["id"], row["memory_count"]) for row in found] == [("USER", "entity-zoe", 1)]
    operation = shell.json("add", "In the background.", "--no-infer", "-u", "later", "--background")
    done = shell.json("event", "wait", operation["id"], "--for", "30s")
    assert done["state"] == "SUCCEEDED"
    assert shell.json("event", "status", operation["id"])["state"] == "SUCCEEDED"
    assert operation["id"] in [row["id"] for row in shell.json("event", "list")]
    deletion = shell.json("entity", "delete", "user", "entity-zoe", "--force")
    assert shell.json("event", "wait", deletion["id"])["state"] == "SUCCEEDED"
    assert shell.json("list", "-u", "entity-zoe") == []
    assert shell.json("status")["version"]


def test_an_agent_gets_one_envelope_for_everything(shell: Shell) -> None:
    added = shell.agent("add", "For an agent.", "--no-infer", "-u", "agent")
    memory_id = added["data"]["changes"][0]["memory"]["id"]
    assert shell.agent("get", memory_id)["data"]["text"] == "For an agent."
    assert shell.agent("list", "-u", "agent")["data"][0]["id"] == memory_id
    assert (
        shell.agent("search", "agent", "-u", "agent", "--mode", "keyword")["data"][0]["memory"]["id"]
        == memory_id
    )
    failed = shell.agent("get", UNKNOWN, code=failures.NOT_FOUND)
    assert failed["error"]["reason"] == "MEMORY_NOT_FOUND"
    failed = shell.agent("delete", memory_id, code=failures.DECLINED)
    assert failed["error"]["reason"] == "CONFIRMATION_REQUIRED"
    assert "--force" in failed["error"]["hint"]
    failed = shell.agent("search", "x", "--top-k", "9999", "-u", "a", code=failures.INVALID)
    assert failed["error"]["violations"][0]["field"] == "top_k"
    failed = shell.agent("list", code=failures.INVALID)
    assert failed["error"]["reason"] == "SCOPE_REQUIRED"
    assert "--user-id" in failed["error"]["hint"]
    assert shell.agent("no-such-command", code=failures.USAGE)["error"]["reason"] == "USAGE"
    assert shell.agent("watch", "-u", "agent", code=failures.USAGE)["error"]["reason"] == "USAGE"
    assert (
        shell.agent("watch", "-u", "agent", "--after", "0", "--count", "1")["data"][0]["memory_id"]
        == memory_id
    )


def test_errors_are_told_with_a_hint_and_a_stable_code(shell: Shell) -> None:
    done = shell.run("search", "x", code=failures.INVALID)
    assert done.stdout == ""
    assert "SCOPE_REQUIRED" in done.stderr
    assert "hint" in done.stderr
    shell.run("list", "-u", "x", "--filter", "{not json", code=failures.USAGE)
    shell.run("add", "x", "-u", "x", "--ttl", "soon", code=failures.USAGE)
    shell.run("restore", shell.added("Alive.", "-u", "x"), code=failures.PRECONDITION)
    gone = Shell("127.0.0.1:1", shell.home)
    done = gone.run("list", "-u", "x", "--timeout", "5", code=failures.UNAVAILABLE)
    assert "MNEMON_ADDRESS" in done.stderr
    far = Shell("memory.example:7171", shell.home)
    assert "tls=True" in far.run("list", "-u", "x", code=failures.CONFIGURATION).stderr


def test_a_request_id_makes_an_add_safe_to_repeat(shell: Shell) -> None:
    first = shell.added("Once.", "-u", "once", "--request-id", "cli-1")
    assert shell.added("Once.", "-u", "once", "--request-id", "cli-1") == first
    shell.run("add", "Twice.", "-u", "once", "--no-infer", "--request-id", "cli-1", code=failures.CONFLICT)


def test_memories_move_as_files(shell: Shell) -> None:
    rows = [
        {"id": "m-1", "memory": "Ana eats fish.", "user_id": "mover", "created_at": "2024-01-02T03:04:05Z"},
        {"text": "Ana lives in Lisbon.", "metadata": {"tier": "gold"}},
    ]
    (shell.home / "in.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    checked = shell.json("import", "in.jsonl", "-u", "mover", "--dry-run")
    assert checked["result"]["imported_count"] == 2
    assert shell.json("list", "-u", "mover") == []
    done = shell.json("import", "in.jsonl", "-u", "mover")
    assert done["result"]["imported_count"] == 2
    again = shell.json("import", "in.jsonl", "-u", "mover", "--resume", done["request_id"])
    assert again["result"]["imported_count"] == 2
    assert len(shell.json("list", "-u", "mover")) == 2
    shell.run("export", "out.jsonl", "-u", "mover")
    written = [json.loads(line) for line in (shell.home / "out.jsonl").read_text().splitlines()]
    assert {row["text"] for row in written} == {"Ana eats fish.", "Ana lives in Lisbon."}
    assert shell.run("export", "-u", "mover").stdout.count("\n") == 2
    assert sorted(path.name for path in shell.home.glob("out*")) == ["out.jsonl"]
    shell.run("export", "other.jsonl", "-u", "mover", "--resume", code=failures.USAGE)


def test_refused_rows_are_named(shell: Shell) -> None:
    lines = [json.dumps({"text": "Fine."}), json.dumps({"text": "x" * 40_000})]
    done = shell.run("import", "-", "-u", "refused", stdin="\n".join(lines), code=failures.PARTIAL)
    assert "1 imported" in done.stdout
    assert "line 2" in done.stdout
    shell.run("import", "-", "-u", "refused", stdin="no json", code=failures.INVALID)
    shell.run("import", "missing.jsonl", "-u", "refused", code=failures.FAULT)


def test_defaults_come_from_the_configuration(shell: Shell) -> None:
    shell.run("config", "set", "user_id", "configured")
    shell.run("config", "set", "output", "json")
    shell.added("By default.")
    assert [row["text"] for row in json.loads(shell.run("list").stdout)] == ["By default."]
    assert json.loads(shell.run("list", "-u", "somebody-else").stdout) == []
    shell.run("list", "-u", "", code=failures.INVALID)
    assert json.loads(shell.run("config", "get", "user_id").stdout) == {"user_id": "configured"}
    shell.run("config", "set", "api_key", "mn_secret_of_mine")
    shown = shell.run("config", "show").stdout
    assert "mn_secret_of_mine" not in shown
    assert (shell.home / "config.toml").stat().st_mode & 0o077 == 0
    shell.run("config", "set", "colour", "red", code=failures.CONFIGURATION)
    (shell.home / "config.toml").write_text("user_id = ")
    shell.run("list", code=failures.CONFIGURATION)
    shell.run("init", "--force", "--user-id", "new")
    assert "new" in (shell.home / "config.toml").read_text()


def test_init_refuses_a_server_that_is_not_there(shell: Shell) -> None:
    shell.run("init", "--address", "127.0.0.1:1", "--timeout", "3", code=failures.UNAVAILABLE)
    assert not (shell.home / "config.toml").exists()


def test_help_names_every_exit_code_and_every_command(shell: Shell) -> None:
    text = shell.run("--help").stdout
    for code in failures.MEANINGS:
        assert re.search(rf"\b{code}: ", text), code
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", text), command
    assert "0.1.0" in shell.run("version").stdout


def test_the_shell_completes_commands(shell: Shell) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("mnemon")],
        env=shell.environment()
        | {"_MNEMON_COMPLETE": "complete_bash", "COMP_WORDS": "mnemon ent", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        cwd=shell.home,
    )
    assert "entity" in done.stdout
