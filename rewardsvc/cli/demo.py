"""`rewardsvc demo`: the whole service on generated rollouts, with nothing from the network."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from rewardsvc.cli.console import err, number, out, readable_errors
from rewardsvc.cli.local_server import local_server
from rewardsvc.types import Outcome, Result

_REWARD = "rollout"
_ROWS_OF_A_KIND = 2


def demo(
    problems: Annotated[int, typer.Option(min=1, max=10_000, help="Prompts to generate.")] = 60,
    seed: Annotated[int, typer.Option(help="Of the generated rollouts.")] = 2024,
) -> None:
    """Start a server, score generated rollouts over gRPC, and show what comes back.

    The bundled configuration has a math verifier, a format verifier and an ensemble of five
    tiny reward models that were trained on problems of the same kind.
    """
    import rewardsvc.demo
    from rewardsvc.client import Client
    from rewardsvc.demo.rollouts import make_rollouts

    config = Path(rewardsvc.demo.__file__).parent / "config.yaml"
    rollouts = make_rollouts(problems, seed)
    with readable_errors(), ExitStack() as stack:
        with err.status("starting a server: five reward models, a math and a format verifier"):
            address = stack.enter_context(local_server(config))
        start = time.perf_counter()
        with Client(address) as client:
            results = client.score(_REWARD, [_sample(rollout) for rollout in rollouts])
        seconds = time.perf_counter() - start
    _show(rollouts, results)
    _show_agreement(rollouts, results, seconds)


def _sample(rollout: Mapping[str, Any]) -> dict[str, Any]:
    return {key: rollout[key] for key in ("sample_id", "prompt", "response", "reference")}


def _show(rollouts: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> None:
    table = Table(
        title="Some of them, two of each kind of mistake",
        box=box.HORIZONTALS,
        show_lines=True,
        pad_edge=False,
        collapse_padding=True,
        expand=True,
    )
    table.add_column("response", ratio=5)
    table.add_column("reward", justify="right", no_wrap=True)
    table.add_column("confi-\ndence", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("dis-\nagree-\nment", justify="right", no_wrap=True)
    table.add_column("why", ratio=4)
    shown: dict[str, int] = defaultdict(int)
    for rollout, result in sorted(
        zip(rollouts, results, strict=True), key=lambda pair: str(pair[0]["mistake"])
    ):
        if shown[rollout["mistake"]] >= _ROWS_OF_A_KIND:
            continue
        shown[rollout["mistake"]] += 1
        mistake = str(rollout["mistake"] or "no mistake").replace("_", " ")
        table.add_row(
            f"[dim]{mistake}[/dim]\n{escape(_short(rollout['response']))}",
            number(result.reward),
            number(None if result.confidence is None else result.confidence.probability),
            "–" if result.verdict is None else result.verdict.outcome.value,
            number(result.disagreement, 2),
            escape(_why(result)),
        )
    out.print(table)
    out.print(
        "reward: 1 for a right answer, up to 0.5 for the reward models' opinion, 0.2 for form\n"
        "confidence: how likely it is right, by the five models, which do not see the reference\n"
        "disagreement: spread of the five, in standard deviations over a reference set\n",
        highlight=False,
    )


def _short(response: str) -> str:
    """A response on one line."""
    lines = [line.strip() for line in response.splitlines()]
    return "; ".join(line for line in lines if line not in ("", "<think>", "</think>"))


def _why(result: Result) -> str:
    """What the result's own reason and its verifiers say; of the form, only what is wrong."""
    reasons = [result.reason] if result.reason else []
    reasons += [
        part.verdict.reason
        for part in result.components
        if part.verdict and not (part.name == "form" and part.verdict.outcome is Outcome.CORRECT)
    ]
    return "\n".join(reasons)


def _show_agreement(
    rollouts: Sequence[Mapping[str, Any]], results: Sequence[Result], seconds: float
) -> None:
    labelled = [
        (bool(rollout["label"]), result) for rollout, result in zip(rollouts, results, strict=True)
    ]
    judged = [
        (right, result.verdict.outcome is Outcome.CORRECT)
        for right, result in labelled
        if result.verdict is not None and result.verdict.decided
    ]
    believed = [
        (right, result.confidence.probability >= 0.5)
        for right, result in labelled
        if result.confidence is not None
    ]
    table = Table(title="All of them", show_header=False)
    table.add_row("rollouts scored", f"{sum(r.reward is not None for r in results)}/{len(results)}")
    table.add_row("seconds", f"{seconds:.2f}")
    table.add_row("verdicts that agree with the known truth", _share(judged))
    table.add_row("reward models' confidence on the right side of 0.5", _share(believed))
    for right, name in ((True, "right"), (False, "wrong")):
        rewards = [r.reward for label, r in labelled if label is right and r.reward is not None]
        mean = sum(rewards) / len(rewards) if rewards else None
        table.add_row(f"mean reward of {name} answers", number(mean))
    out.print(table)


def _share(pairs: Sequence[tuple[bool, bool]]) -> str:
    agreeing = sum(truth is said for truth, said in pairs)
    return f"{agreeing}/{len(pairs)}" + (f" ({agreeing / len(pairs):.1%})" if pairs else "")
