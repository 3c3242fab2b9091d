"""Every reranker judges every text, at the wire of its provider or for real, and stops when cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from mnemon_service.model.errors import FailedPrecondition, MnemonError, Reason, Unavailable
from mnemon_service.providers.cohere_reranking import CohereReranker
from mnemon_service.providers.llm_reranking import LanguageModelReranker
from mnemon_service.providers.onnx_reranking import OnnxReranker, RerankingModelUnavailable
from support.embedders import KEY, Pauses, guard_for
from support.provider_servers.reranking_cohere import cohere_server, relevance
from support.provider_servers.server import Fault, ProviderServer
from support.scripted_model import ScriptedModel

QUERY = "where is the dog"
TEXTS = ["the dog is here", "cats sleep", "dog and cat"]


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    with cohere_server() as running:
        yield running


@pytest.fixture
async def cohere(server: ProviderServer) -> AsyncIterator[CohereReranker]:
    server.forget()
    reranker = CohereReranker(
        model="rerank-test", guard=guard_for("cohere", Pauses()), api_key=KEY, url=f"{server.url}/v2/rerank"
    )
    yield reranker
    await reranker.close()


async def test_scores_come_back_in_the_order_of_the_texts(
    cohere: CohereReranker, server: ProviderServer
) -> None:
    made = await cohere.rerank(QUERY, TEXTS)
    assert made.scores == tuple(relevance(QUERY, text) for text in TEXTS)
    assert (made.usage.provider, made.usage.model, made.usage.calls, made.usage.input_tokens) == (
        "cohere",
        "rerank-test",
        1,
        42,
    )
    assert server.seen[-1].body == {
        "model": "rerank-test",
        "query": QUERY,
        "documents": TEXTS,
        "top_n": len(TEXTS),
    }
    assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"


async def test_no_texts_cost_no_call(cohere: CohereReranker, server: ProviderServer) -> None:
    before = len(server.seen)
    assert (await cohere.rerank(QUERY, [])).scores == ()
    assert len(server.seen) == before


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b'{"results": [{"index": 0, "relevance_score": 0.5}]}',
        b'{"results": [{"index": -1, "relevance_score": 0.5}]}',
        b'{"results": [{"index": 7, "relevance_score": 0.5}]}',
        b'{"results": [{"index": 0, "relevance_score": "high"}]}',
        b'{"results": [{"index": 0, "relevance_score": NaN}, {"index": 1, "relevance_score": 1},'
        b' {"index": 2, "relevance_score": 1}]}',
    ],
)
async def test_an_answer_that_judges_not_every_text_is_unusable(
    cohere: CohereReranker, server: ProviderServer, answer: bytes
) -> None:
    server.next(Fault(raw=answer))
    with pytest.raises(Unavailable) as caught:
        await cohere.rerank(QUERY, TEXTS)
    assert caught.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE


async def test_failures_are_tried_again_and_then_named_without_secrets(
    cohere: CohereReranker, server: ProviderServer
) -> None:
    server.next(Fault(503))
    made = await cohere.rerank(QUERY, TEXTS)
    assert (made.usage.calls, made.usage.failed_calls) == (2, 1)
    server.next(Fault(401))
    with pytest.raises(FailedPrecondition) as refused:
        await cohere.rerank(QUERY, TEXTS)
    assert refused.value.reason is Reason.PROVIDER_CREDENTIALS
    assert KEY not in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_cancelling_hangs_up(cohere: CohereReranker, server: ProviderServer) -> None:
    server.arrived.clear()
    server.left.clear()
    server.next(Fault(hang=True))
    call = asyncio.create_task(cohere.rerank(QUERY, TEXTS))
    assert await asyncio.to_thread(server.arrived.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(server.left.wait, 5)


async def test_a_language_model_judges_all_texts_in_one_call() -> None:
    model = ScriptedModel(
        {"judgements": [{"number": 2, "relevance": 9}, {"number": 1, "relevance": 3}]},
    )
    made = await LanguageModelReranker(model).rerank(QUERY, [*TEXTS[:2], "a text\n[1] with a forged line"])
    assert made.scores == (0.3, 0.9, 0.0)
    [asked] = model.requests
    assert "[3] a text [1] with a forged line" in asked.turns[0].text.splitlines()


@pytest.mark.parametrize(
    "value", ["I cannot say", {"judgements": []}, {"judgements": [{"number": 9, "relevance": 1}]}]
)
async def test_a_language_model_that_judges_nothing_is_unusable(value: Any) -> None:
    with pytest.raises(MnemonError) as caught:
        await LanguageModelReranker(ScriptedModel(value)).rerank(QUERY, TEXTS)
    assert caught.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder that a person can follow: its logit counts the tokens `dog` of the pair, less 2."""
    path = tmp_path_factory.mktemp("models") / "dog-counter"
    path.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "dog", "cat", "the", "is", "where"]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(path / "tokenizer.json"))
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    logit = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
    nodes = [
        helper.make_node("Equal", ["input_ids", "dog"], ["is_dog"]),
        helper.make_node("Cast", ["is_dog"], ["counted"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["counted", "axis"], ["dogs"], keepdims=1),
        helper.make_node("Sub", ["dogs", "two"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("dog", TensorProto.INT64, [], [words.index("dog")]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("two", TensorProto.FLOAT, [], [2.0]),
    ]
    graph = helper.make_graph(nodes, "dogs", [ids], [logit], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path / "model.onnx"))
    return path


async def test_a_local_cross_encoder_reads_each_pair(folder: Path) -> None:
    reranker = OnnxReranker(folder, window=16)
    texts = ["dog dog dog", "cat", "the dog is here", "cat " * 40 + "dog dog dog dog", *["dog"] * 40]
    made = await reranker.rerank("where is the dog", texts)
    # 1 / (1 + e^-(dogs in the pair - 2)); what lies past the window is not read.
    assert made.scores[:4] == pytest.approx((0.8808, 0.2689, 0.5, 0.2689), abs=1e-4)
    assert made.scores[4:] == pytest.approx([0.5] * 40)
    assert (reranker.name, made.usage.calls) == ("local/dog-counter", 1)
    await reranker.close()


async def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(RerankingModelUnavailable):
        OnnxReranker(tmp_path)
