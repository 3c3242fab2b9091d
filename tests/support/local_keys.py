"""The environment in which clients find a test's server, as they would on a developer's machine."""

from __future__ import annotations

import os

from support.server import MnemonServer


def client_environment(server: MnemonServer) -> dict[str, str]:
    """Address and data directory of the server; nothing else of Mnemon's in the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MNEMON_")}
    return kept | {"MNEMON_ADDRESS": server.address, "MNEMON_DATA_DIR": str(server.data_dir)}
