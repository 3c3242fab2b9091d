"""verify, reindex: care of the index."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from mnemon_service.commands.common import ConfigOption, DataDirOption, console, run, settings_of
from mnemon_service.settings import Settings

if TYPE_CHECKING:
    from mnemon_service.index.verification import Report


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what differs.")] = False,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
) -> None:
    """Compare the index with the record, project by project; status 1 if they differ (and `--repair` was
    not asked for). Stop the server first, or ask it: AdminService.VerifyIndex."""
    reports = run(_verify(settings_of(config, data_dir=data_dir), repair=repair))
    table = Table("project", "compared", "missing", "stale", "surplus", title="Index against record")
    for report in reports:
        counts = (report.compared, len(report.missing), len(report.stale), len(report.surplus))
        table.add_row(report.project_id, *(f"{count:,}" for count in counts))
    console().print(table)
    differs = not all(report.clean for report in reports)
    if differs:
        console().print(
            "mended" if repair else "mend it with --repair; a start after an unclean stop does too"
        )
    sys.exit(1 if differs and not repair else 0)


async def _verify(settings: Settings, *, repair: bool) -> list[Report]:
    from mnemon_service.app.index_choice import check_embedder
    from mnemon_service.app.offline import opened_offline

    async with opened_offline(settings) as offline:
        check_embedder(offline.index, offline.choice)
        if repair:
            return await offline.follower.verify_and_repair_all()
        return [await offline.follower.verify(one) for one in await offline.record.projects.ids()]


def reindex(data_dir: DataDirOption = None, config: ConfigOption = None) -> None:
    """Embed what has no vector of the embedder that the settings name, then make the index anew: the way
    to another embedding model. Stop the server first. What was embedded is kept if it is interrupted."""
    memories = run(_reindex(settings_of(config, data_dir=data_dir)))
    console().print(f"the index holds {memories:,} memories")


async def _reindex(settings: Settings) -> int:
    from mnemon_service.app.offline import opened_offline

    async with opened_offline(settings) as offline:
        with Progress(console=console()) as progress:
            if offline.space:
                missing = {
                    project_id: await offline.record.embeddings.count_missing(project_id, offline.space)
                    for project_id in await offline.record.projects.ids()
                }
                bar = progress.add_task(f"embedding with {offline.space}", total=sum(missing.values()))
                for project_id in (project_id for project_id, count in missing.items() if count):
                    async for count in offline.backfill.fill(project_id):
                        progress.advance(bar, count)
            progress.add_task("writing the index", total=None)
            await offline.follower.rebuild()
        return (await offline.index.statistics()).rows
