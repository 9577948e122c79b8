"""Plain data between untrusted processes: exact builtin types, nothing that can act.

Covers: whatever bytes arrive, decoding yields only exact instances of None, bool, int, float,
complex, str, bytes, list, tuple, set, frozenset, dict, a few standard containers and numbers,
names of builtin types, and opaque references, or raises CodecError, in time linear in the
bytes and within a depth. A subclass is not its base: an object that claims to be an int but
overrides `__eq__` is not encodable, so it never reaches a comparison.
Does not cover: whether a value is right. A hostile sender may send any plain value.

Used on both sides, so it imports only the standard library and keeps no state.
"""

from __future__ import annotations

import builtins
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

MAXIMUM_DEPTH = 200
MAXIMUM_BYTES = 16 << 20


class CodecError(ValueError):
    """A value cannot cross, or bytes are not an encoding."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that stays where it is; only its number and kind cross."""

    number: int
    kind: str


_TYPES = {
    name: getattr(builtins, name)
    for name in (
        "int", "float", "complex", "bool", "str", "bytes", "bytearray", "list", "tuple", "set",
        "frozenset", "dict", "range", "object", "type",
    )
}  # fmt: skip
_TYPE_NAMES = {kind: name for name, kind in _TYPES.items()}
_TYPE_NAMES[type(None)] = "NoneType"
_TYPES["NoneType"] = type(None)

_LENGTH = struct.Struct("<I")
_DOUBLE = struct.Struct("<d")
_SEQUENCES: dict[type, bytes] = {list: b"l", tuple: b"t", set: b"e", frozenset: b"z", deque: b"q"}
_SEQUENCE_TYPES = {tag: kind for kind, tag in _SEQUENCES.items()}
_MAPPINGS: dict[type, bytes] = {dict: b"m", Counter: b"C", OrderedDict: b"O", defaultdict: b"D"}
_TEXTS: dict[type, bytes] = {
    Decimal: b"d", Fraction: b"r", date: b"a", datetime: b"A",
}  # fmt: skip

Refer = Callable[[Any], Reference | None]


def encode(value: Any, refer: Refer | None = None) -> bytes:
    """Encodes plain data.

    Args:
        refer: called with what is not plain data; returns a Reference to send in its place, or
            None when it must not cross.

    Raises:
        CodecError: it is not plain data, too deep, or longer than MAXIMUM_BYTES.
    """
    parts: list[bytes] = []
    _Encoder(parts, refer).put(value, 0)
    data = b"".join(parts)
    if len(data) > MAXIMUM_BYTES:
        raise CodecError(f"the value takes {len(data)} bytes; at most {MAXIMUM_BYTES} cross")
    return data


def _sized(tag: bytes, body: bytes) -> bytes:
    return tag + _LENGTH.pack(len(body)) + body


class _Encoder:
    def __init__(self, parts: list[bytes], refer: Refer | None) -> None:
        self.add = parts.append
        self.refer = refer

    def put(self, value: Any, depth: int) -> None:
        if depth > MAXIMUM_DEPTH:
            raise CodecError(f"the value is nested deeper than {MAXIMUM_DEPTH}")
        kind = type(value)
        if kind is int:
            self.add(
                _sized(b"i", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
            )
        elif kind is str:
            self.add(_sized(b"s", value.encode("utf-8", "surrogatepass")))
        elif value is None:
            self.add(b"N")
        elif kind is bool:
            self.add(b"T" if value else b"F")
        elif kind is float:
            self.add(b"f" + _DOUBLE.pack(value))
        elif kind in _SEQUENCES:
            self.sequence(kind, value, depth)
        elif kind in _MAPPINGS:
            self.add(_MAPPINGS[kind] + _LENGTH.pack(len(value)))
            for key, item in list(value.items()):
                self.put(key, depth + 1)
                self.put(item, depth + 1)
        else:
            self.rare(kind, value, depth)

    def sequence(self, kind: type, value: Any, depth: int) -> None:
        # One pass in C over the commonest long values: lists of machine integers or floats.
        if kind is list and len(value) > 8:
            kinds = set(map(type, value))
            for member, tag, letter in ((int, b"I", "q"), (float, b"G", "d")):
                if kinds == {member}:
                    try:
                        body = struct.pack(f"<{len(value)}{letter}", *value)
                    except struct.error:
                        break
                    self.add(_sized(tag, body))
                    return
        self.add(_SEQUENCES[kind] + _LENGTH.pack(len(value)))
        for item in list(value):
            self.put(item, depth + 1)

    def rare(self, kind: type, value: Any, depth: int) -> None:
        if kind is bytes:
            self.add(_sized(b"b", value))
        elif kind is bytearray:
            self.add(_sized(b"B", bytes(value)))
        elif kind is complex:
            self.add(b"c" + _DOUBLE.pack(value.real) + _DOUBLE.pack(value.imag))
        elif kind is range:
            self.add(b"R")
            for part in (value.start, value.stop, value.step):
                self.put(part, depth + 1)
        elif kind is timedelta:
            self.add(b"w")
            for part in (value.days, value.seconds, value.microseconds):
                self.put(part, depth + 1)
        elif kind in _TEXTS:
            text = value.isoformat() if kind in (date, datetime) else str(value)
            self.add(_sized(_TEXTS[kind], text.encode()))
        elif kind is type and value in _TYPE_NAMES:
            self.add(_sized(b"y", _TYPE_NAMES[value].encode()))
        elif value is Ellipsis:
            self.add(b".")
        else:
            self.foreign(kind, value)

    def foreign(self, kind: type, value: Any) -> None:
        reference = self.refer(value) if self.refer is not None else None
        if reference is None:
            name = getattr(kind, "__name__", "?")
            raise CodecError(f"a value of type {name!r} is not plain data")
        self.add(_sized(b"x", f"{reference.number}:{reference.kind}".encode()))


def decode(data: bytes, resolve: Callable[[Reference], Any] | None = None) -> Any:
    """Decodes what `encode` wrote.

    Args:
        resolve: turns a Reference into what stands for it here; None refuses references.

    Raises:
        CodecError: the bytes are not an encoding, or too long, or nested too deep.
    """
    if len(data) > MAXIMUM_BYTES:
        raise CodecError(f"{len(data)} bytes; at most {MAXIMUM_BYTES} are read")
    decoder = _Decoder(data, resolve)
    try:
        value = decoder.take(0)
    except CodecError:
        raise
    except Exception as error:
        raise CodecError(f"not an encoding: {type(error).__name__}: {error}") from error
    if decoder.position != len(data):
        raise CodecError(f"{len(data) - decoder.position} bytes follow the value")
    return value


class _Decoder:
    def __init__(self, data: bytes, resolve: Callable[[Reference], Any] | None) -> None:
        self.data = data
        self.position = 0
        self.resolve = resolve

    def read(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise CodecError("the encoding ends early")
        part = self.data[self.position : end]
        self.position = end
        return part

    def length(self) -> int:
        count = int(_LENGTH.unpack(self.read(4))[0])
        if count > len(self.data) - self.position:
            raise CodecError("a length exceeds the encoding")
        return count

    def body(self) -> bytes:
        return self.read(self.length())

    def items(self, depth: int) -> list[Any]:
        return [self.take(depth + 1) for _ in range(self.length())]

    def take(self, depth: int) -> Any:
        if depth > MAXIMUM_DEPTH:
            raise CodecError(f"the encoding is nested deeper than {MAXIMUM_DEPTH}")
        tag = self.read(1)
        if tag == b"i":
            return int.from_bytes(self.body(), "little", signed=True)
        if tag == b"s":
            return self.body().decode("utf-8", "surrogatepass")
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == b"f":
            return _DOUBLE.unpack(self.read(8))[0]
        if tag in _SEQUENCE_TYPES:
            items = self.items(depth)
            if tag in (b"e", b"z"):
                _refuse_collisions(items)
            return items if tag == b"l" else _SEQUENCE_TYPES[tag](items)
        if tag in (b"I", b"G"):
            body = self.body()
            return list(struct.unpack(f"<{len(body) // 8}{'q' if tag == b'I' else 'd'}", body))
        if tag in b"mCOD":
            pairs = [(self.take(depth + 1), self.take(depth + 1)) for _ in range(self.length())]
            _refuse_collisions([key for key, _ in pairs])
            return _MAKE_MAPPING[tag](pairs)
        return self.rare(tag, depth)

    def rare(self, tag: bytes, depth: int) -> Any:
        if tag == b"b":
            return self.body()
        if tag == b"B":
            return bytearray(self.body())
        if tag == b"c":
            return complex(*struct.unpack("<dd", self.read(16)))
        if tag in (b"R", b"w"):
            parts = [self.take(depth + 1) for _ in range(3)]
            if not all(type(part) is int for part in parts):
                raise CodecError("a range or timedelta of something else than integers")
            return range(*parts) if tag == b"R" else timedelta(*parts)
        if tag in _MAKE_TEXT:
            text = self.body().decode()
            if len(text) > 4000:
                raise CodecError("a number too long to read")
            return _MAKE_TEXT[tag](text)
        if tag == b"y":
            return _TYPES[self.body().decode()]
        if tag == b"x" and self.resolve is not None:
            number, _, kind = self.body().decode().partition(":")
            return self.resolve(Reference(int(number[:20]), kind[:200]))
        raise CodecError(f"unexpected tag {tag!r}")


def _refuse_collisions(keys: list[Any]) -> None:
    """A hostile set of integers with one hash would take quadratic time to build."""
    if len(keys) > 256 and max(Counter(map(hash, keys)).values()) > 64:
        raise CodecError("keys whose hashes collide")


_CONSTANTS = {b"N": None, b"T": True, b"F": False, b".": Ellipsis}
_MAKE_MAPPING: dict[bytes, Callable[[Any], Any]] = {
    b"m": dict,
    b"C": lambda pairs: Counter(dict(pairs)),
    b"O": OrderedDict,
    b"D": lambda pairs: defaultdict(None, pairs),
}
_MAKE_TEXT: dict[bytes, Callable[[str], Any]] = {
    b"d": Decimal,
    b"r": Fraction,
    b"a": date.fromisoformat,
    b"A": datetime.fromisoformat,
}
