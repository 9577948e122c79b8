"""The candidate's end: runs the program under test and does what the grader asks of it.

Hostile ground: the program shares this process and may rewrite any of it. All it can reach is
what it answers, and an answer is plain data.
"""

from __future__ import annotations

import builtins
import math
import operator
import os
import resource
import time
import types
from collections.abc import Callable
from typing import Any

from rewardsvc_verifiers.code import codec
from rewardsvc_verifiers.code.programs.link import Link

INPUT, OUTPUT = 3, 4
VALUE, NOT_PLAIN = b"V", b"N"
_ITERATORS: tuple[type, ...] = (
    types.GeneratorType, map, filter, zip, enumerate, reversed, type(iter([])), type(iter(())),
    type({}.keys()), type({}.values()), type({}.items()),
)  # fmt: skip


def find(module: types.ModuleType, name: str) -> Any:
    """The named function: top-level, or a method of `class Solution` as LeetCode writes it."""
    if name in module.__dict__:
        return module.__dict__[name]
    solution = module.__dict__.get("Solution")
    if isinstance(solution, type) and hasattr(solution, name):
        return getattr(solution(), name)
    raise NameError(f"the program does not define {name!r}")


def call_once(code: types.CodeType, module: types.ModuleType, function: str) -> None:
    """Runs the module, calls the function with the arguments on INPUT, writes to OUTPUT."""
    exec(code, module.__dict__)  # noqa: S102
    target = find(module, function)
    arguments, keywords = codec.decode(_read(INPUT))
    result = target(*arguments, **keywords)
    try:
        data = VALUE + codec.encode(_unwrap_numpy(result))
    except codec.CodecError as error:
        data = NOT_PLAIN + str(error).encode("utf-8", "replace")
    view = memoryview(data)
    while view:
        view = view[os.write(OUTPUT, view) :]


def serve(code: types.CodeType, module: types.ModuleType, arguments: dict[str, Any]) -> None:
    """Runs the module, then answers the grader until it hangs up."""
    Server(module, arguments).run(code)


def _read(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _unwrap_numpy(value: Any) -> Any:
    if type(value).__module__ == "numpy":
        return value.tolist()
    return value


class Server:
    """Keeps the objects that stay here and performs the operations asked for."""

    def __init__(self, module: types.ModuleType, arguments: dict[str, Any]) -> None:
        self._module = module
        self._cpu = math.ceil(arguments["cpu_per_call"])
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._failure: BaseException | None = None
        self._link = Link(INPUT, refer=self._refer, resolve=self._resolve, answer=self._answer)

    def run(self, code: types.CodeType) -> None:
        """Runs the program's top level, then serves."""
        try:
            exec(code, self._module.__dict__)  # noqa: S102
        except BaseException as error:
            self._failure = error
        self._link.serve_forever()

    def _answer(self, operation: str, arguments: list[Any]) -> list[Any]:
        # The soft limit is per call; the hard one, over all calls, is not ours to change.
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        soft = math.ceil(time.process_time()) + self._cpu
        resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))
        try:
            if self._failure is not None:
                raise self._failure
            value = _unwrap_numpy(_OPERATIONS[operation](self, *arguments))
        except BaseException as error:
            return ["raised", *_describe(error), time.process_time()]
        return ["value", value, time.process_time()]

    def _refer(self, value: Any) -> codec.Reference:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)  # kept alive, so that its id stays its own
        return codec.Reference(self._numbers[id(value)], _kind(value))

    def _resolve(self, reference: codec.Reference) -> Any:
        if reference.kind == "yours":
            return self._objects[reference.number]

        def callback(*arguments: Any, **keywords: Any) -> Any:
            kind, value = self._link.request("callback", reference.number, arguments, keywords)
            if kind == "raised":
                raise RuntimeError(value)
            return value

        return callback

    def _names(self, names: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in names:
            if name in self._module.__dict__:
                found[name] = self._module.__dict__[name]
            else:
                try:
                    found[name] = find(self._module, name)
                except NameError:
                    continue
        return found

    def _operate(self, name: str, operands: list[Any]) -> Any:
        return _OPERATORS[name](*operands)


def _kind(value: Any) -> str:
    if isinstance(value, type) and issubclass(value, BaseException):
        return "exception:" + ":".join(_describe_class(value))
    if isinstance(value, _ITERATORS):
        return "iterator"
    return "object"


def _describe_class(kind: type[BaseException]) -> tuple[str, str]:
    base = next(k for k in kind.__mro__ if getattr(builtins, k.__name__, None) is k)
    return kind.__name__, base.__name__


def _describe(error: BaseException) -> tuple[str, str, str]:
    try:
        text = str(error)[:2000]
    except BaseException:
        text = ""
    return (*_describe_class(type(error)), text)


_OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in (
        "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor",
        "lshift", "rshift", "neg", "pos", "abs", "invert", "getitem", "setitem", "delitem",
        "iadd", "isub", "imul",
    )
} | {
    "len": len, "iter": iter, "next": next, "str": str, "repr": repr, "int": int, "float": float,
    "enter": lambda value: value.__enter__(),
    "exit": lambda value: value.__exit__(None, None, None),
}  # fmt: skip

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "names": Server._names,
    "call": lambda server, target, arguments, keywords: target(*arguments, **keywords),
    "get": lambda server, target, name: getattr(target, name),
    "set": lambda server, target, name, value: setattr(target, name, value),
    "operate": Server._operate,
}
