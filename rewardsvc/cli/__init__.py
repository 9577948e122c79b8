"""The command line. Only `entry_point` is loaded with the package."""

from __future__ import annotations

import sys


def entry_point() -> None:
    """Runs the command `rewardsvc`; says what to install where that is missing."""
    try:
        from rewardsvc.cli.main import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("rewardsvc"):
            raise
        print(
            f"The command line needs {error.name}: pip install 'rewardsvc[cli]' to call a server, "
            "'rewardsvc[server,math,models]' to run one.",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    app()
