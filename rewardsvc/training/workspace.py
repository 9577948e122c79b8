"""The folder a run writes to: what is finished stays, what is half done is not seen as finished.

OUT/member-1/ …            servable members, each put in place by one rename
OUT/standardisation.json   frozen statistics
OUT/held_out_scores.jsonl  labelled member scores of the held-out pairs
OUT/card.json              what was made, written last
OUT/.work/                 while training runs: what it is, a base from scratch, votes,
                           held-out scores, the member in progress
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.errors import ConfigError

__all__ = ["Workspace", "write_json"]


class Workspace:
    """Opens `out` for a run, new or to be resumed.

    Args:
        out: the folder; made where absent.
        run_hash: equal for runs that may resume each other.
        options: the run's options, to say what differs.

    Raises:
        ConfigError: the folder holds something else, another run, or a finished one.
    """

    def __init__(self, out: Path, run_hash: str, options: dict[str, Any]) -> None:
        self.out = out
        self.work = out / ".work"
        run = self.work / "run.json"
        if run.is_file():
            started = json.loads(run.read_text(encoding="utf-8"))
            if started["hash"] != run_hash:
                differing = [
                    key
                    for key in {*options, *started["options"]}
                    if started["options"].get(key) != options.get(key)
                ]
                told = ", ".join(sorted(differing)) or "the base model's files"
                raise ConfigError(
                    f"{out}: holds an unfinished run that differs in {told}; "
                    "resume it with its own options, or choose another folder"
                )
            return
        if out.exists() and any(out.iterdir()):
            what = "a finished ensemble" if (out / "card.json").is_file() else "something else"
            raise ConfigError(f"{out}: is not empty, it holds {what}; choose another folder")
        self.work.mkdir(parents=True, exist_ok=True)
        write_json(run, {"hash": run_hash, "options": options})

    def finished(self, name: str) -> bool:
        """Whether the member has been put in place."""
        return (self.out / name).is_dir()

    def put_in_place(self, name: str, write: Callable[[Path], None]) -> None:
        """Has the member written to a folder of its own and renames it when complete."""
        partial = self.work / name
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write(partial)
        os.replace(partial, self.out / name)

    def scores(self, name: str) -> NDArray[np.float64]:
        """What `keep_scores` kept."""
        kept: NDArray[np.float64] = np.load(self.work / f"{name}.npy", allow_pickle=False)
        return kept

    def keep_scores(self, name: str, scores: NDArray[np.float64]) -> None:
        """Keeps a member's scores while the run lasts."""
        np.save(self.work / f"{name}.npy", scores, allow_pickle=False)

    def once(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The JSON that `make` made, now or before the run was interrupted."""
        path = self.work / f"{name}.json"
        if not path.is_file():
            write_json(path, make())
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def close(self) -> None:
        """Removes what only the run needed."""
        shutil.rmtree(self.work)


def write_json(path: Path, content: object) -> None:
    """Writes strict JSON by a rename, so that the file is whole or absent."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, path)
