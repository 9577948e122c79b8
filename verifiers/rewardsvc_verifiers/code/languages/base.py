"""What a language is to the verifier: how a source becomes something a box can run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from rewardsvc_verifiers.code.suite import Limits, TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox.profile import MEBIBYTE, Profile


class CompileFailedError(Exception):
    """The program does not compile; the message is the compiler's, for people."""


@dataclass(frozen=True, slots=True)
class Program:
    """Something a box can run.

    Attributes:
        profile: the zygote it runs under.
        source: what the runner loads (empty when there is nothing to load).
        mode: the test child's mode for a stdio test.
        arguments: the mode's arguments.
        files: given to every child from descriptor 3 on, read-only.
        executable_files: whether those may be executed.
        stack_bytes: of the main thread.
        count_data_only: see `ChildLimits`.
        extra_memory_bytes: what the language's own runtime takes before the program starts.
    """

    profile: Profile
    source: bytes
    mode: str
    arguments: dict[str, Any] = field(default_factory=dict)
    files: tuple[bytes, ...] = ()
    executable_files: bool = False
    stack_bytes: int = 8 * MEBIBYTE
    count_data_only: bool = False
    extra_memory_bytes: int = 0


class Language(Protocol):
    """One language. Stateless: anything worth keeping goes to the toolbox's caches."""

    @property
    def name(self) -> str:
        """The name in `TestSuite.language`."""

    @property
    def fence_tags(self) -> frozenset[str]:
        """Info strings of its fenced blocks, in lower case."""

    def missing(self) -> str | None:
        """What must be installed before it works here; None when nothing is missing."""

    def build(self, source: str, suite: TestSuite, toolbox: Toolbox, limits: Limits) -> Program:
        """Turns a source into a Program.

        Raises:
            CompileFailedError: the source is at fault.
            SandboxError: the sandbox is.
        """
