"""The built-in model, for real: equal to the reference, whole, shared fairly, honest when broken."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from mnemon_service.model.errors import Reason, ResourceExhausted, Unavailable
from mnemon_service.providers import local_model
from mnemon_service.providers.embedding import EmbeddingModelUnavailable, Vectors
from mnemon_service.providers.local_embedding import LocalEmbedder

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "unit" / "data" / "minilm_reference.json").read_text(encoding="utf-8")
)
TEXTS: list[str] = REFERENCE["texts"]
EXPECTED: Vectors = np.array(REFERENCE["vectors"], np.float32)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
async def embedder(cache: Path) -> AsyncIterator[LocalEmbedder]:
    opened = await LocalEmbedder.open(cache)
    yield opened
    await opened.close()


def cosines(left: Vectors, right: Vectors) -> Vectors:
    products: Vectors = (left * right).sum(axis=1)
    return products


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(("precision", "at_least"), [("fp32", 0.9999), ("int8", 0.98)])
async def test_twenty_texts_equal_sentence_transformers(cache: Path, precision: str, at_least: float) -> None:
    embedder = await LocalEmbedder.open(cache, precision=precision)
    assert (embedder.name, embedder.dimension) == (f"local/all-MiniLM-L6-v2/{precision}", 384)
    together = await embedder.embed_documents(TEXTS)
    alone = np.concatenate([(await embedder.embed_query(text)).vectors for text in TEXTS])
    assert len(TEXTS) == 20
    assert cosines(together.vectors, EXPECTED).min() >= at_least
    # Whatever it is batched with, a text has one vector.
    assert cosines(together.vectors, alone).min() >= 0.9999
    np.testing.assert_allclose(np.linalg.norm(together.vectors, axis=1), 1, atol=1e-5)
    assert (together.usage.provider, together.usage.calls) == ("local", 1)
    assert together.usage.input_tokens > 400
    await embedder.close()


async def test_the_end_of_a_long_text_counts(embedder: LocalEmbedder) -> None:
    filler = "We talked about the weather and the garden for a while. " * 60
    plain = await embedder.embed_documents([filler])
    ending = await embedder.embed_documents(
        [filler + "The launch code of the rocket is kept in Houston. " * 10]
    )
    query = await embedder.embed_query("Where is the rocket's launch code kept?")
    assert cosines(ending.vectors, query.vectors)[0] > cosines(plain.vectors, query.vectors)[0] + 0.1
    assert plain.usage.input_tokens > 2 * local_model.WINDOW_TOKENS


async def test_a_text_of_exactly_one_window_is_not_split(embedder: LocalEmbedder) -> None:
    content = local_model.WINDOW_TOKENS - 2
    fits = await embedder.embed_documents(["garden " * content])
    longer = await embedder.embed_documents(["garden " * (content + 1)])
    assert fits.usage.input_tokens == local_model.WINDOW_TOKENS
    assert longer.usage.input_tokens > local_model.WINDOW_TOKENS + 2


async def test_empty_and_strange_texts_have_vectors_too(embedder: LocalEmbedder) -> None:
    answer = await embedder.embed_documents(["", " ", "\x00", "\ufffd", "a" * 50_000])
    assert np.isfinite(answer.vectors).all()
    assert (await embedder.embed_documents([])).vectors.shape == (0, 384)


async def test_concurrent_callers_get_each_their_own_vectors(embedder: LocalEmbedder) -> None:
    texts = [f"{TEXTS[number % 20]} {number}" for number in range(60)]
    answers = await asyncio.gather(*(embedder.embed_query(text) for text in texts))
    whole = await embedder.embed_documents(texts)
    assert cosines(np.concatenate([answer.vectors for answer in answers]), whole.vectors).min() >= 0.9999


async def test_a_query_overtakes_waiting_documents(embedder: LocalEmbedder) -> None:
    finished: list[str] = []

    async def documents() -> None:
        await embedder.embed_documents([f"{TEXTS[1]} {number}" for number in range(200)])
        finished.append("documents")

    async def query() -> None:
        await embedder.embed_query("Where does she live?")
        finished.append("query")

    await asyncio.gather(documents(), query())
    assert finished == ["query", "documents"]


async def test_cancelled_callers_leave_the_others_alone(embedder: LocalEmbedder) -> None:
    leaving = asyncio.create_task(embedder.embed_documents([f"{TEXTS[2]} {number}" for number in range(100)]))
    staying = asyncio.create_task(embedder.embed_documents(TEXTS[:5]))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert cosines((await staying).vectors, EXPECTED[:5]).min() >= 0.98


async def test_the_queue_is_bounded_and_one_large_call_still_passes(cache: Path) -> None:
    small = await LocalEmbedder.open(cache, queue_windows=5)
    large = asyncio.create_task(small.embed_documents(["pet"] * 300))
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted) as caught:
        await small.embed_query("Where?")
    assert (caught.value.reason, caught.value.retry_after) == (Reason.QUEUE_FULL, 1.0)
    assert (await large).vectors.shape == (300, 384)
    assert (await small.embed_query("Where?")).vectors.shape == (1, 384)
    await small.close()


async def test_closing_refuses_what_waits_and_what_comes(cache: Path) -> None:
    closing = await LocalEmbedder.open(cache)
    waiting = asyncio.create_task(closing.embed_documents(["pet"] * 300))
    await asyncio.sleep(0)
    await closing.close()
    with pytest.raises(Unavailable, match="closed"):
        await waiting
    for text in ("short", "long " * 1_000):
        with pytest.raises(Unavailable, match="closed"):
            await closing.embed_query(text)
    await closing.close()


async def test_a_damaged_model_is_built_anew(cache: Path, tmp_path: Path) -> None:
    folder = local_model.build(tmp_path, "int8")
    weights = folder / local_model.WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1])
    assert not local_model.is_whole(folder)
    embedder = await LocalEmbedder.open(tmp_path)
    assert cosines((await embedder.embed_query(TEXTS[0])).vectors, EXPECTED[:1])[0] >= 0.98
    assert local_model.is_whole(folder)
    assert names_in(tmp_path) == [folder.name]
    await embedder.close()


def test_the_command_builds_once_and_says_so_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mnemon_service.providers.prepare_model", "--cache", str(tmp_path)]
    lines = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    ]
    assert [len(line) for line in lines] == [1, 1]
    assert "(int8) prepared in" in lines[0][0]
    assert "(int8) is ready" in lines[1][0]


def test_two_builders_at_once_leave_one_whole_model_and_sweep_what_a_killed_one_left(tmp_path: Path) -> None:
    killed = tmp_path / f".{local_model.MODEL_NAME}-int8-killed"
    running = tmp_path / f".{local_model.MODEL_NAME}-int8-running"
    for folder in (killed, running):
        folder.mkdir()
    long_ago = time.time() - 2 * local_model.BUILD_TIMEOUT_SECONDS
    os.utime(killed, (long_ago, long_ago))
    command = [sys.executable, "-m", "mnemon_service.providers.prepare_model", "--cache", str(tmp_path)]
    builders = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [builder.wait(60) for builder in builders] == [0, 0]
    folder = local_model.prepared_folder(tmp_path, "int8")
    assert local_model.is_whole(folder)
    assert sorted(names_in(tmp_path)) == sorted([folder.name, running.name])


def test_the_command_fails_in_one_line_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "mnemon_service.providers.prepare_model", "--cache", str(tmp_path / "file")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


async def test_a_cache_that_cannot_be_written_leaves_the_service_without_embeddings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddingModelUnavailable, match="could not be prepared") as caught:
        await LocalEmbedder.open(tmp_path / "file")
    assert caught.value.reason is Reason.EMBEDDER_UNAVAILABLE


async def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_model, "PACKAGE", "gt-package-that-nobody-installed")
    with pytest.raises(EmbeddingModelUnavailable, match="not installed"):
        await LocalEmbedder.open(tmp_path)


def test_weights_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = tmp_path / "site" / "model"
    forged.mkdir(parents=True)
    (forged / "model.safetensors").write_bytes(b"forged")
    (forged / "tokenizer.json").write_text("{}")
    information = tmp_path / "site" / "forged-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: forged\nVersion: 1.0\n")
    (information / "RECORD").write_text("model/model.safetensors,,\nmodel/tokenizer.json,,\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(local_model, "PACKAGE", "forged")
    importlib.invalidate_caches()
    assert local_model.model_folder() == forged
    with pytest.raises(EmbeddingModelUnavailable, match="not the published file"):
        local_model.build(tmp_path / "cache", "int8")
    assert list((tmp_path / "cache").glob("*")) == []


async def test_a_precision_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingModelUnavailable, match="int8 or fp32"):
        await LocalEmbedder.open(tmp_path, precision="fp16")


async def test_a_folder_of_the_users_own_is_another_vector_space(cache: Path) -> None:
    folder = local_model.ensure_prepared(cache, "fp32")
    own = await LocalEmbedder.open_folder(folder)
    assert own.name.startswith(f"local/{folder.name}/")
    assert cosines((await own.embed_documents(TEXTS)).vectors, EXPECTED).min() >= 0.9999
    await own.close()


async def test_a_folder_without_a_model_is_told(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingModelUnavailable, match=r"tokenizer\.json"):
        await LocalEmbedder.open_folder(tmp_path)
    good = local_model.ensure_prepared(cache, "int8")
    (tmp_path / "tokenizer.json").write_bytes((good / "tokenizer.json").read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EmbeddingModelUnavailable, match=r"model\.onnx"):
        await LocalEmbedder.open_folder(tmp_path)
