"""`rewardsvc score`: a JSON lines file in, a JSON lines file out."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from rewardsvc.cli.console import err, number, out, readable_errors
from rewardsvc.cli.target import (
    ConfigFile,
    Target,
    TlsAuthority,
    TlsCertificate,
    TlsFlag,
    TlsKey,
    Token,
    client_for,
    security,
    server_at,
)
from rewardsvc.errors import ConfigError
from rewardsvc.rescore.records import FIELDS
from rewardsvc.rescore.summary import Summary

UNREADABLE_STATUS = 3
"""Exit status when some lines of the input were no samples."""
_REASONS_SHOWN = 5


def score(
    source: Annotated[Path, typer.Argument(metavar="INPUT.jsonl", help="One sample a line.")],
    output: Annotated[Path, typer.Option(help="One result a line; an old one is resumed.")],
    reward: Annotated[str, typer.Option(help="Name of the reward.")],
    target: Target = None,
    config: ConfigFile = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the dataset keeps a field, as in response=solution or "
            f"reference=meta.answer. Fields: {', '.join(FIELDS)}."
        ),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose work this is.")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds that a sample may take.")] = 600.0,
    tls: TlsFlag = False,
    tls_authority: TlsAuthority = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    token: Token = None,
) -> None:
    """Score a file of any length, in constant memory.

    A line holds prompt (text, or a list of {role, content}), response, reference (a gold
    answer, a list of them, or {answers, response, tests, rubric}), and may hold sample_id and
    domain. Every line comes out as a result: one that cannot be read with status error and
    the reason. Samples whose ids the output already holds are skipped, so a run that was cut
    off is simply started again.

    Exit status: 0; 2 when the run could not go on; 3 when some lines were no samples.
    """
    with readable_errors():
        names = _names(field or [])
        options = security(tls, tls_authority, tls_certificate, tls_key, token)
        options |= {"tenant": tenant, "timeout": timeout}
        with server_at(target, config) as address:
            start = time.monotonic()
            size = source.stat().st_size if source.is_file() else 0
            summary = asyncio.run(_run(address, options, reward, source, size, output, names))
            seconds = time.monotonic() - start
        _show(summary, seconds)
    if summary.unreadable:
        raise typer.Exit(UNREADABLE_STATUS)


async def _run(
    address: str,
    options: dict[str, Any],
    reward: str,
    source: Path,
    size: int,
    output: Path,
    names: dict[str, str],
) -> Summary:
    from rewardsvc.client import AsyncClient, Retry
    from rewardsvc.rescore.runner import rescore

    # A wrong address or reward is found in seconds, although the run itself is patient.
    probing = client_for(AsyncClient, address, retry=Retry(attempts=8), **options)
    async with probing as client:
        await client.get_reward(reward)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[samples]} samples"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as progress:
        bar = progress.add_task(f"scoring by {escape(reward)}", total=size, samples=0)

        def show(position: int, summary: Summary) -> None:
            if summary.samples % 64 == 0:
                progress.update(bar, completed=position, samples=summary.samples)

        async with client_for(AsyncClient, address, **options) as client:
            summary = await rescore(client, reward, source, output, names, on_progress=show)
        progress.update(bar, completed=size, samples=summary.samples)
    return summary


def _names(pairs: list[str]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        field, equals, name = pair.partition("=")
        if not equals or not name or field not in FIELDS:
            raise ConfigError(
                f"--field: is {pair!r}; must be FIELD=NAME with FIELD one of {', '.join(FIELDS)}"
            )
        names[field] = name
    return names


def _show(summary: Summary, seconds: float) -> None:
    table = Table(title="What came of it", show_header=False)
    table.add_row("samples scored now", f"{summary.samples:,}")
    if summary.skipped:
        table.add_row("skipped, in the output already", f"{summary.skipped:,}")
    for status, count in sorted(summary.statuses.items()):
        table.add_row(f"status {status}", f"{count:,}")
    for outcome, count in sorted(summary.outcomes.items()):
        table.add_row(f"verdict {outcome}", f"{count:,}")
    table.add_row("mean reward, of those with one", number(summary.mean_reward, 4))
    if summary.mean_confidence is not None:
        table.add_row("mean confidence", number(summary.mean_confidence, 4))
    table.add_row("samples a second", f"{summary.samples / seconds:,.0f}")
    if summary.unreadable:
        table.add_row("[red]lines that are no samples[/red]", f"{summary.unreadable:,}")
    out.print(table)
    for reason, count in summary.reasons.most_common(_REASONS_SHOWN):
        out.print(f"{count:,} without a reward: {escape(reason)}", highlight=False)
