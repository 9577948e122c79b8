"""`rewardsvc rewards`: what a server offers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from rich.table import Table

from rewardsvc.cli.console import number, out, readable_errors
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
from rewardsvc.types import Monitor, RewardDescription, ScorerDescription


def rewards(
    target: Target = None,
    config: ConfigFile = None,
    tls: TlsFlag = False,
    tls_authority: TlsAuthority = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    token: Token = None,
) -> None:
    """List the rewards of a server."""
    from rewardsvc.client import Client, Retry

    retry = Retry(attempts=3)  # a person waits for the answer
    with readable_errors(), ExitStack() as stack:
        secured = security(tls, tls_authority, tls_certificate, tls_key, token)
        address = stack.enter_context(server_at(target, config))
        client = stack.enter_context(client_for(Client, address, retry=retry, **secured))
        offered = client.list_rewards()
        table = Table(title=f"Rewards at {address}")
        for heading in ("reward", "what it is", "range", "scorers", "version"):
            table.add_column(heading)
        for reward in offered:
            table.add_row(
                reward.name,
                reward.description or "–",
                _range(reward),
                "\n".join(map(_scorer, reward.scorers)),
                reward.version,
            )
        out.print(table)
        for reward in offered:
            for warning in reward.warnings:
                out.print(f"{reward.name}: {warning}")
        watched = [(r.name, m) for r in offered for m in r.monitors if m.value is not None]
        if watched:
            out.print(_monitors(watched))


def _monitors(watched: Sequence[tuple[str, Monitor]]) -> Table:
    table = Table(title="Watched against reward hacking")
    for heading in ("reward", "scorer", "figure", "value", "alarm beyond", "samples", "note"):
        table.add_column(heading)
    for reward, monitor in watched:
        table.add_row(
            reward,
            monitor.scorer or "–",
            monitor.name,
            f"{number(monitor.value)}{' ALARM' if monitor.alarm else ''}",
            number(monitor.threshold),
            str(monitor.samples),
            monitor.note,
        )
    return table


def _range(reward: RewardDescription) -> str:
    low, high = (
        "unbounded" if end is None else f"{end:g}" for end in (reward.minimum, reward.maximum)
    )
    text = "unbounded" if low == high == "unbounded" else f"{low} to {high}"
    return f"{text}, calibrated" if reward.calibrated else text


def _scorer(scorer: ScorerDescription) -> str:
    parts = [f"{scorer.name} ({scorer.kind})"]
    if scorer.members:
        parts.append(f"{len(scorer.members)} members")
    parts += [part for part in (scorer.objective, scorer.calibration) if part]
    if scorer.weight != 1:
        parts.append(f"weight {scorer.weight:g}")
    return ", ".join(parts)
