"""Makes saved weights readable to whoever may read what was saved beside them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["open_weights"]


def open_weights(directory: Path) -> None:
    """Gives each `*.safetensors` the permissions of the JSON files of its folder.

    safetensors makes files that only their owner may read, whatever the umask; a server that
    runs as another user could not load what was trained.
    """
    beside = next(directory.glob("*.json"), None)
    if beside is not None:
        for weights in directory.glob("*.safetensors"):
            weights.chmod(beside.stat().st_mode & 0o777)
