"""Run the evaluation set and print a table.

    cd tests
    python -m quality.extraction.run                          # the deterministic extractor
    python -m quality.extraction.run --model gpt-5-mini       # OpenAI, OPENAI_API_KEY
    python -m quality.extraction.run --model llama3.1 --preset ollama
    python -m quality.extraction.run --model any --base-url http://127.0.0.1:8000/v1

A live model is asked once a dialogue (or more, if its answer was cut), four dialogues at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from mnemon_service.memory.understanding.understand import understand
from mnemon_service.model.errors import MnemonError
from mnemon_service.providers.llm import LanguageModel
from mnemon_service.providers.llm_presets import PRESETS
from mnemon_service.providers.openai_llm import compatible_model
from mnemon_service.providers.retry import ProviderGuard
from quality.extraction.scoring import Dialogue, Score, load, score_decisions, score_deterministic

OPENAI_ADDRESS = "https://api.openai.com/v1"
DIALOGUES_AT_ONCE = 4


async def score_model(model: LanguageModel, dialogues: Sequence[Dialogue]) -> list[Score]:
    """The changes that a live model plans for each dialogue, scored; a failed call is a fault."""
    free = asyncio.Semaphore(DIALOGUES_AT_ONCE)

    async def one(dialogue: Dialogue) -> Score:
        async with free:
            try:
                plan = await understand(model, dialogue.conversation)
            except MnemonError as error:
                fault = f"{dialogue.name}: {error.reason}: {error.message}"
                return Score(wanted=len(dialogue.changes), faults=(fault,))
            return score_decisions(dialogue, plan.decisions)

    return list(await asyncio.gather(*map(one, dialogues)))


def print_table(title: str, dialogues: Sequence[Dialogue], scores: Sequence[Score], console: Console) -> None:
    """One row a topic and one for all, then what went wrong."""
    by_topic: defaultdict[str, list[Score]] = defaultdict(list)
    for dialogue, score in zip(dialogues, scores, strict=True):
        by_topic[dialogue.topic].append(score)
    table = Table(title=title)
    table.add_column("topic")
    for heading in ("dialogues", "expected", "recall", "produced", "precision", "forbidden"):
        table.add_column(heading, justify="right")
    for topic, several in by_topic.items():
        _add_row(table, topic, several)
    table.add_section()
    _add_row(table, "all", scores)
    console.print(table)
    for score in scores:
        for fault in score.faults:
            console.print(fault, markup=False, highlight=False)


def _add_row(table: Table, name: str, scores: Sequence[Score]) -> None:
    total = sum(scores, Score())
    table.add_row(
        name,
        str(len(scores)),
        str(total.wanted),
        f"{total.recall:.0%}",
        str(total.produced),
        f"{total.precision:.0%}",
        str(total.forbidden),
    )


def open_model(name: str, preset: str, base_url: str, environment: Mapping[str, str]) -> LanguageModel:
    """The model of a server that speaks OpenAI's protocol, its key from the environment."""
    if not preset and not base_url:
        preset, base_url = "", OPENAI_ADDRESS
    variable = PRESETS[preset].key_variable if preset else "OPENAI_API_KEY"
    return compatible_model(
        model=name,
        preset=preset,
        base_url=base_url,
        api_key=environment.get(variable, "") if variable else "",
        guard=ProviderGuard(
            preset or "openai",
            timeout=120.0,
            attempts=3,
            concurrency=DIALOGUES_AT_ONCE,
            breaker_failures=10,
            breaker_seconds=10.0,
        ),
    )


async def _live(model: LanguageModel, dialogues: Sequence[Dialogue]) -> list[Score]:
    try:
        return await score_model(model, dialogues)
    finally:
        await model.close()


def main() -> None:
    """Score and print."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--model", default="")
    arguments.add_argument("--preset", default="", choices=["", *PRESETS])
    arguments.add_argument("--base-url", default="")
    options = arguments.parse_args()
    dialogues = load()
    if options.model:
        model = open_model(options.model, options.preset, options.base_url, os.environ)
        print_table(model.name, dialogues, asyncio.run(_live(model, dialogues)), Console())
    else:
        print_table("deterministic", dialogues, [score_deterministic(one) for one in dialogues], Console())


if __name__ == "__main__":
    main()
