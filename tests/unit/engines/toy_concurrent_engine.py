"""A concurrent engine that does as it is told, to test the process around it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import Any

from rewardsvc.engines.engine import EngineLost
from rewardsvc.errors import ConfigError


class ToyConcurrentEngine:
    """`descendant` starts a process of its own, as vLLM does, which only a kill ends."""

    def __init__(self, fault: str = "", descendant: bool = False) -> None:
        self.fault = fault
        self.descendant = descendant
        self.progress = 0
        self.given_up: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def start(self) -> dict[str, Any]:
        if self.fault:
            raise ConfigError(f"fault: {self.fault}")
        facts: dict[str, Any] = {
            "python": sys.executable,
            "path": sys.path,
            "set": os.environ.get("TOY"),
        }
        if self.descendant:
            program = "import signal, time\nsignal.signal(15, 1)\ntime.sleep(600)"
            command = [sys.executable, "-c", program]
            facts["descendant"] = subprocess.Popen(command).pid  # noqa: ASYNC220
        return facts

    async def answer(self, request: dict[str, Any]) -> Any:
        name = request.get("name", "")
        try:
            match request["do"]:
                case "wait":
                    await self.gates.setdefault(name, asyncio.Event()).wait()
                case "open":
                    self.gates.setdefault(name, asyncio.Event()).set()
                case "raise":
                    raise ValueError("no luck")
                case "lose":
                    raise EngineLost("the core died")
                case "block":
                    time.sleep(600)  # noqa: ASYNC251
                case "work":
                    for _ in range(request["steps"]):
                        await asyncio.sleep(0.05)
                        self.progress += 1
        except asyncio.CancelledError:
            self.given_up.append(name)
            raise
        return {"name": name, "given_up": self.given_up}
