"""What the commands print with, and how they end when something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from rewardsvc.errors import RewardServiceError

out = Console()
err = Console(stderr=True)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turns the project's errors into one readable message and exit status 2."""
    try:
        yield
    except RewardServiceError as error:
        # Plainly: rich would wrap and colour what somebody may want to search for.
        print(f"{error.code}: {error.message}", file=sys.stderr)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise typer.Exit(130) from None


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
