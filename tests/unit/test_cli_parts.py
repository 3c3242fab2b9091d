"""Parts of the command line that need no server: its line, its texts, its failures."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import mnemon
import mnemon_cli
from mnemon_cli.config import Config, config_path, read_config, write_config
from mnemon_cli.failures import CODES, HINTS, MEANINGS, CommandError, failure_of
from mnemon_cli.main import hoisted
from mnemon_cli.options import read_as_of, read_object, read_pairs, read_span, read_time
from mnemon_cli.output import escaped, text_of

README = (Path(mnemon_cli.__file__).parent.parent / "README.md").read_text("utf-8")


def test_the_readme_documents_every_exit_code() -> None:
    documented = dict(re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE))
    assert {int(code): meaning for code, meaning in documented.items()} == MEANINGS


def test_every_status_has_an_exit_code_and_every_hint_a_reason() -> None:
    statuses = {error.code for error in mnemon.MnemonError.__subclasses__()}
    assert statuses - set(CODES) == {"CANCELLED", "INTERNAL"}
    assert set(HINTS) <= {reason.value for reason in mnemon.ErrorReason}


def test_global_options_may_stand_anywhere() -> None:
    assert hoisted(["list", "-u", "a", "-o", "json"]) == ["-o", "json", "list", "-u", "a"]
    assert hoisted(["add", "x", "--agent", "--address=h:1"]) == ["--agent", "--address=h:1", "add", "x"]
    assert hoisted(["add", "--", "-o", "json", "--agent"]) == ["add", "--", "-o", "json", "--agent"]
    assert hoisted(["list", "-o"]) == ["-o", "list"]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90", timedelta(seconds=90)),
        ("1.5h", timedelta(minutes=90)),
        ("30d", timedelta(days=30)),
        (None, None),
    ],
)
def test_spans_of_time_are_read(text: str | None, span: timedelta | None) -> None:
    assert read_span(text, "--ttl") == span


def test_times_and_places_are_read() -> None:
    assert read_time("2026-05-07T09:30:00Z", "--at") == datetime(2026, 5, 7, 9, 30, tzinfo=UTC)
    local = read_time("2026-05-07", "--at")
    assert local is not None
    assert local.tzinfo is not None
    assert read_as_of("42") == 42
    assert read_as_of(None) is None


def test_values_are_json_where_they_can_be() -> None:
    pairs = ["n=5", "ok=true", "name=Ana", "list=[1, 2]", "none=null", "eq=a=b"]
    read = {"n": 5, "ok": True, "name": "Ana", "list": [1, 2], "none": None, "eq": "a=b"}
    assert read_pairs(pairs, "--metadata") == read


def test_what_cannot_be_read_is_a_wrong_command_line() -> None:
    wrong: list[Callable[[], object]] = [
        lambda: read_span("soon", "--ttl"),
        lambda: read_time("later", "--at"),
        lambda: read_pairs(["novalue"], "--metadata"),
        lambda: read_object("[1]", "--filter"),
        lambda: read_object("{", "--filter"),
    ]
    for read in wrong:
        with pytest.raises(CommandError) as caught:
            read()
        assert caught.value.failure.exit_code == 2


def test_text_is_shown_harmless() -> None:
    assert escaped("a \x1b[31mred\x07") == "a �\\[31mred�"
    assert escaped("two\nlines") == "two\nlines"
    assert text_of(None) == ""
    assert text_of(0.12345) == "0.123"
    assert text_of(("a", "b")) == "a, b"


def test_a_failure_tells_reason_message_and_hint() -> None:
    error = mnemon.InvalidArgumentError(
        "name at least one id", reason="SCOPE_REQUIRED", violations=[mnemon.Violation("scope", "missing")]
    )
    failure = failure_of(error)
    assert failure.exit_code == 3
    assert failure.envelope()["reason"] == "SCOPE_REQUIRED"
    assert "--user-id" in str(failure.envelope()["hint"])
    assert failure.envelope()["violations"] == [{"field": "scope", "description": "missing"}]


def test_the_configuration_survives_and_keeps_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNEMON_CONFIG", str(tmp_path / "deep" / "config.toml"))
    assert read_config() == Config()
    config = Config(address="h:1", api_key='mn_"quoted"\\', user_id="ünï", timeout=2.5, tls=True)
    assert write_config(config) == config_path()
    assert read_config() == config
    assert config_path().stat().st_mode & 0o077 == 0
    assert "mn_" not in repr(config)
    assert "quoted" not in str(config.shown())
