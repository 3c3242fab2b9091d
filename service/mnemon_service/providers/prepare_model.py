"""`python -m mnemon_service.providers.prepare_model --cache DIR --precision int8`: build the model ahead.

Prints one line. Exit status 0 if the model is ready, 1 with the reason on the error output if not.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from mnemon_service.model.errors import MnemonError
from mnemon_service.providers import local_model


def main(arguments: list[str] | None = None) -> int:
    """Prepare the model as the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="prepare_model", description="Prepare the local embedding model.")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps prepared models")
    parser.add_argument("--precision", choices=local_model.PRECISIONS, default="int8")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        folder = local_model.prepared_folder(options.cache, options.precision)
        ready = local_model.is_whole(folder)
        if not ready:
            local_model.build(options.cache, options.precision)
    except MnemonError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{options.cache}: {error.strerror or error}\n")
        return 1
    state = "is ready" if ready else f"prepared in {time.monotonic() - started:.1f} s"
    sys.stdout.write(f"embedding model {local_model.MODEL_NAME} ({options.precision}) {state}: {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
