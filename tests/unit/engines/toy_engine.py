"""An engine that does as it is told, to test the process around it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from rewardsvc.errors import ConfigError


class ToyEngine:
    def __init__(self, fault: str = "", raise_if_exists: str = "") -> None:
        self.fault = fault
        self.obstacle = raise_if_exists

    def start(self) -> dict[str, Any]:
        match self.fault:
            case "config":
                raise ConfigError("greeting: must be hello")
            case "raise":
                raise RuntimeError("no luck")
            case "exit":
                os._exit(3)
            case "hang":
                time.sleep(600)
        if self.obstacle and Path(self.obstacle).exists():
            raise RuntimeError("an obstacle")
        return {"greeting": "hello"}

    def prepare(self, request: dict[str, Any]) -> dict[str, Any]:
        if "raise_in_prepare" in request:
            raise ValueError("raise_in_prepare")
        if "touch_in_prepare" in request:
            Path(request["touch_in_prepare"]).touch()
        return request

    def run(self, work: dict[str, Any]) -> Any:
        if "raise_in_run" in work:
            raise ValueError("raise_in_run")
        if "exit" in work:
            os._exit(work["exit"])
        if "touch" in work:
            Path(work["touch"]).touch()
        while "wait_for" in work and not Path(work["wait_for"]).exists():
            time.sleep(0.005)
        if "double" in work:
            return 2 * work["double"]
        return work.get("echo", "done")
