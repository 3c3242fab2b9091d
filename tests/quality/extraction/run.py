"""Run the evaluation set and print a table.

    cd tests
    python -m quality.extraction.run                                    # the deterministic extractor
    python -m quality.extraction.run --live                             # a model of each provider with a key
    python -m quality.extraction.run --model gemini/gemini-2.5-flash    # as MNEMON_EXTRACTION_MODEL names it
    python -m quality.extraction.run --model ollama/llama3.1

Keys, addresses and what is set for a model come from the environment, as the server's do. A live model is
asked once a dialogue (or more, if its answer was cut), four dialogues at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from mnemon_service.app.language_models import ConfiguredLanguageModels
from mnemon_service.commands.common import settings_of
from mnemon_service.memory.understanding.understand import understand
from mnemon_service.model.errors import MnemonError
from mnemon_service.providers.llm import LanguageModel
from quality.extraction.scoring import Dialogue, Score, load, score_decisions, score_deterministic

LIVE_MODELS = ("openai/gpt-5-mini", "gemini/gemini-2.5-flash", "anthropic/claude-haiku-4-5")
"""What `--live` asks, as far as there are keys."""
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


async def run_live(
    names: Sequence[str], models: ConfiguredLanguageModels, dialogues: Sequence[Dialogue], console: Console
) -> int:
    """A table for each model that can be asked, one line for each that cannot; how many could."""
    asked = 0
    try:
        for name in names:
            try:
                model = models.get(name)
            except MnemonError as error:
                console.print(error.message, markup=False, highlight=False, soft_wrap=True)
                continue
            if model is not None:
                print_table(model.name, dialogues, await score_model(model, dialogues), console)
                asked += 1
    finally:
        await models.close()
    return asked


def main() -> None:
    """Score and print; status 1 if a model was wanted and none could be asked."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--model", action="append", default=[], help="provider/model; may be repeated")
    arguments.add_argument("--live", action="store_true", help=f"as --model {' '.join(LIVE_MODELS)}")
    options = arguments.parse_args()
    dialogues = load()
    names = [*options.model, *(LIVE_MODELS if options.live else ())]
    if not names:
        print_table("deterministic", dialogues, [score_deterministic(one) for one in dialogues], Console())
    elif not asyncio.run(run_live(names, ConfiguredLanguageModels(settings_of(None)), dialogues, Console())):
        sys.exit(1)


if __name__ == "__main__":
    main()
