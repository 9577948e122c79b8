"""The fixed table of functions that workers run: name to `module:function`.

A function takes one JSON value and returns one. Names come from this table only, never from
a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

JOBS: Final[Mapping[str, str]] = MappingProxyType(
    {"math.symbolic": "rewardsvc_verifiers.math.symbolic_job:decide"}
)


def load(jobs: Mapping[str, str]) -> dict[str, Callable[[Any], Any]]:
    """Import every function of a table. Raises ImportError or AttributeError."""
    functions: dict[str, Callable[[Any], Any]] = {}
    for name, target in jobs.items():
        module, _, attribute = target.partition(":")
        functions[name] = getattr(import_module(module), attribute)
    return functions
