"""Python: the zygote's own interpreter, standard library loaded, a fork away from running."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from rewardsvc_verifiers.code.languages.base import Program
from rewardsvc_verifiers.code.suite import Limits, TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox.profile import Profile

PROGRAMS = "rewardsvc_verifiers.code.programs.python"
_PRELOAD = (
    "abc", "array", "bisect", "calendar", "cmath", "collections", "contextlib", "copy",
    "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq",
    "io", "itertools", "json", "math", "numbers", "operator", "os", "queue", "random", "re",
    "statistics", "string", "struct", "sys", "textwrap", "threading", "time", "timeit",
    "traceback", "types", "typing", "unicodedata", "_strptime",
)  # fmt: skip

PLAIN = Profile("python", PROGRAMS, preload=_PRELOAD)


@functools.cache
def with_package(name: str) -> Profile:
    """The Python profile with one installed package preloaded and readable.

    Raises:
        ValueError: the package is not installed here.
    """
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ValueError(f"{name} is not installed here; install it to use it in tests")
    directory = Path(next(iter(found.submodule_search_locations))).resolve()
    siblings = (directory.with_name(f"{name}.libs"), directory.with_name(f"_{name}"))
    return Profile(
        f"python+{name}", PROGRAMS, preload=(*_PRELOAD, name),
        import_paths=(str(directory.parent),),
        read=(str(directory), *(str(path) for path in siblings if path.exists())),
    )  # fmt: skip


class Python:
    """CPython, the version the service runs on."""

    name = "python"
    fence_tags = frozenset({"python", "py", "python3", "python-3", "py3"})

    def missing(self) -> str | None:
        """Nothing: the service runs on it."""
        return None

    def build(self, source: str, suite: TestSuite, toolbox: Toolbox, limits: Limits) -> Program:
        """The source as it is; the runner compiles it."""
        profile = with_package("numpy") if suite.numpy else PLAIN
        return Program(profile, source.encode("utf-8", "surrogatepass"), "script")
