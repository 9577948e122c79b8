"""What an engine is: the object that lives in an engine process and does its work.

An `Engine` works on one request at a time, a `ConcurrentEngine` on all that are there.

`EngineProcess` names an engine as `module:Class`; the class is imported, built with the
options and used only in the process.
"""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["ConcurrentEngine", "Engine", "EngineLost"]


class Engine(Protocol):
    """Built with its options as keyword arguments; may raise ConfigError on wrong ones."""

    def start(self) -> dict[str, Any]:
        """Loads and warms up; what it returns is given to whoever started the process."""

    def prepare(self, request: Any) -> Any:
        """Turns a request into work, on the CPU, while an earlier request is running."""

    def run(self, work: Any) -> Any:
        """Does what `prepare` made ready; one at a time, in the order of the requests."""


class EngineLost(Exception):
    """The engine cannot answer anything any more: the process ends and is started anew."""


class ConcurrentEngine(Protocol):
    """Built with its options as keyword arguments; may raise ConfigError on wrong ones."""

    async def start(self) -> dict[str, Any]:
        """Loads and warms up; what it returns is given to whoever started the process."""

    async def answer(self, request: Any) -> Any:
        """Answers one request; cancelled when it is given up. May raise EngineLost."""

    @property
    def progress(self) -> int:
        """Changes whenever the engine does something."""
