"""Code blocks of our own documents, so that tests can run what readers are told to run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.server import REPOSITORY

GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"
TOOLS = REPOSITORY / ".tools"


def code_blocks(document: str, language: str) -> list[str]:
    """The blocks of one language in a document of the repository, in order."""
    text = (REPOSITORY / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def grpcurl_folder() -> Path:
    """Where a real grpcurl is: the one on the path, or one built with Go into `.tools`."""
    found = shutil.which("grpcurl")
    if found:
        return Path(found).parent
    built = TOOLS / "grpcurl"
    if not built.exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("neither grpcurl nor Go is installed")
        subprocess.run(
            [go, "install", GRPCURL], env={**os.environ, "GOBIN": str(TOOLS)}, check=True, timeout=300
        )
    return TOOLS
