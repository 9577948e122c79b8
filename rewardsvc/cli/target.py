"""Which server a command talks to: one that runs, or one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rewardsvc.cli.local_server import local_server
from rewardsvc.errors import ConfigError

Target = Annotated[
    str | None,
    typer.Option(help="host:port of a running server; several with commas; or dns:///name:port."),
]
ConfigFile = Annotated[
    Path | None, typer.Option(help="In place of --target: start a server of this configuration.")
]


@contextmanager
def server_at(target: str | None, config: Path | None) -> Iterator[str]:
    """The address to dial; raises ConfigError unless exactly one of the two is given."""
    if (target is None) == (config is None):
        raise ConfigError("give either --target (a running server) or --config (start one)")
    if target is not None:
        yield target
    elif config is not None:
        with local_server(config) as address:
            yield address
