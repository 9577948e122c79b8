"""Test suites: what a response is to be tested with. Data only; pickles, hashes, travels.

A suite holds inputs and expected values, and never leaves the trusted process with both: a box
gets the inputs, or a grader's tests, and the comparison happens where no candidate ran.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rewardsvc_verifiers.code import codec
from rewardsvc_verifiers.code.comparators import TOKENS, Comparator

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What each test may use.

    Attributes:
        cpu_seconds: CPU time of one test, the limit that decides. Above 0.
        wall_seconds: backstop; None means three times `cpu_seconds` plus one. Execution only.
        memory_bytes: address space of one process (for JavaScript: its private memory).
        output_bytes: standard output (or error, or a returned value) of one test.
        compile_cpu_seconds: CPU time of compiling or parsing the program.
    """

    cpu_seconds: float = 4.0
    wall_seconds: float | None = None
    memory_bytes: int = 1024 * MEBIBYTE
    output_bytes: int = 16 * MEBIBYTE
    compile_cpu_seconds: float = 20.0

    def __post_init__(self) -> None:
        """Rejects limits that no program could meet."""
        for name in ("cpu_seconds", "memory_bytes", "output_bytes", "compile_cpu_seconds"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value < float("inf")):
                raise ValueError(f"Limits.{name} must be a finite number above 0, got {value!r}")
        if self.wall_seconds is not None and not self.wall_seconds >= self.cpu_seconds:
            raise ValueError(
                f"Limits.wall_seconds must be at least cpu_seconds ({self.cpu_seconds:g}),"
                f" got {self.wall_seconds!r}: the wall clock is only a backstop"
            )
        if self.memory_bytes < 64 * MEBIBYTE:
            raise ValueError(
                f"Limits.memory_bytes must be at least {64 * MEBIBYTE}, got {self.memory_bytes}"
            )

    @property
    def wall(self) -> float:
        """The wall backstop in seconds."""
        return self.wall_seconds if self.wall_seconds is not None else 3 * self.cpu_seconds + 1


@dataclass(frozen=True, slots=True)
class StdioTest:
    """One run of the program: standard input, and the output it should print."""

    input: str | bytes
    output: str

    @property
    def input_bytes(self) -> bytes:
        """The input as the program reads it."""
        return self.input if isinstance(self.input, bytes) else self.input.encode()


@dataclass(frozen=True, slots=True)
class FunctionTest:
    """One call: positional arguments, keyword arguments, and acceptable results (any of them)."""

    arguments: tuple[Any, ...]
    expected: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stdio:
    """Programs that read standard input and print.

    Attributes:
        tests: in order.
        comparator: how an output is compared.
        checker: source of a Python program that defines `check(input, output, expected) -> bool`;
            it runs in a box of its own and decides instead of the comparator.
    """

    tests: tuple[StdioTest, ...]
    comparator: Comparator = TOKENS
    checker: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """Calls of one function.

    Attributes:
        name: the function, top-level or a method of `class Solution`.
        tests: in order.
        absolute_tolerance, relative_tolerance: for floats, anywhere inside the value; 0 is exact.
        tuples_equal_lists: for formats that come from JSON.
        reference: a program that defines the function; where a test expects nothing, what the
            reference returns, in a box of its own, is expected.
        checker: source of a Python program that defines
            `check(arguments, result, expected) -> bool`; it runs in a box of its own and
            decides instead of equality.
    """

    name: str
    tests: tuple[FunctionTest, ...]
    absolute_tolerance: float = 0.0
    relative_tolerance: float = 0.0
    tuples_equal_lists: bool = False
    reference: str = ""
    checker: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """Python tests that call the candidate: asserts, or a pytest file.

    Attributes:
        source: the tests.
        entry_points: what the candidate must define; these shadow builtins of the same name.
        pytest: whether pytest runs the source.
        module: the name under which the tests may import the candidate.
        preamble: the dataset's own code that the tests need, run before them without its
            definitions of the entry points.
    """

    source: str
    entry_points: tuple[str, ...]
    pytest: bool = False
    module: str = "solution"
    preamble: str = ""


Kind = Stdio | Function | Script


@dataclass(frozen=True, slots=True)
class TestSuite:
    """Everything needed to judge a response but the response.

    Attributes:
        kind: the tests.
        language: `python`, `cpp`, `javascript`, or another registered one.
        limits: what each test may use.
        prefix: source put before the program (a HumanEval prompt).
        completion_of: when set, a response that does not define this name continues `prefix`
            in the middle of its last function; otherwise it follows on a new line.
        extraction: `auto` (last fenced block, or the whole response where nothing is fenced),
            `fenced` or `whole`.
        numpy: whether numpy is offered to a Python program.
        stop_at_first_failure: skip the tests after the first that fails. They are then missing
            from `Verdict.tests`: not for dense rewards.
    """

    __test__ = False

    kind: Kind
    language: str = "python"
    limits: Limits = Limits()
    prefix: str = ""
    completion_of: str = ""
    extraction: str = "auto"
    numpy: bool = False
    stop_at_first_failure: bool = False

    def __post_init__(self) -> None:
        """Rejects what could only fail later, inside a box."""
        if self.extraction not in ("auto", "fenced", "whole"):
            raise ValueError(
                f"TestSuite.extraction must be auto, fenced or whole, got {self.extraction!r}"
            )
        if not isinstance(self.kind, Script) and not self.kind.tests:
            raise ValueError("TestSuite needs at least one test")
        if not isinstance(self.kind, Stdio) and self.language != "python":
            raise ValueError(
                f"TestSuite.language {self.language!r} supports stdio tests only; function and"
                " script tests are for python"
            )

    @classmethod
    def stdio(
        cls, tests: Iterable[tuple[str | bytes, str]], *, comparator: Comparator = TOKENS,
        checker: str | None = None, **options: Any,
    ) -> TestSuite:  # fmt: skip
        """Pairs of (standard input, expected output).

        Args:
            tests: at least one pair.
            comparator: see `comparators`.
            checker: see `Stdio.checker`.
            options: fields of TestSuite (language, limits, …).
        """
        return cls(Stdio(tuple(StdioTest(*pair) for pair in tests), comparator, checker), **options)

    @classmethod
    def function(
        cls, name: str, tests: Iterable[tuple[Sequence[Any], Any]], *,
        absolute_tolerance: float = 0.0, relative_tolerance: float = 0.0,
        tuples_equal_lists: bool = False, **options: Any,
    ) -> TestSuite:  # fmt: skip
        """Pairs of (arguments, expected result) for one function.

        Raises:
            codec.CodecError: an argument or expected value is not plain data.
        """
        made = []
        for number, (arguments, expected) in enumerate(tests):
            if isinstance(arguments, str | bytes) or not isinstance(arguments, Sequence):
                raise TypeError(
                    f"TestSuite.function: arguments of test {number} must be a sequence of"
                    f" positional arguments, got {type(arguments).__name__}"
                )
            codec.encode([list(arguments), expected])
            made.append(FunctionTest(tuple(arguments), (expected,)))
        return cls(
            Function(name, tuple(made), absolute_tolerance, relative_tolerance,
                     tuples_equal_lists),
            **options,
        )  # fmt: skip

    @classmethod
    def asserts(cls, entry_point: str | Sequence[str], source: str, **options: Any) -> TestSuite:
        """A script of asserts that calls `entry_point` (or several), each assert a test."""
        names = (entry_point,) if isinstance(entry_point, str) else tuple(entry_point)
        return cls(Script(source, names), **options)

    @classmethod
    def pytest(
        cls, source: str, *, entry_points: Sequence[str] = (), module: str = "solution",
        **options: Any,
    ) -> TestSuite:  # fmt: skip
        """A pytest file that imports the candidate as `module`, each collected item a test."""
        return cls(Script(source, tuple(entry_points), pytest=True, module=module), **options)

    @staticmethod
    def from_humaneval(row: Mapping[str, Any], **options: Any) -> TestSuite:
        """A HumanEval row; see `formats.humaneval`."""
        from rewardsvc_verifiers.code.formats import from_humaneval

        return from_humaneval(row, **options)

    @staticmethod
    def from_mbpp(row: Mapping[str, Any], **options: Any) -> TestSuite:
        """An MBPP row; see `formats.mbpp`."""
        from rewardsvc_verifiers.code.formats import from_mbpp

        return from_mbpp(row, **options)

    @staticmethod
    def from_evalplus(row: Mapping[str, Any], **options: Any) -> TestSuite:
        """A HumanEval+ or MBPP+ row; see `formats.evalplus`."""
        from rewardsvc_verifiers.code.formats import from_evalplus

        return from_evalplus(row, **options)

    @staticmethod
    def from_apps(row: Mapping[str, Any], **options: Any) -> TestSuite:
        """An APPS or TACO row; see `formats.apps`."""
        from rewardsvc_verifiers.code.formats import from_apps

        return from_apps(row, **options)

    @staticmethod
    def from_livecodebench(row: Mapping[str, Any], **options: Any) -> TestSuite:
        """A LiveCodeBench row; see `formats.livecodebench`."""
        from rewardsvc_verifiers.code.formats import from_livecodebench

        return from_livecodebench(row, **options)

    @staticmethod
    def from_prime(ground_truth: str | Mapping[str, Any], **options: Any) -> TestSuite:
        """A verl or PRIME ground truth; see `formats.prime`."""
        from rewardsvc_verifiers.code.formats import from_prime

        return from_prime(ground_truth, **options)

    @staticmethod
    def from_sandbox_fusion(cases: str | Sequence[Mapping[str, Any]], **options: Any) -> TestSuite:
        """SandboxFusion's online-judge cases; see `formats.sandbox_fusion`."""
        from rewardsvc_verifiers.code.formats import from_sandbox_fusion

        return from_sandbox_fusion(cases, **options)

    def with_limits(self, **limits: Any) -> TestSuite:
        """The same suite with some limits changed."""
        return replace(self, limits=replace(self.limits, **limits))

    def fingerprint(self) -> str:
        """A hash of everything that can change a verdict, for caches."""
        return hashlib.sha256(repr(self).encode("utf-8", "surrogatepass")).hexdigest()
