"""`rewardsvc serve`: one server in this process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rewardsvc.errors import ConfigError


def serve(
    config: Annotated[Path, typer.Option(help="YAML file with scorers and rewards.")],
    address: Annotated[
        str | None, typer.Option(help="host:port or unix:path, in place of the file's.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Written with the address once every scorer is warm.")
    ] = None,
) -> None:
    """Serve the rewards of a configuration file over gRPC."""
    from rewardsvc.config import load_config, with_address
    from rewardsvc.server.lifecycle import run

    def ready(bound: str) -> None:
        if ready_file is not None:
            # Renamed into place, so that whoever waits for the file never reads half of it.
            draft = ready_file.with_name(ready_file.name + ".draft")
            draft.write_text(bound)
            draft.rename(ready_file)

    try:
        loaded = load_config(config)
        run(loaded if address is None else with_address(loaded, address), ready)
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
