"""What all embedders share: checked vectors, windows of long texts, their pooling, the cache."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.errors import FailedPrecondition, Reason, Unavailable
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.embedding import (
    CachingEmbedder,
    Embeddings,
    byte_windows,
    checked_vectors,
    pool_windows,
)


class CountingEmbedder:
    """Embeds a text as its length and its letters, and counts what it is asked."""

    name = "local/counting"
    dimension = 3

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = False

    async def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        self.asked.extend(texts)
        rows = [[len(text), text.count("a"), 1.0] for text in texts]
        vectors = checked_vectors(rows, provider="local", count=len(texts), dimension=3)
        return Embeddings(vectors, ProviderUsage("local", "counting", calls=1, input_tokens=len(texts)))

    async def embed_query(self, text: str) -> Embeddings:
        return await self.embed_documents([text])

    async def close(self) -> None:
        self.closed = True


def check(raw: object, count: int = 1, dimension: int = 2) -> list[list[float]]:
    rows: list[list[float]] = checked_vectors(raw, provider="acme", count=count, dimension=dimension).tolist()
    return rows


@given(
    st.lists(
        st.lists(
            st.floats(-1e308, 1e308).filter(lambda number: abs(number) > 1e-300), min_size=4, max_size=4
        ),
        min_size=1,
        max_size=5,
    )
)
def test_vectors_come_out_finite_and_of_length_one_whatever_their_size(rows: list[list[float]]) -> None:
    vectors = checked_vectors(rows, provider="acme", count=len(rows), dimension=4)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    "raw",
    [
        [[float("nan"), 1.0]],
        [[float("inf"), 1.0]],
        [[0.0, 0.0]],
        [],
        [[1.0, 2.0], [1.0, 2.0]],
        [1.0, 2.0],
        [[[1.0, 2.0]]],
        [["a", "b"]],
        [[1.0, 2.0], [1.0]],
        [None],
        None,
        {"a": 1},
    ],
)
def test_what_is_no_vector_is_refused(raw: object) -> None:
    with pytest.raises(Unavailable) as caught:
        check(raw)
    assert caught.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE
    assert "acme" in caught.value.message


def test_another_dimension_is_a_matter_of_settings_and_names_both() -> None:
    with pytest.raises(FailedPrecondition, match="3 dimensions where 2 were expected"):
        check([[1.0, 2.0, 3.0]])


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.integers(min_value=4, max_value=40),
    st.integers(min_value=0, max_value=3),
)
def test_windows_fit_and_lose_nothing(text: str, limit: int, overlap: int) -> None:
    windows = byte_windows(text, limit, overlap)
    assert all(len(window.encode()) <= limit for window in windows)
    rebuilt = windows[0]
    for window in windows[1:]:
        shared = max(
            size
            for size in range(min(overlap, len(window), len(rebuilt)) + 1)
            if rebuilt.endswith(window[:size])
        )
        rebuilt += window[shared:]
    if overlap == 0:
        assert rebuilt == text
    assert windows[0] == text[: len(windows[0])]
    assert text.endswith(windows[-1])


def test_windows_are_cut_between_words() -> None:
    assert byte_windows("one two three four", 9, 0) == ["one two ", "three ", "four"]


def test_pooling_weighs_windows_and_leaves_short_texts_alone() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32)
    pooled = pool_windows(vectors, [0, 1, 1, 2], [5, 3, 1, 9], 3)
    np.testing.assert_array_equal(pooled[[0, 2]], vectors[[0, 3]])
    np.testing.assert_allclose(pooled[1], np.array([3, 1]) / np.sqrt(10), rtol=1e-6)


async def test_a_text_is_embedded_once_while_it_is_remembered() -> None:
    inner = CountingEmbedder()
    cached = CachingEmbedder(inner, entries=10, queries_differ=False)
    first = await cached.embed_documents(["banana", "pear", "banana"])
    again = await cached.embed_documents(["pear", "apple"])
    query = await cached.embed_query("apple")
    assert inner.asked == ["banana", "pear", "apple"]
    np.testing.assert_array_equal(first.vectors[0], first.vectors[2])
    np.testing.assert_array_equal(first.vectors[1], again.vectors[0])
    np.testing.assert_array_equal(again.vectors[1], query.vectors[0])
    assert [answer.usage.calls for answer in (first, again, query)] == [1, 1, 0]


async def test_queries_are_remembered_apart_where_they_differ() -> None:
    inner = CountingEmbedder()
    cached = CachingEmbedder(inner, entries=10, queries_differ=True)
    await cached.embed_documents(["pear"])
    await cached.embed_query("pear")
    await cached.embed_query("pear")
    assert inner.asked == ["pear", "pear"]


async def test_the_least_recently_used_text_is_forgotten_first() -> None:
    inner = CountingEmbedder()
    cached = CachingEmbedder(inner, entries=2, queries_differ=False)
    await cached.embed_documents(["a", "b"])
    await cached.embed_query("a")
    await cached.embed_query("c")
    inner.asked.clear()
    await cached.embed_documents(["a", "c", "b"])
    assert inner.asked == ["b"]


async def test_a_batch_larger_than_the_cache_is_answered_whole() -> None:
    cached = CachingEmbedder(CountingEmbedder(), entries=2, queries_differ=False)
    texts = ["a" * size for size in range(1, 8)]
    answer = await cached.embed_documents(texts)
    expected = (await CountingEmbedder().embed_documents(texts)).vectors
    np.testing.assert_array_equal(answer.vectors, expected)


async def test_the_cache_passes_on_name_dimension_and_closing_and_asks_nothing_for_nothing() -> None:
    inner = CountingEmbedder()
    cached = CachingEmbedder(inner, entries=2, queries_differ=False)
    assert (cached.name, cached.dimension) == (inner.name, 3)
    assert (await cached.embed_documents([])).vectors.shape == (0, 3)
    assert inner.asked == []
    await cached.close()
    assert inner.closed
