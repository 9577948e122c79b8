"""A programs module with nothing to run: the probe only wants to know whether a box opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MODES: dict[str, Callable[[Any, dict[str, Any]], int]] = {}


def prepare() -> None:
    """Nothing to prepare."""


def load(source: bytes, arguments: dict[str, Any]) -> bytes:
    """Takes any source."""
    return source
