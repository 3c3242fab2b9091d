"""mem0 over the same turns, vectors and questions: `mem0_process.py` in an environment of mem0's own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.quality.locomo import Conversation
from bench.quality.offline_ranking import Vectors
from bench.quality.service import TOP_K, Asked, Run
from support.server import REPOSITORY, SHARED_MODELS

ENVIRONMENT = REPOSITORY / ".cache" / "mem0"
INSTALL = (
    f"python3 -m venv {ENVIRONMENT.relative_to(REPOSITORY)} && "
    f"{ENVIRONMENT.relative_to(REPOSITORY)}/bin/pip install mem0ai fastembed onnxruntime tokenizers "
    "fastapi uvicorn"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What mem0 found."""

    version: str
    add_seconds: float
    hits: list[list[int]]
    """For each search the places of its hits among the memories, best first."""
    milliseconds: list[float]


def installed() -> bool:
    """True if mem0's environment is there."""
    return (ENVIRONMENT / "bin" / "python").exists()


def ask_mem0(
    memories: Sequence[Mapping[str, str]],
    searches: Sequence[Mapping[str, str]],
    vectors: Vectors,
    *,
    keyword: bool,
    stop_words: bool = False,
    top_k: int = TOP_K,
) -> Answers:
    """Adds the memories (`user_id`, `text`) to a fresh mem0 and makes the searches (`user_id`, `query`)."""
    with tempfile.TemporaryDirectory(prefix="mnemon-mem0-") as name:
        folder = Path(name)
        np.savez(folder / "vectors.npz", texts=np.array(list(vectors)), vectors=np.array([*vectors.values()]))
        task: dict[str, Any] = {
            "memories": list(memories),
            "searches": list(searches),
            "vectors": str(folder / "vectors.npz"),
            "model": str(local_model()),
            "keyword": keyword,
            "stop_words": stop_words,
            "top_k": top_k,
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        script = Path(__file__).with_name("mem0_process.py")
        subprocess.run(
            [ENVIRONMENT / "bin" / "python", script, folder / "task.json", folder / "answer.json"],
            # Without MEM0_DIR it would write to the home directory.
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "service"), "MEM0_DIR": str(folder / "home")},
            check=True,
        )
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    return Answers(
        answer["version"],
        answer["add_seconds"],
        [one["hits"] for one in answer["answers"]],
        [one["milliseconds"] for one in answer["answers"]],
    )


def local_model() -> Path:
    """The built-in model as the servers of tests prepare it."""
    return next(SHARED_MODELS.glob("*int8*"))


def run_mem0(
    conversations: Sequence[Conversation], vectors: Vectors, *, keyword: bool, stop_words: bool = False
) -> Run:
    """All questions asked of mem0, which holds each turn as "Speaker: text".

    Its store keeps a speaker's name beside the text, not in it, so without the name in front it would
    find much less.
    """
    turns = [(one.id, turn) for one in conversations for turn in one.turns]
    questions = [(one.id, question) for one in conversations for question in one.questions]
    answers = ask_mem0(
        [{"user_id": user_id, "text": turn.named_text} for user_id, turn in turns],
        [{"user_id": user_id, "query": question.text} for user_id, question in questions],
        vectors,
        keyword=keyword,
        stop_words=stop_words,
    )
    asked = []
    for (user_id, question), hits, milliseconds in zip(
        questions, answers.hits, answers.milliseconds, strict=True
    ):
        found = [turns[place][1] for place in hits]
        sources = [frozenset({turn.id}) for turn in found]
        texts = [turn.named_text for turn in found]
        asked.append(Asked.of(user_id, question, sources, texts, milliseconds))
    how = "dense + BM25" if keyword else "dense"
    lists = ", query without stop words" if stop_words else ""
    return Run(f"mem0 {answers.version}, turns, {how}{lists}", len(turns), tuple(asked))
