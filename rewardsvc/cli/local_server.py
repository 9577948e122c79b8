"""A server of one's own for one command: in a process of its own, on a free loopback port."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rewardsvc.errors import ConfigError, Unavailable

_STOP_SECONDS = 90.0


@contextmanager
def local_server(config: Path) -> Iterator[str]:
    """The address of a warm server of `config`; it is stopped on leaving.

    Raises ConfigError with the server's own words if it cannot start.
    """
    with tempfile.TemporaryDirectory(prefix="rewardsvc-") as folder:
        ready_file, log_file = Path(folder, "ready"), Path(folder, "log")
        command = [sys.executable, "-m", "rewardsvc", "serve", "--config", str(config)]
        options = ["--address", "127.0.0.1:0", "--ready-file", str(ready_file)]
        with log_file.open("wb") as log:
            process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        try:
            while not ready_file.exists():
                if process.poll() is not None:
                    raise ConfigError(_last_words(log_file))
                time.sleep(0.02)
            yield ready_file.read_text()
            if process.poll() is not None:
                raise Unavailable(f"the server ended: {_last_words(log_file)}")
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    plain = [line for line in lines if not line.startswith("{")]
    return "\n".join((plain or lines)[-20:]) or "it said nothing"
