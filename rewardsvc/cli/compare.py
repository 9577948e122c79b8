"""`rewardsvc compare`: how far apart two versions of a reward are on the same samples."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from rewardsvc.cli.console import number, out, readable_errors
from rewardsvc.errors import ConfigError

Results = Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)]


def compare(
    before: Results,
    after: Results,
    samples: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            show_default=False,
            help="The samples that both files are results of: they say which share a prompt.",
        ),
    ],
) -> None:
    """Compare two results of `rewardsvc score`: do two versions of a reward prefer the same?

    Prints the STARC distance: 0 for rewards that order and space the responses to each prompt
    alike, whatever their scale, 1.41 for unrelated ones, 2 for opposite ones.
    """
    import numpy as np

    from rewardsvc.monitoring import starc_distance
    from rewardsvc.monitoring.statistics import drift

    with readable_errors():
        prompts = {
            str(record["sample_id"]): json.dumps(record.get("prompt"), sort_keys=True)
            for record in _records(samples, ("sample_id",))
        }
        rewards = [_rewards(path) for path in (before, after)]
        shared = [name for name in rewards[0] if name in rewards[1] and name in prompts]
        if not shared:
            raise ConfigError(f"{before}, {after} and {samples} have no sample_id in common")
        first, second = (np.array([each[name] for name in shared]) for each in rewards)
        found = starc_distance(first, second, [prompts[name] for name in shared])
        both = np.isfinite(first) & np.isfinite(second)
        table = Table(title=f"{before} against {after}")
        table.add_column("figure")
        table.add_column("value", justify="right")
        trivial = ", one prefers nothing" if found.trivial else ""
        for name, value in (
            ("samples in both", str(len(shared))),
            ("with both rewards, beside others of their prompt", str(found.responses)),
            (f"STARC distance (0 to 2{trivial})", number(found.distance)),
            ("largest difference in distribution (0 to 1)", _drift(first, second, both, drift)),
            ("rewarded before only", str(int((np.isfinite(first) & ~both).sum()))),
            ("rewarded after only", str(int((np.isfinite(second) & ~both).sum()))),
        ):
            table.add_row(name, value)
        out.print(table)


def _drift(first: Any, second: Any, both: Any, drift: Any) -> str:
    return number(drift(first[both], second[both])) if both.any() else number(None)


def _rewards(path: Path) -> dict[str, float]:
    return {
        str(record["sample_id"]): math.nan if record["reward"] is None else float(record["reward"])
        for record in _records(path, ("sample_id", "reward"))
    }


def _records(path: Path, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    records = []
    with path.open(encoding="utf-8") as lines:
        for place, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{path}: line {place} is not valid JSON: {error}") from None
            for key in keys:
                if not isinstance(record, dict) or key not in record:
                    raise ConfigError(f"{path}: line {place}: {key} is missing")
            records.append(record)
    return records
