"""Every remote embedder against a double of its provider, over real HTTP, in good and bad weather."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from mnemon_service.model.errors import (
    FailedPrecondition,
    MnemonError,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from mnemon_service.providers.embedding import Embedder
from mnemon_service.providers.gemini_embedding import gemini_embedder
from support.embedders import DIMENSION, KEY, REMOTE, Pauses, RemoteKind, guard_for, remote_servers
from support.provider_servers.embedding_gemini import gemini_error
from support.provider_servers.embedding_vectors import vector_of
from support.provider_servers.server import Fault, ProviderServer


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ProviderServer]]:
    with remote_servers() as running:
        yield running


@dataclass
class Subject:
    """An embedder, the double it speaks to, and what it would have slept."""

    kind: RemoteKind
    server: ProviderServer
    embedder: Embedder
    pauses: Pauses


@pytest.fixture(params=REMOTE, ids=lambda kind: kind.provider)
async def subject(
    request: pytest.FixtureRequest, servers: dict[str, ProviderServer]
) -> AsyncIterator[Subject]:
    kind: RemoteKind = request.param
    server = servers[kind.provider]
    server.seen.clear()
    pauses = Pauses()
    embedder = kind.build(server.url, guard_for(kind.provider, pauses))
    yield Subject(kind, server, embedder, pauses)
    server.forget()
    await embedder.close()


def unit(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    return [number / length for number in vector]


async def test_each_text_gets_its_own_vector_at_length_one_and_tokens_are_counted(subject: Subject) -> None:
    purpose = "RETRIEVAL_DOCUMENT" if subject.kind.provider == "gemini" else ""
    answer = await subject.embedder.embed_documents(["red", "green", "日本"])
    expected = [unit(vector_of(text, DIMENSION, purpose)) for text in ("red", "green", "日本")]
    np.testing.assert_allclose(answer.vectors, expected, atol=1e-6)
    assert answer.usage.provider == subject.kind.provider
    assert (answer.usage.calls, answer.usage.failed_calls, answer.usage.input_tokens) == (1, 0, 9)
    assert subject.embedder.name.startswith(f"{subject.kind.provider}/")
    assert subject.embedder.name.endswith(f"/{DIMENSION}")


async def test_the_key_travels_in_its_header_only(subject: Subject) -> None:
    await subject.embedder.embed_query("red")
    seen = subject.server.seen[0]
    assert seen.headers[subject.kind.key_header] in (KEY, f"Bearer {KEY}")
    assert KEY not in str(seen.body) + seen.path + str(seen.query)


async def test_queries_have_a_task_of_their_own_only_where_the_provider_knows_one(subject: Subject) -> None:
    document = await subject.embedder.embed_documents(["red"])
    query = await subject.embedder.embed_query("red")
    same = bool((document.vectors == query.vectors).all())
    assert same == (subject.kind.provider != "gemini")


async def test_many_texts_are_sent_in_batches_that_the_provider_takes(subject: Subject) -> None:
    count = 2 * min(subject.kind.texts_in_a_call, 100) + 1
    texts = [f"text {number}" for number in range(count)]
    answer = await subject.embedder.embed_documents(texts)
    single = await subject.embedder.embed_documents([texts[-1]])
    assert answer.vectors.shape == (count, DIMENSION)
    np.testing.assert_array_equal(answer.vectors[-1], single.vectors[0])
    sizes = [len(subject.kind.texts(body)) for body in subject.server.bodies()[:-1]]
    assert sum(sizes) == count
    assert max(sizes) <= subject.kind.texts_in_a_call
    assert answer.usage.calls == len(sizes) == math.ceil(count / subject.kind.texts_in_a_call)


async def test_a_text_past_the_window_is_sent_whole_in_parts_and_pooled(subject: Subject) -> None:
    text = "".join(f"word{number} 東京 " for number in range(2_000))
    answer = await subject.embedder.embed_documents([text, "short"])
    parts = [part for body in subject.server.bodies() for part in subject.kind.texts(body)]
    assert all(len(part.encode()) <= subject.kind.window_bytes for part in parts)
    assert all(f"word{number} " in "".join(parts) for number in range(2_000))
    assert answer.vectors.shape == (2, DIMENSION)
    np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1, atol=1e-6)
    short = await subject.embedder.embed_documents(["short"])
    np.testing.assert_array_equal(answer.vectors[1], short.vectors[0])


async def test_no_texts_cost_no_call(subject: Subject) -> None:
    answer = await subject.embedder.embed_documents([])
    assert answer.vectors.shape == (0, DIMENSION)
    assert (answer.usage.calls, subject.server.seen) == (0, [])


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_told_at_once_without_the_key(subject: Subject, status: int) -> None:
    subject.server.next(Fault(status))
    with pytest.raises(FailedPrecondition) as caught:
        await subject.embedder.embed_query("red")
    assert caught.value.reason is Reason.PROVIDER_CREDENTIALS
    assert_tells_the_provider_only(subject, caught.value)
    assert len(subject.server.seen) == 1


async def test_a_bad_request_is_not_repeated(subject: Subject) -> None:
    subject.server.next(Fault(400))
    with pytest.raises(Unavailable) as caught:
        await subject.embedder.embed_query("red")
    assert (caught.value.reason, caught.value.retry_after) == (Reason.PROVIDER_UNAVAILABLE, None)
    assert_tells_the_provider_only(subject, caught.value)
    assert len(subject.server.seen) == 1


async def test_a_rate_limit_is_waited_for_as_long_as_it_asks(subject: Subject) -> None:
    subject.server.next(Fault(429, {"retry-after": "4"}))
    answer = await subject.embedder.embed_query("red")
    assert (answer.usage.calls, answer.usage.failed_calls) == (2, 1)
    assert [4 <= seconds <= 4.4 for seconds in subject.pauses.seconds] == [True]


async def test_a_lasting_rate_limit_is_given_to_the_caller_with_its_time(subject: Subject) -> None:
    subject.server.always(Fault(429, {"retry-after": "120"}))
    with pytest.raises(ResourceExhausted) as caught:
        await subject.embedder.embed_query("red")
    assert (caught.value.reason, caught.value.retry_after) == (Reason.PROVIDER_RATE_LIMITED, 120)
    assert_tells_the_provider_only(subject, caught.value)


@pytest.mark.parametrize(
    "fault",
    [Fault(500), Fault(503), Fault(reset=True), Fault(raw=b'{"data": [')],
    ids=["500", "503", "reset", "cut"],
)
async def test_passing_trouble_is_tried_again_by_us_and_not_by_the_sdk_too(
    subject: Subject, fault: Fault
) -> None:
    subject.server.next(fault, fault)
    answer = await subject.embedder.embed_query("red")
    assert (answer.usage.calls, answer.usage.failed_calls, len(subject.server.seen)) == (3, 2, 3)


async def test_trouble_that_lasts_makes_the_provider_unavailable(subject: Subject) -> None:
    subject.server.always(Fault(500))
    with pytest.raises(Unavailable) as caught:
        await subject.embedder.embed_query("red")
    assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert caught.value.metadata["failed_calls"] == "3"
    assert len(subject.server.seen) == 3
    assert_tells_the_provider_only(subject, caught.value)


async def test_a_provider_that_is_not_there_is_unavailable(subject: Subject) -> None:
    nowhere = subject.kind.build("http://127.0.0.1:9", guard_for(subject.kind.provider, Pauses()))
    with pytest.raises(Unavailable, match="connection failed"):
        await nowhere.embed_query("red")
    await nowhere.close()


async def test_a_slow_provider_is_given_up_after_the_timeout(subject: Subject) -> None:
    hasty = subject.kind.build(
        subject.server.url, guard_for(subject.kind.provider, Pauses(), timeout=0.2, attempts=1)
    )
    subject.server.next(Fault(hang=True))
    with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
        await hasty.embed_query("red")
    await hasty.close()


async def test_a_caller_who_leaves_takes_the_call_along(subject: Subject) -> None:
    subject.server.arrived.clear()
    subject.server.left.clear()
    subject.server.next(Fault(hang=True))
    call = asyncio.create_task(subject.embedder.embed_query("red"))
    assert await asyncio.to_thread(subject.server.arrived.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(subject.server.left.wait, 5)


async def test_a_wrong_dimension_names_both(subject: Subject) -> None:
    subject.server.next(Fault(raw=subject.kind.answer([[1.0] * 7])))
    with pytest.raises(FailedPrecondition, match=rf"7 dimensions where {DIMENSION} were expected") as caught:
        await subject.embedder.embed_query("red")
    assert caught.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE


@pytest.mark.parametrize(
    "row",
    [[float("nan")] * DIMENSION, [float("inf")] * DIMENSION, [0.0] * DIMENSION],
    ids=["nan", "infinite", "zero"],
)
async def test_a_vector_that_is_none_is_refused(subject: Subject, row: list[float]) -> None:
    subject.server.next(Fault(raw=subject.kind.answer([row])))
    with pytest.raises(Unavailable) as caught:
        await subject.embedder.embed_query("red")
    assert caught.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE
    assert len(subject.server.seen) == 1


async def test_too_few_vectors_are_refused(subject: Subject) -> None:
    subject.server.next(Fault(raw=subject.kind.answer([[1.0] * DIMENSION])))
    with pytest.raises(Unavailable, match="one vector for each of 2 texts") as caught:
        await subject.embedder.embed_documents(["red", "green"])
    assert caught.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE


@pytest.mark.parametrize("raw", [b"{}", b'{"embeddings": 3, "data": 3}', b'"text"', b"null"])
async def test_json_of_another_shape_is_a_clear_error(subject: Subject, raw: bytes) -> None:
    subject.server.always(Fault(raw=raw))
    with pytest.raises(Unavailable) as caught:
        await subject.embedder.embed_query("red")
    assert caught.value.reason in (Reason.PROVIDER_ANSWER_UNUSABLE, Reason.PROVIDER_UNAVAILABLE)
    assert_tells_the_provider_only(subject, caught.value)


@pytest.mark.parametrize("subject", [kind for kind in REMOTE if kind.provider == "gemini"], indirect=True)
async def test_gemini_says_the_wait_and_the_bad_key_in_the_body(subject: Subject) -> None:
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "90.5s"}
    subject.server.next(Fault(429, body=gemini_error(429, delay)))
    with pytest.raises(ResourceExhausted) as limited:
        await subject.embedder.embed_query("red")
    assert limited.value.retry_after == 90.5
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    subject.server.next(Fault(400, body=gemini_error(400, reason)))
    with pytest.raises(FailedPrecondition) as refused:
        await subject.embedder.embed_query("red")
    assert refused.value.reason is Reason.PROVIDER_CREDENTIALS


async def test_geminis_second_generation_is_told_the_task_in_the_text(
    servers: dict[str, ProviderServer],
) -> None:
    server = servers["gemini"]
    server.seen.clear()
    embedder = gemini_embedder(
        api_key=KEY,
        guard=guard_for("gemini", Pauses()),
        model="gemini-embedding-2",
        dimension=DIMENSION,
        base_url=server.url,
    )
    await embedder.embed_documents(["red", "x" * 10_000])
    await embedder.embed_query("red")
    texts = [one["content"]["parts"][0]["text"] for body in server.bodies() for one in body["requests"]]
    assert len(texts) == 4
    assert all(text.startswith("title: none | text: ") for text in texts[:3])
    assert (texts[0], texts[3]) == ("title: none | text: red", "task: search result | query: red")
    await embedder.close()


def assert_tells_the_provider_only(subject: Subject, error: MnemonError) -> None:
    assert subject.kind.provider in error.message
    for secret in (KEY, "secret words", "127.0.0.1"):
        assert secret not in error.message + str(error.metadata)
