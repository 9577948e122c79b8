"""The grader's end: stand-ins for the candidate's objects.

Covers: a stand-in forwards calls, attributes and arithmetic and gets plain data or another
stand-in back. What answers a question about correctness (`==`, `<`, `in`, truth, `isinstance`)
is never forwarded: two stand-ins are equal when they stand for the same object, and the rest
raises, so a class whose `__eq__` says yes to everything wins nothing (it fails closed).
Does not cover: a test that checks less than it means to.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable
from typing import Any

from rewardsvc_verifiers.code import codec
from rewardsvc_verifiers.code.programs.link import Link, LinkBrokenError

_NEVER_A_CALLBACK = {eval, exec, compile, __import__, open, getattr, setattr, vars, globals, locals}

# Raised by a call, these would end a test's loop or the whole session instead of failing it.
_STEERING = (StopIteration, StopAsyncIteration, GeneratorExit, KeyboardInterrupt)


class CandidateDiedError(BaseException):
    """The candidate's process is gone: the current test fails and the round ends."""


class CandidateError(Exception):
    """The candidate raised an exception of its own kind, or returned what cannot be judged."""


class UnsupportedTestError(BaseException):
    """The test needs something that cannot be done across processes; not the candidate's fault."""


class Candidate:
    """The candidate as the grader sees it."""

    def __init__(self, descriptor: int, timeout: float) -> None:
        self._callbacks: list[Callable[..., Any]] = []
        self._exceptions: dict[str, type[BaseException]] = {}
        self._stand_ins: dict[int, Any] = {}
        self._link = Link(
            descriptor, refer=self._refer, resolve=self._resolve, answer=self._callback,
            timeout=timeout,
        )  # fmt: skip
        self.cpu_seconds = 0.0
        self.died = False

    def names(self, names: list[str]) -> dict[str, Any]:
        """Stand-ins or plain values of the candidate's globals; those it lacks are left out."""
        found = self.ask("names", names)
        if not isinstance(found, dict):
            self._die("the candidate does not speak the protocol")
        return dict(found)

    def ask(self, operation: str, *arguments: Any) -> Any:
        """One operation at the candidate's side.

        Raises:
            CandidateDiedError: it is gone. UnsupportedTestError: an argument cannot cross.
            Any builtin exception, or CandidateError: what the candidate raised.
        """
        if self.died:
            raise CandidateDiedError("the candidate has ended")
        try:
            answer = self._link.request(operation, *arguments)
        except LinkBrokenError as error:
            self._die(str(error))
        except codec.CodecError as error:
            raise UnsupportedTestError(f"an argument cannot cross: {error}") from None
        if type(answer) is not list or len(answer) < 3 or type(answer[-1]) is not float:
            self._die("the candidate does not speak the protocol")
        self.cpu_seconds = max(self.cpu_seconds, answer[-1])
        if answer[0] == "value":
            return answer[1]
        if answer[0] == "raised" and len(answer) == 5:
            kind = self._exception(answer[1], answer[2])
            if issubclass(kind, _STEERING) and arguments[:1] != ("next",):
                raise CandidateError(f"the candidate raised {kind.__name__}")
            raise kind(answer[3])
        raise CandidateError(str(answer[1])[:500])

    def _die(self, message: str) -> Any:
        self.died = True
        raise CandidateDiedError(message)

    def _exception(self, name: Any, base: Any) -> type[BaseException]:
        known = self._exceptions.get(name) if type(name) is str else None
        if known is not None:
            return known
        kind = getattr(builtins, str(name), None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            return _constructible(kind)
        parent = getattr(builtins, str(base), None)
        if not (isinstance(parent, type) and issubclass(parent, Exception)):
            parent = CandidateError
        return type(str(name)[:100], (_constructible(parent),), {})

    def _refer(self, value: Any) -> codec.Reference | None:
        if isinstance(value, StandIn):
            return codec.Reference(value._number, "yours")
        stand_in = getattr(value, "_stands_for", None)
        if isinstance(value, type) and type(stand_in) is int:
            return codec.Reference(stand_in, "yours")
        # Functions written in the test, and builtin functions, may be called back. Bound
        # methods and anything that evaluates text may not: they lead into this process.
        if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
            if value in _NEVER_A_CALLBACK:
                return None
            self._callbacks.append(value)
            return codec.Reference(len(self._callbacks) - 1, "callback")
        return None

    def _resolve(self, reference: codec.Reference) -> Any:
        number, kind = reference.number, reference.kind
        if number not in self._stand_ins:
            self._stand_ins[number] = self._make(number, kind)
        return self._stand_ins[number]

    def _make(self, number: int, kind: str) -> Any:
        if kind.startswith("exception:"):
            _, name, base = (kind + "::").split(":")[:3]
            made = type(name[:100], (self._exception(name, base),), {"_stands_for": number})
            self._exceptions.setdefault(name, made)
            return made
        return StandIn(self, number)

    def _callback(self, operation: str, arguments: list[Any]) -> list[Any]:
        number, positional, keywords = arguments
        try:
            return ["value", self._callbacks[number](*positional, **keywords)]
        except Exception as error:
            return ["raised", f"{type(error).__name__}: {error}"[:500]]


def _constructible(kind: type[BaseException]) -> type[BaseException]:
    """The class itself, or where it takes more than a message (UnicodeError), its base."""
    try:
        kind("")
    except TypeError:
        return ValueError if issubclass(kind, ValueError) else Exception
    return kind


class StandIn:
    """An object of the candidate's that stays in the candidate's process."""

    __slots__ = ("_candidate", "_number")

    def __init__(self, candidate: Candidate, number: int) -> None:
        object.__setattr__(self, "_candidate", candidate)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._candidate.ask("call", self, list(arguments), keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return self._candidate.ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._candidate.ask("set", self, name, value)

    def __len__(self) -> int:
        size = _operate(self, "len")
        if type(size) is not int:
            raise CandidateError("a length that is no integer")
        return size

    def __iter__(self) -> StandIn:
        iterator = _operate(self, "iter")
        if not isinstance(iterator, StandIn):
            raise CandidateError("an iterator that is plain data")
        return iterator

    def __str__(self) -> str:
        return _text(self, "str")

    def __repr__(self) -> str:
        return _text(self, "repr")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __bool__(self) -> bool:
        raise CandidateError("an object of the candidate's own class has no truth here")

    def __contains__(self, item: object) -> bool:
        raise CandidateError("an object of the candidate's own class is no container here")

    def __exit__(self, *_: object) -> None:
        _operate(self, "exit")


def _operate(stand_in: StandIn, name: str, *operands: Any) -> Any:
    return stand_in._candidate.ask("operate", name, [stand_in, *operands])


def _text(stand_in: StandIn, name: str) -> str:
    value = _operate(stand_in, name)
    if type(value) is not str:
        raise CandidateError("a text that is no string")
    return value


def _forward(name: str, *, reflected: bool = False) -> Callable[..., Any]:
    def method(self: StandIn, *operands: Any) -> Any:
        if reflected:
            return self._candidate.ask("operate", name, [*operands, self])
        return _operate(self, name, *operands)

    return method


for _name in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor",
    "lshift", "rshift",
):  # fmt: skip
    _dunder = _name.rstrip("_")
    setattr(StandIn, f"__{_dunder}__", _forward(_name))
    setattr(StandIn, f"__r{_dunder}__", _forward(_name, reflected=True))
for _name in (
    "neg", "pos", "abs", "invert", "getitem", "setitem", "delitem", "iadd", "isub", "imul",
    "next", "int", "float", "enter",
):  # fmt: skip
    setattr(StandIn, f"__{_name}__", _forward(_name))
