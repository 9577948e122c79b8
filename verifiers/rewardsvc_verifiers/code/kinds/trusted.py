"""The suite's own programs, checkers and references: in boxes that no candidate was ever in."""

from __future__ import annotations

from typing import Any

from rewardsvc_verifiers.code import codec
from rewardsvc_verifiers.code.languages.base import CompileFailedError, Program
from rewardsvc_verifiers.code.languages.python import PLAIN
from rewardsvc_verifiers.code.programs.candidate import VALUE
from rewardsvc_verifiers.code.running import Box, files, limit_status
from rewardsvc_verifiers.code.suite import TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox import channel
from rewardsvc_verifiers.sandbox.host import SandboxError


class TrustedProgram:
    """A Python program of the suite's. A context manager; the box opens on first use.

    Args:
        source: the program; empty when the suite has none.
        role: what it is, for messages.
    """

    def __init__(self, source: str, role: str, suite: TestSuite, toolbox: Toolbox) -> None:
        self._role, self._limits = role, suite.limits
        self._box = Box(toolbox, Program(PLAIN, source.encode(), "call"), suite.limits)

    def __enter__(self) -> TrustedProgram:
        return self

    def __exit__(self, *_: object) -> None:
        self._box.__exit__()

    def call(self, function: str, arguments: bytes) -> Any:
        """The plain value that a function returns for encoded arguments.

        Raises:
            SandboxError: it failed; that says nothing about the candidate.
        """
        with files(b"", arguments, None) as opened:
            try:
                ended = self._box.run(
                    "call", {"function": function, "module": "solution"}, opened.all
                )
            except CompileFailedError as error:
                raise SandboxError(f"{self._role} does not compile: {error}") from error
            trouble = limit_status(ended, self._limits, opened)
            if trouble is not None:
                raise SandboxError(f"{self._role} failed: {trouble[0].value}: {trouble[1]}")
            answer = channel.read_all(opened.extra[1], codec.MAXIMUM_BYTES + 2)
        if answer[:1] != VALUE:
            raise SandboxError(f"{self._role} returned no plain data: {answer[1:200]!r}")
        try:
            return codec.decode(answer[1:])
        except codec.CodecError as error:
            raise SandboxError(f"{self._role} returned what cannot be read: {error}") from error

    def asks(self, arguments: list[Any]) -> bool:
        """The answer of its function `check`; SandboxError when it is neither True nor False."""
        answer = self.call("check", codec.encode([arguments, {}]))
        if type(answer) is not bool:
            raise SandboxError(f"{self._role} must return True or False, got {answer!r:.80}")
        return answer
