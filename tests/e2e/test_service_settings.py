"""Settings: arguments, then the environment, then the TOML file; what is wrong is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

NOTHING: Mapping[str, str] = {}


def config(
    *arguments: str, environment: Mapping[str, str] = NOTHING, status: int = 0
) -> tuple[dict[str, str], list[str]]:
    """The values that `mnemon-service config` prints, by variable, and the lines of its errors."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MNEMON_")}
    ended = subprocess.run(
        [sys.executable, "-m", "mnemon_service", "config", *arguments],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    cells = [[cell.strip() for cell in line.split("│")] for line in ended.stdout.splitlines()]
    shown = {row[1]: row[2] for row in cells if len(row) > 3 and row[1].startswith("MNEMON_")}
    return shown, ended.stderr.splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mnemon.toml"
    path.write_text(
        'log_level = "warning"\n'
        "provider_attempts = 3\n"
        'openai_api_key = "sk-planted"\n'
        "[tls_callers]\n"
        '"spiffe://a/b" = "writer@default"\n'
    )
    return path


def test_a_file_gives_settings_and_secrets_are_masked(file: Path) -> None:
    shown, said = config("--config", str(file))
    assert shown["MNEMON_PROVIDER_ATTEMPTS"] == "3"
    assert shown["MNEMON_TLS_CALLERS"] == "{'spiffe://a/b': 'writer@default'}"
    assert set(shown["MNEMON_OPENAI_API_KEY"]) == {"*"}
    assert shown["MNEMON_ADDRESS"] == "127.0.0.1:7171", "what the file does not name keeps its default"
    assert not said


def test_the_environment_goes_before_the_file(file: Path) -> None:
    environment = {"MNEMON_CONFIG_FILE": str(file), "MNEMON_LOG_LEVEL": "debug"}
    shown, _ = config(environment=environment)
    assert shown["MNEMON_LOG_LEVEL"] == "debug"
    assert shown["MNEMON_PROVIDER_ATTEMPTS"] == "3"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("provider_attemps = 3", "provider_attemps is no setting; did you mean provider_attempts?"),
        ("colour = 3", "colour is no setting"),
        ('provider_attempts = "many"', "MNEMON_PROVIDER_ATTEMPTS: Input should be a valid integer"),
        ("provider_attempts =", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mnemon.toml"
    path.write_text(content + "\n")
    _, said = config("--config", str(path), status=1)
    assert len(said) == 1
    assert message in said[0]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.toml")
    for arguments, environment in ((("--config", missing), NOTHING), ((), {"MNEMON_CONFIG_FILE": missing})):
        _, said = config(*arguments, environment=environment, status=1)
        assert said == [f"mnemon-service: there is no file {missing}"]


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "MNEMON_PROVIDER_ATTEMPTS",
            "0",
            "MNEMON_PROVIDER_ATTEMPTS: Input should be greater than or equal to 1",
        ),
        ("MNEMON_TLS_CALLERS", "{", "tls_callers"),
    ],
)
def test_a_wrong_variable_is_one_line(variable: str, value: str, message: str) -> None:
    _, said = config(environment={variable: value}, status=1)
    assert len(said) == 1
    assert message in said[0]


def test_a_misspelt_variable_is_pointed_out_and_the_clients_are_not() -> None:
    environment = {"MNEMON_DATADIR": "x", "MNEMON_API_KEY": "y", "MNEMON_CONFIG": "z"}
    _, said = config(environment=environment)
    assert said == ["mnemon-service: MNEMON_DATADIR is no setting; did you mean MNEMON_DATA_DIR?"]
