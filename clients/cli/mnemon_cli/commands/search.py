"""`mnemon search`: find memories."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mnemon import HitPage, Revision, SearchHit
from mnemon_cli import columns
from mnemon_cli.options import (
    AgentId,
    AppId,
    AsOf,
    Filter,
    ProjectWide,
    RunId,
    UserId,
    read_as_of,
    read_object,
    read_time,
)
from mnemon_cli.session import Session, session_of


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("search")(search)


def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="The question or words.")],
    user_id: UserId = None,
    agent_id: AgentId = None,
    app_id: AppId = None,
    run_id: RunId = None,
    project_wide: ProjectWide = False,
    filters: Filter = None,
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", help="Hits wanted, 1 to 200.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Leave out hits that score less, 0 to 1.")] = None,
    mode: Annotated[str | None, typer.Option(help="hybrid, semantic or keyword.")] = None,
    rerank: Annotated[bool, typer.Option("--rerank", help="Let the reranker reorder the best.")] = False,
    as_of: AsOf = None,
    reference_time: Annotated[str | None, typer.Option(help='What "now" is in the query.')] = None,
    show_superseded: Annotated[bool, typer.Option("--superseded", help="Superseded ones too.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each score is made of.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="Print hits as they come.")] = False,
    tokens: Annotated[
        int | None, typer.Option("--context", help="Print prompt text of at most so many tokens.")
    ] = None,
) -> None:
    """Find memories by meaning, words, names and time."""
    session = session_of(context)
    given: dict[str, Any] = {
        **session.scope(
            project_wide=project_wide, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id
        ),
        "project_wide": project_wide,
        "filters": read_object(filters, "--filter"),
        "top_k": top_k,
        "threshold": threshold,
        "mode": mode,
        "rerank": rerank,
        "as_of": read_as_of(as_of),
        "reference_time": read_time(reference_time, "--reference-time"),
        "show_superseded": show_superseded,
    }
    if tokens is not None:
        answer = session.client.build_context(query, token_budget=tokens, **given)
        session.output.value(answer, text=answer.text, quiet=answer.text)
    elif stream:
        streamed(session, query, {**given, "explain": explain})
    else:
        found = session.client.search(query, explain=explain, **given)
        session.output.items(found.hits, columns.EXPLAINED_HIT if explain else columns.HIT)
        for notice in found.summary.notices:
            session.output.note(f"{notice.code}: {notice.message}")


def streamed(session: Session, query: str, given: dict[str, Any]) -> None:
    """Prints hits as they come, then what a reranker moved; programs get the final order."""
    with session.client.search_stream(query, **given) as pieces:
        if session.output.form in ("json", "agent"):
            for _ in pieces:
                pass
            session.output.items(pieces.hits, columns.HIT)
            return
        for piece in pieces:
            hits: tuple[SearchHit, ...] = ()
            if isinstance(piece, HitPage):
                hits = piece.hits
            elif isinstance(piece, Revision) and piece.moves:
                session.output.note("the reranker changed the order:")
                hits = pieces.hits
            session.output.stream(hits, columns.HIT)
